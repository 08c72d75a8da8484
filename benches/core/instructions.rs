//! `make bench-instructions`: how many instructions the core's main paths take, which is the same
//! on every run.
//!
//! Each path runs under `valgrind --tool=callgrind`, which counts only what [`measured`] calls. The
//! counts are compared with those in `instructions.tsv`; one that differs by more than [`MOST`] per
//! cent is an error, so that every change of speed is seen, and explained by the commit that writes
//! the new counts down. They depend on the toolchain and the machine's instruction set, so a new
//! toolchain is a reason to write them down anew.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark may end where something is wrong"
)]

mod script;

use std::any::Any;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::rc::Rc;
use std::{env, fs};

use modelyard::config::Config;
use modelyard::exchange::Exchange;
use modelyard::operation::Face;
use modelyard::provider::Body;

use script::{ANSWER, NOW, answer, begin, catalogue, chat, open, piece, with_health};

const BASELINE: &str = "benches/core/instructions.tsv";
/// By how many per cent a count may differ.
const MOST: f64 = 3.0;
/// How often the same runs before the run that is counted.
const WARM_UP: usize = 3;

const CHUNK: &str = concat!(
    r#"data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1791084135,"#,
    r#""model":"up-7","system_fingerprint":"fp_1","choices":[{"index":0,"#,
    r#""delta":{"content":" fox"},"logprobs":null,"finish_reason":null}],"usage":null}"#,
    "\n\n"
);
const MESSAGE: &str = concat!(
    "event: message_start\n",
    r#"data: {"type":"message_start","message":{"id":"msg_1","type":"message","#,
    r#""role":"assistant","model":"claude-sonnet-4-5","content":[],"#,
    r#""usage":{"input_tokens":9,"output_tokens":1}}}"#,
    "\n\n",
    "event: content_block_start\n",
    r#"data: {"type":"content_block_start","index":0,"#,
    r#""content_block":{"type":"text","text":""}}"#,
    "\n\n"
);
const DELTA: &str = concat!(
    "event: content_block_delta\n",
    r#"data: {"type":"content_block_delta","index":0,"#,
    r#""delta":{"type":"text_delta","text":" fox"}}"#,
    "\n\n"
);

/// What is counted; what it returns is dropped uncounted.
type Step = Box<dyn FnOnce() -> Box<dyn Any>>;
/// What comes before what is counted.
type Prepare = Box<dyn Fn() -> Step>;

/// The callgrind run counts from entering this function to leaving it.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn measured(step: &mut Option<Step>, result: &mut Option<Box<dyn Any>>) {
    *result = step.take().map(|step| step());
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().collect();
    match arguments
        .iter()
        .position(|argument| argument == "--path")
        .and_then(|at| arguments.get(at + 1))
    {
        Some(name) => run(name),
        None => compare(),
    }
}

fn run(name: &str) -> ExitCode {
    let paths = paths();
    let (_, path) = paths.iter().find(|(known, _)| *known == name).expect("a path of this name");
    (0..WARM_UP).for_each(|_| drop(path()()));
    let (mut step, mut result) = (Some(path()), None);
    measured(&mut step, &mut result);
    ExitCode::SUCCESS
}

fn compare() -> ExitCode {
    let known = fs::read_to_string(BASELINE).unwrap_or_default();
    let known: BTreeMap<&str, f64> = known
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .map(|(n, c)| (n, c.parse().expect("a count")))
        .collect();
    let (mut lines, mut differs) = (String::new(), false);
    for (name, _) in paths() {
        let count = count(name);
        let change = known.get(name).map(|known| (count as f64 / known - 1.0) * 100.0);
        differs |= change.is_none_or(|change| change.abs() > MOST);
        let change = change.map_or_else(|| "new".to_owned(), |change| format!("{change:+.2} %"));
        println!("{name:45} {count:>12} {change:>10}");
        lines += &format!("{name}\t{count}\n");
    }
    if env::var_os("UPDATE").is_some() {
        fs::write(BASELINE, lines).expect("a writable baseline");
    } else if differs {
        println!("\nCounts differ from {BASELINE} by more than {MOST} %.");
        println!("If the change is meant, write them down in the same commit:");
        println!("make bench-instructions UPDATE=1");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Counts a path in a process of its own.
///
/// Its environment, its arguments and with them its addresses are the same wherever the project
/// lies, because allocations and hashes depend on them.
fn count(name: &str) -> u64 {
    let program = env::current_exe().expect("a program");
    let (folder, file) =
        (program.parent().expect("a folder"), program.file_name().expect("a name"));
    let counts = env::temp_dir().join(format!("callgrind.{}", std::process::id()));
    let mut command = Command::new("setarch");
    command.args(["-R", "valgrind", "--tool=callgrind", "--toggle-collect=measured"]);
    command.arg(format!("--callgrind-out-file={}", counts.display()));
    command.arg(Path::new(".").join(file)).args(["--path", name]);
    command.current_dir(folder).env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin");
    let output =
        command.output().expect("setarch and valgrind, of Debian's util-linux and valgrind");
    let counted = fs::read_to_string(&counts).unwrap_or_default();
    let _ = fs::remove_file(&counts);
    let total = counted.lines().find_map(|line| line.strip_prefix("totals: "));
    match total.and_then(|total| total.trim().parse().ok()).filter(|total| *total > 0) {
        Some(total) => total,
        None => panic!("valgrind failed: {}", String::from_utf8_lossy(&output.stderr)),
    }
}

/// Everything that is counted, by its name.
fn paths() -> [(&'static str, Prepare); 12] {
    let config = script::config(&catalogue(40, 5));
    let (openai, openrouter) = (Face::OpenAi, Face::OpenRouter);
    let (model, claude) = ("m/model-7", "m/claude");
    [
        ("load 40 models of 5 endpoints", Box::new(loading)),
        ("open, 1 KB", opening(&config, 1000)),
        ("open, 32 KB", opening(&config, 32 << 10)),
        ("open, 1 MB", opening(&config, 1 << 20)),
        ("attempt and body, 1 KB", beginning(&config, model, 1000)),
        ("attempt and body to Anthropic, 32 KB", beginning(&config, claude, 32 << 10)),
        ("chunk on /v1", chunk(&config, openai, model, [CHUNK, CHUNK])),
        ("chunk on /api/v1", chunk(&config, openrouter, model, [CHUNK, CHUNK])),
        ("chunk of Anthropic on /v1", chunk(&config, openai, claude, [MESSAGE, DELTA])),
        ("whole answer", answering(&config)),
        ("settle", settling(&config)),
        ("whole exchange, 1 KB", whole(&config)),
    ]
}

fn loading() -> Step {
    let document = catalogue(40, 5);
    Box::new(move || Box::new(script::config(&document)))
}

fn opening(config: &Rc<Config>, size: usize) -> Prepare {
    let config = config.clone();
    Box::new(move || {
        let (config, body) = (config.clone(), chat("m/model-7", size, false));
        Box::new(move || Box::new(open(&config, Face::OpenAi, body, 7)))
    })
}

fn beginning(config: &Rc<Config>, model: &'static str, size: usize) -> Prepare {
    let config = config.clone();
    Box::new(move || {
        let mut exchange = open(&config, Face::OpenAi, chat(model, size, false), 7);
        Box::new(move || {
            let body = begin(&mut exchange).body;
            // The shell, too, writes only the head of a body that keeps its length.
            let original = exchange.request().body();
            let written = match &body {
                Body::Edited(edits) => edits.head(original).map(|(_, head)| head),
                Body::Whole(_) => Some(body.apply(original).into_owned()),
            };
            Box::new((body, written, exchange))
        })
    })
}

/// One more piece of an exchange whose attempt has sent the first one.
fn chunk(
    config: &Rc<Config>,
    face: Face,
    model: &'static str,
    [first, next]: [&'static str; 2],
) -> Prepare {
    let config = config.clone();
    Box::new(move || {
        let mut exchange = open(&config, face, chat(model, 1000, true), 7);
        begin(&mut exchange);
        answer(&mut exchange, "text/event-stream");
        piece(&mut exchange, first.as_bytes(), false);
        (0..WARM_UP).for_each(|_| drop(piece(&mut exchange, next.as_bytes(), false)));
        Box::new(move || Box::new((piece(&mut exchange, next.as_bytes(), false), exchange)))
    })
}

fn answering(config: &Rc<Config>) -> Prepare {
    let config = config.clone();
    Box::new(move || {
        let mut exchange = open(&config, Face::OpenAi, chat("m/model-7", 1000, false), 7);
        begin(&mut exchange);
        Box::new(move || {
            answered(&mut exchange);
            Box::new(exchange)
        })
    })
}

fn settling(config: &Rc<Config>) -> Prepare {
    let config = config.clone();
    Box::new(move || {
        let mut exchange = open(&config, Face::OpenAi, chat("m/model-7", 1000, false), 7);
        serve(&mut exchange);
        Box::new(move || Box::new((settle(&mut exchange), exchange)))
    })
}

fn whole(config: &Rc<Config>) -> Prepare {
    let config = config.clone();
    Box::new(move || {
        let (config, body) = (config.clone(), chat("m/model-7", 1000, false));
        Box::new(move || {
            let mut exchange = open(&config, Face::OpenAi, body, 7);
            serve(&mut exchange);
            Box::new((settle(&mut exchange), exchange))
        })
    })
}

/// Everything between opening and settling.
fn serve(exchange: &mut Exchange) {
    begin(exchange);
    answered(exchange);
}

/// An answer in one piece, from its headers to the client's.
fn answered(exchange: &mut Exchange) {
    answer(exchange, "application/json");
    piece(exchange, ANSWER.as_bytes(), true);
    exchange.client_headers(200, &mut |_, _| {});
}

fn settle(exchange: &mut Exchange) -> Box<dyn Any> {
    Box::new(with_health(|health| exchange.settle(NOW, health, &mut |_, _, _| {}, &mut |_, _| {})))
}
