//! Errors, in the form all Google APIs share: `{"error": {code, message, status, details}}`, in a
//! list of one where a stream was asked for.
//!
//! `code` becomes the HTTP status as text, unless there is something exact to say; `kind` is
//! Google's own status.

use crate::translate::form::Text;
use crate::translate::tolerant::{array, member, object, text};
use crate::wire::json::{JsonError, Kind, Reader};
use crate::wire::openai::ErrorFields;

/// What the documentation gives for a prompt that is too long, on the Gemini API and on Vertex:
/// there is no code for it.
const TOO_LONG: [&str; 2] =
    ["The input token count", "Unable to submit request because the input token count"];

/// `google.rpc.Code` as HTTP statuses.
const STATUSES: &[(&str, u16)] = &[
    ("INVALID_ARGUMENT", 400),
    ("FAILED_PRECONDITION", 400),
    ("OUT_OF_RANGE", 400),
    ("UNAUTHENTICATED", 401),
    ("PERMISSION_DENIED", 403),
    ("NOT_FOUND", 404),
    ("ABORTED", 409),
    ("ALREADY_EXISTS", 409),
    ("RESOURCE_EXHAUSTED", 429),
    ("CANCELLED", 499),
    ("DATA_LOSS", 500),
    ("INTERNAL", 500),
    ("UNKNOWN", 500),
    ("UNIMPLEMENTED", 501),
    ("UNAVAILABLE", 503),
    ("DEADLINE_EXCEEDED", 504),
];

/// `None`: not such an error.
pub(super) fn read(body: &[u8]) -> Option<ErrorFields> {
    let mut reader = Reader::new(body);
    let mut status = None;
    match reader.peek().ok()? {
        Kind::Array => array(&mut reader, |reader| {
            status = status.take().or(holder(reader)?);
            Ok(())
        })
        .ok()?,
        _ => status = holder(&mut reader).ok()?,
    }
    reader.end().ok()?;
    status.map(Status::fields)
}

/// The status in the object that holds it.
fn holder(reader: &mut Reader<'_>) -> Result<Option<Status>, JsonError> {
    member(reader, "error", |reader| match reader.peek()? {
        Kind::Object => Status::read(reader).map(Some),
        _ => Ok(None),
    })
}

/// `google.rpc.Status`.
#[derive(Default)]
struct Status {
    code: Option<u64>,
    message: Option<String>,
    status: Option<String>,
    /// The key is not valid: Google says so with status 400.
    bad_key: bool,
}

impl Status {
    fn read(reader: &mut Reader<'_>) -> Result<Self, JsonError> {
        let mut status = Self::default();
        object(reader, |reader, key| {
            match key {
                "code" => status.code = reader.u64()?,
                "message" => status.message = text(reader)?.map(Text::into_owned),
                "status" => status.status = text(reader)?.map(Text::into_owned),
                "details" => status.bad_key = details(reader)?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(status)
    }

    fn fields(self) -> ErrorFields {
        let code = if self.is_too_long() {
            Some("context_length_exceeded".to_owned())
        } else if self.bad_key {
            Some("invalid_api_key".to_owned())
        } else {
            self.code.or_else(|| self.usual_code()).map(|code| code.to_string())
        };
        ErrorFields { message: self.message, code, kind: self.status }
    }

    fn is_too_long(&self) -> bool {
        let message = self.message.as_deref().unwrap_or_default();
        self.status.as_deref() == Some("INVALID_ARGUMENT")
            && TOO_LONG.iter().any(|start| message.starts_with(start))
    }

    fn usual_code(&self) -> Option<u64> {
        let status = self.status.as_deref()?;
        STATUSES.iter().find(|(name, _)| *name == status).map(|(_, code)| u64::from(*code))
    }
}

/// Whether one of the details says that the key is not valid.
fn details(reader: &mut Reader<'_>) -> Result<bool, JsonError> {
    let mut bad_key = false;
    array(reader, |reader| {
        let reason = member(reader, "reason", text)?;
        bad_key |= reason.is_some_and(|reason| reason == "API_KEY_INVALID");
        Ok(())
    })?;
    Ok(bad_key)
}
