//! One try at one endpoint: what goes out, what its answer means, and whether the next endpoint
//! must take over.

use std::borrow::Cow;
use std::time::Duration;

use super::answer::{Answer, Progress};
use super::blame::is_about_the_request;
use super::clock::{Clock, Moment};
use super::framing::Events;
use super::screen::Screen;
use super::{Exchange, Outcome, fits};
use crate::calendar;
use crate::config::{Auth, Provider};
use crate::error::{Error, Reply};
use crate::operation::{Face, Operation};
use crate::provider::{Body, Prepared, Way, header, prepare};
use crate::request::Request;
use crate::route::Step;
use crate::translate::source::{Images, Passing, Source, Translating, Watching};
use crate::translate::{self, About, AnswerWriter, Format, HideUsageEvent};

/// How often an endpoint may be asked again because a connection was an old one. Where a provider
/// closes connections that many requests have left idle, the next one may be old, too.
pub(super) const MOST_REPEATS: usize = 2;

/// One try at an endpoint.
pub(super) struct Attempt {
    /// Index into the plan's steps.
    pub step: usize,
    pub started: Duration,
    /// The status of the upstream's answer.
    pub status: Option<u16>,
    /// How it ended; while the body of an error is still coming, what the status says of that.
    pub outcome: Option<Outcome>,
    pub first_content: Option<Duration>,
    pub ended: Option<Duration>,
    pub retry_after: Option<Duration>,
    /// The host was told to try the next endpoint.
    pub moved_on: bool,
    /// Names of the request's fields that this provider was not told.
    pub dropped: Vec<Cow<'static, str>>,
    pub answer: Option<Box<Answer>>,
    /// The sink's cluster, where the host sent the attempt there.
    sink: Option<String>,
    /// It went out on a connection that others had used before.
    reuses_connection: bool,
    /// It was made once more at the same endpoint.
    pub repeated: bool,
    /// The answer was refused for what the client may have asked for: an error that is about the
    /// request, or more than may be held.
    pub refused_as_asked: bool,
    pub screen: Screen,
}

/// What an attempt's upstream is sent.
#[derive(Debug, PartialEq)]
pub struct Dispatch<'a> {
    /// The attempt's number, by which all later events name it.
    pub attempt: usize,
    /// All request headers.
    pub headers: Vec<(&'a str, Cow<'a, str>)>,
    /// What becomes of the client's body.
    pub body: Body,
}

/// Where the host is about to send an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// To the cluster of the plan's next step.
    Planned,
    /// To a cluster that refuses every connection.
    Sink,
    /// To somebody else.
    Wrong,
}

/// What becomes of what an attempt's upstream sent.
#[derive(Debug, PartialEq)]
pub enum Verdict {
    /// It goes on as it is.
    Pass,
    /// It is kept back; the host must not pass headers on yet.
    Hold {
        /// The answer's length will change: `content-length` must go.
        strip_length: bool,
    },
    /// These bytes go on instead.
    Replace(Vec<u8>),
    /// The host must try the next endpoint.
    Retry,
    /// This is the answer instead.
    Answer(Reply),
    /// Too late for another answer: the stream must be broken off.
    Reset,
}

/// How an attempt ended that came to no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// No connection.
    Connect,
    /// A connection that broke, or that the host gave up.
    Reset,
}

impl Attempt {
    fn new(step: usize, started: Duration, dropped: Vec<Cow<'static, str>>) -> Self {
        Self {
            step,
            started,
            status: None,
            outcome: None,
            first_content: None,
            ended: None,
            retry_after: None,
            moved_on: false,
            dropped,
            answer: None,
            screen: Screen::default(),
            sink: None,
            reuses_connection: false,
            repeated: false,
            refused_as_asked: false,
        }
    }

    fn close(&mut self, outcome: Outcome, now: Duration) {
        self.outcome = Some(outcome);
        self.ended = Some(now);
    }

    /// The status of the upstream's answer, where it is an error's.
    pub(super) fn error_status(&self) -> Option<u16> {
        self.status.filter(|status| (400..600).contains(status))
    }

    /// Whether an error in place of a success's content, or amid it, is no fault of the endpoint.
    pub(super) fn is_blameless(&self) -> bool {
        let told = self.answer.as_ref().and_then(|answer| answer.meter.error());
        self.refused_as_asked || told.is_some_and(is_about_the_request)
    }

    /// Notes that a piece of the answer has gone on to the client; `end`: it was the last one.
    fn passed_on(&mut self, end: bool, moment: &Moment<'_>) {
        let Some(answer) = &self.answer else { return };
        if end || answer.is_over() {
            let has_failed = answer.meter.is_failed();
            let outcome = if has_failed { Outcome::ErrorEvent } else { Outcome::Ok };
            self.close(outcome, moment.time());
        }
    }
}

impl Exchange {
    /// The host is about to send an attempt; `current` are the request headers as it has them.
    /// `clock` is asked for the time of all attempts but the first, which begins with the exchange.
    pub fn begin_attempt<'a>(
        &'a mut self,
        current: &[(&'a str, &'a str)],
        clock: Clock<'_>,
    ) -> Result<Dispatch<'a>, Reply> {
        let now = self.begin_next(clock)?;
        let step = self.plan.steps.get(self.next);
        let target = step.and_then(|step| step.target(&self.config, &self.request));
        let (request, operation, client) = (&self.request, self.operation, &self.client);
        let limit = self.config.limits.request_bytes;
        let secrets = target.map(|target| target.provider.secrets.clone()).unwrap_or_default();
        let prepared = target
            .filter(|_| request.released().is_none())
            .ok_or(Error::Lost)
            .and_then(|target| prepare(request, operation, client, target, current, now))
            .and_then(|prepared| fits(prepared, request, limit));
        let prepared = match prepared {
            Ok(prepared) => prepared,
            // `end_with` would borrow all of the exchange, of which the dispatch has a part.
            Err(error) => {
                let reply = self.reply_with(&error);
                self.error = Some(error);
                return Err(reply);
            }
        };
        let screen = Screen::new(secrets);
        let attempt = Attempt::new(self.next, now, prepared.dropped);
        self.attempts.push(Attempt { screen, ..attempt });
        self.next += 1;
        let Prepared { headers, body, .. } = prepared;
        Ok(Dispatch { attempt: self.attempts.len() - 1, headers, body })
    }

    /// When the next attempt begins, if there is a step for it. The attempt before it is over.
    fn begin_next(&mut self, clock: Clock<'_>) -> Result<Duration, Reply> {
        let mut now = self.started;
        if let Some(last) = self.attempts.len().checked_sub(1) {
            now = clock();
            self.attempt_closed(last, Broken::Reset, now);
        }
        if self.may_fall_back() { Ok(now) } else { Err(self.last_error()) }
    }

    /// The client's request, which every attempt starts from.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// Lets go of the client's body once the host has sent it on its way: the host keeps it for
    /// further attempts, and the next one begins after [`Self::restore_body`]. `size` is how much
    /// of it the host had at once.
    ///
    /// Nothing changes where the answer cannot be read without the request, or the host has another
    /// body.
    pub fn release_body(&mut self, size: usize) {
        let current = self.attempts.len().checked_sub(1).and_then(|last| self.served_by(last));
        let passes = current.is_some_and(|(_, _, way)| way == Way::Pass)
            && self.operation != Operation::Messages;
        let request = &mut self.request;
        if passes
            && !request.is_merged()
            && request.released().is_none()
            && request.body().len() == size
        {
            request.release();
        }
    }

    /// The client's body, as the host shows it again; nothing changes unless it was released.
    pub fn restore_body(&mut self, body: Vec<u8>) {
        self.request.restore(body);
    }

    /// The cluster the next attempt goes to; empty if there is none.
    pub fn next_cluster(&self) -> &str {
        self.cluster(self.next)
    }

    /// Where the host is about to send an attempt. Only the planned cluster may get what is the
    /// gateway's: keys, hosts, bodies.
    pub fn destination(&self, cluster: &str) -> Destination {
        match cluster {
            // Beyond the plan there is only an error to be told.
            _ if cluster == self.next_cluster() || !self.may_fall_back() => Destination::Planned,
            _ if is_sink(cluster) => Destination::Sink,
            _ => Destination::Wrong,
        }
    }

    /// An attempt at the sink, since the host's route does not know the planned cluster: nobody is
    /// told anything, and the next endpoint follows when the sink has refused it.
    #[cold]
    pub fn begin_at_sink(
        &mut self,
        sink: &str,
        clock: Clock<'_>,
    ) -> Result<Dispatch<'static>, Reply> {
        let now = self.begin_next(clock)?;
        let sink = Some(sink.to_owned());
        self.attempts.push(Attempt { sink, ..Attempt::new(self.next, now, Vec::new()) });
        self.next += 1;
        let headers =
            [(":method", "POST"), (":scheme", "http"), (":authority", "sink"), (":path", "/")];
        Ok(Dispatch {
            attempt: self.attempts.len() - 1,
            headers: headers.map(|(name, value)| (name, Cow::Borrowed(value))).to_vec(),
            body: Body::Whole(Vec::new()),
        })
    }

    /// The answer in place of an attempt at `cluster`, which was not planned.
    #[cold]
    pub fn wrong_cluster(&mut self, cluster: &str) -> Reply {
        self.end_with(Error::WrongCluster { cluster: cluster.to_owned() })
    }

    /// An attempt's response headers; `end`: no body follows. `clock` tells the time where it is
    /// needed.
    pub fn answer_headers(
        &mut self,
        attempt: usize,
        status: u16,
        headers: &[(&str, &str)],
        end: bool,
        clock: Clock<'_>,
    ) -> Verdict {
        let Some(current) = self.attempts.get_mut(attempt) else { return Verdict::Pass };
        if let Some(sink) = current.sink.take() {
            return Verdict::Answer(self.wrong_cluster(&sink));
        }
        current.status = Some(status);
        current.retry_after = header(headers, "retry-after").and_then(|value| wait(value, clock));
        // What HTTP allows before an answer; 101 is none, as nobody asked for another protocol.
        if matches!(status, 100 | 102..=199) {
            return Verdict::Pass;
        }
        let answer = if (200..300).contains(&status) {
            self.answer_of(
                attempt,
                header(headers, "content-type"),
                header(headers, "content-encoding"),
            )
        } else {
            let outcome = Outcome::of_status(status, !self.is_passthrough(attempt));
            // A 403 is about the key, or a moderator's objection: only the body says which.
            let is_told = status != 403 || outcome != Some(Outcome::Key);
            if let Some(outcome) = outcome.filter(|_| is_told && self.may_fall_back()) {
                self.close(attempt, outcome, clock());
                return self.move_on(attempt);
            }
            if let Some(current) = self.attempts.get_mut(attempt) {
                current.outcome = outcome;
            }
            Answer::error(&self.config.limits)
        };
        let strip_length = answer.changes_length();
        if let Some(current) = self.attempts.get_mut(attempt) {
            current.answer = Some(answer);
        }
        // No answer follows a 101.
        if end || status < 200 || header(headers, "content-length") == Some("0") {
            return self.answer_body(attempt, &[], true, clock);
        }
        Verdict::Hold { strip_length }
    }

    // Keeps its caller small, as the host's compiler takes memory by the size of the largest
    // function.
    #[inline(never)]
    fn answer_of(
        &self,
        attempt: usize,
        content_type: Option<&str>,
        encoding: Option<&str>,
    ) -> Box<Answer> {
        let limits = &self.config.limits;
        let encoded = encoding.is_some_and(|encoding| !encoding.eq_ignore_ascii_case("identity"));
        let Some((step, provider, way)) = self.served_by(attempt) else {
            return Answer::opaque(limits);
        };
        if encoded && way == Way::Pass {
            return Answer::opaque(limits);
        }
        let events = events(content_type);
        match (self.source(step, provider, way, events), events) {
            (Some(source), Some(events)) => Answer::stream(limits, events, source),
            (Some(source), None) => Answer::whole(limits, source),
            (None, _) => Answer::plain(limits),
        }
    }

    /// What reads and rewrites an answer; `None`: it passes as a whole.
    #[inline(never)]
    fn source(
        &self,
        step: &Step,
        provider: &Provider,
        way: Way,
        events: Option<Events>,
    ) -> Option<Box<dyn Source>> {
        let identity = (self.face == Face::OpenRouter).then(|| self.identity(step));
        Some(match (way, self.operation, identity) {
            (Way::Translate, _, identity) => {
                let is_chat = self.operation == Operation::Chat;
                let images = if is_chat { Images::Kept } else { Images::AsText };
                let format = translate::format(provider);
                let writer = self.writer(step, format);
                Box::new(Translating::new(format.reader(), writer, images, identity))
            }
            (Way::Pass, Operation::Messages, identity)
                if events.is_some() || identity.is_some() =>
            {
                let format = translate::format(provider);
                Box::new(Watching::new(format.reader(), self.writer(step, format), identity))
            }
            (
                Way::Pass,
                Operation::Chat | Operation::Completions | Operation::Embeddings,
                Some(identity),
            ) => Box::new(Passing::openrouter(identity)),
            (Way::Pass, ..) if events.is_none() => return None,
            (Way::Pass, ..) if self.request.includes_usage() => Box::new(Passing::openai(None)),
            (Way::Pass, ..) => Box::new(Passing::openai(Some(Box::new(HideUsageEvent)))),
        })
    }

    /// Writes answers in the client's dialect.
    fn writer(&self, step: &Step, format: &dyn Format) -> Box<dyn AnswerWriter> {
        let about = About {
            id: self.id.clone(),
            model: step.model_id(&self.config).into_owned(),
            created: self.started.as_secs(),
            include_usage: self.request.includes_usage() || self.face == Face::OpenRouter,
            thinking_format: format.thinking_format(),
            request: self.request.body().to_vec(),
        };
        translate::dialect(self.operation).unwrap_or(&translate::openai::Client).writer(about)
    }

    /// Who makes an attempt, and how that provider serves this operation.
    pub(super) fn served_by(&self, attempt: usize) -> Option<(&Step, &Provider, Way)> {
        let step = self.step(attempt)?;
        let provider = step.provider(&self.config)?;
        Some((step, provider, Way::of(provider.api, self.operation)?))
    }

    /// The next piece of an attempt's answer; `end`: it is the last one, and may be empty. Most
    /// pieces of a stream need no time, so `clock` is asked for it, once.
    pub fn answer_body(
        &mut self,
        attempt: usize,
        piece: &[u8],
        end: bool,
        clock: Clock<'_>,
    ) -> Verdict {
        let mut verdict = self.read_body(attempt, piece, end, clock);
        let passing = match &verdict {
            Verdict::Pass => piece,
            Verdict::Replace(bytes) => bytes,
            _ => return verdict,
        };
        if let Some(current) = self.attempts.get_mut(attempt)
            && let Some(shown) = current.screen.pass(passing, end)
        {
            verdict = Verdict::Replace(shown);
        }
        verdict
    }

    fn read_body(&mut self, attempt: usize, piece: &[u8], end: bool, clock: Clock<'_>) -> Verdict {
        let Some(current) = self.attempts.get_mut(attempt) else { return Verdict::Pass };
        let Some(answer) = &mut current.answer else { return Verdict::Pass };
        if current.ended.is_some() {
            // The client has its answer. What its upstream still sends may pass where it is in the
            // client's own format.
            return if answer.is_foreign() { Verdict::Replace(Vec::new()) } else { Verdict::Pass };
        }
        let moment = Moment::of(clock);
        let progress = answer.push(piece, end, &|| moment.time());
        if answer.is_committed() && current.first_content.is_none() {
            current.first_content = Some(moment.time());
        }
        match progress {
            Progress::Hold => Verdict::Hold { strip_length: answer.changes_length() },
            Progress::Pass => {
                current.passed_on(end, &moment);
                Verdict::Pass
            }
            Progress::Replace(bytes) => {
                current.passed_on(end, &moment);
                Verdict::Replace(bytes)
            }
            Progress::Cut(bytes, limit) => self.cut(attempt, bytes, limit, moment.time()),
            Progress::Error(body) => self.upstream_error(attempt, body, moment.time()),
            Progress::Failed(fault) => self.fault(attempt, fault, moment.time()),
        }
    }

    /// What to do about an attempt that has waited long enough; `None`: nothing yet.
    pub fn tick(&mut self, attempt: usize, now: Duration) -> Option<Verdict> {
        let current = self.attempts.get(attempt)?;
        let answer = current.answer.as_ref()?;
        let (committed, over) = (answer.is_committed(), answer.is_over());
        if current.ended.is_some() && !over {
            return None;
        }
        let provider = self.step(attempt)?.provider(&self.config)?;
        let waited = now.saturating_sub(current.started);
        let outcome = match self.request.is_stream() {
            true if !committed && waited >= self.first_token_timeout(provider) => {
                Outcome::FirstToken
            }
            _ if waited >= provider.timeout => Outcome::Timeout,
            _ => return None,
        };
        if !over {
            self.close(attempt, outcome, now);
        }
        Some(match committed {
            true => Verdict::Reset,
            false if self.may_fall_back() => self.move_on(attempt),
            false => Verdict::Answer(self.last_error()),
        })
    }

    /// A comment that shows a client whose stream is silent that it is alive; `None` where none may
    /// be sent.
    pub fn comment(&self) -> Option<&'static [u8]> {
        let last = self.attempts.last().filter(|last| last.ended.is_none())?;
        let between = last.answer.as_deref().is_some_and(Answer::is_between_events);
        between.then_some(match self.face {
            // Some of OpenRouter's clients know this one comment.
            Face::OpenRouter => b": OPENROUTER PROCESSING\n\n",
            Face::OpenAi => b": keep-alive\n\n",
        })
    }

    /// Whether the attempt has not come to its end.
    pub fn is_open(&self, attempt: usize) -> bool {
        self.attempts.get(attempt).is_some_and(|current| current.ended.is_none())
    }

    /// An attempt goes out on a connection that others have used before, and that its upstream may
    /// be closing right now.
    pub fn reuses_connection(&mut self, attempt: usize) {
        if let Some(current) = self.attempts.get_mut(attempt) {
            current.reuses_connection = true;
        }
    }

    /// An attempt is over for the host. Nothing changes if it had come to its end already.
    pub fn attempt_closed(&mut self, attempt: usize, broken: Broken, now: Duration) {
        if self.settled || !self.is_open(attempt) {
            return;
        }
        let outcome = self.outcome_of(attempt, broken, now);
        self.close(attempt, outcome, now);
        if outcome == Outcome::Reset {
            self.repeat(attempt);
        }
    }

    /// Goes back to the step of an attempt whose connection was an old one and broke before a byte
    /// of the answer: that is no failure of the endpoint, so it is asked once more. It may have
    /// seen the request, and then charges for it twice.
    fn repeat(&mut self, attempt: usize) {
        let Some(current) = self.attempts.get(attempt) else { return };
        let is_excused = current.reuses_connection && current.status.is_none();
        let repeats = self.attempts.iter().filter(|it| it.repeated && it.step == current.step);
        if !is_excused || repeats.count() >= MOST_REPEATS {
            return;
        }
        self.next = current.step;
        if let Some(current) = self.attempts.get_mut(attempt) {
            current.repeated = true;
        }
    }

    /// How an attempt ended that the host has closed. The host does not say whether it gave up
    /// waiting: it did, if the time that it was given is over.
    pub(super) fn outcome_of(&self, attempt: usize, broken: Broken, now: Duration) -> Outcome {
        let current = self.attempts.get(attempt);
        let waiting = current.is_some_and(|current| {
            // The host's timers run on its event loop's clock, a little behind.
            let given =
                self.per_try_timeout().mul_f64(0.95).saturating_sub(Duration::from_millis(10));
            current.first_content.is_none() && now.saturating_sub(current.started) >= given
        });
        match broken {
            Broken::Connect => Outcome::Connect,
            Broken::Reset if !waiting => Outcome::Reset,
            Broken::Reset => self.timed_out(),
        }
    }

    /// How an attempt ended that took too long to its first content.
    pub(super) fn timed_out(&self) -> Outcome {
        if self.request.is_stream() { Outcome::FirstToken } else { Outcome::Timeout }
    }

    pub(super) fn close(&mut self, attempt: usize, outcome: Outcome, now: Duration) {
        if let Some(current) = self.attempts.get_mut(attempt) {
            current.close(outcome, now);
        }
    }

    pub(super) fn step(&self, attempt: usize) -> Option<&Step> {
        self.plan.steps.get(self.attempts.get(attempt)?.step)
    }

    pub(super) fn is_passthrough(&self, attempt: usize) -> bool {
        let provider = self.step(attempt).and_then(|step| step.provider(&self.config));
        provider.is_some_and(|provider| provider.auth == Auth::Passthrough)
    }

    /// The host must try the next endpoint.
    pub(super) fn move_on(&mut self, attempt: usize) -> Verdict {
        if let Some(current) = self.attempts.get_mut(attempt) {
            current.moved_on = true;
        }
        Verdict::Retry
    }

    /// Whether there is another endpoint to try.
    pub(super) fn may_fall_back(&self) -> bool {
        self.next < self.plan.steps.len()
    }
}

/// A sink is known by its name: `sink`, or one that ends so after a separator.
fn is_sink(cluster: &str) -> bool {
    let before = cluster.strip_suffix("sink");
    before.is_some_and(|before| before.is_empty() || before.ends_with(['_', '-', '.']))
}

/// How a body of this type is cut into events; `None`: it is not a stream.
fn events(content_type: Option<&str>) -> Option<Events> {
    let content_type = content_type?.trim_ascii_start();
    if content_type.starts_with("text/event-stream") {
        Some(Events::Sse)
    } else if content_type.starts_with("application/vnd.amazon.eventstream") {
        Some(Events::Aws)
    } else {
        None
    }
}

/// What a `Retry-After` asks for: seconds, or a date.
fn wait(value: &str, clock: Clock<'_>) -> Option<Duration> {
    match value.trim().parse::<f64>() {
        Ok(seconds) => (0.0..=1e9).contains(&seconds).then(|| Duration::from_secs_f64(seconds)),
        Err(_) => Some(calendar::of_http(value)?.saturating_sub(clock())),
    }
}
