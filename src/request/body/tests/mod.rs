//! What is read of a request, what is refused, and what the upstream gets of it.

mod edit;
mod fact;
mod refusal;

use super::*;

fn read(body: &[u8]) -> Result<Request, Error> {
    Request::parse(body.to_vec(), &Limits::default())
}

#[track_caller]
fn request(body: &str) -> Request {
    read(body.as_bytes()).unwrap_or_else(|error| panic!("{body}: {error}"))
}

/// An error's variant, with the name of the field it is about.
fn variant(error: &Error) -> String {
    match error {
        Error::InvalidJson(_) => "json".to_owned(),
        Error::DuplicateKey(key) => format!("twice {key}"),
        Error::InvalidField { field, .. } => format!("field {field}"),
        Error::TooLarge { limit: Some(_) } => "large".to_owned(),
        other => format!("{other:?}"),
    }
}

#[track_caller]
fn check_refused(body: &[u8], expected: &str) {
    let shown = String::from_utf8_lossy(body.get(..body.len().min(80)).unwrap_or_default());
    match read(body) {
        Ok(_) => panic!("accepted: {shown}"),
        Err(error) => {
            assert_eq!(variant(&error), expected, "{shown}");
            assert!((400..500).contains(&error.status()), "{shown}: {}", error.status());
            assert!(error.to_string().len() < 500, "{shown}: the message grows with the input");
        }
    }
}
