//! A keyword: an argument that is compared in any case.
//!
//! Keywords have at most 16 bytes, so a longer argument is never copied.

/// A word in one case. A word that is too long becomes empty, which equals no keyword.
#[derive(Clone, Copy, Debug, Default)]
pub struct Keyword {
    bytes: [u8; 16],
    length: usize,
}

impl Keyword {
    /// The word in upper case, like the names of options.
    pub fn of(word: &[u8]) -> Keyword {
        Keyword::in_case(word, <[u8]>::make_ascii_uppercase)
    }

    /// The word in lower case, like the names of settings.
    pub fn lower(word: &[u8]) -> Keyword {
        Keyword::in_case(word, <[u8]>::make_ascii_lowercase)
    }

    fn in_case(word: &[u8], change: fn(&mut [u8])) -> Keyword {
        let mut keyword = Keyword::default();
        if let Some(place) = keyword.bytes.get_mut(..word.len()) {
            place.copy_from_slice(word);
            change(place);
            keyword.length = word.len();
        }
        keyword
    }

    /// The word.
    pub fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keyword_is_short_and_in_one_case() {
        assert_eq!(Keyword::of(b"Count").as_slice(), b"COUNT");
        assert_eq!(Keyword::lower(b"Topic").as_slice(), b"topic");
        assert_eq!(Keyword::of(&[b'a'; 16]).as_slice(), [b'A'; 16]);
        assert_eq!(Keyword::of(&[b'a'; 17]).as_slice(), b"");
        assert_eq!(Keyword::of(b"").as_slice(), b"");
    }
}
