//! Answers as deltas. The streamed and the whole form are the same, so a whole answer is a stream
//! of one event.
//!
//! A stream has no terminal event: the event that gives a finish reason, or refuses the prompt,
//! ends it. Models of 2024 gave one with each event, so whatever else comes is told as well.

mod response;

use std::borrow::Cow;
use std::fmt::Write;

use super::read_error;
use crate::fnv::Fnv;
use crate::translate::citation::Citation;
use crate::translate::delta::{Delta, FinishReason};
use crate::translate::{AnswerReader, Malformed, Tell};
use crate::usage::Usage;
use crate::wire::sse;
use response::{Call, Candidate, Part, Response, Source};

/// What is read of one answer.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// The answer's id, once it has begun.
    id: Option<String>,
    /// Calls so far.
    calls: usize,
    /// Hashes of the sources told: each event repeats those before it.
    sources: Vec<u64>,
    usage: Option<Usage>,
    /// The last finish that was told, in OpenAI's words and in Gemini's.
    finish: Option<(FinishReason, String)>,
}

impl AnswerReader for Reading {
    fn whole(&mut self, body: &[u8], tell: &mut Tell<'_>) -> Result<(), Malformed> {
        let response = Response::parse(body).ok_or(Malformed)?;
        if response.candidate.is_none() && response.block_reason.is_none() {
            return Err(Malformed);
        }
        self.response(response, tell);
        if self.finish.is_none() {
            // A whole answer is complete even where it does not say why it ended.
            self.finish("FINISH_REASON_UNSPECIFIED", tell);
        }
        tell(Delta::Done);
        Ok(())
    }

    fn event(&mut self, event: &[u8], tell: &mut Tell<'_>) {
        match sse::fields(event).data {
            Some(data) => match Response::parse(&data) {
                Some(response) => self.response(response, tell),
                None => error(&data, tell),
            },
            // A stream that fails may end with the bare JSON of an error.
            None => error(event, tell),
        }
    }
}

fn error(json: &[u8], tell: &mut Tell<'_>) {
    if let Some(error) = read_error::read(json) {
        tell(Delta::Error(error));
    }
}

impl Reading {
    fn response(&mut self, response: Response<'_>, tell: &mut Tell<'_>) {
        if self.id.is_none() {
            let id = response.id.unwrap_or_default();
            self.id = Some(id.clone().into_owned());
            tell(Delta::Start { id, model: response.model.unwrap_or_default() });
        }
        let mut finish_reason = None;
        if let Some(candidate) = response.candidate {
            finish_reason = self.candidate(candidate, tell);
        }
        if let Some(usage) = response.usage.filter(|usage| self.usage != Some(*usage)) {
            self.usage = Some(usage);
            tell(Delta::Usage(usage));
        }
        if let Some(native) = finish_reason {
            self.finish(&native, tell);
        } else if let Some(native) = response.block_reason {
            self.end(FinishReason::ContentFilter, &native, tell);
        }
    }

    /// Tells what a candidate says, and returns why it ended.
    fn candidate<'a>(
        &mut self,
        candidate: Candidate<'a>,
        tell: &mut Tell<'_>,
    ) -> Option<Cow<'a, str>> {
        for part in candidate.parts {
            self.part(part, tell);
        }
        for source in candidate.sources {
            self.source(source, tell);
        }
        candidate.finish_reason
    }

    fn part(&mut self, part: Part<'_>, tell: &mut Tell<'_>) {
        let Part { text, thought, signature, call, blob } = part;
        let text = text.filter(|text| !text.is_empty());
        if let Some(call) = call {
            return self.call(call, signature, tell);
        }
        match (text, thought) {
            (Some(text), true) => tell(Delta::Thinking(text)),
            (Some(text), false) => tell(Delta::Text(text)),
            (None, _) => {}
        }
        // Pictures drawn while thinking are not the answer.
        if let Some(blob) = blob.filter(|blob| !thought && !blob.data.is_empty()) {
            tell(Delta::Image { mime: blob.mime, base64: blob.data });
        }
        match signature {
            Some(signature) if thought => tell(Delta::Signature(signature)),
            // What signs a text stands for thoughts that are not shown.
            Some(signature) => tell(Delta::EncryptedThinking(signature)),
            None => {}
        }
    }

    fn call(&mut self, call: Call<'_>, signature: Option<Cow<'_, str>>, tell: &mut Tell<'_>) {
        let Some(name) = call.name else { return };
        let (index, args) = (self.calls, call.args.unwrap_or("{}"));
        self.calls += 1;
        let id = call.id.unwrap_or_else(|| Cow::Owned(self.call_id(index, &name, args)));
        tell(Delta::ToolCall { index, id, name, signature });
        tell(Delta::Arguments { index, json: compact(args) });
    }

    /// An id for a call that has none, the same each time the answer is read; without an answer's
    /// id, the call itself tells it from calls of other answers.
    fn call_id(&self, index: usize, name: &str, args: &str) -> String {
        let mut id = String::from("call_");
        id.extend(self.id.iter().flat_map(|id| id.chars()).filter(is_of_id).take(28));
        if id.len() == "call_".len() {
            let _ = write!(
                id,
                "{:016x}",
                Fnv::of(name.as_bytes()) ^ Fnv::of(args.as_bytes()).rotate_left(1)
            );
        }
        let _ = write!(id, "_{index}");
        id
    }

    fn source(&mut self, source: Source<'_>, tell: &mut Tell<'_>) {
        let hash = Fnv::of(source.uri.as_bytes());
        if self.sources.contains(&hash) {
            return;
        }
        self.sources.push(hash);
        let citation = Citation {
            url: source.uri,
            title: Some(source.title),
            // Gemini counts offsets in bytes of one part, so none are given.
            start_index: Some(0),
            end_index: Some(0),
            ..Citation::default()
        };
        tell(Delta::Annotation(citation.annotation().into()));
    }

    fn finish(&mut self, native: &str, tell: &mut Tell<'_>) {
        let reason = match reason_of(native) {
            FinishReason::Stop if self.calls > 0 => FinishReason::ToolCalls,
            reason => reason,
        };
        self.end(reason, native, tell);
    }

    fn end(&mut self, reason: FinishReason, native: &str, tell: &mut Tell<'_>) {
        if self.finish.as_ref().is_none_or(|(told, words)| *told != reason || words != native) {
            self.finish = Some((reason, native.to_owned()));
            tell(Delta::Finish { reason, native: Cow::Borrowed(native) });
        }
    }
}

/// Whether every API takes it in an id.
fn is_of_id(character: &char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '-')
}

/// Finish reasons of both APIs; what is not among them ended the answer normally.
const REASONS: &[(&str, FinishReason)] = &[
    ("STOP", FinishReason::Stop),
    ("MAX_TOKENS", FinishReason::Length),
    ("SAFETY", FinishReason::ContentFilter),
    ("RECITATION", FinishReason::ContentFilter),
    ("LANGUAGE", FinishReason::ContentFilter),
    ("BLOCKLIST", FinishReason::ContentFilter),
    ("PROHIBITED_CONTENT", FinishReason::ContentFilter),
    ("SPII", FinishReason::ContentFilter),
    ("MODEL_ARMOR", FinishReason::ContentFilter),
    ("IMAGE_SAFETY", FinishReason::ContentFilter),
    ("IMAGE_PROHIBITED_CONTENT", FinishReason::ContentFilter),
    ("IMAGE_RECITATION", FinishReason::ContentFilter),
    ("MALFORMED_FUNCTION_CALL", FinishReason::Error),
    ("MALFORMED_RESPONSE", FinishReason::Error),
    ("UNEXPECTED_TOOL_CALL", FinishReason::Error),
    ("TOO_MANY_TOOL_CALLS", FinishReason::Error),
    ("MISSING_THOUGHT_SIGNATURE", FinishReason::Error),
    ("NO_IMAGE", FinishReason::Error),
    ("IMAGE_OTHER", FinishReason::Error),
    ("OTHER", FinishReason::Error),
];

fn reason_of(native: &str) -> FinishReason {
    REASONS
        .iter()
        .find(|(name, _)| *name == native)
        .map_or(FinishReason::Stop, |(_, reason)| *reason)
}

/// JSON without the white space between its tokens: whole answers are indented.
fn compact(json: &str) -> Cow<'_, str> {
    if !json.contains('\n') {
        return Cow::Borrowed(json);
    }
    let (mut quoted, mut escaped) = (false, false);
    let compact = json.chars().filter(|character| {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            _ => {}
        }
        quoted || !character.is_ascii_whitespace()
    });
    Cow::Owned(compact.collect())
}
