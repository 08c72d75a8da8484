//! Tools: what the client offers, as functions that any model can call.
//!
//! Free-form (`custom`) tools become functions with one text, `input`; tools in a namespace get its name in front; a tool
//! search the client runs itself is a function already. Codex offers all three and reads calls only in their own form,
//! so [`Names`] finds, for a function the model calls, what the client calls it. Tools that OpenAI's servers run cannot
//! be translated: those an agent can do without are left out and told, others are refused.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::content::CacheFields;
use super::value::{OneOrMany, Str, field, wrong};
use crate::error::{Error, echo};
use crate::translate::form::{Conversation, Text, Tool};

/// Run by OpenAI's servers, and left out as long as there are other tools; by what the loss is called.
const LEFT_OUT: [(&str, &str); 7] = [
    ("web_search", "tools.web_search"),
    ("web_search_2025_08_26", "tools.web_search"),
    ("web_search_preview", "tools.web_search"),
    ("web_search_preview_2025_03_11", "tools.web_search"),
    ("openrouter:web_search", "tools.web_search"),
    ("image_generation", "tools.image_generation"),
    // All tools are offered at once, so the model need not search.
    ("tool_search", "tools.tool_search"),
];

/// Arguments of a free-form tool.
const FREE_FORM: &str = r#"{"type":"object","properties":{"input":{"type":"string","description":"The whole input, as plain text"}},"required":["input"],"additionalProperties":false}"#;

/// The function a tool search is called by.
pub(super) const SEARCH: &str = "tool_search";

/// A tool, whatever its type.
#[derive(Debug, Deserialize)]
struct ToolFields<'a> {
    #[serde(borrow)]
    r#type: Str<'a>,
    #[serde(borrow)]
    name: Option<Str<'a>>,
    #[serde(borrow)]
    description: Option<Str<'a>>,
    #[serde(borrow)]
    parameters: Option<&'a RawValue>,
    strict: Option<bool>,
    #[serde(borrow)]
    cache_control: Option<CacheFields<'a>>,
    /// Of a free-form tool.
    #[serde(borrow)]
    format: Option<FormatFields<'a>>,
    /// Of a tool search.
    #[serde(borrow)]
    execution: Option<Str<'a>>,
    /// Of a namespace.
    #[serde(borrow)]
    tools: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
struct FormatFields<'a> {
    #[serde(borrow)]
    syntax: Option<Str<'a>>,
    #[serde(borrow)]
    definition: Option<Str<'a>>,
}

/// What a tool is to its client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    #[default]
    Function,
    /// Takes text, not JSON.
    Custom,
    /// Finds more tools.
    Search,
}

/// What the model calls a tool of this name.
pub(super) fn flat<'a>(namespace: Option<&str>, name: Text<'a>) -> Text<'a> {
    match namespace {
        Some(namespace) => Cow::Owned([namespace, "__", &name].concat()),
        None => name,
    }
}

/// Adds tools to what the model is offered; those it is offered already are passed over.
pub(super) fn read<'a>(raw: Option<&'a RawValue>, conversation: &mut Conversation<'a>) -> Result<(), Error> {
    walk(raw, |fields, namespace| {
        if let Some(lost) = left_out(&fields) {
            conversation.lose(lost);
            return Ok(());
        }
        let tool = fields.read(namespace)?;
        if !conversation.tools.iter().any(|known| known.name == tool.name) {
            conversation.tools.push(tool);
        }
        Ok(())
    })
}

/// Refuses a request all of whose tools were left out: what it is about is one of them.
pub(super) fn check(conversation: &Conversation<'_>) -> Result<(), Error> {
    match conversation.dropped.iter().find_map(|lost| lost.strip_prefix("tools.")) {
        Some(lost) if conversation.tools.is_empty() => Err(not_ours(lost)),
        _ => Ok(()),
    }
}

fn left_out(fields: &ToolFields<'_>) -> Option<&'static str> {
    let (_, lost) = LEFT_OUT.iter().find(|(name, _)| *name == fields.r#type.0)?;
    (fields.kind() != Some(Kind::Search)).then_some(lost)
}

fn not_ours(tool: &str) -> Error {
    wrong("tools", &format!("{:?} is a tool of OpenAI's own servers, which other models cannot call", echo(tool)))
}

/// Calls `each` for every tool, with the namespace it stands in.
fn walk<'a>(
    raw: Option<&'a RawValue>,
    mut each: impl FnMut(ToolFields<'a>, Option<&str>) -> Result<(), Error>,
) -> Result<(), Error> {
    let tools: Option<Vec<ToolFields<'_>>> = field("tools", raw)?;
    for fields in tools.into_iter().flatten() {
        if fields.r#type.0 != "namespace" {
            each(fields, None)?;
            continue;
        }
        let namespace = fields.name.ok_or_else(|| wrong("tools", "a namespace has no name"))?;
        let inner: Option<Vec<ToolFields<'_>>> = field("tools", fields.tools)?;
        for fields in inner.into_iter().flatten() {
            each(fields, Some(&namespace.0))?;
        }
    }
    Ok(())
}

impl<'a> ToolFields<'a> {
    fn kind(&self) -> Option<Kind> {
        match self.r#type.0.as_ref() {
            "function" => Some(Kind::Function),
            "custom" => Some(Kind::Custom),
            SEARCH if self.execution.as_ref().is_some_and(|by| by.0 == "client") => Some(Kind::Search),
            _ => None,
        }
    }

    fn name(&mut self, kind: Kind) -> Result<Text<'a>, Error> {
        match (kind, self.name.take()) {
            (Kind::Search, _) => Ok(SEARCH.into()),
            (_, Some(name)) if !name.0.is_empty() => Ok(name.0),
            _ => Err(wrong("tools", "a tool has no name")),
        }
    }

    fn read(mut self, namespace: Option<&str>) -> Result<Tool<'a>, Error> {
        let kind = self.kind().ok_or_else(|| not_ours(&self.r#type.0))?;
        let name = flat(namespace, self.name(kind)?);
        let cache = self.cache_control.as_ref().map(CacheFields::cache);
        if kind == Kind::Custom {
            let parameters = serde_json::from_str(FREE_FORM).ok();
            return Ok(Tool { name, description: self.free_form(), parameters, strict: None, cache });
        }
        let description = self.description.map(|text| text.0);
        Ok(Tool { name, description, parameters: self.parameters, strict: self.strict, cache })
    }

    /// The description of a free-form tool: a grammar cannot be enforced, but it can be told.
    fn free_form(self) -> Option<Text<'a>> {
        let description = self.description.map(|text| text.0);
        let Some(FormatFields { syntax, definition: Some(grammar) }) = self.format else { return description };
        let syntax = syntax.map_or(Cow::Borrowed("lark"), |syntax| syntax.0);
        let before = description.unwrap_or_default();
        Some(Cow::Owned(format!("{before}\n\n`input` must follow this {syntax} grammar:\n{}", grammar.0)))
    }
}

/// What the client calls the tools that the model knows by other names or in another form.
#[derive(Debug, Default)]
pub(super) struct Names(Vec<Name>);

/// One tool, as its client knows it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Name {
    flat: String,
    pub(super) kind: Kind,
    pub(super) name: String,
    pub(super) namespace: Option<String>,
}

/// What of a request tells tools' names.
#[derive(Deserialize)]
struct Offers<'a> {
    #[serde(borrow)]
    tools: Option<&'a RawValue>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Offer<'a> {
    #[serde(borrow)]
    tools: Option<&'a RawValue>,
}

impl Names {
    /// Reads a request that [`read`] has accepted.
    pub(super) fn of(request: &[u8]) -> Self {
        let mut names = Self::default();
        let Ok(offers) = serde_json::from_slice::<Offers<'_>>(request) else { return names };
        names.add(offers.tools);
        let later = |item: &&str| memchr::memmem::find(request, item.as_bytes()).is_some();
        if ["tool_search_output", "additional_tools"].iter().any(later)
            && let Ok(Some(OneOrMany::Many(items))) = field::<OneOrMany<'_, Offer<'_>>>("input", offers.input)
        {
            items.into_iter().for_each(|item| names.add(item.tools));
        }
        names
    }

    /// What the client calls the function `flat`.
    pub(super) fn find(&self, flat: &str) -> Name {
        let known = self.0.iter().find(|name| name.flat == flat);
        known.cloned().unwrap_or_else(|| Name { name: flat.to_owned(), ..Name::default() })
    }

    fn add(&mut self, tools: Option<&RawValue>) {
        // The request was read before, so nothing fails here.
        let _ = walk(tools, |mut fields, namespace| {
            let Some(kind) = fields.kind() else { return Ok(()) };
            let name = fields.name(kind)?;
            if kind != Kind::Function || namespace.is_some() {
                let flat = flat(namespace, name.clone()).into_owned();
                self.0.push(Name { flat, kind, name: name.into_owned(), namespace: namespace.map(str::to_owned) });
            }
            Ok(())
        });
    }
}
