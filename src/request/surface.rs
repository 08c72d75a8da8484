//! Which requests are the gateway's, by path and method; all others pass untouched.

use crate::config::Paths;
use crate::error::ErrorForm;

/// Whose conventions an answer follows, chosen by the base path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Face {
    /// `/v1/`: the upstream's own bytes, facts in headers.
    OpenAi,
    /// `/api/v1/`: OpenRouter's ids, `provider`, `usage.cost`.
    OpenRouter,
}

/// What a client wants done, in OpenTelemetry's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `chat/completions`
    Chat,
    /// `completions`
    Completions,
    /// `embeddings`
    Embeddings,
    /// `messages`, Anthropic's chat
    Messages,
    /// `messages/count_tokens`
    CountTokens,
    /// `responses`, OpenAI's other chat
    Responses,
}

impl Operation {
    const ALL: [Self; 6] =
        [Self::Chat, Self::Completions, Self::Embeddings, Self::Messages, Self::CountTokens, Self::Responses];

    /// The path below the base path, the same upstream.
    pub fn path(self) -> &'static str {
        match self {
            Self::Chat => "chat/completions",
            Self::Completions => "completions",
            Self::Embeddings => "embeddings",
            Self::Messages => "messages",
            Self::CountTokens => "messages/count_tokens",
            Self::Responses => "responses",
        }
    }

    /// `gen_ai.operation.name`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Chat | Self::Messages | Self::Responses => "chat",
            Self::Completions => "text_completion",
            Self::Embeddings => "embeddings",
            Self::CountTokens => "count_tokens",
        }
    }

    /// Whether the answer is made of output tokens.
    pub fn generates(self) -> bool {
        !matches!(self, Self::Embeddings | Self::CountTokens)
    }
}

/// What a path and method ask of the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Surface {
    /// Not ours: passes untouched and unbuffered.
    Elsewhere,
    /// A request to a model.
    Exchange(Face, Operation),
    /// `GET models`
    Models(Face),
    /// A known path with a wrong method.
    WrongMethod(ErrorForm, &'static str),
}

impl Surface {
    /// Classifies a request by its method and `:path`, which may carry a query.
    pub fn of(paths: &Paths, method: &str, path: &str) -> Self {
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let faces = [(&paths.openai, Face::OpenAi), (&paths.openrouter, Face::OpenRouter)];
        for (base, face) in faces {
            if let Some(rest) = path.strip_prefix(base.as_str()) {
                return Self::below(face, method, rest);
            }
        }
        Self::Elsewhere
    }

    fn below(face: Face, method: &str, rest: &str) -> Self {
        if rest == "models" {
            return match method {
                "GET" | "HEAD" => Self::Models(face),
                _ => Self::WrongMethod(ErrorForm::of(face, Operation::Chat), "GET, HEAD"),
            };
        }
        match Operation::ALL.into_iter().find(|operation| operation.path() == rest) {
            Some(operation) if method == "POST" => Self::Exchange(face, operation),
            Some(operation) => Self::WrongMethod(ErrorForm::of(face, operation), "POST"),
            None => Self::Elsewhere,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn paths() -> Paths {
        Paths { openai: "/v1/".into(), openrouter: "/api/v1/".into(), operator: "/modelyard/".into() }
    }

    #[test]
    fn only_the_gateways_paths_are_claimed() {
        use Surface::*;
        let rows = [
            ("POST", "/v1/chat/completions", Exchange(Face::OpenAi, Operation::Chat)),
            ("POST", "/v1/chat/completions?beta=true", Exchange(Face::OpenAi, Operation::Chat)),
            ("POST", "/api/v1/completions", Exchange(Face::OpenRouter, Operation::Completions)),
            ("POST", "/v1/embeddings", Exchange(Face::OpenAi, Operation::Embeddings)),
            ("POST", "/v1/messages", Exchange(Face::OpenAi, Operation::Messages)),
            ("POST", "/v1/messages/count_tokens?beta=true", Exchange(Face::OpenAi, Operation::CountTokens)),
            ("POST", "/api/v1/responses", Exchange(Face::OpenRouter, Operation::Responses)),
            ("GET", "/v1/models", Models(Face::OpenAi)),
            ("HEAD", "/api/v1/models", Models(Face::OpenRouter)),
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
