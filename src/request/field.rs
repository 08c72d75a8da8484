//! The top-level fields the gateway reads, in one table: what each is to the gateway.

use super::problem;
use crate::error::Error;

/// What a field is to the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// The gateway reads it, and forwards it.
    Read,
    /// The gateway forwards it, and an endpoint may lack it: one of OpenRouter's
    /// `supported_parameters`.
    Parameter,
    /// It is for the gateway alone, which never forwards it.
    Own,
}

macro_rules! fields {
    ($($ident:ident $name:literal $role:ident,)*) => {
        /// A top-level field the gateway reads.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Field {
            $(#[doc = concat!("`", $name, "`")] $ident,)*
        }

        impl Field {
            /// Finds a field by its name.
            pub(super) fn of(name: &[u8]) -> Option<Self> {
                $(if name == $name.as_bytes() {
                    return Some(Self::$ident);
                })*
                None
            }

            /// Its name.
            pub(super) fn name(self) -> &'static str {
                match self {
                    $(Self::$ident => $name,)*
                }
            }

            /// What it is to the gateway.
            pub(super) fn role(self) -> Role {
                match self {
                    $(Self::$ident => Role::$role,)*
                }
            }
        }

        const ALL: &[Field] = &[$(Field::$ident),*];
    };
}

fields! {
    Model "model" Read,
    Stream "stream" Read,
    StreamOptions "stream_options" Read,
    Messages "messages" Read,
    Prompt "prompt" Read,
    Input "input" Read,
    System "system" Read,
    Instructions "instructions" Read,
    MaxOutputTokens "max_output_tokens" Read,
    N "n" Read,
    PromptCacheKey "prompt_cache_key" Read,
    ServiceTier "service_tier" Read,
    Text "text" Read,
    Thinking "thinking" Read,
    OutputConfig "output_config" Read,
    OutputFormat "output_format" Read,
    CacheControl "cache_control" Read,
    ImageConfig "image_config" Read,
    MaxToolCalls "max_tool_calls" Read,
    StopServerToolsWhen "stop_server_tools_when" Read,
    Models "models" Own,
    Fallbacks "fallbacks" Own,
    Provider "provider" Own,
    Route "route" Own,
    Usage "usage" Own,
    Preset "preset" Own,
    Transforms "transforms" Own,
    Plugins "plugins" Own,
    SessionId "session_id" Own,
    Trace "trace" Own,
    Debug "debug" Own,
    MaxTokens "max_tokens" Parameter,
    MaxCompletionTokens "max_completion_tokens" Parameter,
    Temperature "temperature" Parameter,
    TopP "top_p" Parameter,
    TopK "top_k" Parameter,
    MinP "min_p" Parameter,
    TopA "top_a" Parameter,
    FrequencyPenalty "frequency_penalty" Parameter,
    PresencePenalty "presence_penalty" Parameter,
    RepetitionPenalty "repetition_penalty" Parameter,
    LogitBias "logit_bias" Parameter,
    Logprobs "logprobs" Parameter,
    TopLogprobs "top_logprobs" Parameter,
    Prediction "prediction" Parameter,
    Seed "seed" Parameter,
    ResponseFormat "response_format" Parameter,
    StructuredOutputs "structured_outputs" Parameter,
    Stop "stop" Parameter,
    Tools "tools" Parameter,
    ToolChoice "tool_choice" Parameter,
    ParallelToolCalls "parallel_tool_calls" Parameter,
    IncludeReasoning "include_reasoning" Parameter,
    Reasoning "reasoning" Parameter,
    ReasoningEffort "reasoning_effort" Parameter,
    WebSearchOptions "web_search_options" Parameter,
    Verbosity "verbosity" Parameter,
}

impl Field {
    /// The error of a client that gave the field a value that it must not have.
    pub(super) fn wrong(self, problem: &str) -> Error {
        problem::wrong(self.name(), problem)
    }
}

/// Which fields a body has.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Presence {
    /// Those that are there, be it as null.
    pub(super) named: Fields,
    /// Those that are there and not null.
    pub(super) set: Fields,
}

/// A set of fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fields(u64);

impl Fields {
    /// Adds a field; false if it was there already.
    pub(super) fn insert(&mut self, field: Field) -> bool {
        let bit = 1 << field as u64;
        let new = self.0 & bit == 0;
        self.0 |= bit;
        new
    }

    /// Whether the field is there.
    pub(super) fn contains(self, field: Field) -> bool {
        self.0 & (1 << field as u64) != 0
    }

    /// All that are there, in the table's order.
    pub(super) fn iter(self) -> impl Iterator<Item = Field> {
        ALL.iter().copied().filter(move |field| self.contains(*field))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn every_field_fits_the_set_and_is_found_by_its_name() {
        assert!(ALL.len() <= 64);
        let mut fields = Fields::default();
        for field in ALL {
            assert_eq!(Field::of(field.name().as_bytes()), Some(*field));
            assert!(fields.insert(*field), "{field:?} shares a bit");
            assert!(!fields.insert(*field));
        }
        assert_eq!(fields.iter().count(), ALL.len());
    }
}
