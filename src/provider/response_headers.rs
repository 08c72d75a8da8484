//! Which of a provider's response headers reach a client: what describes the answer, what says how
//! long it may be kept and when to ask again, what it is known by at the provider, and what the
//! document adds. All else is between the provider and the gateway, whose client's browser, proxies
//! and cookies are no business of the provider's.

/// How the names of further headers that do begin.
const PREFIXES: [&str; 2] = ["x-ratelimit-", "anthropic-"];
/// No client knows the account's owner.
const OWNER: &str = "anthropic-organization-id";
/// How the names of those begin that steer the gateway and its host, and are nobody else's.
const STEERING: [&str; 2] = ["x-modelyard-", "x-envoy-"];

/// Whether a client may see the header of this name, which is in lower case. `added`: by the
/// document, in lower case, with `*` at the end for whatever follows.
pub fn is_shown(name: &str, added: &[String]) -> bool {
    is_listed(name.as_bytes())
        || PREFIXES.iter().any(|prefix| name.starts_with(prefix)) && name != OWNER
        || added.iter().any(|added| covers(added, name)) && !steers(name)
}

/// Whether a header would tell the gateway, or its host, what to do: by one Envoy's router would
/// not retry.
pub fn steers(name: &str) -> bool {
    STEERING.iter().any(|prefix| name.starts_with(prefix))
}

// The compiler makes one decision of all names where they are bytes.
fn is_listed(name: &[u8]) -> bool {
    match name {
        b":status" => true,
        b"content-type" | b"content-length" | b"content-encoding" => true,
        b"content-language" | b"content-disposition" => true,
        b"age" | b"cache-control" | b"date" | b"etag" | b"expires" => true,
        b"last-modified" | b"vary" => true,
        b"retry-after" | b"openai-processing-ms" => true,
        // OpenAI's and most others', Anthropic's, Amazon's, and Azure's.
        b"x-request-id" | b"request-id" | b"x-amzn-requestid" => true,
        b"apim-request-id" | b"x-ms-request-id" => true,
        // Of the connection to the provider: the host takes them off.
        b"connection" | b"transfer-encoding" => true,
        _ => false,
    }
}

fn covers(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn clients_see_what_the_answer_is_and_nothing_of_who_gave_it() {
        for name in [
            ":status",
            "content-type",
            "cache-control",
            "retry-after",
            "x-ratelimit-remaining-tokens",
            "x-request-id",
            "request-id",
            "openai-processing-ms",
            "anthropic-ratelimit-tokens-reset",
        ] {
            assert!(is_shown(name, &[]), "{name}");
        }
        for name in [
            "",
            "set-cookie",
            "clear-site-data",
            "alt-svc",
            "strict-transport-security",
            "access-control-allow-origin",
            "content-security-policy",
            "x-envoy-upstream-service-time",
            "x-modelyard-retry",
            "openai-organization",
            "openai-project",
            "anthropic-organization-id",
            "anthropic",
            "location",
            "refresh",
            "link",
            "server",
            "via",
            "www-authenticate",
            "x-request-id-2",
        ] {
            assert!(!is_shown(name, &[]), "{name}");
        }
    }

    #[test]
    fn the_document_adds_names_and_beginnings_of_names() {
        let added = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let some = added(&["server", "x-groq-*", "anthropic-organization-id"]);
        for (name, expected) in [
            ("server", true),
            ("server-timing", false),
            ("x-groq-", true),
            ("x-groq-region", true),
            ("x-groq", false),
            ("anthropic-organization-id", true),
            ("set-cookie", false),
        ] {
            assert_eq!(is_shown(name, &some), expected, "{name}");
        }
        for (name, expected) in [
            ("set-cookie", true),
            ("x-modelyard-retry", false),
            ("x-envoy-immediate-health-check-fail", false),
        ] {
            assert_eq!(is_shown(name, &added(&["*"])), expected, "{name}");
        }
    }
}
