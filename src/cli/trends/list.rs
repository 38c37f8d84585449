//! A list of trends for people: on a terminal as wide as it is, or in Markdown. Pure.

use jiff::{SignedDuration, Timestamp};

use super::super::table::{self, CELL_CHARS_MAX, Column, GAP, count, curve};
use super::super::text::{self, code_cell};
use super::super::ui::Palette;
use crate::trends::query::{Kind, Query};
use crate::trends::{SourceId, Trend};

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

/// A table that is no wider than `width`, if it can be.
pub(super) fn terminal(list: &List<'_>, palette: Palette, width: usize) -> String {
    let mut out = format!("{}\n{}\n", palette.strong(&list.title()), palette.faint(&list.origin()));
    if list.trends.is_empty() {
        return out + "\nNothing is trending there, as far as it tells.\n";
    }
    let table = table::table(list.columns(), width);
    out += &format!("\n{}\n", palette.faint(&table.head));
    for (row, trend) in table.rows.iter().zip(list.trends) {
        out += &format!("{row}\n");
        if let Some(url) = &trend.url {
            let indent = " ".repeat(table.widths.first().map_or(0, |width| width + GAP.len()));
            out += &format!("{indent}{}\n", palette.faint(&text::one_line(url, CELL_CHARS_MAX)));
        }
    }
    out
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

/// How much of the views nobody paid for.
fn organic(trend: &Trend) -> String {
    let share = trend.organic_views.zip(trend.views).filter(|(_, views)| *views > 0);
    share.map_or_else(String::new, |(organic, views)| {
        format!("{}%", u128::from(organic.min(views)) * 100 / u128::from(views))
    })
}

#[cfg(test)]
mod tests;
