//! OpenAI's own answers, whole or in chunks: OpenRouter's ids, `provider`, `native_finish_reason`,
//! `usage.cost`.

use memchr::memmem;

use super::{Identity, Json, one_line};
use crate::error::Error;
use crate::operation::Operation;
use crate::translate::{Change, Stage};
use crate::translate::{Meter, Seen};
use crate::usage::Usage;
use crate::wire::edit::{Edits, Members};
use crate::wire::json::{JsonError, Kind, Reader, Span};
use crate::wire::openai::{ErrorFields, UsageFields, finish_reason_of};
use crate::wire::pattern::Replacement;
use crate::wire::sse;

/// Whether a text is a whole answer or one chunk of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// A whole answer, which always has usage.
    Whole,
    /// One chunk.
    Chunk,
}

/// What a choice of a chunk that has nothing to say begins with.
const EMPTY_DELTA: &str = r#""index":0,"delta":{"role":"assistant","content":""}"#;
/// The same where completions have their text.
const EMPTY_TEXT: &str = r#""index":0,"text":"""#;

impl Identity {
    /// The answer or chunk `json` in OpenRouter's form, with the usage that is known by now; `None`
    /// if it is not a JSON object.
    pub(super) fn rewrite(&self, json: &[u8], part: Part, known: &Usage) -> Option<Vec<u8>> {
        let mut rewriting = Rewriting {
            identity: self,
            part,
            known,
            json,
            edits: Edits::new(),
            members: Members::new(),
            found: 0,
            has_usage: false,
        };
        let mut reader = Reader::new(json);
        let span = reader
            .object(|reader, member| {
                rewriting.member(reader, member.key.start, &member.key.decode())
            })
            .ok()?;
        reader.end().ok()?;
        rewriting.add_missing();
        rewriting.add_usage();
        rewriting.add_metadata();
        rewriting.members.write(&span, &mut rewriting.edits);
        Some(rewriting.edits.apply(json))
    }

    /// `usage` in OpenRouter's form.
    fn usage(&self, usage: &Usage) -> String {
        let Usage { input, cached, cache_write, reasoning, audio, .. } = *usage;
        // What has no output is not charged for any, not even by estimate.
        let is_generated = self.operation != Operation::Embeddings;
        let output = if is_generated { usage.output } else { 0 };
        let total = input.saturating_add(output);
        let cost = self.cost(&Usage { output, ..*usage }, "prompt", "completions");
        let completion =
            if is_generated { format!("\"completion_tokens\":{output},") } else { String::new() };
        let completion_details = match is_generated {
            true => format!(",\"completion_tokens_details\":{{\"reasoning_tokens\":{reasoning}}}"),
            false => String::new(),
        };
        format!(
            "{{\"prompt_tokens\":{input},{completion}\"total_tokens\":{total},{cost},\
             \"prompt_tokens_details\":{{\"cached_tokens\":{cached},\
             \"cache_write_tokens\":{cache_write},\"audio_tokens\":{audio}}}\
             {completion_details}}}"
        )
    }

    /// The chunk that carries usage where the upstream gave none.
    fn usage_chunk(&self, usage: &Usage) -> Vec<u8> {
        let (choices, usage, metadata) =
            (self.empty_choices(), self.usage(usage), self.metadata_member());
        self.chunk(&format!("\"choices\":{choices},\"usage\":{usage}{metadata}"))
    }

    /// The chunk that ends a stream with an error.
    pub fn error_chunk(&self, error: &Error) -> Vec<u8> {
        let message = error.to_string();
        let error = serde_json::to_string(&error.openrouter(&message)).unwrap_or_default();
        let (empty, metadata) = (self.empty(), self.metadata_member());
        self.chunk(&format!(
            "\"error\":{error}{metadata},\"choices\":[{{{empty},\"finish_reason\":\"error\",\
             \"native_finish_reason\":null}}]"
        ))
    }

    /// The choice that stands beside `usage` in a stream: clients index `choices[0]` of every
    /// chunk.
    fn empty_choices(&self) -> String {
        let empty = self.empty();
        format!(
            "[{{{empty},\"finish_reason\":null,\"native_finish_reason\":null,\"logprobs\":null}}]"
        )
    }

    /// To follow another member.
    fn metadata_member(&self) -> String {
        self.metadata
            .as_ref()
            .map(|metadata| format!(",\"openrouter_metadata\":{metadata}"))
            .unwrap_or_default()
    }

    fn empty(&self) -> &'static str {
        if self.operation == Operation::Completions { EMPTY_TEXT } else { EMPTY_DELTA }
    }

    /// An event of the gateway's own; `members` follow those every chunk has.
    fn chunk(&self, members: &str) -> Vec<u8> {
        let Self { id, model, provider, created, .. } = self;
        let [id, model, provider] = [id, model, provider].map(|text| Json(text));
        let object = if self.operation == Operation::Completions {
            "text_completion"
        } else {
            "chat.completion.chunk"
        };
        format!(
            "data: {{\"id\":{id},\"object\":\"{object}\",\"created\":{created},\"model\":{model},\
             \"provider\":{provider},{members}}}\n\n"
        )
        .into_bytes()
    }
}

/// Writes events in OpenRouter's form, every one of them.
#[derive(Debug)]
pub struct OpenRouterEvents {
    identity: Identity,
    usage_sent: bool,
    /// The last event that only had content.
    last: Replacement,
}

impl OpenRouterEvents {
    /// For the stream of one attempt.
    pub fn new(identity: Identity) -> Self {
        Self { identity, usage_sent: false, last: Replacement::default() }
    }

    fn own_usage(&mut self, meter: &Meter) -> Vec<u8> {
        if std::mem::replace(&mut self.usage_sent, true) {
            return Vec::new();
        }
        self.identity.usage_chunk(&meter.usage(self.identity.input_estimate))
    }
}

impl Stage for OpenRouterEvents {
    fn event(&mut self, event: &[u8], seen: Seen, meter: &Meter) -> Change {
        let Some(data) = sse::fields(event).data else { return Change::Keep };
        let rewritten = match seen {
            Seen::Nothing => return Change::Keep,
            Seen::Done if meter.is_failed() => return Change::Keep,
            Seen::Done => {
                let mut events = self.own_usage(meter);
                events.extend_from_slice(event);
                return Change::Replace(events);
            }
            Seen::Error => {
                let fields = ErrorFields::parse(&data).unwrap_or_default();
                let error = Error::of_upstream(&fields, &self.identity.provider);
                return Change::Replace(self.identity.error_chunk(&error));
            }
            Seen::Content | Seen::UsageOnly => {
                let known = meter.usage(self.identity.input_estimate);
                self.identity.rewrite(&data, Part::Chunk, &known)
            }
        };
        self.usage_sent |= meter.is_reported();
        let Some(json) = rewritten else { return Change::Keep };
        let written = [b"data: ", one_line(json).as_slice(), b"\n\n"].concat();
        if seen == Seen::Content && !meter.is_reported() {
            self.last.learn(event, &written);
        }
        Change::Replace(written)
    }

    fn familiar(&mut self, bytes: &[u8], written: &mut Vec<u8>) -> Option<usize> {
        self.last.replace(bytes, written)
    }

    fn end(&mut self, meter: &Meter) -> Vec<u8> {
        if meter.is_done() {
            return Vec::new();
        }
        let mut events = self.own_usage(meter);
        events.extend_from_slice(b"data: [DONE]\n\n");
        events
    }
}

/// One text being rewritten.
struct Rewriting<'a> {
    identity: &'a Identity,
    part: Part,
    known: &'a Usage,
    json: &'a [u8],
    edits: Edits,
    members: Members,
    /// Bits of the members of [`OWN`], and [`FINGERPRINT`], that are there already.
    found: u8,
    has_usage: bool,
}

/// Members that every answer must have, and the bit that says so.
const OWN: [(&str, u8); 3] = [("id", 1), ("model", 2), ("provider", 4)];
/// A whole chat completion must have it, null or not, and a chunk must not have a null.
const FINGERPRINT: (&str, u8) = ("system_fingerprint", 8);
/// Members of what a choice says that may be null.
const NULLABLE: [&str; 3] = ["content", "reasoning", "refusal"];

impl Rewriting<'_> {
    fn member(
        &mut self,
        reader: &mut Reader<'_>,
        start: usize,
        key: &str,
    ) -> Result<(), JsonError> {
        if let Some((key, bit)) = OWN.into_iter().find(|(own, _)| *own == key) {
            let value = reader.skip()?;
            self.found |= bit;
            self.edits.replace(value, Json(self.own(key)).to_string().as_bytes());
        } else if key == "choices" && reader.peek()? == Kind::Array {
            self.choices(reader)?;
        } else if key == "usage" {
            return self.usage(reader, start);
        } else if key == FINGERPRINT.0 {
            return self.fingerprint(reader, start);
        } else {
            reader.skip()?;
        }
        self.members.push(start..reader.position());
        Ok(())
    }

    fn fingerprint(&mut self, reader: &mut Reader<'_>, start: usize) -> Result<(), JsonError> {
        let is_null = reader.peek()? == Kind::Null;
        let value = reader.skip()?;
        self.found |= FINGERPRINT.1;
        let index = self.members.push(start..value.end);
        if is_null && self.part == Part::Chunk {
            self.members.remove(index);
        }
        Ok(())
    }

    fn own(&self, key: &str) -> &str {
        match key {
            "id" => &self.identity.id,
            "model" => &self.identity.model,
            _ => &self.identity.provider,
        }
    }

    fn add_missing(&mut self) {
        for (key, bit) in OWN {
            if self.found & bit == 0 {
                let member = format!("\"{key}\":{}", Json(self.own(key)));
                self.members.insert_first(member.as_bytes());
            }
        }
        let is_whole_chat = self.identity.operation == Operation::Chat && self.part == Part::Whole;
        if is_whole_chat && self.found & FINGERPRINT.1 == 0 {
            self.members.insert_first(b"\"system_fingerprint\":null");
        }
    }

    /// A whole answer always says what it cost.
    fn add_usage(&mut self) {
        if self.part == Part::Whole && !self.has_usage {
            let member = format!("\"usage\":{}", self.identity.usage(self.known));
            self.members.insert_first(member.as_bytes());
        }
    }

    /// Beside usage: on whole answers, and on a stream's last chunk.
    fn add_metadata(&mut self) {
        if let Some(metadata) = &self.identity.metadata
            && (self.has_usage || self.part == Part::Whole)
        {
            self.members.insert_first(format!("\"openrouter_metadata\":{metadata}").as_bytes());
        }
    }

    /// A null usage confuses strict clients and is taken out.
    fn usage(&mut self, reader: &mut Reader<'_>, start: usize) -> Result<(), JsonError> {
        let value = reader.skip()?;
        let index = self.members.push(start..value.end);
        match self.json.get(value.clone()).and_then(UsageFields::parse) {
            Some(fields) => {
                self.has_usage = true;
                let usage = Usage { tier: self.known.tier, ..fields.into() };
                self.edits.replace(value, self.identity.usage(&usage).as_bytes());
            }
            None => self.members.remove(index),
        }
        Ok(())
    }

    fn choices(&mut self, reader: &mut Reader<'_>) -> Result<(), JsonError> {
        let mut empty = true;
        let span = reader.array(|reader, _| {
            empty = false;
            if reader.peek()? == Kind::Object {
                self.choice(reader)
            } else {
                reader.skip().map(|_| ())
            }
        })?;
        if empty && self.part == Part::Chunk {
            self.edits.replace(span, self.identity.empty_choices().as_bytes());
        }
        Ok(())
    }

    /// Normalises `finish_reason` and keeps the provider's own beside it.
    fn choice(&mut self, reader: &mut Reader<'_>) -> Result<(), JsonError> {
        let (mut reason, mut has_native, mut empty) = (None, false, true);
        let object = reader.object(|reader, member| {
            empty = false;
            has_native |= member.key.is("native_finish_reason");
            if member.key.is("finish_reason") {
                reason = Some(reader.skip()?);
            } else if member.key.is("delta") || member.key.is("message") {
                self.said(reader)?;
            }
            Ok(())
        })?;
        match reason {
            Some(value) => self.finish_reason(value, has_native),
            None if self.part == Part::Chunk && !empty => {
                self.edits.insert(
                    object.start + 1,
                    br#""finish_reason":null,"native_finish_reason":null,"#,
                );
            }
            None => {}
        }
        Ok(())
    }

    /// What a choice says. Almost none has a null in it, and is read no further.
    fn said(&mut self, reader: &mut Reader<'_>) -> Result<(), JsonError> {
        let mut behind = reader.clone();
        let value = self.json.get(behind.skip()?).unwrap_or_default();
        if value.starts_with(b"{") && memmem::find(value, b"null").is_some() {
            return self.without_nulls(reader);
        }
        *reader = behind;
        Ok(())
    }

    /// Takes nulls out that strict clients stumble over, also those of tool calls.
    fn without_nulls(&mut self, reader: &mut Reader<'_>) -> Result<(), JsonError> {
        let mut members = Members::new();
        let object = reader.object(|reader, member| {
            let key = member.key.decode();
            let kind = reader.peek()?;
            match (key.as_ref(), kind) {
                ("function", Kind::Object) => self.without_nulls(reader)?,
                ("tool_calls", Kind::Array) => {
                    reader.array(|reader, _| match reader.peek()? {
                        Kind::Object => self.without_nulls(reader),
                        _ => Ok(()),
                    })?;
                }
                _ => {
                    reader.skip()?;
                }
            }
            let index = members.push(member.key.start..reader.position());
            if kind == Kind::Null && !NULLABLE.contains(&key.as_ref()) {
                members.remove(index);
            }
            Ok::<_, JsonError>(())
        })?;
        members.write(&object, &mut self.edits);
        Ok(())
    }

    fn finish_reason(&mut self, value: Span, has_native: bool) {
        let native = self.json.get(value.clone()).unwrap_or_default();
        let mut new = match serde_json::from_slice::<Option<String>>(native) {
            Ok(Some(reason)) => Json(finish_reason_of(&reason)).to_string().into_bytes(),
            _ => native.to_vec(),
        };
        if !has_native {
            new.extend_from_slice(b",\"native_finish_reason\":");
            new.extend_from_slice(native);
        }
        self.edits.replace(value, &new);
    }
}
