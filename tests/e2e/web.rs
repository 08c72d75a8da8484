//! Requests of web pages: forms from elsewhere, preflights, and who may read answers.

use serde_json::json;

use crate::client::Reply;
use crate::gateway::{FACES, Gateway, OPERATOR_KEY, chat, stream};
use crate::setup::Setup;

const ALLOWED: (&str, &str) = ("origin", "https://app.example");
const OTHER: (&str, &str) = ("origin", "https://elsewhere.example");
const JSON: (&str, &str) = ("content-type", "application/json");

fn setup() -> Setup {
    Setup::new()
        .document(json!({"cors": {"origins": ["https://app.example"]}}))
        .chain("known", &[""])
        .chain("formed", &[""])
        .chain("shaky", &["status=500"])
}

on_envoy! { setup:
    a_form_from_elsewhere_is_refused_unheard,
    a_preflight_is_answered_for_allowed_origins_only,
    answers_and_errors_may_be_read_by_allowed_origins_only,
}

fn post(gateway: &Gateway, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
    gateway.request("POST", path, headers, body.as_bytes())
}

fn a_form_from_elsewhere_is_refused_unheard(gateway: &Gateway) {
    let body = chat("formed").to_string();
    let before = gateway.fake.received("formed-0").len();
    let forms: [&[(&str, &str)]; 4] = [
        &[ALLOWED, ("content-type", "text/plain")],
        &[OTHER, ("content-type", "application/x-www-form-urlencoded")],
        &[("sec-fetch-site", "cross-site"), ("content-type", "multipart/form-data; boundary=a")],
        &[OTHER],
    ];
    for headers in forms {
        for base in FACES {
            let reply = post(gateway, &format!("{base}/chat/completions"), headers, &body);
            assert_eq!(reply.status, 415, "{headers:?}: {reply:?}");
            assert!(reply.text().contains("application/json"), "{reply:?}");
        }
        assert_eq!(post(gateway, "/v1/messages", headers, &body).json()["type"], "error");
        let key = format!("Bearer {OPERATOR_KEY}");
        let with_key: Vec<_> =
            headers.iter().copied().chain([("authorization", key.as_str())]).collect();
        assert_eq!(post(gateway, "/modelyard/api/explain", &with_key, &body).status, 415);
    }
    assert_eq!(gateway.fake.received("formed-0").len(), before);
    let same = [("sec-fetch-site", "same-origin"), ("content-type", "text/plain")];
    assert_eq!(post(gateway, "/v1/chat/completions", &same, &body).status, 200);
    assert_eq!(post(gateway, "/v1/chat/completions", &[OTHER, JSON], &body).status, 200);
}

fn preflight(gateway: &Gateway, path: &str, origin: (&str, &str)) -> Reply {
    let asked = [
        origin,
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "authorization,content-type"),
    ];
    gateway.request("OPTIONS", path, &asked, b"")
}

fn a_preflight_is_answered_for_allowed_origins_only(gateway: &Gateway) {
    for path in ["/v1/chat/completions", "/api/v1/messages", "/v1/models", "/api/v1/key"] {
        let reply = preflight(gateway, path, ALLOWED);
        assert_eq!(reply.status, 204, "{path}: {reply:?}");
        for (header, expected) in [
            ("access-control-allow-origin", Some(ALLOWED.1)),
            ("access-control-allow-headers", Some("authorization,content-type")),
            ("access-control-allow-methods", Some("GET, HEAD, POST")),
            ("access-control-max-age", Some("600")),
            ("vary", Some("origin")),
            ("access-control-allow-credentials", None),
        ] {
            assert_eq!(reply.header(header), expected, "{path}: {header}");
        }
        let other = preflight(gateway, path, OTHER);
        assert_eq!(other.status, 405, "{path}: {other:?}");
        assert_eq!(other.header("access-control-allow-origin"), None, "{path}: {other:?}");
    }
    let operators = preflight(gateway, "/modelyard/api/explain", ALLOWED);
    assert_eq!(operators.header("access-control-allow-origin"), None, "{operators:?}");
}

fn answers_and_errors_may_be_read_by_allowed_origins_only(gateway: &Gateway) {
    let bodies = [chat("known"), stream("known"), chat("shaky"), json!({"model": "t/none"})];
    for origin in [ALLOWED, OTHER] {
        let expected = (origin == ALLOWED).then_some(ALLOWED.1);
        for (base, body) in FACES.into_iter().flat_map(|base| bodies.iter().map(move |b| (base, b)))
        {
            let path = format!("{base}/chat/completions");
            let reply = post(gateway, &path, &[origin, JSON], &body.to_string());
            assert_eq!(reply.header("access-control-allow-origin"), expected, "{body}: {reply:?}");
            let exposed = reply.header("access-control-expose-headers").unwrap_or_default();
            assert_eq!(exposed.contains("x-generation-id"), expected.is_some(), "{reply:?}");
        }
        for path in ["/v1/models", "/api/v1/providers", "/v1/models/nothing"] {
            let reply = gateway.request("GET", path, &[origin], b"");
            assert_eq!(reply.header("access-control-allow-origin"), expected, "{path}: {reply:?}");
        }
    }
}

#[test]
fn without_cors_no_page_may_read_anything() {
    let setup = Setup::new().chain("known", &[""]);
    let gateway = Gateway::start(&format!("{}-none", module_path!()), &setup).unwrap();
    gateway.run(|gateway| {
        assert_eq!(preflight(gateway, "/v1/chat/completions", ALLOWED).status, 405);
        let body = chat("known").to_string();
        let reply = post(gateway, "/v1/chat/completions", &[ALLOWED, JSON], &body);
        assert_eq!((reply.status, reply.header("access-control-allow-origin")), (200, None));
    });
}
