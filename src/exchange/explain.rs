//! What would become of a request, without calling anybody: the plan, what was left out and why, and what it may cost.
//!
//! The plan is made by opening an exchange that never departs, so that it is the one a real request would get.

use std::rc::Rc;
use std::time::Duration;

use super::{Arrival, Exchange};
use crate::config::Config;
use crate::error::{Error, ErrorForm, Reply};
use crate::listing::Query;
use crate::request::{Face, Operation, Request, SortBy};
use crate::route::{Dropped, Health, Measure, Step};
use crate::usage::{Cost, Price};
use crate::wire::json::Object;

/// A request to be explained.
#[derive(Debug)]
pub struct Question {
    /// What the client would want done; `None`: as the body's form says.
    pub operation: Option<Operation>,
    /// The body.
    pub body: Vec<u8>,
    /// Of the draw; the record of an exchange says its own.
    pub seed: u64,
    /// Since the Unix epoch.
    pub now: Duration,
}

impl Question {
    /// Reads what the query of a `:path` says: `dialect`, and `seed` in hexadecimal.
    fn read(mut self, path: &str) -> Result<Self, Error> {
        let query = Query::of(path);
        if let Some(name) = query.text("dialect") {
            let problem = "must be chat, completions, embeddings, messages or responses".to_owned();
            let operation = Operation::named(&name).ok_or(Error::InvalidField { field: "dialect", problem })?;
            self.operation = Some(operation);
        }
        if let Some(seed) = query.text("seed") {
            let problem = "must be a hexadecimal number of up to 16 digits".to_owned();
            self.seed = u64::from_str_radix(&seed, 16).map_err(|_| Error::InvalidField { field: "seed", problem })?;
        }
        Ok(self)
    }
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
    let arrival = Arrival {
        face: Face::OpenRouter,
        operation,
        headers: &[],
        body: question.body,
        random: [question.seed, 0],
        now: question.now,
    };
    Exchange::planned(config.clone(), arrival, health).explanation(health)
}

/// What a body is, by the fields it has.
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
        let steps: Vec<String> = self.plan.steps.iter().map(|step| self.step_explained(step, health)).collect();
        let dropped: Vec<String> = self.plan.dropped.iter().map(dropped_explained).collect();
        let error = self.error.as_ref().map_or_else(|| "null".to_owned(), error_explained);
        let sort = request.preferences().sort.map_or(self.config.routing.sort.name(), SortBy::name);
        let order: Vec<&str> = request.preferences().order.iter().flatten().map(String::as_str).collect();
        Object::new()
            .text("operation", self.operation.name())
            .texts("models", &request.models())
            .flag("stream", request.is_stream())
            .number("input_tokens_least", Some(request.least_input_tokens()))
            .number("input_tokens_estimate", Some(request.input_estimate()))
            .number("max_output_tokens", request.max_output())
            .texts("order", &order)
            .text("sort", sort)
            .list("plan", &steps)
            .flag("probe", self.plan.is_probe)
            .list("dropped", &dropped)
            .number("per_try_timeout_ms", Some(self.per_try_timeout().as_millis() as u64))
            .json("error", &error)
            .text("seed", &format!("{:016x}", self.plan.seed))
            .text("config", &self.config.hash)
            .end()
    }

    /// One step. Prices are in USD per token as they hold for the estimated input, costs in USD.
    fn step_explained(&self, step: &Step, health: &Health) -> String {
        let (Some(endpoint), Some(provider)) = (step.endpoint(&self.config), step.provider(&self.config)) else {
            return "null".to_owned();
        };
        let (input, now) = (self.request.input_estimate(), self.started);
        let pricing = self.pricing_for(step, input);
        let output = self.request.max_output().or(endpoint.max_completion_tokens);
        let input_cost = pricing.prompt.map(|price| price.cost(input));
        let output_cost = pricing.completion.zip(output).map(|(price, tokens)| price.cost(tokens));
        let most = input_cost.zip(output_cost).map(|(input, output)| input + output);
        let price = |price: Option<Price>| price.map(|price| price.to_string());
        let cost = |cost: Option<Cost>| cost.map(|cost| cost.to_string());
        let median = |measure| health.median(&endpoint.id, measure, now).map(|value| value as u64);
        let health = Object::new()
            .flag("outage", health.in_outage(&endpoint.id, now))
            .text("standing", health.standing(&endpoint.id, now).name())
            .flag("cooldown", health.in_cooldown(&endpoint.id, now))
            .number("first_token_ms", median(Measure::FirstToken))
            .number("tokens_per_second", median(Measure::Throughput));
        Object::new()
            .text("endpoint", &endpoint.id)
            .text("provider", &provider.id)
            .text("model", &step.model_id(&self.config))
            .text("upstream_model", step.upstream_model(&self.config))
            .text("cluster", &provider.cluster)
            .json("weight", &serde_json::to_string(&endpoint.weight).unwrap_or_default())
            .text_or_null("prompt_price", price(pricing.prompt).as_deref())
            .text_or_null("completion_price", price(pricing.completion).as_deref())
            .text_or_null("input_cost", cost(input_cost).as_deref())
            .text_or_null("most_cost", cost(most).as_deref())
            .json("health", &health.end())
            .end()
    }
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
