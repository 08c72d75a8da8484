//! Errors: bodies of error statuses, and exceptions inside a stream.
//!
//! The API has no code for a prompt that is too long, only messages, which it takes from the
//! models.

use crate::translate::form::Text;
use crate::translate::tolerant::{object, text};
use crate::wire::json::Reader;
use crate::wire::openai::ErrorFields;

/// Statuses of the API's exceptions. An error of the model is not the client's: where the API says
/// 424, 502 is said.
const STATUSES: &[(&str, u16)] = &[
    ("ValidationException", 400),
    ("SerializationException", 400),
    ("UnrecognizedClientException", 403),
    ("InvalidSignatureException", 403),
    ("MissingAuthenticationTokenException", 403),
    ("ExpiredTokenException", 403),
    ("AccessDeniedException", 403),
    ("ResourceNotFoundException", 404),
    ("ModelTimeoutException", 408),
    ("ThrottlingException", 429),
    ("ServiceQuotaExceededException", 429),
    ("ModelNotReadyException", 429),
    ("InternalServerException", 500),
    ("ModelErrorException", 502),
    ("ModelStreamErrorException", 502),
    ("ServiceUnavailableException", 503),
];

/// What Bedrock puts before a message of the model's own.
const RELAYED: &str = "The model returned the following errors: ";

/// Beginnings of messages about prompts that are too long: Bedrock's own, Claude's, Nova's, and
/// those of open models.
const TOO_LONG: &[&str] = &[
    "Input is too long",
    "prompt is too long",
    "input length and `max_tokens` exceed context limit",
    "Input Tokens Exceeded",
    "too many total text bytes",
    "This model's maximum context length is",
    "The maximum context length is",
];

/// An exception in a stream: `code` is a status, or says that the prompt is too long.
pub(super) fn exception(kind: &str, payload: &[u8]) -> ErrorFields {
    let told = Told::read(payload).unwrap_or_default();
    let status = told.original_status.or_else(|| status(kind)).unwrap_or(500);
    fields(kind, told, Some(status.to_string()))
}

/// An error that the API's description does not have: headers of the event say what it is.
pub(super) fn unmodelled(kind: &str, message: &str) -> ErrorFields {
    let told = Told { message: Some(message.to_owned()), ..Told::default() };
    fields(kind, told, Some(status(kind).unwrap_or(500).to_string()))
}

/// The body of an error status. Its kind stands there in some versions of the protocol; the status
/// is the HTTP one.
pub(super) fn read(body: &[u8]) -> Option<ErrorFields> {
    let told = Told::read(body)?;
    if told.message.is_none() && told.kind.is_none() {
        return None;
    }
    let kind = told.kind.clone().unwrap_or_default();
    Some(fields(&kind, told, None))
}

fn fields(kind: &str, told: Told, code: Option<String>) -> ErrorFields {
    let too_long = told.message.as_deref().is_some_and(is_too_long);
    let code = if too_long { Some("context_length_exceeded".to_owned()) } else { code };
    ErrorFields { message: told.message, code, kind: (!kind.is_empty()).then(|| kind.to_owned()) }
}

fn status(kind: &str) -> Option<u16> {
    STATUSES.iter().find(|(known, _)| known.eq_ignore_ascii_case(kind)).map(|(_, status)| *status)
}

fn is_too_long(message: &str) -> bool {
    let own = message.strip_prefix(RELAYED).unwrap_or(message);
    TOO_LONG.iter().any(|beginning| own.starts_with(beginning))
}

/// What an error object says.
#[derive(Default)]
struct Told {
    message: Option<String>,
    kind: Option<String>,
    /// What the model answered Bedrock with.
    original_status: Option<u16>,
}

impl Told {
    fn read(json: &[u8]) -> Option<Self> {
        let mut told = Self::default();
        let mut reader = Reader::new(json);
        let read = object(&mut reader, |reader, key| {
            match key {
                "message" | "Message" => {
                    let message = text(reader)?.map(Text::into_owned);
                    told.message = message.or(told.message.take());
                }
                "__type" => {
                    let kind = text(reader)?.map(|kind| plain(&kind));
                    told.kind = kind.or(told.kind.take());
                }
                "originalStatusCode" => {
                    let status = reader.u64()?.and_then(|status| u16::try_from(status).ok());
                    told.original_status = status.filter(|status| (400..=599).contains(status));
                }
                _ => {}
            }
            Ok(())
        });
        read.and_then(|()| reader.end()).ok().map(|()| told)
    }
}

/// `ThrottlingException` of `com.amazon.coral.service#ThrottlingException:http://…`
fn plain(kind: &str) -> String {
    let name = kind.rsplit_once('#').map_or(kind, |(_, name)| name);
    name.split(':').next().unwrap_or_default().to_owned()
}
