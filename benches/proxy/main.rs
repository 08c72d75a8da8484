//! What the gateway costs in a real Envoy: `make bench` next to the same Envoy without it, `make
//! bench-scale` under large catalogues, many streams and several workers, `against` next to
//! another module of it.

mod against;
mod cost;
mod load;
mod measure;
mod peers;
mod scale;
mod setup;
mod shared_data;

use std::env;
use std::io::Result;

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // Cargo adds one of its own.
    let mut arguments = env::args().skip(1).filter(|argument| argument != "--bench");
    match (arguments.next().as_deref(), arguments.next()) {
        (Some("scale"), _) => scale::run(&runtime),
        (Some("against"), Some(other)) => against::run(&runtime, other.leak()),
        _ => cost::run(&runtime),
    }
}
