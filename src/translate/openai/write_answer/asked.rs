//! What a client's request says about the form of its answer.
//!
//! Found without reading the request again where none of the words are in it, as is usual.

use memchr::memmem;

use crate::translate::delta::FinishReason;
use crate::translate::tolerant::object;
use crate::wire::json::{JsonError, Reader};

/// What a client wants of its answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    /// Thinking is not to be shown.
    pub(super) no_reasoning: bool,
    /// Tools were offered as `functions`: calls are to come as `function_call`.
    pub(super) functions: bool,
}

impl Asked {
    /// Reads a request's body; whatever is wrong with it asks for nothing.
    pub(super) fn of(request: &[u8]) -> Self {
        let words = ["\"exclude\"", "\"include_reasoning\"", "\"functions\""];
        let mut asked = Self::default();
        if !words.iter().any(|word| memmem::find(request, word.as_bytes()).is_some()) {
            return asked;
        }
        let read = object(&mut Reader::new(request), |reader, key| asked.member(reader, key));
        read.map_or(Self::default(), |()| asked)
    }

    /// The client's name for why an answer ended.
    pub(super) fn finish_name(self, reason: FinishReason) -> &'static str {
        if reason == FinishReason::ToolCalls && self.functions {
            "function_call"
        } else {
            reason.name()
        }
    }

    fn member(&mut self, reader: &mut Reader<'_>, key: &str) -> Result<(), JsonError> {
        match key {
            "functions" => self.functions = true,
            "include_reasoning" => self.no_reasoning |= reader.boolean()? == Some(false),
            "reasoning" => object(reader, |reader, key| {
                if key == "exclude" {
                    self.no_reasoning |= reader.boolean()? == Some(true);
                }
                Ok(())
            })?,
            _ => {}
        }
        Ok(())
    }
}
