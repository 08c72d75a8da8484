//! Prompt cache breakpoints: of a part, a tool, or the whole request.

use super::shape::{Field, text};
use super::value::Value;
use crate::translate::form::Cache;

/// OpenRouter's `cache_control` and OpenAI's `prompt_cache_breakpoint`.
pub(super) const CACHE: &[Field] = &[text("ttl")];

/// Reads what is shaped like [`CACHE`].
pub(super) fn cache(control: Value<'_>) -> Option<Cache> {
    match control.object()?.str("ttl") {
        Some("1h" | "12h" | "24h") => Some(Cache::Long),
        _ => Some(Cache::Short),
    }
}
