//! JSON as leaves by pointer, and the differences between two texts.
//!
//! Not `serde_json::Value`: that loses long numbers, how they were written, and repeated keys.

use std::borrow::Cow;
use std::collections::HashSet;
use std::hash::{Hash, Hasher};

use serde::Serialize;

/// Deeper texts are compared as text.
const MAX_DEPTH: usize = 128;
/// Bytes of all pointers together; a text with more (deep, with long names) is compared as text.
const MAX_POINTERS: usize = 16 * 1024 * 1024;

/// A leaf: a scalar, or an empty container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// JSON pointer (RFC 6901).
    pub pointer: Box<str>,
    /// Which of its tokens are positions in arrays, a bit for each: a pointer alone does not tell `[1]` from `{"0":1}`.
    pub arrays: Arrays,
    /// Its value.
    pub value: Value,
}

/// One bit for each level of containers, set where it is an array; as many as there are levels that are told apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Arrays([u64; MAX_DEPTH / 64]);

impl Arrays {
    fn set(&mut self, level: usize, is_array: bool) {
        // Deeper texts have been given up.
        let Some(word) = self.0.get_mut(level / 64) else { return };
        let bit = 1 << (level % 64);
        *word = if is_array { *word | bit } else { *word & !bit };
    }

    /// Whether the container at this level, counted from the outermost, is an array.
    pub fn is_array(self, level: usize) -> bool {
        self.0.get(level / 64).is_some_and(|word| word >> (level % 64) & 1 == 1)
    }

    /// The outermost level at which the containers around two values are of different kinds.
    pub fn level_apart(self, other: Arrays) -> Option<usize> {
        let apart = self.0.iter().zip(&other.0).map(|(one, other)| one ^ other);
        apart.enumerate().find(|(_, bits)| *bits != 0).map(|(at, bits)| at * 64 + bits.trailing_zeros() as usize)
    }
}

impl Leaf {
    /// The pointer of the container around it that is at this level, counted from the outermost.
    pub fn container(&self, level: usize) -> &str {
        let slashes = self.pointer.bytes().enumerate().filter(|(_, byte)| *byte == b'/');
        let end = slashes.map(|(at, _)| at).nth(level).unwrap_or(self.pointer.len());
        &self.pointer[..end]
    }
}

/// The value of a leaf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A string, unescaped.
    String(Box<str>),
    /// A number, as written.
    Number(Box<str>),
    /// `true`, `false`, `null`, `{}`, `[]`
    Word(&'static str),
}

impl Value {
    /// Whether both are the same: strings by their characters, numbers by value whatever their writing.
    pub fn same(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Number(one), Value::Number(other)) => one == other || canonical(one) == canonical(other),
            (one, other) => one == other,
        }
    }

    /// The characters of a string.
    pub fn as_string(&self) -> Option<&str> {
        match self {
            Value::String(text) => Some(text),
            Value::Number(_) | Value::Word(_) => None,
        }
    }

    /// Puts it into a hash; values that are [the same](Value::same) come to the same.
    pub fn hash_same(&self, state: &mut impl Hasher) {
        match self {
            Value::String(text) => (1_u8, text).hash(state),
            Value::Number(text) => (2_u8, canonical(text)).hash(state),
            Value::Word(word) => (3_u8, word).hash(state),
        }
    }

    /// The value as JSON.
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            Value::String(text) => serde_json::to_string(text).unwrap_or_default().into(),
            Value::Number(text) => Cow::Borrowed(text),
            Value::Word(word) => Cow::Borrowed(word),
        }
    }
}

/// The leaves of a JSON text, sorted by pointer; none if it is not JSON, has a repeated key, or is too deep.
pub fn leaves(text: &str) -> Option<Vec<Leaf>> {
    // Validation by serde_json, which skips without recursion; the walk below may then trust the grammar.
    serde_json::from_str::<serde::de::IgnoredAny>(text).ok()?;
    let mut walk = Walk {
        text,
        at: 0,
        pointer: String::new(),
        arrays: Arrays::default(),
        leaves: Vec::new(),
        budget: MAX_POINTERS,
    };
    walk.value(0)?;
    let mut leaves = walk.leaves;
    leaves.sort_unstable_by(|one, other| one.pointer.cmp(&other.pointer));
    Some(leaves)
}

struct Walk<'a> {
    text: &'a str,
    at: usize,
    pointer: String,
    arrays: Arrays,
    leaves: Vec<Leaf>,
    budget: usize,
}

impl<'a> Walk<'a> {
    fn peek(&mut self) -> Option<u8> {
        let rest = &self.text.as_bytes()[self.at..];
        let blank = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')).count();
        self.at += blank;
        rest.get(blank).copied()
    }

    fn value(&mut self, depth: usize) -> Option<()> {
        if depth > MAX_DEPTH {
            return None;
        }
        self.arrays.set(depth, false);
        match self.peek()? {
            b'{' => self.object(depth),
            b'[' => self.array(depth),
            b'"' => {
                let text = self.string()?;
                self.leaf(Value::String(text.into()))
            }
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            _ => {
                let rest = &self.text[self.at..];
                let end = rest.find([',', ']', '}', ' ', '\t', '\r', '\n']).unwrap_or(rest.len());
                self.at += end;
                self.leaf(Value::Number(rest[..end].into()))
            }
        }
    }

    fn word(&mut self, word: &'static str) -> Option<()> {
        self.at += word.len();
        self.leaf(Value::Word(word))
    }

    fn leaf(&mut self, value: Value) -> Option<()> {
        self.budget = self.budget.checked_sub(self.pointer.len())?;
        self.leaves.push(Leaf { pointer: self.pointer.as_str().into(), arrays: self.arrays, value });
        Some(())
    }

    /// The string that begins here, unescaped; none for an escape that is half of a character.
    fn string(&mut self) -> Option<Cow<'a, str>> {
        let bytes = self.text.as_bytes();
        let mut end = self.at + 1;
        let mut escaped = false;
        while *bytes.get(end)? != b'"' {
            escaped |= bytes[end] == b'\\';
            end += if bytes[end] == b'\\' { 2 } else { 1 };
        }
        let token = &self.text[self.at..=end];
        self.at = end + 1;
        if escaped {
            return serde_json::from_str::<String>(token).ok().map(Cow::Owned);
        }
        Some(Cow::Borrowed(&token[1..token.len() - 1]))
    }

    fn object(&mut self, depth: usize) -> Option<()> {
        self.at += 1;
        if self.peek()? == b'}' {
            self.at += 1;
            return self.leaf(Value::Word("{}"));
        }
        let mut keys = HashSet::new();
        loop {
            self.peek()?;
            let key = self.string()?;
            self.peek()?;
            self.at += 1; // the colon
            let parent = self.pointer.len();
            self.pointer.push('/');
            self.pointer.push_str(&escape(&key));
            if !keys.insert(key) {
                return None;
            }
            self.value(depth + 1)?;
            self.pointer.truncate(parent);
            let next = self.peek()?;
            self.at += 1;
            if next == b'}' {
                return Some(());
            }
        }
    }

    fn array(&mut self, depth: usize) -> Option<()> {
        self.at += 1;
        if self.peek()? == b']' {
            self.at += 1;
            return self.leaf(Value::Word("[]"));
        }
        let mut position = 0_usize;
        loop {
            let parent = self.pointer.len();
            self.pointer.push('/');
            self.pointer.push_str(&position.to_string());
            self.arrays.set(depth, true);
            self.value(depth + 1)?;
            self.pointer.truncate(parent);
            position += 1;
            let next = self.peek()?;
            self.at += 1;
            if next == b']' {
                self.arrays.set(depth, false);
                return Some(());
            }
        }
    }
}

fn escape(key: &str) -> Cow<'_, str> {
    if key.contains(['~', '/']) { Cow::Owned(key.replace('~', "~0").replace('/', "~1")) } else { Cow::Borrowed(key) }
}

/// Sign, digits without zeros around them, and exponent: equal for numbers of equal value. An exponent beyond any
/// use leaves the text as it is.
fn canonical(number: &str) -> (bool, String, i64) {
    let (negative, rest) = match number.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, number),
    };
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>()),
        None => (rest, Ok(0)),
    };
    let Ok(exponent) = exponent else { return (negative, number.to_owned(), i64::MAX) };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_start_matches('0');
    let trimmed = significant.trim_end_matches('0');
    if trimmed.is_empty() {
        return (false, String::new(), 0);
    }
    let zeros = significant.len() - trimmed.len();
    // Lengths of a text of at most 1 MiB fit.
    let exponent = i64::from(exponent) - fraction.len() as i64 + zeros as i64;
    (negative, trimmed.to_owned(), exponent)
}

/// A difference between two JSON texts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// JSON pointer (RFC 6901).
    pub pointer: String,
    /// The value on the left, as JSON; none if it was added.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// The value on the right, as JSON; none if it was removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// The differences of two JSON texts, leaf by leaf, at most `limit` of them and the number of all; none if one of
/// them is not clean JSON.
pub fn changes(before: &str, after: &str, limit: usize) -> Option<(Vec<Change>, usize)> {
    let (before, after) = (leaves(before)?, leaves(after)?);
    let (mut kept, mut all) = (Vec::new(), 0);
    let (mut left, mut right) = (before.iter().peekable(), after.iter().peekable());
    loop {
        let order = match (left.peek(), right.peek()) {
            (Some(one), Some(other)) => one.pointer.cmp(&other.pointer),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (None, None) => return Some((kept, all)),
        };
        let one = if order.is_le() { left.next() } else { None };
        let other = if order.is_ge() { right.next() } else { None };
        if one.zip(other).is_some_and(|(one, other)| one.arrays == other.arrays && one.value.same(&other.value)) {
            continue;
        }
        all += 1;
        if kept.len() < limit {
            let text = |leaf: Option<&Leaf>| leaf.map(|leaf| leaf.value.text().into_owned());
            let pointer = one.or(other).map(|leaf| leaf.pointer.to_string()).unwrap_or_default();
            kept.push(Change { pointer, before: text(one), after: text(other) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_counted_whole_and_listed_up_to_the_limit() {
        let (listed, all) =
            changes(r#"{"a":1,"b":{"c":[1,2]},"d":null}"#, r#"{"a":1.0,"b":{"c":[1,3,4]}}"#, 2).unwrap();
        assert_eq!(all, 3);
        let told: Vec<_> = listed.iter().map(|it| (&*it.pointer, it.before.as_deref(), it.after.as_deref())).collect();
        assert_eq!(told, [("/b/c/1", Some("2"), Some("3")), ("/b/c/2", None, Some("4"))]);
        assert!(changes("{", "{}", 9).is_none());
    }

    #[test]
    fn what_is_not_clean_json_is_left_to_text() {
        let deep = "[".repeat(1_000_000);
        let nested = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
        let bomb =
            format!("{}[{}1]{}", format!("{{\"{}\":", "k".repeat(9_000)).repeat(100), "1,".repeat(50), "}".repeat(100));
        for text in [r#"{"a":1,"a":2}"#, "{", "", "{} x", r#""\ud800""#, &deep, &nested, &bomb] {
            assert!(leaves(text).is_none(), "{}", &text[..text.len().min(30)]);
        }
    }

    proptest::proptest! {
        #[test]
        fn every_value_is_the_same_as_itself_rewritten(text in json_text()) {
            let value: serde_json::Value = serde_json::from_str(&text).unwrap();
            let again = serde_json::to_string_pretty(&value).unwrap();
            let (one, other) = (leaves(&text).unwrap(), leaves(&again).unwrap());
            proptest::prop_assert_eq!(one.len(), other.len());
            for (one, other) in one.iter().zip(&other) {
                proptest::prop_assert!(one.pointer == other.pointer && one.value.same(&other.value));
            }
            for leaf in &one {
                proptest::prop_assert!(value.pointer(&leaf.pointer).is_some(), "{}", leaf.pointer);
            }
        }

        #[test]
        fn nothing_panics(text in ".{0,200}") {
            let _ = leaves(&text);
        }
    }

    fn json_text() -> impl proptest::strategy::Strategy<Value = String> {
        use proptest::prelude::*;
        let scalar = prop_oneof![
            Just("null".to_owned()),
            any::<i64>().prop_map(|number| number.to_string()),
            any::<f32>().prop_filter("JSON has no NaN", |number| number.is_finite()).prop_map(|n| format!("{n:e}")),
            "[a-z/~\\PC\"\\\\]{0,8}".prop_map(|text| serde_json::to_string(&text).unwrap()),
        ];
        scalar.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(|items| format!("[{}]", items.join(" ,"))),
                proptest::collection::btree_map("[a-z/~]{0,4}", inner, 0..5).prop_map(|members| {
                    let members = members.iter().map(|(key, value)| format!("\"{key}\" : {value}"));
                    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
                }),
            ]
        })
    }
}
