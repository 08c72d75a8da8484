//! Tool calls on their way to a client that wants one after the other, whole.
//!
//! Other formats may tell of several calls at once and go on with any of them. Here only the first
//! that is not complete goes out as it comes; what is told of later ones is held until it is their
//! turn.

use std::collections::VecDeque;

/// The calls that are not done, in order.
#[derive(Debug, Default)]
pub(super) struct Calls {
    waiting: VecDeque<Call>,
}

/// A call.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) index: usize,
    pub(super) id: String,
    pub(super) name: String,
    pub(super) proof: Option<String>,
    /// Arguments that have not gone out.
    pub(super) held: String,
    /// Its block has started.
    pub(super) begun: bool,
    extent: Extent,
}

impl Call {
    pub(super) fn new(index: usize, id: String, name: String, proof: Option<String>) -> Self {
        Self {
            index,
            id,
            name,
            proof,
            held: String::new(),
            begun: false,
            extent: Extent::default(),
        }
    }
}

impl Calls {
    pub(super) fn push(&mut self, call: Call) {
        self.waiting.push_back(call);
    }

    /// Takes more arguments, and says whether they can go out at once: those of the present call
    /// can.
    pub(super) fn add(&mut self, index: usize, json: &str) -> bool {
        let present = self.waiting.front().is_some_and(|call| call.index == index && call.begun);
        if let Some(call) = self.waiting.iter_mut().rfind(|call| call.index == index) {
            call.extent.read(json);
            if !present {
                call.held.push_str(json);
            }
        }
        present
    }

    /// The call whose turn it is.
    pub(super) fn present(&mut self) -> Option<&mut Call> {
        self.waiting.front_mut()
    }

    /// Ends the present call, and says so, if another waits and this one is complete, or if nothing
    /// more can come for it (`all`).
    pub(super) fn advance(&mut self, all: bool) -> bool {
        let done = all
            || (self.waiting.len() > 1
                && self.waiting.front().is_some_and(|call| call.extent.is_complete()));
        done && self.waiting.pop_front().is_some()
    }
}

/// How much of a JSON object there is: whether it is complete.
#[derive(Debug, Default)]
struct Extent {
    depth: usize,
    in_string: bool,
    escaped: bool,
    begun: bool,
}

impl Extent {
    fn read(&mut self, json: &str) {
        for byte in json.bytes() {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.in_string => self.escaped = true,
                b'"' => self.in_string = !self.in_string,
                _ if self.in_string => {}
                b'{' | b'[' => {
                    self.depth += 1;
                    self.begun = true;
                }
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
    }

    fn is_complete(&self) -> bool {
        self.begun && self.depth == 0 && !self.in_string
    }
}
