//! What moves allocations, for defragmentation: the shell implements it with Redis's allocator.

/// Who moves allocations.
pub trait Relocator {
    /// Perhaps moves the entries of a list.
    fn list<T>(&mut self, list: &mut Vec<T>);
    /// Perhaps moves a text.
    fn text(&mut self, text: &mut Box<str>);
    /// Perhaps moves a value.
    fn value<T>(&mut self, value: &mut Box<T>);
    /// Whether there is no time for more now.
    fn must_stop(&mut self) -> bool;
}
