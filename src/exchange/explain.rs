//! What would become of a request, without calling anybody: the plan, what was left out and why,
//! and what it may cost.
//!
//! The plan is made by opening an exchange that never departs, so that it is the one a real request
//! would get.

use std::rc::Rc;
use std::time::Duration;

use super::record::hexadecimal;
use super::{Arrival, Exchange};
use crate::config::{Caller, Config};
use crate::error::{Dropped, Error, ErrorForm, Reply};
use crate::fnv::Fnv;
use crate::listing::Query;
use crate::operation::{Face, Operation};
use crate::request::{MaxPrice, Request};
use crate::route::{Health, Measure, Step};
use crate::wire::json::Object;

/// The seed of the draw for a request with this `x-request-id`.
pub fn seed_of(request_id: &str) -> u64 {
    Fnv::of(request_id.as_bytes())
}

/// What a client might send, to be explained.
#[derive(Debug)]
pub struct Question {
    /// What the client would want done; `None`: what the form of the body says.
    pub operation: Option<Operation>,
    /// The client's headers that rules look at, with their names in lower case.
    pub headers: Vec<(String, String)>,
    /// The client's body.
    pub body: Vec<u8>,
    /// The draw's seed; an exchange's record says which one it had.
    pub seed: u64,
    /// The time of the request, since the Unix epoch.
    pub now: Duration,
}

impl Question {
    /// Reads what the query of a `:path` says: `dialect`, `seed` in hexadecimal or the `request_id`
    /// it comes from, and `header` as `name:value`.
    fn read(mut self, path: &str) -> Result<Self, Error> {
        let query = Query::of(path);
        if let Some(name) = query.text("dialect") {
            const EXPECTED: &str = "must be chat, completions, embeddings, messages or responses";
            let operation = Operation::named(&name);
            self.operation = Some(operation.ok_or_else(|| wrong("dialect", EXPECTED))?);
        }
        if let Some(id) = query.text("request_id") {
            self.seed = seed_of(&id);
        }
        if let Some(seed) = query.text("seed") {
            const EXPECTED: &str = "must be a hexadecimal number of up to 16 digits";
            self.seed = u64::from_str_radix(&seed, 16).map_err(|_| wrong("seed", EXPECTED))?;
        }
        for header in query.texts("header") {
            let header = header_of(&header).ok_or_else(|| wrong("header", "must be name:value"))?;
            self.headers.push(header);
        }
        Ok(self)
    }
}

fn wrong(field: &'static str, problem: &str) -> Error {
    Error::InvalidField { field, problem: problem.to_owned() }
}

/// A header of `name: value`, its name in lower case.
pub fn header_of(text: &str) -> Option<(String, String)> {
    let (name, value) = text.split_once(':')?;
    Some((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
}

/// What a request to the operator's paths gets in place of an explanation: where it may not ask,
/// or asks for something else. `rest` is what stands below the operator's path, `authorization` the
/// header.
pub fn refusal(
    config: &Config,
    (method, rest): (&str, &str),
    authorization: Option<&str>,
) -> Option<Reply> {
    let error = match config.operator.caller(authorization) {
        _ if !config.operator.has_keys() => unknown_path(rest),
        Caller::Anonymous => Error::Unauthorized { with_key: false },
        Caller::Unknown => Error::Unauthorized { with_key: true },
        _ if rest != "api/explain" => unknown_path(rest),
        _ if method != "POST" => Error::WrongMethod { allow: "POST" },
        _ => return None,
    };
    Some(error.reply(ErrorForm::OpenRouter))
}

fn unknown_path(rest: &str) -> Error {
    Error::NotFound { what: "Path", name: rest.to_owned() }
}

/// Answers a request for an explanation; `path` is the whole `:path`.
pub fn answer(config: &Rc<Config>, path: &str, question: Question, health: &Health) -> Reply {
    match question.read(path) {
        Ok(question) => Reply::json(200, explain(config, question, health).into_bytes()),
        Err(error) => error.reply(ErrorForm::OpenRouter),
    }
}

/// The plan for a request, or the error it would get, as one JSON object.
pub fn explain(config: &Rc<Config>, question: Question, health: &Health) -> String {
    let operation = question.operation.unwrap_or_else(|| operation_of(&question.body, config));
    let headers: Vec<_> =
        question.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let arrival = Arrival {
        face: Face::OpenRouter,
        operation,
        headers: &headers,
        body: question.body,
        random: [question.seed, 0],
        now: question.now,
    };
    Exchange::planned(config.clone(), arrival, health).explanation(health)
}

/// What a client that sends this body wants done, by the fields that the body has.
fn operation_of(body: &[u8], config: &Config) -> Operation {
    let Ok(request) = Request::parse(body.to_vec(), &config.limits) else { return Operation::Chat };
    match () {
        () if request.has("messages") && request.has("system") => Operation::Messages,
        () if request.has("messages") => Operation::Chat,
        () if request.has("prompt") => Operation::Completions,
        () if request.has("input") => Operation::Responses,
        () => Operation::Chat,
    }
}

impl Exchange {
    fn explanation(&self, health: &Health) -> String {
        let request = &self.request;
        let steps: Vec<String> =
            self.plan.steps.iter().map(|step| self.step_explained(step, health)).collect();
        let dropped: Vec<String> = self.plan.dropped.iter().map(dropped_explained).collect();
        let error = self.error.as_ref().map_or_else(|| "null".to_owned(), error_explained);
        let preferences = request.preferences();
        let order: Vec<&str> = preferences.order.iter().flatten().map(String::as_str).collect();
        let candidates = steps.len() + dropped.len();
        Object::new()
            .text("operation", self.operation.name())
            .texts("models", request.models().collect::<Vec<_>>())
            .text_or_null("choice", self.choice.as_deref())
            .flag("stream", request.is_stream())
            .number("input_tokens_least", Some(request.least_input_tokens()))
            .number("input_tokens_estimate", Some(request.input_estimate()))
            .number("max_output_tokens", request.max_output())
            .number("candidates", Some(candidates as u64))
            .text("rule", &self.plan.rule.name())
            .texts("order", &order)
            .json(
                "max_price",
                &preferences.max_price.as_ref().map_or_else(|| "null".to_owned(), bounds),
            )
            .json("sticky", &self.stickiness())
            .list("plan", &steps)
            .flag("probe", self.plan.is_probe())
            .list("dropped", &dropped)
            .number("per_try_timeout_ms", Some(self.per_try_timeout().as_millis() as u64))
            .json("error", &error)
            .text("seed", &hexadecimal(self.plan.seed))
            .text("config", &self.config.hash)
            .end()
    }

    /// What keeps the conversation at its endpoint; null where nothing does.
    fn stickiness(&self) -> String {
        let wanted = self.conversation.zip(self.config.routing.sticky_ttl);
        let Some((conversation, ttl)) = wanted else { return "null".to_owned() };
        let at = self
            .plan
            .steps
            .iter()
            .find(|step| step.placing.sticky)
            .and_then(|step| step.endpoint(&self.config));
        Object::new()
            .flag("session_id", conversation.is_named)
            .number("ttl_s", Some(ttl.as_secs()))
            .text_or_null("endpoint", at.map(|endpoint| endpoint.id.as_str()))
            .end()
    }

    /// One step. Prices are in USD per token as they hold for the estimated input, costs in USD.
    fn step_explained(&self, step: &Step, health: &Health) -> String {
        let (Some(endpoint), Some(provider)) =
            (step.endpoint(&self.config), step.provider(&self.config))
        else {
            return "null".to_owned();
        };
        let input = self.request.input_estimate();
        let pricing = self.pricing_for(step, input);
        let output = self.request.max_output().or(endpoint.max_completion_tokens);
        let input_cost = pricing.prompt.map(|price| price.cost(input));
        let output_cost = pricing.completion.zip(output).map(|(price, tokens)| price.cost(tokens));
        let most = input_cost.zip(output_cost).map(|(input, output)| input + output);
        let mut explained = Object::new();
        explained
            .text("endpoint", &endpoint.id)
            .text("provider", &provider.id)
            .text("model", &step.model_id(&self.config))
            .text("upstream_model", step.upstream_model(&self.config))
            .text("cluster", &provider.cluster)
            .json("weight", &serde_json::to_string(&endpoint.weight).unwrap_or_default())
            .text_or_null("moved_by", step.placing.moved_by())
            .text_or_null("blended_price", text(pricing.blended_per_million()).as_deref())
            .text_or_null("prompt_price", text(pricing.prompt).as_deref())
            .text_or_null("completion_price", text(pricing.completion).as_deref())
            .text_or_null("input_cost", text(input_cost).as_deref())
            .text_or_null("most_cost", text(most).as_deref())
            .json("health", &health_explained(health, &endpoint.id, self.started));
        match self.plan.rule.compares().zip(step.placing.compared) {
            Some((measured, value)) => explained.number(measured.name(), Some(value)).end(),
            None => explained.end(),
        }
    }
}

/// A price or cost as a decimal string, if it is known.
fn text<T: ToString>(amount: Option<T>) -> Option<String> {
    amount.map(|amount| amount.to_string())
}

fn health_explained(health: &Health, endpoint: &str, now: Duration) -> String {
    Object::new()
        .flag("outage", health.in_outage(endpoint, now))
        .text("standing", health.standing(endpoint, now).name())
        .flag("cooldown", health.in_cooldown(endpoint, now))
        .number("first_token_ms", median(health, endpoint, Measure::FirstToken, now))
        .number("tokens_per_second", median(health, endpoint, Measure::Throughput, now))
        .end()
}

fn median(health: &Health, endpoint: &str, measure: Measure, now: Duration) -> Option<u64> {
    health.median(endpoint, measure, now).map(|value| value as u64)
}

/// `max_price`, as decimal strings in its own units.
fn bounds(max: &MaxPrice) -> String {
    let MaxPrice { prompt, completion, request, image, audio } = max;
    let all = [
        ("prompt", prompt),
        ("completion", completion),
        ("request", request),
        ("image", image),
        ("audio", audio),
    ];
    let set = all.into_iter().filter_map(|(name, price)| Some((name, price.as_ref()?)));
    let mut object = Object::new();
    set.for_each(|(name, price)| {
        object.text(name, &price.to_string());
    });
    object.end()
}

fn dropped_explained(dropped: &Dropped) -> String {
    Object::new()
        .text("endpoint", &dropped.endpoint)
        .text("provider", &dropped.provider)
        .text("reason", &dropped.reason.to_string())
        .end()
}

fn error_explained(error: &Error) -> String {
    Object::new()
        .number("status", Some(u64::from(error.status())))
        .text("error_type", error.error_type())
        .text("message", &error.to_string())
        .end()
}
