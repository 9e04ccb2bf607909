//! A table of figures: a line for each question, a column for each size.

use std::fmt::Write;

use crate::plot::Curve;

/// One line: what was asked, what the design wants of a million, and the figure at each size.
struct Line {
    name: String,
    goal: String,
    figures: Vec<f64>,
}

/// A table over the sizes of histories.
pub struct Table {
    title: String,
    sizes: Vec<u64>,
    lines: Vec<Line>,
}

impl Table {
    /// An empty one.
    pub fn new(title: &str, sizes: &[u64]) -> Self {
        Table { title: title.to_owned(), sizes: sizes.to_vec(), lines: Vec::new() }
    }

    /// Adds the figure of the next size.
    pub fn add(&mut self, name: &str, goal: &str, figure: f64) {
        match self.lines.iter_mut().find(|line| line.name == name) {
            Some(line) => line.figures.push(figure),
            None => self.lines.push(Line { name: name.to_owned(), goal: goal.to_owned(), figures: vec![figure] }),
        }
    }

    /// As Markdown.
    pub fn markdown(&self) -> String {
        let heads: Vec<String> = self.sizes.iter().map(|size| grouped(&size.to_string())).collect();
        let mut out =
            format!("| {} | {} | goal |\n|---|{}---|\n", self.title, heads.join(" | "), "---|".repeat(heads.len()));
        for line in &self.lines {
            let figures: Vec<String> = line.figures.iter().map(|figure| spaced(*figure)).collect();
            // Text takes every line.
            let _ = writeln!(out, "| {} | {} | {} |", line.name, figures.join(" | "), line.goal);
        }
        out
    }

    /// The lines that have a figure for each size, as curves.
    pub fn curves(&self, sizes: &[u64]) -> Vec<Curve> {
        let curve = |line: &Line| Curve {
            name: line.name.clone(),
            points: sizes.iter().map(|size| *size as f64).zip(line.figures.iter().copied()).collect(),
        };
        self.lines.iter().filter(|line| line.figures.len() == sizes.len()).map(curve).collect()
    }
}

/// Two places below ten, one below a hundred; thousands apart from ten thousand on.
fn spaced(figure: f64) -> String {
    match figure {
        figure if figure < 10.0 => format!("{figure:.2}"),
        figure if figure < 100.0 => format!("{figure:.1}"),
        figure => grouped(&format!("{figure:.0}")),
    }
}

/// The digits of a whole number in groups of three, from five on.
fn grouped(whole: &str) -> String {
    let from = if whole.len() > 4 { whole.len() % 3 } else { whole.len() };
    let groups = whole.as_bytes()[from..].chunks(3).map(|group| String::from_utf8_lossy(group).into_owned());
    let head = (from > 0).then(|| whole[..from].to_owned());
    head.into_iter().chain(groups).collect::<Vec<_>>().join(" ")
}
