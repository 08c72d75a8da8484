//! How a model is told to think, and what it thought before given back to it.
//!
//! Only Claude is told, by `additionalModelRequestFields.thinking`: with a budget or, since version
//! 4.6, with a level.

use serde::Serialize;

use super::model::{Family, Model, Sampling, Thinking};
use crate::translate::form::{self, Content, Conversation, Effort, Reasoning, Role, ToolChoice};
use crate::translate::loss::Lost;

/// Output tokens of a request that bounds only its thinking, or neither: the least that every model
/// told by budget has.
const OUTPUT: u64 = 32_000;
/// The smallest budget.
const LEAST: u64 = 1024;

/// What a request says about thinking.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Plan {
    /// The model's own field.
    pub(super) thinking: Option<ThinkingField>,
    /// `outputConfig.effort`
    pub(super) effort: Option<&'static str>,
    /// `maxTokens` where a budget needs one.
    pub(super) max_tokens: Option<u64>,
}

/// Claude's `thinking`.
#[derive(Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(super) enum ThinkingField {
    /// At most so many tokens.
    Enabled {
        /// Less than `maxTokens`.
        budget_tokens: u64,
    },
    /// As much as the level suggests.
    Adaptive {
        /// `summarized`: models that show nothing by default are to show it.
        #[serde(skip_serializing_if = "Option::is_none")]
        display: Option<&'static str>,
    },
    /// It must not think.
    Disabled,
}

impl Plan {
    /// Whether the request turns thinking on.
    pub(super) fn thinks(&self) -> bool {
        matches!(
            self.thinking,
            Some(ThinkingField::Enabled { .. } | ThinkingField::Adaptive { .. })
        )
    }
}

/// What `conversation` asks for, as far as `model` can be told.
pub(super) fn plan(conversation: &Conversation<'_>, model: Model, dropped: &mut Lost) -> Plan {
    let Some((reasoning, level)) = asked(conversation) else {
        return Plan::default();
    };
    let plan = match (model.thinking, level) {
        (Thinking::Untold | Thinking::Budget | Thinking::Level, Effort::None) => {
            Some(Plan::default())
        }
        (Thinking::LevelByDefault, Effort::None) => {
            Some(Plan { thinking: Some(ThinkingField::Disabled), ..Plan::default() })
        }
        (Thinking::Untold, _) | (Thinking::LevelAlways, Effort::None) => None,
        // Claude does not think where a call is forced, and the call is what was asked for in so
        // many words.
        _ if matches!(
            conversation.tool_choice,
            Some(ToolChoice::Required | ToolChoice::Tool(_))
        ) =>
        {
            None
        }
        (Thinking::Budget, _) => with_budget(conversation, reasoning, model, dropped),
        (Thinking::Level | Thinking::LevelByDefault | Thinking::LevelAlways, level) => {
            if reasoning.max_tokens.is_some() {
                dropped.add("reasoning.max_tokens");
            }
            Some(with_level(level, reasoning, model))
        }
    };
    plan.unwrap_or_else(|| {
        dropped.add("reasoning");
        Plan::default()
    })
}

fn asked<'c>(conversation: &'c Conversation<'_>) -> Option<(&'c Reasoning, Effort)> {
    let reasoning = conversation.reasoning.as_ref()?;
    Some((reasoning, reasoning.level()?))
}

fn with_level(level: Effort, reasoning: &Reasoning, model: Model) -> Plan {
    let effort = match level {
        Effort::None | Effort::Minimal | Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High => "high",
        Effort::Max => "max",
    };
    // The models that take no sampling numbers are also those that do not show their thinking
    // unless asked.
    let hidden = model.sampling == Sampling::Fixed;
    let display = (hidden && !reasoning.exclude).then_some("summarized");
    Plan {
        thinking: Some(ThinkingField::Adaptive { display }),
        effort: Some(effort),
        max_tokens: None,
    }
}

/// `None`: there is no room for thinking, or the turn being continued began without it.
fn with_budget(
    conversation: &Conversation<'_>,
    reasoning: &Reasoning,
    model: Model,
    dropped: &mut Lost,
) -> Option<Plan> {
    let wanted = reasoning.budget(conversation.max_tokens.unwrap_or(OUTPUT))?;
    let max_tokens =
        conversation.max_tokens.unwrap_or_else(|| OUTPUT.max(wanted.saturating_add(LEAST)));
    let budget_tokens = wanted.min(max_tokens.saturating_sub(1));
    if budget_tokens < LEAST || continues_without_thinking(conversation, model) {
        return None;
    }
    if reasoning.max_tokens.is_some_and(|asked| asked != budget_tokens) {
        dropped.add("reasoning.max_tokens");
    }
    Some(Plan {
        thinking: Some(ThinkingField::Enabled { budget_tokens }),
        effort: None,
        max_tokens: conversation.max_tokens.is_none().then_some(max_tokens),
    })
}

/// Whether the model's last turn called tools without any thinking that can be given back: while
/// Claude thinks by budget, such a turn must begin with thinking.
fn continues_without_thinking(conversation: &Conversation<'_>, model: Model) -> bool {
    let last = conversation.turns.iter().rfind(|turn| turn.role == Role::Assistant);
    let mut parts = last.into_iter().flat_map(|turn| &turn.parts);
    let begins = parts.find_map(|part| match &part.content {
        Content::Thinking(thinking) => give_back(thinking, model).map(|_| true),
        Content::ToolCall { .. } => Some(false),
        _ => None,
    });
    begins == Some(false)
}

/// Thinking in the API's form.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum ReasoningContent<'c> {
    /// What can be read, and the proof that it is unchanged.
    ReasoningText {
        /// May be empty: the proof alone counts.
        text: &'c str,
        /// The proof.
        signature: &'c str,
    },
    /// What cannot be read, in base64.
    RedactedContent(&'c str),
}

/// A piece of thinking for the model that thought it. `None`: it is without proof, or not Claude's,
/// and to no other model is any given back.
pub(super) fn give_back<'c>(
    thinking: &'c form::Thinking<'_>,
    model: Model,
) -> Option<ReasoningContent<'c>> {
    let claudes =
        matches!(thinking.format.as_deref(), None | Some("" | "unknown" | "anthropic-claude-v1"));
    if !claudes || model.family != Family::Anthropic {
        return None;
    }
    match (&thinking.signature, &thinking.encrypted) {
        (_, Some(data)) => Some(ReasoningContent::RedactedContent(data)),
        (Some(signature), None) => {
            Some(ReasoningContent::ReasoningText { text: &thinking.text, signature })
        }
        (None, None) => None,
    }
}
