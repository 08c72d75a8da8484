//! Which requests are the gateway's, by path and method; all others pass untouched.

use crate::error::ErrorForm;
use crate::operation::{Face, Operation};

/// Base paths; each starts and ends with `/`, and none lies in another.
#[derive(Clone, Debug, PartialEq)]
pub struct Paths {
    /// Where OpenAI's face is. Default: `/v1/`.
    pub openai: String,
    /// Where OpenRouter's face is. Default: `/api/v1/`.
    pub openrouter: String,
    /// Where the operator's paths are, such as `api/explain`. Default: `/modelyard/`.
    pub operator: String,
}

impl Default for Paths {
    fn default() -> Self {
        Self {
            openai: "/v1/".to_owned(),
            openrouter: "/api/v1/".to_owned(),
            operator: "/modelyard/".to_owned(),
        }
    }
}

/// What the gateway answers itself. Names in it are still percent-encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page<'a> {
    /// `models`
    Models,
    /// `models/count`
    Count,
    /// `model/{author}/{slug}`
    Model(&'a str),
    /// `models/{id}`, which OpenAI's and Anthropic's clients ask for
    Retrieve(&'a str),
    /// `models/{author}/{slug}/endpoints`
    Endpoints(&'a str),
    /// `providers`
    Providers,
    /// `key`
    Key,
    /// `generation?id=`
    Generation,
}

impl<'a> Page<'a> {
    /// The page of a path below a base path.
    fn of(rest: &'a str) -> Option<Self> {
        Some(match rest {
            "models" => Self::Models,
            "models/count" => Self::Count,
            "providers" => Self::Providers,
            "key" => Self::Key,
            "generation" => Self::Generation,
            _ => {
                let listed = rest.strip_prefix("models/");
                let endpoints =
                    listed.and_then(|name| name.strip_suffix("/endpoints")).map(Self::Endpoints);
                let page = endpoints.or(listed.map(Self::Retrieve));
                let page = page.or_else(|| rest.strip_prefix("model/").map(Self::Model))?;
                let (Self::Endpoints(name) | Self::Retrieve(name) | Self::Model(name)) = page
                else {
                    return None;
                };
                return (!name.is_empty()).then_some(page);
            }
        })
    }
}

/// What a path and method ask of the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Surface<'a> {
    /// It is none of the gateway's, and passes untouched and unbuffered.
    Elsewhere,
    /// A request to a model.
    Exchange(Face, Operation),
    /// Answered from what the gateway knows.
    Page(Face, Page<'a>),
    /// What stands below the operator's path.
    Operator(&'a str),
    /// A known path with a wrong method.
    WrongMethod(ErrorForm, &'static str),
}

impl<'a> Surface<'a> {
    /// Classifies a request by its method and `:path`, which may carry a query.
    pub fn of(paths: &Paths, method: &str, path: &'a str) -> Self {
        let end = path.bytes().position(|byte| matches!(byte, b'?' | b'#')).unwrap_or(path.len());
        let path = path.get(..end).unwrap_or_default();
        let faces = [(&paths.openai, Face::OpenAi), (&paths.openrouter, Face::OpenRouter)];
        for (base, face) in faces {
            if let Some(rest) = path.strip_prefix(base.as_str()) {
                return Self::below(face, method, rest);
            }
        }
        path.strip_prefix(paths.operator.as_str()).map_or(Self::Elsewhere, Self::Operator)
    }

    fn below(face: Face, method: &str, rest: &'a str) -> Self {
        match Operation::ALL.into_iter().find(|operation| operation.path() == rest) {
            Some(operation) if method == "POST" => Self::Exchange(face, operation),
            Some(operation) => Self::WrongMethod(ErrorForm::of(face, operation), "POST"),
            None => Self::page(face, method, rest),
        }
    }

    #[cold]
    fn page(face: Face, method: &str, rest: &'a str) -> Self {
        match (Page::of(rest), method) {
            (Some(page), "GET" | "HEAD") => Self::Page(face, page),
            (Some(_), _) => Self::WrongMethod(ErrorForm::of(face, Operation::Chat), "GET, HEAD"),
            (None, _) => Self::Elsewhere,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn paths() -> Paths {
        Paths {
            openai: "/v1/".into(),
            openrouter: "/api/v1/".into(),
            operator: "/modelyard/".into(),
        }
    }

    #[test]
    fn only_the_gateways_paths_are_claimed() {
        use super::Page::*;
        use Surface::*;
        let rows = [
            ("POST", "/v1/chat/completions", Exchange(Face::OpenAi, Operation::Chat)),
            ("POST", "/v1/chat/completions?beta=true", Exchange(Face::OpenAi, Operation::Chat)),
            ("POST", "/api/v1/completions", Exchange(Face::OpenRouter, Operation::Completions)),
            ("POST", "/v1/embeddings", Exchange(Face::OpenAi, Operation::Embeddings)),
            ("POST", "/v1/messages", Exchange(Face::OpenAi, Operation::Messages)),
            (
                "POST",
                "/v1/messages/count_tokens?beta=true",
                Exchange(Face::OpenAi, Operation::CountTokens),
            ),
            ("POST", "/api/v1/responses", Exchange(Face::OpenRouter, Operation::Responses)),
            ("GET", "/v1/models", Page(Face::OpenAi, Models)),
            ("HEAD", "/api/v1/models?limit=1", Page(Face::OpenRouter, Models)),
            ("GET", "/v1/models/count", Page(Face::OpenAi, Count)),
            ("GET", "/v1/models/a/b:free/endpoints", Page(Face::OpenAi, Endpoints("a/b:free"))),
            ("GET", "/api/v1/model/a/b", Page(Face::OpenRouter, Model("a/b"))),
            ("GET", "/api/v1/providers", Page(Face::OpenRouter, Providers)),
            ("GET", "/api/v1/key", Page(Face::OpenRouter, Key)),
            ("GET", "/api/v1/generation?id=gen-1", Page(Face::OpenRouter, Generation)),
            ("DELETE", "/api/v1/key", WrongMethod(ErrorForm::OpenRouter, "GET, HEAD")),
            ("GET", "/v1/models//endpoints", Elsewhere),
            ("GET", "/v1/models/a", Page(Face::OpenAi, Retrieve("a"))),
            ("GET", "/v1/models/a%2Fb:free", Page(Face::OpenAi, Retrieve("a%2Fb:free"))),
            ("DELETE", "/v1/models/a/b", WrongMethod(ErrorForm::OpenAi, "GET, HEAD")),
            ("GET", "/v1/models/", Elsewhere),
            ("GET", "/v1/model/", Elsewhere),
            ("POST", "/modelyard/api/explain?seed=1", Operator("api/explain")),
            ("GET", "/modelyard/", Operator("")),
            ("GET", "/modelyard", Elsewhere),
            ("GET", "/v1/embeddings", WrongMethod(ErrorForm::OpenAi, "POST")),
            ("HEAD", "/v1/chat/completions", WrongMethod(ErrorForm::OpenAi, "POST")),
            ("DELETE", "/v1/models", WrongMethod(ErrorForm::OpenAi, "GET, HEAD")),
            ("POST", "/v1/chat/completions/", Elsewhere),
            ("POST", "/v1chat/completions", Elsewhere),
            ("GET", "/v1/files", Elsewhere),
            ("GET", "/", Elsewhere),
            ("POST", "/shop/v1/chat/completions", Elsewhere),
        ];
        for (method, path, expected) in rows {
            assert_eq!(Surface::of(&paths(), method, path), expected, "{method} {path}");
        }
    }
}
