//! The report as an SVG: a bar for each server in each work, the best of the work being full.

use std::fmt::Write as _;

use super::{Series, Work};

const WIDTH: f64 = 980.0;
const LABELS: f64 = 230.0;
const BARS: f64 = 480.0;
const ROW: f64 = 18.0;

pub fn draw(works: &[Work]) -> String {
    let mut body = String::new();
    let mut y = 24.0;
    for work in works {
        let note = if work.unit.is_better_if_small() { ", less is better" } else { "" };
        text(&mut body, 10.0, y, "title", &format!("{} ({}{note})", work.name, work.unit.name()));
        y += ROW;
        let most = work.servers.iter().map(Series::median).fold(0.0, f64::max);
        for series in &work.servers {
            bar(&mut body, y, series, most);
            y += ROW;
        }
        y += ROW / 2.0;
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {y}\">\n\
         <style>text {{ font: 12px sans-serif; fill: #222 }} .title {{ font-weight: bold }} \
         .name {{ text-anchor: end }} .orlop {{ fill: #1769aa }} .other {{ fill: #a8b3bd }}</style>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n{body}</svg>\n"
    )
}

fn bar(body: &mut String, y: f64, series: &Series, most: f64) {
    let class = if series.server.starts_with("orlop") { "orlop" } else { "other" };
    let length = (series.median() / most * BARS).max(1.0);
    let (x, top, height) = (LABELS + 10.0, y - ROW * 0.7, ROW * 0.8);
    writeln!(
        body,
        "<rect class=\"{class}\" x=\"{x}\" y=\"{top:.1}\" width=\"{length:.1}\" height=\"{height:.1}\"/>"
    )
    .expect("a text takes any");
    text(body, LABELS, y, "name", &series.server);
    text(body, x + length + 6.0, y, "value", super::figure(series.median()).trim());
}

fn text(body: &mut String, x: f64, y: f64, class: &str, text: &str) {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    writeln!(body, "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{text}</text>")
        .expect("a text takes any");
}
