//! What a Claude model accepts, told by its name: each generation took request fields away.
//!
//! Source: platform.claude.com, "Thinking support by model", "Effort", migration guides up to
//! Claude 5.5 (2026-10). A name that says nothing of a Claude is a compatible server's, and those
//! follow the API as it was before 4.6.

use crate::translate::form::Effort;

/// How a model is told to think.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Thinks {
    /// It cannot.
    Never,
    /// `enabled` with a budget.
    Budget,
    /// `enabled` with a budget, or `adaptive` with an effort.
    Either,
    /// `adaptive` with an effort.
    Adaptive,
}

/// How a model is told not to think.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Off {
    /// It does not think unless told to.
    Omit,
    /// `disabled`
    Disabled,
    /// `between_tools`
    BetweenTools,
    /// It always thinks.
    Impossible,
}

/// Which sampling numbers a model takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Samples {
    /// All.
    All,
    /// `temperature` or `top_p`, not both.
    One,
    /// None.
    None,
}

/// What a model accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Model {
    pub(super) thinks: Thinks,
    pub(super) off: Off,
    pub(super) samples: Samples,
    /// The name of the highest effort.
    pub(super) highest: &'static str,
    /// Whether `tool_choice` may force a call.
    pub(super) forces_tools: bool,
    /// Whether it knows `output_config.format`.
    pub(super) schemas: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Opus,
    Sonnet,
    Haiku,
    /// Fable and Mythos: one model with different safeguards.
    Fable,
}

const FAMILIES: [(&str, Family); 5] = [
    ("opus", Family::Opus),
    ("sonnet", Family::Sonnet),
    ("haiku", Family::Haiku),
    ("fable", Family::Fable),
    ("mythos", Family::Fable),
];

/// Major and minor version.
type Version = (u32, u32);

/// What an alias without a version is taken for.
const NEWEST: Version = (5, 5);

/// A server that speaks the API but has models of its own.
const COMPATIBLE: Model = Model {
    thinks: Thinks::Budget,
    off: Off::Disabled,
    samples: Samples::All,
    highest: "high",
    forces_tools: true,
    schemas: true,
};

impl Model {
    /// Reads a model's name at any provider: `claude-opus-4-5-20251101`,
    /// `anthropic.claude-opus-5-v1`, `claude-opus-5.5`.
    pub(super) fn named(name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        let words: Vec<&str> = name.split(|c: char| !c.is_ascii_alphanumeric()).collect();
        let family = words.iter().enumerate().find_map(|(at, word)| {
            FAMILIES.iter().find(|(known, _)| known == word).map(|(_, family)| (at, *family))
        });
        match family {
            Some((at, family)) => Self::of(family, version(&words, at)),
            None if words.contains(&"claude") => {
                Self { thinks: Thinks::Never, ..Self::of(Family::Sonnet, (3, 0)) }
            }
            None => COMPATIBLE,
        }
    }

    fn of(family: Family, version: Version) -> Self {
        Self {
            thinks: thinks(version),
            off: off(family, version),
            samples: match version {
                (0..=3, _) | (4, 0) => Samples::All,
                (4, 1..=6) => Samples::One,
                _ => Samples::None,
            },
            highest: if version == (4, 6) { "max" } else { "xhigh" },
            forces_tools: match family {
                Family::Opus | Family::Sonnet => version < (5, 5),
                Family::Fable => version < (5, 1),
                Family::Haiku => true,
            },
            schemas: version >= (4, 5) || (family, version) == (Family::Opus, (4, 1)),
        }
    }

    /// Its name of an effort.
    pub(super) fn effort(&self, effort: Effort) -> &'static str {
        match effort {
            Effort::None | Effort::Minimal | Effort::Low => "low",
            Effort::Medium => "medium",
            Effort::High => "high",
            Effort::Max => self.highest,
        }
    }
}

fn thinks(version: Version) -> Thinks {
    match version {
        _ if version < (3, 7) => Thinks::Never,
        _ if version < (4, 6) => Thinks::Budget,
        (4, 6) => Thinks::Either,
        _ => Thinks::Adaptive,
    }
}

fn off(family: Family, version: Version) -> Off {
    match family {
        _ if version < (5, 0) => Off::Omit,
        Family::Fable => Off::Impossible,
        Family::Opus if version >= (5, 5) => Off::Impossible,
        Family::Sonnet if version >= (5, 5) => Off::BetweenTools,
        _ => Off::Disabled,
    }
}

/// The numbers behind the family's name, or for the third generation those before it. Dates are no
/// versions.
fn version(words: &[&str], family: usize) -> Version {
    let claude = words.iter().position(|word| *word == "claude");
    let before = claude.and_then(|claude| version_at(words, claude + 1));
    version_at(words, family + 1).or(before).unwrap_or(NEWEST)
}

fn version_at(words: &[&str], at: usize) -> Option<Version> {
    Some((number(words, at)?, number(words, at + 1).unwrap_or(0)))
}

fn number(words: &[&str], at: usize) -> Option<u32> {
    words.get(at).filter(|word| word.len() <= 2)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn names_tell_what_a_model_accepts() {
        use {Off::*, Samples as S, Thinks::*};
        let rows = [
            ("claude-3-5-sonnet-20241022", Never, Omit, S::All, true),
            ("claude-2.1", Never, Omit, S::All, true),
            ("claude-3-7-sonnet-latest", Budget, Omit, S::All, true),
            ("claude-sonnet-4-20250514", Budget, Omit, S::All, true),
            ("claude-sonnet-4@20250514", Budget, Omit, S::All, true),
            ("claude-opus-4-1-20250805", Budget, Omit, S::One, true),
            ("us.anthropic.claude-haiku-4-5-20251001-v1:0", Budget, Omit, S::One, true),
            ("anthropic/claude-opus-4.5", Budget, Omit, S::One, true),
            ("anthropic.claude-opus-4-6-v1", Either, Omit, S::One, true),
            ("claude-opus-4-8", Adaptive, Omit, S::None, true),
            ("claude-sonnet-5", Adaptive, Disabled, S::None, true),
            ("claude-opus-5", Adaptive, Disabled, S::None, true),
            ("claude-haiku-5-5", Adaptive, Disabled, S::None, true),
            ("claude-fable-5", Adaptive, Impossible, S::None, true),
            ("claude-fable-5-1", Adaptive, Impossible, S::None, false),
            ("claude-mythos-preview", Adaptive, Impossible, S::None, false),
            ("claude-opus-5-5", Adaptive, Impossible, S::None, false),
            ("Claude-Sonnet-5.5", Adaptive, BetweenTools, S::None, false),
            ("claude-opus-latest", Adaptive, Impossible, S::None, false),
            ("claude-opus-7", Adaptive, Impossible, S::None, false),
            ("deepseek-chat", Budget, Disabled, S::All, true),
            ("", Budget, Disabled, S::All, true),
        ];
        for (name, thinks, off, samples, forces_tools) in rows {
            let model = Model::named(name);
            let found = (model.thinks, model.off, model.samples, model.forces_tools);
            assert_eq!(found, (thinks, off, samples, forces_tools), "{name}");
        }
    }

    #[test]
    fn efforts_have_the_models_names() {
        assert_eq!(Model::named("claude-opus-4-6").effort(Effort::Max), "max");
        assert_eq!(Model::named("claude-opus-4-7").effort(Effort::Max), "xhigh");
        assert_eq!(Model::named("claude-opus-5").effort(Effort::Minimal), "low");
    }
}
