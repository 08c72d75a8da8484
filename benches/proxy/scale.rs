//! `make bench-scale`: whether the cost stays what it is with a large catalogue, many streams and
//! several workers, and what it would be if the gateway's own code cost nothing.

use std::fmt::Write as _;
use std::io::Result;
use std::time::{Duration, Instant};
use std::{env, thread};

use tokio::runtime::Runtime;

use super::load::{self, Request, chat};
use super::measure::{
    self, Row, Scenario, Visit, machine, measure, ratio, rounds, rows, since, table, used,
};
use super::setup::{self, Catalogue, Kind, PLAIN, Process, Proxy, SLOW};
use super::shared_data;

const USUAL: Catalogue = Catalogue { models: 400, endpoints: 2 };
/// Moments at which the memory of proxies with streams is looked at.
const MOMENTS: u32 = 6;
const STREAMS: usize = 500;

/// Measures everything, and writes it down.
pub(crate) fn run(runtime: &Runtime) -> Result<()> {
    let upstream = setup::upstream()?;
    let mut report = heading();
    for part in [floors, catalogues, streams, workers] {
        let text = part(runtime, &upstream)?;
        print!("{text}");
        report += &text;
    }
    let shared = shared();
    print!("{shared}");
    measure::write_scale(&(report + &shared))
}

fn heading() -> String {
    format!(
        "\nWritten by `make bench-scale`, in the same way: medians of {} interleaved rounds.\n\
         Memory here is what the process has for itself (anonymous PSS), without the pages of \
         Envoy's program, which it shares with every other Envoy that runs.\n\n{}\n",
        rounds(),
        machine()
    )
}

/// What the wiring and the host calls cost by themselves.
fn floors(runtime: &Runtime, upstream: &Process) -> Result<String> {
    let kinds = [
        ("Envoy, no filter", Kind::Bare),
        ("no-op filter", Kind::Baseline("noop")),
        ("no-op filter in both roles", Kind::Roles),
        ("Modelyard's host calls alone", Kind::Calls),
        ("Modelyard", Kind::Gateway(USUAL)),
    ];
    let proxies = Proxy::start_all(kinds.map(|(_, kind)| (kind, 1)))?;
    let request = chat("/v1", PLAIN, 1000, false).leaked();
    let rows = rows(kinds.map(|(name, _)| name), &proxies, request);
    let name = "Floors: 1 KB chat, 16 connections";
    let scenario = Scenario { name, connections: 16, duration: Duration::from_secs(1), units: 1 };
    let visits = measure(runtime, upstream, &scenario, &rows)?;
    Ok(table(&scenario, &rows, &visits)
        + "*In both roles* is Envoy as the gateway wires it, with its own filters in the gateway's \
           place: the body is held, the route chosen by filter state, and an attempt may be \
           repeated.\n\
           *Host calls alone* is a filter in both roles that asks of Envoy all that the gateway \
           asks, and ignores what it is told.\n\n")
}

/// The same requests over catalogues of several sizes.
fn catalogues(runtime: &Runtime, upstream: &Process) -> Result<String> {
    let sizes = [
        USUAL,
        Catalogue { models: 10, endpoints: 2 },
        Catalogue { models: 1000, endpoints: 2 },
        Catalogue { models: 40, endpoints: 50 },
    ];
    let proxies = Proxy::start_all(sizes.map(|catalogue| (Kind::Gateway(catalogue), 1)))?;
    let rows: Vec<_> = sizes
        .iter()
        .zip(&proxies)
        .map(|(size, proxy)| {
            let (models, endpoints) = (size.models, size.endpoints);
            let name = format!("{models} models × {endpoints}: {} endpoints", models * endpoints);
            Row { name, proxy, request: of_all_models(size).leaked(), bar: None }
        })
        .collect();
    let name = "Catalogues: 1 KB chat, all models in turn, 16 connections";
    let scenario = Scenario { name, connections: 16, duration: Duration::from_secs(1), units: 1 };
    let visits = measure(runtime, upstream, &scenario, &rows)?;
    let mut text = table(&scenario, &rows, &visits);
    text += "| | memory afterwards, MiB |\n|---|---|\n";
    for row in &rows {
        let _ = writeln!(text, "| {} | {:.0} |", row.name, row.proxy.process.own_memory()?);
    }
    Ok(text + "\n")
}

/// A request for each model in turn; from the seventh on, all are of the same upstream.
fn of_all_models(catalogue: &Catalogue) -> Request {
    let models = 6..catalogue.models;
    Request::of_all(models.map(|model| chat("/v1", (model, "plain"), 1000, false)))
}

/// Many streams on one worker at the same time, new ones when they end.
fn streams(runtime: &Runtime, upstream: &Process) -> Result<String> {
    let seconds =
        env::var("SECONDS_OF_STREAMS").ok().and_then(|seconds| seconds.parse().ok()).unwrap_or(30);
    let step = Duration::from_secs(seconds) / MOMENTS;
    let mut text = format!(
        "## {STREAMS} streams at once on one worker, for {seconds} s: memory in MiB\n\n\
         Each has 100 chunks, 50 ms apart, and is followed by a new one on the same connection.\n\n\
         | | before |"
    );
    for moment in 1..=MOMENTS {
        let _ = write!(text, " {:.0} s |", (step * moment).as_secs_f64());
    }
    text +=
        " 3 s after the end | streams | µs of CPU per chunk | proxy | load | upstream |\n|---|---|";
    text += &"---|".repeat(MOMENTS as usize + 6);
    text += "\n";
    for (name, kind) in [("Envoy, no filter", Kind::Bare), ("Modelyard", Kind::Gateway(USUAL))] {
        let proxies = Proxy::start_all([(kind, 1)])?;
        let Some(proxy) = proxies.first() else { continue };
        let _ = write!(text, "| {name} | {:.0} |", proxy.process.own_memory()?);
        let (began, before) = (Instant::now(), used(&proxy.process, upstream)?);
        let (answers, memory) = runtime.block_on(held(proxy, step))?;
        let used = since(before, used(&proxy.process, upstream)?);
        let (time, [cpu, ..]) = (began.elapsed().as_secs_f64(), used);
        thread::sleep(Duration::from_secs(3));
        for memory in memory {
            let _ = write!(text, " {memory:.0} |");
        }
        let chunk = cpu * 1e6 / (answers * 100).max(1) as f64;
        let _ = write!(text, " {:.0} | {answers} | {chunk:.1} |", proxy.process.own_memory()?);
        for used in used {
            let _ = write!(text, " {:.0} % |", used / time * 100.0);
        }
        text += "\n";
    }
    Ok(text + "\n")
}

/// How many streams ended, and the memory after each step.
async fn held(proxy: &Proxy, step: Duration) -> Result<(u64, Vec<f64>)> {
    let request = chat("/v1", SLOW, 1000, true).leaked();
    let streams = load::run(proxy.port, request, STREAMS, step * MOMENTS);
    let memory = async {
        let mut memory = Vec::new();
        for _ in 0..MOMENTS {
            tokio::time::sleep(step).await;
            memory.push(proxy.process.own_memory()?);
        }
        Ok(memory)
    };
    tokio::try_join!(streams, memory)
}

/// Two workers next to one, with and without the gateway.
fn workers(runtime: &Runtime, upstream: &Process) -> Result<String> {
    let kinds =
        [(Kind::Bare, 1), (Kind::Bare, 2), (Kind::Gateway(USUAL), 1), (Kind::Gateway(USUAL), 2)];
    let proxies = Proxy::start_all(kinds)?;
    let names =
        ["Envoy, no filter, one worker", "… two workers", "Modelyard, one worker", "… two workers"];
    let request = chat("/v1", PLAIN, 1000, false).leaked();
    let rows = rows(names, &proxies, request);
    let name = "Workers: 1 KB chat, 64 connections";
    let scenario =
        Scenario { name, connections: 64, duration: Duration::from_secs_f64(1.5), units: 1 };
    let visits = measure(runtime, upstream, &scenario, &rows)?;
    let mut text = table(&scenario, &rows, &visits);
    if let [bare, bare_two, own, own_two] = visits.as_slice() {
        let _ = writeln!(
            text,
            "Two workers serve {:.2} times what one does with Modelyard, {:.2} times without a \
             filter; a request takes {:.2} and {:.2} of the CPU time that it takes with one.",
            ratio(own_two, own, |visit| visit.per_second).median,
            ratio(bare_two, bare, |visit| visit.per_second).median,
            ratio(own_two, own, cost).median,
            ratio(bare_two, bare, cost).median,
        );
    }
    Ok(text
        + "Where client and upstream have cores of their own, the first must be ≥ 1.80.\n\
           On fewer than four cores they take their share from the workers, so the throughput \
           says too little of what a second worker adds.\n\
           The CPU time per request does not depend on that: it would rise if workers spun on a \
           lock, or spoilt each other's caches, but not if they slept while they waited.\n\n")
}

fn cost(visit: &Visit) -> f64 {
    visit.cost
}

/// What workers share.
fn shared() -> String {
    let mut text = "## Shared data\n\n\
        Calls of the host to read or write what all workers share, counted in the core for one \
        worker that serves 1 KB chats for all of 400 models in turn.\n\
        The timer ticks ten times a second, and carries what can wait.\n\n\
        | requests per second | calls while a request is served | in a tick | \
        together, per request |\n|---|---|---|---|\n"
        .to_owned();
    for per_tick in [1, 10, 100, 500] {
        let calls = shared_data::calls(per_tick);
        let together = calls.per_request + calls.per_tick / per_tick as f64;
        let _ = writeln!(
            text,
            "| {} | {:.2} | {:.1} | {together:.2} |",
            per_tick * 10,
            calls.per_request,
            calls.per_tick
        );
    }
    text
}
