//! What a model takes, told by its name: an id, the id of an inference profile, or an ARN with one
//! of them in it.
//!
//! Only Anthropic's and Amazon's own models are known, because only their extras are sent. A name
//! that tells nothing (an application's own inference profile) is a model without extras. Sources:
//! Bedrock's user guide on adaptive thinking and prompt caching, model cards (2026-11).

/// What of a request depends on the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Model {
    /// Whose model it is.
    pub(super) family: Family,
    /// How it is told to think.
    pub(super) thinking: Thinking,
    /// Which of `temperature`, `top_p` and `top_k` it takes.
    pub(super) sampling: Sampling,
}

/// Who made a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// Claude.
    Anthropic,
    /// Amazon Nova.
    Nova,
    /// Anyone else.
    Other,
}

/// How a model is told to think.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Thinking {
    /// It does not think, or nothing that this gateway sends makes it.
    Untold,
    /// With a budget in tokens.
    Budget,
    /// With a level; it does not think unless told.
    Level,
    /// With a level; it thinks unless told not to.
    LevelByDefault,
    /// With a level; it always thinks.
    LevelAlways,
}

/// Which numbers that steer sampling a model takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sampling {
    /// All.
    All,
    /// All, but not `temperature` and `top_p` together.
    OneOfTwo,
    /// None: they are errors.
    Fixed,
}

/// Beginnings of Claude's names, the first that fits; newer models are like the last one.
const CLAUDE: &[(&str, Thinking, Sampling)] = &[
    ("3-7-", Thinking::Budget, Sampling::All),
    ("3-", Thinking::Untold, Sampling::All),
    ("v2", Thinking::Untold, Sampling::All),
    ("instant", Thinking::Untold, Sampling::All),
    ("sonnet-4-2025", Thinking::Budget, Sampling::All),
    ("opus-4-2025", Thinking::Budget, Sampling::All),
    ("opus-4-1-", Thinking::Budget, Sampling::OneOfTwo),
    ("sonnet-4-5-", Thinking::Budget, Sampling::OneOfTwo),
    ("haiku-4-5-", Thinking::Budget, Sampling::OneOfTwo),
    ("opus-4-5-", Thinking::Budget, Sampling::OneOfTwo),
    ("opus-4-6", Thinking::Level, Sampling::OneOfTwo),
    ("sonnet-4-6", Thinking::Level, Sampling::OneOfTwo),
    ("opus-4-7", Thinking::Level, Sampling::Fixed),
    ("opus-4-8", Thinking::Level, Sampling::Fixed),
    ("mythos-", Thinking::LevelAlways, Sampling::Fixed),
    ("fable-", Thinking::LevelAlways, Sampling::Fixed),
    ("", Thinking::LevelByDefault, Sampling::Fixed),
];

impl Model {
    /// What `name` tells.
    pub(super) fn of(name: &str) -> Self {
        if let Some((_, rest)) = name.split_once("anthropic.") {
            let version = rest.strip_prefix("claude-").unwrap_or(rest);
            let known = CLAUDE.iter().find(|(beginning, ..)| version.starts_with(beginning));
            let (thinking, sampling) = known
                .map_or((Thinking::LevelByDefault, Sampling::Fixed), |(_, thinking, sampling)| {
                    (*thinking, *sampling)
                });
            return Self { family: Family::Anthropic, thinking, sampling };
        }
        let family = if name.contains("amazon.nova") { Family::Nova } else { Family::Other };
        Self { family, thinking: Thinking::Untold, sampling: Sampling::All }
    }

    /// Whether prompt cache breakpoints are understood; other models refuse them.
    pub(super) fn caches(self) -> bool {
        self.family != Family::Other
    }

    /// Whether they may stand behind tools and last for an hour.
    pub(super) fn caches_tools_and_longer(self) -> bool {
        self.family == Family::Anthropic
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn names_tell_what_a_model_takes() {
        for (name, thinking, sampling) in [
            ("anthropic.claude-3-5-sonnet-20241022-v2:0", Thinking::Untold, Sampling::All),
            ("us.anthropic.claude-3-7-sonnet-20250219-v1:0", Thinking::Budget, Sampling::All),
            ("anthropic.claude-v2:1", Thinking::Untold, Sampling::All),
            ("anthropic.claude-instant-v1", Thinking::Untold, Sampling::All),
            ("eu.anthropic.claude-sonnet-4-20250514-v1:0", Thinking::Budget, Sampling::All),
            ("us.anthropic.claude-opus-4-1-20250805-v1:0", Thinking::Budget, Sampling::OneOfTwo),
            (
                "global.anthropic.claude-haiku-4-5-20251001-v1:0",
                Thinking::Budget,
                Sampling::OneOfTwo,
            ),
            ("anthropic.claude-opus-4-6-v1", Thinking::Level, Sampling::OneOfTwo),
            ("anthropic.claude-opus-4-7", Thinking::Level, Sampling::Fixed),
            ("us.anthropic.claude-sonnet-5", Thinking::LevelByDefault, Sampling::Fixed),
            ("anthropic.claude-opus-5", Thinking::LevelByDefault, Sampling::Fixed),
            ("anthropic.claude-fable-5-1", Thinking::LevelAlways, Sampling::Fixed),
            ("anthropic.claude-mythos-preview", Thinking::LevelAlways, Sampling::Fixed),
            (
                "arn:aws:bedrock:us-east-1:123456789012:inference-profile/\
                 us.anthropic.claude-sonnet-4-5-20250929-v1:0",
                Thinking::Budget,
                Sampling::OneOfTwo,
            ),
        ] {
            assert_eq!(
                Model::of(name),
                Model { family: Family::Anthropic, thinking, sampling },
                "{name}"
            );
        }
        for (name, family) in [
            ("us.amazon.nova-pro-v1:0", Family::Nova),
            ("meta.llama3-70b-instruct-v1:0", Family::Other),
            ("openai.gpt-oss-120b-1:0", Family::Other),
            (
                "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123",
                Family::Other,
            ),
        ] {
            assert_eq!(
                Model::of(name),
                Model { family, thinking: Thinking::Untold, sampling: Sampling::All },
                "{name}"
            );
        }
    }
}
