//! Randomness that can be had again: every random scenario prints its seed and takes it back from
//! the variable `SEED`.

use rand::SeedableRng;
use rand::rngs::SmallRng;

/// A generator whose seed is in the scenario's output.
///
/// # Panics
/// If `SEED` is set and no unsigned integer.
pub fn seeded(scenario: &str) -> SmallRng {
    let seed = match std::env::var("SEED") {
        Ok(text) => text.parse().expect("SEED is an unsigned integer"),
        Err(_) => rand::random::<u32>().into(),
    };
    println!("{scenario}: SEED={seed} makes this run again");
    SmallRng::seed_from_u64(seed)
}

/// How long to wait for something that takes `normal` unless `SOAK` makes it longer.
pub fn patience(normal: std::time::Duration) -> std::time::Duration {
    normal * u32::try_from(rounds(1)).unwrap_or(u32::MAX)
}

/// How often a random scenario does its thing: `normal` times the variable `SOAK` (default 1).
pub fn rounds(normal: usize) -> usize {
    let factor = std::env::var("SOAK").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    normal * factor
}
