//! OpenAI's wire format: what its answers, events and errors say, read as spans.
//!
//! Source: OpenAI API reference, chat completions, completions, embeddings and their streams
//! (2026-11). Numbers of a wrong type count as absent: a provider's slip must not end a stream.

use std::borrow::Cow;

use super::json::{JsonError, Kind, Member, Reader, Span};

/// `usage` of an answer or event; absent numbers are zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UsageFields {
    /// Input tokens, cached ones included.
    pub prompt_tokens: u64,
    /// Output tokens, reasoning included.
    pub completion_tokens: u64,
    /// Input tokens read from a cache (`prompt_tokens_details.cached_tokens`).
    pub cached_tokens: u64,
    /// Input tokens written to a cache (`prompt_tokens_details.cache_write_tokens`, OpenRouter's
    /// addition).
    pub cache_write_tokens: u64,
    /// Output tokens spent on thinking (`completion_tokens_details.reasoning_tokens`).
    pub reasoning_tokens: u64,
    /// Tokens of audio, which is `audio_tokens` of input and output together.
    pub audio_tokens: u64,
}

/// The members of `usage`, and the place of the count that each gives.
const COUNTS: [(&str, usize); 6] = [
    ("prompt_tokens", PROMPT),
    ("completion_tokens", COMPLETION),
    ("input_tokens", UNCACHED),
    ("output_tokens", COMPLETION),
    ("cache_read_input_tokens", CACHED),
    ("cache_creation_input_tokens", CACHE_WRITE),
];
/// The members of `prompt_tokens_details` and `completion_tokens_details`, and the places of their
/// counts.
const DETAILS: [(&str, usize); 4] = [
    ("cached_tokens", CACHED),
    ("cache_write_tokens", CACHE_WRITE),
    ("reasoning_tokens", REASONING),
    ("audio_tokens", AUDIO),
];

// The places of the counts in the list that they are read into.
const PROMPT: usize = 0;
const COMPLETION: usize = 1;
/// The place of input as Anthropic counts it, without what came from a cache or went into one.
const UNCACHED: usize = 2;
const CACHED: usize = 3;
const CACHE_WRITE: usize = 4;
const REASONING: usize = 5;
const AUDIO: usize = 6;

impl UsageFields {
    /// Reads a `usage` object, which may have Anthropic's names; `None` if it is no object, or
    /// names neither input nor output.
    pub fn parse(json: &[u8]) -> Option<Self> {
        let mut counts = [0; 7];
        let mut counted = false;
        let read = Reader::new(json).object(|reader, member| {
            let is_details = member.key.is("prompt_tokens_details")
                || member.key.is("completion_tokens_details");
            if !is_details {
                counted |= count(reader, &member, &COUNTS, &mut counts)?;
            } else if reader.peek()? == Kind::Object {
                reader.object(|reader, member| {
                    count(reader, &member, &DETAILS, &mut counts).map(drop)
                })?;
            }
            Ok::<_, JsonError>(())
        });
        let [
            prompt,
            completion_tokens,
            uncached,
            cached_tokens,
            cache_write_tokens,
            reasoning_tokens,
            audio_tokens,
        ] = counts;
        let input = uncached.saturating_add(cached_tokens).saturating_add(cache_write_tokens);
        let prompt_tokens = if prompt == 0 { input } else { prompt };
        let usage = Self {
            prompt_tokens,
            completion_tokens,
            cached_tokens,
            cache_write_tokens,
            reasoning_tokens,
            audio_tokens,
        };
        (read.is_ok() && counted).then_some(usage)
    }
}

/// Reads a member's count, if `names` has the member; false if it has not, or if that is no number.
fn count(
    reader: &mut Reader<'_>,
    member: &Member<'_>,
    names: &[(&str, usize)],
    counts: &mut [u64; 7],
) -> Result<bool, JsonError> {
    let index = names.iter().find(|(name, _)| member.key.is(name)).map(|(_, index)| *index);
    let Some((index, count)) = index.and_then(|index| Some((index, counts.get_mut(index)?))) else {
        return Ok(false);
    };
    let Some(tokens) = reader.u64()? else { return Ok(false) };
    *count = if index == AUDIO { count.saturating_add(tokens) } else { tokens };
    Ok(true)
}

/// The codes of errors by which providers tell that a moderator objects.
pub const MODERATED: [&str; 3] = [OBJECTION, "content_filter", "moderation_blocked"];
/// OpenAI's code for that.
const OBJECTION: &str = "content_policy_violation";

/// The member of an error's `metadata` by which OpenRouter tells that a moderator objects, as its
/// code is only the status.
const FLAGGED: &str = "flagged_input";

/// How the message begins of an error that the input is too long.
const CONTEXT_LENGTH_MESSAGE: &str = "This model's maximum context length is";

/// An `error` object, as far as the gateway reads it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorFields {
    /// `message`, for people.
    pub message: Option<String>,
    /// `code`, for machines, as a text: `context_length_exceeded`, `429` …
    pub code: Option<String>,
    /// `type`: `invalid_request_error` …
    pub kind: Option<String>,
}

impl ErrorFields {
    /// Reads a body or event with a top-level `error` that is an object or a text; `None` if there
    /// is none.
    pub fn parse(json: &[u8]) -> Option<Self> {
        let mut found = None;
        let mut reader = Reader::new(json);
        let read = reader.object(|reader, member| {
            if member.key.is("error") {
                found = Self::value(reader)?;
            }
            Ok::<_, JsonError>(())
        });
        read.ok().and(found)
    }

    fn value(reader: &mut Reader<'_>) -> Result<Option<Self>, JsonError> {
        match reader.peek()? {
            Kind::String => {
                let message = reader.string()?.decode().into_owned();
                Ok(Some(Self { message: Some(message), ..Self::default() }))
            }
            Kind::Object => {
                let (mut error, mut flagged) = (Self::default(), false);
                reader.object(|reader, member| {
                    if member.key.is("metadata") && reader.peek()? == Kind::Object {
                        reader.object(|_, member| {
                            flagged |= member.key.is(FLAGGED);
                            Ok::<_, JsonError>(())
                        })?;
                        return Ok(());
                    }
                    let slot = match member.key.bytes().as_ref() {
                        b"message" => &mut error.message,
                        b"code" => &mut error.code,
                        b"type" => &mut error.kind,
                        _ => return Ok(()),
                    };
                    *slot = text(reader)?;
                    Ok::<_, JsonError>(())
                })?;
                if flagged {
                    error.code = Some(OBJECTION.to_owned());
                }
                Ok(Some(error))
            }
            _ => Ok(None),
        }
    }

    /// Whether another model may not give this error, because the input is too long for this one or
    /// its moderator objects. The code tells; where a server gives none, the message that OpenAI
    /// documents and others copy.
    pub fn is_about_the_model(&self) -> bool {
        self.is_moderated() || self.known_code() == Some("context_length_exceeded")
    }

    /// Whether a moderator objects.
    pub fn is_moderated(&self) -> bool {
        self.code.as_deref().is_some_and(|code| MODERATED.contains(&code))
    }

    fn says_too_long(&self) -> bool {
        self.message.as_deref().is_some_and(|message| message.starts_with(CONTEXT_LENGTH_MESSAGE))
    }

    /// The code, or the one that the message stands for. Where the code is only a status, the type
    /// takes its place: the answer has a status of its own.
    pub fn known_code(&self) -> Option<&str> {
        let (code, is_status) = (self.code.as_deref(), self.status().is_some());
        match code {
            Some(code) if !is_status => Some(code),
            _ if self.says_too_long() => Some("context_length_exceeded"),
            _ if is_status => self.kind.as_deref().or(code),
            _ => None,
        }
    }

    /// The HTTP status in `code`, where it is one.
    pub fn status(&self) -> Option<u16> {
        self.code.as_deref()?.parse().ok().filter(|status| (400..=599).contains(status))
    }
}

/// Reads a string or a number as a text.
fn text(reader: &mut Reader<'_>) -> Result<Option<String>, JsonError> {
    match reader.peek()? {
        Kind::String => Ok(Some(reader.string()?.decode().into_owned())),
        Kind::Number => Ok(reader.u64()?.map(|number| number.to_string())),
        _ => Ok(None),
    }
}

/// What one chunk of a stream says, besides its text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChunkFields<'a> {
    /// `usage`, where it is an object with numbers.
    pub usage: Option<UsageFields>,
    /// `service_tier`, where it is a text.
    pub service_tier: Option<Cow<'a, str>>,
    /// The first choice's `finish_reason`, where it is a text.
    pub finish_reason: Option<Cow<'a, str>>,
    /// Whether `choices` is there and empty.
    pub no_choices: bool,
    /// Whether there is a top-level `error` that is not null.
    pub error: bool,
}

impl<'a> ChunkFields<'a> {
    /// Reads a chunk; `None` if it is not a JSON object.
    pub fn parse(data: &'a [u8]) -> Option<Self> {
        let mut chunk = Self::default();
        let mut reader = Reader::new(data);
        let read = reader.object(|reader, member| {
            match member.key.bytes().as_ref() {
                b"usage" => {
                    let span = reader.skip()?;
                    chunk.usage = data.get(span).and_then(UsageFields::parse);
                }
                b"service_tier" if reader.peek()? == Kind::String => {
                    chunk.service_tier = Some(reader.string()?.decode());
                }
                b"error" => chunk.error = reader.peek()? != Kind::Null,
                b"choices" if reader.peek()? == Kind::Array => {
                    chunk.no_choices = true;
                    reader.array(|reader, _| {
                        chunk.no_choices = false;
                        finish_reason(reader, &mut chunk.finish_reason)
                    })?;
                }
                _ => {}
            }
            Ok::<_, JsonError>(())
        });
        read.ok().map(|_: Span| chunk)
    }
}

fn finish_reason<'a>(
    reader: &mut Reader<'a>,
    found: &mut Option<Cow<'a, str>>,
) -> Result<(), JsonError> {
    if reader.peek()? != Kind::Object {
        return Ok(());
    }
    reader.object(|reader, member| {
        if member.key.is("finish_reason") && reader.peek()? == Kind::String {
            *found = Some(reader.string()?.decode());
        }
        Ok::<_, JsonError>(())
    })?;
    Ok(())
}

/// OpenAI's finish reasons, from whatever an OpenAI-compatible provider calls its own.
pub fn finish_reason_of(native: &str) -> &'static str {
    match native.to_ascii_lowercase().as_str() {
        "length" | "max_tokens" | "max_output_tokens" | "model_length" | "max_length" => "length",
        "tool_calls" | "tool_use" | "function_call" | "tool_call" => "tool_calls",
        "content_filter" | "safety" | "refusal" | "content_filtered" | "moderation" => {
            "content_filter"
        }
        "error" | "network_error" | "insufficient_system_resource" => "error",
        _ => "stop",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn usage(json: &str) -> Option<UsageFields> {
        UsageFields::parse(json.as_bytes())
    }

    fn tokens(prompt_tokens: u64, completion_tokens: u64) -> Option<UsageFields> {
        Some(UsageFields { prompt_tokens, completion_tokens, ..UsageFields::default() })
    }

    #[test]
    fn usage_is_read_leniently() {
        for none in [
            "",
            "null",
            "[]",
            "{}",
            "1",
            "{\"total_tokens\":3}",
            "{\"prompt_tokens\":\"3\"}",
            "{\"prompt_tokens\":3",
        ] {
            assert_eq!(usage(none), None, "{none}");
        }
        for (text, expected) in [
            (r#"{"prompt_tokens":3}"#, tokens(3, 0)),
            (r#"{"prompt_tokens":3.0,"completion_tokens":1e1}"#, tokens(3, 10)),
            (r#"{"prompt_tokens":-3,"completion_tokens":2}"#, tokens(0, 2)),
            (r#"{"prompt_tokens":1e300,"completion_tokens":2.5,"x":{}}"#, None),
            (
                r#"{"prompt_tokens":3,"prompt_tokens_details":null,"completion_tokens_details":7}"#,
                tokens(3, 0),
            ),
        ] {
            assert_eq!(usage(text), expected, "{text}");
        }
        let all = r#"{"prompt_tokens":9,"completion_tokens":8,
            "prompt_tokens_details":{"cached_tokens":7,"cache_write_tokens":1,
            "audio_tokens":2},"completion_tokens_details":{"reasoning_tokens":5,
            "audio_tokens":18446744073709551615}}"#;
        let expected = UsageFields {
            prompt_tokens: 9,
            completion_tokens: 8,
            cached_tokens: 7,
            cache_write_tokens: 1,
            reasoning_tokens: 5,
            audio_tokens: u64::MAX,
        };
        assert_eq!(usage(all), Some(expected));
    }

    /// The message, the code and the type of an error.
    fn error(json: &str) -> Option<[String; 3]> {
        let error = ErrorFields::parse(json.as_bytes())?;
        Some([error.message, error.code, error.kind].map(Option::unwrap_or_default))
    }

    fn status(code: &str) -> Option<u16> {
        ErrorFields { code: Some(code.to_owned()), ..ErrorFields::default() }.status()
    }

    #[test]
    fn errors_are_read_in_every_form_providers_use() {
        for none in [
            "",
            "[]",
            "{}",
            "{\"error\":null}",
            "{\"error\":[]}",
            "{\"message\":\"x\"}",
            "{\"error\":\"x\"",
        ] {
            assert_eq!(error(none), None, "{none}");
        }
        for (text, expected) in [
            (r#"{"error":"x"}"#, ["x", "", ""]),
            (r#"{"error":{}}"#, ["", "", ""]),
            (r#"{"a":1,"error":{"message":"m","type":"t","code":"c"}}"#, ["m", "c", "t"]),
            (r#"{"error":{"message":null,"type":[],"code":429}}"#, ["", "429", ""]),
        ] {
            assert_eq!(error(text), Some(expected.map(str::to_owned)), "{text}");
        }
        assert_eq!(
            ["400", "599", "399", "600", "x", "-1", "4e2"].map(status),
            [Some(400), Some(599), None, None, None, None, None]
        );
    }

    #[test]
    fn finish_reasons_are_normalised() {
        for (native, expected) in [
            ("stop", "stop"),
            ("STOP", "stop"),
            ("eos", "stop"),
            ("end_turn", "stop"),
            ("never seen", "stop"),
            ("", "stop"),
            ("length", "length"),
            ("MAX_TOKENS", "length"),
            ("model_length", "length"),
            ("tool_calls", "tool_calls"),
            ("function_call", "tool_calls"),
            ("tool_use", "tool_calls"),
            ("content_filter", "content_filter"),
            ("SAFETY", "content_filter"),
            ("error", "error"),
            ("network_error", "error"),
        ] {
            assert_eq!(finish_reason_of(native), expected, "{native}");
        }
    }
}
