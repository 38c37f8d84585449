use super::*;

#[test]
fn a_terminal_sees_what_would_have_changed_it() {
    for (hostile, harmless) in [
        ("plain: text, ü 🎉\n\ttabbed\n", "plain: text, ü 🎉\n\ttabbed\n"),
        ("\u{1b}[31mred\u{1b}]0;title\u{7}", "\\u{1b}[31mred\\u{1b}]0;title\\u{7}"),
        ("\u{9b}2J", "\\u{9b}2J"),
        ("over\rwritten\u{8}\u{7f}\0", "over\\u{d}written\\u{8}\\u{7f}\\u{0}"),
        ("a\u{202e}b\u{2066}c\u{61c}", "a\\u{202e}b\\u{2066}c\\u{61c}"),
        ("a\u{200b}b\u{feff}c\u{ad}d", "a\\u{200b}b\\u{feff}c\\u{ad}d"),
        ("a\u{2028}b\u{2029}c\u{85}", "a\\u{2028}b\\u{2029}c\\u{85}"),
        ("tag \u{e0041}", "tag \\u{e0041}"),
        // Joiners hold emoji and Persian words together, and hide nothing there.
        ("👩\u{200d}💻 ❤\u{fe0f}", "👩\u{200d}💻 ❤\u{fe0f}"),
        ("می\u{200c}خواهم", "می\u{200c}خواهم"),
        ("pass\u{200d}word \u{200d}", "pass\\u{200d}word \\u{200d}"),
        ("é\u{200d}\u{200b}é", "é\\u{200d}\\u{200b}é"),
    ] {
        assert_eq!(terminal(hostile), harmless, "{hostile:?}");
    }
}

#[test]
fn a_ci_log_sees_no_command() {
    for (hostile, harmless) in [
        ("::error::x", "\\u{3a}:error::x"),
        ("a\n \t::add-mask::x", "a\n \t\\u{3a}:add-mask::x"),
        ("a\n\u{3000}::set-env name=x::y", "a\n\u{3000}\\u{3a}:set-env name=x::y"),
        ("a\n\u{85}::error::x", "a\n\\u{85}::error::x"),
        ("std::env ::x", "std::env ::x"),
        (": :", ": :"),
        ("a ##[error]x", "a #\\u{23}[error]x"),
        ("###[group]", "##\\u{23}[group]"),
        ("##vso[task.setvariable]", "#\\u{23}vso[task.setvariable]"),
        ("##teamcity[x]", "#\\u{23}teamcity[x]"),
        ("## heading ##rust #rust", "## heading ##rust #rust"),
    ] {
        assert_eq!(terminal(hostile), harmless, "{hostile:?}");
    }
}

#[test]
fn one_line_is_one_line_and_never_longer() {
    for (text, max, expected) in [
        ("a\n  b\r\nc\u{2028}d", 80, "a b c d"),
        ("::error::x", 80, "\\u{3a}:error::x"),
        ("abcdef", 6, "abcdef"),
        ("abcdefg", 6, "abcde…"),
        ("🎉🎉🎉", 2, "🎉…"),
        ("ab\u{1b}cd", 4, "ab…"),
        ("", 3, ""),
        ("abc", 0, "…"),
    ] {
        assert_eq!(one_line(text, max), expected, "{text:?}");
    }
}

#[test]
fn workflow_commands_end_where_we_end_them() {
    assert_eq!(
        github_data("50%\r\n::error::x, y: \u{1b}[0m"),
        "50%25\\u{d}%0A\\u{3a}:error::x, y: \\u{1b}[0m"
    );
    assert_eq!(github_property("a,b::c%\n"), "a%2Cb%3A%3Ac%25%0A");
}

#[test]
fn code_holds_text_only() {
    for (hostile, harmless) in [
        ("", ""),
        (" \n ", ""),
        ("@everyone #1", "`@everyone #1`"),
        ("<img src=x onerror=y>\n&amp;", "`<img src=x onerror=y> &amp;`"),
        ("a`b", "``a`b``"),
        ("`a``", "``` `a`` ```"),
        ("$x$", "` $x$ `"),
        ("a | b", "`a | b`"),
        (&"`".repeat(9), &format!("`{}`", "\\u{60}".repeat(9))),
        ("\u{1b}[0m", "`\\u{1b}[0m`"),
        ("0123456789abc", "`012345678…`"),
    ] {
        assert_eq!(code(hostile, if hostile.starts_with('0') { 10 } else { 200 }), harmless, "{hostile:?}");
    }
    assert_eq!(code_cell("a | b\\| c", 80), "`a \\| b\\\\| c`");
}

#[test]
fn a_fence_is_longer_than_what_it_holds() {
    let many = "`".repeat(65);
    for (hostile, harmless) in [
        ("a\n", "```text\na\n```\n"),
        ("```\n@everyone\n````\n", "`````text\n```\n@everyone\n````\n`````\n"),
        ("/close\n  /assign me\n/1 a/b", "```text\n\\u{2f}close\n  \\u{2f}assign me\n/1 a/b\n```\n"),
        (&many, &format!("```text\n{}\n```\n", "\\u{60}".repeat(65))),
        ("a\r```\r", "````text\na\\u{d}```\\u{d}\n````\n"),
    ] {
        assert_eq!(fenced(hostile), harmless, "{hostile:?}");
    }
}

#[test]
fn json_stays_json_and_shows_nothing_unseen() {
    let text = "a\u{1b}\u{7f}\u{9b}\u{202e}\u{2028}\u{e0041}👩\u{200d}💻\n::error:: ##[error]x \"q\"";
    let value = serde_json::json!({ "text": text, "##[group]": [text] });
    let mut out = Vec::new();
    json_safe(&value, &mut out).expect("a vector takes all");
    let out = String::from_utf8(out).expect("text");
    assert_eq!(serde_json::from_str::<serde_json::Value>(&out).expect("json"), value);
    assert!(!out.contains("##["), "{out}");
    assert!(
        !out.chars().any(|c| c != '\n' && c != '\u{200d}' && crate::domain::unseen::is_hidden('\n', c, '\n')),
        "{out:?}"
    );
    assert!(out.contains("\\udb40\\udc41"), "{out}");
    assert!(!out.lines().any(|line| line.trim_start().starts_with("::")), "{out}");
}
