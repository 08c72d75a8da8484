//! Citations of the web: read from upstreams into OpenRouter's form of an annotation, which is what
//! a [`Delta`](super::Delta) carries, and from that into what each dialect has for them.

use serde::Serialize;

use super::form::Text;
use super::tolerant::{object, text};
use crate::wire::json::{JsonError, Reader};

/// The one type of annotation that is a citation of the web, and the member that holds it.
const KIND: &str = "url_citation";

/// A page of the web, and what of it supports the text.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(super) struct Citation<'a> {
    pub(super) url: Text<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) title: Option<Text<'a>>,
    /// What is cited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content: Option<Text<'a>>,
    /// Characters of the answer's text before what the page supports.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) start_index: Option<usize>,
    /// The same, up to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) end_index: Option<usize>,
}

#[derive(Serialize)]
struct Annotation<'c, 'a> {
    r#type: &'static str,
    url_citation: &'c Citation<'a>,
}

impl<'a> Citation<'a> {
    /// As an annotation, in JSON.
    pub(super) fn annotation(&self) -> String {
        let annotation = Annotation { r#type: KIND, url_citation: self };
        serde_json::to_string(&annotation).unwrap_or_default()
    }

    /// Reads an annotation, the citation in it or, as in the Responses API, the annotation itself;
    /// `None`: it is of another type.
    pub(super) fn of(annotation: &'a str) -> Option<Self> {
        let mut citation = Self::default();
        let mut is_citation = false;
        let read = object(&mut Reader::new(annotation.as_bytes()), |reader, key| {
            match key {
                "type" => is_citation |= text(reader)?.is_some_and(|kind| kind == KIND),
                KIND => {
                    is_citation = true;
                    object(reader, |reader, key| citation.member(reader, key))?;
                }
                key => citation.member(reader, key)?,
            }
            Ok(())
        });
        read.ok()?;
        (is_citation && !citation.url.is_empty()).then_some(citation)
    }

    fn member(&mut self, reader: &mut Reader<'a>, key: &str) -> Result<(), JsonError> {
        match key {
            "url" => self.url = text(reader)?.unwrap_or_default(),
            "title" => self.title = text(reader)?,
            "content" => self.content = text(reader)?,
            "start_index" => self.start_index = index(reader)?,
            "end_index" => self.end_index = index(reader)?,
            _ => {}
        }
        Ok(())
    }
}

fn index(reader: &mut Reader<'_>) -> Result<Option<usize>, JsonError> {
    Ok(reader.u64()?.and_then(|index| usize::try_from(index).ok()))
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn what_is_written_is_read_again() {
        for (title, content, start_index) in
            [(None, None, None), (Some("A \"b\""), Some("c"), Some(3))]
        {
            let citation = Citation {
                url: "https://a.b".into(),
                title: title.map(Text::from),
                content: content.map(Text::from),
                start_index,
                end_index: start_index.map(|start| start + 1),
            };
            assert_eq!(Citation::of(&citation.annotation()), Some(citation));
        }
    }

    #[test]
    fn annotations_are_citations_by_their_type_or_member_and_with_an_address() {
        for (annotation, url) in [
            (r#"{"url_citation": {"url": "u", "title": 5}}"#, Some("u")),
            (r#"{"url": "u", "type": "url_citation"}"#, Some("u")),
            (r#"{"type": "file_citation", "url": "u"}"#, None),
            (r#"{"type": "url_citation", "url_citation": {"title": "t"}}"#, None),
            (r#"{"url_citation": {"url": ""}}"#, None),
            (r#"{"url_citation": {"url": "u""#, None),
            ("[]", None),
        ] {
            let read = Citation::of(annotation);
            assert_eq!(read.as_ref().map(|read| read.url.as_ref()), url, "{annotation}");
        }
    }
}
