//! How many bytes an allocation takes: what is asked for, rounded up to the allocator's size classes
//! (jemalloc's, which Redis uses: steps of 16 up to 128, then four to each doubling).

/// Bytes that an allocation of `bytes` takes; none at all for none.
pub(crate) fn allocated(bytes: usize) -> usize {
    match bytes {
        0 => 0,
        1..=8 => 8,
        _ => bytes.next_multiple_of((bytes.next_power_of_two() / 8).max(16)),
    }
}

/// Bytes of a text on the heap.
pub(crate) fn of_text(text: &str) -> usize {
    allocated(text.len())
}

/// Bytes of a text on the heap, if there is one.
pub(crate) fn of_option(text: Option<&str>) -> usize {
    text.map_or(0, of_text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_rounded_up_to_the_next_class() {
        let rows = [
            (0, 0),
            (1, 8),
            (8, 8),
            (9, 16),
            (17, 32),
            (33, 48),
            (112, 112),
            (113, 128),
            (128, 128),
            (129, 160),
            (257, 320),
            (1_025, 1_280),
            (4_097, 5_120),
            (1 << 20, 1 << 20),
        ];
        for (bytes, expected) in rows {
            assert_eq!(allocated(bytes), expected, "{bytes}");
        }
    }
}
