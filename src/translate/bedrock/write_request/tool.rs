//! Tools: which there are, whether they must be called, calls and their ids.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

use super::is_blank;
use super::message::{CachePoint, Limit};
use super::model::{Family, Model};
use crate::translate::form::{Cache, Content, Conversation, Tool, ToolChoice};
use crate::translate::loss::Lost;
use crate::translate::{id_in_place_of, schema};

/// Longest id of a call.
const LONGEST_ID: usize = 64;

/// `toolConfig`
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ToolConfig<'c> {
    tools: Vec<Entry<'c>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Choice<'c>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Entry<'c> {
    ToolSpec(ToolSpec<'c>),
    CachePoint(CachePoint),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ToolSpec<'c> {
    name: &'c str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'c str>,
    input_schema: InputSchema<'c>,
}

#[derive(Serialize)]
struct InputSchema<'c> {
    json: Cow<'c, RawValue>,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Choice<'c> {
    Auto {},
    Any {},
    Tool { name: &'c str },
}

impl ToolConfig<'_> {
    /// How many breakpoints there are.
    pub(super) fn breakpoints(&self) -> usize {
        self.tools.iter().filter(|entry| matches!(entry, Entry::CachePoint(_))).count()
    }

    /// Leaves out and shortens breakpoints.
    pub(super) fn limit(&mut self, limit: &mut Limit<'_>) {
        self.tools.retain_mut(|entry| match entry {
            Entry::CachePoint(point) => limit.keep(point),
            Entry::ToolSpec(_) => true,
        });
    }
}

/// The tools a request offers. Where earlier turns have calls the API demands tools, even if none
/// may be called now.
// Keeps its caller small, as the host's compiler takes memory by the size of the largest function.
#[inline(never)]
pub(super) fn config<'c>(
    conversation: &'c Conversation<'_>,
    model: Model,
    dropped: &mut Lost,
) -> Option<ToolConfig<'c>> {
    let called = names_called(conversation);
    let forbidden = conversation.tool_choice == Some(ToolChoice::None);
    if called.is_empty() && (forbidden || conversation.tools.is_empty()) {
        return None;
    }
    if forbidden || conversation.tools.is_empty() {
        dropped.add("tool_choice");
    }
    let mut tools: Vec<_> =
        conversation.tools.iter().flat_map(|tool| entries(tool, model, &mut *dropped)).collect();
    if tools.is_empty() {
        tools = called.into_iter().map(|name| Entry::ToolSpec(spec(name, None, None))).collect();
    }
    Some(ToolConfig { tools, tool_choice: choice(conversation) })
}

fn choice<'c>(conversation: &'c Conversation<'_>) -> Option<Choice<'c>> {
    Some(match conversation.tool_choice.as_ref()? {
        ToolChoice::Auto => Choice::Auto {},
        ToolChoice::None => return None,
        ToolChoice::Required => Choice::Any {},
        ToolChoice::Tool(name) => Choice::Tool { name },
    })
}

fn entries<'c>(tool: &'c Tool<'_>, model: Model, dropped: &mut Lost) -> Vec<Entry<'c>> {
    let mut entries =
        vec![Entry::ToolSpec(spec(&tool.name, tool.description.as_deref(), tool.parameters))];
    match tool.cache {
        Some(cache) if model.caches_tools_and_longer() => {
            entries.push(Entry::CachePoint(cache.into()))
        }
        Some(Cache::Short | Cache::Long) => dropped.add("tools.cache_control"),
        None => {}
    }
    entries
}

fn spec<'c>(
    name: &'c str,
    description: Option<&'c str>,
    parameters: Option<&'c RawValue>,
) -> ToolSpec<'c> {
    let description = description.filter(|description| !is_blank(description));
    let json = schema::of_object(parameters, &[schema::TYPE]);
    ToolSpec { name, description, input_schema: InputSchema { json } }
}

/// The tools called in earlier turns, each once.
fn names_called<'c>(conversation: &'c Conversation<'_>) -> Vec<&'c str> {
    let mut names: Vec<&str> = Vec::new();
    for part in conversation.turns.iter().flat_map(|turn| &turn.parts) {
        let name = match &part.content {
            Content::ToolCall { name, .. } => name.as_ref(),
            // A result without its call: the API refuses the request and says why.
            Content::ToolResult { .. } if names.is_empty() => "unknown",
            _ => continue,
        };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// A call of an earlier turn.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ToolUse<'c> {
    tool_use_id: Cow<'c, str>,
    name: &'c str,
    input: Input<'c>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Input<'c> {
    Object(&'c RawValue),
    /// The API takes objects only: what was no JSON stands in one.
    Text {
        arguments: &'c str,
    },
    Empty {},
}

impl<'c> ToolUse<'c> {
    /// A call with these arguments.
    pub(super) fn new(
        id: Cow<'c, str>,
        name: &'c str,
        arguments: &'c str,
        dropped: &mut Lost,
    ) -> Self {
        let arguments = arguments.trim();
        let object = serde_json::from_str::<&RawValue>(arguments)
            .ok()
            .filter(|_| arguments.starts_with('{'));
        let input = match object {
            Some(object) => Input::Object(object),
            None if arguments.is_empty() => Input::Empty {},
            None => {
                dropped.add("messages.tool_calls.arguments");
                Input::Text { arguments }
            }
        };
        Self { tool_use_id: id, name, input }
    }
}

/// A call's id within the API's alphabet and length; other providers' ids may have neither. Same
/// ids stay the same. The API takes more signs than Claude does.
pub(super) fn call_id(id: &str, model: Model) -> Cow<'_, str> {
    let signs: &[u8] = if model.family == Family::Anthropic { b"_-" } else { b"_.:-" };
    if (1..=LONGEST_ID).contains(&id.len()) && id.bytes().all(|byte| is_one_of(byte, signs)) {
        return Cow::Borrowed(id);
    }
    Cow::Owned(id_in_place_of(id, LONGEST_ID, |byte| is_one_of(byte, signs)))
}

/// Whether a byte is a letter, a digit, or one of these signs.
fn is_one_of(byte: u8, signs: &[u8]) -> bool {
    byte.is_ascii_alphanumeric() || signs.contains(&byte)
}
