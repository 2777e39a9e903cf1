//! The sizes of all groups.

use std::sync::OnceLock;

/// How long a run may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scale {
    /// `BENCH_QUICK`: only checks that everything works; the measurements mean little.
    Quick,
    /// Some minutes.
    Usual,
    /// `BENCH_FULL`: the largest sizes, which take memory and time.
    Full,
}

/// The scale of this run.
pub(crate) fn scale() -> Scale {
    static SCALE: OnceLock<Scale> = OnceLock::new();
    *SCALE.get_or_init(|| {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        match (set("BENCH_QUICK"), set("BENCH_FULL")) {
            (true, _) => Scale::Quick,
            (_, true) => Scale::Full,
            _ => Scale::Usual,
        }
    })
}

/// One of three numbers.
pub(crate) fn sized(quick: usize, usual: usize, full: usize) -> usize {
    match scale() {
        Scale::Quick => quick,
        Scale::Usual => usual,
        Scale::Full => full,
    }
}

/// How many pairs of short measurements.
pub(crate) fn pairs() -> usize {
    sized(3, 31, 61)
}
