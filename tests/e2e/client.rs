//! An HTTP/1.1 client of plain sockets that tells when each chunk came and how the answer ended.
//! It can send anything, well-formed or not.

use std::fmt;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Longer than anything here takes; a hung request fails with it.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) type Headers = Vec<(String, String)>;

/// An answer, as far as it came.
#[derive(Default)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Headers,
    pub(crate) trailers: Headers,
    pub(crate) body: Vec<u8>,
    /// When each chunk of the body came, and what of the body was there then.
    pub(crate) arrivals: Vec<(Instant, usize)>,
    /// Whether the body came to its end.
    pub(crate) whole: bool,
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, headers, trailers, body, whole, .. } = self;
        let body = String::from_utf8_lossy(body);
        write!(f, "{status} {headers:?}\n{body}\ntrailers: {trailers:?}, whole: {whole}")
    }
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        value(&self.headers, name)
    }

    pub(crate) fn text(&self) -> &str {
        str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The data of each event, comments left out.
    pub(crate) fn events(&self) -> Vec<String> {
        let text = self.text().replace("\r\n", "\n");
        text.split("\n\n")
            .filter_map(|event| {
                Some(event.lines().find_map(|line| line.strip_prefix("data: "))?.to_owned())
            })
            .collect()
    }

    /// Each event that is JSON.
    pub(crate) fn chunks(&self) -> Vec<Value> {
        self.events().iter().filter_map(|data| serde_json::from_str(data).ok()).collect()
    }

    /// What the model said, in whichever form.
    pub(crate) fn content(&self) -> String {
        if self.header("content-type").is_some_and(|kind| kind.starts_with("text/event-stream")) {
            let chunks = self.chunks();
            let pieces = chunks.iter().map(|chunk| &chunk["choices"][0]["delta"]["content"]);
            return pieces.filter_map(Value::as_str).collect();
        }
        self.json()["choices"][0]["message"]["content"].as_str().unwrap_or_default().to_owned()
    }
}

/// The value of a header.
pub(crate) fn value<'a>(headers: &'a Headers, name: &str) -> Option<&'a str> {
    headers
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_str())
}

/// One connection to the gateway.
pub(crate) struct Connection {
    reader: BufReader<TcpStream>,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> Self {
        Self::try_open(address).unwrap()
    }

    pub(crate) fn try_open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self { reader: BufReader::new(stream) })
    }

    /// Writes what may not be taken any more, as when the gateway refuses a body early.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        let _ = self.reader.get_mut().write_all(bytes);
    }

    /// Sends a request with content-length.
    pub(crate) fn send(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) {
        let length = [("content-length", body.len().to_string())];
        let length = if body.is_empty() && method != "POST" { &[][..] } else { &length[..] };
        let length: Vec<(&str, &str)> =
            length.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.head(method, path, &[headers, &length].concat());
        self.write(body);
    }

    /// Sends a request's head.
    pub(crate) fn head(&mut self, method: &str, path: &str, headers: &[(&str, &str)]) {
        let host = headers.iter().any(|(name, _)| *name == "host");
        let host = if host { "" } else { "host: gateway.test\r\n" };
        let mut head = format!("{method} {path} HTTP/1.1\r\n{host}");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        self.write(head.as_bytes());
    }

    /// Sends one chunk of a body; an empty one ends it, trailers follow.
    pub(crate) fn chunk(&mut self, bytes: &[u8], trailers: &str) {
        self.write(format!("{:x}\r\n", bytes.len()).as_bytes());
        self.write(bytes);
        self.write(trailers.as_bytes());
        self.write(b"\r\n");
    }

    /// Reads an answer's status and headers; status 0 where the connection broke instead.
    pub(crate) fn read_head(&mut self) -> Reply {
        match self.try_read_head() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => panic!("no answer comes"),
            head => head.unwrap_or_default(),
        }
    }

    fn try_read_head(&mut self) -> io::Result<Reply> {
        let line = self.line()?;
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status line: {line:?}"));
        Ok(Reply { status, headers: self.fields()?, ..Reply::default() })
    }

    /// Reads an answer's next bytes; false at its end.
    pub(crate) fn read_more(&mut self, reply: &mut Reply) -> io::Result<bool> {
        if reply.header("transfer-encoding") == Some("chunked") {
            return self.read_chunk(reply);
        }
        let length = reply.header("content-length").map(|length| length.parse::<usize>().unwrap());
        let mut buffer =
            vec![0; length.map_or(65536, |length| (length - reply.body.len()).min(65536))];
        let count = if buffer.is_empty() { 0 } else { self.reader.read(&mut buffer)? };
        reply.body.extend_from_slice(&buffer[..count]);
        reply.arrivals.push((Instant::now(), reply.body.len()));
        reply.whole = count == 0 && length.is_none_or(|length| reply.body.len() == length);
        Ok(count > 0)
    }

    fn read_chunk(&mut self, reply: &mut Reply) -> io::Result<bool> {
        let size =
            usize::from_str_radix(&self.line()?, 16).map_err(|_| io::ErrorKind::UnexpectedEof)?;
        if size == 0 {
            reply.trailers = self.fields()?;
            reply.whole = true;
            return Ok(false);
        }
        let start = reply.body.len();
        reply.body.resize(start + size, 0);
        self.reader.read_exact(&mut reply.body[start..])?;
        reply.arrivals.push((Instant::now(), reply.body.len()));
        self.line()?;
        Ok(true)
    }

    /// Reads a whole answer, or as much of it as comes.
    pub(crate) fn read(&mut self, method: &str) -> Reply {
        let mut reply = self.read_head();
        if method == "HEAD" || reply.status == 204 || reply.status < 200 {
            reply.whole = true;
            return reply;
        }
        loop {
            match self.read_more(&mut reply) {
                Ok(true) => {}
                Ok(false) => return reply,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    panic!("the answer hangs: {reply:?}")
                }
                Err(_) => return reply,
            }
        }
    }

    /// Reads an answer until `found` has been seen `count` times in its body.
    pub(crate) fn read_until(&mut self, found: &str, count: usize) -> Reply {
        let mut reply = self.read_head();
        while String::from_utf8_lossy(&reply.body).matches(found).count() < count {
            assert!(self.read_more(&mut reply).unwrap(), "{reply:?}");
        }
        reply
    }

    /// Reads exactly this many bytes.
    pub(crate) fn read_bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.reader.read_exact(&mut bytes).unwrap();
        bytes
    }

    /// Hangs up.
    pub(crate) fn abort(self) {
        let _ = self.reader.get_ref().shutdown(Shutdown::Both);
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.reader.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    }

    fn fields(&mut self) -> io::Result<Headers> {
        let mut fields = Headers::new();
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(':') else { return Ok(fields) };
            fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
}
