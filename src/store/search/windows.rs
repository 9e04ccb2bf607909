//! A text of any length, looked at as it comes: a window of bounded size goes over it, and each overlaps the one before
//! so far that no match is lost between them.

use regex::bytes::Regex;

use super::excerpt::{CONTEXT, Excerpt};

/// A match of up to this many bytes is found wherever it lies; a longer one may be missed where windows meet.
pub(super) const LONGEST: usize = 64 << 10;
/// A window is looked at when it has grown by this much. The larger, the less is looked at twice.
const STEP: usize = 512 << 10;

/// A window over a text.
#[derive(Clone)]
pub(super) struct Window<'r> {
    regex: &'r Regex,
    text: Vec<u8>,
    /// No match that begins before this place of the window is left to find.
    from: usize,
    longest: usize,
    step: usize,
}

impl<'r> Window<'r> {
    pub(super) fn new(regex: &'r Regex) -> Self {
        Window { regex, text: Vec::new(), from: 0, longest: LONGEST, step: STEP }
    }

    /// A small window, so that short texts have many.
    #[cfg(test)]
    pub(super) fn sized(regex: &'r Regex, longest: usize, step: usize) -> Self {
        Window { longest, step, ..Window::new(regex) }
    }

    /// Adds text; gives the first match when it is certain.
    pub(super) fn push(&mut self, piece: &[u8]) -> Option<Excerpt> {
        self.text.extend_from_slice(piece);
        if self.text.len() < self.from + self.longest + self.step {
            return None;
        }
        // What begins behind this may go on beyond the window, or end only because the window does.
        let certain = self.text.len() - self.longest;
        if let Some(found) = self.regex.find_at(&self.text, self.from).filter(|found| found.start() < certain) {
            return Some(Excerpt::new(&self.text, found.range()));
        }
        let keep = certain.saturating_sub(CONTEXT);
        self.text.drain(..keep);
        self.from = certain - keep;
        None
    }

    /// Looks at the rest; the text is over.
    pub(super) fn finish(&self) -> Option<Excerpt> {
        let found = self.regex.find_at(&self.text, self.from)?;
        Some(Excerpt::new(&self.text, found.range()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn windowed(regex: &Regex, text: &[u8], piece: usize, longest: usize, step: usize) -> bool {
        let mut window = Window::sized(regex, longest, step);
        text.chunks(piece).any(|piece| window.push(piece).is_some()) || window.finish().is_some()
    }

    #[test]
    fn a_match_on_any_border_is_found_and_memory_is_bounded() {
        let regex = Regex::new("needle").unwrap();
        for at in [LONGEST + STEP - 6, LONGEST + STEP - 3, LONGEST + STEP] {
            let mut text = vec![b'.'; 2 * (LONGEST + STEP)];
            text[at..at + 6].copy_from_slice(b"needle");
            let mut window = Window::new(&regex);
            let found = text.chunks(10_000).find_map(|piece| {
                assert!(window.text.capacity() <= 2 * (LONGEST + STEP) + CONTEXT);
                window.push(piece)
            });
            let found = found.or_else(|| window.finish()).unwrap();
            assert_eq!(&found.text[found.matched.0 as usize..found.matched.1 as usize], "needle", "{at}");
        }
    }

    proptest! {
        #[test]
        fn windows_see_what_the_whole_text_has(
            text in proptest::collection::vec(proptest::sample::select(&b"abc\n\xc3\xbc "[..]), 0..400),
            pattern in proptest::sample::select(vec![
                "abca", "(?i)B[ac]{2,5}c", "^ab", "a$", r"\bc\b", "ü+a", "a.{0,9}b", "c{7}", r"\Aab", r"bb\z", "(?m)^$",
            ]),
            piece in 1usize..50, step in 1usize..60,
        ) {
            let regex = regex::bytes::RegexBuilder::new(pattern).multi_line(true).build().unwrap();
            prop_assert_eq!(windowed(&regex, &text, piece, 24, step), regex.is_match(&text));
        }
    }
}
