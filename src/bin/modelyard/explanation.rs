//! An explanation as text: what was asked, what ordered the endpoints, then a table of them, and
//! what left others out.

use std::fmt::Write as _;

use modelyard::catalog::Price;
use serde_json::Value;

/// Tokens that prices are printed for.
const MILLION: u64 = 1_000_000;

/// The text of what the gateway explains as JSON.
pub(crate) fn of(explained: &Value) -> String {
    let mut text = String::new();
    let models = names(&explained["models"]);
    let [operation, input, output, rule, seed] =
        ["operation", "input_tokens_estimate", "max_output_tokens", "rule", "seed"]
            .map(|name| shown(&explained[name]));
    let way = if explained["stream"] == true { "streamed" } else { "whole" };
    let _ = writeln!(
        text,
        "{operation} {models}, {way}: about {input} tokens in, at most {output} out"
    );
    let _ = writeln!(text, "order: {rule}, seed {seed}");
    let order = names(&explained["order"]);
    let choice = explained["choice"].as_str().unwrap_or_default().to_owned();
    for (name, value) in [
        ("choice", choice),
        ("provider.order", order),
        ("max_price", pairs(&explained["max_price"])),
        ("sticky", pairs(&explained["sticky"])),
    ] {
        if !value.is_empty() {
            let _ = writeln!(text, "{name}: {value}");
        }
    }
    let steps = items(&explained["plan"]);
    text.push_str(&table(&steps.iter().enumerate().map(step).collect::<Vec<_>>()));
    for dropped in items(&explained["dropped"]) {
        let _ =
            writeln!(text, "  - {}: {}", shown(&dropped["endpoint"]), shown(&dropped["reason"]));
    }
    let error = &explained["error"];
    if error.is_object() {
        let _ = writeln!(text, "error {}: {}", shown(&error["status"]), shown(&error["message"]));
    }
    text
}

/// A row of the table.
fn step((index, step): (usize, &Value)) -> [String; 7] {
    let compared = ["draw_percent", "first_token_ms", "tokens_per_second"];
    let compared =
        compared.into_iter().find_map(|name| Some(format!("{name} {}", step.get(name)?)));
    let health = &step["health"];
    let ill = ["outage", "cooldown"].into_iter().filter(|name| health[*name] == true);
    let mut notes: Vec<String> = compared.into_iter().chain(ill.map(str::to_owned)).collect();
    if let Some(reason) =
        step["moved_by"].as_str().filter(|reason| !notes.iter().any(|note| note == reason))
    {
        notes.push(reason.to_owned());
    }
    [
        format!("{}.", index + 1),
        shown(&step["endpoint"]),
        shown(&step["model"]),
        format!("{} in", per_million(&step["prompt_price"])),
        format!("{} out", per_million(&step["completion_price"])),
        step["most_cost"]
            .as_str()
            .map_or_else(|| "cost unknown".to_owned(), |cost| format!("at most ${cost}")),
        notes.join(", "),
    ]
}

/// Rows whose columns stand below each other.
fn table<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> String {
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let width = rows
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max();
            let _ = write!(line, "  {cell:width$}", width = width.unwrap_or_default());
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// In USD; an unknown price is not free.
fn per_million(price: &Value) -> String {
    let price = price.as_str().and_then(|price| Price::parse(price).ok());
    price.map_or_else(|| "?".to_owned(), |price| format!("${}", price.cost(MILLION)))
}

fn items(list: &Value) -> &[Value] {
    list.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn names(list: &Value) -> String {
    items(list).iter().map(shown).collect::<Vec<_>>().join(", ")
}

/// The members of an object that have a value.
fn pairs(object: &Value) -> String {
    let members = object.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
    members.map(|(name, value)| format!("{name} {}", shown(value))).collect::<Vec<_>>().join(", ")
}

/// A value without quotes; what is not there is not known.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "?".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
