//! `make bench`: what the gateway costs next to the same Envoy without it.
//!
//! Every scenario visits the proxies in turn, again and again, so that whatever else the machine does meets all of them;
//! what counts is the ratio of the proxy's CPU time per request or chunk to the bare Envoy's in the same round.

mod load;
mod setup;

use std::fmt::Write as _;
use std::io::Result;
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, fs};

use serde_json::json;

use load::Request;
use setup::Proxy;

/// One column of the table.
struct Scenario {
    name: &'static str,
    request: &'static Request,
    connections: usize,
    duration: Duration,
    /// What an answer counts for: 1, or its chunks.
    units: u64,
}

/// What one visit to one proxy gave.
#[derive(Clone, Copy)]
struct Visit {
    /// CPU time per unit, in microseconds.
    cost: f64,
    per_second: f64,
    /// Share of one core that the proxy used; far below 1, something else was the bottleneck.
    proxy_busy: f64,
}

fn main() -> Result<()> {
    let rounds = env::var("ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(7);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let _upstream = setup::upstream()?;
    let proxies = Proxy::all()?;
    proxies.iter().for_each(Proxy::wait);
    let mut report = heading(rounds);
    for scenario in &scenarios() {
        let mut visits = vec![Vec::new(); proxies.len()];
        for round in 0..=rounds {
            for (proxy, visits) in proxies.iter().zip(&mut visits) {
                let visit = runtime.block_on(visit(proxy, scenario))?;
                // The first round only warms up.
                if round > 0 {
                    visits.push(visit);
                }
            }
        }
        let table = table(scenario, &proxies, &visits);
        print!("{table}");
        report.push_str(&table);
    }
    let memory = memory(&proxies)?;
    print!("{memory}");
    report.push_str(&memory);
    report.push_str(include_str!("../where-the-time-goes.md"));
    fs::write("benches/RESULTS.md", report)
}

fn scenarios() -> [Scenario; 5] {
    let scenario = |name, request, connections, seconds: f64, units| Scenario {
        name,
        request: Box::leak(Box::new(request)),
        connections,
        duration: Duration::from_secs_f64(seconds),
        units,
    };
    [
        scenario("1 KB chat, 16 connections", chat("plain", 0, 1000, false), 16, 1.0, 1),
        scenario("32 KB chat, 16 connections", chat("plain", 0, 32 << 10, false), 16, 1.0, 1),
        scenario("1 MB chat, 16 connections", chat("plain", 0, 1 << 20, false), 16, 1.5, 1),
        scenario("paced stream, per chunk (5 ms apart), 64 connections", chat("paced", 1, 1000, true), 64, 1.5, 100),
        scenario("burst stream, per chunk, 16 connections", chat("burst", 2, 1000, true), 16, 1.0, 1000),
    ]
}

/// A chat request of about `size` bytes for the catalogue's model number `model`.
fn chat(upstream: &str, model: usize, size: usize, stream: bool) -> Request {
    let words = "The quick brown fox jumps over the lazy dog; \"quoted\", and on a\nnew line. ";
    let content: String = words.chars().cycle().take(size.saturating_sub(200)).collect();
    let message = json!({"role": "user", "content": content});
    let body = format!("{{\"model\":\"m/model-{model}\",\"stream\":{stream},\"messages\":[{message}]}}");
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: gateway.test\r\nuser-agent: bench\r\nx-bench: {upstream}\r\n\
         authorization: Bearer client\r\ncontent-type: application/json\r\naccept: */*\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let expected: &[u8] = if stream { b"[DONE]" } else { b"\"finish_reason\"" };
    Request { bytes: (head + &body).into_bytes(), expected }
}

async fn visit(proxy: &Proxy, scenario: &Scenario) -> Result<Visit> {
    let (began, before) = (Instant::now(), proxy.process.cpu()?);
    let answers = load::run(proxy.port, scenario.request, scenario.connections, scenario.duration).await?;
    let (cpu, time) = (proxy.process.cpu()? - before, began.elapsed().as_secs_f64());
    let units = (answers * scenario.units).max(1) as f64;
    Ok(Visit { cost: cpu * 1e6 / units, per_second: units / time, proxy_busy: cpu / time })
}

fn table(scenario: &Scenario, proxies: &[Proxy], visits: &[Vec<Visit>]) -> String {
    let mut table = format!("## {}\n\n", scenario.name);
    table += "| proxy | µs of CPU | ratio | spread | per second | proxy's core |\n|---|---|---|---|---|---|\n";
    let bare: Vec<f64> = visits.first().into_iter().flatten().map(|visit| visit.cost).collect();
    for (proxy, visits) in proxies.iter().zip(visits) {
        let of = |value: &dyn Fn(&Visit) -> f64| Spread::of(visits.iter().map(value).collect());
        let ratio = Spread::of(visits.iter().zip(&bare).map(|(visit, bare)| visit.cost / bare).collect());
        let (cost, speed, busy) = (of(&|v| v.cost), of(&|v| v.per_second), of(&|v| v.proxy_busy));
        let _ = writeln!(
            table,
            "| {} | {:.1} | {:.2} | {:.2}–{:.2} | {:.0} | {:.0} % |",
            proxy.name,
            cost.median,
            ratio.median,
            ratio.low,
            ratio.high,
            speed.median,
            busy.median * 100.0
        );
    }
    table + "\n"
}

/// Median and quartiles.
struct Spread {
    low: f64,
    median: f64,
    high: f64,
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |quarter: usize| values.get(values.len().saturating_sub(1) * quarter / 4).copied().unwrap_or(f64::NAN);
        Self { low: at(1), median: at(2), high: at(3) }
    }
}

fn memory(proxies: &[Proxy]) -> Result<String> {
    let mut table = "## Memory of one worker after all of it\n\n| proxy | PSS, MiB |\n|---|---|\n".to_owned();
    for proxy in proxies {
        let _ = writeln!(table, "| {} | {:.0} |", proxy.name, proxy.process.memory()?);
    }
    Ok(table)
}

fn heading(rounds: usize) -> String {
    let said = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output().map(|output| output.stdout).unwrap_or_default();
        String::from_utf8_lossy(&output).trim().to_owned()
    };
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpus.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let envoy = said(&env::var("ENVOY").unwrap_or_else(|_| "envoy".to_owned()), &["--version"]);
    let envoy = envoy.rsplit("version: ").next().and_then(|version| version.split('/').nth(1)).unwrap_or_default();
    format!(
        "# Results\n\n\
         Written by `make bench`.\n\
         Ratios are of the proxy's CPU time to that of the bare Envoy in the same round; medians of {rounds} interleaved \
         rounds, and their quartiles.\n\
         One worker; request ids and access logs off; a catalogue of 400 models with two endpoints each.\n\
         The load generator and the upstream are not what is measured: the time is the proxy's own, read from `/proc`.\n\n\
         Date {}, Envoy {envoy}, modelyard {} at {}, {} cores,{}.\n\n",
        said("date", &["-u", "+%F"]),
        env!("CARGO_PKG_VERSION"),
        said("git", &["rev-parse", "--short", "HEAD"]),
        std::thread::available_parallelism().map_or(0, usize::from),
        cpu.trim_start_matches(['\t', ':']),
    )
}
