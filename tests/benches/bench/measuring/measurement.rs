//! The measurements, printed as one table and saved as one JSON file.

use std::io::Write;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::measuring::pairs::Pairs;

/// The design's budget for a measurement. Printed, never asserted: a busy machine is no defect.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Budget {
    /// At most this many times the baseline.
    Ratio(f64),
    /// At most this much, in the measurement's own unit.
    Value(f64),
}

/// One line of the table.
#[derive(Clone, Debug)]
pub(crate) struct Measurement {
    group: &'static str,
    what: String,
    unit: &'static str,
    ours: f64,
    against: &'static str,
    baseline: Option<f64>,
    ratio: Option<f64>,
    budget: Option<Budget>,
}

impl Measurement {
    /// A measurement beside its baseline.
    pub(crate) fn paired(
        what: impl Into<String>,
        unit: &'static str,
        pairs: &Pairs,
    ) -> Measurement {
        Measurement {
            baseline: Some(pairs.baseline()),
            ratio: Some(pairs.ratio()),
            ..Measurement::alone(what, unit, pairs.ours())
        }
    }

    /// A measurement without a baseline.
    pub(crate) fn alone(what: impl Into<String>, unit: &'static str, ours: f64) -> Measurement {
        let (group, what) = ("", what.into());
        Measurement {
            group,
            what,
            unit,
            ours,
            against: "",
            baseline: None,
            ratio: None,
            budget: None,
        }
    }

    /// Names the baseline.
    pub(crate) fn against(self, against: &'static str) -> Measurement {
        Measurement { against, ..self }
    }

    /// Sets a budget.
    pub(crate) fn within(self, budget: Budget) -> Measurement {
        Measurement { budget: Some(budget), ..self }
    }

    fn verdict(&self) -> &'static str {
        let kept = match self.budget {
            None => return "",
            Some(Budget::Ratio(most)) => self.ratio.is_some_and(|ratio| ratio <= most),
            Some(Budget::Value(most)) => self.ours <= most,
        };
        if kept { "pass" } else { "MISS" }
    }

    fn cells(&self) -> [String; 8] {
        let quantity = |value: f64| format!("{} {}", short(value), self.unit);
        let budget = match self.budget {
            None => String::new(),
            Some(Budget::Ratio(most)) => format!("{most:.2} x"),
            Some(Budget::Value(most)) => quantity(most),
        };
        [
            self.group.to_owned(),
            self.what.clone(),
            quantity(self.ours),
            self.baseline.map(quantity).unwrap_or_default(),
            self.against.to_owned(),
            self.ratio.map(|ratio| format!("{} x", short(ratio))).unwrap_or_default(),
            budget,
            self.verdict().to_owned(),
        ]
    }

    fn json(&self) -> Value {
        let budget = match self.budget {
            None => Value::Null,
            Some(Budget::Ratio(most)) => json!({ "ratio": most }),
            Some(Budget::Value(most)) => json!({ "value": most }),
        };
        json!({
            "group": self.group, "what": self.what, "unit": self.unit, "ours": self.ours,
            "against": self.against, "baseline": self.baseline, "ratio": self.ratio,
            "budget": budget, "verdict": self.verdict(),
        })
    }
}

/// All measurements of a run.
#[derive(Debug, Default)]
pub(crate) struct Report {
    measurements: Vec<Measurement>,
    group: &'static str,
}

impl Report {
    /// The group of the measurements that follow.
    pub(crate) fn begin(&mut self, group: &'static str) {
        self.group = group;
    }

    /// Adds a measurement and prints it.
    pub(crate) fn add(&mut self, measurement: Measurement) {
        let measurement = Measurement { group: self.group, ..measurement };
        println!("  {}", measurement.cells().join("  ").trim_end());
        self.measurements.push(measurement);
    }

    /// The table.
    pub(crate) fn table(&self) -> String {
        let head = ["group", "what", "ours", "baseline", "of", "ratio", "budget", ""];
        let rows: Vec<[String; 8]> = std::iter::once(head.map(str::to_owned))
            .chain(self.measurements.iter().map(Measurement::cells))
            .collect();
        let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..head.len()).map(width).collect();
        let mut table = String::new();
        for row in &rows {
            let cells = row.iter().zip(&widths).enumerate().map(|(at, (cell, width))| match at {
                // Numbers are right-aligned.
                2 | 3 | 5 | 6 => format!("{cell:>width$}"),
                _ => format!("{cell:<width$}"),
            });
            table.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
            table.push('\n');
        }
        table
    }

    /// Writes all measurements as JSON to the path in `BENCH_JSON`, or to `target/bench.json`;
    /// returns the path.
    pub(crate) fn save(&self) -> std::io::Result<PathBuf> {
        let path = std::env::var_os("BENCH_JSON").map_or_else(default_path, PathBuf::from);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let measurements: Vec<Value> = self.measurements.iter().map(Measurement::json).collect();
        let mut file = std::fs::File::create(&path)?;
        writeln!(
            file,
            "{}",
            serde_json::to_string_pretty(&json!({ "measurements": measurements }))?
        )?;
        path.canonicalize()
    }
}

fn default_path() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(target).join("bench.json")
}

/// Three significant digits of any number.
fn short(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if size < 10.0 => format!("{value:.2}"),
        size if size < 100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}
