//! The rules of the architecture, checked on the sources and on the built module. No test here
//! builds anything: the module's are skipped, and say so, where `make build` has not run.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "this file is tests"
)]

use std::fs;
use std::path::{Path, PathBuf};

use modelyard::stats;

const MODULE: &str = "target/wasm32-wasip1/release/modelyard.wasm";
const MOST_BYTES: usize = 3 << 19;

/// All that the module may import, so that nothing comes in unnoticed.
const IMPORTS: &[(&str, &[&str])] = &[
    // The host functions of the ABI proxy-wasm 0.2.1.
    (
        "env",
        &[
            "proxy_call_foreign_function",
            "proxy_close_stream",
            "proxy_continue_stream",
            "proxy_define_metric",
            "proxy_dequeue_shared_queue",
            "proxy_enqueue_shared_queue",
            "proxy_get_buffer_bytes",
            "proxy_get_current_time_nanoseconds",
            "proxy_get_header_map_pairs",
            "proxy_get_property",
            "proxy_get_shared_data",
            "proxy_increment_metric",
            "proxy_log",
            "proxy_record_metric",
            "proxy_register_shared_queue",
            "proxy_remove_header_map_value",
            "proxy_replace_header_map_value",
            "proxy_send_local_response",
            "proxy_set_buffer_bytes",
            "proxy_set_effective_context",
            "proxy_set_header_map_pairs",
            "proxy_set_property",
            "proxy_set_shared_data",
            "proxy_set_tick_period_milliseconds",
        ],
    ),
    // Never called: `proxy-wasm` has a method for each in its contexts, used or not.
    (
        "env",
        &[
            "proxy_add_header_map_value",
            "proxy_done",
            "proxy_get_header_map_value",
            "proxy_get_status",
            "proxy_grpc_call",
            "proxy_grpc_cancel",
            "proxy_grpc_close",
            "proxy_grpc_send",
            "proxy_grpc_stream",
            "proxy_http_call",
            "proxy_resolve_shared_queue",
        ],
    ),
    // Rust's standard library: provider keys, panics, hash seeds.
    (
        "wasi_snapshot_preview1",
        &["environ_get", "environ_sizes_get", "fd_write", "proc_exit", "random_get"],
    ),
];

/// What the core must not name, and why.
const FOREIGN: &[(&str, &str)] = &[
    ("extern \"C\"", "the core knows no host"),
    ("proxy_wasm", "the core knows no host"),
    ("println!", "only the shell logs"),
    ("Instant", "time is an argument"),
    ("SystemTime", "time is an argument"),
    ("std::env", "the environment is an argument"),
    ("std::fs", "the core has no files"),
    ("std::net", "the core has no sockets"),
    ("std::thread", "the core has no threads"),
    ("RandomState", "randomness is an argument"),
    ("thread_local!", "the core has no globals"),
    ("static mut", "the core has no globals"),
    ("OnceLock", "the core has no globals"),
    ("LazyLock", "the core has no globals"),
    ("Mutex", "the core has no globals"),
];

/// A source file without its tests and comments.
struct Source {
    path: PathBuf,
    code: String,
}

impl Source {
    fn lines_with(&self, text: &str) -> Vec<String> {
        let lines = self.code.lines().filter(|line| line.contains(text));
        lines.map(|line| format!("{}: {}", self.path.display(), line.trim())).collect()
    }
}

/// The library's sources: all of `src` but the programs.
fn sources() -> Vec<Source> {
    let mut sources = Vec::new();
    let mut folders = vec![PathBuf::from("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            match (is_test(&path), path.is_dir()) {
                (true, _) => {}
                (false, true) => folders.push(path),
                (false, false) => sources.push(Source { code: code(&path), path }),
            }
        }
    }
    sources.retain(|source| !source.path.starts_with("src/bin"));
    assert!(sources.len() > 50, "the walk found only {} files", sources.len());
    sources
}

/// Whether the file or folder is declared as a module of tests.
fn is_test(path: &Path) -> bool {
    let (name, folder) = (path.file_stem().unwrap().to_str().unwrap(), path.parent().unwrap());
    let parent = folder.join("mod.rs");
    let parent = fs::read_to_string(parent).unwrap_or_default();
    parent.contains(&format!("#[cfg(test)]\nmod {name};"))
}

fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    // Modules of tests stand at the end of their files.
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn only_the_shell_names_the_host_a_clock_the_environment_or_a_global() {
    let mut found = Vec::new();
    for source in sources().iter().filter(|source| !source.path.starts_with("src/shell")) {
        for (word, why) in FOREIGN {
            found.extend(
                source.lines_with(word).into_iter().map(|line| format!("{line}   ({why})")),
            );
        }
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

/// The modules from the highest to the lowest: a layer imports only from lower ones. Those of one
/// row know nothing of each other.
const LAYERS: &[&[&str]] = &[
    &["shell"],
    &["exchange"],
    &["listing"],
    &["route"],
    &["provider"],
    &["translate"],
    &["config"],
    &["request"],
    &["usage", "error"],
    &["catalog"],
    &["wire", "operation", "state", "stats", "calendar", "duration", "fnv"],
];

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|modules| modules.contains(&module))
}

/// The module of the crate that a source file belongs to.
fn module(path: &Path) -> &str {
    let below = path.components().nth(1).unwrap().as_os_str().to_str().unwrap();
    below.trim_end_matches(".rs")
}

/// The modules that a text names by `crate::`, also in `use crate::{a, b::c}`.
fn named(code: &str) -> Vec<&str> {
    let mut names = Vec::new();
    for rest in code.split("crate::").skip(1) {
        let list = rest.strip_prefix('{').map(|list| list.split('}').next().unwrap());
        assert!(!list.is_some_and(|list| list.contains('{')), "one `use` per module: {list:?}");
        let items =
            list.unwrap_or(rest).split(',').take(if list.is_some() { usize::MAX } else { 1 });
        names.extend(items.map(|item| {
            item.trim().split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap()
        }));
    }
    names
}

#[test]
fn no_import_runs_upwards() {
    let mut upwards = Vec::new();
    for source in sources().iter().filter(|source| source.path != Path::new("src/lib.rs")) {
        let own = module(&source.path);
        let height = layer(own).unwrap_or_else(|| panic!("{own} has no layer"));
        for other in named(&source.code).into_iter().filter(|other| *other != own) {
            if layer(other).is_none_or(|other| other <= height) {
                upwards.push(format!("{} names {other}", source.path.display()));
            }
        }
    }
    assert!(upwards.is_empty(), "\n{}", upwards.join("\n"));
}

#[test]
fn every_tag_of_a_stat_has_its_regex_and_every_regex_a_tag() {
    let mut tags: Vec<&str> = Vec::new();
    for tag in stats::TABLE.iter().flat_map(|stat| stat.tags) {
        if !tags.contains(tag) {
            tags.push(tag);
        }
    }
    let next = tags.join("|");
    let entries = tags.iter().map(|tag| {
        format!(
            "  - tag_name: {tag}\n    \
             regex: '^wasmcustom\\.modelyard\\..*?(\\.{tag}=(.*?))(?:\\.(?:{next})=|$)'\n"
        )
    });
    let expected = format!("stats_config:\n  stats_tags:\n{}", entries.collect::<String>());
    let file = fs::read_to_string("envoy/stats_tags.yaml").unwrap();
    let written: String = file
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| format!("{line}\n"))
        .collect();
    assert!(written == expected, "envoy/stats_tags.yaml should be, after its comment:\n{expected}");
}

#[test]
fn the_module_is_small_and_asks_only_for_what_it_may() {
    let Ok(module) = fs::read(MODULE) else {
        println!("{MODULE} is not there: skipped");
        return;
    };
    println!("{MODULE}: {} bytes, of {MOST_BYTES} allowed", module.len());
    assert!(module.len() <= MOST_BYTES);
    let imports = imports(&module).expect("a well-formed module");
    let names: Vec<String> =
        imports.iter().map(|(module, name)| format!("{module}.{name}")).collect();
    println!("{} imports: {}", names.len(), names.join(" "));
    let strange: Vec<_> = imports.iter().filter(|(from, name)| !is_known(from, name)).collect();
    assert!(strange.is_empty(), "not on the list of imports: {strange:?}");
}

fn is_known(module: &str, name: &str) -> bool {
    IMPORTS.iter().any(|(known, names)| *known == module && names.contains(&name))
}

/// Where people keep what they build, and where Cargo and rustup keep sources.
const FOLDERS: &[&str] = &[
    "/home/",
    "/root/",
    "/Users/",
    "/tmp/",
    "/.cargo/",
    "/.rustup/",
    "/registry/src/",
    env!("CARGO_MANIFEST_DIR"),
];

#[test]
fn the_module_does_not_tell_of_the_machine_it_was_built_on() {
    let Ok(module) = fs::read(MODULE) else {
        println!("{MODULE} is not there: skipped");
        return;
    };
    let text = String::from_utf8_lossy(&module);
    let told: Vec<_> = FOLDERS.iter().filter(|folder| text.contains(**folder)).collect();
    assert!(told.is_empty(), "{MODULE} names {told:?}: build it with `make build`");
    // The standard library comes compiled, with the name of its commit, which is the same for all.
    for path in text.split("/rustc/").skip(1) {
        let (commit, rest) = path.split_once('/').unwrap();
        let is_commit = commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
        assert!(is_commit && rest.starts_with("library/"), "a folder of a compiler: {commit}");
    }
}

/// Module and name of each import; `None` where the bytes are no module.
fn imports(module: &[u8]) -> Option<Vec<(&str, &str)>> {
    let mut rest = Bytes(module.strip_prefix(b"\0asm\x01\0\0\0")?);
    while !rest.0.is_empty() {
        let (id, size) = (rest.byte()?, rest.number()?);
        let mut section = Bytes(rest.take(size)?);
        if id == 2 {
            return (0..section.number()?).map(|_| section.import()).collect();
        }
    }
    Some(Vec::new())
}

/// What is left to read of a module's bytes.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, size: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(size)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|byte| byte[0])
    }

    /// LEB128, unsigned.
    fn number(&mut self) -> Option<usize> {
        let mut number = 0;
        for shift in (0..35).step_by(7) {
            let byte = self.byte()?;
            number |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn name(&mut self) -> Option<&'a str> {
        let size = self.number()?;
        str::from_utf8(self.take(size)?).ok()
    }

    fn import(&mut self) -> Option<(&'a str, &'a str)> {
        let import = (self.name()?, self.name()?);
        // Functions have the index of a type; a module for this host imports nothing else.
        (self.byte()? == 0).then_some(())?;
        self.number()?;
        Some(import)
    }
}
