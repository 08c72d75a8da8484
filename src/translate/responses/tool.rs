//! Tools: what the client offers, as functions that any model can call.
//!
//! Free-form (`custom`) tools become functions with one text, `input`; tools in a namespace get its
//! name in front; a tool search the client runs itself is a function already. Codex offers all
//! three and reads calls only in their own form, so [`Names`] finds, for a function the model
//! calls, what the client calls it. Tools that OpenAI's servers run cannot be translated: those an
//! agent can do without are left out and told, others are refused.

use std::borrow::Cow;

use memchr::memmem;

use super::cache::{CACHE, cache};
use super::shape::{Field, Shape, field, maybe, must, parse, raw, text, wrong};
use super::value::{Object, Value};
use crate::error::{Error, echo};
use crate::translate::form::{Conversation, Text, Tool};

/// Run by OpenAI's servers, and left out as long as there are other tools; by what the loss is
/// called.
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
const FREE_FORM: &str = concat!(
    r#"{"type":"object","#,
    r#""properties":{"input":{"type":"string","description":"The whole input, as plain text"}},"#,
    r#""required":["input"],"additionalProperties":false}"#,
);

/// The function a tool search is called by.
pub(super) const SEARCH: &str = "tool_search";

/// Tools, whatever their type.
const TOOLS: &Shape = &Shape::List(&Shape::Object(&[
    must("type", Shape::Text),
    text("name"),
    text("description"),
    raw("parameters"),
    maybe("strict", Shape::Flag),
    maybe("cache_control", Shape::Object(CACHE)),
    // Of a free-form tool.
    maybe("format", Shape::Object(FORMAT)),
    // Of a tool search.
    text("execution"),
    // Of a namespace.
    raw("tools"),
]));

const FORMAT: &[Field] = &[text("syntax"), text("definition")];

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
pub(super) fn read<'a>(
    json: Option<&'a str>,
    conversation: &mut Conversation<'a>,
) -> Result<(), Error> {
    walk(json, &mut |fields, namespace| {
        if let Some(lost) = left_out(&fields) {
            conversation.lose(lost);
            return Ok(());
        }
        let tool = tool(fields, namespace)?;
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

fn left_out(fields: &Object<'_>) -> Option<&'static str> {
    let (_, lost) = LEFT_OUT.iter().find(|(name, _)| fields.str("type") == Some(name))?;
    (kind(fields) != Some(Kind::Search)).then_some(lost)
}

fn not_ours(tool: &str) -> Error {
    wrong(
        "tools",
        &format!(
            "{:?} is a tool of OpenAI's own servers, which other models cannot call",
            echo(tool)
        ),
    )
}

type Each<'e, 'a> = dyn FnMut(Object<'a>, Option<&str>) -> Result<(), Error> + 'e;

/// Calls `each` for every tool, with the namespace it stands in.
fn walk<'a>(json: Option<&'a str>, each: &mut Each<'_, 'a>) -> Result<(), Error> {
    for mut fields in field("tools", json, TOOLS)?.objects() {
        if fields.str("type") != Some("namespace") {
            each(fields, None)?;
            continue;
        }
        let namespace =
            fields.text("name").ok_or_else(|| wrong("tools", "a namespace has no name"))?;
        for fields in field("tools", fields.raw("tools"), TOOLS)?.objects() {
            each(fields, Some(&namespace))?;
        }
    }
    Ok(())
}

fn kind(fields: &Object<'_>) -> Option<Kind> {
    match fields.str("type")? {
        "function" => Some(Kind::Function),
        "custom" => Some(Kind::Custom),
        SEARCH if fields.str("execution") == Some("client") => Some(Kind::Search),
        _ => None,
    }
}

fn name<'a>(fields: &mut Object<'a>, kind: Kind) -> Result<Text<'a>, Error> {
    match (kind, fields.text("name")) {
        (Kind::Search, _) => Ok(SEARCH.into()),
        (_, Some(name)) if !name.is_empty() => Ok(name),
        _ => Err(wrong("tools", "a tool has no name")),
    }
}

fn tool<'a>(mut fields: Object<'a>, namespace: Option<&str>) -> Result<Tool<'a>, Error> {
    let kind = kind(&fields).ok_or_else(|| not_ours(fields.str("type").unwrap_or_default()))?;
    let name = flat(namespace, name(&mut fields, kind)?);
    let cache = cache(fields.take("cache_control"));
    if kind == Kind::Custom {
        let parameters = serde_json::from_str(FREE_FORM).ok();
        return Ok(Tool { name, description: free_form(fields), parameters, strict: None, cache });
    }
    let parameters = fields.raw("parameters").and_then(|json| serde_json::from_str(json).ok());
    Ok(Tool {
        name,
        description: fields.text("description"),
        parameters,
        strict: fields.take("strict").flag(),
        cache,
    })
}

/// The description of a free-form tool: a grammar cannot be enforced, but it can be told.
fn free_form(mut fields: Object<'_>) -> Option<Text<'_>> {
    let description = fields.text("description");
    let mut format = fields.take("format").object().unwrap_or_default();
    let Some(grammar) = format.text("definition") else { return description };
    let syntax = format.str("syntax").unwrap_or("lark");
    let before = description.unwrap_or_default();
    Some(Cow::Owned(format!("{before}\n\n`input` must follow this {syntax} grammar:\n{grammar}")))
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

/// What of a request, or of an item of its input, tells tools' names.
const OFFERS: &Shape = &Shape::Object(&[raw("tools"), raw("input")]);

impl Names {
    /// Reads a request that [`read`] has accepted.
    pub(super) fn of(request: &[u8]) -> Self {
        let mut names = Self::default();
        let Ok(Value::Object(offers)) = parse(request, OFFERS) else { return names };
        names.add(offers.raw("tools"));
        let bring_tools = ["tool_search_output", "additional_tools"];
        if bring_tools.iter().any(|item| memmem::find(request, item.as_bytes()).is_some())
            && let Ok(items) = field("input", offers.raw("input"), &Shape::TextOrList(OFFERS))
        {
            items.objects().iter().for_each(|item| names.add(item.raw("tools")));
        }
        names
    }

    /// What the client calls the function `flat`.
    pub(super) fn find(&self, flat: &str) -> Name {
        let known = self.0.iter().find(|name| name.flat == flat);
        known.cloned().unwrap_or_else(|| Name { name: flat.to_owned(), ..Name::default() })
    }

    fn add(&mut self, json: Option<&str>) {
        // The request was read before, so nothing fails here.
        let _ = walk(json, &mut |mut fields, namespace| {
            let Some(kind) = kind(&fields) else { return Ok(()) };
            let name = name(&mut fields, kind)?;
            if kind != Kind::Function || namespace.is_some() {
                let flat = flat(namespace, name.clone()).into_owned();
                self.0.push(Name {
                    flat,
                    kind,
                    name: name.into_owned(),
                    namespace: namespace.map(str::to_owned),
                });
            }
            Ok(())
        });
    }
}
