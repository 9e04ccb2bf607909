//! XML and HTML indented. Text and tags stay as written; only white space between them gives way.

use crate::model::markup::{Token, Tokens};
use crate::report::styled::{Line, Page, Tone};

/// Deeper levels stand where this one stands.
const MAX_INDENT: usize = 40;
/// How far up an end tag looks for its element: what is not closed in HTML stays on the stack.
const REACH: usize = 64;
/// Longer texts stand on lines of their own.
const SHORT: usize = 100;
/// Elements of HTML that end where the next of their kind begins (HTML standard, section 13.1.2.4).
const IMPLIED: [&str; 8] = ["p", "li", "dt", "dd", "tr", "td", "th", "option"];
/// Elements of HTML whose white space counts.
const AS_IT_IS: [&str; 4] = ["pre", "script", "style", "textarea"];

pub(super) fn render(text: &str, is_html: bool, page: &mut Page<'_>) {
    let mut tokens = Tokens::new(text, is_html);
    let mut open: Vec<&str> = Vec::new();
    while let Some(token) = tokens.next() {
        match token {
            Token::Open { name, tag, is_void } => {
                if is_html && ends_the_one_before(name, &open) {
                    open.pop();
                }
                let mut line = indented(open.len());
                push_tag(&mut line, name, tag);
                if is_void {
                    page.line(line);
                } else if let Some((text, close, after)) = short(name, &tokens) {
                    line.push(Tone::Plain, text);
                    line.push(Tone::Name, close);
                    tokens = after;
                    page.line(line);
                } else {
                    page.line(line);
                    open.push(name);
                }
            }
            Token::Close { name, tag } => {
                let reach = open.len().saturating_sub(REACH);
                let found = open[reach..].iter().rposition(|open| open.eq_ignore_ascii_case(name));
                if let Some(at) = found {
                    open.truncate(reach + at);
                }
                let mut line = indented(open.len());
                line.push(Tone::Name, tag);
                page.line(line);
            }
            Token::Text(text) => {
                let keep = is_html && open.last().is_some_and(|name| is_as_it_is(name));
                texts(text, Tone::Plain, open.len(), keep, page);
            }
            Token::Other(text) => texts(text, Tone::Dim, open.len(), false, page),
        }
    }
}

fn is_as_it_is(name: &str) -> bool {
    AS_IT_IS.iter().any(|known| known.eq_ignore_ascii_case(name))
}

fn ends_the_one_before(name: &str, open: &[&str]) -> bool {
    open.last().is_some_and(|open| open.eq_ignore_ascii_case(name))
        && IMPLIED.iter().any(|known| known.eq_ignore_ascii_case(name))
}

fn indented(depth: usize) -> Line {
    Line::of(Tone::Plain, "  ".repeat(depth.min(MAX_INDENT)))
}

fn push_tag(line: &mut Line, name: &str, tag: &str) {
    let (start, rest) = tag.split_at(1 + name.len());
    let inside = rest.trim_end_matches(['>', '/']);
    line.push(Tone::Name, start);
    line.push(Tone::Plain, inside);
    line.push(Tone::Name, &rest[inside.len()..]);
}

/// What an element holds, when that is nothing or a short text: the text, the end tag, and the tokens after it.
fn short<'a>(name: &str, tokens: &Tokens<'a>) -> Option<(&'a str, &'a str, Tokens<'a>)> {
    let mut ahead = tokens.clone();
    let (text, close) = match ahead.next()? {
        Token::Text(text) if text.len() <= SHORT && !text.contains('\n') => (text, ahead.next()?),
        token @ Token::Close { .. } => ("", token),
        _ => return None,
    };
    match close {
        Token::Close { name: closed, tag } if closed.eq_ignore_ascii_case(name) => Some((text, tag, ahead)),
        _ => None,
    }
}

fn texts(text: &str, tone: Tone, depth: usize, keep: bool, page: &mut Page<'_>) {
    for text in text.lines().filter(|line| !line.trim().is_empty()) {
        let mut line = if keep { Line::default() } else { indented(depth) };
        line.push(tone, if keep { text } else { text.trim() });
        page.line(line);
    }
}
