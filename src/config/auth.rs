//! `auth` of a provider: how the gateway proves who it is.
//!
//! The document names environment variables; their values are read here once and never shown.

use std::fmt;

use super::error::WarningKind;
use super::field::Field;
use super::reader::Object;
use super::rule::{self, Rule, is_clean};
use crate::wire::secret::Secrets;

/// How the gateway proves who it is: `bearer`, `header`, `query`, `sigv4`, `none`, or
/// `passthrough`, which hands on the client's own credentials. Default: `none`.
///
/// A key without a value means that its variable is not set: the endpoint is unusable.
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
        /// The name of the header or of the query's parameter, with `header` and `query`. Required.
        ///
        /// Here in lower case.
        name: String,
        /// The header's value.
        key: Key,
    },
    /// `?<name>=<key>`
    Query {
        /// The parameter's name as written.
        name: String,
        /// The parameter's value, not yet escaped.
        key: Key,
    },
    /// A signature of AWS, version 4.
    Sigv4(Box<Sigv4>),
    /// No credentials.
    None,
    /// The client's own credentials go to the provider.
    Passthrough,
}

/// What the gateway signs requests to AWS with.
#[derive(Clone, Debug, PartialEq)]
pub struct Sigv4 {
    /// The region that is signed for, such as `us-east-1`. Required.
    pub region: String,
    /// The service that is signed for. Default: `bedrock`.
    pub service: String,
    /// The environment variable of the access key's id. Default: `AWS_ACCESS_KEY_ID`.
    pub access_key: Key,
    /// The environment variable of the secret key. Default: `AWS_SECRET_ACCESS_KEY`.
    pub secret_key: Key,
    /// The environment variable of the session token, which only temporary credentials have.
    /// Default: `AWS_SESSION_TOKEN`.
    pub session_token: Key,
}

impl Auth {
    /// The first key without which no request can be authenticated, and that has no value.
    pub fn missing_key(&self) -> Option<&Key> {
        let needed = match self {
            Self::Bearer { key } | Self::Header { key, .. } | Self::Query { key, .. } => {
                [Some(key), None]
            }
            Self::Sigv4(aws) => [Some(&aws.access_key), Some(&aws.secret_key)],
            Self::None | Self::Passthrough => [None, None],
        };
        needed.into_iter().flatten().find(|key| key.value.is_none())
    }

    /// The keys, each also without the word in front of it that says what it is (`Basic …`).
    pub(super) fn secrets(&self) -> Secrets {
        let keys: &[&Key] = match self {
            Self::Bearer { key } | Self::Header { key, .. } | Self::Query { key, .. } => &[key],
            Self::Sigv4(aws) => &[&aws.access_key, &aws.secret_key, &aws.session_token],
            Self::None | Self::Passthrough => &[],
        };
        let values = keys.iter().filter_map(|key| key.value.as_deref()).map(str::trim);
        Secrets::new(values.flat_map(with_rest).flatten())
    }
}

/// A text, and what of it follows the first word, if something does.
fn with_rest(text: &str) -> [Option<&str>; 2] {
    [Some(text), text.split_once(' ').map(|(_, rest)| rest)]
}

/// A provider key, and the environment variable it came from.
#[derive(Clone, PartialEq)]
pub struct Key {
    /// The environment variable that holds the key, with `bearer`, `header` and `query`. Required.
    pub env: String,
    /// The variable's value, if it is set, not empty and free of control characters. `Debug` never
    /// shows it.
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
    Sigv4,
    None,
    Passthrough,
}

const TYPES: &[(&str, Type)] = &[
    ("bearer", Type::Bearer),
    ("header", Type::Header),
    ("query", Type::Query),
    ("sigv4", Type::Sigv4),
    ("none", Type::None),
    ("passthrough", Type::Passthrough),
];

/// Reads `auth` of a provider. Each type has only the keys that it needs.
pub(super) fn read(section: Field<'_>) -> Option<Auth> {
    let mut o = section.object()?;
    let expected = "bearer, header, query, sigv4, none, passthrough";
    let auth = match o.required("type", expected)?.public().choice(TYPES)? {
        Type::Bearer => Auth::Bearer { key: key(&mut o) },
        Type::Header => {
            let name = name(&mut o, &rule::HEADER_NAME).to_ascii_lowercase();
            Auth::Header { name, key: key(&mut o) }
        }
        Type::Query => Auth::Query { name: name(&mut o, &rule::QUERY_NAME), key: key(&mut o) },
        Type::Sigv4 => Auth::Sigv4(Box::new(sigv4(&mut o))),
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

fn sigv4(o: &mut Object<'_>) -> Sigv4 {
    let region = o.required("region", rule::REGION.allowed).map(Field::public);
    let service = o.optional("service").map(Field::public);
    let session_token = o.optional("session_token_env");
    Sigv4 {
        region: region.and_then(|field| field.string(&rule::REGION)).unwrap_or_default().to_owned(),
        service: service
            .and_then(|field| field.string(&rule::REGION))
            .unwrap_or("bedrock")
            .to_owned(),
        access_key: aws_key(o, "access_key_env", "AWS_ACCESS_KEY_ID"),
        secret_key: aws_key(o, "secret_key_env", "AWS_SECRET_ACCESS_KEY"),
        session_token: match session_token {
            Some(field) => key_named_by(&field),
            // Lasting credentials have no token, so one that is not set is nothing to warn of.
            None => {
                Key { value: held_by(SESSION_TOKEN, o.whole()).ok(), env: SESSION_TOKEN.to_owned() }
            }
        },
    }
}

const SESSION_TOKEN: &str = "AWS_SESSION_TOKEN";

fn aws_key(o: &mut Object<'_>, name: &'static str, usual: &str) -> Key {
    match o.optional(name) {
        Some(field) => key_named_by(&field),
        None => key_in(o.whole(), usual),
    }
}

fn key(o: &mut Object<'_>) -> Key {
    let field = o.required("env", rule::VARIABLE.allowed);
    field.map_or_else(|| Key::unset(""), |field| key_named_by(&field))
}

/// The key in the variable that a field names. A text that is no variable's name may be the key
/// itself, so errors do not show it.
fn key_named_by(field: &Field<'_>) -> Key {
    field.string(&rule::VARIABLE).map_or_else(|| Key::unset(""), |env| key_in(field, env))
}

/// The key in a variable; warns at `field` where there is none.
fn key_in(field: &Field<'_>, env: &str) -> Key {
    let value = held_by(env, field).map_err(|why| field.warn(why)).ok();
    Key { value, ..Key::unset(env) }
}

/// The key that a variable holds, or why it cannot be used.
fn held_by(env: &str, field: &Field<'_>) -> Result<String, WarningKind> {
    match (field.report.env)(env).filter(|value| !value.is_empty()) {
        Some(value) if is_clean(&value) => Ok(value),
        Some(_) => Err(WarningKind::KeyMalformed { env: env.to_owned() }),
        None => Err(WarningKind::KeyUnset { env: env.to_owned() }),
    }
}

impl Key {
    fn unset(env: &str) -> Self {
        Self { env: env.to_owned(), value: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
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
                 (expected: bearer, header, query, sigv4, none, passthrough)",
            ),
            (AUTH, r#"{"type": "sigv4", "region": "us-east-1"}"#, ""),
            (
                AUTH,
                r#"{"type": "sigv4"}"#,
                "providers.openai.auth.region: missing (expected: a name without spaces)",
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
                "providers.openai.auth.env: missing \
                 (expected: the name of an environment variable)",
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
            assert!(auth.missing_key().is_none());
            assert_eq!(auth, expected);
        }
        assert_eq!(format!("{key:?}"), "Key(OPENAI_API_KEY, set)");
    }

    #[test]
    fn a_session_token_that_cannot_be_used_is_none() {
        let document = r#"{"providers": {"aws": {
            "api": "bedrock", "host": "h", "auth": {"type": "sigv4", "region": "r"}
        }}}"#;
        for (value, expected) in [("token", Some("token")), ("", None), ("a\nb", None)] {
            let (config, warnings) = Config::parse(document.as_bytes(), &|name| {
                Some(if name == SESSION_TOKEN { value } else { "key" }.to_owned())
            })
            .unwrap();
            let Auth::Sigv4(aws) = &config.providers[0].auth else {
                panic!("{:?}", config.providers[0].auth)
            };
            assert_eq!(
                (aws.session_token.value.as_deref(), warnings.len()),
                (expected, 0),
                "{value:?}"
            );
        }
    }

    #[test]
    fn keys_that_cannot_be_used_are_warned_of() {
        for (env, why) in [
            ("NO_KEY", "is not set"),
            ("EMPTY_KEY", "is not set"),
            ("BROKEN_KEY", "holds control characters"),
        ] {
            let value = format!(r#"{{"type": "bearer", "env": "{env}"}}"#);
            let (config, warnings) = parse_with(AUTH, &value).unwrap();
            assert!(!config.providers[1].auth.missing_key().is_none());
            let [warning] = warnings.as_slice() else { panic!("{warnings:?}") };
            assert_eq!(
                warning.to_string(),
                format!(
                    "providers.openai.auth.env: environment variable {env} {why}, \
                     so the provider cannot be used"
                )
            );
        }
    }
}
