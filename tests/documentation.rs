//! What the Markdown says of keys, stats, faults, targets and files is what there is.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "clippy.toml allows them in tests, but clippy takes only #[test] functions for tests"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use modelyard::config::{Config, FORMATS};
use modelyard::stats::{self, Kind};
use modelyard::translate::openai::Quirks;
use modelyard::translate::{self, Loss, Losses};
use serde_json::{Value, json};

const PAGES: [&str; 7] = [
    "README.md",
    "CHANGELOG.md",
    "envoy/README.md",
    "examples/all-providers/README.md",
    "examples/demo/README.md",
    "examples/existing-ingress/README.md",
    "examples/tls-providers/README.md",
];

/// Every object of the document: how the table writes its keys, where it stands, and what it needs
/// to be read.
const OBJECTS: [(&str, &str, &str); 21] = [
    ("", "", "{}"),
    ("providers.ID.", "/providers/x", r#"{"api": "openai"}"#),
    (
        "providers.ID.auth.",
        "/providers/x/auth",
        r#"{"type": "header", "name": "x-key", "env": "KEY"}"#,
    ),
    ("providers.ID.auth.", "/providers/x/auth", r#"{"type": "sigv4", "region": "us-east-1"}"#),
    ("providers.ID.data_policy.", "/providers/x/data_policy", "{}"),
    ("models[].", "/models/0", "{}"),
    ("models[].endpoints[].", "/models/0/endpoints/0", "{}"),
    ("", "/models/0/endpoints/0/pricing", "{}"),
    ("", "/models/0/endpoints/0/overrides/0", r#"{"min_prompt_tokens": 1}"#),
    ("routing.", "/routing", "{}"),
    ("routing.sticky.", "/routing/sticky", "{}"),
    ("routing.auto.", "/routing/auto", "{}"),
    ("routing.auto.max_price.", "/routing/auto/max_price", "{}"),
    ("routing.auto.rules[].", "/routing/auto/rules/0", "{}"),
    ("routing.auto.rules[].when.", "/routing/auto/rules/0/when", "{}"),
    ("routing.auto.rules[].when.header.", "/routing/auto/rules/0/when/header", "{}"),
    ("telemetry.", "/telemetry", "{}"),
    ("paths.", "/paths", "{}"),
    ("operator.", "/operator", "{}"),
    ("operator.keys[].", "/operator/keys/0", "{}"),
    ("limits.", "/limits", "{}"),
];

fn page(name: &str) -> String {
    fs::read_to_string(name).unwrap()
}

/// The texts in backticks in the first cell of each row of the table with this heading.
fn first_column(page: &str, heading: &str) -> BTreeSet<String> {
    let rows = page.lines().skip_while(|line| !line.starts_with(heading)).skip(2);
    let rows = rows.take_while(|line| line.starts_with('|'));
    rows.flat_map(|row| code(row.split('|').nth(1).unwrap())).collect()
}

/// The texts in backticks.
fn code(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
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

#[test]
fn the_table_of_keys_is_that_of_the_parser() {
    let readme = page("README.md");
    let written = first_column(&readme, "| key | default |");
    let mut known = BTreeSet::new();
    for (prefix, pointer, object) in OBJECTS {
        for key in known_keys(pointer, object) {
            if pointer.ends_with("pricing") || pointer.ends_with("overrides/0") {
                assert!(
                    readme.contains(&format!("`{key}`")),
                    "the README does not name the price {key}"
                );
            } else {
                known.insert(format!("{prefix}{key}"));
            }
        }
    }
    // An object has rows of its own keys instead.
    let is_object = |key: &String| known.iter().any(|other| other.starts_with(&format!("{key}.")));
    let is_section = |key: &String| {
        is_object(key)
            || ["models", "providers", "providers.ID.auth", "routing.auto.rules"]
                .contains(&key.as_str())
    };
    let expected: BTreeSet<_> = known.iter().filter(|key| !is_section(key)).cloned().collect();
    assert_eq!(
        written.difference(&expected).collect::<Vec<_>>(),
        Vec::<&String>::new(),
        "not known to the parser"
    );
    assert_eq!(
        expected.difference(&written).collect::<Vec<_>>(),
        Vec::<&String>::new(),
        "not in the README"
    );
}

/// What the wire format of a provider with this `api` and host cannot express.
fn losses(api: &str, host: &str) -> Losses {
    let document = json!({
        "providers": {"x": {"api": api, "host": host}},
        "models": [{"id": "x", "endpoints": [{"provider": "x", "model": "x"}]}],
    });
    let (config, _) = Config::parse(document.to_string().as_bytes(), &|_| None).unwrap();
    translate::format(&config.providers[0]).losses()
}

/// Upstreams by what they lose, in the README's words.
fn upstreams() -> Vec<(String, Losses)> {
    let elsewhere = losses("openai", "example.com");
    let mut hosts: Vec<(String, Losses)> = Vec::new();
    for (host, upstream) in
        Quirks::HOSTS.iter().filter(|(_, upstream)| upstream.quirks.losses != elsewhere)
    {
        let host = if host.starts_with('.') { format!("`*{host}`") } else { format!("`{host}`") };
        match hosts.iter_mut().find(|(_, losses)| *losses == upstream.quirks.losses) {
            Some((hosts, _)) => *hosts += &format!(", {host}"),
            None => hosts.push((format!("`openai` at {host}"), upstream.quirks.losses)),
        }
    }
    hosts.push(("`openai` elsewhere".to_owned(), elsewhere));
    let others = FORMATS.iter().map(|(api, _)| *api).filter(|api| *api != "openai");
    hosts.extend(others.map(|api| (format!("`{api}`"), losses(api, "example.com"))));
    hosts
}

#[test]
fn the_table_of_losses_is_what_the_formats_say() {
    let mut table =
        "| upstream | takes the endpoint out | is left out | is approximated |\n|---|---|---|---|\n".to_owned();
    for (upstream, losses) in upstreams() {
        let of = |wanted: Loss| {
            let names = losses
                .iter()
                .filter(|(_, loss)| *loss == wanted)
                .map(|(name, _)| format!("`{name}`"));
            names.collect::<Vec<_>>().join(", ")
        };
        let [refused, ignored, approximated] =
            [Loss::Refused, Loss::Ignored, Loss::Approximated].map(of);
        table += &format!("| {upstream} | {refused} | {ignored} | {approximated} |\n");
    }
    let readme = page("README.md");
    let start = readme.find("| upstream | takes the endpoint out |").unwrap();
    let end = start + readme[start..].find("\n\n").unwrap() + 1;
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        return fs::write("README.md", [&readme[..start], &table, &readme[end..]].concat())
            .unwrap();
    }
    assert_eq!(&readme[start..end], table, "UPDATE_GOLDEN=1 writes it");
}

#[test]
fn the_table_of_stats_is_that_of_the_source() {
    let readme = page("README.md");
    for stat in stats::TABLE {
        let kind = match stat.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let start = format!("| `{}` | {kind} | ", stat.name.replace('.', "_"));
        let row = readme.lines().find_map(|line| line.strip_prefix(&start));
        let row = row.unwrap_or_else(|| panic!("the README has no row {start}"));
        let tags: Vec<String> = code(row).into_iter().take(stat.tags.len()).collect();
        assert_eq!(tags, stat.tags, "{}", stat.name);
    }
    let written = first_column(&readme, "| stat | kind |");
    assert_eq!(written.len(), stats::TABLE.len());
}

#[test]
fn the_faults_are_those_that_the_fake_provider_lists() {
    let help = Command::new(env!("CARGO_BIN_EXE_fake-provider")).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let faults: Vec<&str> =
        help.lines().skip_while(|line| !line.starts_with("  status=")).collect();
    let faults: Vec<&str> = faults.into_iter().filter(|line| !line.is_empty()).collect();
    assert!(faults.len() > 20);
    let expected = format!("```text\n{}\n```", faults.join("\n"));
    assert!(
        page("README.md").contains(&expected),
        "the README's list of faults should be\n{expected}"
    );
}

#[test]
fn the_targets_are_those_of_the_makefile() {
    let readme = page("README.md");
    let makefile = page("Makefile");
    let targets = makefile.lines().filter_map(|line| line.split_once(" ## "));
    let targets: Vec<_> =
        targets.filter(|(rule, _)| rule.contains(':') && !rule.starts_with('#')).collect();
    assert!(targets.len() > 5);
    for (rule, help) in targets {
        let name = rule.split(':').next().unwrap();
        let row = readme.lines().find(|line| line.starts_with(&format!("  make {name} ")));
        assert!(
            row.is_some_and(|row| row.ends_with(help)),
            "the README should say of make {name}: {help}"
        );
    }
}

/// The anchors of a page's headings, as they are made by those who show Markdown.
fn anchors(page: &str) -> Vec<String> {
    let headings = page.lines().filter_map(|line| line.trim_start_matches('#').strip_prefix(' '));
    let kept = |c: char| c.is_alphanumeric() || c == '-' || c == ' ';
    headings
        .map(|heading| {
            heading
                .to_lowercase()
                .chars()
                .filter(|c| kept(*c))
                .collect::<String>()
                .replace(' ', "-")
        })
        .collect()
}

#[test]
fn links_lead_somewhere() {
    let mut broken = Vec::new();
    for name in PAGES {
        let folder = Path::new(name).parent().unwrap();
        for target in page(name).split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let path = if file.is_empty() { Path::new(name).to_owned() } else { folder.join(file) };
            let has_anchor =
                || anchors(&fs::read_to_string(&path).unwrap()).iter().any(|known| known == anchor);
            if !target.starts_with("http")
                && (!path.exists() || !anchor.is_empty() && !has_anchor())
            {
                broken.push(format!("{name}: {target}"));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:?}");
}
