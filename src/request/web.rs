//! Requests of web pages: what one from elsewhere must look like, and which pages may read answers.

use crate::error::Reply;

/// `cors` of the document: which web pages may use the gateway. Credentials are never allowed, so
/// that a page can only use a key that it has itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Cors {
    /// The origins of pages that may, each `scheme://host[:port]`, or `*` for all. Required.
    pub origins: Vec<String>,
    /// The methods that pages may use. Default: `GET`, `HEAD`, `POST`.
    pub methods: Vec<String>,
    /// The request headers that pages may send. Default: whichever they ask for.
    pub headers: Option<Vec<String>>,
    /// The response headers that pages may read. Default: `x-generation-id`, `x-modelyard-*`,
    /// `retry-after` and `x-ratelimit-*`.
    pub expose: Vec<String>,
}

impl Default for Cors {
    fn default() -> Self {
        Self {
            origins: Vec::new(),
            methods: ["GET", "HEAD", "POST"].map(str::to_owned).to_vec(),
            headers: None,
            expose: EXPOSED.map(str::to_owned).to_vec(),
        }
    }
}

/// What answers have besides those that every page may read.
const EXPOSED: [&str; 13] = [
    "x-generation-id",
    "x-modelyard-attempts",
    "x-modelyard-dropped",
    "x-modelyard-model",
    "x-modelyard-provider",
    "x-modelyard-tried",
    "retry-after",
    "x-ratelimit-limit-requests",
    "x-ratelimit-limit-tokens",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-remaining-tokens",
    "x-ratelimit-reset-requests",
    "x-ratelimit-reset-tokens",
];

/// Seconds for which browsers keep what a preflight was told.
const KEPT: &str = "600";

impl Cors {
    /// What an answer says to a page of this origin; `None`: the page may not read it.
    pub fn answer(&self, origin: &str) -> Option<Vec<(&'static str, String)>> {
        let mut headers = self.allowed(origin)?;
        if !self.expose.is_empty() {
            headers.push(("access-control-expose-headers", self.expose.join(", ")));
        }
        Some(headers)
    }

    /// The answer to a preflight of a page of this origin, which asks for these request headers.
    pub fn preflight(&self, origin: &str, asked: &str) -> Option<Reply> {
        let mut headers = self.allowed(origin)?;
        let allowed = self.headers.as_ref().map_or(asked.to_owned(), |names| names.join(", "));
        headers.push(("access-control-allow-methods", self.methods.join(", ")));
        if !allowed.is_empty() {
            headers.push(("access-control-allow-headers", allowed));
        }
        headers.push(("access-control-max-age", KEPT.to_owned()));
        Some(Reply { status: 204, headers, body: Vec::new() })
    }

    fn allowed(&self, origin: &str) -> Option<Vec<(&'static str, String)>> {
        let known = self.origins.iter().find(|known| *known == "*" || *known == origin)?;
        let mut headers = vec![("access-control-allow-origin", known.clone())];
        if known != "*" {
            // Caches must not hand one origin what another was told.
            headers.push(("vary", "origin".to_owned()));
        }
        Some(headers)
    }
}

/// Whether a web page elsewhere may have made this request without asking: its browser lets it post
/// a form or plain text to anybody, but JSON only to who allows it.
pub fn is_foreign_form(headers: &[(&str, &str)]) -> bool {
    let mut from_elsewhere = false;
    let mut is_json = false;
    for (name, value) in headers {
        match *name {
            "origin" => from_elsewhere = true,
            "sec-fetch-site" => from_elsewhere |= value.eq_ignore_ascii_case("cross-site"),
            "content-type" => is_json = is_json_type(value),
            _ => {}
        }
    }
    from_elsewhere && !is_json
}

/// `application/json`, or a type that ends in `+json`.
fn is_json_type(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json"
        || essence.starts_with("application/") && essence.ends_with("+json")
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_form_from_elsewhere_is_told_from_json() {
        let rows: [(&[(&str, &str)], bool); 9] = [
            (&[], false),
            (&[("content-type", "text/plain")], false),
            (&[("origin", "https://a.example")], true),
            (&[("origin", "null"), ("content-type", "text/plain")], true),
            (&[("sec-fetch-site", "cross-site")], true),
            (&[("sec-fetch-site", "same-origin")], false),
            (&[("origin", "x"), ("content-type", "application/x-www-form-urlencoded")], true),
            (&[("origin", "x"), ("content-type", "Application/JSON; charset=utf-8")], false),
            (&[("origin", "x"), ("content-type", "text/plain; a=application/json")], true),
        ];
        for (headers, expected) in rows {
            assert_eq!(is_foreign_form(headers), expected, "{headers:?}");
        }
    }

    #[test]
    fn only_allowed_origins_are_told_anything() {
        let cors = Cors { origins: vec!["https://a.example".to_owned()], ..Cors::default() };
        for origin in ["", "null", "https://b.example", "http://a.example", "https://a.example:1"] {
            assert_eq!(cors.answer(origin), None, "{origin}");
            assert_eq!(cors.preflight(origin, "authorization"), None, "{origin}");
        }
        let answer = cors.answer("https://a.example").unwrap();
        assert_eq!(answer[0], ("access-control-allow-origin", "https://a.example".to_owned()));
        assert_eq!(answer[1], ("vary", "origin".to_owned()));
        let anybody = Cors { origins: vec!["*".to_owned()], ..Cors::default() };
        let answer = anybody.answer("https://b.example").unwrap();
        assert_eq!(answer[0], ("access-control-allow-origin", "*".to_owned()));
        assert_ne!(answer[1].0, "vary");
    }

    fn allowed(cors: &Cors, asked: &str) -> Option<String> {
        let headers = cors.preflight("https://a.example", asked).unwrap().headers;
        let named = headers.into_iter().find(|(name, _)| *name == "access-control-allow-headers");
        named.map(|(_, value)| value)
    }

    #[test]
    fn a_preflight_allows_what_the_document_names_or_else_what_is_asked_for() {
        let mut cors = Cors { origins: vec!["*".to_owned()], ..Cors::default() };
        assert_eq!(allowed(&cors, "authorization,x-a").as_deref(), Some("authorization,x-a"));
        assert_eq!(allowed(&cors, ""), None);
        cors.headers = Some(vec!["content-type".to_owned(), "authorization".to_owned()]);
        assert_eq!(allowed(&cors, "x-a").as_deref(), Some("content-type, authorization"));
    }
}
