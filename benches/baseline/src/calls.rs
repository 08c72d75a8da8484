//! The gateway's host calls for a request that its first provider answers, and nothing else.

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action, MapType, MetricType};

/// The header by which the upstream role knows itself.
const LINK: &str = "x-modelyard-exchange";
/// Bytes of the body's head that are written anew, up to behind the model's name.
const HEAD: usize = 22;
const FACTS: [&str; 12] = [
    "modelyard.generation_id",
    "modelyard.tenant",
    "modelyard.operation",
    "modelyard.request_model",
    "modelyard.response_model",
    "modelyard.provider",
    "modelyard.finish_reason",
    "modelyard.cost_usd",
    "modelyard.attempts",
    "modelyard.input_tokens",
    "modelyard.output_tokens",
    "modelyard.cached_tokens",
];

/// One stream, in either role.
pub(crate) struct Calls {
    is_upstream: bool,
    cluster: &'static str,
    counters: Vec<u32>,
}

/// Stats to add to.
pub(crate) fn counters() -> Vec<u32> {
    (0..8)
        .filter_map(|number| {
            hostcalls::define_metric(MetricType::Counter, &format!("calls.{number}")).ok()
        })
        .collect()
}

impl Calls {
    pub(crate) fn new(counters: Vec<u32>) -> Self {
        Self { is_upstream: false, cluster: "plain", counters }
    }

    fn begin_attempt(&self, headers: &[(String, Vec<u8>)]) {
        let length = headers
            .iter()
            .find(|(name, _)| name == "content-length")
            .map_or(b"0".as_slice(), |(_, v)| v);
        let headers: [(&str, &[u8]); 8] = [
            (":method", b"POST"),
            (":path", b"/v1/chat/completions"),
            (":authority", b"plain.test"),
            (":scheme", b"http"),
            ("content-type", b"application/json"),
            ("authorization", b"Bearer secret"),
            ("accept-encoding", b"identity"),
            ("content-length", length),
        ];
        let _ = hostcalls::set_map_bytes(MapType::HttpRequestHeaders, headers.to_vec());
    }
}

impl Context for Calls {}

impl HttpContext for Calls {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        let headers = hostcalls::get_map_bytes(MapType::HttpRequestHeaders).unwrap_or_default();
        self.is_upstream = headers.iter().any(|(name, _)| name == LINK);
        if self.is_upstream {
            self.begin_attempt(&headers);
            return Action::Continue;
        }
        let wanted =
            headers.iter().find(|(name, _)| name == "x-bench").map(|(_, value)| value.as_slice());
        let known =
            ["paced", "burst", "slow"].into_iter().find(|known| wanted == Some(known.as_bytes()));
        self.cluster = known.unwrap_or("plain");
        let _ = hostcalls::get_property(vec!["upstream", "request_attempt_count"]);
        Action::Pause
    }

    fn on_http_request_body(&mut self, size: usize, end: bool) -> Action {
        if self.is_upstream {
            if let Some(head) = self.get_http_request_body(0, HEAD).filter(|_| end) {
                self.set_http_request_body(0, HEAD, &head);
            }
            return Action::Continue;
        }
        if !end {
            return Action::Pause;
        }
        let _ = self.get_http_request_body(0, size);
        let _ = hostcalls::get_current_time();
        self.set_property(vec!["modelyard.next"], Some(self.cluster.as_bytes()));
        self.set_http_request_header("x-envoy-max-retries", Some("1"));
        self.set_http_request_header("x-envoy-upstream-rq-per-try-timeout-ms", Some("600000"));
        self.set_http_request_header("x-envoy-upstream-rq-timeout-ms", Some("0"));
        self.set_http_request_header(LINK, Some("abcdefghijklmnopabcdefghijklmnop"));
        let _ = hostcalls::call_foreign_function("clear_route_cache", None);
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _: usize, _: bool) -> Action {
        if self.is_upstream {
            let _ = hostcalls::get_map_bytes(MapType::HttpResponseHeaders);
            return Action::Continue;
        }
        self.set_http_response_header(
            "x-generation-id",
            Some("gen-1791084135-abcdefghijklmnopqrst"),
        );
        self.set_http_response_header("x-modelyard-model", Some("m/model-0"));
        self.set_http_response_header("x-modelyard-provider", Some("plain"));
        self.set_http_response_header("x-modelyard-attempts", Some("1"));
        Action::Continue
    }

    fn on_http_response_body(&mut self, size: usize, end: bool) -> Action {
        if self.is_upstream {
            let _ = self.get_http_response_body(0, size);
            if end {
                let _ = hostcalls::get_current_time();
            }
        }
        Action::Continue
    }

    fn on_log(&mut self) {
        if self.is_upstream {
            return;
        }
        let _ = hostcalls::get_current_time();
        FACTS.iter().for_each(|name| self.set_property(vec![name], Some(b"0.00001234")));
        self.set_property(vec!["modelyard.record"], Some(&[b'x'; 640]));
        for counter in &self.counters {
            let _ = hostcalls::increment_metric(*counter, 1);
        }
    }
}
