use super::*;
use crate::domain::span::Span;

const SOURCE: &str = "id: launch\ntext: ünï\u{1b}[31m ##[error]x\nto:\n  brand: { privcy: self_only }\n";

fn at(start: &str, length: usize) -> Span {
    let start = SOURCE.find(start).expect("part of the source");
    Span::locate(SOURCE, start, start + length)
}

fn typo() -> Diagnostic {
    Diagnostic::error("unknown-option", "content/a.yaml", at("privcy", 6), "unknown option `privcy`")
        .help("did you mean `privacy`?")
}

fn rendered(format: Format, list: &[Diagnostic]) -> String {
    let mut out = Vec::new();
    let source = |path: &str| (path == "content/a.yaml").then(|| SOURCE.to_owned());
    diagnostics(format, list, &source, false, &mut out).expect("a vector takes all");
    String::from_utf8(out).expect("text")
}

#[test]
fn text_shows_the_place_the_line_and_the_way_out() {
    let related = typo().related("the account stands here", "content/a.yaml", at("brand", 5));
    insta::assert_snapshot!(rendered(Format::Text, &[related]), @r#"
    error[unknown-option]: unknown option `privcy`
     --> content/a.yaml:4:12
      |
    4 |   brand: { privcy: self_only }
      |            ^^^^^^
      |
      = help: did you mean `privacy`?
    note: the account stands here
     --> content/a.yaml:4:3
      |
    4 |   brand: { privcy: self_only }
      |   ^^^^^
    "#);
}

#[test]
fn text_underlines_the_right_letters_behind_escaped_ones() {
    let inside = Diagnostic::warning("odd", "content/a.yaml", at("#[e", 3), "between");
    assert!(rendered(Format::Text, &[inside]).contains("#\u{fffd}[error]"));
    let hostile =
        Diagnostic::warning("odd", "content/a.yaml", at("x\nto", 1), "odd\u{1b}[0m\n::error::letter");
    insta::assert_snapshot!(rendered(Format::Text, &[hostile]), @r#"
    warning[odd]: odd\u{1b}[0m ::error::letter
     --> content/a.yaml:2:25
      |
    2 | text: ünï␛[31m #�[error]x
      |                         ^
    "#);
}

#[test]
fn text_does_without_a_span_without_a_source_and_with_another_one() {
    let whole = Diagnostic::error("not-utf-8", "content/b.yaml", None, "not UTF-8");
    let gone = Diagnostic::error("gone", "content/b.yaml", at("brand", 5), "no source");
    let beyond = Span { start: 9_000, end: 9_010, line: 99, column: 3, end_line: 99, end_column: 13 };
    let changed = Diagnostic::error("changed", "content/a.yaml", beyond, "changed meanwhile");
    let inside = Span { start: SOURCE.find('ü').expect("ü") + 1, ..at("ü", 2) };
    let torn = Diagnostic::error("torn", "content/a.yaml", inside, "inside a letter");
    insta::assert_snapshot!(rendered(Format::Text, &[whole, gone, changed, torn]), @r#"
    error[not-utf-8]: not UTF-8
    --> content/b.yaml

    error[gone]: no source
    --> content/b.yaml:4:3

    error[changed]: changed meanwhile
    --> content/a.yaml:99:3

    error[torn]: inside a letter
    --> content/a.yaml:2:7
    "#);
}

#[test]
fn text_shows_long_spans_by_their_first_line() {
    let source = "a:\n  b: 1\n  c: 2\n  d: 3\n  e: 4\n  f: 5\n";
    let long = Diagnostic::error("long", "p", Span::locate(source, 0, source.len()), "long");
    let empty = Diagnostic::error("end", "p", Span::locate(source, source.len(), source.len()), "at the end");
    let mut out = Vec::new();
    diagnostics(Format::Text, &[long, empty], &|_| Some(source.to_owned()), false, &mut out)
        .expect("written");
    insta::assert_snapshot!(String::from_utf8(out).expect("text"), @r#"
    error[long]: long
     --> p:1:1
      |
    1 | a:
      | ^^

    error[end]: at the end
     --> p:7:1
      |
    7 |
      | ^
    "#);
}

#[test]
fn json_has_the_fields_that_scripts_depend_on() {
    let whole = Diagnostic::warning("whole", "content/b.yaml", None, "all of it");
    let document: serde_json::Value =
        serde_json::from_str(&rendered(Format::Json, &[typo(), whole])).expect("json");
    let expected = serde_json::json!({ "format_version": 1, "diagnostics": [
        { "severity": "error", "code": "unknown-option", "message": "unknown option `privcy`",
          "path": "content/a.yaml", "line": 4, "column": 12, "end_line": 4, "end_column": 18,
          "help": "did you mean `privacy`?" },
        { "severity": "warning", "code": "whole", "message": "all of it", "path": "content/b.yaml",
          "line": null, "column": null, "end_line": null, "end_column": null, "help": null },
    ] });
    assert_eq!(document, expected);
}

#[test]
fn github_gets_one_command_a_diagnostic() {
    let hostile = Diagnostic::warning("x", "content/a,b:c%.yaml", None, "100%\n::error::\u{1b}[0m");
    let long = Diagnostic::error("x", "a.yaml", Span::locate(SOURCE, 0, 20), "two lines");
    insta::assert_snapshot!(rendered(Format::Github, &[typo(), hostile, long]), @r#"
    ::error file=content/a.yaml,line=4,col=12,endLine=4,endColumn=18,title=unknown-option::unknown option `privcy`%0Ahelp: did you mean `privacy`?
    ::warning file=content/a%2Cb%3Ac%25.yaml,title=x::100%25%0A\u{3a}:error::\u{1b}[0m
    ::error file=a.yaml,line=1,endLine=2,title=x::two lines
    "#);
}

#[test]
fn sarif_has_what_the_standard_requires() {
    let related = typo().related("here", "content/ä b#:.yaml", at("brand", 5));
    let whole = Diagnostic::warning("whole", "a:b?.yaml", None, "see [this](https://evil.example)");
    let document: serde_json::Value =
        serde_json::from_str(&rendered(Format::Sarif, &[whole, related])).expect("json");
    assert_eq!(document["version"], "2.1.0");
    let run = &document["runs"][0];
    assert_eq!(run["tool"]["driver"]["name"], "gitcast");
    assert_eq!(run["columnKind"], "unicodeCodePoints");
    assert_eq!(
        run["tool"]["driver"]["rules"],
        serde_json::json!([{"id": "unknown-option"}, {"id": "whole"}])
    );
    let [whole, typo] = [&run["results"][0], &run["results"][1]];
    assert_eq!((&whole["ruleId"], &whole["ruleIndex"]), (&"whole".into(), &1.into()));
    assert_eq!((&whole["level"], &typo["level"]), (&"warning".into(), &"error".into()));
    assert_eq!(whole["message"]["text"], "see \\[this\\](https://evil.example)");
    let place = &whole["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "a%3Ab%3F.yaml");
    assert!(place.get("region").is_none());
    assert_eq!(
        typo["locations"][0]["physicalLocation"]["region"],
        serde_json::json!({ "startLine": 4, "startColumn": 12, "endLine": 4, "endColumn": 18 })
    );
    let related = &typo["relatedLocations"][0];
    assert_eq!(related["physicalLocation"]["artifactLocation"]["uri"], "content/%C3%A4%20b%23%3A.yaml");
    assert_eq!(related["message"]["text"], "here");
}

#[test]
fn nothing_to_say_is_a_document_still() {
    assert_eq!(rendered(Format::Text, &[]), "");
    assert_eq!(rendered(Format::Github, &[]), "");
    assert!(rendered(Format::Json, &[]).contains("\"diagnostics\": []"));
    assert!(rendered(Format::Sarif, &[]).contains("\"results\": []"));
}

#[test]
fn the_summary_counts() {
    let warning = Diagnostic::warning("w", "p", None, "w");
    assert_eq!(summary(&[]), "no problems");
    assert_eq!(summary(&[typo()]), "1 error");
    assert_eq!(summary(&[typo(), typo(), warning]), "2 errors, 1 warning");
}

proptest::proptest! {
    #[test]
    fn no_source_and_no_span_makes_any_format_panic_or_print_what_is_unseen(
        source in "[a-c:#\\[\n\r\t\u{1b}\u{202e}\u{200d}ü🎉]{0,60}", start in 0usize..70, length in 0usize..70,
    ) {
        let span = Span::locate(&source, start, start + length);
        let list = [Diagnostic::error("x", &source, span, source.clone()).help(&source).related("r", &source, span)];
        for format in [Format::Text, Format::Json, Format::Github, Format::Sarif] {
            let mut out = Vec::new();
            diagnostics(format, &list, &|_| Some(source.clone()), false, &mut out).expect("written");
            let out = String::from_utf8(out).expect("text");
            let safe = text::terminal(&out);
            proptest::prop_assert!(format == Format::Github || safe == out, "{format:?} {out:?}");
        }
    }
}
