//! Ours, baseline, ours, baseline, …: this makes measurements of a shared machine comparable.
//!
//! A machine that is slow for a second is slow for both halves of a pair. So each pair gives a
//! ratio, and the median of the ratios is the measurement; the medians of the halves are printed for
//! orientation. The first pair warms up and is not counted.

/// Measurements taken in turns.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pairs(Vec<(f64, f64)>);

impl Pairs {
    /// Pairs that were measured in turns.
    pub(crate) fn of(pairs: Vec<(f64, f64)>) -> Pairs {
        Pairs(pairs)
    }

    /// The median of ours.
    pub(crate) fn ours(&self) -> f64 {
        median(self.0.iter().map(|pair| pair.0))
    }

    /// The median of the baseline.
    pub(crate) fn baseline(&self) -> f64 {
        median(self.0.iter().map(|pair| pair.1))
    }

    /// The median of the ratios.
    pub(crate) fn ratio(&self) -> f64 {
        median(self.0.iter().map(|(ours, baseline)| ours / baseline))
    }
}

/// The median: the middle value; of an even number the mean of the two in the middle, 0 of none.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        length => (values[(length - 1) / 2] + values[length / 2]) / 2.0,
    }
}
