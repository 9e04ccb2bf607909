//! GraphQL documents as fields by path, such as `query Who/user/name`, with what is asked of each.

/// Deeper selections stand under the last name that is written out.
const DEEPEST: usize = 32;

/// The fields of a document, given its tokens: the path of each, and its alias, arguments and directives as written.
pub fn fields<'a>(tokens: impl Iterator<Item = &'a str>) -> Vec<(String, String)> {
    let mut reader = Reader::default();
    tokens.for_each(|token| reader.take(token));
    reader.finish()
}

#[derive(Default)]
struct Reader<'a> {
    /// The names of the open selections.
    open: Vec<String>,
    /// How many selections are open beyond those that have a name here.
    beyond: usize,
    /// The field that is being read, in tokens.
    field: Vec<&'a str>,
    /// How many parentheses, brackets and braces of arguments are open.
    inside: usize,
    found: Vec<(String, String)>,
}

impl<'a> Reader<'a> {
    fn take(&mut self, token: &'a str) {
        if self.inside > 0 || token == "(" {
            match token {
                "(" | "[" | "{" => self.inside += 1,
                ")" | "]" | "}" => self.inside -= 1,
                _ => {}
            }
            return self.field.push(token);
        }
        match token {
            "{" => {
                let name = if self.field.is_empty() { "query".to_owned() } else { self.end() };
                if self.open.len() < DEEPEST { self.open.push(name) } else { self.beyond += 1 }
            }
            "}" => {
                self.end();
                if self.beyond > 0 { self.beyond -= 1 } else { drop(self.open.pop()) }
            }
            _ => {
                if self.begins(token) {
                    self.end();
                }
                self.field.push(token);
            }
        }
    }

    /// Whether a new field begins with this token: a name that nothing before it asks for.
    fn begins(&self, token: &str) -> bool {
        let Some(last) = self.field.last() else { return false };
        // The head of an operation or fragment is one line of names.
        if self.open.is_empty() {
            return false;
        }
        let waits = matches!(*last, ":" | "@" | "..." | "on");
        !(waits || matches!(token, ":" | "@") || (*last == "..." && token == "on"))
    }

    /// Ends the field; its name.
    fn end(&mut self) -> String {
        if self.field.is_empty() {
            return String::new();
        }
        let field = std::mem::take(&mut self.field);
        let cut = field.iter().position(|token| matches!(*token, "(" | "@")).unwrap_or(field.len());
        let head = match &field[..cut] {
            // An alias is what is asked of the field.
            [_, ":", name, ..] => (*name).to_owned(),
            words => words.join(" "),
        };
        let path = self.open.iter().chain([&head]).map(String::as_str).collect::<Vec<_>>().join("/");
        self.found.push((path, spaced(&field)));
        head
    }

    fn finish(mut self) -> Vec<(String, String)> {
        self.end();
        self.found
    }
}

/// Tokens as a person writes them.
fn spaced(tokens: &[&str]) -> String {
    let mut text = String::new();
    for (at, token) in tokens.iter().enumerate() {
        let after = at.checked_sub(1).map(|at| tokens[at]);
        let tight = matches!(*token, ")" | "]" | "}" | ":" | "(" | "!")
            || after.is_none_or(|before| matches!(before, "(" | "[" | "{" | "$" | "@" | "..."));
        if !tight {
            text.push_str(if after == Some(":") || at < 2 || !is_value(token) { " " } else { ", " });
        }
        text.push_str(token);
    }
    text
}

fn is_value(token: &str) -> bool {
    token.starts_with(|first: char| first.is_ascii_alphanumeric() || matches!(first, '_' | '"' | '$'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<String> {
        let spaced = ["{", "}", "(", ")", ":", "...", "@"]
            .iter()
            .fold(text.to_owned(), |text, sign| text.replace(sign, &format!(" {sign} ")));
        fields(spaced.split_whitespace()).iter().map(|(path, text)| format!("{path} = {text}")).collect()
    }

    #[test]
    fn fields_stand_by_path_with_what_is_asked_of_them() {
        assert_eq!(
            told("query Who { user(id: 1) { name me: login ...Rest } }"),
            [
                "query Who = query Who",
                "query Who/user = user(id: 1)",
                "query Who/user/name = name",
                "query Who/user/login = me: login",
                "query Who/user/...  Rest = ...Rest".replace("...  Rest", "... Rest").as_str(),
            ]
        );
        assert_eq!(told("{ a { b } c }"), ["query/a = a", "query/a/b = b", "query/c = c"]);
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(tokens in proptest::collection::vec("[{}()\\[\\]:@a]|\\.\\.\\.", 0..80)) {
            let _ = fields(tokens.iter().map(String::as_str));
        }
    }
}
