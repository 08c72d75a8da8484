//! `routing` of the document: order, tries and time.

use std::time::Duration;

use super::Auto;
use super::field::Field;

/// `routing` of the document.
#[derive(Clone, Debug, PartialEq)]
pub struct Routing {
    /// How endpoints are ordered where the request does not say: `balanced` (drawn, by 1/price²),
    /// `price`, `latency`, `throughput`, or `order` (as written). Default: `balanced`.
    pub sort: Sort,
    /// How many endpoints are tried at most for one request, 1 to 20. Default: `6`.
    pub max_attempts: usize,
    /// How long a conversation stays at its endpoint, where its prompt is cached, after each
    /// answer. Default: not at all.
    pub sticky_ttl: Option<Duration>,
    /// Which models `openrouter/auto` stands for; `None`: there is no such model.
    pub auto: Option<Auto>,
}

/// Orders of endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// Drawn at random, with the weight of 1/price².
    Balanced,
    /// Cheapest first.
    Price,
    /// Lowest time to first token first.
    Latency,
    /// Most output tokens per second first.
    Throughput,
    /// As the document has them.
    Order,
}

const SORTS: &[(&str, Sort)] = &[
    ("balanced", Sort::Balanced),
    ("price", Sort::Price),
    ("latency", Sort::Latency),
    ("throughput", Sort::Throughput),
    ("order", Sort::Order),
];

impl Sort {
    /// The order's name in the document.
    pub fn name(self) -> &'static str {
        SORTS.iter().find(|(_, sort)| *sort == self).map_or("", |(name, _)| name)
    }
}

impl Default for Routing {
    fn default() -> Self {
        Self { sort: Sort::Balanced, max_attempts: 6, sticky_ttl: None, auto: None }
    }
}

/// The timeouts of providers that name none.
pub(super) struct Timeouts {
    /// How long a streamed request may take to its first event, where its provider does not say.
    /// Default: `15s`.
    pub(super) first_token_timeout: Duration,
    /// How long an attempt may take to the end of its answer, where its provider does not say.
    /// Default: `600s`.
    pub(super) timeout: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { first_token_timeout: Duration::from_secs(15), timeout: Duration::from_secs(600) }
    }
}

/// Reads `routing`, but for `auto`, which needs the models.
#[inline(never)]
pub(super) fn read<'a>(section: Option<Field<'a>>) -> (Routing, Timeouts, Option<Field<'a>>) {
    let (mut routing, mut timeouts) = (Routing::default(), Timeouts::default());
    let Some(mut o) = section.and_then(|field| field.object()) else {
        return (routing, timeouts, None);
    };
    if let Some(sort) = o.optional("sort").and_then(|field| field.choice(SORTS)) {
        routing.sort = sort;
    }
    routing.max_attempts = o.size("max_attempts", 1..=20).unwrap_or(routing.max_attempts);
    timeouts.first_token_timeout =
        o.duration("first_token_timeout").unwrap_or(timeouts.first_token_timeout);
    timeouts.timeout = o.duration("timeout").unwrap_or(timeouts.timeout);
    if let Some(mut sticky) = o.optional("sticky").and_then(|field| field.object()) {
        routing.sticky_ttl = sticky.duration("ttl");
        sticky.finish();
    }
    let auto = o.optional("auto");
    o.finish();
    (routing, timeouts, auto)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::{check_errors, config_with};
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn rules_of_routing() {
        check_errors(&[
            ("/routing", "{}", ""),
            (
                "/routing",
                r#"{"sort": "cheap"}"#,
                "routing.sort: invalid: \"cheap\" \
                 (allowed: balanced, price, latency, throughput, order)",
            ),
            (
                "/routing",
                r#"{"sticky": {"ttl": "0s"}}"#,
                "routing.sticky.ttl: invalid: \"0s\" \
                 (allowed: a duration such as 500ms, 10s, 1.5m, 1h, at most 24h)",
            ),
            (
                "/routing",
                r#"{"sticky": {"tll": "1s"}}"#,
                "routing.sticky.tll: unknown key (known: ttl)",
            ),
            (
                "/routing",
                r#"{"retries": 3}"#,
                "routing.retries: unknown key \
                 (known: auto, first_token_timeout, max_attempts, sort, sticky, timeout)",
            ),
        ]);
        let config = config_with("/routing", r#"{"sort": "order", "max_attempts": 20}"#);
        assert_eq!(
            config.routing,
            Routing { sort: Sort::Order, max_attempts: 20, ..Routing::default() }
        );
    }

    #[test]
    fn stickiness_is_off_unless_it_is_given_a_time() {
        assert_eq!(config_with("/routing", r#"{"sticky": {}}"#).routing.sticky_ttl, None);
        let config = config_with("/routing", r#"{"sticky": {"ttl": "10m"}}"#);
        assert_eq!(config.routing.sticky_ttl, Some(Duration::from_secs(600)));
    }
}
