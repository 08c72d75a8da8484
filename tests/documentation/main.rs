//! What the Markdown says of keys, formats, stats, faults, targets and files is what there is.
//! `UPDATE_GOLDEN=1` writes the tables that are made of the sources.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "clippy.toml allows them in tests, but clippy takes only #[test] functions for tests"
)]

mod keys;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use modelyard::config::{self, Config};
use modelyard::stats::{self, Kind};
use modelyard::translate::openai::Quirks;
use modelyard::translate::{self, Loss, Losses};
use serde_json::json;

const FORMATS: &str = "docs/formats.md";
const OPERATIONS: &str = "docs/operations.md";

fn page(name: &str) -> String {
    fs::read_to_string(name).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Checks that a page is as it should be, or makes it so.
fn write_or_compare(name: &str, written: &str, expected: &str) {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        return fs::write(name, expected).unwrap();
    }
    let differs = written.lines().zip(expected.lines()).find(|(is, should)| is != should);
    assert!(
        written == expected,
        "UPDATE_GOLDEN=1 writes {name}; what first differs is and should be:\n{differs:#?}"
    );
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

/// What the wire format of a provider with this `api` and host cannot express.
fn losses(api: &str, host: &str) -> Losses {
    let document = json!({
        "providers": {"x": {"api": api, "host": host}},
        "models": [{"id": "x", "endpoints": [{"provider": "x", "model": "x"}]}],
    });
    let (config, _) = Config::parse(document.to_string().as_bytes(), &|_| None).unwrap();
    translate::format(&config.providers[0]).losses()
}

/// Upstreams by what they lose, in the page's words.
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
    let others = config::FORMATS.iter().map(|(api, _)| *api).filter(|api| *api != "openai");
    hosts.extend(others.map(|api| (format!("`{api}`"), losses(api, "example.com"))));
    hosts
}

/// The names that are lost in this way, as a cell has them.
fn lost(losses: Losses, wanted: Loss) -> String {
    let names = losses.iter().filter(|(_, loss)| *loss == wanted);
    names.map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[test]
fn the_table_of_losses_is_what_the_formats_say() {
    let head = "| upstream | takes the endpoint out | is left out | is approximated |\n";
    let mut table = head.to_owned() + "|---|---|---|---|\n";
    for (upstream, losses) in upstreams() {
        let [refused, ignored, approximated] =
            [Loss::Refused, Loss::Ignored, Loss::Approximated].map(|wanted| lost(losses, wanted));
        table += &format!("| {upstream} | {refused} | {ignored} | {approximated} |\n");
    }
    let written = page(FORMATS);
    let start = written.find(head).unwrap();
    let end = start + written[start..].find("\n\n").unwrap() + 1;
    write_or_compare(FORMATS, &written, &[&written[..start], &table, &written[end..]].concat());
}

#[test]
fn the_wire_formats_are_those_of_the_parser() {
    let apis: BTreeSet<String> = config::FORMATS.iter().map(|(api, _)| (*api).to_owned()).collect();
    assert_eq!(first_column(&page(FORMATS), "| `api` | speaks |"), apis);
}

#[test]
fn the_table_of_stats_is_that_of_the_source() {
    let written = page(OPERATIONS);
    for stat in stats::TABLE {
        let kind = match stat.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let start = format!("| `{}` | {kind} | ", stat.name.replace('.', "_"));
        let row = written.lines().find_map(|line| line.strip_prefix(&start));
        let row = row.unwrap_or_else(|| panic!("{OPERATIONS} has no row {start}"));
        let tags: Vec<String> = code(row).into_iter().take(stat.tags.len()).collect();
        assert_eq!(tags, stat.tags, "{}", stat.name);
    }
    assert_eq!(first_column(&written, "| stat | kind |").len(), stats::TABLE.len());
}

#[test]
fn the_codes_of_errors_are_those_of_the_source() {
    let source = page("src/error.rs");
    let (_, source) = source.split_once("fn code(").unwrap();
    let (source, _) = source.split_once("\n    }\n").unwrap();
    let codes = source.split("Some(\"").skip(1).map(|rest| rest.split('"').next().unwrap());
    let codes: BTreeSet<String> = codes.map(str::to_owned).collect();
    assert_eq!(first_column(&page(OPERATIONS), "| `code` | status |"), codes);
}

#[test]
fn what_the_readme_adds_stands_in_an_example_that_runs() {
    let example =
        ["gateway", "envoy"].map(|name| page(&format!("examples/all-providers/{name}.yaml")));
    let readme = page("README.md");
    let excerpts: Vec<&str> =
        readme.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(excerpts.len() > 3);
    for excerpt in excerpts {
        assert!(example.iter().any(|file| file.contains(excerpt)), "not there:\n{excerpt}");
    }
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
        page(OPERATIONS).contains(&expected),
        "the list of faults in {OPERATIONS} should be\n{expected}"
    );
}

#[test]
fn the_targets_are_those_of_the_makefile() {
    let written = page("CONTRIBUTING.md");
    let makefile = page("Makefile");
    let targets = makefile.lines().filter_map(|line| line.split_once(" ## "));
    let targets: Vec<_> =
        targets.filter(|(rule, _)| rule.contains(':') && !rule.starts_with('#')).collect();
    assert!(targets.len() > 5);
    for (rule, help) in targets {
        let name = rule.split(':').next().unwrap();
        let row = written.lines().find(|line| line.starts_with(&format!("  make {name} ")));
        assert!(
            row.is_some_and(|row| row.ends_with(help)),
            "CONTRIBUTING.md should say of make {name}: {help}"
        );
    }
}

/// The anchors of a page's headings, as they are made by those who show Markdown.
fn anchors(page: &str) -> Vec<String> {
    let headings = page.lines().filter_map(|line| line.trim_start_matches('#').strip_prefix(' '));
    let lower = headings.map(str::to_lowercase);
    lower
        .map(|heading| {
            let kept = heading.chars().filter(|c| c.is_alphanumeric() || "-_ ".contains(*c));
            kept.collect::<String>().replace(' ', "-")
        })
        .collect()
}

/// Every page of the repository.
fn pages() -> Vec<PathBuf> {
    let mut pages = Vec::new();
    let mut folders = vec![PathBuf::from(".")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if name.starts_with('.') || name == "target" {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if name.ends_with(".md") {
                pages.push(path);
            }
        }
    }
    assert!(pages.len() > 15, "the walk found only {pages:?}");
    pages
}

/// Whether there is a file, and on its page the heading, that a page links to.
fn leads_somewhere(page: &Path, target: &str) -> bool {
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let path = match file {
        "" => page.to_owned(),
        file => page.parent().unwrap().join(file),
    };
    if target.starts_with("http") || anchor.is_empty() {
        return target.starts_with("http") || path.exists();
    }
    fs::read_to_string(&path).is_ok_and(|text| anchors(&text).iter().any(|known| known == anchor))
}

#[test]
fn links_lead_somewhere() {
    let mut broken = Vec::new();
    for path in pages() {
        let text = fs::read_to_string(&path).unwrap();
        for target in text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            if !leads_somewhere(&path, target) {
                broken.push(format!("{}: {target}", path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}
