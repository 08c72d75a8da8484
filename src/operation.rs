//! What a client wants done, and by whose conventions: the words that every layer shares.

/// Whose conventions an answer follows, chosen by the base path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Face {
    /// Below `/v1/`, answers are the upstream's own bytes, and the gateway tells facts in headers.
    OpenAi,
    /// Below `/api/v1/`, answers have OpenRouter's ids, `provider` and `usage.cost`.
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
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Chat,
        Self::Completions,
        Self::Embeddings,
        Self::Messages,
        Self::CountTokens,
        Self::Responses,
    ];

    /// The path below the base path, which is the same at the upstream.
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

    /// The operation of this path; `chat` for short is `chat/completions`.
    pub fn named(name: &str) -> Option<Self> {
        let path = if name == "chat" { Self::Chat.path() } else { name };
        Self::ALL.into_iter().find(|operation| operation.path() == path)
    }

    /// The value of OpenTelemetry's `gen_ai.operation.name`.
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
