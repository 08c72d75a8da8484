//! `auth` of a provider: how the gateway proves who it is.
//!
//! The document names environment variables; their values are read here once and never shown.

use std::fmt;

use super::error::WarningKind;
use super::field::Field;
use super::reader::Object;
use super::rule::{self, Rule, is_clean};

/// How a request to a provider is authenticated. A key of `None` means its variable is not set: the endpoint is unusable.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Auth {
    /// `authorization: Bearer <key>`
    Bearer {
        /// The token.
        key: Key,
    },
    /// `<name>: <key>`
    Header {
        /// In lower case.
        name: String,
        /// The header's value.
        key: Key,
    },
    /// `?<name>=<key>`
    Query {
        /// As written.
        name: String,
        /// The parameter's value, not yet escaped.
        key: Key,
    },
    /// No credentials.
    None,
    /// The client's own credentials go to the provider.
    Passthrough,
}

impl Auth {
    /// The key it needs, if it needs one.
    pub fn key(&self) -> Option<&Key> {
        match self {
            Self::Bearer { key } | Self::Header { key, .. } | Self::Query { key, .. } => Some(key),
            Self::None | Self::Passthrough => None,
        }
    }

    /// Whether requests can be authenticated: no key is needed, or it is set.
    pub fn is_usable(&self) -> bool {
        self.key().is_none_or(|key| key.value.is_some())
    }
}

/// A provider key, and the environment variable it came from.
#[derive(Clone, PartialEq)]
pub struct Key {
    /// The variable's name.
    pub env: String,
    /// Its value, if set, not empty and free of control characters. Never shown by `Debug`.
    pub value: Option<String>,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = if self.value.is_some() { "set" } else { "unset" };
        write!(f, "Key({}, {value})", self.env)
    }
}

#[derive(Clone, Copy)]
enum Type {
    Bearer,
    Header,
    Query,
    None,
    Passthrough,
}

const TYPES: &[(&str, Option<Type>)] = &[
    ("bearer", Some(Type::Bearer)),
    ("header", Some(Type::Header)),
    ("query", Some(Type::Query)),
    ("sigv4", None),
    ("none", Some(Type::None)),
    ("passthrough", Some(Type::Passthrough)),
];

/// Reads the section; each type knows only the keys it needs.
pub(super) fn read(section: Field<'_>) -> Option<Auth> {
    let mut o = section.object()?;
    let expected = "bearer, header, query, none, passthrough";
    let auth = match o.required("type", expected)?.public().choice(TYPES)? {
        Type::Bearer => Auth::Bearer { key: key(&mut o) },
        Type::Header => {
            let name = name(&mut o, &rule::HEADER_NAME).to_ascii_lowercase();
            Auth::Header { name, key: key(&mut o) }
        }
        Type::Query => Auth::Query { name: name(&mut o, &rule::QUERY_NAME), key: key(&mut o) },
        Type::None => Auth::None,
        Type::Passthrough => Auth::Passthrough,
    };
    o.finish();
    Some(auth)
}

fn name(o: &mut Object<'_>, rule: &Rule) -> String {
    let field = o.required("name", rule.allowed).map(Field::public);
    field.and_then(|field| field.string(rule)).unwrap_or_default().to_owned()
}

/// A text that is no variable's name may be the key itself, so it is not shown.
fn key(o: &mut Object<'_>) -> Key {
    let Some(field) = o.required("env", rule::VARIABLE.allowed) else {
        return Key::unset("");
    };
    let Some(env) = field.string(&rule::VARIABLE) else {
        return Key::unset("");
    };
    match (field.report.env)(env).filter(|value| !value.is_empty()) {
        None => field.warn(WarningKind::KeyUnset { env: env.to_owned() }),
        Some(value) if is_clean(&value) => {
            return Key { env: env.to_owned(), value: Some(value) };
        }
        Some(_) => field.warn(WarningKind::KeyMalformed { env: env.to_owned() }),
    }
    Key::unset(env)
}

impl Key {
    fn unset(env: &str) -> Self {
        Self { env: env.to_owned(), value: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::{check_errors, config_with, parse_with};
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const AUTH: &str = "/providers/openai/auth";

    #[test]
    fn rules_of_auth() {
        check_errors(&[
            (AUTH, r#"{"type": "none"}"#, ""),
            (AUTH, r#"{"type": "passthrough"}"#, ""),
            (
                AUTH,
                "{}",
                "providers.openai.auth.type: missing \
                 (expected: bearer, header, query, none, passthrough)",
            ),
            (
                AUTH,
                r#"{"type": "sigv4"}"#,
                "providers.openai.auth.type: not supported by this build: \"sigv4\" \
                 (supported: bearer, header, query, none, passthrough)",
            ),
            (
                AUTH,
                r#"{"type": "basic"}"#,
                "providers.openai.auth.type: invalid: \"basic\" \
                 (allowed: bearer, header, query, sigv4, none, passthrough)",
            ),
            (
                AUTH,
                r#"{"type": "bearer"}"#,
                "providers.openai.auth.env: missing (expected: the name of an environment variable)",
            ),
            (
                AUTH,
                r#"{"type": "bearer", "env": "sk-123"}"#,
                "providers.openai.auth.env: invalid (allowed: the name of an environment variable)",
            ),
            (
                AUTH,
                r#"{"type": "bearer", "env": "OPENAI_API_KEY", "name": "x"}"#,
                "providers.openai.auth.name: unknown key (known: env, type)",
            ),
            (
                AUTH,
                r#"{"type": "none", "env": "OPENAI_API_KEY"}"#,
                "providers.openai.auth.env: unknown key (known: type)",
            ),
            (
                AUTH,
                r#"{"type": "header", "env": "OPENAI_API_KEY"}"#,
                "providers.openai.auth.name: missing (expected: the name of a header that is \
                 neither of the connection nor `host` nor `content-length`)",
            ),
            (
                AUTH,
                r#"{"type": "header", "env": "OPENAI_API_KEY", "name": ":path"}"#,
                "providers.openai.auth.name: invalid: \":path\" (allowed: the name of a header \
                 that is neither of the connection nor `host` nor `content-length`)",
            ),
            (
                AUTH,
                r#"{"type": "query", "env": "OPENAI_API_KEY", "name": "a&b"}"#,
                "providers.openai.auth.name: invalid: \"a&b\" \
                 (allowed: letters, digits, `.`, `_`, `-`, `~`)",
            ),
        ]);
    }

    #[test]
    fn keys_come_from_the_environment() {
        let key = Key { env: "OPENAI_API_KEY".to_owned(), value: Some("sk-secret".to_owned()) };
        for (value, expected) in [
            (r#"{"type": "bearer", "env": "OPENAI_API_KEY"}"#, Auth::Bearer { key: key.clone() }),
            (
                r#"{"type": "header", "name": "X-Api-Key", "env": "OPENAI_API_KEY"}"#,
                Auth::Header { name: "x-api-key".to_owned(), key: key.clone() },
            ),
            (
                r#"{"type": "query", "name": "apiKey", "env": "OPENAI_API_KEY"}"#,
                Auth::Query { name: "apiKey".to_owned(), key: key.clone() },
            ),
        ] {
            let auth = config_with(AUTH, value).providers[1].auth.clone();
            assert!(auth.is_usable());
            assert_eq!(auth, expected);
        }
        assert_eq!(format!("{key:?}"), "Key(OPENAI_API_KEY, set)");
    }

    #[test]
    fn keys_that_cannot_be_used_are_warned_of() {
        for (env, why) in
            [("NO_KEY", "is not set"), ("EMPTY_KEY", "is not set"), ("BROKEN_KEY", "holds control characters")]
        {
            let value = format!(r#"{{"type": "bearer", "env": "{env}"}}"#);
            let (config, warnings) = parse_with(AUTH, &value).unwrap();
            assert!(!config.providers[1].auth.is_usable());
            let [warning] = warnings.as_slice() else { panic!("{warnings:?}") };
            assert_eq!(
                warning.to_string(),
                format!("providers.openai.auth.env: environment variable {env} {why}, so the provider cannot be used")
            );
        }
    }
}
