//! Every stat's name, kind and tags, in one table.
//!
//! proxy-wasm stats have no labels: tags are written into the name and taken out again by
//! `envoy/stats_tags.yaml`. Tag values come from the configuration or from this crate, never from a
//! client's or provider's own strings.

/// What a stat does with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Adds it.
    Counter,
    /// Replaces the last one.
    Gauge,
    /// Sorts it into buckets.
    Histogram,
}

/// One stat.
#[derive(Debug, PartialEq, Eq)]
pub struct Stat {
    /// The stat's name before the tags.
    pub name: &'static str,
    /// What it does with a value.
    pub kind: Kind,
    /// Names of its tags, in the order in which they stand in the name.
    pub tags: &'static [&'static str],
}

macro_rules! stats {
    ($($ident:ident = $name:literal $kind:ident [$($tag:literal),*];)*) => {
        $(
            #[doc = concat!("`", $name, "`")]
            pub static $ident: Stat = Stat { name: $name, kind: Kind::$kind, tags: &[$($tag),*] };
        )*
        /// All of them.
        pub static TABLE: &[&Stat] = &[$(&$ident),*];
    };
}

stats! {
    REQUESTS = "modelyard.requests" Counter ["tenant", "model", "operation", "status"];
    ATTEMPTS = "modelyard.attempts" Counter ["provider", "model", "outcome"];
    FALLBACKS = "modelyard.fallbacks" Counter ["provider", "model", "reason"];
    TOKENS = "modelyard.tokens" Counter ["tenant", "provider", "model", "token_type", "source"];
    COST_NANOUSD = "modelyard.cost_nanousd" Counter ["tenant", "provider", "model"];
    REQUEST_DURATION_MS = "modelyard.request_duration_ms" Histogram ["provider", "model"];
    TIME_TO_FIRST_TOKEN_MS = "modelyard.time_to_first_token_ms" Histogram ["provider", "model"];
    OUTPUT_TOKENS_PER_SECOND = "modelyard.output_tokens_per_second" Histogram ["provider", "model"];
    ENDPOINT_HEALTH = "modelyard.endpoint_health" Gauge ["provider", "model"];
}

/// The values of the tag `token_type`.
pub static TOKEN_TYPES: [&str; 6] =
    ["input", "output", "cached", "cache_write", "reasoning", "audio"];

/// The value of a tag where the configuration has none, as for a model that nobody offers.
pub const UNKNOWN: &str = "unknown";

impl Stat {
    /// The full name, e.g.
    /// `modelyard.attempts.provider=openai.model=openai/gpt-4.1-mini.outcome=ok`. `values` stand in
    /// the order of [`Stat::tags`].
    pub fn full_name(&self, values: &[&str]) -> String {
        let mut name = self.name.to_owned();
        for (tag, value) in self.tags.iter().zip(values) {
            for piece in [".", tag, "=", value] {
                name.push_str(piece);
            }
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_name_is_the_stat_and_then_its_tags_in_the_tables_order() {
        assert_eq!(
            TOKENS.full_name(&["default", "openai", "openai/gpt-4.1-mini", "input", "reported"]),
            "modelyard.tokens.tenant=default.provider=openai.model=openai/gpt-4.1-mini.\
             token_type=input.source=reported"
        );
    }

    #[test]
    fn names_are_unique_and_begin_with_the_projects() {
        let mut names: Vec<_> = TABLE.iter().map(|stat| stat.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), TABLE.len());
        assert!(names.iter().all(|name| name.starts_with("modelyard.")));
    }
}
