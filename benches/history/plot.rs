//! Plots as SVG, on logarithmic axes, readable on light and dark pages.

use std::fmt::Write;

/// One curve: its name, and its points.
pub struct Curve {
    pub name: String,
    pub points: Vec<(f64, f64)>,
}

const WIDTH: f64 = 820.0;
const HEIGHT: f64 = 460.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 250.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 50.0;
const COLOURS: [&str; 10] =
    ["#4c78a8", "#f58518", "#54a24b", "#e45756", "#72b7b2", "#b279a2", "#eeca3b", "#9d755d", "#ff9da6", "#8a8a8a"];

/// A plot of some curves over logarithmic axes. The axes end at powers of ten.
pub fn svg(title: &str, x_axis: &str, y_axis: &str, curves: &[Curve]) -> String {
    let points = || curves.iter().flat_map(|curve| curve.points.iter().copied());
    let (x_from, x_to) = decades(points().map(|(x, _)| x));
    let (y_from, y_to) = decades(points().map(|(_, y)| y));
    let x = |value: f64| LEFT + (value.log10() - x_from) / (x_to - x_from) * (WIDTH - LEFT - RIGHT);
    let y = |value: f64| HEIGHT - BOTTOM - (value.log10() - y_from) / (y_to - y_from) * (HEIGHT - TOP - BOTTOM);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<style>text{{fill:#222}}.grid{{stroke:#ccc}}.page{{fill:#fff}}\
         @media(prefers-color-scheme:dark){{text{{fill:#ddd}}.grid{{stroke:#444}}.page{{fill:#111}}}}</style>\n\
         <rect class=\"page\" width=\"{WIDTH}\" height=\"{HEIGHT}\"/>\n\
         <text x=\"{LEFT}\" y=\"20\" font-size=\"15\">{title}</text>\n"
    );
    for power in x_from as i32..=x_to as i32 {
        let at = x(10f64.powi(power));
        let (low, name) = (HEIGHT - BOTTOM, number(10f64.powi(power)));
        let _ = writeln!(out, "<line class=\"grid\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{TOP}\" y2=\"{low}\"/>");
        let _ = writeln!(out, "<text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{name}</text>", low + 18.0);
    }
    for power in y_from as i32..=y_to as i32 {
        let at = y(10f64.powi(power));
        let (right, name) = (WIDTH - RIGHT, number(10f64.powi(power)));
        let _ = writeln!(out, "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>");
        let _ = writeln!(out, "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{name}</text>", LEFT - 6.0, at + 4.0);
    }
    let _ = writeln!(out, "<text x=\"{LEFT}\" y=\"{}\">{x_axis}</text>", HEIGHT - 12.0);
    let _ = writeln!(
        out,
        "<text x=\"14\" y=\"{TOP}\" transform=\"rotate(-90 14 {TOP})\" text-anchor=\"end\">{y_axis}</text>"
    );
    for (at, curve) in curves.iter().enumerate() {
        let colour = COLOURS[at % COLOURS.len()];
        // Past the last colour they come again, dashed.
        let dash = if at < COLOURS.len() { "" } else { " stroke-dasharray=\"6 4\"" };
        let path: Vec<String> = curve.points.iter().map(|(px, py)| format!("{:.1},{:.1}", x(*px), y(*py))).collect();
        let _ = writeln!(
            out,
            "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"{dash} points=\"{}\"/>",
            path.join(" ")
        );
        let (key, line) = (WIDTH - RIGHT + 12.0, TOP + 12.0 + at as f64 * 20.0);
        let _ = writeln!(out, "<rect x=\"{key}\" y=\"{}\" width=\"14\" height=\"4\" fill=\"{colour}\"/>", line - 6.0);
        let _ = writeln!(out, "<text x=\"{}\" y=\"{line}\">{}</text>", key + 20.0, curve.name);
    }
    out.push_str("</svg>\n");
    out
}

/// The powers of ten that enclose some positive numbers, one decade at least.
fn decades(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (mut low, mut high) = (f64::MAX, f64::MIN);
    for value in values.map(|value| value.max(1e-3).log10()) {
        (low, high) = (low.min(value), high.max(value));
    }
    let (low, high) = (low.floor(), high.ceil());
    (low, if high > low { high } else { low + 1.0 })
}

/// `10`, `100`, `10 k`, `1 M`; fractions as they are.
fn number(value: f64) -> String {
    match value {
        value if value >= 1e6 => format!("{} M", value / 1e6),
        value if value >= 1e4 => format!("{} k", value / 1e3),
        value => format!("{value}"),
    }
}
