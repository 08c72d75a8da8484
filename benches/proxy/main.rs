//! What the gateway costs in a real Envoy: `make bench` next to the same Envoy without it, `make
//! bench-scale` under large catalogues, many streams and several workers.

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
    match env::args().any(|argument| argument == "scale") {
        true => scale::run(&runtime),
        false => cost::run(&runtime),
    }
}
