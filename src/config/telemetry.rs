//! `telemetry` of the document: what exchanges tell about themselves.

use std::time::Duration;

use super::field::Field;

/// `telemetry` of the document.
#[derive(Clone, Debug, PartialEq)]
pub struct Telemetry {
    /// Whether each exchange leaves a record: `metadata`, which never holds a prompt, or `none`.
    /// Default: `metadata`.
    pub record: Record,
    /// Whether clients get `x-modelyard-*` headers. Default: `true`.
    pub expose_headers: bool,
    /// How long a stream may be silent after its first content before the client gets a comment, to
    /// a tenth of a second. Default: no comments.
    pub keep_alive: Option<Duration>,
}

/// What a record holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record {
    /// Nothing is written.
    None,
    /// Plan, attempts, usage; never a prompt.
    Metadata,
}

const RECORDS: &[(&str, Record)] = &[("none", Record::None), ("metadata", Record::Metadata)];

impl Default for Telemetry {
    fn default() -> Self {
        Self { record: Record::Metadata, expose_headers: true, keep_alive: None }
    }
}

/// Reads `telemetry`.
#[inline(never)]
pub(super) fn read(section: Option<Field<'_>>) -> Telemetry {
    let mut telemetry = Telemetry::default();
    let Some(mut o) = section.and_then(|field| field.object()) else {
        return telemetry;
    };
    if let Some(record) = o.optional("record").and_then(|field| field.choice(RECORDS)) {
        telemetry.record = record;
    }
    telemetry.expose_headers = o.boolean("expose_headers").unwrap_or(telemetry.expose_headers);
    telemetry.keep_alive = o.duration("keep_alive");
    o.finish();
    telemetry
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::{check_errors, config_with};
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn rules_of_telemetry() {
        check_errors(&[
            (
                "/telemetry",
                r#"{"record": "all"}"#,
                "telemetry.record: invalid: \"all\" (allowed: none, metadata)",
            ),
            (
                "/telemetry",
                r#"{"log": true}"#,
                "telemetry.log: unknown key (known: expose_headers, keep_alive, record)",
            ),
        ]);
        let config = config_with(
            "/telemetry",
            r#"{"record": "none", "expose_headers": false, "keep_alive": "15s"}"#,
        );
        let keep_alive = Some(Duration::from_secs(15));
        assert_eq!(
            config.telemetry,
            Telemetry { record: Record::None, expose_headers: false, keep_alive }
        );
    }
}
