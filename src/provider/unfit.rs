//! What of a chat request does not fit an upstream that speaks the dialect: OpenRouter's additions
//! to it.

use crate::config::Provider;
use crate::error::Error;
use crate::request::{Request, Unfit};
use crate::translate::openai::{Client, OutputLimit, Quirks, ReasoningForm, effort};
use crate::translate::{Dialect as _, Lost};

/// A parameter the request uses and this provider refuses, so that it is left out.
#[inline(never)]
pub fn unsupported(provider: &Provider, request: &Request) -> Option<&'static str> {
    let Quirks { foreign, losses, .. } = Quirks::of(provider);
    foreign.iter().copied().find(|name| request.has(name) && losses.of(name).is_some())
}

/// What of the request must be taken out or said differently; `None`: nothing. Adds to `dropped`
/// what gets lost by that.
pub(super) fn of(
    request: &Request,
    quirks: &Quirks,
    dropped: &mut Lost,
) -> Result<Option<Unfit>, Error> {
    let has_reasoning = quirks.reasoning == ReasoningForm::Effort && request.names("reasoning");
    let has_limit =
        quirks.output_limit == OutputLimit::MaxCompletionTokens && request.names("max_tokens");
    if quirks.foreign.is_empty() && !has_reasoning && !has_limit {
        return Ok(None);
    }
    gathered(request, quirks, (has_reasoning, has_limit), dropped).map(Some)
}

#[cold]
fn gathered(
    request: &Request,
    quirks: &Quirks,
    (has_reasoning, has_limit): (bool, bool),
    dropped: &mut Lost,
) -> Result<Unfit, Error> {
    let fields: Vec<_> =
        quirks.foreign.iter().copied().filter(|name| request.names(name)).collect();
    dropped.extend(fields.iter().copied().filter(|name| request.has(name)));
    let mut unfit = Unfit { fields, parts: !quirks.foreign.is_empty(), instead: Vec::new() };
    if unfit.parts {
        dropped.extend(request.openrouter_parts().iter().copied());
    }
    if has_reasoning {
        reasoning(request, quirks, &mut unfit, dropped)?;
    }
    if has_limit {
        unfit.fields.push("max_tokens");
        let renamed = request.renamed("max_tokens", "max_completion_tokens");
        unfit.instead.extend(renamed.filter(|_| !request.names("max_completion_tokens")));
    }
    Ok(unfit)
}

/// OpenRouter's `reasoning` as `reasoning_effort`.
fn reasoning(
    request: &Request,
    quirks: &Quirks,
    unfit: &mut Unfit,
    dropped: &mut Lost,
) -> Result<(), Error> {
    unfit.fields.push("reasoning");
    let excerpt = request.excerpt(&["reasoning", "reasoning_effort"]);
    let conversation = Client.read(&excerpt)?;
    dropped.extend(conversation.dropped.iter().copied());
    if conversation.reasoning.is_some_and(|reasoning| reasoning.exclude) {
        dropped.add("reasoning.exclude");
    }
    let effort =
        effort(&conversation, quirks, dropped).filter(|_| !request.names("reasoning_effort"));
    unfit.instead.extend(effort.map(|effort| format!("\"reasoning_effort\":\"{effort}\"")));
    Ok(())
}
