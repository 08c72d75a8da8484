//! Gateways of others that registries have, for `make bench PEERS=1`: LiteLLM's proxy and Portkey's
//! gateway.
//!
//! Each is one process with one worker, set up as its own documentation says for production:
//! without database, logs and downloads at the start; and, like all that is measured here, without
//! keys for clients.

use std::env;
use std::fs::{self, File};
use std::io::{Error, Result};
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::load::Request;
use super::measure::said;
use super::setup::{BURST, PACED, PLAIN, Process, Proxy, upstream_port};

/// Where `make` installs them.
const TOOLS: &str = ".tools/peers";

/// A peer that runs.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    /// The versions of the peer and of what it runs on.
    pub(crate) version: String,
    pub(crate) proxy: Proxy,
    /// The headers that it needs besides, each with its line break, for a request that the upstream
    /// at a URL answers.
    headers: fn(&str) -> String,
}

impl Peer {
    /// The same request to this peer.
    pub(crate) fn request(&self, request: &Request) -> Request {
        request.with_headers(&(self.headers)(&url(request.upstream)))
    }
}

/// Starts the peers, if they are asked for, and waits until they accept connections.
pub(crate) fn start() -> Result<Vec<Peer>> {
    if env::var("PEERS").as_deref() != Ok("1") {
        return Ok(Vec::new());
    }
    let mut peers = vec![litellm(23151)?, portkey(23152)?];
    for peer in &mut peers {
        peer.proxy.wait()?;
        // A child process would be neither measured nor ended with the peer.
        if peer.proxy.process.has_children()? {
            return Err(Error::other(format!("{} is more than one process", peer.name)));
        }
    }
    Ok(peers)
}

fn litellm(port: u16) -> Result<Peer> {
    let bin = Path::new(TOOLS).join("venv/bin");
    let models = [PLAIN, PACED, BURST].map(|(model, upstream)| {
        let target = json!({
            "model": format!("openai/up-{model}"),
            "api_base": url(upstream),
            "api_key": "secret",
        });
        json!({"model_name": format!("m/model-{model}"), "litellm_params": target})
    });
    // It listens on this machine only.
    let settings = json!({"dangerously_permit_weak_or_unset_master_key": true});
    let config = json!({"model_list": models, "general_settings": settings});
    let path = "target/bench-litellm.json";
    fs::write(path, config.to_string())?;
    let mut command = Command::new(bin.join("litellm"));
    command.args([
        "--config",
        path,
        "--host",
        "127.0.0.1",
        "--port",
        &port.to_string(),
        "--num_workers",
        "1",
    ]);
    command.envs([
        ("LITELLM_MODE", "PRODUCTION"),
        ("LITELLM_LOG", "ERROR"),
        ("LITELLM_LOCAL_MODEL_COST_MAP", "True"),
    ]);
    let pinned =
        include_str!("../peers/requirements.txt").split("==").last().unwrap_or_default().trim();
    let python = said(&bin.join("python"), &["--version"]);
    let version = format!("{pinned} on {python}");
    Ok(Peer {
        name: "LiteLLM",
        version,
        proxy: proxy(port, command, "litellm")?,
        headers: |_| String::new(),
    })
}

fn portkey(port: u16) -> Result<Peer> {
    let program =
        Path::new(TOOLS).join("node/node_modules/@portkey-ai/gateway/build/start-server.js");
    let mut command = Command::new("node");
    // `--headless` leaves out the page that shows requests as they come.
    command
        .arg(program)
        .args(["--headless", &format!("--port={port}")])
        .env("NODE_ENV", "production");
    let package: Value = serde_json::from_str(include_str!("../peers/package.json"))?;
    let [gateway, server] = ["/dependencies/@portkey-ai~1gateway", "/overrides/@hono~1node-server"]
        .map(|pointer| package.pointer(pointer).and_then(Value::as_str).unwrap_or_default());
    let node = said(Path::new("node"), &["--version"]);
    Ok(Peer {
        name: "Portkey",
        version: format!("{gateway} with @hono/node-server {server} on Node {node}"),
        proxy: proxy(port, command, "portkey")?,
        headers: |url| format!("x-portkey-provider: openai\r\nx-portkey-custom-host: {url}\r\n"),
    })
}

/// Starts one; what it says goes to a file.
fn proxy(port: u16, mut command: Command, name: &str) -> Result<Proxy> {
    let process = Process::start(command.stderr(File::create(format!("target/bench-{name}.log"))?));
    let process = process
        .map_err(|error| Error::new(error.kind(), format!("cannot start {command:?}: {error}")))?;
    Ok(Proxy { port, process })
}

fn url(upstream: &str) -> String {
    format!("http://127.0.0.1:{}/v1", upstream_port(upstream))
}

/// The line that says which peers ran, if any.
pub(crate) fn versions(peers: &[Peer]) -> String {
    let peers = peers.iter();
    peers
        .map(|peer| {
            format!(
                "{} {} has one worker, and neither a database nor keys for clients.\n",
                peer.name, peer.version
            )
        })
        .collect()
}
