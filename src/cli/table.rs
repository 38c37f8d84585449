//! Tables for people, on a terminal as wide as it is. Pure, but for asking how wide that is.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::text;

/// Where nobody says how wide it is.
const WIDTH: usize = 100;
/// Cells of a curve.
const CURVE_CELLS: usize = 12;
/// The longest text of a cell, in characters; what is wider than its column is cut further.
pub(super) const CELL_CHARS_MAX: usize = 120;
pub(super) const GAP: &str = "  ";

pub(super) struct Column {
    pub(super) head: &'static str,
    pub(super) cells: Vec<String>,
    pub(super) is_number: bool,
    /// How narrow it may be made, if it may.
    pub(super) least: Option<usize>,
}

impl Column {
    fn width(&self) -> usize {
        self.cells.iter().map(|cell| cell.width()).chain([self.head.width()]).max().unwrap_or(0)
    }
}

/// How wide the terminal is that stdout goes to, if it is one.
pub(super) fn width() -> usize {
    let size = rustix::termios::tcgetwinsize(std::io::stdout());
    size.ok().map(|size| usize::from(size.ws_col)).filter(|width| *width > 0).unwrap_or(WIDTH)
}

/// A table that is no wider than `width`, if it can be.
pub(super) struct Table {
    pub(super) head: String,
    pub(super) rows: Vec<String>,
    /// Of each column that is left.
    pub(super) widths: Vec<usize>,
}

/// Columns of the same length. The first two stay, however narrow it is.
pub(super) fn table(mut columns: Vec<Column>, width: usize) -> Table {
    for cell in columns.iter_mut().flat_map(|column| &mut column.cells) {
        *cell = text::one_line(cell, CELL_CHARS_MAX);
    }
    let widths = fit(&mut columns, width);
    let row = |cells: &mut dyn Iterator<Item = &str>| {
        let padded = columns.iter().zip(&widths).zip(cells).map(|((column, width), cell)| {
            let cell = cut(cell, *width);
            let space = " ".repeat(width.saturating_sub(cell.width()));
            if column.is_number { space + &cell } else { cell + &space }
        });
        padded.collect::<Vec<_>>().join(GAP).trim_end().to_owned()
    };
    let head = row(&mut columns.iter().map(|column| column.head));
    let count = columns.first().map_or(0, |column| column.cells.len());
    let rows =
        (0..count).map(|at| row(&mut columns.iter().map(|column| column.cells[at].as_str()))).collect();
    Table { head, rows, widths }
}

/// Makes columns narrower, the widest first, and leaves the last ones out, until a row fits.
fn fit(columns: &mut Vec<Column>, width: usize) -> Vec<usize> {
    loop {
        let mut widths: Vec<_> = columns.iter().map(Column::width).collect();
        let total =
            |widths: &[usize]| widths.iter().sum::<usize>() + GAP.len() * widths.len().saturating_sub(1);
        let spare = |(at, width): &(usize, &usize)| columns[*at].least.is_some_and(|least| **width > least);
        while total(&widths) > width
            && let Some(at) =
                widths.iter().enumerate().filter(spare).max_by_key(|(_, width)| **width).map(|(at, _)| at)
        {
            widths[at] -= 1;
        }
        if total(&widths) <= width || columns.len() <= 2 {
            return widths;
        }
        columns.pop();
    }
}

/// At most `width` cells of a text; what is left out is shown as `…`.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let (mut out, mut used) = (String::new(), 0);
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used >= width {
            break;
        }
        out.push(c);
    }
    out + "…"
}

/// A count as people read it: `950`, `1.2K`, `98.1M`. What is cut off is not rounded.
pub(super) fn count(count: Option<u64>) -> String {
    const UNITS: [&str; 4] = ["K", "M", "B", "T"];
    let Some(count) = count else { return String::new() };
    if count < 1_000 {
        return count.to_string();
    }
    let (mut divisor, mut unit) = (1_000, 0);
    while count / divisor >= 1_000 && unit + 1 < UNITS.len() {
        divisor *= 1_000;
        unit += 1;
    }
    let (whole, tenth) = (count / divisor, count % divisor / (divisor / 10));
    match whole < 100 && tenth > 0 {
        true => format!("{whole}.{tenth}{}", UNITS[unit]),
        false => format!("{whole}{}", UNITS[unit]),
    }
}

/// A curve in one line, from its lowest point to its highest. Empty if there is none.
pub(super) fn curve(points: &[f64]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    if points.len() < 2 {
        return String::new();
    }
    let cells = points.len().min(CURVE_CELLS);
    let mean = |cell: usize| {
        let part = &points[cell * points.len() / cells..(cell + 1) * points.len() / cells];
        part.iter().map(|point| point / part.len() as f64).sum::<f64>()
    };
    let means: Vec<f64> = (0..cells).map(mean).collect();
    let low = means.iter().copied().fold(f64::INFINITY, f64::min);
    let span = means.iter().copied().fold(f64::NEG_INFINITY, f64::max) - low;
    let bar = |mean: &f64| {
        // One that does not change, or whose span is beyond what can be computed, is in the middle. The cast saturates.
        let share = if span > 0.0 && span.is_finite() { (mean - low) / span } else { 0.5 };
        BARS[((share * 7.0).round() as usize).min(7)]
    };
    means.iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_short() {
        for (number, expected) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1K"),
            (1_250, "1.2K"),
            (99_900, "99.9K"),
            (100_900, "100K"),
            (999_999, "999K"),
            (1_200_000, "1.2M"),
            (98_100_000, "98.1M"),
            (3_000_000_000, "3B"),
            (u64::MAX, "18446744T"),
        ] {
            assert_eq!(count(Some(number)), expected);
        }
        assert_eq!(count(None), "");
    }

    #[test]
    fn a_curve_goes_from_its_lowest_to_its_highest() {
        assert_eq!(curve(&[10.0, 20.0, 35.0, 60.0, 80.0, 95.0, 100.0]), "▁▂▃▅▆██");
        for (points, expected) in [
            (&[][..], ""),
            (&[5.0], ""),
            (&[0.0, 100.0], "▁█"),
            (&[7.0, 7.0, 7.0], "▅▅▅"),
            (&[-5.0, 0.0, 5.0], "▁▅█"),
            (&[f64::MAX, f64::MIN, 1.0], "▅▅▅"),
        ] {
            assert_eq!(curve(points), expected, "{points:?}");
        }
        let long: Vec<f64> = (0..120).map(f64::from).collect();
        assert_eq!(curve(&long).chars().count(), CURVE_CELLS);
    }
}
