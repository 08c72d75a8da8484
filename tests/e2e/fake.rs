//! The fake provider as a process, with one listener for each provider of a gateway.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::client::Connection;
use crate::process;

pub(crate) struct Fake {
    process: Child,
    pub(crate) listeners: BTreeMap<String, SocketAddr>,
}

impl Fake {
    /// Starts a listener for each name with its faults.
    pub(crate) fn start(listeners: &BTreeMap<String, String>, record: bool) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fake-provider"));
        command.arg("--until-stdin-closes").stdin(Stdio::piped()).stdout(Stdio::piped());
        if !record {
            command.arg("--no-record");
        }
        for (name, faults) in listeners {
            command.args(["--listen", &format!("{name}=127.0.0.1:0,{faults}")]);
        }
        let mut process = process::spawn(command);
        let lines = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
        let lines = lines.take_while(|line| line != "ready");
        let listeners = lines.map(|line| {
            let (name, address) = line.split_once('=').unwrap();
            (name.to_owned(), address.parse().unwrap())
        });
        Self { listeners: listeners.collect(), process }
    }

    /// What a provider has received, oldest first.
    pub(crate) fn received(&self, provider: &str) -> Vec<Received> {
        let mut connection = Connection::open(*self.listeners.values().next().unwrap());
        connection.send("GET", "/_fake/requests", &[], b"");
        let all = connection.read("GET").json();
        let own = all.as_array().unwrap().iter().filter(|request| request["listener"] == provider);
        own.map(|request| Received(request.clone())).collect()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// One request as a provider got it.
#[derive(Debug)]
pub(crate) struct Received(pub(crate) Value);

impl Received {
    pub(crate) fn body(&self) -> &str {
        self.0["body"].as_str().unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(self.body()).unwrap()
    }

    pub(crate) fn path(&self) -> &str {
        self.0["path"].as_str().unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let headers = self.0["headers"].as_array().unwrap();
        headers.iter().find(|pair| pair[0] == name).map(|pair| pair[1].as_str().unwrap())
    }

    pub(crate) fn header_names(&self) -> Vec<&str> {
        self.0["headers"].as_array().unwrap().iter().map(|pair| pair[0].as_str().unwrap()).collect()
    }
}
