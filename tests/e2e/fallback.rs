//! Which failures move a request on to the next endpoint, and which do not.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::Reply;
use crate::envoy::STALE_ROUTE;
use crate::gateway::{FACES, Gateway, chat, stream};
use crate::setup::{GHOST, REFUSED, Setup, key};

mod attempt;

use attempt::*;

const CODEC: &str = "envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec";

/// Chains whose first endpoint fails like this, and whose second one answers.
const FAIL_FIRST: [(&str, &str); 33] = [
    ("refused", REFUSED),
    ("unknown-cluster", GHOST),
    ("reset", "reset"),
    ("reset-body", "reset=first"),
    ("s500", "status=500"),
    ("s503", "status=503"),
    ("s503-html", "status=503,body=html"),
    ("s503-empty", "status=503,body=empty"),
    ("s408", "status=408"),
    ("s404", "status=404"),
    ("s429", "status=429"),
    ("key401", "status=401"),
    ("key402", "status=402"),
    ("key403", "status=403"),
    ("stall", "stall=headers"),
    ("stall-body", "stall=first"),
    ("own-deadline", "stall=first"),
    ("empty", "empty"),
    ("empty-stream", "empty-stream"),
    ("error-event", "error-event"),
    ("html", "body=html"),
    ("cooldown", "status=429,retry-after=60"),
    ("client400", "status=400"),
    ("client413", "status=413"),
    ("client422", "status=422"),
    ("context", "status=400,error-code=context_length_exceeded"),
    ("no-fallbacks", "status=503"),
    ("query", "status=503"),
    ("hostile", "retry-header"),
    ("hostile-unreadable", "retry-header=unreadable"),
    ("hostile-503", "retry-header,status=503"),
    ("stale", "status=503"),
    ("bypassed-second", "status=503"),
];

fn setup() -> Setup {
    let mut setup = Setup::new()
        .document(json!({"routing": {"max_attempts": 6}, "limits": {"request_bytes": 1 << 25}}));
    for (name, faults) in FAIL_FIRST {
        setup = setup.chain(name, &[faults, ""]);
    }
    let setup = setup
        .hurry("stall", "700ms")
        .hurry("stall-body", "700ms")
        .provider("own-deadline-0", json!({"first_token_timeout": "300ms"}))
        .provider("query-0", json!({"auth": {"type": "query", "name": "key"}}))
        .chain("roomy", &[""])
        .chain("three", &["status=500", REFUSED, "reset", ""])
        .chain("seven", &[&["status=500"; 6][..], &[""]].concat())
        .chain("body", &["status=503", "status=429", ""])
        .chain("secrets", &["status=503", "status=503", ""])
        .provider(
            "secrets-0",
            json!({"headers": {"x-own": "of-0", "openai-organization": "org-of-0"}}),
        )
        .provider("secrets-1", json!({"auth": {"type": "header", "name": "api-key"}}));
    past_the_filter(passing_credentials(all_failing(setup)))
}

/// Chains without an endpoint that answers.
fn all_failing(setup: Setup) -> Setup {
    let last =
        ["status=500", "status=503,retry-after=9", "status=429,retry-after=4,error-code=quota"];
    setup
        .chain("context-last", &["status=400,error-code=context_length_exceeded"])
        .chain("last", &last)
        .chain("last-key", &["status=401"])
        .chain("all-refused", &[REFUSED, REFUSED])
        .chain("all-silent", &["stall=headers", "stall=headers"])
        .hurry("all-silent", "400ms")
        .chain("all-stalled", &["stall=first"])
        .hurry("all-stalled", "400ms")
}

/// Chains whose first endpoint gets the client's own credentials.
fn passing_credentials(mut setup: Setup) -> Setup {
    for (name, steps) in [("pass", &[""][..]), ("pass401", &["status=401", ""])] {
        setup = setup.chain(name, steps);
        setup.document["providers"][format!("{name}-0")]["auth"] = json!({"type": "passthrough"});
    }
    setup
}

/// Clusters that go around the filter, or that may not be tried again.
fn past_the_filter(setup: Setup) -> Setup {
    let bare_chain = json!({"typed_extension_protocol_options": {
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {"http_filters": [{
            "name": "envoy.filters.http.upstream_codec",
            "typed_config": {"@type": format!("type.googleapis.com/{CODEC}")},
        }]},
    }});
    let one_retry = json!({"circuit_breakers": {"thresholds": [{"max_retries": 1}]}});
    setup
        .chain("overflow", &["status=503,delay=150", "delay=150"])
        .cluster("overflow-0", one_retry)
        .chain("bypassed", &[""])
        .cluster("bypassed-0", bare_chain.clone())
        .hurry("bypassed-second", "700ms")
        .cluster("bypassed-second-1", bare_chain)
}

on_envoy! { setup:
    moves_on_after_a_refused_connection,
    an_unknown_cluster_is_one_failed_attempt,
    moves_on_after_a_reset_before_headers,
    moves_on_after_a_reset_after_headers,
    moves_on_after_server_errors,
    moves_on_after_408,
    moves_on_after_404,
    moves_on_after_429,
    moves_on_when_our_key_is_rejected,
    moves_on_after_silence_before_headers,
    moves_on_after_silence_after_headers,
    an_endpoints_own_first_token_timeout_holds_after_headers,
    moves_on_after_an_empty_answer,
    moves_on_after_a_stream_without_events,
    moves_on_after_an_error_as_first_event,
    moves_on_after_a_page_of_html_as_success,
    retry_after_is_a_cooldown,
    the_clients_own_mistakes_are_not_retried,
    a_too_long_context_moves_on_to_the_next_model,
    three_failures_then_an_answer,
    max_attempts_ends_the_fallback,
    without_fallbacks_one_endpoint_is_tried,
    the_last_real_error_reaches_the_client,
    a_rejected_key_is_not_shown,
    all_refused_is_a_json_502,
    all_silent_is_a_json_504,
    no_secret_reaches_another_provider,
    nothing_of_the_client_reaches_a_provider_unasked,
    a_key_in_the_query_stays_with_its_provider,
    passthrough_gives_the_clients_credentials,
    a_credential_the_client_passed_through_is_its_own_mistake,
    a_providers_own_retry_header_does_nothing,
    every_attempt_gets_the_clients_bytes,
    gateway_only_fields_are_removed,
    an_overflow_of_retries_names_the_setting,
    a_cluster_past_the_filter_is_no_success,
    no_provider_gets_the_key_of_another_though_the_route_is_stale,
    nor_is_one_after_a_fallback,
}

/// The first endpoint of `t/{name}` fails that way, plain and streamed, and the second one answers.
fn moves_on(gateway: &Gateway, name: &str, outcome: &str, bodies: &[Value]) {
    for (base, body) in FACES.iter().flat_map(|base| bodies.iter().map(move |body| (base, body))) {
        let reply = gateway.ask(base, body);
        assert_eq!((reply.status, reply.whole), (200, true), "{base} {body} {reply:?}");
        assert!(
            reply.content().starts_with(&format!("Hello from {name}-1")),
            "{base} {body} {reply:?}"
        );
        assert_eq!(reply.header("x-modelyard-provider"), Some(format!("{name}-1").as_str()));
        assert_eq!(reply.header("x-modelyard-attempts"), Some("2"));
        assert_eq!(reply.header("x-modelyard-retry"), None);
        let record = gateway.entry(&reply)["record"].clone();
        assert_eq!(record["attempts"][0]["outcome"], outcome, "{base} {body} {record}");
        assert_eq!(record["attempts"][1]["outcome"], "ok", "{base} {body} {record}");
    }
    let asked = 2 * bodies.len() as u64;
    gateway.expect_stat(
        &format!("attempts.provider={name}-0.model=t/{name}.outcome={outcome}"),
        asked,
    );
    gateway.expect_stat(
        &format!("fallbacks.provider={name}-0.model=t/{name}.reason={outcome}"),
        asked,
    );
    gateway.expect_stat(&format!("attempts.provider={name}-1.model=t/{name}.outcome=ok"), asked);
}

fn moves_on_after_a_refused_connection(gateway: &Gateway) {
    moves_on(gateway, "refused", "connect", &[chat("refused"), stream("refused")]);
}

fn an_unknown_cluster_is_one_failed_attempt(gateway: &Gateway) {
    moves_on(
        gateway,
        "unknown-cluster",
        "connect",
        &[chat("unknown-cluster"), stream("unknown-cluster")],
    );
}

fn moves_on_after_a_reset_before_headers(gateway: &Gateway) {
    moves_on(gateway, "reset", "reset", &[chat("reset"), stream("reset")]);
}

fn moves_on_after_a_reset_after_headers(gateway: &Gateway) {
    moves_on(gateway, "reset-body", "reset", &[chat("reset-body"), stream("reset-body")]);
}

fn moves_on_after_server_errors(gateway: &Gateway) {
    for name in ["s500", "s503", "s503-html", "s503-empty"] {
        moves_on(gateway, name, "status_5xx", &[chat(name), stream(name)]);
    }
}

fn moves_on_after_408(gateway: &Gateway) {
    moves_on(gateway, "s408", "status_4xx", &[chat("s408"), stream("s408")]);
}

fn moves_on_after_404(gateway: &Gateway) {
    moves_on(gateway, "s404", "status_4xx", &[chat("s404"), stream("s404")]);
}

fn moves_on_after_429(gateway: &Gateway) {
    moves_on(gateway, "s429", "status_429", &[chat("s429"), stream("s429")]);
}

fn moves_on_when_our_key_is_rejected(gateway: &Gateway) {
    for name in ["key401", "key402", "key403"] {
        moves_on(gateway, name, "key", &[chat(name), stream(name)]);
    }
}

fn moves_on_after_silence_before_headers(gateway: &Gateway) {
    let started = Instant::now();
    let reply = gateway.ask("/v1", &stream("stall"));
    assert!(started.elapsed() < Duration::from_millis(3 * 700), "{:?}", started.elapsed());
    assert_eq!(gateway.entry(&reply)["record"]["attempts"][0]["outcome"], "first_token");
    let reply = gateway.ask("/api/v1", &chat("stall"));
    assert_eq!((reply.status, reply.header("x-modelyard-attempts")), (200, Some("2")), "{reply:?}");
    assert_eq!(gateway.entry(&reply)["record"]["attempts"][0]["outcome"], "timeout");
}

fn moves_on_after_silence_after_headers(gateway: &Gateway) {
    let started = Instant::now();
    let reply = gateway.ask("/v1", &stream("stall-body"));
    assert!(started.elapsed() < Duration::from_millis(3 * 700), "{:?}", started.elapsed());
    assert_eq!(gateway.entry(&reply)["record"]["attempts"][0]["outcome"], "first_token");
    let reply = gateway.ask("/api/v1", &chat("stall-body"));
    assert_eq!((reply.status, reply.header("x-modelyard-attempts")), (200, Some("2")), "{reply:?}");
    assert_eq!(gateway.entry(&reply)["record"]["attempts"][0]["outcome"], "timeout");
}

fn an_endpoints_own_first_token_timeout_holds_after_headers(gateway: &Gateway) {
    // The longest wait in the plan is the default, which is many seconds.
    let started = Instant::now();
    moves_on(gateway, "own-deadline", "first_token", &[stream("own-deadline")]);
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

fn moves_on_after_an_empty_answer(gateway: &Gateway) {
    moves_on(gateway, "empty", "empty", &[chat("empty"), stream("empty")]);
}

fn moves_on_after_a_stream_without_events(gateway: &Gateway) {
    moves_on(gateway, "empty-stream", "empty", &[chat("empty-stream"), stream("empty-stream")]);
}

fn moves_on_after_an_error_as_first_event(gateway: &Gateway) {
    moves_on(gateway, "error-event", "error_event", &[stream("error-event")]);
}

fn moves_on_after_a_page_of_html_as_success(gateway: &Gateway) {
    moves_on(gateway, "html", "error_event", &[chat("html")]);
}

fn retry_after_is_a_cooldown(gateway: &Gateway) {
    // The second request may come before the first one is settled, and then it does not know of the
    // cooldown yet.
    let replies: Vec<Reply> = (0..40).map(|_| gateway.ask("/v1", &chat("cooldown"))).collect();
    assert!(replies.iter().all(|reply| reply.status == 200), "{replies:?}");
    assert_eq!(replies[0].header("x-modelyard-attempts"), Some("2"));
    let asked = gateway.fake.received("cooldown-0").len();
    assert!(asked <= 2, "asked {asked} times in its cooldown");
}

fn the_clients_own_mistakes_are_not_retried(gateway: &Gateway) {
    for (name, status) in [("client400", 400), ("client413", 413), ("client422", 422)] {
        for (base, body) in FACES.iter().flat_map(|base| [(base, chat(name)), (base, stream(name))])
        {
            let reply = gateway.ask(base, &body);
            assert_eq!(reply.status, status, "{base} {reply:?}");
            assert!(
                reply.text().contains(&format!("{name}-0: scripted status")),
                "{base} {reply:?}"
            );
            assert_eq!(reply.header("x-modelyard-attempts"), Some("1"));
        }
        assert!(gateway.fake.received(&format!("{name}-1")).is_empty());
    }
}

fn a_too_long_context_moves_on_to_the_next_model(gateway: &Gateway) {
    for (base, mut body) in
        FACES.iter().flat_map(|base| [(base, chat("context")), (base, stream("context"))])
    {
        body["models"] = json!(["t/roomy"]);
        let reply = gateway.ask(base, &body);
        assert_eq!(reply.status, 200, "{reply:?}");
        assert!(reply.content().starts_with("Hello from roomy-0"), "{reply:?}");
        assert_eq!(reply.header("x-modelyard-model"), Some("t/roomy"));
    }
    assert!(
        gateway.fake.received("context-1").is_empty(),
        "the same model is too small everywhere"
    );
    let reply = gateway.ask("/v1", &chat("context-last"));
    assert_eq!(reply.status, 400);
    assert_eq!(reply.json()["error"]["code"], "context_length_exceeded");
    let reply = gateway.ask("/api/v1", &chat("context-last"));
    assert_eq!(
        reply.json()["error"]["metadata"]["error_type"],
        "context_length_exceeded",
        "{reply:?}"
    );
}

fn three_failures_then_an_answer(gateway: &Gateway) {
    for body in [chat("three"), stream("three")] {
        let reply = gateway.ask("/v1", &body);
        assert!(reply.content().starts_with("Hello from three-3"), "{reply:?}");
        let record = gateway.entry(&reply)["record"].clone();
        let outcomes: Vec<&Value> = record["attempts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|attempt| &attempt["outcome"])
            .collect();
        assert_eq!(outcomes, ["status_5xx", "connect", "reset", "ok"]);
        assert_eq!(record["plan"].as_array().unwrap().len(), 4);
    }
}

fn max_attempts_ends_the_fallback(gateway: &Gateway) {
    let reply = gateway.ask("/v1", &chat("seven"));
    assert_eq!((reply.status, reply.header("x-modelyard-attempts")), (500, Some("6")), "{reply:?}");
    assert!(gateway.fake.received("seven-6").is_empty());
}

fn without_fallbacks_one_endpoint_is_tried(gateway: &Gateway) {
    for base in FACES {
        let mut body = chat("no-fallbacks");
        body["provider"] = json!({"allow_fallbacks": false});
        let reply = gateway.ask(base, &body);
        assert_eq!(
            (reply.status, reply.header("x-modelyard-attempts")),
            (503, Some("1")),
            "{reply:?}"
        );
    }
    assert!(gateway.fake.received("no-fallbacks-1").is_empty());
}

fn the_last_real_error_reaches_the_client(gateway: &Gateway) {
    let reply = gateway.ask("/v1", &chat("last"));
    assert_eq!(reply.status, 429, "{reply:?}");
    assert_eq!(reply.header("retry-after"), Some("4"), "the smallest one seen");
    assert_eq!(reply.json()["error"]["message"], "last-2: scripted status 429");
    assert_eq!(reply.json()["error"]["code"], "quota");
    let tried = reply.header("x-modelyard-tried").unwrap();
    let parts: Vec<&str> = tried.split(", ").collect();
    for (part, (provider, outcome, status)) in parts.iter().zip([
        ("last-0", "status_5xx", "500"),
        ("last-1", "status_5xx", "503"),
        ("last-2", "status_429", "429"),
    ]) {
        assert!([provider, outcome, status].iter().all(|word| part.contains(word)), "{tried}");
    }
    // On this face the same stands in the body. The cooldowns have changed the order, so any status
    // may be the last.
    let reply = gateway.ask("/api/v1", &chat("last"));
    assert!(reply.status >= 429, "{reply:?}");
    let error = reply.json()["error"].clone();
    assert_eq!(error["code"], reply.status);
    assert!(error["metadata"]["raw"].as_str().unwrap().contains("scripted status"), "{error}");
    assert_eq!(error["metadata"]["tried"].as_array().unwrap().len(), 3, "{error}");
    assert_eq!(error["metadata"]["previous_errors"].as_array().unwrap().len(), 2, "{error}");
}

fn a_rejected_key_is_not_shown(gateway: &Gateway) {
    for base in FACES {
        let reply = gateway.ask(base, &chat("last-key"));
        assert!(reply.status >= 400, "{reply:?}");
        assert!(
            !reply.text().contains("sk-of-step") && !reply.text().contains("scripted status"),
            "{reply:?}"
        );
        reply.json();
    }
}

fn all_refused_is_a_json_502(gateway: &Gateway) {
    for (base, body) in
        FACES.iter().flat_map(|base| [(base, chat("all-refused")), (base, stream("all-refused"))])
    {
        let reply = gateway.ask(base, &body);
        assert_eq!(reply.status, 502, "{base} {reply:?}");
        assert_eq!(reply.header("content-type"), Some("application/json"));
        assert_error(base, &reply);
        assert_eq!(reply.header("x-modelyard-attempts"), Some("2"));
        let record = gateway.entry(&reply)["record"].clone();
        assert_eq!(record["attempts"][0]["outcome"], "connect", "{record}");
        assert_eq!(record["attempts"][1]["outcome"], "connect", "{record}");
    }
}

fn all_silent_is_a_json_504(gateway: &Gateway) {
    for name in ["all-silent", "all-stalled"] {
        for (base, body) in FACES.iter().flat_map(|base| [(base, chat(name)), (base, stream(name))])
        {
            let reply = gateway.ask(base, &body);
            assert_eq!(reply.status, 504, "{name} {base} {reply:?}");
            assert_error(base, &reply);
        }
    }
}

/// An error in the dialect of a face.
fn assert_error(base: &str, reply: &Reply) {
    let error = reply.json()["error"].clone();
    assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{reply:?}");
    if base == "/v1" {
        assert!(error["type"].is_string() && error["error_type"].is_string(), "{reply:?}");
    } else {
        assert_eq!(error["code"], reply.status, "{reply:?}");
        assert!(error["metadata"]["error_type"].is_string(), "{reply:?}");
    }
}

fn a_providers_own_retry_header_does_nothing(gateway: &Gateway) {
    for (base, name) in
        FACES.iter().flat_map(|base| [(base, "hostile"), (base, "hostile-unreadable")])
    {
        for body in [chat(name), stream(name)] {
            let reply = gateway.ask(base, &body);
            assert_eq!(
                (reply.status, reply.header("x-modelyard-attempts")),
                (200, Some("1")),
                "{reply:?}"
            );
            assert!(reply.content().starts_with(&format!("Hello from {name}-0")), "{reply:?}");
            assert_eq!(
                (reply.header("x-modelyard-retry"), reply.header("x-modelyard-tried")),
                (None, None)
            );
        }
    }
    moves_on(gateway, "hostile-503", "status_5xx", &[chat("hostile-503")]);
}

fn an_overflow_of_retries_names_the_setting(gateway: &Gateway) {
    let replies: Vec<Reply> = std::thread::scope(|scope| {
        let asks: Vec<_> =
            (0..12).map(|_| scope.spawn(|| gateway.ask("/v1", &chat("overflow")))).collect();
        asks.into_iter().map(|ask| ask.join().unwrap()).collect()
    });
    let (good, overflown): (Vec<&Reply>, Vec<&Reply>) =
        replies.iter().partition(|reply| reply.status == 200);
    assert!(!good.is_empty() && !overflown.is_empty(), "{replies:?}");
    for reply in overflown {
        assert_eq!(reply.status, 503, "{reply:?}");
        assert_eq!(reply.json()["error"]["code"], "retry_overflow");
        assert!(
            reply.text().contains("max_retries") && reply.text().contains("overflow-0"),
            "{reply:?}"
        );
        assert_eq!(reply.header("x-modelyard-retry"), None);
    }
}

fn a_cluster_past_the_filter_is_no_success(gateway: &Gateway) {
    for (base, body) in
        FACES.iter().flat_map(|base| [(base, chat("bypassed")), (base, stream("bypassed"))])
    {
        let headers = [("authorization", "Bearer client-secret")];
        let path = format!("{base}/chat/completions");
        let reply = gateway.request("POST", &path, &headers, body.to_string().as_bytes());
        assert_eq!(reply.status, 502, "{reply:?}");
        assert_error(base, &reply);
        assert!(reply.text().contains("http_filters"), "{reply:?}");
    }
    let received = gateway.fake.received("bypassed-0");
    assert!(
        received.iter().all(|request| !request.0.to_string().contains("client-secret")),
        "{received:?}"
    );
}

fn no_provider_gets_the_key_of_another_though_the_route_is_stale(gateway: &Gateway) {
    for (base, body) in
        FACES.iter().flat_map(|base| [(base, chat("stale")), (base, stream("stale"))])
    {
        let path = format!("{base}/chat/completions");
        let reply =
            gateway.request("POST", &path, &[(STALE_ROUTE, "1")], body.to_string().as_bytes());
        assert_eq!(reply.status, 503, "{reply:?}");
        assert_error(base, &reply);
        assert!(reply.text().contains("refresh_cluster_on_retry"), "{reply:?}");
        assert_eq!(gateway.entry(&reply)["attempts"], "1");
    }
    let received = gateway.fake.received("stale-0");
    assert!(
        received.iter().all(|request| !request.0.to_string().contains(&key(1).1)),
        "{received:?}"
    );
}

fn nor_is_one_after_a_fallback(gateway: &Gateway) {
    // The content-length is still that of the attempt before, so the provider may wait for the rest
    // of the body.
    for (base, body) in FACES
        .iter()
        .flat_map(|base| [(base, chat("bypassed-second")), (base, stream("bypassed-second"))])
    {
        let reply = gateway.ask(base, &body);
        assert!(reply.status >= 500, "{reply:?}");
        assert_error(base, &reply);
    }
}
