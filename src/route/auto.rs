//! Auto routing: which models `openrouter/auto` stands for in one request, by the document's rules.
//!
//! What may then not be used of them (`allowed_models`, `max_price` …) is a hard filter like all
//! others.

use crate::catalog::Modality;
use crate::config::{Auto, AutoRule};
use crate::request::Request;

/// The models chosen, and what decided.
#[derive(Debug, PartialEq)]
pub struct Choice<'a> {
    /// Names the catalogue knows, the most wanted first.
    pub models: &'a [String],
    /// Where in the document they stand, and the conditions that held.
    pub reason: String,
}

/// Chooses by the first rule that holds; `headers` have their names in lower case.
#[inline(never)]
pub fn choose<'a>(auto: &'a Auto, request: &Request, headers: &[(&str, &str)]) -> Choice<'a> {
    let holding = auto.rules.iter().enumerate().find(|(_, rule)| holds(rule, request, headers));
    let Some((index, rule)) = holding else {
        return Choice { models: &auto.models, reason: "routing.auto.models".to_owned() };
    };
    let conditions: Vec<_> = rule.conditions().collect();
    Choice {
        models: &rule.models,
        reason: format!("routing.auto.rules[{index}] ({})", conditions.join(", ")),
    }
}

fn holds(rule: &AutoRule, request: &Request, headers: &[(&str, &str)]) -> bool {
    let is = |wanted: Option<bool>, found: bool| wanted.is_none_or(|wanted| wanted == found);
    rule.input_tokens_over.is_none_or(|least| request.input_estimate() > least)
        && is(rule.tools, request.has("tools"))
        && is(rule.images, request.uses(Modality::Image))
        && is(rule.reasoning, request.asks_for_reasoning())
        && rule
            .response_format
            .is_none_or(|format| request.response_format().unwrap_or("text") == format)
        && rule
            .header
            .as_ref()
            .is_none_or(|(name, value)| headers.contains(&(name.as_str(), value.as_str())))
}
