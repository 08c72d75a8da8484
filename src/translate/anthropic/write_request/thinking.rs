//! How much a Claude shall think, and what may stand beside it.
//!
//! Older models take a budget of at least 1,024 tokens and less than `max_tokens`; newer ones
//! decide themselves (`adaptive`) and take an effort. While thinking, no call may be forced,
//! `temperature` and `top_k` must be left out, and with a budget the turn that called the tools
//! must begin with its thinking.

use serde::Serialize;

use super::model::{Model, Off, Thinks};
use crate::translate::anthropic::proof::is_own;
use crate::translate::form::{
    Content, Conversation, Effort, Part, Reasoning, Role, ToolChoice, Turn,
};
use crate::translate::loss::Lost;

/// `thinking`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Thinking {
    Enabled {
        budget_tokens: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        display: Option<&'static str>,
    },
    Adaptive {
        display: &'static str,
    },
    Disabled,
    BetweenTools,
}

/// What a request says of thinking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) thinking: Option<Thinking>,
    pub(super) effort: Option<&'static str>,
}

impl Plan {
    /// Whether the request turns thinking on.
    pub(super) fn thinks(&self) -> bool {
        matches!(self.thinking, Some(Thinking::Enabled { .. } | Thinking::Adaptive { .. }))
    }

    /// Decides for one request. Raises `max_tokens` where the budget needs it.
    pub(super) fn of(
        conversation: &Conversation<'_>,
        model: &Model,
        max_tokens: &mut u64,
        dropped: &mut Lost,
    ) -> Self {
        let Some((reasoning, level)) =
            conversation.reasoning.and_then(|it| Some((it, it.level()?)))
        else {
            return Self::default();
        };
        if level == Effort::None {
            return Self::off(model, dropped);
        }
        let forced =
            matches!(conversation.tool_choice, Some(ToolChoice::Required | ToolChoice::Tool(_)));
        if model.thinks == Thinks::Never
            || (forced && model.forces_tools && !conversation.tools.is_empty())
        {
            dropped.add("reasoning");
            return Self::default();
        }
        match (model.thinks, reasoning.max_tokens) {
            (Thinks::Budget, _) | (Thinks::Either, Some(_)) => {
                Self::budget(conversation, reasoning, max_tokens, dropped)
            }
            (_, budget) => {
                if budget.is_some() {
                    dropped.add("reasoning.max_tokens");
                }
                let display = if reasoning.exclude { "omitted" } else { "summarized" };
                Self {
                    thinking: Some(Thinking::Adaptive { display }),
                    effort: Some(model.effort(level)),
                }
            }
        }
    }

    fn off(model: &Model, dropped: &mut Lost) -> Self {
        let thinking = match model.off {
            Off::Omit => None,
            Off::Disabled => Some(Thinking::Disabled),
            Off::BetweenTools => Some(Thinking::BetweenTools),
            Off::Impossible => {
                dropped.add("reasoning");
                return Self { thinking: None, effort: Some(model.effort(Effort::Low)) };
            }
        };
        Self { thinking, effort: None }
    }

    fn budget(
        conversation: &Conversation<'_>,
        reasoning: Reasoning,
        max_tokens: &mut u64,
        dropped: &mut Lost,
    ) -> Self {
        let budget = reasoning.budget(*max_tokens).filter(|_| may_begin_anew(&conversation.turns));
        let Some(budget_tokens) = budget else {
            dropped.add("reasoning");
            return Self::default();
        };
        if budget_tokens >= *max_tokens {
            // What the client wanted for the answer stays for the answer.
            *max_tokens = max_tokens.saturating_add(budget_tokens);
            dropped.add("max_tokens");
        }
        let display = reasoning.exclude.then_some("omitted");
        Self { thinking: Some(Thinking::Enabled { budget_tokens, display }), effort: None }
    }
}

/// Whether no tools are being used, or the turn that called them begins with thinking of Claude's
/// own.
fn may_begin_anew(turns: &[Turn<'_>]) -> bool {
    let [.., called, answered] = turns else { return true };
    if called.role != Role::Assistant || !answered.parts.iter().any(Part::is_result) {
        return true;
    }
    match called.parts.first().map(|part| &part.content) {
        Some(Content::Thinking(first)) => is_own(first),
        _ => false,
    }
}
