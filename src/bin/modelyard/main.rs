//! `modelyard`: checks gateway documents and explains requests, with the very code of the filter
//! and without an Envoy.

mod document;
mod explanation;
mod listing;

use std::error::Error;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{Args, Parser, Subcommand};
use modelyard::config::Config;
use modelyard::exchange::explain::{Question, explain, header_of, seed_of};
use modelyard::operation::Operation;
use modelyard::route::Health;
use serde_json::Value;

/// Checks gateway documents and explains requests, without an Envoy.
#[derive(Parser)]
#[command(name = "modelyard", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Print everything that is wrong with a gateway document
    Check {
        /// The document in YAML or JSON, or a file of Envoy's that holds it
        document: PathBuf,
        #[command(flatten)]
        keys: Keys,
    },
    /// Print the plan for a request, without calling anybody
    Explain {
        /// The gateway document
        #[arg(short, long, value_name = "FILE")]
        config: PathBuf,
        /// The request's body; - is the standard input
        request: PathBuf,
        /// The seed of the draw, in hexadecimal as records have it
        #[arg(long, value_name = "HEX", value_parser = hexadecimal, default_value = "0")]
        seed: u64,
        /// The request's x-request-id, of which the seed is made
        #[arg(long, value_name = "ID", conflicts_with = "seed")]
        request_id: Option<String>,
        /// chat, completions, embeddings, messages or responses; default: as the body looks
        #[arg(long, value_parser = operation)]
        dialect: Option<Operation>,
        /// A header of the request, as 'x-tier: gold', for rules that look at one; may be given
        /// more than once
        #[arg(long = "header", value_name = "NAME: VALUE", value_parser = header)]
        headers: Vec<(String, String)>,
        /// Print it as the gateway's own api/explain answers it
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        keys: Keys,
    },
    /// Print the catalogue: models, who offers them, at what price per million tokens
    Models {
        /// The gateway document
        #[arg(short, long, value_name = "FILE")]
        config: PathBuf,
    },
}

/// Where provider keys come from.
#[derive(Args)]
struct Keys {
    /// Read provider keys from the environment; otherwise all count as set
    #[arg(long)]
    env: bool,
}

impl Keys {
    fn look_up(&self, name: &str) -> Option<String> {
        if self.env { std::env::var(name).ok() } else { Some("set".to_owned()) }
    }
}

fn hexadecimal(text: &str) -> Result<u64, String> {
    u64::from_str_radix(text, 16).map_err(|error| error.to_string())
}

fn operation(text: &str) -> Result<Operation, String> {
    Operation::named(text)
        .ok_or_else(|| "known: chat, completions, embeddings, messages, responses".to_owned())
}

fn header(text: &str) -> Result<(String, String), String> {
    header_of(text).ok_or_else(|| "must be NAME: VALUE".to_owned())
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO)
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Check { document, keys } => check(&document, &keys),
        Command::Explain { config, request, seed, request_id, dialect, headers, json, keys } => {
            let seed = request_id.map_or(seed, |id| seed_of(&id));
            let question =
                Question { operation: dialect, headers, body: Vec::new(), seed, now: now() };
            let explained =
                read(&config, &keys).and_then(|config| explained(config, &request, question));
            explained.map(|explained| {
                if json { format!("{explained:#}\n") } else { explanation::of(&explained) }
            })
        }
        Command::Models { config } => {
            read(&config, &Keys { env: false }).map(|config| listing::of(&config))
        }
    };
    match done {
        Ok(text) => match io::stdout().write_all(text.as_bytes()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        },
        Err(error) => {
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

fn check(path: &Path, keys: &Keys) -> Result<String, Box<dyn Error>> {
    let config = read(path, keys)?;
    let models = config.catalog.models();
    let endpoints: usize = models.iter().map(|model| model.endpoints.len()).sum();
    // A model without endpoints, such as `openrouter/auto`, only stands for others, so it does not
    // count.
    let models = models.iter().filter(|model| !model.endpoints.is_empty()).count();
    let providers = config.providers.len();
    Ok(format!("{}: {models} models, {endpoints} endpoints, {providers} providers\n", config.hash))
}

/// Reads a document; warnings go to the standard error, errors come together, one a line.
fn read(path: &Path, keys: &Keys) -> Result<Config, Box<dyn Error>> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let document = document::read(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    match Config::parse(&document, &|name| keys.look_up(name)) {
        Ok((config, warnings)) => {
            for warning in warnings {
                writeln!(io::stderr(), "warning: {warning}")?;
            }
            Ok(config)
        }
        Err(errors) => {
            let lines: Vec<String> = errors.iter().map(|error| format!("error: {error}")).collect();
            Err(lines.join("\n").into())
        }
    }
}

/// The plan for the body in a file.
fn explained(config: Config, request: &Path, question: Question) -> Result<Value, Box<dyn Error>> {
    let body = if request == Path::new("-") {
        let mut body = Vec::new();
        io::stdin().read_to_end(&mut body)?;
        body
    } else {
        fs::read(request).map_err(|error| format!("{}: {error}", request.display()))?
    };
    let question = Question { body, ..question };
    Ok(serde_json::from_str(&explain(&Rc::new(config), question, &Health::default()))?)
}
