//! Whether a request wants its answer as a stream, and what the stream is to tell.

use super::field::Field;
use crate::error::Error;
use crate::wire::edit::Members;
use crate::wire::json::{JsonError, Kind, Reader, Span};

/// What `stream` and `stream_options` say.
#[derive(Clone, Debug, Default)]
pub(super) struct Streaming {
    pub(super) is_wanted: bool,
    pub(super) options: Option<StreamOptions>,
}

/// Where `stream_options` stands.
#[derive(Clone, Debug)]
pub(super) struct StreamOptions {
    /// Which one of the body's members it is.
    pub(super) index: usize,
    /// Its value, also where it is null.
    pub(super) value: Span,
    pub(super) members: Members,
    /// The value of `include_usage`, and whether it is true.
    pub(super) include_usage: Option<(Span, bool)>,
}

impl Streaming {
    /// Reads `stream_options`; `index` tells which of the body's members it is.
    #[inline(never)]
    pub(super) fn read_options(
        &mut self,
        index: usize,
        kind: Kind,
        reader: &mut Reader<'_>,
    ) -> Result<(), Error> {
        if kind != Kind::Object {
            return Err(Field::StreamOptions.wrong("must be an object"));
        }
        let mut members = Members::new();
        let mut include_usage = None;
        let value = reader.object(|reader, member| {
            let value_start = reader.position();
            let included = reader.boolean()? == Some(true);
            if member.key.is("include_usage") {
                include_usage = Some((value_start..reader.position(), included));
            }
            members.push(member.key.start..reader.position());
            Ok::<_, JsonError>(())
        })?;
        self.options = Some(StreamOptions { index, value, members, include_usage });
        Ok(())
    }

    /// Notes where `stream_options` stands that is null.
    pub(super) fn null_options(&mut self, index: usize, value: Span) {
        let members = Members::new();
        self.options = Some(StreamOptions { index, value, members, include_usage: None });
    }

    /// Whether the client itself asked for usage in the stream.
    pub(super) fn includes_usage(&self) -> bool {
        let options = self.options.as_ref();
        options.is_some_and(|options| matches!(options.include_usage, Some((_, true))))
    }
}
