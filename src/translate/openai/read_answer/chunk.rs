//! What a chunk of a stream or a whole answer says, read once from left to right.
//!
//! Members come in any order, so all of them are read before anything is told; a text that is not
//! JSON tells nothing. Values of a wrong type count as absent. Only the first choice is read.
//! Beyond OpenAI's (2026-11): OpenRouter's `reasoning` and `reasoning_details`, DeepSeek's
//! `reasoning_content`, Mistral's content in parts, Gemini's `extra_content` of tool calls.

use crate::translate::form::Text;
use crate::translate::openai::reasoning::{Detail, thought_signature};
use crate::translate::tolerant::{array, non_empty_text, object, raw, raw_object, text};
use crate::wire::json::{JsonError, Kind, Reader};
use crate::wire::openai::UsageFields;

/// A chunk or a whole answer.
#[derive(Debug, Default)]
pub(super) struct Chunk<'a> {
    pub(super) id: Option<Text<'a>>,
    pub(super) model: Option<Text<'a>>,
    /// A top-level `error` that is not null.
    pub(super) error: bool,
    /// The first choice.
    pub(super) choice: Option<Choice<'a>>,
    pub(super) service_tier: Option<Text<'a>>,
    pub(super) usage: Option<UsageFields>,
}

/// One choice of it.
#[derive(Debug, Default)]
pub(super) struct Choice<'a> {
    pub(super) finish: Option<Text<'a>>,
    /// `native_finish_reason`
    pub(super) native: Option<Text<'a>>,
    /// `delta`, or `message` where there is none.
    pub(super) said: Option<Said<'a>>,
}

/// A `delta` or `message`.
#[derive(Debug, Default)]
pub(super) struct Said<'a> {
    pub(super) content: Option<Text<'a>>,
    pub(super) refusal: Option<Text<'a>>,
    /// `reasoning` or `reasoning_content`
    pub(super) reasoning: Option<Text<'a>>,
    pub(super) details: Vec<Detail<'a>>,
    pub(super) calls: Vec<CallFields<'a>>,
    /// JSON texts.
    pub(super) annotations: Vec<&'a str>,
}

/// An element of `tool_calls`, or a `function_call`.
#[derive(Debug, Default)]
pub(super) struct CallFields<'a> {
    pub(super) index: Option<u64>,
    pub(super) id: Option<Text<'a>>,
    pub(super) name: Option<Text<'a>>,
    pub(super) arguments: Option<Text<'a>>,
    pub(super) signature: Option<Text<'a>>,
}

impl<'a> Chunk<'a> {
    /// Reads one; `None` if it is not a JSON object.
    pub(super) fn parse(json: &'a [u8]) -> Option<Self> {
        let mut chunk = Self::default();
        let mut reader = Reader::new(json);
        reader.object(|reader, member| chunk.member(reader, &member.key.decode(), json)).ok()?;
        reader.end().ok()?;
        Some(chunk)
    }

    fn member(
        &mut self,
        reader: &mut Reader<'a>,
        key: &str,
        json: &'a [u8],
    ) -> Result<(), JsonError> {
        match key {
            "id" => self.id = text(reader)?,
            "model" => self.model = text(reader)?,
            "error" => self.error = reader.peek()? != Kind::Null,
            "service_tier" => self.service_tier = text(reader)?,
            "usage" if reader.peek()? == Kind::Object => {
                self.usage = json.get(reader.skip()?).and_then(UsageFields::parse);
            }
            "choices" => array(reader, |reader| {
                if let (Some((0, choice)), None) = (Choice::read(reader, json)?, &self.choice) {
                    self.choice = Some(choice);
                }
                Ok(())
            })?,
            _ => {}
        }
        Ok(())
    }
}

impl<'a> Choice<'a> {
    /// Reads one with its index; `None` if it is not an object.
    fn read(reader: &mut Reader<'a>, json: &'a [u8]) -> Result<Option<(u64, Self)>, JsonError> {
        let (mut choice, mut index, mut message) = (Self::default(), 0, None);
        let is_object = reader.peek()? == Kind::Object;
        object(reader, |reader, key| {
            match key {
                "index" => index = reader.u64()?.unwrap_or(0),
                "finish_reason" => {
                    choice.finish = text(reader)?.filter(|reason| !reason.is_empty())
                }
                "native_finish_reason" => {
                    choice.native = text(reader)?.filter(|reason| !reason.is_empty())
                }
                "delta" => choice.said = Said::read(reader, json)?,
                "message" => message = Said::read(reader, json)?,
                _ => {}
            }
            Ok(())
        })?;
        choice.said = choice.said.or(message);
        Ok(is_object.then_some((index, choice)))
    }
}

impl<'a> Said<'a> {
    fn read(reader: &mut Reader<'a>, json: &'a [u8]) -> Result<Option<Self>, JsonError> {
        let mut said = Self::default();
        let is_object = reader.peek()? == Kind::Object;
        object(reader, |reader, key| said.member(reader, key, json))?;
        Ok(is_object.then_some(said))
    }

    fn member(
        &mut self,
        reader: &mut Reader<'a>,
        key: &str,
        json: &'a [u8],
    ) -> Result<(), JsonError> {
        match key {
            "content" if reader.peek()? == Kind::Array => self.parts(reader)?,
            "content" => self.content = non_empty_text(reader)?,
            "refusal" => self.refusal = non_empty_text(reader)?,
            "reasoning" | "reasoning_content" => {
                self.reasoning = self.reasoning.take().or(non_empty_text(reader)?)
            }
            "reasoning_details" => array(reader, |reader| {
                self.details.push(Detail::read(reader)?);
                Ok(())
            })?,
            "tool_calls" => array(reader, |reader| {
                self.calls.extend(CallFields::read(reader, json)?);
                Ok(())
            })?,
            "function_call" if reader.peek()? == Kind::Object => {
                let mut call = CallFields::default();
                call.function(reader, json)?;
                self.calls.push(call);
            }
            "annotations" => array(reader, |reader| {
                self.annotations.extend(raw_object(json, reader)?);
                Ok(())
            })?,
            _ => {}
        }
        Ok(())
    }

    /// Mistral's content: parts of text and of thinking.
    fn parts(&mut self, reader: &mut Reader<'a>) -> Result<(), JsonError> {
        array(reader, |reader| {
            object(reader, |reader, key| {
                match key {
                    "text" => append(&mut self.content, non_empty_text(reader)?),
                    "thinking" => array(reader, |reader| {
                        object(reader, |reader, key| {
                            if key == "text" {
                                self.details.extend(non_empty_text(reader)?.map(Detail::of_text));
                            }
                            Ok(())
                        })
                    })?,
                    _ => {}
                }
                Ok(())
            })
        })
    }
}

fn append<'a>(text: &mut Option<Text<'a>>, more: Option<Text<'a>>) {
    match (text, more) {
        (Some(text), Some(more)) => text.to_mut().push_str(&more),
        (text, more @ Some(_)) => *text = more,
        (_, None) => {}
    }
}

impl<'a> CallFields<'a> {
    fn read(reader: &mut Reader<'a>, json: &'a [u8]) -> Result<Option<Self>, JsonError> {
        let mut call = Self::default();
        let is_object = reader.peek()? == Kind::Object;
        object(reader, |reader, key| {
            match key {
                "index" => call.index = reader.u64()?,
                "id" => call.id = non_empty_text(reader)?,
                "function" => call.function(reader, json)?,
                "extra_content" => call.signature = thought_signature(reader)?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(is_object.then_some(call))
    }

    fn function(&mut self, reader: &mut Reader<'a>, json: &'a [u8]) -> Result<(), JsonError> {
        object(reader, |reader, key| {
            match key {
                "name" => self.name = non_empty_text(reader)?,
                // Some servers write the arguments as the object they mean.
                "arguments" if reader.peek()? == Kind::Object => {
                    self.arguments = Some(raw(json, reader)?.into())
                }
                "arguments" => self.arguments = non_empty_text(reader)?,
                _ => {}
            }
            Ok(())
        })
    }
}
