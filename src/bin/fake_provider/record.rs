//! The log of received requests that tests read over `/_fake/requests`.
//! It keeps the last thousand; a request is logged once its whole body has arrived.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyper::body::Bytes;
use hyper::header::HOST;
use hyper::http::request::Parts;
use serde::{Serialize, Serializer};

use crate::answer::json;

const CAPACITY: usize = 1000;
/// A longer body is known by its length and hash only.
const MAX_BODY: usize = 64 * 1024;

/// The requests of one process.
#[derive(Default)]
pub(crate) struct Log {
    entries: Mutex<VecDeque<Arc<Entry>>>,
}

/// One request as it is shown.
#[derive(Serialize)]
pub(crate) struct Entry {
    listener: String,
    method: String,
    path: String,
    authority: String,
    version: String,
    headers: Vec<(String, String)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    body_bytes: usize,
    body_fnv: String,
    faults: String,
    #[serde(serialize_with = "as_bool")]
    aborted: AtomicBool,
}

impl Entry {
    pub(crate) fn new(listener: &str, head: &Parts, body: &Bytes, faults: String) -> Self {
        let authority = match head.uri.authority() {
            Some(authority) => Some(authority.to_string()),
            None => head.headers.get(HOST).map(|host| lossy(host.as_bytes())),
        };
        let headers = head
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), lossy(value.as_bytes())))
            .collect();
        Self {
            listener: listener.to_owned(),
            method: head.method.to_string(),
            path: head.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
            authority: authority.unwrap_or_default(),
            version: format!("{:?}", head.version),
            headers,
            body: (body.len() <= MAX_BODY).then(|| lossy(body)),
            body_bytes: body.len(),
            body_fnv: format!("{:016x}", fnv1a(body)),
            faults,
            aborted: AtomicBool::new(false),
        }
    }
}

/// The mark on a request that its answer is not finished; dropped before, the request counts as
/// aborted.
#[derive(Default)]
pub(crate) struct Ticket {
    entry: Option<Arc<Entry>>,
}

impl Ticket {
    pub(crate) fn finish(&mut self) {
        self.entry = None;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(entry) = &self.entry {
            entry.aborted.store(true, Ordering::Relaxed);
        }
    }
}

impl Log {
    pub(crate) fn add(&self, entry: Entry) -> Ticket {
        let entry = Arc::new(entry);
        let mut entries = self.lock();
        if entries.len() == CAPACITY {
            entries.pop_front();
        }
        entries.push_back(Arc::clone(&entry));
        Ticket { entry: Some(entry) }
    }

    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    /// The entries as a JSON array, oldest first.
    pub(crate) fn to_json(&self) -> Vec<u8> {
        let entries: Vec<Arc<Entry>> = self.lock().iter().cloned().collect();
        json(&entries.iter().map(AsRef::as_ref).collect::<Vec<&Entry>>())
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<Entry>>> {
        // No holder of the lock can leave the list half changed.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// 64-bit FNV-1a.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn as_bool<S: Serializer>(flag: &AtomicBool, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bool(flag.load(Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fnv_matches_its_published_vectors() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
