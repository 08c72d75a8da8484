//! Reads the answers of OpenAI-compatible upstreams, whole or streamed, into deltas.
//!
//! Holds nothing but which calls there are. A call is told when its name is known, and what came of
//! its arguments before that is told then; calls without an id get one made of the answer's id.
//! Upstreams that number calls wrongly, or not at all, are understood as far as their ids or names
//! tell calls apart.

mod chunk;

use super::read_error;
use super::reasoning::Detail;
use crate::catalog::ServiceTier;
use crate::translate::delta::FinishReason;
use crate::translate::form::Text;
use crate::translate::{AnswerReader, Delta, Malformed, Tell};
use crate::usage::Usage;
use crate::wire::openai::{ErrorFields, finish_reason_of};
use crate::wire::sse;
use chunk::{CallFields, Choice, Chunk, Said};

/// Reads one answer.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// The answer's id, once it has begun.
    id: Option<String>,
    calls: Vec<Call>,
    /// How many calls have been told.
    told: usize,
    finished: bool,
}

/// A call that has begun.
#[derive(Debug, Default)]
struct Call {
    /// The upstream's number for it.
    key: Option<u64>,
    id: String,
    /// Its place among the calls told, once it is.
    index: Option<usize>,
    /// Arguments that came before the name.
    held: String,
    signature: Option<String>,
}

impl AnswerReader for Reading {
    fn whole(&mut self, body: &[u8], tell: &mut Tell<'_>) -> Result<(), Malformed> {
        let chunk = Chunk::parse(body).ok_or(Malformed)?;
        let is_answer = chunk.choice.as_ref().is_some_and(|choice| choice.said.is_some());
        if !is_answer {
            let error = read_error::read(body).ok_or(Malformed)?;
            tell(Delta::Error(error));
            return Ok(());
        }
        self.chunk(chunk, body, tell);
        tell(Delta::Done);
        Ok(())
    }

    fn event(&mut self, event: &[u8], tell: &mut Tell<'_>) {
        let fields = sse::fields(event);
        let Some(data) = fields.data.filter(|data| !data.is_empty()) else { return };
        if sse::is_done(&data) {
            return tell(Delta::Done);
        }
        let Some(chunk) = Chunk::parse(&data) else { return };
        if chunk.choice.is_none() && !chunk.error {
            let bare = if fields.event == Some(b"error") {
                read_error::bare(&data)
            } else {
                read_error::read(&data)
            };
            if let Some(error) = bare {
                return tell(Delta::Error(error));
            }
        }
        self.chunk(chunk, &data, tell);
    }
}

impl Reading {
    fn chunk(&mut self, chunk: Chunk<'_>, json: &[u8], tell: &mut Tell<'_>) {
        let Chunk { id, model, error, choice, service_tier, usage } = chunk;
        let named = id.as_ref().is_some_and(|id| !id.is_empty());
        if self.id.is_none() && (named || choice.is_some()) {
            let id = id.unwrap_or_default();
            self.id = Some(id.as_ref().to_owned());
            tell(Delta::Start { id, model: model.unwrap_or_default() });
        }
        if let Some(choice) = choice {
            self.choice(choice, error, tell);
        }
        if let Some(fields) = usage {
            let tier = service_tier.and_then(|name| ServiceTier::named(&name));
            tell(Delta::Usage(Usage { tier, ..fields.into() }));
        }
        if error {
            tell(Delta::Error(ErrorFields::parse(json).unwrap_or_default()));
        }
    }

    /// A failed answer's finish reason says nothing that its error does not.
    fn choice(&mut self, choice: Choice<'_>, failed: bool, tell: &mut Tell<'_>) {
        if let Some(said) = choice.said {
            self.said(said, tell);
        }
        let Some(finish) = choice.finish.filter(|_| !self.finished && !failed) else { return };
        self.finished = true;
        let reason = match finish_reason_of(&finish) {
            "length" => FinishReason::Length,
            "tool_calls" => FinishReason::ToolCalls,
            "content_filter" => FinishReason::ContentFilter,
            "error" => FinishReason::Error,
            _ if self.told > 0 => FinishReason::ToolCalls,
            _ => FinishReason::Stop,
        };
        tell(Delta::Finish { reason, native: choice.native.unwrap_or(finish) });
    }

    fn said(&mut self, said: Said<'_>, tell: &mut Tell<'_>) {
        let Said { content, refusal, reasoning, mut details, mut calls, annotations } = said;
        attach_proofs(&mut details, &mut calls);
        // Where details have a text, `reasoning` is the same text once more.
        if let Some(text) = reasoning.filter(|_| details.iter().all(|detail| detail.text.is_none()))
        {
            tell(Delta::Thinking(text));
        }
        for detail in details {
            think(detail, tell);
        }
        if let Some(text) = content {
            tell(Delta::Text(text));
        }
        if let Some(text) = refusal {
            tell(Delta::Refusal(text));
        }
        for call in calls {
            self.call(call, tell);
        }
        for json in annotations {
            tell(Delta::Annotation(json.into()));
        }
    }

    fn call(&mut self, fields: CallFields<'_>, tell: &mut Tell<'_>) {
        let place = self.place(&fields).unwrap_or_else(|| {
            self.calls.push(Call { key: fields.index, ..Call::default() });
            self.calls.len() - 1
        });
        let Some(call) = self.calls.get_mut(place) else { return };
        if let Some(id) = fields.id.filter(|_| call.index.is_none()) {
            call.id = id.into_owned();
        }
        if let Some(signature) = fields.signature {
            call.signature = Some(signature.into_owned());
        }
        if let (Some(name), None) = (fields.name, call.index) {
            call.index = Some(self.told);
            call.begin(self.told, name, self.id.as_deref().unwrap_or_default(), tell);
            self.told += 1;
        }
        match (fields.arguments, call.index) {
            (Some(json), Some(index)) => tell(Delta::Arguments { index, json }),
            (Some(json), None) => call.held.push_str(&json),
            (None, _) => {}
        }
    }

    /// Which of the calls is meant; `None`: a new one.
    fn place(&self, fields: &CallFields<'_>) -> Option<usize> {
        match fields.index {
            Some(_) => {
                let place = self.calls.iter().rposition(|call| call.key == fields.index)?;
                let call = self.calls.get(place)?;
                // Some servers give every call the number 0, but an id and a name of its own.
                let is_known = call.index.is_some() || !call.id.is_empty();
                let is_other = fields.id.is_some()
                    && fields.name.is_some()
                    && is_known
                    && !call.has_id_of(fields);
                (!is_other).then_some(place)
            }
            None if fields.id.is_some() => {
                self.calls.iter().rposition(|call| call.has_id_of(fields))
            }
            None if fields.name.is_some() => None,
            None => self.calls.len().checked_sub(1),
        }
    }
}

impl Call {
    fn has_id_of(&self, fields: &CallFields<'_>) -> bool {
        fields.id.as_ref().is_some_and(|id| *id == self.id)
    }

    fn begin(&mut self, index: usize, name: Text<'_>, answer: &str, tell: &mut Tell<'_>) {
        let id = match self.id.as_str() {
            "" => format!("call_{answer}_{index}").into(),
            id => Text::from(id),
        };
        tell(Delta::ToolCall { index, id, name, signature: self.signature.take().map(Text::from) });
        if !self.held.is_empty() {
            tell(Delta::Arguments { index, json: std::mem::take(&mut self.held).into() });
        }
    }
}

/// Moves encrypted details that have a call's id to that call.
fn attach_proofs<'a>(details: &mut Vec<Detail<'a>>, calls: &mut [CallFields<'a>]) {
    if details.is_empty() || calls.is_empty() {
        return;
    }
    details.retain_mut(|detail| {
        let call = calls.iter_mut().find(|call| detail.id.is_some() && call.id == detail.id);
        match call {
            Some(call) if detail.data.is_some() => {
                call.signature = detail.data.take();
                false
            }
            _ => true,
        }
    });
}

fn think(detail: Detail<'_>, tell: &mut Tell<'_>) {
    if detail.is_unknown() {
        return;
    }
    if let Some(text) = detail.text {
        tell(Delta::Thinking(text));
    }
    if let Some(signature) = detail.signature {
        tell(Delta::Signature(signature));
    }
    if let Some(data) = detail.data {
        tell(Delta::EncryptedThinking(data));
    }
}
