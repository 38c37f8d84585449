//! Characters that change what is seen without being seen: whoever shows text that others wrote shows them as escapes.

/// Whether `c` hides between these neighbours; at the ends of a text, `'\n'` stands for what is not there.
pub fn is_hidden(previous: char, c: char, next: char) -> bool {
    match c {
        '\n' | '\t' => false,
        '\u{200c}' | '\u{200d}' => !(joins(previous) && joins(next)),
        c => is_unseen(c),
    }
}

/// Joiners are needed inside emoji and in some scripts; beside ASCII, or beside another unseen character, they only hide.
fn joins(neighbour: char) -> bool {
    !neighbour.is_ascii() && !is_unseen(neighbour) && !neighbour.is_whitespace()
}

/// Characters that change what is seen without being seen: controls, separators of lines, directions, and the
/// zero-width ones. (Unicode 17, categories Cc, Zl, Zp and the default-ignorable ones, variation selectors excepted:
/// emoji need them.)
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}
