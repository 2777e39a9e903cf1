//! The imports of JavaScript files.
//!
//! A small reader of words, strings and comments is enough: `import … from '…'`, `import '…'`,
//! `export … from '…'` and `import('…')`. Types in comments are not imports.

use crate::graph::Arrow;
use crate::sources::{Sources, folder_of, join};

/// Whether the file at `path` holds JavaScript.
#[must_use]
pub fn is_javascript(path: &str) -> bool {
    path.ends_with(".js") || path.ends_with(".mjs")
}

/// The arrows of the file at `path` to other files of `sources`. Names of packages make none.
///
/// # Errors
/// An import of a file that is not there, by an address, or of a name known at run time only.
pub fn arrows(sources: &Sources, path: &str) -> Result<Vec<Arrow>, String> {
    let text = sources.text(path).unwrap_or_default();
    let mut found = Vec::new();
    for (line, name) in imports(text) {
        let Some(name) = name else {
            return Err(format!("{path}:{line}: import(…) of a name that is put together"));
        };
        if name.starts_with('/') || name.contains("://") {
            return Err(format!("{path}:{line}: {name}: import by a relative path instead"));
        }
        if !name.starts_with('.') {
            continue;
        }
        let to = join(folder_of(path), &name).map(|to| sources.without_links(&to));
        let to = to.filter(|to| sources.text(to).is_some());
        let to = to.ok_or_else(|| format!("{path}:{line}: {name}: there is no such file"))?;
        if to != path {
            let from = path.to_owned();
            found.push(Arrow { from, to, line, path: name, re_export: false });
        }
    }
    Ok(found)
}

#[derive(Debug, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Mark(char),
}

/// The line and the name of every import; no name if it is put together at run time.
fn imports(text: &str) -> Vec<(usize, Option<String>)> {
    let tokens = tokens(text);
    let word = |at: usize, wanted: &str| matches!(tokens.get(at), Some((_, Token::Word(word))) if word == wanted);
    let mark = |at: usize, wanted: char| matches!(tokens.get(at), Some((_, Token::Mark(mark))) if *mark == wanted);
    let mut found = Vec::new();
    for (at, (line, token)) in tokens.iter().enumerate() {
        let called = at >= 2 && mark(at - 1, '(') && word(at - 2, "import");
        let method = at >= 3 && mark(at - 3, '.');
        let Token::Text(name) = token else {
            if called && !method {
                found.push((*line, None));
            }
            continue;
        };
        let plain = at >= 1 && (word(at - 1, "from") || word(at - 1, "import"));
        if plain || called {
            let whole = !mark(at + 1, '+');
            found.push((*line, whole.then(|| name.clone())));
        }
    }
    found
}

fn tokens(text: &str) -> Vec<(usize, Token)> {
    let mut found: Vec<(usize, Token)> = Vec::new();
    let mut line = 1;
    // For each `${` that is open, the braces that are open in it.
    let mut braces: Vec<usize> = Vec::new();
    let mut rest = text.chars().peekable();
    while let Some(next) = rest.next() {
        match next {
            '\n' => line += 1,
            '/' if rest.peek() == Some(&'/') => {
                while rest.next_if(|&next| next != '\n').is_some() {}
            }
            '/' if rest.peek() == Some(&'*') => {
                rest.next();
                let mut last = ' ';
                for next in rest.by_ref() {
                    line += usize::from(next == '\n');
                    if last == '*' && next == '/' {
                        break;
                    }
                    last = next;
                }
            }
            // After a value `/` divides, else it begins a pattern, which may hold quotes.
            '/' if !ends_value(found.last().map(|(_, token)| token)) => {
                let mut in_class = false;
                while let Some(next) = rest.next_if(|&next| next != '\n') {
                    match next {
                        '\\' => {
                            rest.next();
                        }
                        '[' => in_class = true,
                        ']' => in_class = false,
                        '/' if !in_class => break,
                        _ => {}
                    }
                }
                found.push((line, Token::Mark('/')));
                found.push((line, Token::Word(String::new())));
            }
            '\'' | '"' => {
                let (start, inner) = (line, quoted(&mut rest, next, &mut line));
                found.push((start, Token::Text(inner)));
            }
            '`' => template(&mut rest, &mut line, &mut found, &mut braces),
            '{' => {
                if let Some(open) = braces.last_mut() {
                    *open += 1;
                }
                found.push((line, Token::Mark('{')));
            }
            '}' => match braces.last_mut() {
                // The end of `${…}`: the template goes on.
                Some(0) => {
                    braces.pop();
                    template(&mut rest, &mut line, &mut found, &mut braces);
                }
                open => {
                    if let Some(open) = open {
                        *open -= 1;
                    }
                    found.push((line, Token::Mark('}')));
                }
            },
            next if next.is_alphanumeric() || next == '_' || next == '$' => {
                let mut word = String::from(next);
                while let Some(next) =
                    rest.next_if(|&next| next.is_alphanumeric() || next == '_' || next == '$')
                {
                    word.push(next);
                }
                found.push((line, Token::Word(word)));
            }
            next if next.is_whitespace() => {}
            next => found.push((line, Token::Mark(next))),
        }
    }
    found
}

type Rest<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// The text up to `quote`. It ends with the line at the latest: a quote in a pattern that was taken for
/// a division hides no import below.
fn quoted(rest: &mut Rest<'_>, quote: char, line: &mut usize) -> String {
    let mut inner = String::new();
    while let Some(next) = rest.next_if(|&next| next != '\n') {
        if next == quote {
            break;
        }
        inner.push(next);
        if next == '\\' {
            let escaped = rest.next();
            *line += usize::from(escaped == Some('\n'));
            inner.extend(escaped);
        }
    }
    inner
}

/// Reads a template up to its end or up to the next `${`, whose code is read like any other.
fn template(
    rest: &mut Rest<'_>,
    line: &mut usize,
    found: &mut Vec<(usize, Token)>,
    braces: &mut Vec<usize>,
) {
    let start = *line;
    let mut inner = String::new();
    while let Some(next) = rest.next() {
        *line += usize::from(next == '\n');
        match next {
            '`' => break,
            '\\' => {
                rest.next();
            }
            '$' if rest.next_if_eq(&'{').is_some() => {
                braces.push(0);
                // A name that is put together at run time is no import of a file.
                found.push((start, Token::Mark('`')));
                return;
            }
            next => inner.push(next),
        }
    }
    found.push((start, Token::Text(inner)));
}

fn ends_value(token: Option<&Token>) -> bool {
    match token {
        Some(Token::Word(word)) => !matches!(word.as_str(), "return" | "typeof" | "case" | "in"),
        Some(Token::Text(_)) => true,
        Some(Token::Mark(mark)) => matches!(mark, ')' | ']' | '}'),
        None => false,
    }
}
