//! `usage` and `stop_reason`, read and written.
//!
//! Anthropic counts fresh, cached and newly cached input apart; in a stream its counts are totals
//! so far.

use serde::Serialize;

use crate::catalog::{ServiceTier, Tier};
use crate::translate::delta::FinishReason;
use crate::translate::tolerant::{object, text};
use crate::usage::Usage;
use crate::wire::json::{JsonError, Reader};

/// Counts read so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    fresh: u64,
    read: u64,
    written: u64,
    output: u64,
    thinking: u64,
    tier: Option<ServiceTier>,
}

impl Tally {
    /// Reads a `usage` object; whether it said anything. Totals only grow, so a zero in a later
    /// event is no news.
    pub(super) fn take(&mut self, reader: &mut Reader<'_>) -> Result<bool, JsonError> {
        let mut counted = false;
        object(reader, |reader, key| {
            let count = match key {
                "input_tokens" => &mut self.fresh,
                "cache_read_input_tokens" => &mut self.read,
                "cache_creation_input_tokens" => &mut self.written,
                "output_tokens" => &mut self.output,
                "output_tokens_details" => return self.details(reader),
                "service_tier" => {
                    let tier = text(reader)?.map(|name| ServiceTier::named(&name));
                    self.tier = tier.unwrap_or(self.tier);
                    return Ok(());
                }
                _ => return Ok(()),
            };
            if let Some(tokens) = reader.u64()? {
                counted = true;
                *count = tokens.max(*count);
            }
            Ok(())
        })?;
        Ok(counted)
    }

    fn details(&mut self, reader: &mut Reader<'_>) -> Result<(), JsonError> {
        object(reader, |reader, key| {
            if key == "thinking_tokens" {
                self.thinking = reader.u64()?.unwrap_or(0).max(self.thinking);
            }
            Ok(())
        })
    }

    pub(super) fn usage(&self) -> Usage {
        Usage {
            input: self.fresh.saturating_add(self.read).saturating_add(self.written),
            output: self.output,
            cached: self.read,
            cache_write: self.written,
            reasoning: self.thinking,
            tier: self.tier,
            ..Usage::default()
        }
    }
}

/// A `usage` object to write.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Counts {
    input_tokens: u64,
    cache_creation_input_tokens: u64,
    cache_read_input_tokens: u64,
    output_tokens: u64,
    output_tokens_details: Option<Details>,
    /// Clients insist on these, though other upstreams have nothing to say here.
    cache_creation: (),
    inference_geo: (),
    server_tool_use: (),
    /// Its names are OpenAI's but for the default one.
    service_tier: Option<&'static str>,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Details {
    thinking_tokens: u64,
}

impl From<Usage> for Counts {
    fn from(usage: Usage) -> Self {
        let cached = usage.cached.min(usage.input);
        let written = usage.cache_write.min(usage.input - cached);
        Self {
            input_tokens: usage.input - cached - written,
            cache_creation_input_tokens: written,
            cache_read_input_tokens: cached,
            output_tokens: usage.output,
            output_tokens_details: (usage.reasoning > 0)
                .then_some(Details { thinking_tokens: usage.reasoning }),
            cache_creation: (),
            inference_geo: (),
            server_tool_use: (),
            service_tier: usage.tier.map(|tier| tier.tier().map_or("standard", Tier::name)),
        }
    }
}

/// Anthropic's stop reasons in OpenAI's words. The first of a kind is the one written for it.
const REASONS: [(&str, FinishReason); 7] = [
    ("end_turn", FinishReason::Stop),
    ("max_tokens", FinishReason::Length),
    ("tool_use", FinishReason::ToolCalls),
    ("refusal", FinishReason::ContentFilter),
    ("stop_sequence", FinishReason::Stop),
    ("pause_turn", FinishReason::Stop),
    ("model_context_window_exceeded", FinishReason::Length),
];

/// A stop reason in OpenAI's words; an unknown one is an end like any other.
pub(super) fn finish_reason(native: &str) -> FinishReason {
    REASONS
        .iter()
        .find(|(name, _)| *name == native)
        .map_or(FinishReason::Stop, |(_, reason)| *reason)
}

/// The stop reason for an end that an upstream calls `native`: its own word where that is one of
/// Anthropic's.
pub(super) fn stop_reason(reason: FinishReason, native: &str) -> &'static str {
    let own = REASONS.iter().find(|(name, meant)| *name == native && *meant == reason);
    own.or_else(|| REASONS.iter().find(|(_, meant)| *meant == reason))
        .map_or("end_turn", |(name, _)| name)
}
