//! `reasoning` as a `thinkingConfig`.

use serde::Serialize;

use super::model::{Control, Level, Model};
use crate::translate::form::{Effort, Reasoning};
use crate::translate::loss::Lost;

/// How much to think, and whether a summary is shown.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ThinkingConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_budget: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_level: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    include_thoughts: Option<bool>,
}

impl ThinkingConfig {
    /// `None`: nothing to say, or nothing that `model` would listen to.
    pub(super) fn of(
        reasoning: &Reasoning,
        max_tokens: Option<u64>,
        model: Model<'_>,
        dropped: &mut Lost,
    ) -> Option<Self> {
        let off = reasoning.level() == Some(Effort::None) || reasoning.max_tokens == Some(0);
        let mut config = Self::default();
        match model.control() {
            Control::Nothing => {
                dropped.add_if(!off, "reasoning");
                return None;
            }
            Control::Budget { off: true, .. } if off => config.thinking_budget = Some(0),
            Control::Budget { least, most, .. } => {
                config.thinking_budget = budget(reasoning, off, max_tokens, (least, most), dropped);
            }
            Control::Levels(levels) => {
                config.thinking_level = level(reasoning, levels, dropped).map(Level::name)
            }
        }
        config.include_thoughts = (!off && !reasoning.exclude).then_some(true);
        let silent = config.thinking_budget.is_none() && config.thinking_level.is_none();
        (!silent || config.include_thoughts.is_some()).then_some(config)
    }
}

/// `None`: the model's own choice.
fn budget(
    reasoning: &Reasoning,
    off: bool,
    max_tokens: Option<u64>,
    (least, most): (u64, u64),
    dropped: &mut Lost,
) -> Option<u64> {
    let exact = if off { Some(0) } else { reasoning.max_tokens };
    let wanted = match exact {
        Some(tokens) => tokens,
        None => share(reasoning.level()?, max_tokens),
    };
    let budget = wanted.clamp(least, most);
    dropped.add_if(exact.is_some_and(|exact| exact != budget), "reasoning");
    Some(budget)
}

/// The budget of a level: OpenRouter's share of the output, or what Google's OpenAI-compatible
/// endpoint makes of a level where the output is not bounded.
fn share(effort: Effort, max_tokens: Option<u64>) -> u64 {
    match (max_tokens, effort) {
        (Some(tokens), effort) => tokens.saturating_mul(effort.percent()) / 100,
        (None, Effort::None) => 0,
        (None, Effort::Minimal | Effort::Low) => 1024,
        (None, Effort::Medium) => 8192,
        (None, Effort::High) => 24_576,
        (None, Effort::Max) => 32_768,
    }
}

/// The least level that is no lower than asked; the highest where there is none. `None`: the
/// model's default.
fn level(reasoning: &Reasoning, levels: &[Level], dropped: &mut Lost) -> Option<Level> {
    let (wanted, exact) = match reasoning.level()? {
        Effort::None => (Level::Minimal, false),
        Effort::Minimal => (Level::Minimal, true),
        Effort::Low => (Level::Low, true),
        Effort::Medium => (Level::Medium, true),
        Effort::High => (Level::High, true),
        Effort::Max => (Level::High, false),
    };
    let level =
        levels.iter().copied().find(|level| *level >= wanted).or_else(|| levels.last().copied());
    dropped.add_if(!exact || reasoning.max_tokens.is_some() || level != Some(wanted), "reasoning");
    level
}
