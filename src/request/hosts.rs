//! Which authorities are the gateway's.

/// Patterns of host names; none: every authority is the gateway's.
///
/// In lower case and without ports: neither port nor case of an authority counts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hosts(Vec<String>);

impl Hosts {
    /// Of host names, each exact or with `*.` in front.
    pub fn new(patterns: &[String]) -> Self {
        Self(patterns.iter().map(|pattern| name(pattern).to_ascii_lowercase()).collect())
    }

    /// Whether a request to this authority is the gateway's.
    pub fn include(&self, authority: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|pattern| covers(pattern, name(authority)))
    }
}

/// Whether a host is the pattern's. Below `*.` any number of labels may stand, but not none.
fn covers(pattern: &str, host: &str) -> bool {
    let Some(parent) = pattern.strip_prefix('*') else {
        return pattern.eq_ignore_ascii_case(host);
    };
    let below = host.len().checked_sub(parent.len()).and_then(|at| host.split_at_checked(at));
    below.is_some_and(|(label, rest)| !label.is_empty() && rest.eq_ignore_ascii_case(parent))
}

/// The host of an authority: without its port, and without the dot that may end a full name.
fn name(authority: &str) -> &str {
    let (host, port) = authority.rsplit_once(':').unwrap_or((authority, ""));
    // The colons of an IPv6 address stand within brackets.
    let has_port = !host.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let host = if has_port { host } else { authority };
    host.strip_suffix('.').unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn check(patterns: &[&str], inside: &[&str], outside: &[&str]) {
        let patterns: Vec<String> = patterns.iter().map(ToString::to_string).collect();
        let hosts = Hosts::new(&patterns);
        for authority in inside {
            assert!(hosts.include(authority), "{authority} of {patterns:?}");
        }
        for authority in outside {
            assert!(!hosts.include(authority), "{authority} of {patterns:?}");
        }
    }

    #[test]
    fn neither_port_nor_case_counts() {
        check(
            &["llm.example.com", "Other.example:8443"],
            &["llm.example.com", "LLM.example.COM:443", "llm.example.com.", "other.example"],
            &["", "example.com", "x.llm.example.com", "llm.example.com.evil", "llm.example.comx"],
        );
        check(&["[::1]"], &["[::1]", "[::1]:8080"], &["::1", "[::2]", "[::1", "1"]);
        check(&["127.0.0.1"], &["127.0.0.1:10000"], &["127.0.0.10"]);
    }

    #[test]
    fn a_star_stands_for_one_label_or_more() {
        check(
            &["*.example.com"],
            &["a.example.com", "a.b.EXAMPLE.com:80"],
            &["example.com", ".example.com", "aexample.com", "a.example.com.evil", "a.example.co"],
        );
    }

    #[test]
    fn without_patterns_every_authority_is_the_gateways() {
        check(&[], &["", "anything", "[::1]:1"], &[]);
    }
}
