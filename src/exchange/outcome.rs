//! How an attempt ended: the vocabulary of stats, records and fallbacks.

/// How one attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// An answer for the client.
    Ok,
    /// An error of the client's own making, or one that another endpoint of the model would give
    /// too.
    Rejected,
    /// No connection.
    Connect,
    /// A connection that broke.
    Reset,
    /// No whole answer in time.
    Timeout,
    /// No first event in time.
    FirstToken,
    /// A status from 300 to 499 that another endpoint may not give.
    Status4xx,
    /// Too many requests.
    Status429,
    /// The provider's own failure.
    Status5xx,
    /// The provider rejected the gateway's key.
    Key,
    /// Success without content.
    Empty,
    /// An error as the first event of a success.
    ErrorEvent,
    /// The client hung up.
    Aborted,
}

impl Outcome {
    /// Value of the stats' `outcome` and `reason` tags.
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

    /// What an HTTP status means for the fallback; `None`: the client's own answer, error or not.
    pub fn of_status(status: u16, own_key: bool) -> Option<Self> {
        match status {
            401..=403 if own_key => Some(Self::Key),
            300..=399 | 404 | 408 => Some(Self::Status4xx),
            429 => Some(Self::Status429),
            500.. => Some(Self::Status5xx),
            _ => None,
        }
    }
}
