//! How an attempt ended: the vocabulary of stats, records and fallbacks.

/// How one attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// With an answer for the client.
    Ok,
    /// With an error that the client made, or that every endpoint of the model would give.
    Rejected,
    /// Without a connection.
    Connect,
    /// With a connection that broke.
    Reset,
    /// Without a whole answer in time.
    Timeout,
    /// Without a first event in time.
    FirstToken,
    /// With a status from 300 to 499 that another endpoint may not give.
    Status4xx,
    /// With the status of too many requests.
    Status429,
    /// With the provider's own failure.
    Status5xx,
    /// The provider rejected the gateway's key.
    Key,
    /// With a success that had no content.
    Empty,
    /// With an error in place of a success's content, or in the middle of it.
    ErrorEvent,
    /// The client hung up.
    Aborted,
}

impl Outcome {
    /// The value of the stats' tags `outcome` and `reason`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Connect => "connect",
            Self::Reset => "reset",
            Self::Timeout => "timeout",
            Self::FirstToken => "first_token",
            Self::Rejected | Self::Status4xx => "status_4xx",
            Self::Status429 => "status_429",
            Self::Status5xx => "status_5xx",
            Self::Key => "key",
            Self::Empty => "empty",
            Self::ErrorEvent => "error_event",
            Self::Aborted => "aborted",
        }
    }

    /// The status a client would get for this attempt alone, where the upstream gave none.
    pub fn status(self) -> u16 {
        match self {
            Self::Timeout | Self::FirstToken => 504,
            _ => 502,
        }
    }

    /// Whether it speaks against the endpoint.
    pub fn is_failure(self) -> bool {
        !matches!(self, Self::Ok | Self::Rejected | Self::Aborted)
    }

    /// What an HTTP status says of the attempt; `None`: nothing that another endpoint could do
    /// better, so the answer is the client's, be it an error or not. `own_key`: the key that was
    /// sent is the gateway's.
    pub fn of_status(status: u16, own_key: bool) -> Option<Self> {
        match status {
            401..=403 if own_key => Some(Self::Key),
            300..=399 | 404 | 408 => Some(Self::Status4xx),
            429 => Some(Self::Status429),
            // What is no status at all is the provider's failure, too.
            ..200 | 500.. => Some(Self::Status5xx),
            _ => None,
        }
    }
}
