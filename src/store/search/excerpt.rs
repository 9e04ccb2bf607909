//! The text around a match, on one line.

use std::ops::Range;

/// Characters of an excerpt before the match, of the match, and in all.
const BEFORE: usize = 60;
const MATCHED: usize = 120;
const ALL: usize = 200;
/// No character has more bytes than this.
const WIDEST: usize = 4;
/// Bytes before a match that can be seen in an excerpt.
pub(super) const CONTEXT: usize = BEFORE * WIDEST;

/// A line of text with the match in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Excerpt {
    /// `…` stands for what was left out.
    pub(super) text: String,
    /// The bytes of the text that matched.
    pub(super) matched: (u32, u32),
}

impl Excerpt {
    /// The excerpt around a match in a text.
    pub(super) fn new(text: &[u8], matched: Range<usize>) -> Excerpt {
        let from = matched.start.saturating_sub(CONTEXT);
        let before = one_line(&text[from..matched.start], from > 0, false);
        let cut = match before.char_indices().rev().nth(BEFORE - 1) {
            Some((at, _)) if at > 0 => Some(at),
            _ => (from > 0).then_some(0),
        };
        let before = cut.map_or_else(|| before.trim_start().to_owned(), |at| format!("…{}", before[at..].trim_start()));

        let end = matched.end.min(matched.start + MATCHED * WIDEST);
        let mut found = one_line(&text[matched.start..end], false, end < matched.end);
        let is_whole = end == matched.end && found.chars().count() <= MATCHED;
        if !is_whole {
            shorten(&mut found, MATCHED - 1);
            found.push('…');
        }

        let room = ALL.saturating_sub(before.chars().count() + found.chars().count());
        let until = if is_whole { text.len().min(end + room * WIDEST) } else { end };
        let mut after = one_line(&text[end..until], false, until < text.len());
        if is_whole && (until < text.len() || after.chars().count() > room) {
            shorten(&mut after, room.saturating_sub(1));
            after.truncate(after.trim_end().len());
            after.push('…');
        }
        after.truncate(after.trim_end().len());
        // Some hundred bytes are far below 2^32.
        let matched = (before.len() as u32, (before.len() + found.len()) as u32);
        Excerpt { text: before + &found + &after, matched }
    }
}

/// Bytes as text, each run of white space as one space. Characters that were cut at an end are left out.
fn one_line(bytes: &[u8], is_cut_before: bool, is_cut_behind: bool) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut text = &*text;
    if is_cut_before {
        text = text.trim_start_matches(char::REPLACEMENT_CHARACTER);
    }
    if is_cut_behind {
        text = text.trim_end_matches(char::REPLACEMENT_CHARACTER);
    }
    let mut line = String::with_capacity(text.len());
    let mut was_space = false;
    for character in text.chars() {
        let is_space = character.is_whitespace();
        if !(is_space && was_space) {
            line.push(if is_space { ' ' } else { character });
        }
        was_space = is_space;
    }
    line
}

fn shorten(text: &mut String, characters: usize) {
    if let Some((at, _)) = text.char_indices().nth(characters) {
        text.truncate(at);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parts(text: &[u8], matched: Range<usize>) -> (String, String, String) {
        let excerpt = Excerpt::new(text, matched);
        let (from, to) = (excerpt.matched.0 as usize, excerpt.matched.1 as usize);
        (excerpt.text[..from].into(), excerpt.text[from..to].into(), excerpt.text[to..].into())
    }

    #[test]
    fn lines_become_one_and_ends_are_cut() {
        let text = b"{\n  \"name\":\t\"M\xc3\xbcller\"\n}\n";
        let (before, found, after) = parts(text, 13..20);
        assert_eq!((before.as_str(), found.as_str(), after.as_str()), ("{ \"name\": \"", "Müller", "\" }"));
        let long = "é".repeat(300) + "NEEDLE" + &"ü".repeat(300);
        let (before, found, after) = parts(long.as_bytes(), 600..606);
        assert_eq!((before, found), (format!("…{}", "é".repeat(60)), "NEEDLE".to_owned()));
        assert_eq!(after, "ü".repeat(132) + "…");
        let (before, found, after) = parts(&[b'a'; 900], 300..800);
        assert_eq!((before.chars().count(), found, after.as_str()), (61, "a".repeat(119) + "…", ""));
    }

    proptest! {
        #[test]
        fn any_bytes_give_a_line_of_some_two_hundred_characters(
            text in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b' '), Just(b'a'), Just(0xc3)], 0..900),
            at in any::<(prop::sample::Index, prop::sample::Index)>(),
        ) {
            let (a, b) = (at.0.index(text.len() + 1), at.1.index(text.len() + 1));
            let excerpt = Excerpt::new(&text, a.min(b)..a.max(b));
            prop_assert!(excerpt.text.chars().count() <= ALL + 2);
            prop_assert!(!excerpt.text.contains('\n'));
            prop_assert!(excerpt.text.get(excerpt.matched.0 as usize..excerpt.matched.1 as usize).is_some());
        }
    }
}
