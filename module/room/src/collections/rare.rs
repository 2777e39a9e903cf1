//! A part that most values lack: one pointer until it is changed for the first time.
//!
//! Reading a part that is missing reads the blank one, which all values share. Changing it through
//! `DerefMut` allocates it; [`Rare::present_mut`] is for changes that a blank part has no use for.

use std::ops::{Deref, DerefMut};

use crate::bytes::allocation::allocated;

/// A type with a blank value that is shared.
pub(crate) trait Blank: Default + 'static {
    /// The blank value.
    fn blank() -> &'static Self;
}

/// Implements [`Blank`] for types whose default is blank.
macro_rules! blank {
    ($($part:ty),+) => {
        $(impl $crate::collections::rare::Blank for $part {
            fn blank() -> &'static $part {
                static BLANK: std::sync::LazyLock<$part> =
                    std::sync::LazyLock::new(<$part>::default);
                &BLANK
            }
        })+
    };
}
pub(crate) use blank;

/// A part that may be missing.
#[derive(Clone, Debug)]
pub(crate) struct Rare<T>(Option<Box<T>>);

impl<T> Default for Rare<T> {
    fn default() -> Rare<T> {
        Rare(None)
    }
}

impl<T> From<T> for Rare<T> {
    fn from(part: T) -> Rare<T> {
        Rare(Some(Box::new(part)))
    }
}

impl<T> Rare<T> {
    /// The part, unless it is missing.
    #[inline]
    pub(crate) fn present_mut(&mut self) -> Option<&mut T> {
        self.0.as_deref_mut()
    }

    /// Bytes of the part itself on the heap; what it refers to is not counted.
    pub(crate) fn own_memory(&self) -> usize {
        self.0.as_ref().map_or(0, |_| allocated(size_of::<T>()))
    }
}

impl<T: Blank> Deref for Rare<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        match &self.0 {
            Some(part) => part,
            None => T::blank(),
        }
    }
}

impl<T: Blank> DerefMut for Rare<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        self.0.get_or_insert_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    blank!(Vec<u8>);

    #[test]
    fn a_part_is_allocated_when_it_is_changed() {
        let mut rare = Rare::<Vec<u8>>::default();
        assert_eq!((rare.len(), rare.own_memory()), (0, 0));
        assert!(rare.present_mut().is_none());
        rare.push(7);
        assert_eq!((rare.len(), rare.own_memory()), (1, 32));
        assert_eq!(rare.present_mut(), Some(&mut vec![7]));
        assert_eq!(Rare::from(vec![1, 2]).as_slice(), [1, 2]);
        assert_eq!(size_of::<Rare<[u64; 9]>>(), 8);
    }
}
