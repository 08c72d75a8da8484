//! Only the planned cluster gets what is the gateway's, and only the document's hosts are its own.

use serde_json::json;

use crate::client::Reply;
use crate::envoy::{SHOP, STRANGE_ROUTE};
use crate::fake::Received;
use crate::gateway::{FACES, Gateway, chat, stream};
use crate::setup::{GHOST, Setup, key};

const SHOPS_OWN: &str = r#"{"model":"shops-own","messages":[]}"#;
const OTHERS_LINK: &str = "aaaabbbbccccddddeeeeffffgggghhhh";

fn setup() -> Setup {
    Setup::new().chain("known", &["", ""]).chain("ghost", &[GHOST, ""])
}

/// The filter stands in the chain of everybody, but the document says which hosts are its own.
fn bounded() -> Setup {
    setup().document(json!({"hosts": ["*.example", "Gateway.test:443"]}))
}

fn guarded() -> Setup {
    Setup { guarded: true, ..setup() }
}

mod open {
    use super::*;

    on_envoy! { setup:
        a_strangers_service_gets_nothing_of_ours,
        a_cluster_that_the_route_does_not_know_is_one_failed_attempt,
        a_link_that_leads_nowhere_is_refused_on_every_path,
    }
}

mod by_host {
    use super::*;

    on_envoy! { bounded:
        another_host_keeps_its_own_paths,
        a_strangers_service_gets_nothing_of_ours,
    }
}

mod by_route {
    use super::*;

    on_envoy! { guarded:
        another_host_keeps_its_own_paths,
        a_strangers_service_gets_nothing_of_ours,
        a_cluster_that_the_route_does_not_know_is_one_failed_attempt,
        a_link_that_leads_nowhere_is_refused_on_every_path,
    }
}

fn post(gateway: &Gateway, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
    gateway.request("POST", path, headers, body.as_bytes())
}

/// What the service of somebody else has received with this header, none of which is ours.
fn others(gateway: &Gateway, header: (&str, &str)) -> Vec<Received> {
    let received = gateway.fake.received("other");
    for request in &received {
        let text = request.0.to_string();
        assert!(!text.contains(&key(0).1) && !text.contains("up-known"), "{text}");
    }
    received.into_iter().filter(|request| request.header(header.0) == Some(header.1)).collect()
}

fn a_strangers_service_gets_nothing_of_ours(gateway: &Gateway) {
    for body in [chat("known"), stream("known")] {
        for base in FACES {
            let path = format!("{base}/chat/completions");
            let reply = post(gateway, &path, &[(STRANGE_ROUTE, "1")], &body.to_string());
            assert_eq!(reply.status, 503, "{reply:?}");
            assert!(reply.text().contains("cluster other"), "{reply:?}");
            let entry = gateway.entry(&reply);
            assert_eq!(entry["record"]["attempts"], json!([]), "{entry}");
        }
    }
    assert_eq!(others(gateway, (STRANGE_ROUTE, "1")).len(), 0);
}

fn another_host_keeps_its_own_paths(gateway: &Gateway) {
    let (host, secret) = (("host", SHOP), ("authorization", "Bearer shops"));
    for path in ["/v1/chat/completions", "/api/v1/messages", "/v1/models", "/modelyard/api/explain"]
    {
        let reply = post(gateway, path, &[host, secret], SHOPS_OWN);
        assert!(reply.header("x-generation-id").is_none(), "{path}: {reply:?}");
    }
    let received = others(gateway, secret);
    assert_eq!(received.len(), 4);
    for request in &received {
        assert!(request.0.to_string().contains("shops-own"), "{:?}", request.0);
    }
    assert_eq!(gateway.ask("/v1", &chat("known")).status, 200);
}

fn a_cluster_that_the_route_does_not_know_is_one_failed_attempt(gateway: &Gateway) {
    let reply = gateway.ask("/v1", &chat("ghost"));
    let attempts = (reply.status, reply.header("x-modelyard-attempts"));
    assert_eq!(attempts, (200, Some("2")), "{reply:?}");
    let entry = gateway.entry(&reply);
    assert_eq!(entry["record"]["attempts"][0]["outcome"], "connect", "{entry}");
}

fn a_link_that_leads_nowhere_is_refused_on_every_path(gateway: &Gateway) {
    let link = ("x-modelyard-exchange", OTHERS_LINK);
    for path in ["/v1/files", "/shop"] {
        let reply = post(gateway, path, &[link], SHOPS_OWN);
        assert_eq!(reply.status, 503, "{path}: {reply:?}");
        assert!(reply.text().contains("exchange_lost"), "{path}: {reply:?}");
    }
}
