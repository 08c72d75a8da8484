//! A load generator: keep-alive connections that each send one request after the other over plain HTTP/1.1.

use std::io::{Error, ErrorKind, Result};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// One kind of request.
pub(crate) struct Request {
    /// The whole request, headers and body.
    pub(crate) bytes: Vec<u8>,
    /// Bytes that every answer contains, so that an error does not pass for a fast answer.
    pub(crate) expected: &'static [u8],
}

/// Sends `request` over `connections` for `duration`, and says how many answers came.
pub(crate) async fn run(port: u16, request: &'static Request, connections: usize, duration: Duration) -> Result<u64> {
    let until = Instant::now() + duration;
    let mut tasks = JoinSet::new();
    for _ in 0..connections {
        tasks.spawn(connection(port, request, until));
    }
    let mut answers = 0;
    while let Some(task) = tasks.join_next().await {
        answers += task.map_err(Error::other)??;
    }
    Ok(answers)
}

async fn connection(port: u16, request: &Request, until: Instant) -> Result<u64> {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).await?;
    socket.set_nodelay(true)?;
    let (mut answers, mut answer) = (0, Vec::with_capacity(64 * 1024));
    while Instant::now() < until {
        socket.write_all(&request.bytes).await?;
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
