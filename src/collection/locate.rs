//! Places in a JSON text: from a path of keys and positions to a line.

use std::fmt;

/// One step into a JSON text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The member of that name.
    Key(String),
    /// The element at that position, from 0.
    Index(usize),
}

/// A place in a JSON text, printed as `scenarios[0].response.status`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place(pub Vec<Step>);

impl Place {
    /// The top.
    pub fn top() -> Self {
        Place::default()
    }

    /// The member of that name here.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        self.then(Step::Key(key.to_owned()))
    }

    /// The element at that position here.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.then(Step::Index(index))
    }

    fn then(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Place(steps)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if at == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// The line, from 1, of `place` in a JSON text: that of the key for a member, that of the first byte for an element.
/// Where the place does not exist, the line of the last container on the way; so a missing member is found at its object.
pub fn line_of(text: &[u8], place: &Place) -> usize {
    let mut scanner = Scanner { text, at: 0 };
    scanner.skip_space();
    let mut offset = scanner.at;
    for step in &place.0 {
        let found = match step {
            Step::Key(key) => scanner.enter_member(key),
            Step::Index(index) => scanner.enter_element(*index),
        };
        match found {
            Some(at) => offset = at,
            None => break,
        }
    }
    1 + memchr::memchr_iter(b'\n', &text[..offset.min(text.len())]).count()
}

/// Walks over a JSON text. On text that is no JSON it stops somewhere, without harm.
pub struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    /// At the start of a text.
    pub fn new(text: &'a [u8]) -> Self {
        Scanner { text, at: 0 }
    }

    /// The text.
    pub fn text(&self) -> &'a [u8] {
        self.text
    }

    /// How many bytes are behind it; on text that is no JSON this may be past the end.
    pub fn at(&self) -> usize {
        self.at
    }

    /// The byte here.
    pub fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    /// Moves over white space.
    pub fn skip_space(&mut self) {
        while self.peek().is_some_and(|byte| b" \t\r\n".contains(&byte)) {
            self.at += 1;
        }
    }

    /// Moves over white space, and over this byte if it is next.
    pub fn take(&mut self, byte: u8) -> Option<()> {
        self.skip_space();
        (self.peek() == Some(byte)).then(|| self.at += 1)
    }

    /// Moves over a key and its colon; none if there is no key.
    pub fn take_key(&mut self) -> Option<String> {
        self.skip_space();
        let start = self.at;
        if self.peek() != Some(b'"') {
            return None;
        }
        self.skip_string();
        let name = serde_json::from_slice(self.text.get(start..self.at)?).ok()?;
        self.take(b':')?;
        self.skip_space();
        Some(name)
    }

    /// Moves to the value of a member of the object here; returns where its key stands.
    fn enter_member(&mut self, key: &str) -> Option<usize> {
        self.take(b'{')?;
        loop {
            self.skip_space();
            let start = self.at;
            if self.take_key()? == key {
                return Some(start);
            }
            self.skip_value();
            self.take(b',')?;
        }
    }

    /// Moves to an element of the array here; returns where it stands.
    fn enter_element(&mut self, index: usize) -> Option<usize> {
        self.take(b'[')?;
        for _ in 0..index {
            self.skip_space();
            self.skip_value();
            self.take(b',')?;
        }
        self.skip_space();
        self.peek().filter(|&byte| byte != b']').map(|_| self.at)
    }

    fn skip_string(&mut self) {
        self.at += 1;
        while let Some(byte) = self.peek() {
            self.at += if byte == b'\\' { 2 } else { 1 };
            if byte == b'"' {
                return;
            }
        }
    }

    /// Skips one value, and white space behind a scalar; no recursion, so depth does not matter.
    pub fn skip_value(&mut self) {
        let mut depth = 0usize;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => {
                    self.skip_string();
                    if depth == 0 {
                        return;
                    }
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' if depth <= 1 => {
                    // The end of the value, or of the container that holds it.
                    self.at += depth;
                    return;
                }
                b'}' | b']' => depth -= 1,
                b',' if depth == 0 => return,
                _ => {}
            }
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str =
        "{\n  \"a\": {\"x\": \"}\\\"]\",\n    \"y\": [1,\n [2, {}],\n 3]},\n  \"b\\u0063\": null,\n  \"d\": []\n}\n";

    #[test]
    fn lines_of_places() {
        let top = Place::top();
        for (place, line) in [
            (top.clone(), 1),
            (top.key("a"), 2),
            (top.key("a").key("x"), 2),
            (top.key("a").key("y"), 3),
            (top.key("a").key("y").index(1), 4),
            (top.key("a").key("y").index(1).index(1), 4),
            (top.key("a").key("y").index(2), 5),
            (top.key("bc"), 6),
            (top.key("missing"), 1),
            (top.key("d").index(0), 7),
            (top.key("a").key("missing"), 2),
        ] {
            assert_eq!(line_of(TEXT.as_bytes(), &place), line, "{place}");
        }
        assert_eq!(top.key("a").key("y").index(1).key("k").to_string(), "a.y[1].k");
    }

    proptest! {
        #[test]
        fn no_text_does_harm(text in prop::collection::vec(prop::sample::select(b"{}[]\",:\\a1 \n".to_vec()), 0..40)) {
            let place = Place::top().key("a").index(1).key("");
            let lines = 1 + text.iter().filter(|&&byte| byte == b'\n').count();
            prop_assert!((1..=lines).contains(&line_of(&text, &place)));
        }
    }
}
