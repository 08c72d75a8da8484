//! Visits to proxies in turn, and what they say: CPU time by the proxy, who else was busy, medians
//! and tables.

use std::fmt::Write as _;
use std::io::Result;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, fs};

use tokio::runtime::Runtime;

use super::load::{self, Request};
use super::setup::{self, Process, Proxy};

const RESULTS: &str = "benches/RESULTS.md";
/// Where `make bench`'s part ends and `make bench-scale`'s begins.
const SCALE: &str = "\n# Scale\n";

/// What is sent for how long.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) connections: usize,
    pub(crate) duration: Duration,
    /// How many units an answer is: one, or as many as it has chunks.
    pub(crate) units: u64,
}

/// The ratio that a row must not exceed, and the one that is wanted, if any.
pub(crate) type Bar = (f64, Option<f64>);

/// One line of a scenario's table; the first one is what the others are compared with.
pub(crate) struct Row<'a> {
    pub(crate) name: String,
    pub(crate) proxy: &'a Proxy,
    pub(crate) request: &'static Request,
    pub(crate) bar: Option<Bar>,
}

/// A line for each proxy by its name, all with the same request and without a bar.
pub(crate) fn rows<'a>(
    names: impl IntoIterator<Item = &'static str>,
    proxies: &'a [Proxy],
    request: &'static Request,
) -> Vec<Row<'a>> {
    let each = names.into_iter().zip(proxies);
    each.map(|(name, proxy)| Row { name: name.to_owned(), proxy, request, bar: None }).collect()
}

/// What one visit to one proxy gave.
#[derive(Clone, Copy)]
pub(crate) struct Visit {
    /// CPU time of the proxy per unit, in microseconds.
    pub(crate) cost: f64,
    pub(crate) per_second: f64,
    /// Cores that the proxy, the load generator and the upstream used.
    busy: [f64; 3],
}

/// Runs a scenario: every round visits the rows in turn, so that whatever else the machine does
/// meets all of them.
pub(crate) fn measure(
    runtime: &Runtime,
    upstream: &Process,
    scenario: &Scenario,
    rows: &[Row<'_>],
) -> Result<Vec<Vec<Visit>>> {
    let mut visits = vec![Vec::new(); rows.len()];
    for round in 0..=rounds() {
        for (row, visits) in rows.iter().zip(&mut visits) {
            let visit = runtime.block_on(visit(upstream, scenario, row))?;
            // The first round only warms up.
            if round > 0 {
                visits.push(visit);
            }
        }
    }
    Ok(visits)
}

/// Rounds that count.
pub(crate) fn rounds() -> usize {
    env::var("ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(7)
}

async fn visit(upstream: &Process, scenario: &Scenario, row: &Row<'_>) -> Result<Visit> {
    let (began, before) = (Instant::now(), used(&row.proxy.process, upstream)?);
    let answers =
        load::run(row.proxy.port, row.request, scenario.connections, scenario.duration).await?;
    let used = since(before, used(&row.proxy.process, upstream)?);
    let time = began.elapsed().as_secs_f64();
    let (units, [proxy, ..]) = ((answers * scenario.units).max(1) as f64, used);
    Ok(Visit {
        cost: proxy * 1e6 / units,
        per_second: units / time,
        busy: used.map(|used| used / time),
    })
}

/// CPU seconds that the proxy, the load generator and the upstream have used so far.
pub(crate) fn used(proxy: &Process, upstream: &Process) -> Result<[f64; 3]> {
    Ok([proxy.cpu()?, setup::own_cpu()?, upstream.cpu()?])
}

/// What each has used between two moments.
pub(crate) fn since([proxy, load, upstream]: [f64; 3], after: [f64; 3]) -> [f64; 3] {
    let [proxy_after, load_after, upstream_after] = after;
    [proxy_after - proxy, load_after - load, upstream_after - upstream]
}

/// A scenario's results in Markdown.
pub(crate) fn table(scenario: &Scenario, rows: &[Row<'_>], visits: &[Vec<Visit>]) -> String {
    let mut table = format!("## {}\n\n", scenario.name);
    // The columns of the bar are left out where no row has one.
    let barred = rows.iter().any(|row| row.bar.is_some());
    let (titles, dashes) = if barred { (" must | want |", "---|---|") } else { ("", "") };
    let _ = writeln!(
        table,
        "| | µs of CPU | ratio | spread |{titles} per second | proxy | load | upstream |"
    );
    let _ = writeln!(table, "|---|---|---|---|{dashes}---|---|---|---|");
    for (row, own) in rows.iter().zip(visits) {
        let ratio =
            visits.first().map_or(Spread::of([]), |first| ratio(own, first, |visit| visit.cost));
        let (must, want) = row.bar.unzip();
        let bar = format!(" {} | {} |", limit(must), limit(want.flatten()));
        let bar = if barred { bar.as_str() } else { "" };
        let [proxy, load, upstream] = [0, 1, 2].map(|index: usize| {
            let share = median(own, |visit| visit.busy.get(index).copied().unwrap_or_default());
            format!("{:.0} %", share * 100.0)
        });
        let _ = writeln!(
            table,
            "| {} | {:.1} | {:.2} | {:.2}–{:.2} |{bar} {:.0} | {proxy} | {load} | {upstream} |",
            row.name,
            median(own, |visit| visit.cost),
            ratio.median,
            ratio.low,
            ratio.high,
            median(own, |visit| visit.per_second),
        );
    }
    table + "\n"
}

/// A bound in a table, where there is one.
fn limit(most: Option<f64>) -> String {
    most.map_or(String::new(), |most| format!("≤ {most:.2}"))
}

fn median(visits: &[Visit], value: impl Fn(&Visit) -> f64) -> f64 {
    Spread::of(visits.iter().map(value)).median
}

/// What `own` is of `other`, round by round.
pub(crate) fn ratio(own: &[Visit], other: &[Visit], value: fn(&Visit) -> f64) -> Spread {
    Spread::of(own.iter().zip(other).map(|(own, other)| value(own) / value(other)))
}

/// Median and quartiles.
pub(crate) struct Spread {
    pub(crate) low: f64,
    pub(crate) median: f64,
    pub(crate) high: f64,
}

impl Spread {
    fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let [low, median, high] = [1, 2, 3].map(|quarter| {
            values.get(values.len().saturating_sub(1) * quarter / 4).copied().unwrap_or(f64::NAN)
        });
        Self { low, median, high }
    }
}

/// The line that says when, what and where.
pub(crate) fn machine() -> String {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpus.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let envoy = said(env::var("ENVOY").as_deref().unwrap_or("envoy").as_ref(), &["--version"]);
    let envoy = envoy
        .rsplit("version: ")
        .next()
        .and_then(|version| version.split('/').nth(1))
        .unwrap_or_default();
    format!(
        "Date {}, Envoy {envoy}, modelyard {} at {}, {} cores,{}.\n",
        said("date".as_ref(), &["-u", "+%F"]),
        env!("CARGO_PKG_VERSION"),
        said("git".as_ref(), &["rev-parse", "--short", "HEAD"]),
        std::thread::available_parallelism().map_or(0, usize::from),
        cpu.trim_start_matches(['\t', ':']),
    )
}

/// What a program prints.
pub(crate) fn said(program: &Path, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .map(|output| output.stdout)
        .unwrap_or_default();
    String::from_utf8_lossy(&output).trim().to_owned()
}

/// Writes `make bench`'s part of the results, and leaves the other as it is.
pub(crate) fn write_cost(text: &str) -> Result<()> {
    let before = fs::read_to_string(RESULTS).unwrap_or_default();
    let scale =
        before.split_once(SCALE).map(|(_, scale)| [SCALE, scale].concat()).unwrap_or_default();
    fs::write(RESULTS, [text, &scale].concat())
}

/// Writes `make bench-scale`'s part of the results, and leaves the other as it is.
pub(crate) fn write_scale(text: &str) -> Result<()> {
    let before = fs::read_to_string(RESULTS).unwrap_or_default();
    let cost = before.split_once(SCALE).map_or(&*before, |(cost, _)| cost);
    fs::write(RESULTS, [cost, SCALE, text].concat())
}
