//! The proxies that are compared: one Envoy each, with the same clusters, and what costs the same
//! left out of all.

use std::io::{Error, Result};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use std::{env, fs, iter, thread};

use serde_json::{Value, json};

/// The upstream's listeners: name, port and what they play.
const UPSTREAMS: [(&str, u16, &str); 4] = [
    ("plain", 23001, ""),
    ("paced", 23002, ",tokens=100,interval=5"),
    ("burst", 23003, ",tokens=1000"),
    ("slow", 23004, ",tokens=100,interval=50"),
];

/// A model of the gateway's catalogue by its number, and the upstream that serves it.
pub(crate) const PLAIN: (usize, &str) = (0, "plain");
/// 100 chunks, 5 ms apart.
pub(crate) const PACED: (usize, &str) = (1, "paced");
/// 1000 chunks at once.
pub(crate) const BURST: (usize, &str) = (2, "burst");
/// 100 chunks, 50 ms apart.
pub(crate) const SLOW: (usize, &str) = (3, "slow");
/// As [`PLAIN`], but the gateway's provider speaks Anthropic's format.
pub(crate) const PLAIN_CLAUDE: (usize, &str) = (4, "plain");
/// As [`PACED`], but the gateway's provider speaks Anthropic's format.
pub(crate) const PACED_CLAUDE: (usize, &str) = (5, "paced");

/// The providers that serve the gateway's first models; `plain` serves the others.
const FIRST: [&str; 6] = ["plain", "paced", "burst", "slow", "plain-claude", "paced-claude"];

const WASM: &str = "target/wasm32-wasip1/release/modelyard.wasm";
const BASELINE: &str = "target/baseline/wasm32-wasip1/release/baseline.wasm";
const TYPES: &str = "type.googleapis.com/envoy";

/// A process that ends with its owner.
pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        Ok(Self(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?))
    }

    /// CPU seconds used so far.
    pub(crate) fn cpu(&self) -> Result<f64> {
        cpu(self.0.id())
    }

    /// Proportional memory in MiB: pages that several processes have are divided among them.
    pub(crate) fn memory(&self) -> Result<f64> {
        self.mib("Pss:")
    }

    /// Memory in MiB that no other process has, without the program's own pages.
    pub(crate) fn own_memory(&self) -> Result<f64> {
        self.mib("Pss_Anon:")
    }

    /// Whether it has started others.
    pub(crate) fn has_children(&self) -> Result<bool> {
        let mut children = false;
        for task in fs::read_dir(format!("/proc/{}/task", self.0.id()))? {
            children |= !fs::read(task?.path().join("children")).unwrap_or_default().is_empty();
        }
        Ok(children)
    }

    fn mib(&self, key: &str) -> Result<f64> {
        let rollup = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.0.id()))?;
        let pages =
            rollup.lines().find_map(|line| line.strip_prefix(key)?.trim().strip_suffix(" kB"));
        Ok(pages.and_then(|kb| kb.parse::<f64>().ok()).unwrap_or(f64::NAN) / 1024.0)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// CPU seconds that this process, the load generator, has used.
pub(crate) fn own_cpu() -> Result<f64> {
    cpu(std::process::id())
}

fn cpu(process: u32) -> Result<f64> {
    let mut nanoseconds = 0.0;
    for task in fs::read_dir(format!("/proc/{process}/task"))? {
        let times = fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
        nanoseconds += times.split(' ').next().and_then(|time| time.parse().ok()).unwrap_or(0.0);
    }
    Ok(nanoseconds / 1e9)
}

/// Starts the upstream.
pub(crate) fn upstream() -> Result<Process> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fake-provider"));
    for (name, port, faults) in UPSTREAMS {
        command.args(["--listen", &format!("{name}=127.0.0.1:{port}{faults}")]);
    }
    Process::start(command.arg("--no-record"))
}

/// The port of an upstream's listener.
pub(crate) fn upstream_port(name: &str) -> u16 {
    UPSTREAMS.iter().find(|(other, ..)| *other == name).map_or(0, |(_, port, _)| *port)
}

/// Which filters a proxy has.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Bare,
    /// One of the filters of `benches/baseline`, by its name.
    Baseline(&'static str),
    /// The baseline `noop` in both roles of the gateway. Envoy's own filters hold the body and
    /// choose the cluster.
    Roles,
    /// The baseline `calls` in both roles of the gateway.
    Calls,
    Gateway(Catalogue),
    /// Another module of the gateway, by its path.
    Module(&'static str, Catalogue),
}

/// How many models the gateway has, and how many endpoints each.
#[derive(Clone, Copy)]
pub(crate) struct Catalogue {
    pub(crate) models: usize,
    pub(crate) endpoints: usize,
}

/// One proxy under test.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    pub(crate) process: Process,
}

impl Proxy {
    /// Starts a proxy of each kind with so many workers, and waits until they have settled.
    pub(crate) fn start_all<const N: usize>(kinds: [(Kind, usize); N]) -> Result<Vec<Self>> {
        let proxies =
            (0u16..).zip(kinds).map(|(index, (kind, workers))| Self::start(index, kind, workers));
        let mut proxies: Vec<Self> = proxies.collect::<Result<_>>()?;
        proxies.iter_mut().try_for_each(Self::wait)?;
        thread::sleep(Duration::from_secs(1));
        Ok(proxies)
    }

    fn start(index: u16, kind: Kind, workers: usize) -> Result<Self> {
        let listener = match kind {
            Kind::Bare => direct(Vec::new()),
            Kind::Baseline(name) => direct(vec![filter(BASELINE, "", name)]),
            Kind::Roles => roles(vec![buffer(), next_cluster()], filter(BASELINE, "", "noop")),
            Kind::Calls => roles(Vec::new(), filter(BASELINE, "", "calls")),
            Kind::Gateway(catalogue) => gateway(WASM, catalogue),
            Kind::Module(path, catalogue) => gateway(path, catalogue),
        };
        let (port, admin) = (23100 + index, 23200 + index);
        let clusters: Vec<_> =
            UPSTREAMS.iter().map(|(name, port, _)| cluster(name, *port)).collect();
        let listener = json!({
            "name": "gateway",
            "address": address(port),
            "filter_chains": [{"filters": [listener]}],
        });
        let config = json!({
            "admin": {"address": address(admin)},
            "static_resources": {"listeners": [listener], "clusters": clusters},
        });
        let path = Path::new("target").join(format!("bench-{index}.json"));
        fs::write(&path, config.to_string())?;
        let envoy = env::var("ENVOY").unwrap_or_else(|_| "envoy".to_owned());
        let mut command = Command::new(envoy);
        command.arg("-c").arg(path).args(["--concurrency", &workers.to_string(), "-l", "error"]);
        command.arg("--use-dynamic-base-id").env("BENCH_KEY", "secret");
        Ok(Self { port, process: Process::start(&mut command)? })
    }

    /// Waits until it accepts connections.
    pub(crate) fn wait(&mut self) -> Result<()> {
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            if let Some(status) = self.process.0.try_wait()? {
                return Err(Error::other(format!(
                    "the proxy on port {} ended: {status}",
                    self.port
                )));
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}

fn address(port: u16) -> Value {
    json!({"socket_address": {"address": "127.0.0.1", "port_value": port}})
}

fn cluster(name: &str, port: u16) -> Value {
    let many = 100_000;
    let limits = json!({
        "max_retries": many,
        "max_requests": many,
        "max_connections": many,
        "max_pending_requests": many,
    });
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "2s",
        "circuit_breakers": {"thresholds": [limits]},
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(port)}}]}],
        },
    })
}

/// A listener's filter; request ids and access logs are Envoy's own cost and off.
fn connection_manager(routes: Value, filters: Vec<Value>) -> Value {
    let kind = format!(
        "{TYPES}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
    );
    json!({"name": "hcm", "typed_config": {
        "@type": kind,
        "stat_prefix": "gateway",
        "generate_request_id": false,
        "http_filters": filters,
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
    }})
}

fn router(upstream_filters: Vec<Value>) -> Value {
    let kind = format!("{TYPES}.extensions.filters.http.router.v3.Router");
    json!({"name": "router", "typed_config": {
        "@type": kind, "suppress_envoy_headers": true, "upstream_http_filters": upstream_filters,
    }})
}

/// Routes by a header, because only the gateway can choose by the body.
fn direct(mut filters: Vec<Value>) -> Value {
    let routes: Vec<_> = UPSTREAMS
        .iter()
        .map(|(name, ..)| {
            let header = json!({"name": "x-bench", "string_match": {"exact": name}});
            json!({
                "match": {"prefix": "/", "headers": [header]},
                "request_body_buffer_limit": 64 << 20,
                "route": {"cluster": name, "timeout": "0s"},
            })
        })
        .collect();
    filters.push(router(Vec::new()));
    connection_manager(json!(routes), filters)
}

const SPECIFIER: &str = "type.googleapis.com/envoy.extensions.router.cluster_specifiers.matcher.v3";

/// What the matcher does to send a request to a cluster.
fn action(name: &str) -> Value {
    let kind = format!("{SPECIFIER}.ClusterAction");
    json!({"action": {"name": name, "typed_config": {"@type": kind, "cluster": name}}})
}

/// The gateway's wiring: the filter downstream, behind others, and upstream, and a route by filter
/// state with retries.
fn roles(mut filters: Vec<Value>, filter: Value) -> Value {
    let input = format!("{TYPES}.extensions.matching.common_inputs.network.v3.FilterStateInput");
    let actions: Value =
        UPSTREAMS.iter().map(|(name, ..)| (name.to_string(), action(name))).collect();
    let matcher = json!({
        "@type": format!("{SPECIFIER}.MatcherClusterSpecifier"),
        "cluster_matcher": {
            "matcher_tree": {
                "input": {
                    "name": "next",
                    "typed_config": {"@type": input, "key": "wasm.modelyard.next"},
                },
                "exact_match_map": {"map": actions},
            },
            "on_no_match": action("sink"),
        },
    });
    let routes = json!([{
        "match": {"prefix": "/"}, "request_body_buffer_limit": 64 << 20,
        "route": {
            "timeout": "0s",
            "inline_cluster_specifier_plugin": {
                "extension": {"name": "matcher", "typed_config": matcher},
            },
            "retry_policy": {
                "retry_on": "retriable-headers,connect-failure,reset,refused-stream",
                "retriable_headers": [{"name": "x-modelyard-retry", "present_match": true}],
                "num_retries": 8, "refresh_cluster_on_retry": true,
                "retry_back_off": {"base_interval": "0.001s", "max_interval": "0.001s"},
            },
        },
    }]);
    let codec = format!("{TYPES}.extensions.filters.http.upstream_codec.v3.UpstreamCodec");
    let codec =
        json!({"name": "envoy.filters.http.upstream_codec", "typed_config": {"@type": codec}});
    filters.extend([filter.clone(), router(vec![filter, codec])]);
    connection_manager(routes, filters)
}

fn gateway(wasm: &str, catalogue: Catalogue) -> Value {
    roles(Vec::new(), filter(wasm, "modelyard", &document(catalogue).to_string()))
}

/// Envoy's own filter that holds a request until its body is whole.
fn buffer() -> Value {
    let kind = format!("{TYPES}.extensions.filters.http.buffer.v3.Buffer");
    json!({"name": "buffer", "typed_config": {"@type": kind, "max_request_bytes": 64 << 20}})
}

/// Envoy's own filter that sets the filter state of the gateway's route, and has the route chosen
/// anew.
fn next_cluster() -> Value {
    let kind = format!("{TYPES}.extensions.filters.http.set_filter_state.v3.Config");
    let value = json!({"text_format_source": {"inline_string": "%REQ(x-bench)%"}});
    let state = json!({
        "object_key": "wasm.modelyard.next",
        "factory_key": "envoy.string",
        "format_string": value,
    });
    json!({
        "name": "next",
        "typed_config": {
            "@type": kind,
            "on_request_headers": [state],
            "clear_route_cache": true,
        },
    })
}

fn filter(wasm: &str, root_id: &str, configuration: &str) -> Value {
    json!({"name": "filter", "typed_config": {
        "@type": format!("{TYPES}.extensions.filters.http.wasm.v3.Wasm"),
        "config": {
            "name": "filter", "root_id": root_id, "failure_policy": "FAIL_RELOAD",
            "allow_on_headers_stop_iteration": true,
            "configuration": {
                "@type": "type.googleapis.com/google.protobuf.StringValue",
                "value": configuration,
            },
            "vm_config": {
                "vm_id": "bench",
                "runtime": "envoy.wasm.runtime.v8",
                "code": {"local": {"filename": wasm}},
                "environment_variables": {"host_env_keys": ["BENCH_KEY"]},
            },
        },
    }})
}

/// The gateway's configuration: a model for each kind of upstream among many others.
fn document(Catalogue { models, endpoints }: Catalogue) -> Value {
    let mut providers = serde_json::Map::new();
    for (name, ..) in UPSTREAMS {
        providers.insert(name.to_owned(), provider("openai", name));
        providers.insert(format!("{name}-claude"), provider("anthropic", name));
    }
    providers.extend(
        (1..endpoints).map(|number| (format!("backup-{number}"), provider("openai", "plain"))),
    );
    let models: Vec<_> = (0..models).map(|index| model(index, endpoints)).collect();
    json!({"providers": providers, "models": models, "routing": {"sort": "order"}})
}

fn provider(api: &str, cluster: &str) -> Value {
    let auth = json!({"type": "bearer", "env": "BENCH_KEY"});
    json!({"api": api, "cluster": cluster, "host": format!("{cluster}.test"), "auth": auth})
}

/// One of the first models is served by an upstream of its own, the others by `plain`.
fn model(index: usize, endpoints: usize) -> Value {
    let first = FIRST.get(index).copied().unwrap_or("plain").to_owned();
    let providers = iter::once(first).chain((1..endpoints).map(|step| format!("backup-{step}")));
    let endpoints: Vec<_> = providers.map(|provider| endpoint(&provider, index)).collect();
    json!({"id": format!("m/model-{index}"), "endpoints": endpoints})
}

fn endpoint(provider: &str, index: usize) -> Value {
    json!({
        "provider": provider,
        "model": format!("up-{index}"),
        "pricing": {"prompt": "0.000001", "completion": "0.000002"},
    })
}
