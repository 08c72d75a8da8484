//! The tables of keys in `docs/configuration.md` are made of the comments in the sources.
//!
//! The parser says which keys an object of the document has, and the sources say what they mean: a
//! key is a field of one of the object's types, and the first paragraph of the field's comment is
//! the key's row in the table of that type.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use modelyard::config::Config;
use serde_json::{Value, json};

use crate::{page, write_or_compare};

const PAGE: &str = "docs/configuration.md";

/// Where the types stand.
const FOLDERS: [&str; 3] = ["src/config", "src/request", "src/catalog"];

/// Every object of the document: where it stands, what it needs to be read, what stands before its
/// keys in the tables, and the types that have them as fields. The row of the object itself, or the
/// page where it has none, must name its other keys.
const OBJECTS: [(&str, &str, &str, &[&str]); 24] = [
    ("", "{}", "", &["Config"]),
    ("/providers/x", r#"{"api": "openai"}"#, "", &["Provider", "Terms"]),
    (
        "/providers/x/auth",
        r#"{"type": "header", "name": "x-key", "env": "KEY"}"#,
        "",
        &["Auth", "Key"],
    ),
    ("/providers/x/auth", r#"{"type": "sigv4", "region": "us-east-1"}"#, "", &["Auth", "Sigv4"]),
    ("/providers/x/data_policy", "{}", "data_policy.", &["Terms"]),
    ("/models/0", "{}", "", &["Terms", "Model"]),
    ("/models/0/data_policy", "{}", "data_policy.", &["Terms"]),
    ("/models/0/endpoints/0", "{}", "", &["Terms", "Endpoint"]),
    ("/models/0/endpoints/0/data_policy", "{}", "data_policy.", &["Terms"]),
    ("/models/0/endpoints/0/pricing", "{}", "", &["Pricing"]),
    ("/models/0/endpoints/0/overrides/0", r#"{"min_prompt_tokens": 1}"#, "", &["Pricing"]),
    ("/routing", "{}", "", &["Routing", "Timeouts"]),
    ("/routing/sticky", "{}", "sticky.", &["Routing"]),
    ("/routing/auto", "{}", "", &["Auto"]),
    ("/routing/auto/max_price", "{}", "", &[]),
    ("/routing/auto/rules/0", "{}", "", &["AutoRule"]),
    ("/routing/auto/rules/0/when", "{}", "when.", &["AutoRule"]),
    ("/routing/auto/rules/0/when/header", "{}", "", &[]),
    ("/telemetry", "{}", "", &["Telemetry"]),
    ("/paths", "{}", "", &["Paths"]),
    ("/cors", r#"{"origins": ["*"]}"#, "", &["Cors"]),
    ("/operator", "{}", "", &["Operator"]),
    ("/operator/keys/0", "{}", "", &[]),
    ("/limits", "{}", "", &["Limits"]),
];

/// Keys, as the tables have them, whose field has another name; none: the comment is the type's.
const NAMED_OTHERWISE: [(&str, &str); 5] = [
    ("type", ""),
    ("access_key_env", "access_key"),
    ("secret_key_env", "secret_key"),
    ("session_token_env", "session_token"),
    ("sticky.ttl", "sticky_ttl"),
];

/// What the sources say of a key.
struct Row {
    /// Which of its type's fields it is.
    place: usize,
    key: String,
    meaning: String,
    /// What holds without the key, or "required"; `None`: the comment does not say.
    default: Option<String>,
}

#[test]
fn the_tables_of_keys_are_the_comments_of_the_fields() {
    let tables = tables();
    let written = page(PAGE);
    let mut missing: BTreeSet<&str> = tables.keys().copied().collect();
    let mut parts = written.split("<!-- keys: ");
    let mut expected = parts.next().unwrap().to_owned();
    for part in parts {
        let (types, rest) = part.split_once(" -->").unwrap();
        let after = rest.find("\n\n").map_or("", |end| &rest[end..]);
        let rows = types.split(", ").inspect(|name| assert!(missing.remove(name), "{name}"));
        let rows: Vec<&Row> = rows.flat_map(|name| &tables[name]).collect();
        expected += &format!("<!-- keys: {types} -->\n{}{after}", table(&rows));
    }
    assert!(missing.is_empty(), "{PAGE} has no tables of {missing:?}");
    write_or_compare(PAGE, &written, &expected);
}

/// A Markdown table, without the last line's break. Either all keys have a default, or none.
fn table(rows: &[&Row]) -> String {
    if rows.iter().all(|row| row.default.is_none()) {
        let lines = rows.iter().map(|row| format!("\n| `{}` | {} |", row.key, row.meaning));
        return "| key | meaning |\n|---|---|".to_owned() + &lines.collect::<String>();
    }
    let lines = rows.iter().map(|Row { key, meaning, default, .. }| {
        let default = default.as_deref();
        let default = default.unwrap_or_else(|| panic!("{key}: \"Default: ….\" or \"Required.\"?"));
        format!("\n| `{key}` | {default} | {meaning} |")
    });
    "| key | default | meaning |\n|---|---|---|".to_owned() + &lines.collect::<String>()
}

/// The rows of each type's table, in the order of its fields.
fn tables() -> BTreeMap<&'static str, Vec<Row>> {
    let sources = sources();
    let mut tables: BTreeMap<&str, Vec<Row>> = BTreeMap::new();
    // What must name the keys that have no comment of their own, by the object they are in.
    let mut told = BTreeMap::from([(String::new(), page(PAGE))]);
    for (pointer, sample, prefix, types) in OBJECTS {
        let above = told.get(pointer.trim_end_matches("/0")).cloned().unwrap_or_default();
        for key in known_keys(pointer, sample) {
            let (own, written) = (format!("{pointer}/{key}"), format!("{prefix}{key}"));
            let Some((name, place, comment)) = comment(&sources, types, &written) else {
                let is_named = above.contains(&format!("`{key}`"));
                assert!(has_rows(&own) || is_named, "{own}: no comment, and not in {above:?}");
                continue;
            };
            let row = row(place, written, &comment);
            let table = tables.entry(name).or_default();
            let is_new = table.iter().all(|other| other.key != row.key);
            if is_new && (row.default.is_some() || !has_rows(&own)) {
                table.push(row);
            }
            told.insert(own, comment);
        }
    }
    tables.values_mut().for_each(|rows| rows.sort_by_key(|row| row.place));
    tables
}

/// Whether the keys in a value have rows.
fn has_rows(pointer: &str) -> bool {
    OBJECTS.iter().any(|(object, _, _, types)| {
        let object = object.trim_end_matches("/0").trim_end_matches("/x");
        object == pointer && !types.is_empty()
    })
}

fn row(place: usize, key: String, comment: &str) -> Row {
    assert!(!comment.contains("[`"), "{key}: a link that only rustdoc can follow: {comment}");
    let comment = comment.replace('|', "\\|");
    let (meaning, default) = match comment.rsplit_once(" Default: ") {
        Some((meaning, default)) => (meaning, Some(default.trim_end_matches('.'))),
        None => match comment.strip_suffix(" Required.") {
            Some(meaning) => (meaning, Some("required")),
            None => (comment.as_str(), None),
        },
    };
    Row { place, key, meaning: meaning.to_owned(), default: default.map(str::to_owned) }
}

/// Puts a key that no object knows into the object at `pointer`, and returns those it knows.
fn known_keys(pointer: &str, object: &str) -> Vec<String> {
    let mut inner: Value = serde_json::from_str(object).unwrap();
    inner["?"] = json!(1);
    let document =
        pointer.rsplit('/').filter(|part| !part.is_empty()).fold(inner, |inner, part| match part {
            "0" => json!([inner]),
            key => json!({ key: inner }),
        });
    let errors = Config::parse(document.to_string().as_bytes(), &|_| None).unwrap_err();
    let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
    let known = errors.iter().find_map(|error| error.split_once("unknown key (known: "));
    let (_, known) = known.unwrap_or_else(|| panic!("{pointer}: {errors:?}"));
    known.trim_end_matches(')').split(", ").map(str::to_owned).collect()
}

/// All sources in which the types may stand.
fn sources() -> Vec<String> {
    let files = FOLDERS.iter().flat_map(|folder| fs::read_dir(Path::new(folder)).unwrap());
    let files = files.map(|file| file.unwrap().path()).filter(|path| path.is_file());
    files.map(|path| fs::read_to_string(path).unwrap()).collect()
}

/// The first paragraph of what the sources say of a key: the type that has it, which of its fields
/// it is, and the comment.
fn comment(
    sources: &[String],
    types: &[&'static str],
    key: &str,
) -> Option<(&'static str, usize, String)> {
    let field =
        NAMED_OTHERWISE.iter().find(|(named, _)| *named == key).map_or(key, |(_, field)| field);
    let field = field.rsplit('.').next().unwrap();
    types.iter().find_map(|name| {
        let comments = comments(sources, name);
        let place = comments.iter().position(|(known, _)| known == field)?;
        Some((*name, place, comments[place].1.clone()))
    })
}

/// A type's own comment, under no name, and those of its fields: of each the first paragraph.
fn comments(sources: &[String], name: &str) -> Vec<(String, String)> {
    let source = sources.iter().find(|source| source.lines().any(|line| declares(line, name)));
    let source = source.unwrap_or_else(|| panic!("{FOLDERS:?} have no type {name}"));
    let mut comments = Vec::new();
    let mut comment = Vec::new();
    for line in source.lines() {
        let text = line.trim_start();
        if let Some(text) = text.strip_prefix("///") {
            comment.push(text.trim_start());
            continue;
        }
        if text.starts_with("#[") {
            continue;
        }
        let paragraph = comment.split(|line| line.is_empty()).next().unwrap().join(" ");
        comment.clear();
        match comments.is_empty() {
            true if declares(line, name) => comments.push((String::new(), paragraph)),
            false if line == "}" => break,
            false if !paragraph.is_empty() => comments.push((field_name(text), paragraph)),
            _ => {}
        }
    }
    comments
}

/// Whether a type, or the macro that makes it, begins here.
fn declares(line: &str, name: &str) -> bool {
    let makes = format!("{}! {{", name.to_lowercase());
    let kinds = [format!("struct {name} {{"), format!("enum {name} {{")];
    line == makes
        || !line.starts_with(' ') && kinds.iter().any(|kind| line.ends_with(kind.as_str()))
}

/// The name that a line declares.
fn field_name(line: &str) -> String {
    let line = line.trim_start_matches("pub(super) ").trim_start_matches("pub ");
    line.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}
