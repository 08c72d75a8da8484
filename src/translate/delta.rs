//! What an answer says, piece by piece, in nobody's dialect.
//!
//! Upstream formats are read into deltas and client dialects written from them, whether streamed or
//! whole: a whole answer is read as the stream it could have been. Order: `Start`, then content,
//! then `Finish` and `Usage` in any order.

use std::borrow::Cow;

use crate::usage::Usage;
use crate::wire::openai::ErrorFields;

use super::form::Text;

/// One piece of an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Delta<'a> {
    /// The answer begins.
    Start {
        /// The upstream's id of it.
        id: Text<'a>,
        /// The upstream's name of the model.
        model: Text<'a>,
    },
    /// More text.
    Text(Text<'a>),
    /// More of a refusal.
    Refusal(Text<'a>),
    /// More thinking that can be read.
    Thinking(Text<'a>),
    /// The proof that ends the piece of thinking before it.
    Signature(Text<'a>),
    /// A whole piece of thinking that cannot be read.
    EncryptedThinking(Text<'a>),
    /// A tool is called; its arguments follow.
    ToolCall {
        /// Which call of this answer, from 0.
        index: usize,
        /// Ties the result to the call.
        id: Text<'a>,
        /// The tool.
        name: Text<'a>,
        /// Opaque proof of the thinking before it (Gemini's thought signature).
        signature: Option<Text<'a>>,
    },
    /// More of a call's arguments: a piece of JSON text.
    Arguments {
        /// Which call.
        index: usize,
        /// The piece.
        json: Text<'a>,
    },
    /// A citation in OpenRouter's `annotations` form, as JSON text.
    Annotation(Text<'a>),
    /// A whole picture.
    Image {
        /// `image/png` …
        mime: Text<'a>,
        /// The bytes in base64.
        base64: Text<'a>,
    },
    /// Why the answer ended.
    Finish {
        /// In OpenAI's words.
        reason: FinishReason,
        /// In the upstream's own.
        native: Text<'a>,
    },
    /// Tokens so far; later ones replace earlier ones.
    Usage(Usage),
    /// The upstream failed.
    Error(ErrorFields),
    /// The terminal event: nothing follows.
    Done,
}

/// Why an answer ended, in OpenAI's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinishReason {
    /// It was complete.
    Stop,
    /// The output limit was reached.
    Length,
    /// Tools are to be called.
    ToolCalls,
    /// A filter objected.
    ContentFilter,
    /// The upstream failed.
    Error,
}

impl FinishReason {
    /// Its name in OpenAI's dialect.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ToolCalls => "tool_calls",
            Self::ContentFilter => "content_filter",
            Self::Error => "error",
        }
    }
}

/// A whole answer, gathered from its deltas.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// The upstream's id.
    pub id: String,
    /// The upstream's name of the model.
    pub model: String,
    /// What it says, in order.
    pub blocks: Vec<Block>,
    /// Why it ended, in OpenAI's words and in the upstream's.
    pub finish: Option<(FinishReason, String)>,
    /// What it took.
    pub usage: Option<Usage>,
}

/// A piece of a whole answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Block {
    /// Text.
    Text(String),
    /// A refusal.
    Refusal(String),
    /// Thinking, with its proof.
    Thinking {
        /// What can be read.
        text: String,
        /// The proof.
        signature: Option<String>,
    },
    /// Thinking that cannot be read.
    EncryptedThinking(String),
    /// A tool call.
    ToolCall {
        /// Ties the result to the call.
        id: String,
        /// The tool.
        name: String,
        /// JSON text; may be empty.
        arguments: String,
        /// Opaque proof of the thinking before it.
        signature: Option<String>,
    },
    /// A citation, as JSON text.
    Annotation(String),
    /// A picture.
    Image {
        /// `image/png` …
        mime: String,
        /// The bytes in base64.
        base64: String,
    },
}

impl<'a> Delta<'a> {
    /// For dialects without pictures: a picture as text in Markdown, everything else as it is.
    pub fn without_images(self) -> Self {
        match self {
            Delta::Image { mime, base64 } => {
                Delta::Text(format!("![image](data:{mime};base64,{base64})").into())
            }
            other => other,
        }
    }
}

impl Answer {
    /// Takes one more delta.
    pub fn take(&mut self, delta: Delta<'_>) {
        match delta {
            Delta::Start { id, model } => {
                (self.id, self.model) = (id.into_owned(), model.into_owned())
            }
            Delta::Text(text) => match self.blocks.last_mut() {
                Some(Block::Text(last)) => last.push_str(&text),
                _ => self.blocks.push(Block::Text(text.into_owned())),
            },
            Delta::Refusal(text) => match self.blocks.last_mut() {
                Some(Block::Refusal(last)) => last.push_str(&text),
                _ => self.blocks.push(Block::Refusal(text.into_owned())),
            },
            Delta::Thinking(more) => match self.blocks.last_mut() {
                Some(Block::Thinking { text, signature: None }) => text.push_str(&more),
                _ => self.blocks.push(Block::Thinking { text: more.into_owned(), signature: None }),
            },
            Delta::Signature(proof) => match self.blocks.last_mut() {
                Some(Block::Thinking { signature, .. }) => {
                    signature.get_or_insert_default().push_str(&proof)
                }
                _ => {
                    let signature = Some(proof.into_owned());
                    self.blocks.push(Block::Thinking { text: String::new(), signature });
                }
            },
            Delta::EncryptedThinking(data) => {
                self.blocks.push(Block::EncryptedThinking(data.into_owned()))
            }
            Delta::ToolCall { id, name, signature, .. } => self.blocks.push(Block::ToolCall {
                id: id.into_owned(),
                name: name.into_owned(),
                arguments: String::new(),
                signature: signature.map(Cow::into_owned),
            }),
            Delta::Arguments { index, json } => {
                if let Some(arguments) = self.arguments(index) {
                    arguments.push_str(&json);
                }
            }
            Delta::Annotation(json) => self.blocks.push(Block::Annotation(json.into_owned())),
            Delta::Image { mime, base64 } => {
                self.blocks
                    .push(Block::Image { mime: mime.into_owned(), base64: base64.into_owned() });
            }
            Delta::Finish { reason, native } => self.finish = Some((reason, native.into_owned())),
            Delta::Usage(usage) => self.usage = Some(usage),
            Delta::Error(_) | Delta::Done => {}
        }
    }

    fn arguments(&mut self, index: usize) -> Option<&mut String> {
        let calls = self.blocks.iter_mut().filter_map(|block| match block {
            Block::ToolCall { arguments, .. } => Some(arguments),
            _ => None,
        });
        calls.into_iter().nth(index)
    }
}
