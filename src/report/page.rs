//! A page of HTML that is whole by itself: no script, no request, light and dark. What was recorded stands in it as text
//! only.

use std::borrow::Cow;

use super::terminal::clean_lines;

/// Nothing is loaded, nothing is run, nothing is sent; the style stands in the page.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1d2430;--paper:#fff;--soft:#f3f5f8;--line:#d9dee6;--dim:#5c6675;\
--good:#0a7a3d;--bad:#b3261e;--warn:#8a5a00;--del:#ffd9d6;--ins:#c9f2d8}\
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ef;--paper:#14171c;--soft:#1d2229;--line:#343b46;--dim:#9aa4b2;\
--good:#5fd08f;--bad:#ff8a80;--warn:#f0bf5a;--del:#6b2420;--ins:#14532d}}\
*{box-sizing:border-box}\
body{margin:0 auto;max-width:64rem;padding:1.5rem;background:var(--paper);color:var(--ink);\
font:15px/1.5 system-ui,sans-serif}\
h1{font-size:1.35rem;margin:0 0 .25rem}h2{font-size:1.05rem;margin:1.75rem 0 .5rem}\
p{margin:.25rem 0}.dim{color:var(--dim)}.good{color:var(--good)}.bad{color:var(--bad)}.warn{color:var(--warn)}\
.cards{display:flex;flex-wrap:wrap;gap:.75rem;margin:1rem 0;padding:0;list-style:none}\
.cards li{background:var(--soft);border:1px solid var(--line);border-radius:.5rem;padding:.5rem 1rem;min-width:7rem}\
.cards b{display:block;font-size:1.4rem}\
table{border-collapse:collapse;width:100%}\
th,td{text-align:left;vertical-align:top;padding:.35rem .6rem;border-bottom:1px solid var(--line);\
overflow-wrap:anywhere}\
th{color:var(--dim);font-weight:600;white-space:nowrap}tr.more td{padding-top:0}tr.has td{border-bottom:0}td.n{white-space:nowrap;text-align:right}\
code,pre{font:13px/1.45 ui-monospace,monospace}\
pre{background:var(--soft);border:1px solid var(--line);border-radius:.5rem;padding:.75rem;margin:.4rem 0;white-space:pre-wrap;overflow-wrap:anywhere}\
.lead{font-size:1.1rem}.sides{table-layout:fixed}.sides th:first-child{width:22%}.place{font:13px/1.6 ui-monospace,monospace}\
mark{color:inherit;border-radius:.2rem;padding:0 .1rem}.del{background:var(--del)}.ins{background:var(--ins)}td code{white-space:pre-wrap}\
summary{cursor:pointer;color:var(--dim)}";

/// A page of that title; `body` is HTML, in which every text has passed [`text`].
pub(super) fn page(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<meta name=\"referrer\" content=\"no-referrer\">\n\
         <link rel=\"icon\" href=\"data:,\">\n<title>{}</title>\n<style>{STYLE}</style>\n</head>\n\
         <body>\n{body}</body>\n</html>\n",
        text(title)
    )
}

/// Any text as HTML: it says what it says, and does nothing, between tags or in a quoted attribute.
pub(super) fn text(text: &str) -> String {
    let clean: Cow<'_, str> = clean_lines(text);
    let mut out = String::with_capacity(clean.len() + 16);
    for character in clean.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_text_is_markup() {
        let text = text("<script>alert('1')</script> & \"x\" \u{1b}[31m\nnext");
        assert_eq!(text, "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt; &amp; &quot;x&quot; \\u{1b}[31m\nnext");
        let page = page("<b>", "<p>x</p>");
        assert!(page.contains("<title>&lt;b&gt;</title>") && !page.contains("<script"), "{page}");
    }
}
