//! The common form: a request to a chat model in nobody's dialect.
//!
//! Every client dialect is read into it and every upstream format written from it, so that a
//! dialect or format is one folder and not one for each pair. It borrows from the client's body;
//! what nobody needs to understand (JSON schemas, tool arguments) stays raw JSON text. Only
//! requests that change dialect come here: all others pass as bytes.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::loss::Lost;

/// A text borrowed from the body, or unescaped from it.
pub type Text<'a> = Cow<'a, str>;

/// One request.
#[derive(Clone, Debug, Default)]
pub struct Conversation<'a> {
    /// Instructions that stand before the first turn.
    pub system: Vec<Part<'a>>,
    /// What was said, oldest first. Never two neighbours of the same role: readers merge them.
    pub turns: Vec<Turn<'a>>,
    /// Tools the model may call.
    pub tools: Vec<Tool<'a>>,
    /// Whether it must.
    pub tool_choice: Option<ToolChoice<'a>>,
    /// `false`: at most one call at a time.
    pub parallel_tool_calls: Option<bool>,
    /// Form of the answer.
    pub response_format: Option<ResponseFormat<'a>>,
    /// How much to think.
    pub reasoning: Option<Reasoning>,
    /// Most tokens of output, reasoning included.
    pub max_tokens: Option<u64>,
    /// Numbers that steer sampling; `None`: the upstream's default.
    pub sampling: Sampling,
    /// Texts that end the answer.
    pub stop: Vec<Text<'a>>,
    /// Whether the answer is to be streamed.
    pub stream: bool,
    /// The end user's id.
    pub user: Option<Text<'a>>,
    /// `flex`, `priority` or `default`, where the upstream is to be told.
    pub service_tier: Option<&'static str>,
    /// What the client's dialect says and this form has no place for, by the field's name there.
    pub dropped: Lost,
    /// Names of fields that nobody here knows; a few of them.
    pub unknown: Vec<String>,
}

/// Numbers that steer sampling.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sampling {
    /// 0 to 2; some formats end at 1.
    pub temperature: Option<f64>,
    /// 0 to 1.
    pub top_p: Option<f64>,
    /// Most likely tokens considered.
    pub top_k: Option<u64>,
    /// -2 to 2.
    pub frequency_penalty: Option<f64>,
    /// -2 to 2.
    pub presence_penalty: Option<f64>,
    /// For answers that repeat.
    pub seed: Option<i64>,
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The user, and what tools returned.
    User,
    /// The model.
    Assistant,
}

/// What one side says before the other does.
#[derive(Clone, Debug)]
pub struct Turn<'a> {
    /// Who.
    pub role: Role,
    /// What; tool results come before anything else of a user's turn.
    pub parts: Vec<Part<'a>>,
}

/// A piece of a turn.
#[derive(Clone, Debug)]
pub struct Part<'a> {
    /// What it is.
    pub content: Content<'a>,
    /// A prompt cache breakpoint after this part.
    pub cache: Option<Cache>,
}

/// A prompt cache breakpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cache {
    /// Five minutes, the default.
    Short,
    /// One hour.
    Long,
}

/// Which breakpoints of a request Claude takes, wherever it is served: asked in the order in which
/// it reads them, tools, instructions, messages.
#[derive(Debug)]
pub struct Breakpoints {
    /// To be left out: the last ones are kept, as each covers all that is before it.
    surplus: usize,
    /// A short one was taken: no longer one may follow.
    short: bool,
}

impl Breakpoints {
    /// Most in one request.
    const MOST: usize = 4;

    /// For a request with so many.
    pub fn new(breakpoints: usize) -> Self {
        Self { surplus: breakpoints.saturating_sub(Self::MOST), short: false }
    }

    /// What becomes of the next one; `None`: it is left out.
    pub fn take(&mut self, wanted: Cache) -> Option<Cache> {
        if self.surplus > 0 {
            self.surplus -= 1;
            return None;
        }
        let cache = if self.short { Cache::Short } else { wanted };
        self.short |= cache == Cache::Short;
        Some(cache)
    }
}

/// What a part is.
#[derive(Clone, Debug)]
pub enum Content<'a> {
    /// Text.
    Text(Text<'a>),
    /// An image, document, sound or video.
    Media(Media<'a>),
    /// The model's thinking, to be given back as it came.
    Thinking(Thinking<'a>),
    /// The model calls a tool.
    ToolCall {
        /// Ties the result to the call.
        id: Text<'a>,
        /// The tool.
        name: Text<'a>,
        /// A JSON object as text; may be empty.
        arguments: Text<'a>,
        /// Opaque proof of the thinking before it (Gemini's thought signature).
        signature: Option<Text<'a>>,
    },
    /// What a tool returned.
    ToolResult {
        /// The call's id.
        id: Text<'a>,
        /// Text and media.
        parts: Vec<Part<'a>>,
        /// The tool failed.
        is_error: bool,
    },
}

/// A piece of thinking.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Thinking<'a> {
    /// What can be read of it.
    pub text: Text<'a>,
    /// The provider's proof that it is unchanged.
    pub signature: Option<Text<'a>>,
    /// What cannot be read: redacted or encrypted thinking.
    pub encrypted: Option<Text<'a>>,
    /// Id of the item, where the dialect has one.
    pub id: Option<Text<'a>>,
    /// OpenRouter's name of the form, e.g. `anthropic-claude-v1`; only its own provider can read
    /// it.
    pub format: Option<Text<'a>>,
}

/// Kinds of media.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaKind {
    /// A picture.
    Image,
    /// A document.
    File,
    /// Sound.
    Audio,
    /// Moving pictures.
    Video,
}

/// Something that is not text.
#[derive(Clone, Debug)]
pub struct Media<'a> {
    /// What it is.
    pub kind: MediaKind,
    /// Where it is.
    pub source: Source<'a>,
    /// A file's name.
    pub name: Option<Text<'a>>,
    /// `low`, `high`, `auto`: how closely to look at a picture.
    pub detail: Option<Text<'a>>,
}

/// Where media are.
#[derive(Clone, Debug)]
pub enum Source<'a> {
    /// The upstream fetches it.
    Url(Text<'a>),
    /// Here.
    Data {
        /// `image/png` …
        mime: Text<'a>,
        /// The bytes in base64.
        base64: Text<'a>,
    },
    /// Uploaded before, known by this id to one provider.
    Id(Text<'a>),
}

/// A tool the client offers.
#[derive(Clone, Debug)]
pub struct Tool<'a> {
    /// Its name.
    pub name: Text<'a>,
    /// What it does.
    pub description: Option<Text<'a>>,
    /// JSON Schema of its arguments.
    pub parameters: Option<&'a RawValue>,
    /// Whether arguments must follow the schema.
    pub strict: Option<bool>,
    /// A prompt cache breakpoint after this tool.
    pub cache: Option<Cache>,
}

/// Whether tools are called.
#[derive(Clone, Debug, PartialEq)]
pub enum ToolChoice<'a> {
    /// As the model likes.
    Auto,
    /// Never.
    None,
    /// At least one.
    Required,
    /// This one.
    Tool(Text<'a>),
}

/// Form of the answer.
#[derive(Clone, Debug)]
pub enum ResponseFormat<'a> {
    /// Text.
    Text,
    /// Any JSON object.
    JsonObject,
    /// JSON after a schema.
    JsonSchema {
        /// The schema's name.
        name: Text<'a>,
        /// What it is for.
        description: Option<Text<'a>>,
        /// JSON Schema.
        schema: &'a RawValue,
        /// Whether it must be followed exactly.
        strict: Option<bool>,
    },
}

/// How much to think, as OpenRouter's `reasoning`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reasoning {
    /// A level; `None` where a budget or nothing is given.
    pub effort: Option<Effort>,
    /// A budget in tokens.
    pub max_tokens: Option<u64>,
    /// Thinking happens but is not shown.
    pub exclude: bool,
    /// `false`: no thinking at all.
    pub enabled: Option<bool>,
}

/// Levels of thinking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effort {
    /// None.
    None,
    /// A tenth of the output.
    Minimal,
    /// A fifth.
    Low,
    /// Half.
    Medium,
    /// Four fifths.
    High,
    /// Nearly all.
    Max,
}

impl Effort {
    /// Reads a level by its name in any dialect.
    pub fn of(name: &str) -> Option<Self> {
        Some(match name {
            "none" => Self::None,
            "minimal" => Self::Minimal,
            "low" => Self::Low,
            "medium" => Self::Medium,
            "high" => Self::High,
            "xhigh" | "max" => Self::Max,
            _ => return None,
        })
    }

    /// Its name in OpenAI's dialect.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Minimal => "minimal",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Max => "xhigh",
        }
    }

    /// Share of the output that may be thinking, in percent (OpenRouter's table).
    pub fn percent(self) -> u64 {
        match self {
            Self::None => 0,
            Self::Minimal => 10,
            Self::Low => 20,
            Self::Medium => 50,
            Self::High => 80,
            Self::Max => 95,
        }
    }
}

impl Reasoning {
    /// The thinking budget for formats that only know budgets; `None`: no thinking.
    /// Bounds are OpenRouter's: at least 1,024, at most 128,000 and less than `max_tokens`.
    pub fn budget(&self, max_tokens: u64) -> Option<u64> {
        if self.enabled == Some(false) || self.effort == Some(Effort::None) {
            return None;
        }
        let wanted = match (self.max_tokens, self.effort) {
            (Some(tokens), _) => tokens,
            (None, effort) => {
                max_tokens.saturating_mul(effort.unwrap_or(Effort::Medium).percent()) / 100
            }
        };
        Some(wanted.clamp(1024, 128_000))
    }

    /// The level for formats that only know levels; `None`: nothing was asked.
    pub fn level(&self) -> Option<Effort> {
        match (self.enabled, self.effort, self.max_tokens) {
            (Some(false), _, _) => Some(Effort::None),
            (_, Some(effort), _) => Some(effort),
            (_, None, Some(tokens)) => Some(match tokens {
                0..=2048 => Effort::Low,
                2049..=16384 => Effort::Medium,
                _ => Effort::High,
            }),
            (Some(true), None, None) => Some(Effort::Medium),
            (None, None, None) => None,
        }
    }
}

impl<'a> Part<'a> {
    /// A text without a breakpoint.
    pub fn text(text: impl Into<Text<'a>>) -> Self {
        Self { content: Content::Text(text.into()), cache: None }
    }

    /// Whether it is what a tool returned.
    pub fn is_result(&self) -> bool {
        matches!(self.content, Content::ToolResult { .. })
    }

    fn has_media(&self) -> bool {
        match &self.content {
            Content::Media(_) => true,
            Content::ToolResult { parts, .. } => parts.iter().any(Self::has_media),
            _ => false,
        }
    }
}

impl<'a> Conversation<'a> {
    /// Notes that a field got lost on the way into this form, once.
    pub fn lose(&mut self, field: &'static str) {
        self.dropped.add(field);
    }

    /// Notes that a field got lost that nobody here knows. The name goes into headers and logs:
    /// most there may be and the longest are bounded.
    pub fn lose_unknown(&mut self, field: &str) {
        const MOST: usize = 16;
        const LONGEST: usize = 64;
        if self.unknown.len() < MOST
            && field.len() <= LONGEST
            && !field.is_empty()
            && field.bytes().all(is_of_name)
        {
            self.unknown.push(field.to_owned());
        } else {
            self.lose("unknown fields");
        }
    }

    /// Whether there is nothing but text and tools in it, and no form of the answer is asked for.
    pub fn is_plain(&self) -> bool {
        let asks_for_form =
            self.response_format.as_ref().is_some_and(|form| !matches!(form, ResponseFormat::Text));
        let mut parts = self.system.iter().chain(self.turns.iter().flat_map(|turn| &turn.parts));
        !asks_for_form && !parts.any(Part::has_media)
    }

    /// Adds parts to the last turn if it is the same role's, else a new turn.
    pub fn say(&mut self, role: Role, parts: impl IntoIterator<Item = Part<'a>>) {
        match self.turns.last_mut() {
            Some(turn) if turn.role == role => turn.parts.extend(parts),
            _ => self.turns.push(Turn { role, parts: parts.into_iter().collect() }),
        }
    }

    /// Adds what a tool returned: in the user's turn that comes before anything else.
    pub fn say_result(&mut self, result: Part<'a>) {
        self.say(Role::User, []);
        if let Some(turn) = self.turns.last_mut() {
            let results = turn.parts.iter().take_while(|part| part.is_result()).count();
            turn.parts.insert(results, result);
        }
    }

    /// The tool that a call's id belongs to: formats that tie results to calls by name need it.
    pub fn tool_of_call(&self, call: &str) -> Option<&str> {
        self.turns.iter().flat_map(|turn| &turn.parts).find_map(|part| match &part.content {
            Content::ToolCall { id, name, .. } if id == call => Some(name.as_ref()),
            _ => None,
        })
    }
}

fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}
