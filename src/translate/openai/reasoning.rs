//! `reasoning_details`: OpenRouter's form of thinking that is to be given back, read and written.
//!
//! Read without objection, as clients give back what they got from whomever. Source: OpenRouter's
//! API description (2026-08): `reasoning.text`, `reasoning.summary`, `reasoning.encrypted`; the
//! proof of a Gemini tool call is an encrypted detail with the call's id.

use std::borrow::Cow;

use serde::Serialize;

use crate::translate::form::{Text, Thinking};
use crate::translate::tolerant::{member, non_empty_text, object, text};
use crate::wire::json::{JsonError, Reader};

/// OpenRouter's form where none is named.
pub(super) const DEFAULT_FORMAT: &str = "anthropic-claude-v1";

/// The only form in which proofs belong to tool calls.
pub(super) const GEMINI_FORMAT: &str = "google-gemini-v1";

/// One element of `reasoning_details`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Detail<'a> {
    /// `text` or `summary`
    pub(super) text: Option<Text<'a>>,
    /// `data`
    pub(super) data: Option<Text<'a>>,
    pub(super) signature: Option<Text<'a>>,
    pub(super) id: Option<Text<'a>>,
    pub(super) format: Option<Text<'a>>,
    index: Option<u64>,
    /// A type this gateway does not know.
    unknown: bool,
}

impl<'a> Detail<'a> {
    /// Readable thinking without more.
    pub(super) fn of_text(text: Text<'a>) -> Self {
        Self { text: Some(text), ..Self::default() }
    }

    /// Reads one; any other value is an empty one.
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, JsonError> {
        let mut detail = Self::default();
        object(reader, |reader, key| {
            let slot = match key {
                "text" | "summary" => &mut detail.text,
                "data" => &mut detail.data,
                "signature" => &mut detail.signature,
                "id" => &mut detail.id,
                "format" => &mut detail.format,
                "index" => {
                    detail.index = reader.u64()?;
                    return Ok(());
                }
                "type" => {
                    let kind = text(reader)?.unwrap_or_default();
                    detail.unknown = !matches!(
                        &*kind,
                        "reasoning.text" | "reasoning.summary" | "reasoning.encrypted"
                    );
                    return Ok(());
                }
                _ => return Ok(()),
            };
            *slot = non_empty_text(reader)?;
            Ok(())
        })?;
        Ok(detail)
    }

    /// Whether it is of a type nobody here understands.
    pub(super) fn is_unknown(&self) -> bool {
        self.unknown
    }

    /// Whether it says nothing.
    fn is_empty(&self) -> bool {
        self.text.is_none() && self.data.is_none() && self.signature.is_none()
    }

    /// Whether `next` is another fragment of the same block: clients give streamed fragments back
    /// unjoined.
    fn is_continued_by(&self, next: &Self) -> bool {
        let readable = self.data.is_none() && next.data.is_none();
        readable
            && self.signature.is_none()
            && self.index.is_some()
            && self.index == next.index
            && self.id == next.id
    }

    fn join(&mut self, next: Self) {
        match (&mut self.text, next.text) {
            (Some(text), Some(more)) => text.to_mut().push_str(&more),
            (text @ None, more) => *text = more,
            (Some(_), None) => {}
        }
        self.signature = next.signature;
    }

    fn thinking(self) -> Thinking<'a> {
        Thinking {
            text: self.text.unwrap_or_default(),
            signature: self.signature,
            encrypted: self.data,
            id: self.id,
            format: self.format,
        }
    }
}

/// The thinking that `details` tell, fragments joined.
pub(super) fn thinking<'a>(details: Vec<Detail<'a>>) -> impl Iterator<Item = Thinking<'a>> {
    let mut joined: Vec<Detail<'a>> = Vec::with_capacity(details.len());
    for detail in details.into_iter().filter(|detail| !detail.unknown && !detail.is_empty()) {
        match joined.last_mut() {
            Some(last) if last.is_continued_by(&detail) => last.join(detail),
            _ => joined.push(detail),
        }
    }
    joined.into_iter().map(Detail::thinking)
}

/// `extra_content.google.thought_signature` of a tool call: how Gemini's own OpenAI face writes a
/// call's proof.
pub(super) fn thought_signature<'a>(
    reader: &mut Reader<'a>,
) -> Result<Option<Text<'a>>, JsonError> {
    member(reader, "google", |reader| member(reader, "thought_signature", non_empty_text))
}

/// One element of `reasoning_details`, as it is written.
#[derive(Debug, Default, Serialize)]
pub(super) struct DetailJson<'a> {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<&'a str>,
    index: usize,
}

impl<'a> DetailJson<'a> {
    /// Readable thinking; the forms of the Responses API call it a summary.
    pub(super) fn text(
        text: Option<&'a str>,
        signature: Option<&'a str>,
        format: Option<&'a str>,
    ) -> Self {
        if signature.is_none() && format.is_some_and(|format| format.ends_with("-responses-v1")) {
            return Self { r#type: "reasoning.summary", summary: text, format, ..Self::default() };
        }
        Self { r#type: "reasoning.text", text, signature, format, ..Self::default() }
    }

    /// Thinking that cannot be read.
    pub(super) fn encrypted(data: &'a str, format: Option<&'a str>) -> Self {
        Self { r#type: "reasoning.encrypted", data: Some(data), format, ..Self::default() }
    }

    /// The proof of a tool call.
    pub(super) fn of_call(id: impl Into<Cow<'a, str>>, proof: &'a str) -> Self {
        Self { id: Some(id.into()), ..Self::encrypted(proof, Some(GEMINI_FORMAT)) }
    }

    /// The same at a place of the list.
    pub(super) fn at(self, index: usize) -> Self {
        Self { index, ..self }
    }

    /// The one or two details of a piece of thinking.
    pub(super) fn of(thinking: &'a Thinking<'_>) -> impl Iterator<Item = Self> {
        let format = thinking.format.as_deref();
        let text = Some(&*thinking.text).filter(|text| !text.is_empty());
        let signature = thinking.signature.as_deref();
        let readable =
            (text.is_some() || signature.is_some()).then(|| Self::text(text, signature, format));
        let encrypted = thinking.encrypted.as_deref().map(|data| Self::encrypted(data, format));
        let id = thinking.id.as_deref();
        readable
            .into_iter()
            .chain(encrypted)
            .map(move |detail| Self { id: id.map(Cow::Borrowed), ..detail })
    }
}
