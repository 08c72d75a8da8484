//! One client request from first byte to last, with all its attempts, as a state machine without a
//! host.
//!
//! `open` (admit, plan) → (`begin_attempt` → `answer_headers` → `answer_body`* → `attempt_closed`)*
//! → `client_headers` → `settle`. Each takes what happened and the time, and says what to do about
//! it. Nothing here knows Envoy; both of its roles drive the same exchange.

mod answer;
mod asked;
mod attempt;
mod blame;
mod clock;
pub mod explain;
mod failure;
mod framing;
mod metadata;
mod outcome;
mod record;
mod screen;
mod settle;

use std::borrow::Cow;
use std::iter;
use std::rc::Rc;
use std::time::Duration;

pub use attempt::{Broken, Destination, Dispatch, Verdict};
pub use outcome::Outcome;
pub use settle::{Refusal, Settlement};

use crate::calendar;
use crate::catalog::{Asked, Endpoint, Pricing};
use crate::config::{Config, Provider};
use crate::error::{Error, ErrorForm, Reply, echo};
use crate::operation::{Face, Operation};
use crate::provider::{ClientHeaders, Prepared, header, path, prepare};
use crate::request::{ConversationId, Request};
use crate::route::{self, Circumstances, Health, Plan, Step};
use crate::translate;
use crate::translate::openrouter::{Identity, TierPricing};
use crate::usage::Usage;
use crate::wire::json::push_number;

use attempt::{Attempt, MOST_REPEATS};

/// The tenant that pays for every request, as long as no others can be configured.
const DEFAULT_TENANT: &str = "default";

/// Most fallback models on OpenRouter's face.
const MOST_FALLBACKS: usize = 3;

/// A body that is this many bytes below the limit is taken to fit whatever a provider needs added
/// to it; a larger one is tried out before the exchange departs.
const MOST_GROWTH: usize = 64 * 1024;

/// A client's request as it came in, whole.
#[derive(Debug)]
pub struct Arrival<'a> {
    /// By whose conventions the client is answered.
    pub face: Face,
    /// What the client wants done.
    pub operation: Operation,
    /// All headers, with their names in lower case.
    pub headers: &'a [(&'a str, &'a str)],
    /// All of its body.
    pub body: Vec<u8>,
    /// 128 random bits.
    pub random: [u64; 2],
    /// When it came, since the Unix epoch.
    pub now: Duration,
}

/// One client request with all its attempts. Settled exactly once, whatever happens.
pub struct Exchange {
    config: Rc<Config>,
    id: String,
    /// The host's `x-request-id`.
    request_id: Option<String>,
    face: Face,
    operation: Operation,
    started: Duration,
    client: ClientHeaders,
    /// Whether the client asked for `openrouter_metadata`.
    wants_metadata: bool,
    request: Request,
    plan: Plan,
    /// Why the models of the plan are not the names that the client asked for, if they are not.
    choice: Option<String>,
    /// The conversation that the request goes on with, where they stay at their endpoints.
    conversation: Option<ConversationId>,
    /// The plan's step that the next attempt takes.
    next: usize,
    attempts: Vec<Attempt>,
    /// The gateway's own error, which is what the client gets.
    error: Option<Error>,
    /// The status the client got.
    status: Option<u16>,
    settled: bool,
}

/// What the host needs to send an exchange on its way.
#[derive(Debug, PartialEq, Eq)]
pub struct Departure<'a> {
    /// The first attempt's cluster.
    pub cluster: &'a str,
    /// How often the host may retry.
    pub max_retries: usize,
    /// The longest one attempt may take to its first content, or as a whole where it is not
    /// streamed.
    pub per_try_timeout: Duration,
}

impl Exchange {
    /// Admits and plans. A request that cannot be served is an exchange too: [`Self::departure`]
    /// says why.
    pub fn open(config: Rc<Config>, arrival: Arrival<'_>, health: &mut Health) -> Self {
        health.refresh(arrival.now);
        let exchange = Self::planned(config, arrival, health);
        if let Some(endpoint) = exchange.probed() {
            health.begin_probe(&endpoint.id, exchange.started);
        }
        exchange
    }

    /// An exchange with its plan, or with the error that it ends with. It need not depart.
    fn planned(config: Rc<Config>, arrival: Arrival<'_>, health: &Health) -> Self {
        let mut exchange = Self::begin(config, &arrival);
        let seed = exchange.request_id.as_deref().map_or(arrival.random[0], explain::seed_of);
        if let Err(error) = exchange.admit(arrival.body, arrival.headers, seed, health) {
            exchange.error = Some(error);
        }
        exchange
    }

    /// An exchange that never leaves: only its error is left to be told and written down.
    pub fn refuse(config: Rc<Config>, arrival: Arrival<'_>, error: Error) -> Self {
        Self { error: Some(error), ..Self::begin(config, &arrival) }
    }

    fn begin(config: Rc<Config>, arrival: &Arrival<'_>) -> Self {
        Self {
            config,
            id: generation_id(arrival.now, arrival.random),
            request_id: header(arrival.headers, "x-request-id").map(str::to_owned),
            face: arrival.face,
            operation: arrival.operation,
            started: arrival.now,
            client: ClientHeaders::keep(arrival.headers),
            wants_metadata: metadata::is_asked(arrival.face, arrival.headers),
            request: Request::default(),
            plan: Plan::default(),
            choice: None,
            conversation: None,
            next: 0,
            attempts: Vec::new(),
            error: None,
            status: None,
            settled: false,
        }
    }

    fn admit(
        &mut self,
        body: Vec<u8>,
        headers: &[(&str, &str)],
        seed: u64,
        health: &Health,
    ) -> Result<(), Error> {
        accepts_scheme(headers)?;
        let encoding = header(headers, "content-encoding");
        if let Some(encoding) =
            encoding.filter(|encoding| !encoding.eq_ignore_ascii_case("identity"))
        {
            return Err(Error::Encoded(encoding.to_owned()));
        }
        self.read(body).map_err(|error| self.forget_request(error))?;
        let (asked, choice) = asked::models(&self.config, &self.request, headers)?;
        self.choice = choice;
        if self.config.routing.sticky_ttl.is_some() {
            self.conversation = self.request.conversation(header(headers, "x-session-id"));
        }
        let conversation = self.conversation;
        let with =
            Circumstances { health, tenant: DEFAULT_TENANT, conversation, seed, now: self.started };
        self.plan = route::plan(&self.config, &asked, (self.operation, &self.request), &with);
        if self.plan.steps.is_empty() && self.operation != Operation::CountTokens {
            return Err(self.no_endpoints(&asked));
        }
        self.stays_in_paths()?;
        self.grows_too_large()
    }

    /// Refuses a client's name for a model that would lead out of its place in a provider's path.
    fn stays_in_paths(&self) -> Result<(), Error> {
        for step in self.plan.steps.iter().filter(|step| step.is_wildcard()) {
            let target = step.target(&self.config, &self.request);
            target.map_or(Ok(()), path::check)?;
        }
        Ok(())
    }

    /// Takes in the request, with its preset's fields.
    fn read(&mut self, body: Vec<u8>) -> Result<(), Error> {
        self.request.read(body, &self.config.limits)?;
        if let Some(name) = self.request.preset() {
            self.request = self.with_preset(name)?;
        }
        // What OpenRouter refuses, its face refuses too.
        if self.face == Face::OpenRouter && self.request.fallbacks() > MOST_FALLBACKS {
            return Err(too_many_fallbacks());
        }
        Ok(())
    }

    /// What was read of a request before its error may be wrong: nothing of it is kept.
    #[cold]
    fn forget_request(&mut self, error: Error) -> Error {
        self.request = Request::default();
        error
    }

    #[cold]
    fn with_preset(&self, name: &str) -> Result<Request, Error> {
        let preset = self.config.presets.find(name).ok_or_else(|| unknown_preset(name))?;
        self.request.with_preset(preset, &self.config.limits)
    }

    /// The models that the client asked for, or the default one.
    fn models_asked(&self) -> Vec<String> {
        let mut models: Vec<String> = self.request.models().map(str::to_owned).collect();
        if models.is_empty() {
            models.extend(self.config.default_model.clone());
        }
        models
    }

    /// The answer to a count of tokens where no endpoint can count: an estimate is better than an
    /// error.
    #[cold]
    fn counted(&self) -> Reply {
        Reply::json(200, translate::anthropic::count_tokens_body(self.request.input_estimate()))
    }

    #[cold]
    fn no_endpoints(&self, asked: &[Asked<'_>]) -> Error {
        let mut serving: Vec<String> = Vec::new();
        let models_asked = asked.iter().filter_map(|asked| self.config.catalog.model(asked.model));
        for endpoint in models_asked.flat_map(|model| &model.endpoints) {
            let provider =
                self.config.provider(endpoint.provider).map(|provider| provider.id.clone());
            serving.extend(provider.filter(|id| !serving.contains(id)));
        }
        Error::NoEndpoints {
            models: self.models_asked(),
            dropped: self.plan.dropped.clone(),
            serving,
            permitted: self.request.preferences().only.clone().unwrap_or_default(),
        }
    }

    /// Refuses at once what [`fits`] would refuse when it is too late for an error of ours.
    fn grows_too_large(&self) -> Result<(), Error> {
        let may_grow = self.request.body().len() + MOST_GROWTH <= self.config.limits.request_bytes;
        if may_grow { Ok(()) } else { self.try_steps() }
    }

    #[cold]
    fn try_steps(&self) -> Result<(), Error> {
        for step in &self.plan.steps {
            if let Some(target) = step.target(&self.config, &self.request) {
                let prepared = prepare(
                    &self.request,
                    self.operation,
                    &self.client,
                    target,
                    &[],
                    self.started,
                )?;
                fits(prepared, &self.request, self.config.limits.request_bytes)?;
            }
        }
        Ok(())
    }

    /// The endpoint that is tried to see if it has recovered.
    fn probed(&self) -> Option<&Endpoint> {
        self.plan.steps.first().filter(|_| self.plan.is_probe())?.endpoint(&self.config)
    }

    fn error_form(&self) -> ErrorForm {
        ErrorForm::of(self.face, self.operation)
    }

    /// Where to send the exchange first, or the answer that ends it.
    pub fn departure(&self) -> Result<Departure<'_>, Reply> {
        if let Some(error) = &self.error {
            return Err(self.reply_with(error));
        }
        if self.plan.steps.is_empty() {
            return Err(self.counted());
        }
        Ok(Departure {
            per_try_timeout: self.per_try_timeout(),
            cluster: self.cluster(0),
            // An attempt too many, beyond the plan, is told its end by us.
            max_retries: ((1 + MOST_REPEATS) * self.plan.steps.len()).saturating_sub(1),
        })
    }

    /// How long one attempt may take. The host has one such time for all attempts, so it is the
    /// longest that any step of the plan needs.
    fn per_try_timeout(&self) -> Duration {
        let mut longest = Duration::ZERO;
        for provider in self.plan.steps.iter().filter_map(|step| step.provider(&self.config)) {
            longest = longest.max(match self.request.is_stream() {
                true => self.first_token_timeout(provider),
                false => provider.timeout,
            });
        }
        longest
    }

    /// How long a stream's first token may take: what the document gives the provider, or what
    /// the client gives it if that is less.
    fn first_token_timeout(&self, provider: &Provider) -> Duration {
        let asked = self.request.preferences().first_token_timeout;
        asked.map_or(provider.first_token_timeout, |asked| asked.min(provider.first_token_timeout))
    }

    /// The cluster of a step; empty past the end, which the route sends to its sink.
    fn cluster(&self, step: usize) -> &str {
        let step = self.plan.steps.get(step);
        step.and_then(|step| step.provider(&self.config)).map_or("", |provider| &provider.cluster)
    }

    #[inline(never)]
    fn identity(&self, step: &Step) -> Identity {
        Identity {
            id: self.id.clone(),
            model: step.model_id(&self.config).into_owned(),
            provider: self.shown_provider(step),
            operation: self.operation,
            prices: self.prices(step),
            minute_of_day: self.minute_of_day(),
            created: self.started.as_secs(),
            input_estimate: self.request.input_estimate(),
            metadata: self.metadata(),
        }
    }

    /// The endpoint's prices, and behind them those of the other tiers in which its provider may
    /// serve a request.
    fn prices(&self, step: &Step) -> Vec<TierPricing> {
        let Some((model, endpoint)) = step.model(&self.config).zip(step.endpoint(&self.config))
        else {
            return Vec::new();
        };
        let tiers = iter::once(endpoint).chain(model.other_tiers(endpoint));
        tiers.map(|tier| (tier.tier(), tier.pricing.clone(), tier.overrides.clone())).collect()
    }

    /// Prices in force for a request with that many input tokens at this endpoint.
    fn pricing_for(&self, step: &Step, input_tokens: u64) -> Cow<'_, Pricing> {
        self.pricing_at(step.endpoint(&self.config), input_tokens)
    }

    /// Prices in force for what an answer from this endpoint has used.
    fn pricing_of(&self, step: &Step, usage: &Usage) -> Cow<'_, Pricing> {
        let offer = step.model(&self.config).zip(step.endpoint(&self.config));
        self.pricing_at(
            offer.map(|(model, endpoint)| model.paid(endpoint, usage.tier)),
            usage.input,
        )
    }

    fn pricing_at<'a>(
        &self,
        endpoint: Option<&'a Endpoint>,
        input_tokens: u64,
    ) -> Cow<'a, Pricing> {
        match endpoint {
            Some(endpoint) => {
                endpoint.pricing.at(&endpoint.overrides, input_tokens, self.minute_of_day())
            }
            None => Cow::default(),
        }
    }

    /// Minutes after midnight UTC when the exchange began.
    fn minute_of_day(&self) -> u16 {
        calendar::minute_of_day(self.started)
    }
}

/// A client may have said anything, and providers are told the same.
fn accepts_scheme(headers: &[(&str, &str)]) -> Result<(), Error> {
    match header(headers, ":scheme") {
        None | Some("http" | "https") => Ok(()),
        Some(scheme) => Err(unknown_scheme(scheme)),
    }
}

#[cold]
fn unknown_scheme(scheme: &str) -> Error {
    let problem = format!("{} is neither http nor https", echo(scheme));
    Error::InvalidField { field: ":scheme", problem }
}

fn unknown_preset(name: &str) -> Error {
    Error::InvalidField { field: "preset", problem: format!("{} is not known", echo(name)) }
}

#[cold]
fn too_many_fallbacks() -> Error {
    let problem = format!("'models' array must have {MOST_FALLBACKS} items or fewer.");
    Error::InvalidField { field: "models", problem }
}

/// The host must never be handed a body larger than what it was told to buffer: in the upstream
/// role that is fatal.
fn fits<'a>(
    prepared: Prepared<'a>,
    request: &Request,
    limit: usize,
) -> Result<Prepared<'a>, Error> {
    match prepared.body.len(request.body()) {
        length if length > limit => Err(Error::TooLarge { limit: Some(limit) }),
        _ => Ok(prepared),
    }
}

/// `gen-<unix seconds>-<20 alphanumerics>`, as OpenRouter's.
fn generation_id(now: Duration, random: [u64; 2]) -> String {
    const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut id = String::with_capacity(40);
    id.push_str("gen-");
    push_number(now.as_secs(), &mut id);
    id.push('-');
    let [low, high] = random;
    for part in [low as u32, (low >> 32) as u32, high as u32, (high >> 32) as u32] {
        // A fraction of one, whose next digit to the base 62 moves above the point: divisions take
        // ten times as long.
        let mut fraction = u64::from(part);
        for _ in 0..5 {
            let product = fraction * 62;
            id.extend(ALPHABET.get((product >> 32) as usize).map(|letter| *letter as char));
            fraction = product & u64::from(u32::MAX);
        }
    }
    id
}

#[cfg(test)]
mod tests;
