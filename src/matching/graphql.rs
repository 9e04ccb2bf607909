//! GraphQL documents, as far as comparing needs: insignificant characters between tokens.

/// Whether a text begins like a GraphQL document.
pub fn looks_like(text: &str) -> bool {
    let start = text.trim_start();
    if start.starts_with(['{', '#']) {
        return true;
    }
    let keyword = ["query", "mutation", "subscription", "fragment"].iter().find_map(|word| start.strip_prefix(word));
    keyword.is_some_and(|rest| rest.starts_with([' ', '\t', '\r', '\n', '{', '(', '@', ',']))
}

/// Whether two documents have the same tokens. White space, commas and comments are insignificant between tokens
/// (GraphQL section 2.1); inside strings every character counts.
pub(super) fn same(one: &str, other: &str) -> bool {
    Tokens(one).eq(Tokens(other))
}

/// The name of the first operation of a document, if it has one.
pub(super) fn operation(document: &str) -> Option<&str> {
    let mut tokens = Tokens(document);
    let mut depth = 0_usize;
    while let Some(token) = tokens.next() {
        match token {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => depth = depth.saturating_sub(1),
            // Its name, `on`, and a type that may be called anything.
            "fragment" if depth == 0 => drop(tokens.nth(2)),
            "query" | "mutation" | "subscription" if depth == 0 => {
                return tokens
                    .next()
                    .filter(|name| name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_'));
            }
            _ => {}
        }
    }
    None
}

/// The tokens of a document.
pub fn tokens(text: &str) -> impl Iterator<Item = &str> {
    Tokens(text)
}

struct Tokens<'a>(&'a str);

impl<'a> Iterator for Tokens<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        self.0 = skip(self.0);
        let first = self.0.chars().next()?;
        let length = match first {
            '"' => string_length(self.0),
            '.' if self.0.starts_with("...") => 3,
            _ if is_word(first) => self.0.find(|character| !is_word(character)).unwrap_or(self.0.len()),
            _ => first.len_utf8(),
        };
        let (token, rest) = self.0.split_at(length);
        self.0 = rest;
        Some(token)
    }
}

fn is_word(character: char) -> bool {
    // Numbers, with sign and point, are words here: they only have to stay whole.
    character.is_ascii_alphanumeric() || matches!(character, '_' | '-' | '+' | '.')
}

fn skip(text: &str) -> &str {
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\r', '\n', ',', '\u{feff}']);
        match rest.strip_prefix('#') {
            Some(comment) => rest = comment.find(['\r', '\n']).map_or("", |end| &comment[end..]),
            None => return rest,
        }
    }
}

/// The length of the string at the start, quotes included; of an unfinished one, all that is left.
fn string_length(text: &str) -> usize {
    if let Some(block) = text.strip_prefix("\"\"\"") {
        let mut from = 0;
        while let Some(found) = block[from..].find("\"\"\"") {
            let end = from + found;
            if !block[..end].ends_with('\\') {
                return end + 6;
            }
            from = end + 3;
        }
        return text.len();
    }
    let bytes = text.as_bytes();
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_tokens_is_insignificant() {
        assert!(same("{ a, b # note\n c }", "{a b c}"));
        assert!(same("{a(x:\"1  2\")...F}", "{ a ( x : \"1  2\" ) ... F }"));
        assert!(!same("{a(x:\"1  2\")}", "{a(x:\"1 2\")}"));
        assert!(!same("{ab}", "{a b}"));
        assert!(!same("{a(x:\"\"\"a # b\"\"\")}", "{a(x:\"\"\"a\"\"\")}"));
    }

    #[test]
    fn the_first_operation_has_the_name() {
        for (document, name) in [
            ("query Me($n: Int) { query }", Some("Me")),
            ("fragment F on query { query } mutation Do { x }", Some("Do")),
            ("{ query X }", None),
            ("query { me }", None),
        ] {
            assert_eq!(operation(document), name, "{document}");
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(text in "[\\PC\"\\\\#é\n]{0,60}") {
            let _ = operation(&text);
            proptest::prop_assert!(same(&text, &text));
        }
    }
}
