//! Runs several cases of one scenario side by side: cases that mostly wait need not wait for each
//! other.

/// Runs `scenario` with each of `cases`, all at once, each on a thread of its own.
///
/// # Panics
/// When all have ended, if one of them has panicked.
#[track_caller]
pub fn at_once<T: Sync>(cases: &[T], scenario: impl Fn(&T) + Sync) {
    let scenario = &scenario;
    std::thread::scope(|threads| {
        for case in cases {
            threads.spawn(move || scenario(case));
        }
    });
}
