//! `make bench`: what the gateway costs next to the same Envoy without it.
//!
//! What counts is the ratio of the proxy's CPU time per request or chunk to the bare Envoy's in the
//! same round.

use std::fmt::Write as _;
use std::io::Result;
use std::time::Duration;

use tokio::runtime::Runtime;

use super::load::{Request, chat};
use super::measure::{
    self, Bar, Row, Scenario, Visit, machine, measure, ratio, rounds, rows, table,
};
use super::peers::{self, Peer};
use super::setup::{self, BURST, Catalogue, Kind, PACED, PACED_CLAUDE, PLAIN, PLAIN_CLAUDE, Proxy};

/// A scenario with what it sends, and the bar for the gateway's row.
struct Case {
    scenario: Scenario,
    request: Request,
    bar: Bar,
    /// Other requests to the gateway, compared with the same request to the bare Envoy.
    others: Vec<(&'static str, Request, Option<Bar>)>,
    /// What heads the column of the memory that is taken after this case, if it is taken.
    memory: Option<&'static str>,
}

/// The name of requests that are compared with the gateway's own row, too.
const TRANSLATED: &str = "Modelyard, OpenAI to Anthropic";

/// Measures everything, and writes it down.
pub(crate) fn run(runtime: &Runtime) -> Result<()> {
    let upstream = setup::upstream()?;
    let kinds = [
        ("Envoy, no filter", Kind::Bare),
        ("no-op filter", Kind::Baseline("noop")),
        ("naive filter", Kind::Baseline("naive")),
        ("Modelyard", Kind::Gateway(Catalogue { models: 400, endpoints: 2 })),
    ];
    let peers = peers::start()?;
    let proxies = Proxy::start_all(kinds.map(|(_, kind)| (kind, 1)))?;
    let mut moments = vec![("start", memory(&proxies, &peers)?)];
    let mut report = heading(&peers);
    for case in cases() {
        let request = case.request.leaked();
        let mut rows = rows(kinds.map(|(name, _)| name), &proxies, request);
        let Some(own) = rows.last_mut() else { continue };
        own.bar = Some(case.bar);
        let proxy = own.proxy;
        rows.extend(case.others.into_iter().map(|(name, request, bar)| Row {
            name: name.to_owned(),
            proxy,
            request: request.leaked(),
            bar,
        }));
        rows.extend(peers.iter().map(|peer| Row {
            name: peer.name.to_owned(),
            proxy: &peer.proxy,
            request: peer.request(request).leaked(),
            bar: None,
        }));
        let visits = measure(runtime, &upstream, &case.scenario, &rows)?;
        let text = table(&case.scenario, &rows, &visits) + &translated(&rows, &visits);
        print!("{text}");
        report += &text;
        if let Some(moment) = case.memory {
            moments.push((moment, memory(&proxies, &peers)?));
        }
    }
    let names: Vec<_> =
        kinds.iter().map(|(name, _)| *name).chain(peers.iter().map(|peer| peer.name)).collect();
    let text = memory_table(&names, &moments);
    print!("{text}");
    measure::write_cost(&(report + &text + include_str!("../where-the-time-goes.md")))
}

/// A case with the ratio that must not be exceeded, and the one that is wanted.
fn case(name: &'static str, seconds: f64, request: Request, (must, want): (f64, f64)) -> Case {
    let duration = Duration::from_secs_f64(seconds);
    Case {
        scenario: Scenario { name, connections: 16, duration, units: 1 },
        request,
        bar: (must, Some(want)),
        others: Vec::new(),
        memory: None,
    }
}

fn cases() -> [Case; 5] {
    let mut small =
        case("1 KB chat, 16 connections", 1.0, chat("/v1", PLAIN, 1000, false), (1.75, 1.5));
    small.others.push((TRANSLATED, chat("/v1", PLAIN_CLAUDE, 1000, false), None));
    let mut medium =
        case("32 KB chat, 16 connections", 1.0, chat("/v1", PLAIN, 32 << 10, false), (1.95, 1.65));
    medium.memory = Some("1 KB and 32 KB");
    let mut large =
        case("1 MB chat, 16 connections", 1.5, chat("/v1", PLAIN, 1 << 20, false), (2.4, 1.9));
    large.memory = Some("1 MB");
    let name = "paced stream, per chunk (5 ms apart), 64 connections";
    let mut paced = case(name, 1.5, chat("/v1", PACED, 1000, true), (1.25, 1.12));
    (paced.scenario.connections, paced.scenario.units) = (64, 100);
    paced.others.push((
        "Modelyard, OpenRouter's face",
        chat("/api/v1", PACED, 1000, true),
        Some((1.45, None)),
    ));
    paced.others.push((TRANSLATED, chat("/v1", PACED_CLAUDE, 1000, true), None));
    let mut burst = case(
        "burst stream, per chunk, 16 connections",
        1.0,
        chat("/v1", BURST, 1000, true),
        (1.3, 1.15),
    );
    burst.scenario.units = 1000;
    burst.memory = Some("streams");
    [small, medium, large, paced, burst]
}

/// What translation costs, next to a request that needs none.
fn translated(rows: &[Row<'_>], visits: &[Vec<Visit>]) -> String {
    let [own, translated] = ["Modelyard", TRANSLATED]
        .map(|name| rows.iter().zip(visits).find(|(row, _)| row.name == name));
    let (Some((_, own)), Some((_, translated))) = (own, translated) else { return String::new() };
    let ratio = ratio(translated, own, |visit| visit.cost);
    format!(
        "Translated, it takes {:.2} ({:.2}–{:.2}) of what Modelyard takes in the same dialect; \
         must ≤ 1.50.\n\n",
        ratio.median, ratio.low, ratio.high
    )
}

/// The memory of each proxy, in MiB.
fn memory(proxies: &[Proxy], peers: &[Peer]) -> Result<Vec<f64>> {
    proxies
        .iter()
        .chain(peers.iter().map(|peer| &peer.proxy))
        .map(|proxy| proxy.process.memory())
        .collect()
}

/// A table with a line for each proxy and a column for each moment.
fn memory_table(names: &[&str], moments: &[(&str, Vec<f64>)]) -> String {
    let mut table = "## Memory of one worker, PSS in MiB\n\n\
        Taken once after the start, before any request, and then after all visits of the \
        scenarios that the column names and of those before them.\n\
        PSS divides the pages of Envoy's program by the Envoys that run it, \
        here four and whoever else does.\n\
        Whatever a scenario made the allocator keep is in the later columns, too.\n\n| |"
        .to_owned();
    for (moment, _) in moments {
        let _ = write!(
            table,
            " {} |",
            if *moment == "start" { "after the start".into() } else { format!("after {moment}") }
        );
    }
    table += " must | want |\n|---|";
    table += &"---|".repeat(moments.len() + 2);
    for (index, name) in names.iter().enumerate() {
        let _ = write!(table, "\n| {name} |");
        for (_, memory) in moments {
            let _ = write!(table, " {:.0} |", memory.get(index).copied().unwrap_or(f64::NAN));
        }
        table += if *name == "Modelyard" { " ≤ 52 | ≤ 46 |" } else { " | |" };
    }
    table + "\n\n"
}

fn heading(peers: &[Peer]) -> String {
    format!(
        "# Results\n\n\
         Written by `make bench`.\n\
         Ratios are of the proxy's CPU time to that of the bare Envoy in the same round; \
         medians of {} interleaved rounds, and their quartiles.\n\
         One worker; request ids and access logs off; \
         a catalogue of 400 models with two endpoints each.\n\
         *Must* and *want* are the bar that the project has set itself for the ratio.\n\n\
         The time is the proxy's own, read from `/proc`, \
         so what the load generator and the upstream take is not in it.\n\
         The last three columns say how much of a core the proxy, the load generator and the \
         upstream used.\n\
         Where the proxy is near 100 %, it was the bottleneck.\n\
         Where it is below, it had to wait, for the pace of the stream or for the other two, \
         and its waiting costs nothing here; \
         *per second* then says what they can do, not what the proxy can.\n\n\
         {}{}\n",
        rounds(),
        machine(),
        peers::versions(peers),
    )
}
