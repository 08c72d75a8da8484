//! A client's chat request, read into the common form.
//!
//! What the form has no place for is noted by name, unless its value changes nothing. Wrong types
//! are the client's fault and told with their path. Fields for the gateway alone (`models`,
//! `provider` …) are read elsewhere. Sources: OpenAI's API reference (2026-11); OpenRouter's API
//! description (2026-08) for `reasoning`, `cache_control`, `prompt`.

mod message;
mod part;
mod tool;
mod value;

use crate::error::Error;
use crate::translate::form::{Cache, Content, Conversation, Effort, Part, Reasoning, Role, Text};
use crate::translate::problem::{Problem, Read};
use crate::wire::json::{Kind, Reader};
use message::Messages;
use value::{array, boolean, integer, number, object, text, whole};

/// Fields in which something can be wrong.
const FIELDS: &[&str] = &[
    "messages",
    "prompt",
    "tools",
    "functions",
    "tool_choice",
    "function_call",
    "parallel_tool_calls",
    "response_format",
    "reasoning",
    "reasoning_effort",
    "include_reasoning",
    "max_tokens",
    "max_completion_tokens",
    "temperature",
    "top_p",
    "top_k",
    "frequency_penalty",
    "presence_penalty",
    "seed",
    "stop",
    "stream",
    "user",
    "safety_identifier",
    "cache_control",
];

/// Fields the common form has no place for, each with the values that ask for nothing; `null` is
/// one of them.
const UNEXPRESSED: &[(&str, &[&str])] = &[
    ("n", &["1"]),
    ("logit_bias", &["{}"]),
    ("logprobs", &["false"]),
    ("top_logprobs", &["0"]),
    ("min_p", &["0", "0.0"]),
    ("top_a", &["0", "0.0"]),
    ("repetition_penalty", &["1", "1.0"]),
    ("prediction", &[]),
    ("modalities", &["[\"text\"]"]),
    ("audio", &[]),
    ("image_config", &["{}"]),
    ("web_search_options", &[]),
    ("verbosity", &["\"medium\""]),
    ("metadata", &["{}"]),
    ("store", &["false"]),
    ("service_tier", &["\"auto\"", "\"default\""]),
    ("prompt_cache_key", &[]),
    ("prompt_cache_retention", &[]),
    ("prompt_cache_options", &[]),
    ("max_tool_calls", &[]),
];

/// Fields read elsewhere: the gateway's own, and those every upstream is told anew.
const ELSEWHERE: &[&str] = &[
    "model",
    "models",
    "fallbacks",
    "provider",
    "route",
    "usage",
    "preset",
    "transforms",
    "plugins",
    "session_id",
    "trace",
    "debug",
    "stream_options",
    // Says nothing that `response_format` does not.
    "structured_outputs",
];

/// Reads a body, which is known to be valid JSON and an object.
pub(super) fn read(body: &[u8]) -> Result<Conversation<'_>, Error> {
    let mut request = Request { body, ..Request::default() };
    match object(&mut Reader::new(body), |reader, key| request.field(key, reader))
        .and_then(|_| request.finish())
    {
        Ok(()) => Ok(request.conversation),
        Err(Problem::Json(error)) => Err(error.into()),
        Err(Problem::Wrong { path, what }) => {
            let (field, rest) = FIELDS
                .iter()
                .find_map(|field| Some((*field, below(&path, field)?)))
                .unwrap_or_default();
            Err(Problem::Wrong { path: rest.to_owned(), what }.of_field(field))
        }
    }
}

/// What follows the field in a path that begins with it.
fn below<'p>(path: &'p str, field: &str) -> Option<&'p str> {
    let rest = path.strip_prefix('.')?.strip_prefix(field)?;
    (rest.is_empty() || rest.starts_with(['.', '['])).then_some(rest)
}

/// A request while it is read.
#[derive(Default)]
struct Request<'a> {
    body: &'a [u8],
    conversation: Conversation<'a>,
    messages: Messages,
    /// `messages` or `prompt` is there.
    said: bool,
    /// The older name of the output limit.
    max_tokens: Option<u64>,
    /// `reasoning_effort`
    effort: Option<Effort>,
    include_reasoning: Option<bool>,
    /// `tool_choice.allowed_tools`
    allowed: Option<Vec<Text<'a>>>,
    /// Top-level `cache_control`
    cache: Option<Cache>,
    safety_identifier: Option<Text<'a>>,
}

impl<'a> Request<'a> {
    fn field(&mut self, name: &str, reader: &mut Reader<'a>) -> Read<()> {
        let Self { body, conversation, .. } = self;
        match name {
            "messages" => self.messages(reader)?,
            "prompt" => self.prompt(reader)?,
            "tools" => tool::tools(reader, body, conversation)?,
            "functions" => self.functions(reader)?,
            "tool_choice" | "function_call" => {
                tool::tool_choice(reader, conversation, &mut self.allowed)?
            }
            "parallel_tool_calls" => conversation.parallel_tool_calls = boolean(reader)?,
            "response_format" => tool::response_format(reader, body, conversation)?,
            "reasoning" => self.reasoning(reader)?,
            "reasoning_effort" => self.effort = effort(reader)?,
            "include_reasoning" => self.include_reasoning = boolean(reader)?,
            "max_tokens" => self.max_tokens = whole(reader)?,
            "max_completion_tokens" => conversation.max_tokens = whole(reader)?,
            "stop" => self.stop(reader)?,
            "stream" => conversation.stream = boolean(reader)?.unwrap_or(false),
            "user" => conversation.user = text(reader)?,
            "safety_identifier" => self.safety_identifier = text(reader)?,
            "cache_control" => self.cache = part::cache_control(reader)?,
            _ => self.number(name, reader)?,
        }
        Ok(())
    }

    fn number(&mut self, name: &str, reader: &mut Reader<'a>) -> Read<()> {
        let (body, sampling) = (self.body, &mut self.conversation.sampling);
        match name {
            "temperature" => sampling.temperature = number(reader, body)?,
            "top_p" => sampling.top_p = number(reader, body)?,
            "frequency_penalty" => sampling.frequency_penalty = number(reader, body)?,
            "presence_penalty" => sampling.presence_penalty = number(reader, body)?,
            // Some servers' "all tokens" is 0 or -1.
            "top_k" => {
                sampling.top_k =
                    integer(reader, body)?.and_then(|k| u64::try_from(k).ok()).filter(|k| *k > 0);
            }
            "seed" => sampling.seed = integer(reader, body)?,
            _ => self.unexpressed(name, reader)?,
        }
        Ok(())
    }

    fn unexpressed(&mut self, name: &str, reader: &mut Reader<'a>) -> Read<()> {
        let is_null = reader.peek()? == Kind::Null;
        let Some((field, neutral)) = UNEXPRESSED.iter().find(|(field, _)| *field == name) else {
            if !is_null && !ELSEWHERE.contains(&name) {
                self.conversation.lose_unknown(name);
            }
            return Ok(());
        };
        let value = self.body.get(reader.skip()?).unwrap_or_default();
        if !is_null && !neutral.iter().any(|neutral| neutral.as_bytes() == value) {
            self.conversation.lose(field);
        }
        Ok(())
    }

    fn messages(&mut self, reader: &mut Reader<'a>) -> Read<()> {
        let Self { messages, conversation, .. } = self;
        let mut empty = true;
        let given = array(reader, |reader, _| {
            empty = false;
            messages.read(reader, conversation)
        })?;
        if given && empty {
            return Err(Problem::wrong("must not be empty"));
        }
        self.said |= given;
        Ok(())
    }

    fn prompt(&mut self, reader: &mut Reader<'a>) -> Read<()> {
        let mut prompts = texts(reader)?;
        if prompts.len() > 1 {
            return Err(Problem::wrong("must be one prompt: several cannot be translated"));
        }
        if let Some(prompt) = prompts.pop() {
            self.conversation.say(Role::User, [Part::text(prompt)]);
            self.said = true;
        }
        Ok(())
    }

    /// The deprecated form calls one function at a time.
    fn functions(&mut self, reader: &mut Reader<'a>) -> Read<()> {
        let tools = tool::functions(reader, self.body)?;
        if !tools.is_empty() {
            self.conversation.tools.extend(tools);
            self.conversation.parallel_tool_calls = Some(false);
        }
        Ok(())
    }

    fn reasoning(&mut self, reader: &mut Reader<'a>) -> Read<()> {
        let mut reasoning = Reasoning::default();
        let conversation = &mut self.conversation;
        let given = object(reader, |reader, key| {
            match key {
                "effort" => reasoning.effort = effort(reader)?,
                "max_tokens" => reasoning.max_tokens = whole(reader)?,
                "exclude" => reasoning.exclude = boolean(reader)?.unwrap_or(false),
                "enabled" => reasoning.enabled = boolean(reader)?,
                "summary" if text(reader)?.is_some_and(|summary| summary != "auto") => {
                    conversation.lose("reasoning.summary");
                }
                "context" if text(reader)?.is_some_and(|context| context != "auto") => {
                    conversation.lose("reasoning.context");
                }
                "mode" if text(reader)?.is_some_and(|mode| mode != "standard") => {
                    conversation.lose("reasoning.mode")
                }
                _ => {}
            }
            Ok(())
        })?;
        if given {
            conversation.reasoning = Some(reasoning);
        }
        Ok(())
    }

    fn stop(&mut self, reader: &mut Reader<'a>) -> Read<()> {
        self.conversation.stop = texts(reader)?;
        Ok(())
    }

    /// What can only be said once all of it is read.
    fn finish(&mut self) -> Read<()> {
        if !self.said {
            return Err(Problem::wrong("is required").in_member("messages"));
        }
        self.settle_reasoning()?;
        let conversation = &mut self.conversation;
        conversation.max_tokens = conversation.max_tokens.or(self.max_tokens);
        conversation.user = conversation.user.take().or(self.safety_identifier.take());
        if let Some(allowed) = &self.allowed {
            conversation.tools.retain(|tool| allowed.contains(&tool.name));
        }
        if let Some(cache) = self.cache {
            mark_end(conversation, cache);
        }
        Ok(())
    }

    /// One `reasoning` of its three spellings.
    fn settle_reasoning(&mut self) -> Read<()> {
        let reasoning = &mut self.conversation.reasoning;
        if let Some(effort) = self.effort {
            let reasoning = reasoning.get_or_insert_default();
            if *reasoning.effort.get_or_insert(effort) != effort {
                return Err(
                    Problem::wrong("differs from reasoning.effort").in_member("reasoning_effort")
                );
            }
        }
        if let (Some(include), None) = (self.include_reasoning, &reasoning) {
            *reasoning = Some(Reasoning { exclude: !include, ..Reasoning::default() });
        }
        Ok(())
    }
}

/// A string or an array of strings.
fn texts<'a>(reader: &mut Reader<'a>) -> Read<Vec<Text<'a>>> {
    if reader.peek()? == Kind::String {
        return Ok(text(reader)?.into_iter().collect());
    }
    let mut texts = Vec::new();
    match array(reader, |reader, _| {
        texts.push(text(reader)?.ok_or_else(|| Problem::wrong("must be a string"))?);
        Ok(())
    }) {
        Err(Problem::Wrong { path, .. }) if path.is_empty() => {
            Err(Problem::wrong("must be a string or an array of strings"))
        }
        Err(problem) => Err(problem),
        Ok(_) => Ok(texts),
    }
}

fn effort(reader: &mut Reader<'_>) -> Read<Option<Effort>> {
    let Some(name) = text(reader)? else { return Ok(None) };
    let known = "must be one of none, minimal, low, medium, high, xhigh, max";
    Effort::of(&name).map(Some).ok_or_else(|| Problem::wrong(known))
}

/// A breakpoint after the last part that can bear one: the automatic caching of a top-level
/// `cache_control`.
fn mark_end(conversation: &mut Conversation<'_>, cache: Cache) {
    let turns = conversation.turns.iter_mut().rev().flat_map(|turn| turn.parts.iter_mut().rev());
    let mut parts = turns.chain(conversation.system.iter_mut().rev());
    if let Some(part) = parts.find(|part| !matches!(part.content, Content::Thinking(_))) {
        part.cache = part.cache.or(Some(cache));
    }
}
