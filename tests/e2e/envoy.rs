//! Envoy as a process, and the configuration that puts the gateway into it.

use std::collections::BTreeMap;
use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::Connection;
use crate::process;
use crate::setup::{KEYS, Setup, key, merge};

/// Where cargo puts the module.
const MODULE: &str = "target/wasm32-wasip1/release/modelyard.wasm";

const PATIENCE: Duration = Duration::from_secs(60);

/// What the test's client talks to.
const LISTENER: &str = "gateway";

/// A port that nobody listens to.
const REFUSING: &str = "127.0.0.1:1";

/// A running Envoy.
pub(crate) struct Envoy {
    process: Child,
    directory: PathBuf,
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
}

impl Envoy {
    /// Starts an Envoy; the error is its log.
    pub(crate) fn start(
        name: &str,
        setup: &Setup,
        fakes: &BTreeMap<String, SocketAddr>,
    ) -> Result<Self, String> {
        let binary = existing("ENVOY", ".tools/venv/bin/envoy")?;
        module()?;
        let directory =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join("e2e").join(name.replace("::", "-"));
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory).unwrap();
        if setup.by_ecds {
            write_ecds(&directory, setup);
        }
        let config = directory.join("envoy.json");
        fs::write(&config, bootstrap(&directory, setup, fakes).to_string()).unwrap();
        let mut command = Command::new(binary);
        command
            .arg("--config-path")
            .arg(&config)
            .arg("--log-path")
            .arg(directory.join("envoy.log"));
        command.args([
            "--log-level",
            "warning",
            "--component-log-level",
            "wasm:info",
            "--disable-hot-restart",
        ]);
        command.args([
            "--concurrency",
            &setup.workers.to_string(),
            "--file-flush-interval-msec",
            "20",
        ]);
        command.args(["--service-node", "e2e", "--service-cluster", "e2e"]);
        command.arg("--admin-address-path").arg(directory.join("admin"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.env_remove("E2E_UNSET").envs((0..KEYS).map(key));
        let process = process::spawn(command);
        let unknown = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut envoy = Self { process, directory, address: unknown, admin: unknown };
        envoy.admin = envoy.wait_for(|envoy| {
            fs::read_to_string(envoy.directory.join("admin")).ok()?.parse().ok()
        })?;
        envoy.address = envoy.wait_for(Self::listener)?;
        Ok(envoy)
    }

    /// Waits for something, or for the end of the process.
    fn wait_for<T>(&mut self, found: impl Fn(&Self) -> Option<T>) -> Result<T, String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = found(self) {
                return Ok(found);
            }
            if self.exited().is_some() || Instant::now() > deadline {
                return Err(self.log(0));
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn exited(&mut self) -> Option<ExitStatus> {
        self.process.try_wait().unwrap()
    }

    /// The gateway's address, once Envoy serves.
    fn listener(&self) -> Option<SocketAddr> {
        if self.get("/ready").trim() != "LIVE" {
            return None;
        }
        let listeners: Value = serde_json::from_str(&self.get("/listeners?format=json")).ok()?;
        let mut listeners = listeners["listener_statuses"].as_array()?.iter();
        let own = listeners.find(|listener| listener["name"] == LISTENER)?;
        let address = &own["local_address"]["socket_address"];
        let port = u16::try_from(address["port_value"].as_u64()?).ok()?;
        Some(SocketAddr::from(([127, 0, 0, 1], port)))
    }

    /// Asks the admin interface; nothing if it is not there.
    pub(crate) fn get(&self, path: &str) -> String {
        let Ok(mut connection) = Connection::try_open(self.admin) else { return String::new() };
        connection.send("GET", path, &[("connection", "close")], b"");
        String::from_utf8_lossy(&connection.read("GET").body).into_owned()
    }

    /// The log from a position on.
    pub(crate) fn log(&self, from: usize) -> String {
        let log = fs::read(self.directory.join("envoy.log")).unwrap_or_default();
        String::from_utf8_lossy(log.get(from..).unwrap_or_default()).into_owned()
    }

    /// What the access log says of one exchange; waits for it.
    pub(crate) fn entry(&self, key: &str, value: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let log = fs::read_to_string(self.directory.join("access.log")).unwrap_or_default();
            let mut entries =
                log.lines().rev().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            if let Some(mut entry) = entries.find(|entry| entry[key] == value) {
                let record =
                    entry["record"].as_str().map(|record| serde_json::from_str(record).unwrap());
                entry["record"] = record.unwrap_or(Value::Null);
                return entry;
            }
            assert!(
                Instant::now() < deadline,
                "nothing in the access log has {key} {value}: {log}"
            );
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Resident memory in KiB.
    pub(crate) fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Gives another document to the filter, in both roles.
    pub(crate) fn update(&self, setup: &Setup) {
        write_ecds(&self.directory, setup);
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A file named by the environment, or where the project has it.
fn existing(variable: &str, default: &str) -> Result<PathBuf, String> {
    let path = std::env::var_os(variable).map_or_else(|| PathBuf::from(default), PathBuf::from);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if path.exists() {
        return Ok(path);
    }
    Err(format!(
        "{} does not exist: build or install it, or name another one in {variable}",
        path.display()
    ))
}

/// The module under test.
pub(crate) fn module() -> Result<PathBuf, String> {
    existing("MODELYARD_WASM", MODULE)
}

/// A message of that type.
fn typed(name: &str, mut message: Value) -> Value {
    message["@type"] = format!("type.googleapis.com/{name}").into();
    message
}

fn named(name: &str, r#type: &str, message: Value) -> Value {
    json!({"name": name, "typed_config": typed(r#type, message)})
}

/// The filter block, the same in both places.
fn filter(setup: &Setup) -> Value {
    let configuration = if setup.as_struct {
        typed("google.protobuf.Struct", json!({"value": setup.document}))
    } else {
        typed("google.protobuf.StringValue", json!({"value": setup.document.to_string()}))
    };
    let vm = typed("google.protobuf.StringValue", json!({"value": setup.vm.to_string()}));
    let variables: Vec<String> =
        (0..KEYS).map(|step| key(step).0).chain(["E2E_UNSET".to_owned()]).collect();
    let wasm = setup.module.clone().unwrap_or_else(|| module().unwrap());
    let config = json!({
        "name": "modelyard",
        "root_id": "modelyard",
        "failure_policy": "FAIL_RELOAD",
        "allow_on_headers_stop_iteration": setup.may_wait,
        "configuration": configuration,
        "vm_config": {
            "vm_id": "modelyard",
            "runtime": "envoy.wasm.runtime.v8",
            "configuration": vm,
            "code": {"local": {"filename": wasm}},
            "environment_variables": {"host_env_keys": variables},
        },
    });
    named("modelyard", WASM, json!({"config": config}))
}

const WASM: &str = "envoy.extensions.filters.http.wasm.v3.Wasm";

/// The filter in one of its two places, in person or by discovery.
fn placed(directory: &Path, setup: &Setup, place: &str) -> Value {
    if !setup.by_ecds {
        return filter(setup);
    }
    let source = json!({
        "path_config_source": {"path": ecds_file(directory, place)},
        "resource_api_version": "V3",
    });
    let types = [format!("type.googleapis.com/{WASM}")];
    json!({"name": place, "config_discovery": {"config_source": source, "type_urls": types}})
}

/// What the filter is called in the connection manager's chain.
fn name_in_chain(setup: &Setup) -> &'static str {
    if setup.by_ecds { PLACES[0] } else { "modelyard" }
}

fn ecds_file(directory: &Path, place: &str) -> PathBuf {
    directory.join(format!("{place}.json"))
}

const PLACES: [&str; 2] = ["downstream", "upstream"];

/// Replaces the files of discovery, the way Envoy takes notice of.
fn write_ecds(directory: &Path, setup: &Setup) {
    for place in PLACES {
        let mut resource = filter(setup);
        resource["name"] = place.into();
        let resource = typed("envoy.config.core.v3.TypedExtensionConfig", resource);
        let version = format!("{:?}", Instant::now());
        let temporary = directory.join("next.json");
        fs::write(
            &temporary,
            json!({"version_info": version, "resources": [resource]}).to_string(),
        )
        .unwrap();
        fs::rename(temporary, ecds_file(directory, place)).unwrap();
    }
}

fn bootstrap(directory: &Path, setup: &Setup, fakes: &BTreeMap<String, SocketAddr>) -> Value {
    let refusing: SocketAddr = REFUSING.parse().unwrap();
    let refused = setup.refused.iter().map(|name| (name, &refusing));
    let mut clusters: Vec<Value> = fakes
        .iter()
        .chain(&setup.servers)
        .chain(refused)
        .map(|(name, address)| cluster(name, *address, setup))
        .collect();
    let names: Vec<String> =
        clusters.iter().map(|cluster| cluster["name"].as_str().unwrap().to_owned()).collect();
    clusters.push(cluster("sink", refusing, setup));
    let gateway = connection_manager(directory, setup, &names);
    let listeners = if setup.by_http3 {
        let port = free_udp_port();
        clusters.push(http3_cluster(port));
        vec![listener(relay()), http3_listener(port, gateway)]
    } else {
        vec![listener(gateway)]
    };
    json!({
        "admin": {"address": address("127.0.0.1:0".parse().unwrap())},
        "stats_flush_on_admin": true,
        "static_resources": {"listeners": listeners, "clusters": clusters},
    })
}

fn listener(manager: Value) -> Value {
    json!({
        "name": LISTENER,
        "address": address("127.0.0.1:0".parse().unwrap()),
        "filter_chains": [{"filters": [manager]}],
    })
}

const MANAGER: &str =
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";

/// What makes HTTP/3 of the requests of the test's client, which does not speak it.
fn relay() -> Value {
    let route = json!({"match": {"prefix": "/"}, "route": {"cluster": "http3", "timeout": "0s"}});
    let router = named(
        "envoy.filters.http.router",
        "envoy.extensions.filters.http.router.v3.Router",
        json!({}),
    );
    let manager = json!({
        "stat_prefix": "relay",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        "http_filters": [router],
    });
    named("envoy.filters.network.http_connection_manager", MANAGER, manager)
}

/// A port whose number is known before Envoy starts, because a cluster of the same Envoy connects
/// to it.
fn free_udp_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn quic(r#type: &str, message: Value) -> Value {
    let r#type = format!("envoy.extensions.transport_sockets.quic.v3.{type}");
    named("envoy.transport_sockets.quic", &r#type, message)
}

fn http3_listener(port: u16, mut manager: Value) -> Value {
    merge(
        &mut manager["typed_config"],
        &json!({"codec_type": "HTTP3", "http_protocol_options": null}),
    );
    let own = rcgen::generate_simple_self_signed(["gateway.test".to_owned()]).unwrap();
    let certificate = json!({
        "certificate_chain": {"inline_string": own.cert.pem()},
        "private_key": {"inline_string": own.signing_key.serialize_pem()},
    });
    let tls = json!({"common_tls_context": {"tls_certificates": [certificate]}});
    let tls = json!({"downstream_tls_context": tls});
    let mut address = address(SocketAddr::from(([127, 0, 0, 1], port)));
    address["socket_address"]["protocol"] = "UDP".into();
    json!({
        "name": "http3",
        "address": address,
        "udp_listener_config": {"quic_options": {}},
        "filter_chains": [{
            "filters": [manager],
            "transport_socket": quic("QuicDownstreamTransport", tls),
        }],
    })
}

fn http3_cluster(port: u16) -> Value {
    let mut cluster = cluster("http3", SocketAddr::from(([127, 0, 0, 1], port)), &Setup::new());
    let options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    let protocol = json!({"explicit_http_config": {"http3_protocol_options": {}}});
    cluster["typed_extension_protocol_options"][options] = typed(options, protocol);
    let tls = json!({"sni": "gateway.test", "common_tls_context": {}});
    cluster["transport_socket"] =
        quic("QuicUpstreamTransport", json!({"upstream_tls_context": tls}));
    cluster
}

fn address(address: SocketAddr) -> Value {
    json!({"socket_address": {"address": address.ip().to_string(), "port_value": address.port()}})
}

fn cluster(name: &str, endpoint: SocketAddr, setup: &Setup) -> Value {
    let many = 1_000_000;
    let limits = json!({
        "max_retries": many,
        "max_requests": many,
        "max_connections": many,
        "max_pending_requests": many,
    });
    let options =
        json!({"explicit_http_config": {"http_protocol_options": {"enable_trailers": true}}});
    let mut cluster = json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "5s",
        "circuit_breakers": {"thresholds": [limits]},
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(endpoint)}}]}],
        },
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions":
                typed("envoy.extensions.upstreams.http.v3.HttpProtocolOptions", options),
        },
    });
    if let Some(patch) = setup.clusters.get(name) {
        merge(&mut cluster, patch);
    }
    cluster
}

fn connection_manager(directory: &Path, setup: &Setup, clusters: &[String]) -> Value {
    let codec = named(
        "envoy.filters.http.upstream_codec",
        "envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec",
        json!({}),
    );
    let router = json!({
        "suppress_envoy_headers": true,
        "upstream_http_filters": [placed(directory, setup, PLACES[1]), codec],
    });
    let router = named(
        "envoy.filters.http.router",
        "envoy.extensions.filters.http.router.v3.Router",
        router,
    );
    let mut downstream = placed(directory, setup, PLACES[0]);
    downstream["disabled"] = setup.guarded.into();
    let hosts = json!([
        {"name": "all", "domains": ["*"], "routes": routes(setup, clusters)},
        {"name": "shop", "domains": [SHOP], "routes": [to_other()]},
    ]);
    let manager = json!({
        "stat_prefix": "gateway",
        "http_protocol_options": {"enable_trailers": true},
        "access_log": [access_log(directory)],
        "route_config": {"virtual_hosts": hosts},
        "http_filters": [downstream, router],
    });
    named("envoy.filters.network.http_connection_manager", MANAGER, manager)
}

/// A request header that leads to a route without `refresh_cluster_on_retry`.
pub(crate) const STALE_ROUTE: &str = "x-test-stale-route";

/// A request header that leads the gateway's path to the service of somebody else.
pub(crate) const STRANGE_ROUTE: &str = "x-test-strange-route";
/// A host whose paths are all its own.
pub(crate) const SHOP: &str = "shop.test";

/// The gateway's paths that call a provider, and one that does not.
const OWN_PATHS: &str = concat!(
    "/(api/)?v1/(chat/completions|completions|embeddings|models",
    r"|responses|messages|messages/count_tokens)(\?.*)?"
);
/// All the gateway's paths, and the operator's.
const ALL_OWN_PATHS: &str = "/(api/)?v1/.*|/modelyard/.*";

/// The gateway's paths, websockets, and all the rest.
fn routes(setup: &Setup, clusters: &[String]) -> Value {
    let paths = if setup.guarded { ALL_OWN_PATHS } else { OWN_PATHS };
    let mut gateway = json!({
        "match": {"safe_regex": {"regex": paths}},
        "request_body_buffer_limit": 1 << 26,
        "route": {
            "timeout": "0s",
            "inline_cluster_specifier_plugin": {"extension": matcher(clusters)},
            "retry_policy": {
                "retry_on": "retriable-headers,connect-failure,reset,refused-stream",
                "retriable_headers": [{"name": "x-modelyard-retry", "present_match": true}],
                "num_retries": 8,
                "refresh_cluster_on_retry": true,
                "retry_back_off": {"base_interval": "0.001s", "max_interval": "0.001s"},
            },
        },
    });
    if setup.guarded {
        let enabled = typed("envoy.config.route.v3.FilterConfig", json!({"config": {}}));
        gateway["typed_per_filter_config"] = json!({name_in_chain(setup): enabled});
    }
    let mut stale = gateway.clone();
    stale["match"]["headers"] = json!([{"name": STALE_ROUTE, "present_match": true}]);
    stale["route"]["retry_policy"]["refresh_cluster_on_retry"] = json!(false);
    let mut strange = gateway.clone();
    strange["match"]["headers"] = json!([{"name": STRANGE_ROUTE, "present_match": true}]);
    strange["route"] = json!({"cluster": "other", "timeout": "0s"});
    let socket = json!({
        "match": {"prefix": "/socket"},
        "route": {"cluster": "socket", "upgrade_configs": [{"upgrade_type": "websocket"}]},
    });
    let has_socket = clusters.iter().any(|name| name == "socket");
    let own = [strange, stale, gateway].into_iter();
    own.chain(has_socket.then_some(socket)).chain([to_other()]).collect()
}

fn to_other() -> Value {
    json!({"match": {"prefix": "/"}, "route": {"cluster": "other", "timeout": "0s"}})
}

/// What the matcher does to send a request to a cluster.
fn action(cluster: &str) -> Value {
    let r#type = "envoy.extensions.router.cluster_specifiers.matcher.v3.ClusterAction";
    json!({"action": named(cluster, r#type, json!({"cluster": cluster}))})
}

fn matcher(clusters: &[String]) -> Value {
    let input = named(
        "next",
        "envoy.extensions.matching.common_inputs.network.v3.FilterStateInput",
        json!({"key": "wasm.modelyard.next"}),
    );
    let map: serde_json::Map<String, Value> =
        clusters.iter().map(|name| (name.clone(), action(name))).collect();
    let matcher = json!({
        "matcher_tree": {"input": input, "exact_match_map": {"map": map}},
        "on_no_match": action("sink"),
    });
    named(
        "envoy.router.cluster_specifier_plugin.matcher",
        "envoy.extensions.router.cluster_specifiers.matcher.v3.MatcherClusterSpecifier",
        json!({"cluster_matcher": matcher}),
    )
}

/// Filter state that the gateway leaves, besides the record.
pub(crate) const PROPERTIES: [&str; 13] = [
    "generation_id",
    "tenant",
    "operation",
    "request_model",
    "response_model",
    "provider",
    "attempts",
    "finish_reason",
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "cost_usd",
    "error_type",
];

fn access_log(directory: &Path) -> Value {
    let mut format = json!({
        "response_code": "%RESPONSE_CODE%",
        "flags": "%RESPONSE_FLAGS%",
        "details": "%RESPONSE_CODE_DETAILS%",
        "host_attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
        "mark": "%REQ(X-MARK)%",
    });
    for name in PROPERTIES.into_iter().chain(["record"]) {
        format[name] = format!("%FILTER_STATE(wasm.modelyard.{name}:PLAIN)%").into();
    }
    let file = json!({"path": directory.join("access.log"), "log_format": {"json_format": format}});
    named(
        "envoy.access_loggers.file",
        "envoy.extensions.access_loggers.file.v3.FileAccessLog",
        file,
    )
}
