//! The picture of docs/breaker.md: what passes after an outage, and how many calls go into a service that fails half of them.

use std::fmt::Write;

use crate::breakers::Kinds;
use crate::breaking::Seen;

const COLOURS: [&str; 4] = ["#1a7f5a", "#d9822b", "#7a3fc4", "#2b6cb0"];
const WIDTH: f64 = 430.0;
const HEIGHT: f64 = 240.0;

/// A chart of lines: its place, its title, what its axes end at, and the lines.
struct Chart<'a> {
    left: f64,
    title: &'a str,
    below: &'a str,
    x: (f64, f64, f64),
    y: (f64, f64, &'a str),
    lines: Vec<(Kinds, Vec<(f64, f64)>)>,
}

/// An SVG, on white, so that it can be read on dark pages, too.
pub(crate) fn draw(seen: &[Seen]) -> String {
    let outage = seen.iter().map(|s| {
        let share =
            |(i, t): (usize, &crate::world::Tenth)| (i as f64 / 10.0 - 2.0, 100.0 * f64::from(t.passed) / f64::from(t.offered.max(1)));
        (s.kind, s.outage.iter().enumerate().map(share).collect())
    });
    let faults = seen.iter().map(|s| {
        let mut sum = 0.0;
        let total = |(i, t): (usize, &crate::world::Tenth)| {
            sum += f64::from(t.passed);
            (i as f64 / 10.0, sum)
        };
        (s.kind, s.faults.iter().enumerate().map(total).collect())
    });
    let charts = [
        Chart {
            left: 60.0,
            title: "Calls that pass after an outage, at 1000 a second",
            below: "seconds since its end",
            x: (-2.0, 26.0, 4.0),
            y: (100.0, 25.0, " %"),
            lines: outage.collect(),
        },
        Chart {
            left: 590.0,
            title: "Calls into a service that fails half of them, in all",
            below: "seconds since it does",
            x: (0.0, 60.0, 10.0),
            y: (1500.0, 250.0, ""),
            lines: faults.collect(),
        },
    ];
    let mut svg = r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1050 350" font-family="sans-serif" font-size="13" fill="#222">
<rect width="1050" height="350" fill="#fff"/>
"##
    .to_owned();
    for chart in &charts {
        chart.draw(&mut svg);
    }
    for (i, (kind, colour)) in Kinds::ALL.iter().zip(COLOURS).enumerate() {
        let x = 290.0 + 140.0 * i as f64;
        let name = kind.name().replace('`', "");
        let _ =
            writeln!(svg, r#"<rect x="{x}" y="328" width="18" height="4" fill="{colour}"/><text x="{}" y="335">{name}</text>"#, x + 24.0);
    }
    svg + "</svg>\n"
}

impl Chart<'_> {
    fn draw(&self, svg: &mut String) {
        let (top, (first, last, x_step), (most, y_step, unit)) = (40.0, self.x, self.y);
        let x = |value: f64| self.left + WIDTH * (value - first) / (last - first);
        let y = |value: f64| top + HEIGHT * (1.0 - (value / most).min(1.0));
        let (centre, bottom) = (self.left + WIDTH / 2.0, top + HEIGHT);
        let _ = writeln!(svg, r#"<text x="{centre}" y="22" text-anchor="middle" font-size="15">{}</text>"#, self.title);
        let _ = writeln!(svg, r#"<text x="{centre}" y="{}" text-anchor="middle">{}</text>"#, bottom + 36.0, self.below);
        let mut mark = 0.0;
        while mark <= most {
            let (at, end) = (y(mark), self.left + WIDTH);
            let _ = writeln!(svg, r##"<path d="M{} {at:.1}H{end}" stroke="#ddd"/>"##, self.left);
            let _ = writeln!(svg, r#"<text x="{}" y="{:.1}" text-anchor="end">{mark}{unit}</text>"#, self.left - 6.0, at + 4.0);
            mark += y_step;
        }
        let mut mark = 0.0;
        while mark <= last {
            let _ = writeln!(svg, r#"<text x="{:.1}" y="{}" text-anchor="middle">{mark}</text>"#, x(mark), bottom + 18.0);
            mark += x_step;
        }
        for ((_, line), colour) in self.lines.iter().zip(COLOURS).rev() {
            let points: Vec<_> =
                line.iter().filter(|(at, _)| *at <= last).map(|(at, value)| format!("{:.1},{:.1}", x(*at), y(*value))).collect();
            let _ = writeln!(svg, r#"<polyline points="{}" fill="none" stroke="{colour}" stroke-width="2"/>"#, points.join(" "));
        }
    }
}
