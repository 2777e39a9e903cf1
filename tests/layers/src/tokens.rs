//! The paths inside macro calls and attributes, which are tokens and no syntax yet.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::ext::IdentExt as _;

/// A path among tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mention {
    pub(crate) path: Vec<String>,
    pub(crate) line: usize,
    /// `!` follows.
    pub(crate) calls_macro: bool,
    /// Arguments follow.
    pub(crate) calls: bool,
}

/// Every path in `tokens`, also in nested groups. `a::{b, c}` gives `a::b` and `a::c`.
pub(crate) fn mentions(tokens: TokenStream) -> Vec<Mention> {
    let mut found = Vec::new();
    scan(tokens, &mut found);
    found
}

fn scan(tokens: TokenStream, found: &mut Vec<Mention>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    // What stands before a word decides whether the word begins a path.
    let mut before = String::new();
    while let Some(token) = tokens.get(at) {
        match token {
            TokenTree::Group(group) => {
                // `pub(in crate::a)` names nothing that is used.
                if before != "pub" {
                    scan(group.stream(), found);
                }
                before.clear();
                at += 1;
            }
            TokenTree::Ident(_) if before != "." && before != "'" => {
                let dollar = before == "$";
                let start = at;
                at = path(&tokens, at, dollar, found);
                before = match (&tokens[start], at - start) {
                    (TokenTree::Ident(ident), 1) => ident.unraw().to_string(),
                    _ => String::new(),
                };
            }
            TokenTree::Punct(punct) => {
                // `..a` is a range or the rest of a struct; only one point makes `a` a field.
                let point = punct.as_char().to_string();
                before = if point == "." && before == "." { String::new() } else { point };
                at += 1;
            }
            _ => {
                before.clear();
                at += 1;
            }
        }
    }
}

/// Reads the path that begins at `at` and returns where it ends.
fn path(tokens: &[TokenTree], at: usize, dollar: bool, found: &mut Vec<Mention>) -> usize {
    let TokenTree::Ident(first) = &tokens[at] else { return at + 1 };
    let line = first.span().start().line;
    let first = first.unraw().to_string();
    if dollar && first != "crate" {
        // A variable of `macro_rules!`.
        return at + 1;
    }
    let mut parts = vec![first];
    let mut at = at + 1;
    while is_colons(tokens, at) {
        match tokens.get(at + 2) {
            Some(TokenTree::Ident(ident)) => {
                parts.push(ident.unraw().to_string());
                at += 3;
            }
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                let mut inner = Vec::new();
                scan(group.stream(), &mut inner);
                for mention in inner {
                    let mut path = parts.clone();
                    path.extend(mention.path.into_iter().filter(|part| part != "self"));
                    found.push(Mention { path, ..mention });
                }
                return at + 3;
            }
            Some(TokenTree::Punct(star)) if star.as_char() == '*' => {
                parts.push("*".to_owned());
                at += 3;
            }
            // `::<` begins generic arguments, which are paths of their own.
            _ => break,
        }
    }
    let calls_macro = matches!(tokens.get(at), Some(TokenTree::Punct(mark)) if mark.as_char() == '!')
        && matches!(tokens.get(at + 1), Some(TokenTree::Group(_)));
    let calls = matches!(
        tokens.get(at),
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis
    );
    found.push(Mention { path: parts, line, calls_macro, calls });
    at
}

fn is_colons(tokens: &[TokenTree], at: usize) -> bool {
    let colon = |at: usize| matches!(tokens.get(at), Some(TokenTree::Punct(punct)) if punct.as_char() == ':');
    colon(at) && colon(at + 1)
}

/// The paths in the strings of a `serde` attribute, as in `#[serde(with = "crate::ids")]`.
pub(crate) fn quoted_paths(tokens: TokenStream) -> Vec<Mention> {
    let mut found = Vec::new();
    for token in tokens {
        match token {
            TokenTree::Group(group) => found.extend(quoted_paths(group.stream())),
            TokenTree::Literal(literal) => {
                let line = literal.span().start().line;
                let text = literal.to_string();
                let text = text.trim_matches('"');
                if text.contains("::")
                    && let Ok(path) = syn::parse_str::<syn::Path>(text)
                {
                    let path =
                        path.segments.iter().map(|part| part.ident.unraw().to_string()).collect();
                    found.push(Mention { path, line, calls_macro: false, calls: false });
                }
            }
            _ => {}
        }
    }
    found
}
