//! Makes of a client's body an upstream's of the same dialect: a few members are edited, and every
//! other byte stays as it came.

use std::borrow::Cow;

use super::{Request, Unfit};
use crate::request::field::Field;
use crate::request::stream::StreamOptions;
use crate::wire::edit::{Edits, Members};
use crate::wire::json::quoted;

/// What becomes of `stream_options`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamOptionsEdit {
    /// Usage is asked for in streams.
    AskForUsage,
    /// It stays as it is.
    Leave,
    /// The upstream does not know it.
    Remove,
}

impl Request {
    /// The edits that make this a request for the upstream's `model` in the client's own dialect:
    /// its name in place of the client's, the gateway's own fields and what does not fit the
    /// upstream gone, `service_tier` set where there is one to set. Every other byte stays.
    pub fn edits(
        &self,
        model: &str,
        stream_options: StreamOptionsEdit,
        service_tier: Option<&str>,
        unfit: Option<&Unfit>,
    ) -> Edits {
        let mut edits = Edits::new();
        let mut members = Cow::Borrowed(&self.raw.members);
        match &self.models.span {
            Some(_) if self.models.wanted.as_deref() == Some(model) => {}
            Some(span) => edits.replace(span.clone(), quoted(model).as_bytes()),
            None => {
                members.to_mut().insert_first(["\"model\":", &quoted(model)].concat().as_bytes())
            }
        }
        if let Some(tier) = service_tier {
            self.set_service_tier(tier, &mut members, &mut edits);
        }
        match stream_options {
            StreamOptionsEdit::AskForUsage if self.is_stream() && !self.includes_usage() => {
                self.ask_for_usage(&mut edits, members.to_mut());
            }
            StreamOptionsEdit::Remove => {
                if let Some(options) = &self.streaming.options {
                    members.to_mut().remove(options.index);
                }
            }
            _ => {}
        }
        if let Some(unfit) = unfit {
            self.take_out(unfit, &mut members, &mut edits);
        }
        members.write(&self.raw.object, &mut edits);
        edits
    }

    #[cold]
    fn set_service_tier(&self, tier: &str, members: &mut Cow<'_, Members>, edits: &mut Edits) {
        let tier = format!("\"{tier}\"");
        match &self.features.service_tier_span {
            Some(span) if self.body().get(span.clone()) == Some(tier.as_bytes()) => {}
            Some(span) => edits.replace(span.clone(), tier.as_bytes()),
            None => members.to_mut().insert_first(format!("\"service_tier\":{tier}").as_bytes()),
        }
    }

    #[inline(never)]
    fn ask_for_usage(&self, edits: &mut Edits, members: &mut Members) {
        let wanted = br#""include_usage":true"#;
        match &self.streaming.options {
            None => {
                members.insert_first(&[br#""stream_options":{"#, wanted.as_slice(), b"}"].concat())
            }
            Some(StreamOptions { include_usage: Some((value, _)), .. }) => {
                edits.replace(value.clone(), b"true")
            }
            Some(StreamOptions { value, members, .. })
                if self.fields.set.contains(Field::StreamOptions) =>
            {
                let mut members = members.clone();
                members.insert_first(wanted);
                members.write(value, edits);
            }
            Some(StreamOptions { value, .. }) => {
                edits.replace(value.clone(), br#"{"include_usage":true}"#)
            }
        }
    }
}
