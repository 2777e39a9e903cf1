//! What may move allocations, for active defragmentation. The module implements it with Redis's
//! allocator.

/// Moves allocations.
pub trait Relocator {
    /// May move the entries of a list.
    fn list<T>(&mut self, list: &mut Vec<T>);
    /// May move a text.
    fn text(&mut self, text: &mut Box<str>);
    /// May move a value.
    fn value<T>(&mut self, value: &mut Box<T>);
    /// Whether the time for this call is used up.
    fn must_stop(&mut self) -> bool;
}
