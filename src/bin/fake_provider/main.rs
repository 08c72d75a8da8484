//! `fake-provider`: an upstream that speaks every wire format and plays every fault on demand. It
//! serves rehearsals of fallbacks, end-to-end tests and benchmarks; it knows nothing of the
//! gateway. From a request to its answer: `listener` → `exchange` → `request` → `format` (one file
//! each) → `script` → `body`.

mod answer;
mod body;
mod directive;
mod exchange;
mod fault;
mod format;
mod list;
mod listener;
mod record;
mod request;
mod script;
mod socket;
mod tls;
mod wire;

use std::error::Error;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Arc;

use clap::{CommandFactory as _, FromArgMatches as _, Parser};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

use crate::exchange::{Listener, Provider};
use crate::fault::Faults;
use crate::record::Log;
use crate::tls::Authority;

/// A scripted upstream that speaks the wire formats of OpenAI, Anthropic, Gemini and Bedrock, told
/// by the path.
#[derive(Parser)]
#[command(name = "fake-provider", version)]
struct Cli {
    /// Listen for HTTP/1.1 and HTTP/2; the name (default: fake) shows up in answers, port 0 picks
    /// one
    #[arg(long, value_name = "[NAME=]ADDR[,FAULTS]", required_unless_present = "tls")]
    listen: Vec<Spec>,
    /// Listen with TLS, the certificate is for NAME
    #[arg(long, value_name = "NAME=ADDR[,FAULTS]", requires = "tls_dir")]
    tls: Vec<Spec>,
    /// Where to write ca.pem, the authority to trust for the TLS listeners
    #[arg(long, value_name = "DIR")]
    tls_dir: Option<PathBuf>,
    /// Faults of every answer
    #[arg(
        long,
        value_name = "FAULTS",
        default_value = "",
        hide_default_value = true,
        value_parser = checked_faults
    )]
    faults: String,
    /// Do not keep requests for /_fake/requests
    #[arg(long)]
    no_record: bool,
    /// Stop when the standard input ends
    #[arg(long)]
    until_stdin_closes: bool,
}

/// A listener as the command line gives it; the faults have been checked.
#[derive(Clone)]
struct Spec {
    name: String,
    address: String,
    faults: String,
}

impl FromStr for Spec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (place, faults) = text.split_once(',').unwrap_or((text, ""));
        let (name, address) = place.split_once('=').unwrap_or(("fake", place));
        // The name goes into headers, JSON and certificates as it is.
        if name.is_empty()
            || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
        {
            return Err(format!("`{name}` is no name: use letters, digits, `.`, `-` and `_`"));
        }
        Ok(Self {
            name: name.to_owned(),
            address: address.to_owned(),
            faults: checked_faults(faults)?,
        })
    }
}

fn checked_faults(text: &str) -> Result<String, String> {
    Faults::default().apply(text).map_err(|error| error.to_string())?;
    Ok(text.to_owned())
}

#[tokio::main]
async fn main() -> ExitCode {
    let matches = Cli::command().after_help(directive::help()).get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    match run(&cli).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell when the standard error is closed as well.
            let _ = writeln!(io::stderr(), "fake-provider: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: &Cli) -> Result<(), Box<dyn Error>> {
    let log = (!cli.no_record).then(Log::default);
    let provider = Arc::new(Provider::new(log));
    for spec in &cli.listen {
        start(spec, &cli.faults, None, &provider).await?;
    }
    if let Some(dir) = cli.tls_dir.as_ref().filter(|_| !cli.tls.is_empty()) {
        let authority = Authority::create(dir)?;
        for spec in &cli.tls {
            start(spec, &cli.faults, Some(authority.acceptor(&spec.name)?), &provider).await?;
        }
    }
    say("ready")?;
    stopped(cli.until_stdin_closes).await
}

async fn start(
    spec: &Spec,
    common_faults: &str,
    tls: Option<TlsAcceptor>,
    provider: &Arc<Provider>,
) -> Result<(), Box<dyn Error>> {
    let tcp = TcpListener::bind(&spec.address)
        .await
        .map_err(|error| format!("{}: {error}", spec.address))?;
    let address = tcp.local_addr()?;
    let mut faults = Faults::default();
    for text in [common_faults, &spec.faults] {
        faults.apply(text).map_err(|error| error.to_string())?;
    }
    let texts: Vec<&str> =
        [spec.faults.as_str(), common_faults].into_iter().filter(|text| !text.is_empty()).collect();
    let listener =
        Listener { name: spec.name.clone(), address, faults, fault_text: texts.join(",") };
    tokio::spawn(listener::accept(tcp, tls, Arc::clone(provider), Arc::new(listener)));
    say(&format!("{}={address}", spec.name))?;
    Ok(())
}

fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// Waits for a reason to stop.
async fn stopped(at_end_of_stdin: bool) -> Result<(), Box<dyn Error>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stdin_closed = async {
        if at_end_of_stdin {
            // A thread that cannot tell the end any more counts as the end.
            let _ = end_of_stdin().await;
        } else {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = stdin_closed => {}
    }
    Ok(())
}

/// Reads the standard input on a thread of its own: tokio's would keep the process from ending.
fn end_of_stdin() -> oneshot::Receiver<()> {
    let (sender, receiver) = oneshot::channel();
    std::thread::spawn(move || {
        // A standard input that cannot be read has ended too.
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        // The receiver is gone when the process is stopping anyway.
        let _ = sender.send(());
    });
    receiver
}
