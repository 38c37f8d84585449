//! What is printed keeps to the schema that is printed.

use std::fs;

use gitcast::rehearsal::{AccountSetup, Action, Fault};
use serde_json::{Map, Value};

use crate::support::{Project, Server};

/// Where `value` does not keep to `schema`. A key without a place in the schema counts, too: it is to be documented.
fn violations(value: &Value, schema: &Value, root: &Value, at: &str, found: &mut Vec<String>) {
    let Value::Object(schema) = schema else { panic!("{at}: {schema} is no schema of ours") };
    for (key, wanted) in schema {
        if !keeps(value, key, wanted, schema, root, at, found) {
            found.push(format!("{at}: {key} {wanted} is not kept by {value}"));
        }
    }
}

fn matches(value: &Value, schema: &Value, root: &Value) -> bool {
    let mut found = Vec::new();
    violations(value, schema, root, "", &mut found);
    found.is_empty()
}

/// One keyword. An unknown one is refused, so that none goes unchecked.
fn keeps(
    value: &Value,
    key: &str,
    wanted: &Value,
    schema: &Map<String, Value>,
    root: &Value,
    at: &str,
    found: &mut Vec<String>,
) -> bool {
    match key {
        "$schema" | "$defs" | "title" | "description" => true,
        "$ref" => {
            let name = wanted.as_str().expect("a reference").strip_prefix("#/$defs/").expect("of ours");
            violations(value, &root["$defs"][name], root, at, found);
            true
        }
        "type" => match wanted {
            Value::Array(types) => types.iter().any(|kind| is_a(value, kind)),
            kind => is_a(value, kind),
        },
        "const" => value == wanted,
        "enum" => wanted.as_array().expect("a list").contains(value),
        "anyOf" => wanted.as_array().expect("a list").iter().any(|one| matches(value, one, root)),
        "oneOf" => {
            wanted.as_array().expect("a list").iter().filter(|one| matches(value, one, root)).count() == 1
        }
        "minimum" => value.as_f64() >= wanted.as_f64(),
        "format" => match (wanted.as_str(), value.as_str()) {
            (Some("uint64"), _) | (_, None) => true,
            (Some("date-time"), Some(text)) => text.parse::<jiff::Timestamp>().is_ok(),
            other => panic!("{at}: {other:?}"),
        },
        "pattern" => match (wanted.as_str().expect("text"), value.as_str().unwrap_or_default()) {
            ("^sha256:[0-9a-f]{64}$", text) => {
                text.len() == 71
                    && text.starts_with("sha256:")
                    && text[7..].bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
            }
            (_, name) => name.parse::<gitcast::domain::ids::PostId>().is_ok(),
        },
        "items" => {
            for (n, item) in value.as_array().into_iter().flatten().enumerate() {
                violations(item, wanted, root, &format!("{at}/{n}"), found);
            }
            true
        }
        "required" => wanted
            .as_array()
            .expect("a list")
            .iter()
            .all(|key| value.get(key.as_str().expect("a key")).is_some()),
        "properties" => {
            for (key, value) in value.as_object().into_iter().flatten() {
                match schema["properties"].get(key) {
                    Some(schema) => violations(value, schema, root, &format!("{at}/{key}"), found),
                    None => found.push(format!("{at}/{key}: the schema does not know it")),
                }
            }
            true
        }
        other => panic!("{at}: the keyword {other} is not checked"),
    }
}

fn is_a(value: &Value, kind: &Value) -> bool {
    match kind.as_str().expect("a type") {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("the type {other}"),
    }
}

#[track_caller]
fn assert_kept(plan: &Value, schema: &Value) {
    let mut found = Vec::new();
    violations(plan, schema, schema, "", &mut found);
    assert!(found.is_empty(), "{}\n{plan:#}", found.join("\n"));
}

#[test]
fn plans_keep_to_their_schema() {
    let server = Server::start_with(vec![
        AccountSetup { access_life_s: 1, ..AccountSetup::new("drafts") },
        AccountSetup::new("direct"),
    ]);
    let project = server.project();
    let schema = project.run(&["schema", "plan"]).expect(0).json();
    let plan = |arguments: &[&str], code: i32| {
        project.run(&[&["plan", "--json"], arguments].concat()).expect(code).json()
    };
    assert_kept(&plan(&[], 0), &schema);

    // New, waiting, large enough for chunks, and one with an error.
    project.draft("one").direct("two").large_draft("large", 200 << 20);
    project.draft("later");
    let later = fs::read_to_string(project.path("content/later.yaml")).expect("yaml");
    project.write("content/later.yaml", format!("{later}publish_at: 2099-01-01T09:00\n"));
    project.write("content/bad.yaml", "id: bad\nnonsense: true\n");
    project.write("content/worse.yaml", "\u{1}");
    let first = plan(&[], 1);
    assert!(first["changes"].as_array().expect("a list").iter().any(|c| c["estimate"]["chunks"].is_object()));
    assert_kept(&first, &schema);
    assert_kept(&plan(&["--rehearse"], 1), &schema);

    // Recorded: published, failed, changed since, gone; with decisions of each kind.
    let refused = Action::Status { code: 400, body: None };
    server.rehearsal.faults().add(Fault::next("inbox_init", refused));
    project.run(&["apply", "--auto-approve", "--max-wait", "1s", "--exclude", "large"]);
    project.run(&["pause", "large"]).expect(0);
    let two = fs::read_to_string(project.path("content/two.yaml")).expect("yaml");
    project.write("content/two.yaml", two.replace("The text", "Another text"));
    fs::remove_file(project.path("content/one.yaml")).expect("there");
    project.write(
        "content/resolutions/a.yaml",
        "- post: two\n  account: direct\n  retry: true\n  why: it was a mistake\n- platform: tiktok\n  pause_until: 2098-01-01T09:00\n- post: later\n  pause: true\n- post: gone\n  account: direct\n  adopt: https://www.tiktok.com/@brand/video/7123456789012345678\n",
    );
    let second = plan(&[], 1);
    let outcomes: Vec<&str> = second["decisions"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|d| d["outcome"].as_str())
        .collect();
    assert!(outcomes.contains(&"carried-out") && outcomes.len() > 2, "{outcomes:?}");
    assert_kept(&second, &schema);

    // The check itself can fail.
    for (key, value) in [("digest", "sha256:0"), ("changes", "none"), ("surprise", "x")] {
        let mut wrong = second.clone();
        wrong[key] = value.into();
        let mut found = Vec::new();
        violations(&wrong, &schema, &schema, "", &mut found);
        assert_eq!(found.len(), 1, "{found:?}");
    }
}

#[test]
fn trends_beside_a_plan_keep_to_the_schema() {
    let server = Server::start();
    let mut project = Project::new();
    project.variable("GITCAST_TRENDS_ENDPOINT", server.url());
    let schema = project.run(&["schema", "plan"]).expect(0).json();
    let plan = || project.run(&["plan", "--json", "--with-trends"]).expect(0).json();
    assert_kept(&plan(), &schema);
    for industry in [&[][..], &["--industry", "pets"]] {
        let list = project.run(&[&["trends", "hashtags", "--json"], industry].concat()).expect(0).json();
        let id = if industry.is_empty() { "one" } else { "two" };
        project.direct(id);
        let yaml = fs::read_to_string(project.path(&format!("content/{id}.yaml"))).expect("yaml");
        let tag = format!("'#{}'", list["trends"][0]["name"].as_str().expect("a name"));
        project.write(&format!("content/{id}.yaml"), yaml.replace(&format!("The text of {id}"), &tag));
    }
    let told = plan();
    assert_eq!(told["trending"]["posts"].as_array().map(Vec::len), Some(2), "{told}");
    assert_kept(&told, &schema);
}

#[test]
fn a_login_that_ends_keeps_to_the_schema() {
    let project = Project::new();
    project.draft("one");
    let reply = r#"{"access_token":"act.x","expires_in":60,"refresh_token":"rft.x","refresh_expires_in":61,"open_id":"o","scope":"video.upload"}"#;
    project.write("reply.json", reply);
    project.run(&["auth", "import", "drafts", "reply.json"]).expect(0);
    let plan = project.run(&["plan", "--json"]).expect(0).json();
    assert_eq!(plan["logins"].as_array().map(Vec::len), Some(1), "{plan}");
    assert_kept(&plan, &project.run(&["schema", "plan"]).expect(0).json());
}
