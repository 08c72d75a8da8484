//! A load generator: keep-alive connections that each send one request after the other over plain
//! HTTP/1.1.

use std::io::{Error, ErrorKind, Result};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// One kind of request.
pub(crate) struct Request {
    /// Whole requests, headers and body, which each connection sends in turn.
    variants: Vec<Vec<u8>>,
    /// Bytes that every answer contains, so that an error does not pass for a fast answer.
    expected: &'static [u8],
    /// Who answers it.
    pub(crate) upstream: &'static str,
}

/// A chat request of about `size` bytes to a face, for a model of the catalogue: its number, and
/// its upstream for proxies that cannot choose by the body.
pub(crate) fn chat(
    face: &str,
    (model, upstream): (usize, &'static str),
    size: usize,
    stream: bool,
) -> Request {
    let words = "The quick brown fox jumps over the lazy dog; \"quoted\", and on a\nnew line. ";
    let content: String = words.chars().cycle().take(size.saturating_sub(200)).collect();
    let message = json!({"role": "user", "content": content});
    let body =
        format!("{{\"model\":\"m/model-{model}\",\"stream\":{stream},\"messages\":[{message}]}}");
    let head = format!(
        "POST {face}/chat/completions HTTP/1.1\r\nhost: gateway.test\r\nuser-agent: bench\r\n\
         x-bench: {upstream}\r\nauthorization: Bearer client\r\ncontent-type: application/json\r\n\
         accept: */*\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let expected: &[u8] = if stream { b"[DONE]" } else { b"\"finish_reason\"" };
    Request { variants: vec![(head + &body).into_bytes()], expected, upstream }
}

impl Request {
    /// The same request for each of several models.
    pub(crate) fn of_all(requests: impl IntoIterator<Item = Self>) -> Self {
        let mut all = Self { variants: Vec::new(), expected: b"", upstream: "" };
        for request in requests {
            all.variants.extend(request.variants);
            (all.expected, all.upstream) = (request.expected, request.upstream);
        }
        all
    }

    /// The same request with more headers, each with its line break.
    pub(crate) fn with_headers(&self, headers: &str) -> Self {
        let variants = self.variants.iter().map(|request| with_headers(request, headers));
        Self { variants: variants.collect(), ..*self }
    }

    /// Keeps it for the rest of the process.
    pub(crate) fn leaked(self) -> &'static Self {
        Box::leak(Box::new(self))
    }
}

/// The bytes of a request with more headers behind its first line.
fn with_headers(request: &[u8], headers: &str) -> Vec<u8> {
    let (line, rest) = request.split_at(find(request, b"\r\n").map_or(0, |end| end + 2));
    [line, headers.as_bytes(), rest].concat()
}

/// Sends `request` over `connections` for `duration`, and says how many answers came.
pub(crate) async fn run(
    port: u16,
    request: &'static Request,
    connections: usize,
    duration: Duration,
) -> Result<u64> {
    let until = Instant::now() + duration;
    let mut tasks = JoinSet::new();
    for number in 0..connections {
        tasks.spawn(connection(port, request, number, until));
    }
    let mut answers = 0;
    while let Some(task) = tasks.join_next().await {
        answers += task.map_err(Error::other)??;
    }
    Ok(answers)
}

/// `first`: the variant it begins with.
async fn connection(port: u16, request: &Request, first: usize, until: Instant) -> Result<u64> {
    let mut variants = request.variants.iter().cycle().skip(first);
    let mut socket = TcpStream::connect(("127.0.0.1", port)).await?;
    socket.set_nodelay(true)?;
    let (mut answers, mut answer) = (0, Vec::with_capacity(64 * 1024));
    while Instant::now() < until {
        socket.write_all(variants.next().map(Vec::as_slice).unwrap_or_default()).await?;
        answer.clear();
        while !is_whole(&answer) {
            if socket.read_buf(&mut answer).await? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
        if !contains(&answer, request.expected) {
            return Err(Error::other(String::from_utf8_lossy(&answer).into_owned()));
        }
        answers += 1;
    }
    Ok(answers)
}

/// Whether an answer has ended, by its length or by its last chunk.
fn is_whole(answer: &[u8]) -> bool {
    if answer.ends_with(b"\r\n0\r\n\r\n") {
        return true;
    }
    let Some(head) = find(answer, b"\r\n\r\n") else { return false };
    let headers = answer.get(..head).unwrap_or_default().to_ascii_lowercase();
    let Some(at) = find(&headers, b"content-length: ") else { return false };
    let digits = headers.iter().skip(at + 16).take_while(|byte| byte.is_ascii_digit());
    let length = digits.fold(0, |length, digit| length * 10 + usize::from(digit - b'0'));
    answer.len() >= head + 4 + length
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    find(text, part).is_some()
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    memchr::memmem::find(text, part)
}
