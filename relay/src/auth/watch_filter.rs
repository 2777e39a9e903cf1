//! Which patterns of rooms the bearer may watch.
//!
//! Whether one pattern matches no more than another one is decided for the two simple cases only:
//! they are equal, or the allowed one is a literal with a star behind it, and the other one begins
//! with that literal. Any other pattern is refused, also where it would match fewer rooms.

use chat_protocol::glob;
use serde_json::Value;

use crate::auth::login_error::LoginError;
use crate::auth::room_filter::globs;

/// Globs in a token.
const GLOBS_MAX: usize = 20;

/// Which patterns may be watched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WatchFilter {
    globs: Box<[Box<str>]>,
}

impl WatchFilter {
    /// From the member `watch` of the claim `chat`. Without it no pattern may be watched.
    pub(super) fn of_claim(watch: Option<&Value>) -> Result<WatchFilter, LoginError> {
        let globs = watch.map(|watch| globs(watch, GLOBS_MAX, "watch")).transpose()?;
        Ok(WatchFilter { globs: globs.unwrap_or_default() })
    }

    /// Whether the bearer may watch all rooms that match `pattern`.
    pub fn admits(&self, pattern: &str) -> bool {
        self.globs.iter().any(|glob| **glob == *pattern || is_prefix_of(glob, pattern))
    }
}

/// Whether `glob` is a literal and a star, and `pattern` begins with that literal.
fn is_prefix_of(glob: &str, pattern: &str) -> bool {
    let (literal, rest) = glob::literal_start(glob.as_bytes());
    rest == b"*" && glob::literal_start(pattern.as_bytes()).0.starts_with(&literal)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn filter(claim: Value) -> Result<WatchFilter, LoginError> {
        WatchFilter::of_claim(Some(&claim))
    }

    #[test]
    fn a_pattern_is_admitted_if_it_is_equal_or_longer_than_a_prefix() {
        let rows: &[(&[&str], &str, bool, &str)] = &[
            (&["support:*"], "support:*", true, "the same"),
            (&["support:*"], "support:1", true, "one room"),
            (&["support:*"], "support:[ab]?*", true, "any pattern behind the literal"),
            (&["support:*"], "support:", true, "the literal alone"),
            (&["support:*"], "support*", false, "a shorter literal"),
            (&["support:*"], "suppor[t]:1", false, "a class is no literal"),
            (&["support:*"], "*support:*", false, "a star before it"),
            (&["support:*"], "Support:*", false, "another case"),
            (&["support:*"], "", false, "nothing"),
            (&["support:*"], "s\\upport:*", true, "escaped in the pattern"),
            (&["s\\upport:*"], "support:*", true, "escaped in the claim"),
            (&["a\\*b*"], "a\\*b1", true, "an escaped star is a literal"),
            (&["a\\*b*"], "a*b1", false, "and a star is none"),
            (&["a\\*"], "a\\*", true, "no star behind the literal: the same"),
            (&["a\\*"], "a\\*b", false, "no star behind the literal: another one"),
            (&["a\\\\*"], "a\\\\b", true, "an escaped backslash, then a star"),
            (&["a\\\\*"], "ab", false, "without the backslash"),
            (&["a*b"], "a*b", true, "a star in the middle: the same"),
            (&["a*b"], "axb", false, "a star in the middle: fewer rooms"),
            (&["a**"], "ab", false, "two stars"),
            (&["a?*"], "ab*", false, "a question mark is no literal"),
            (&["*"], "*", true, "everything"),
            (&["*"], "[a", true, "every pattern"),
            (&["lobby", "game-*"], "game-7", true, "the second one"),
            (&["lobby"], "lobby", true, "a name"),
            (&["lobby"], "lobby*", false, "more than a name"),
            (&["größe*"], "größer", true, "not ASCII"),
            (&[], "lobby", false, "none at all"),
        ];
        for (claim, pattern, expected, why) in rows {
            let found = filter(json!(claim)).expect("a good claim");
            assert_eq!(found.admits(pattern), *expected, "{why}: {claim:?} {pattern}");
        }
        let absent = WatchFilter::of_claim(None).expect("good");
        assert!(!absent.admits("lobby") && !absent.admits(""), "no claim");
    }

    #[test]
    fn wrong_claims_are_refused_not_ignored() {
        let rows: &[(Value, &str)] = &[
            (json!("*"), "a string"),
            (json!(null), "null"),
            (json!([7]), "a number in the list"),
            (json!(["x".repeat(201)]), "a long glob"),
            (json!(vec!["x"; GLOBS_MAX + 1]), "many globs"),
        ];
        for (claim, why) in rows {
            assert_eq!(filter(claim.clone()), Err(LoginError::Claim("watch")), "{why}");
        }
        assert!(filter(json!(vec!["x".repeat(200); GLOBS_MAX])).is_ok());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        /// What the rule is for: no pattern shows a room that the claim does not match.
        #[test]
        fn an_admitted_pattern_matches_no_room_beyond_the_claim(
            claim in "(a|b|\\\\[*?\\[\\\\]|[\\[\\]*?\\\\]){0,3}\\*?",
            more in "[ab\\\\\\[\\]*?^-]{0,4}",
            apart in "[ab\\\\\\[\\]*?^-]{0,5}",
            rooms in prop::collection::vec("[ab*\\\\\\[?]{0,6}", 24),
        ) {
            let filter = filter(json!([claim])).expect("a good claim");
            let longer = claim.strip_suffix('*').unwrap_or(&claim).to_owned() + &more;
            let literal = glob::literal_start(claim.as_bytes()).0;
            let unescaped = String::from_utf8(literal).expect("ASCII") + &more;
            for pattern in [longer, unescaped, apart] {
                if !filter.admits(&pattern) {
                    continue;
                }
                for room in &rooms {
                    let shown = glob::matches(pattern.as_bytes(), room.as_bytes());
                    let allowed = glob::matches(claim.as_bytes(), room.as_bytes());
                    prop_assert!(allowed || !shown, "{claim:?} admits {pattern:?}: {room:?}");
                }
            }
        }
    }
}
