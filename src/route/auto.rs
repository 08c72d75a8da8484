//! Auto routing: which models `openrouter/auto` stands for in one request, by the document's rules.
//!
//! Bounds on the choice (`allowed_models`, `max_price` …) are hard filters like all others.

use crate::catalog::Modality;
use crate::config::{Auto, AutoRule};
use crate::request::Request;

/// The models that were chosen, and why.
#[derive(Debug, PartialEq)]
pub struct Choice<'a> {
    /// Names the catalogue knows, the most wanted first.
    pub models: &'a [String],
    /// Where in the document they stand, and which conditions held.
    pub reason: String,
}

/// Chooses models by the first rule that holds; `headers` have their names in lower case.
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

/// Whether all conditions of a rule hold.
fn holds(rule: &AutoRule, request: &Request, headers: &[(&str, &str)]) -> bool {
    let format = request.response_format().unwrap_or("text");
    let header = rule.header.as_ref().map(|(name, value)| (name.as_str(), value.as_str()));
    rule.input_tokens_over.is_none_or(|least| request.input_estimate() > least)
        && rule.tools.is_none_or(|wanted| wanted == request.has("tools"))
        && rule.images.is_none_or(|wanted| wanted == request.uses(Modality::Image))
        && rule.reasoning.is_none_or(|wanted| wanted == request.asks_for_reasoning())
        && rule.response_format.is_none_or(|wanted| wanted == format)
        && header.is_none_or(|wanted| headers.contains(&wanted))
}
