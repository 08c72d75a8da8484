//! This module next to another one, in the same rounds: what a change costs in a real Envoy.
//!
//! After `make bench-programs`: `ENVOY=… cargo bench --profile measure --features fake-provider
//! --bench proxy -- against other.wasm`. Prints, and writes nothing down.

use std::io::Result;
use std::time::Duration;

use tokio::runtime::Runtime;

use super::load::chat;
use super::measure::{Scenario, machine, measure, ratio, rows, table};
use super::setup::{self, Catalogue, Kind, PACED, PLAIN, Proxy};

/// Measures both modules, and says what this one costs of the other one.
pub(crate) fn run(runtime: &Runtime, other: &'static str) -> Result<()> {
    let upstream = setup::upstream()?;
    let catalogue = Catalogue { models: 400, endpoints: 2 };
    let kinds = [
        ("Envoy, no filter", Kind::Bare),
        (other, Kind::Module(other, catalogue)),
        ("Modelyard", Kind::Gateway(catalogue)),
    ];
    let proxies = Proxy::start_all(kinds.map(|(_, kind)| (kind, 1)))?;
    println!("{}", machine());
    for (name, request, connections, units) in [
        ("1 KB chat, 16 connections", chat("/v1", PLAIN, 1000, false), 16, 1),
        ("paced stream, per chunk, 64 connections", chat("/v1", PACED, 1000, true), 64, 100),
    ] {
        let scenario = Scenario { name, connections, duration: Duration::from_secs(1), units };
        let rows = rows(kinds.map(|(name, _)| name), &proxies, request.leaked());
        let visits = measure(runtime, &upstream, &scenario, &rows)?;
        print!("{}", table(&scenario, &rows, &visits));
        if let [_, other, own] = visits.as_slice() {
            let of = ratio(own, other, |visit| visit.cost);
            println!("Of the other: {:.3} ({:.3}–{:.3})\n", of.median, of.low, of.high);
        }
    }
    Ok(())
}
