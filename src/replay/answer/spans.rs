//! Where values stand in a JSON text, by JSON pointer: so that one can be replaced and every other byte stays.

use std::ops::Range;

use crate::collection::locate::Scanner;

/// One segment of a pointer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// This member or position, unescaped.
    Name(String),
    /// `*`: any one.
    Any,
}

/// The segments of a JSON pointer (RFC 6901) in which `*` stands for any one.
pub(super) fn tokens(pointer: &str) -> Vec<Token> {
    let token = |text: &str| match text {
        "*" => Token::Any,
        _ => Token::Name(text.replace("~1", "/").replace("~0", "~")),
    };
    match pointer.strip_prefix('/') {
        Some(rest) => rest.split('/').map(token).collect(),
        None if pointer.is_empty() => Vec::new(),
        // A member without its slash: people write `id` for `/id`.
        None => pointer.split('/').map(token).collect(),
    }
}

/// A value that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// Its bytes.
    pub(super) span: Range<usize>,
    /// What stood where the pointer has `*`, in order.
    pub(super) bound: Vec<String>,
}

/// The values at a pointer, in order; at most `limit`. The text must be JSON: in another, what is found is arbitrary.
pub(super) fn find(text: &[u8], pointer: &[Token], limit: usize) -> Vec<Found> {
    let mut walk = Walk { scanner: Scanner::new(text), bound: Vec::new(), found: Vec::new(), limit };
    walk.value(pointer);
    walk.found
}

struct Walk<'a> {
    scanner: Scanner<'a>,
    bound: Vec<String>,
    found: Vec<Found>,
    limit: usize,
}

impl Walk<'_> {
    /// Looks for the rest of the pointer in the value here, and moves behind it. As deep as the pointer is long.
    fn value(&mut self, pointer: &[Token]) {
        self.scanner.skip_space();
        let start = self.scanner.at();
        let Some((token, rest)) = pointer.split_first() else {
            self.scanner.skip_value();
            let text = self.scanner.text();
            let mut end = self.scanner.at().min(text.len());
            while end > start && text[end - 1].is_ascii_whitespace() {
                end -= 1;
            }
            if end > start && self.found.len() < self.limit {
                self.found.push(Found { span: start..end, bound: self.bound.clone() });
            }
            return;
        };
        match self.scanner.peek() {
            Some(open @ (b'{' | b'[')) => self.members(open == b'{', token, rest),
            _ => self.scanner.skip_value(),
        }
    }

    fn members(&mut self, is_object: bool, token: &Token, rest: &[Token]) {
        let close = if is_object { b'}' } else { b']' };
        let _ = self.scanner.take(self.scanner.peek().unwrap_or_default());
        let mut position = 0usize;
        loop {
            self.scanner.skip_space();
            if self.scanner.take(close).is_some() || self.scanner.peek().is_none() {
                return;
            }
            let before = self.scanner.at();
            let name = match is_object {
                true => self.scanner.take_key(),
                false => Some(position.to_string()),
            };
            let Some(name) = name else { return };
            match token {
                Token::Name(wanted) if *wanted != name => self.scanner.skip_value(),
                Token::Name(_) => self.value(rest),
                Token::Any => {
                    self.bound.push(name);
                    self.value(rest);
                    self.bound.pop();
                }
            }
            let _ = self.scanner.take(b',');
            position += 1;
            if self.scanner.at() == before || self.found.len() >= self.limit {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found<'a>(text: &'a str, pointer: &str) -> Vec<(&'a str, String)> {
        let found = find(text.as_bytes(), &tokens(pointer), 100);
        found.into_iter().map(|found| (&text[found.span], found.bound.join(","))).collect()
    }

    #[test]
    fn values_are_found_by_pointer() {
        let text = "{ \"a\" : [ 1 , {\"b/c\":\"x\\\"]\"} , {\"b/c\" : {} } ] ,\n \"d~\": null, \"e\": [] }\n";
        assert_eq!(found(text, "/a/0"), [("1", String::new())]);
        assert_eq!(found(text, "/a/1/b~1c"), [("\"x\\\"]\"", String::new())]);
        assert_eq!(found(text, "/a/*/b~1c"), [("\"x\\\"]\"", "1".into()), ("{}", "2".into())]);
        assert_eq!(found(text, "/d~0"), [("null", String::new())]);
        assert_eq!(found(text, "d~0"), [("null", String::new())]);
        assert_eq!(found(text, "/e/*"), []);
        assert_eq!(found(text, "/e"), [("[]", String::new())]);
        assert_eq!(found(text, "/*/0"), [("1", "a".into())]);
        assert_eq!(found(text, ""), [(text.trim_end(), String::new())]);
        assert_eq!(find(b"[1,2,3]", &tokens("/*"), 2).len(), 2);
    }

    proptest! {
        #[test]
        fn no_text_does_harm(text in prop::collection::vec(prop::sample::select(b"{}[]\",:\\a1 \n".to_vec()), 0..60)) {
            for pointer in ["", "/a", "/*/a", "/1", "/*/*"] {
                for found in find(&text, &tokens(pointer), 100) {
                    prop_assert!(found.span.end <= text.len());
                }
            }
        }
    }
}
