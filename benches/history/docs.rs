//! Where figures are published: tables in `docs/performance.md`, plots beside it.

use std::path::PathBuf;

fn docs() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs")
}

/// Writes a plot.
pub fn plot(name: &str, svg: &str) {
    std::fs::write(docs().join(name), svg).expect("docs/ can be written");
    println!("docs/{name} was written");
}

/// Puts tables in the place of those of the last run, between the two marks of the page.
pub fn figures(of: &str, tables: &str) {
    let page = docs().join("performance.md");
    let text = std::fs::read_to_string(&page).expect("docs/performance.md can be read");
    let begin = format!("<!-- figures of the {of}: written by the bench -->\n");
    let from = text.find(&begin).expect("the place for the figures") + begin.len();
    let to = from + text[from..].find("<!-- end of them -->").expect("the end of that place");
    let text = format!("{}\n{tables}\n{}", &text[..from], &text[to..]);
    std::fs::write(page, text).expect("docs/ can be written");
    println!("docs/performance.md was written");
}
