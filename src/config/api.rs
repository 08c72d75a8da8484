//! The wire formats that upstreams speak, a row for each: the document's parser and its messages,
//! and the paths and headers of requests come from this table, and so do the lists of the tests.
//!
//! How a format is written and read stands in a folder of `translate`, whose registry does not
//! compile without it.

use crate::operation::Operation;

/// What is known of a wire format besides how it is written and read.
#[derive(Debug)]
pub struct Facts {
    /// Where the API stands at its usual host.
    pub base_path: &'static str,
    /// Operations whose requests and answers pass as they are: clients who want them speak this
    /// very format.
    pub passes: &'static [Operation],
    /// Headers that every request needs.
    pub headers: &'static [(&'static str, &'static str)],
}

macro_rules! formats {
    ($($(#[$what:meta])+ $name:literal $api:ident $facts:tt)+) => {
        /// A wire format an upstream speaks.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Api {
            $($(#[$what])+ $api,)+
        }

        /// Every wire format by its name in the document, in the order in which messages list them.
        pub const FORMATS: &[(&str, Api)] = &[$(($name, Api::$api)),+];

        impl Api {
            /// What its row says.
            pub fn facts(self) -> &'static Facts {
                match self {
                    $(Self::$api => &Facts $facts,)+
                }
            }
        }
    };
}

formats! {
    /// OpenAI and everything compatible.
    "openai" OpenAi { base_path: "/v1", passes: OPENAI, headers: &[] }
    /// Anthropic's Messages.
    "anthropic" Anthropic {
        base_path: "/v1",
        passes: &[Operation::Messages, Operation::CountTokens],
        // The version that the translations to and from it are written for.
        headers: &[("anthropic-version", "2023-06-01")],
    }
    /// Google's generateContent, also on Vertex AI.
    "gemini" Gemini { base_path: "/v1beta", passes: &[], headers: &[] }
    /// Amazon Bedrock's Converse.
    "bedrock" Bedrock { base_path: "", passes: &[], headers: &[] }
    /// OpenAI's models on Azure: OpenAI's bodies, other paths.
    "azure-openai" AzureOpenAi { base_path: "/openai/v1", passes: OPENAI, headers: &[] }
}

const OPENAI: &[Operation] = &[Operation::Chat, Operation::Completions, Operation::Embeddings];

impl Api {
    /// Whether the bytes of an operation pass.
    pub fn passes(self, operation: Operation) -> bool {
        self.facts().passes.contains(&operation)
    }
}
