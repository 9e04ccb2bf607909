//! Names with values, in any order: fields, query pairs, forms, the elements of XML.

use std::collections::HashMap;

use super::tree::{Change, Kind};
use crate::model::markup::{Token, Tokens};

/// A form or a query as pairs.
pub fn form(bytes: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(bytes).map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
}

/// Which pairs are on one side only. What one name has on the left and has no longer, and what it has on the right in
/// its place, are one change.
pub fn changes(prefix: &str, before: Vec<(String, String)>, after: Vec<(String, String)>) -> Vec<Change> {
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut all: Vec<(String, [Vec<String>; 2])> = Vec::new();
    for (side, pairs) in [before, after].into_iter().enumerate() {
        for (name, value) in pairs {
            let place = *places.entry(name.clone()).or_insert_with(|| {
                all.push((name, [Vec::new(), Vec::new()]));
                all.len() - 1
            });
            all[place].1[side].push(value);
        }
    }
    let mut changes = Vec::new();
    for (name, [before, after]) in all {
        let (mut left, mut right) = (without(&before, &after).into_iter(), without(&after, &before).into_iter());
        loop {
            let (before, after) = (left.next(), right.next());
            let kind = match (&before, &after) {
                (Some(_), Some(_)) => Kind::Changed,
                (Some(_), None) => Kind::Removed,
                (None, Some(_)) => Kind::Added,
                (None, None) => break,
            };
            changes.push(Change { kind, pointer: format!("{prefix}{name}"), before, after });
        }
    }
    changes
}

/// The values of `one` that `other` has not, as often as it has not.
fn without(one: &[String], other: &[String]) -> Vec<String> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    other.iter().for_each(|value| *counts.entry(value).or_default() += 1);
    let is_left = |value: &&String| match counts.get_mut(value.as_str()) {
        Some(count) if *count > 0 => {
            *count -= 1;
            false
        }
        _ => true,
    };
    one.iter().filter(is_left).cloned().collect()
}

/// The tags and texts of an XML or HTML text by their path, such as `/a/b`: the start tag as written, then `text()`.
pub fn markup(text: &str, is_html: bool) -> Vec<(String, String)> {
    // Deeper elements stand under the last name that is written out: paths of hostile texts stay short.
    const DEEPEST: usize = 64;
    let mut names: Vec<&str> = Vec::new();
    let mut pairs = Vec::new();
    let path = |names: &[&str]| {
        let shown: Vec<&str> = names.iter().take(DEEPEST).map(|name| name.get(..64).unwrap_or(name)).collect();
        format!("/{}", shown.join("/"))
    };
    for token in Tokens::new(text, is_html) {
        match token {
            Token::Open { name, tag, is_void } => {
                names.push(name);
                pairs.push((path(&names), tag.trim_end_matches("/>").trim_end_matches('>').trim_end().to_owned()));
                if is_void {
                    names.pop();
                }
            }
            Token::Close { name, .. } => {
                let reach = names.len().saturating_sub(DEEPEST);
                if let Some(at) = names[reach..].iter().rposition(|open| *open == name) {
                    names.truncate(reach + at);
                }
            }
            Token::Text(text) if !text.trim().is_empty() => {
                pairs.push((format!("{}/text()", path(&names)), text.trim().to_owned()));
            }
            Token::Text(_) | Token::Other(_) => {}
        }
    }
    pairs
}
