//! Takes OpenRouter's additions out of a chat request that goes to an upstream without them.

use std::borrow::Cow;

use super::Request;
use crate::request::content::openrouter_loss;
use crate::request::field::Field;
use crate::wire::edit::{Edits, Members};
use crate::wire::json::{JsonError, Kind, Reader};

/// What an upstream of the same dialect does not take.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Unfit {
    /// Top-level fields that are taken out.
    pub fields: Vec<&'static str>,
    /// Members that are put in their place.
    pub instead: Vec<String>,
    /// Whether OpenRouter's members of messages and of their parts are taken out.
    pub parts: bool,
}

impl Request {
    /// Whether a top-level field of this name is there, be it null.
    pub fn names(&self, name: &str) -> bool {
        Field::of(name.as_bytes()).is_some_and(|field| self.fields.named.contains(field))
    }

    /// Names of the losses if OpenRouter's members of messages and of their parts are taken out.
    pub fn openrouter_parts(&self) -> &[&'static str] {
        &self.content.openrouter_parts
    }

    /// A body with nothing but these fields and an empty prompt.
    pub fn excerpt(&self, names: &[&str]) -> Vec<u8> {
        let mut excerpt = b"{\"prompt\":\"\"".to_vec();
        for member in names.iter().filter_map(|name| self.member(name)) {
            excerpt.push(b',');
            excerpt.extend_from_slice(member);
        }
        excerpt.push(b'}');
        excerpt
    }

    /// A top-level member, from its key's quote to the end of its value.
    fn member(&self, name: &str) -> Option<&[u8]> {
        self.body().get(self.raw.members.find(self.body(), name)?.1)
    }

    /// A top-level member, with another name in place of its own.
    pub fn renamed(&self, name: &str, new: &str) -> Option<String> {
        let rest = self.member(name)?.get(name.len() + 2..)?;
        Some(format!("\"{new}\"{}", String::from_utf8_lossy(rest)))
    }

    /// Takes out, and puts in its place, what an upstream needs that does not take all of the body.
    #[cold]
    pub(super) fn take_out(
        &self,
        unfit: &Unfit,
        members: &mut Cow<'_, Members>,
        edits: &mut Edits,
    ) {
        for name in &unfit.fields {
            if let Some((index, _)) = members.find(self.body(), name) {
                members.to_mut().remove(index);
            }
        }
        unfit.instead.iter().for_each(|member| members.to_mut().insert_first(member.as_bytes()));
        if unfit.parts && !self.content.openrouter_parts.is_empty() {
            // The same bytes have been read before without an error.
            let _ = Reader::new(self.body()).object(|reader, member| match reader.peek()? {
                Kind::Array if member.key.is("messages") => {
                    reader.array(|reader, _| without_openrouters(reader, edits)).map(|_| ())
                }
                _ => Ok::<_, JsonError>(()),
            });
        }
    }
}

/// Takes OpenRouter's members out of a message, or of one of its parts.
fn without_openrouters(reader: &mut Reader<'_>, edits: &mut Edits) -> Result<(), JsonError> {
    if reader.peek()? != Kind::Object {
        return Ok(());
    }
    let mut members = Members::new();
    let object = reader.object(|reader, member| {
        match reader.peek()? {
            Kind::Array if member.key.is("content") => {
                reader.array(|reader, _| without_openrouters(reader, edits))?;
            }
            _ => {
                reader.skip()?;
            }
        }
        let index = members.push(member.key.start..reader.position());
        if openrouter_loss(&member.key).is_some() {
            members.remove(index);
        }
        Ok::<_, JsonError>(())
    })?;
    members.write(&object, edits);
    Ok(())
}
