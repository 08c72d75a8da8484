//! What a gateway of the tests consists of: its document, and the providers behind it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use modelyard::config::FORMATS;
use serde_json::{Value, json};

use crate::gateway::OPERATOR_DIGEST;

/// The step of a chain whose port refuses.
pub(crate) const REFUSED: &str = "refused";
/// The step of a chain whose cluster Envoy does not know.
pub(crate) const GHOST: &str = "ghost";

/// How many provider keys there are.
pub(crate) const KEYS: usize = 8;

/// The key of a chain's step: every step has another one.
pub(crate) fn key(step: usize) -> (String, String) {
    (format!("E2E_KEY_{step}"), format!("sk-of-step-{step}"))
}

/// Every wire format of a provider, by its name in the document.
pub(crate) fn formats() -> impl Iterator<Item = &'static str> {
    FORMATS.iter().map(|(name, _)| *name)
}

/// A gateway to be started.
///
/// Every model has providers of its own, so that checks on one gateway do not see each other.
pub(crate) struct Setup {
    pub(crate) document: Value,
    /// Listeners of the fake provider and their faults.
    pub(crate) listeners: BTreeMap<String, String>,
    /// What differs from the usual in a cluster.
    pub(crate) clusters: BTreeMap<String, Value>,
    pub(crate) refused: Vec<String>,
    /// Clusters that are a test's own servers.
    pub(crate) servers: BTreeMap<String, SocketAddr>,
    pub(crate) workers: u32,
    /// Whether the fake keeps requests.
    pub(crate) record: bool,
    /// Whether the document is given as a Struct.
    pub(crate) as_struct: bool,
    /// Whether the filter comes by ECDS from a file.
    pub(crate) by_ecds: bool,
    /// Whether the filter is disabled in its chain and enabled on the gateway's own routes.
    pub(crate) guarded: bool,
    /// Whether requests come to the filter by HTTP/3.
    pub(crate) by_http3: bool,
    /// Whether the filter may wait for a body.
    pub(crate) may_wait: bool,
    /// Which VM the filter runs in: another number is another VM with the same `vm_id`.
    pub(crate) vm: u32,
    /// A module in place of the one under test.
    pub(crate) module: Option<PathBuf>,
}

impl Setup {
    pub(crate) fn new() -> Self {
        Self {
            document: json!({
                "providers": {},
                "models": [],
                "routing": {"sort": "order"},
                "operator": {"keys": [{"sha256": OPERATOR_DIGEST}]},
            }),
            listeners: BTreeMap::from([("other".to_owned(), String::new())]),
            clusters: BTreeMap::new(),
            refused: Vec::new(),
            servers: BTreeMap::new(),
            workers: 1,
            record: true,
            as_struct: false,
            by_ecds: false,
            guarded: false,
            by_http3: false,
            may_wait: true,
            vm: 0,
            module: None,
        }
    }

    /// The model `t/{name}` with an endpoint for each step, at the provider `{name}-{index}` with
    /// the step's faults.
    pub(crate) fn chain(mut self, name: &str, steps: &[&str]) -> Self {
        let mut endpoints = Vec::new();
        for (index, step) in steps.iter().enumerate() {
            let provider = format!("{name}-{index}");
            self.document["providers"][&provider] = json!({
                "api": "openai",
                "host": format!("{provider}.test"),
                "auth": {"type": "bearer", "env": key(index).0},
            });
            match *step {
                GHOST => {}
                REFUSED => self.refused.push(provider.clone()),
                faults => drop(self.listeners.insert(provider.clone(), faults.to_owned())),
            }
            endpoints.push(json!({
                "provider": provider,
                "model": format!("up-{name}"),
                "pricing": {"prompt": "0.000001", "completion": "0.000002"},
            }));
        }
        let model = json!({"id": format!("t/{name}"), "endpoints": endpoints});
        self.document["models"].as_array_mut().unwrap().push(model);
        self
    }

    /// A chain whose steps speak these wire formats, each authenticated in its format's usual way.
    pub(crate) fn formats(self, name: &str, steps: &[(&str, &str)]) -> Self {
        let faults: Vec<&str> = steps.iter().map(|(_, faults)| *faults).collect();
        let mut setup = self.chain(name, &faults);
        for (index, (api, _)) in steps.iter().enumerate() {
            let provider = &mut setup.document["providers"][format!("{name}-{index}")];
            provider["api"] = (*api).into();
            provider["auth"] = auth(api, &key(index).0);
        }
        setup
    }

    /// Gives every provider of a chain a short deadline, for the first token and the whole answer.
    pub(crate) fn hurry(mut self, name: &str, deadline: &str) -> Self {
        let prefix = format!("{name}-");
        for (id, provider) in self.document["providers"].as_object_mut().unwrap() {
            if id.strip_prefix(&prefix).is_some_and(|index| index.parse::<usize>().is_ok()) {
                merge(provider, &json!({"first_token_timeout": deadline, "timeout": deadline}));
            }
        }
        self
    }

    /// Changes a provider's configuration.
    pub(crate) fn provider(mut self, id: &str, patch: Value) -> Self {
        merge(&mut self.document["providers"][id], &patch);
        self
    }

    /// Changes the model `t/{name}`.
    pub(crate) fn model(mut self, name: &str, patch: Value) -> Self {
        let id = format!("t/{name}");
        let model = self.document["models"]
            .as_array_mut()
            .unwrap()
            .iter_mut()
            .find(|model| model["id"] == id);
        merge(model.unwrap(), &patch);
        self
    }

    /// Changes the document.
    pub(crate) fn document(mut self, patch: Value) -> Self {
        merge(&mut self.document, &patch);
        self
    }

    /// Changes a provider's cluster.
    pub(crate) fn cluster(mut self, name: &str, patch: Value) -> Self {
        self.clusters.insert(name.to_owned(), patch);
        self
    }

    /// Speaks HTTP/2 with a provider.
    pub(crate) fn over_http2(self, name: &str) -> Self {
        let protocol = json!({"http_protocol_options": null, "http2_protocol_options": {}});
        let options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
        let protocol = json!({options: {"explicit_http_config": protocol}});
        self.cluster(name, json!({"typed_extension_protocol_options": protocol}))
    }

    pub(crate) fn workers(mut self, workers: u32) -> Self {
        self.workers = workers;
        self
    }
}

/// How a format's usual provider is told who asks.
fn auth(api: &str, env: &str) -> Value {
    match api {
        "anthropic" => json!({"type": "header", "name": "x-api-key", "env": env}),
        "azure-openai" => json!({"type": "header", "name": "api-key", "env": env}),
        "gemini" => json!({"type": "query", "name": "key", "env": env}),
        "bedrock" => json!({
            "type": "sigv4",
            "region": "eu-central-1",
            "access_key_env": env,
            "secret_key_env": key(6).0,
            "session_token_env": key(7).0,
        }),
        _ => json!({"type": "bearer", "env": env}),
    }
}

/// Objects are merged key by key; anything else is replaced.
pub(crate) fn merge(value: &mut Value, patch: &Value) {
    match (value.as_object_mut(), patch.as_object()) {
        (Some(object), Some(patch)) => {
            for (key, patch) in patch {
                merge(object.entry(key).or_insert(Value::Null), patch);
            }
        }
        _ => *value = patch.clone(),
    }
}
