//! What texts may stand where: each rule with the words an error uses for it.

/// A digest by SHA-256.
pub(super) type Digest = [u8; 32];

/// A condition on a text.
pub(super) struct Rule {
    /// Completes "allowed:" and "expected:".
    pub(super) allowed: &'static str,
    /// Whether a text may stand there.
    pub(super) holds: fn(&str) -> bool,
}

/// Bytes of the longest name of a model or variable.
const MAX_NAME: usize = 256;

/// Headers that belong to one connection or that the gateway itself sets.
const RESERVED_HEADERS: &[&str] = &[
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

pub(super) const TITLE: Rule =
    Rule { allowed: "text without control characters", holds: |s| !s.is_empty() && is_clean(s) };

pub(super) const PROVIDER_ID: Rule = Rule {
    allowed: "a-z, 0-9, `.`, `_`, `-`, first a letter or digit",
    holds: |s| is_slug(s, b"._-") && s.len() <= MAX_NAME,
};

pub(super) const TAG: Rule = Rule {
    allowed: "a-z, 0-9, `.`, `_`, `-`, `/`, first a letter or digit",
    holds: |s| is_slug(s, b"._-/") && s.len() <= MAX_NAME,
};

pub(super) const CLUSTER: Rule =
    Rule { allowed: "the name of an Envoy cluster, without spaces", holds: is_word };

pub(super) const HOST: Rule = Rule {
    allowed: "a host name, with a port if need be, without scheme, path and spaces",
    holds: |s| {
        let forbidden = br#"/\?#@"<>"#;
        !s.is_empty() && s.bytes().all(|b| b.is_ascii_graphic() && !forbidden.contains(&b))
    },
};

pub(super) const HOST_PATTERN: Rule = Rule {
    allowed: "a host name, exact or with `*.` in front",
    holds: |s| {
        let host = s.strip_prefix("*.").unwrap_or(s);
        (HOST.holds)(host) && !host.contains('*')
    },
};

pub(super) const ORIGIN: Rule = Rule {
    allowed: "`*`, or `scheme://host` with a port if need be, in lower case, without a path",
    holds: |s| {
        let host =
            s.split_once("://").filter(|(scheme, _)| is_slug(scheme, b"+-.")).map(|(_, host)| host);
        s == "*" || host.is_some_and(|host| (HOST.holds)(host) && host == host.to_ascii_lowercase())
    },
};

pub(super) const METHOD: Rule = Rule {
    allowed: "a method in capital letters",
    holds: |s| !s.is_empty() && s.bytes().all(|byte| byte.is_ascii_uppercase()),
};

pub(super) const BASE_PATH: Rule = Rule {
    allowed: "empty or a path that starts with `/`, without the operation's, \
              such as `/chat/completions`",
    holds: |s| s.is_empty() || is_path_with_query(s) && !is_of_operation(s),
};

pub(super) const FACE: Rule = Rule {
    allowed: "a path that starts and ends with `/`",
    holds: |s| is_path(s) && s.ends_with('/') && !s.contains("//"),
};

pub(super) const VARIABLE: Rule = Rule {
    allowed: "the name of an environment variable",
    holds: |s| {
        !s.starts_with(|c: char| c.is_ascii_digit())
            && !s.is_empty()
            && s.len() <= MAX_NAME
            && s.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    },
};

pub(super) const HEADER_NAME: Rule = Rule {
    allowed: "the name of a header that is neither of the connection nor `host` \
              nor `content-length`",
    holds: |s| is_token(s) && !RESERVED_HEADERS.contains(&s.to_ascii_lowercase().as_str()),
};

pub(super) const RESPONSE_HEADER: Rule = Rule {
    allowed: "the name of a response header or its beginning and `*`, neither of the connection nor of `x-envoy-` and `x-modelyard-`",
    holds: |s| {
        let lower = s.to_ascii_lowercase();
        let name = lower.strip_suffix('*').unwrap_or(&lower);
        let is_ours = ["x-envoy-", "x-modelyard-"].iter().any(|own| name.starts_with(own));
        s == "*" || (HEADER_NAME.holds)(name) && !name.contains('*') && !is_ours
    },
};

pub(super) const HEADER_VALUE: Rule =
    Rule { allowed: "text without control characters", holds: is_clean };

pub(super) const QUERY_NAME: Rule = Rule {
    allowed: "letters, digits, `.`, `_`, `-`, `~`",
    holds: |s| {
        !s.is_empty() && s.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-~".contains(&b))
    },
};

pub(super) const MODEL_ID: Rule = Rule {
    allowed: "author/slug, a name, or either ending in its only `*`, at most 256 bytes, \
              without spaces",
    holds: |s| match s.strip_suffix('*') {
        Some(prefix) => prefix.is_empty() || is_name(prefix),
        None => is_name(s) && s.split('/').all(|part| !part.is_empty()),
    },
};

pub(super) const MODEL_NAME: Rule =
    Rule { allowed: "a name of at most 256 bytes, without spaces and `*`", holds: is_name };

pub(super) const MODEL_PATTERN: Rule = Rule {
    allowed: "a model's id, with `*` for anything, at most 1024 bytes, \
              without spaces, `?`, `[`, `]`, `{`, `}`",
    holds: |s| is_word(s) && s.len() <= 1024 && !s.contains(['?', '[', ']', '{', '}']),
};

pub(super) const UPSTREAM_MODEL: Rule = Rule {
    allowed: "a name of at most 256 bytes, without spaces, or `*` in a wildcard model",
    holds: |s| s == "*" || is_name(s),
};

pub(super) const REGION: Rule = Rule { allowed: "a name without spaces", holds: is_word };

pub(super) const PARAMETER: Rule =
    Rule { allowed: "the name of a request field, without spaces", holds: is_word };

pub(super) const SHA256: Rule =
    Rule { allowed: "64 hexadecimal digits", holds: |s| digest_of_hex(s).is_some() };

pub(super) const TIME_OF_DAY: Rule =
    Rule { allowed: "four digits, \"0000\" to \"2359\"", holds: |s| minute_of_day(s).is_some() };

/// Text that cannot end a header or a line of the log.
pub(super) fn is_clean(s: &str) -> bool {
    !s.chars().any(char::is_control)
}

fn is_word(s: &str) -> bool {
    !s.is_empty() && is_clean(s) && !s.chars().any(char::is_whitespace)
}

fn is_name(s: &str) -> bool {
    is_word(s) && s.len() <= MAX_NAME && !s.contains('*')
}

fn is_path(s: &str) -> bool {
    s.starts_with('/') && is_word(s) && !s.contains(['?', '#'])
}

/// Whether a path is that of one operation, as documentation has it; the gateway adds its own.
fn is_of_operation(s: &str) -> bool {
    let path = s.split('?').next().unwrap_or_default().trim_end_matches('/');
    ["/completions", "/embeddings", "/messages", "/responses"]
        .iter()
        .any(|operation| path.ends_with(operation))
}

fn is_path_with_query(s: &str) -> bool {
    let (path, query) = s.split_once('?').unwrap_or((s, ""));
    is_path(path) && is_clean(query) && !query.contains([' ', '?', '#'])
}

fn is_slug(s: &str, punctuation: &[u8]) -> bool {
    s.bytes().next().is_some_and(is_alphanumeric)
        && s.bytes().all(|b| is_alphanumeric(b) || punctuation.contains(&b))
}

/// Whether it is a small letter or a digit.
fn is_alphanumeric(b: u8) -> bool {
    b.is_ascii_lowercase() || b.is_ascii_digit()
}

/// Whether it is a `token` by RFC 9110.
fn is_token(s: &str) -> bool {
    let punctuation = b"!#$%&'*+-.^_`|~";
    !s.is_empty() && s.bytes().all(|b| b.is_ascii_alphanumeric() || punctuation.contains(&b))
}

/// The digest that 64 hexadecimal digits spell.
pub(super) fn digest_of_hex(text: &str) -> Option<Digest> {
    let mut digest = Digest::default();
    let digits = text.as_bytes();
    if digits.len() != 2 * digest.len() || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    for (byte, digits) in digest.iter_mut().zip(digits.chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(digest)
}

/// The minutes after midnight of a time written as `HHMM`.
pub(super) fn minute_of_day(text: &str) -> Option<u16> {
    if text.len() != 4 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let time: u16 = text.parse().ok()?;
    let (hours, minutes) = (time / 100, time % 100);
    (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
}
