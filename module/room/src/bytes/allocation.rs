//! The bytes that an allocation takes, for MEMORY USAGE: the requested size, rounded up to the size
//! classes of jemalloc, the allocator of Redis (steps of 16 up to 128, then four classes per
//! doubling). Also the sizes that the containers of the standard library request.

/// Bytes that an allocation of `bytes` takes; 0 for 0.
pub(crate) fn allocated(bytes: usize) -> usize {
    match bytes {
        0 => 0,
        1..=8 => 8,
        _ => bytes.next_multiple_of((bytes.next_power_of_two() / 8).max(16)),
    }
}

/// Bytes of the nodes of a B-tree map of `len` entries of `entry` bytes each. A node holds up to
/// eleven entries and `filled` of them on average: six if keys only grow, eight in random order.
pub(crate) fn of_tree(len: usize, entry: usize, filled: usize) -> usize {
    const HEADER: usize = 16;
    const EDGES: usize = 12 * size_of::<usize>();
    let leaf = HEADER + 11 * entry;
    let leaves = len.div_ceil(filled);
    // Every entry of an inner node separates two nodes below it.
    let inner = if len <= 11 { 0 } else { leaves.div_ceil(filled) };
    if len <= 11 {
        allocated(leaf) * len.min(1)
    } else {
        leaves * allocated(leaf) + inner * allocated(leaf + EDGES)
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
    fn a_tree_of_few_entries_is_one_node() {
        assert_eq!([0, 1, 11].map(|len| of_tree(len, 16, 6)), [0, 192, 192]);
        let per_entry = of_tree(60_000, 16, 6) / 60_000;
        assert!((32..45).contains(&per_entry), "{per_entry}");
    }

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
