//! A list of trends for people: on a terminal as wide as it is, or in Markdown. Pure, but for asking how wide that is.

use jiff::{SignedDuration, Timestamp};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::super::text::{self, code_cell};
use super::super::ui::Palette;
use crate::trends::query::{Kind, Query};
use crate::trends::{SourceId, Trend};

/// Where nobody says how wide it is.
const WIDTH: usize = 100;
/// Cells of a curve.
const CURVE_CELLS: usize = 12;
/// The longest text of a cell, in characters; what is wider than its column is cut further.
const CELL_CHARS_MAX: usize = 120;
const GAP: &str = "  ";

/// What is shown.
pub(super) struct List<'a> {
    pub query: &'a Query,
    pub source: SourceId,
    pub asked_at: Timestamp,
    /// Of an answer that was there already.
    pub age: Option<SignedDuration>,
    pub trends: &'a [Trend],
}

impl List<'_> {
    fn title(&self) -> String {
        let Query { kind, country, period, scope, keyword } = self.query;
        let about = keyword.as_ref().map(|word| format!(" about “{}”", text::one_line(word, CELL_CHARS_MAX)));
        let scope = scope
            .as_str()
            .map(|name| if name == "all" { ", all industries".into() } else { format!(", {name}") });
        format!(
            "Trending {}{} in {}, last {} days{}",
            kind.as_str(),
            about.unwrap_or_default(),
            country.as_str(),
            period.days(),
            scope.unwrap_or_default()
        )
    }

    fn origin(&self) -> String {
        let when = match self.age.map(|age| age.as_mins()) {
            None => "asked just now".to_owned(),
            Some(0) => "asked less than a minute ago".to_owned(),
            Some(1) => "asked a minute ago".to_owned(),
            Some(minutes) => format!("asked {minutes} minutes ago"),
        };
        format!("{}, {when}", self.source.title())
    }

    fn columns(&self) -> Vec<Column> {
        let column = |head, is_number, least, cell: &dyn Fn(&Trend) -> String| Column {
            head,
            cells: self.trends.iter().map(cell).collect(),
            is_number,
            least,
        };
        let industries = |trend: &Trend| trend.industries.join(", ");
        let name = |trend: &Trend| match self.query.kind {
            Kind::Hashtags => format!("#{}", trend.name),
            Kind::Videos => trend.name.clone(),
        };
        let all = match self.query.kind {
            Kind::Hashtags => vec![
                column("#", true, None, &|trend| trend.rank.to_string()),
                column("hashtag", false, Some(12), &name),
                column("posts", true, None, &|trend| count(trend.posts)),
                column("views", true, None, &|trend| count(trend.views)),
                column("growth", false, None, &|trend| curve(&trend.curve)),
                column("industries", false, Some(10), &industries),
            ],
            Kind::Videos => vec![
                column("#", true, None, &|trend| trend.rank.to_string()),
                column("video", false, Some(16), &name),
                column("by", false, Some(8), &|trend| {
                    trend.author.as_ref().map_or_else(String::new, |by| format!("@{by}"))
                }),
                column("views", true, None, &|trend| count(trend.views)),
                column("organic", true, None, &|trend| organic(trend)),
                column("topics", false, Some(8), &industries),
            ],
        };
        // Not every source tells everything.
        all.into_iter().filter(|column| column.cells.iter().any(|cell| !cell.is_empty())).collect()
    }
}

struct Column {
    head: &'static str,
    cells: Vec<String>,
    is_number: bool,
    /// How narrow it may be made, if it may.
    least: Option<usize>,
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
pub(super) fn table(list: &List<'_>, palette: Palette, width: usize) -> String {
    let mut out = format!("{}\n{}\n", palette.strong(&list.title()), palette.faint(&list.origin()));
    if list.trends.is_empty() {
        return out + "\nNothing is trending there, as far as it tells.\n";
    }
    let mut columns = list.columns();
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
    out += &format!("\n{}\n", palette.faint(&row(&mut columns.iter().map(|column| column.head))));
    for (at, trend) in list.trends.iter().enumerate() {
        out += &format!("{}\n", row(&mut columns.iter().map(|column| column.cells[at].as_str())));
        if let Some(url) = &trend.url {
            let indent = " ".repeat(widths.first().map_or(0, |width| width + GAP.len()));
            out += &format!("{indent}{}\n", palette.faint(&text::one_line(url, CELL_CHARS_MAX)));
        }
    }
    out
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
        // The place and the name stay, however narrow it is.
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

/// The same list as a table of Markdown. What others wrote stands in code.
pub(super) fn markdown(list: &List<'_>) -> String {
    let at = list.asked_at.strftime("%Y-%m-%d %H:%M UTC");
    let title = text::code(&list.title(), CELL_CHARS_MAX);
    let mut out = format!("### {title}\n\n{}, asked at {at}\n", list.source.title());
    if list.trends.is_empty() {
        return out + "\nNothing is trending there, as far as it tells.\n";
    }
    let columns = list.columns();
    let heads = columns.iter().map(|column| column.head.replace('#', "\\#")).collect::<Vec<_>>().join(" | ");
    let rules = columns.iter().map(|column| if column.is_number { "---:" } else { "---" });
    out += &format!("\n| {heads} |\n| {} |\n", rules.collect::<Vec<_>>().join(" | "));
    for at in 0..list.trends.len() {
        let cells = columns.iter().map(|column| match (column.is_number, column.cells[at].as_str()) {
            // Ours, of digits alone.
            (true, number) => number.to_owned(),
            (false, words) => code_cell(words, CELL_CHARS_MAX),
        });
        out += &format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "));
    }
    out
}

/// A count as people read it: `950`, `1.2K`, `98.1M`. What is cut off is not rounded.
fn count(count: Option<u64>) -> String {
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

/// How much of the views nobody paid for.
fn organic(trend: &Trend) -> String {
    let share = trend.organic_views.zip(trend.views).filter(|(_, views)| *views > 0);
    share.map_or_else(String::new, |(organic, views)| {
        format!("{}%", u128::from(organic.min(views)) * 100 / u128::from(views))
    })
}

/// A curve in one line, from its lowest point to its highest. Empty if there is none.
fn curve(points: &[f64]) -> String {
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
mod tests;
