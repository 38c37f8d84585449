//! A page that grows block by block up to a limit, and says how many did not fit.

use super::Block;

/// Nothing of it is ever cut: a block is there as a whole, or counted.
pub(super) struct Page {
    text: String,
    /// In UTF-16 units.
    left: usize,
    left_out: Vec<String>,
}

pub(super) fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

impl Page {
    /// With so much room, less what stands at the end.
    pub(super) fn new(units_max: usize, foot: &str) -> Page {
        Page { text: String::new(), left: units_max.saturating_sub(units(foot)), left_out: Vec::new() }
    }

    fn push(&mut self, text: &str) {
        self.text += text;
        self.left = self.left.saturating_sub(units(text));
    }

    /// What is short, and always there.
    pub(super) fn head(&mut self, text: &str) {
        self.push(text);
    }

    /// Adds as many of the blocks as fit into `share` and into what is left; the others are counted as `what`.
    pub(super) fn fill<'a>(&mut self, share: usize, what: &str, blocks: impl Iterator<Item = Block<'a>>) {
        let end = self.left.saturating_sub(share);
        let (mut above, mut left_out) = (None, 0);
        for (heading, block) in blocks {
            let is_new = above.as_ref() != Some(&heading);
            let block = if is_new { format!("\n{heading}{block}") } else { block };
            if units(&block) <= self.left - end {
                self.push(&block);
                above = Some(heading);
            } else {
                left_out += 1;
            }
        }
        if left_out > 0 {
            self.left_out.push(format!("{left_out} {what}"));
        }
    }

    pub(super) fn finish(mut self, foot: &str) -> String {
        if !self.left_out.is_empty() {
            self.text += &format!("\nLeft out, as a comment takes no more: {}.\n", self.left_out.join(", "));
        }
        self.text + foot
    }
}
