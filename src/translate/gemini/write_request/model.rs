//! What a model's name says of what it takes. Gemini's API refuses a field that a model does not
//! know with status 400, and a model's abilities stand in its documentation only, so its generation
//! and size are read from its name.

/// A model, as far as its name tells.
#[derive(Clone, Copy, Debug)]
pub(super) struct Model<'a> {
    name: &'a str,
    generation: (u32, u32),
}

/// How a model's thinking is steered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Control {
    /// It does not think, or not so that one could steer it.
    Nothing,
    /// By a number of tokens.
    Budget {
        /// Least that is not zero.
        least: u64,
        /// Most.
        most: u64,
        /// Zero is allowed.
        off: bool,
    },
    /// By one of these levels, least first.
    Levels(&'static [Level]),
}

/// A level of thinking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Minimal,
    Low,
    Medium,
    High,
}

impl Level {
    /// Its name in the API.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Minimal => "MINIMAL",
            Self::Low => "LOW",
            Self::Medium => "MEDIUM",
            Self::High => "HIGH",
        }
    }
}

impl<'a> Model<'a> {
    /// Reads `gemini-2.5-flash`, `gemini-3-pro-preview` …; `gemini-flash-latest` is taken for the
    /// newest generation, and what is no Gemini at all (`gemma-…`, the number of a tuned model) for
    /// the oldest, which knows the least.
    pub(super) fn of(name: &'a str) -> Self {
        let generation = match name.split_once("gemini-") {
            Some((_, rest)) => version(rest).unwrap_or((u32::MAX, 0)),
            None => (0, 0),
        };
        Self { name, generation }
    }

    /// From the third generation on: calls and results carry ids (Vertex refuses them before), the
    /// signatures of calls are checked, results may hold media, and tools go together with a
    /// response schema.
    pub(super) fn is_third_generation(self) -> bool {
        self.generation >= (3, 0)
    }

    /// Whether it knows penalties: models since 2.5 refuse any that is not zero.
    pub(super) fn takes_penalties(self) -> bool {
        self.generation < (2, 5)
    }

    /// Whether its name has this in it.
    fn is(self, what: &str) -> bool {
        self.name.contains(what)
    }

    /// How its thinking is steered: budgets in 2.5, levels from 3 on; which ones, after the
    /// documentation's tables.
    pub(super) fn control(self) -> Control {
        use Level::{High, Low, Medium, Minimal};
        match self.generation {
            (..=1, _) | (2, ..=4) => Control::Nothing,
            (2, _) if self.is("image") || self.is("tts") => Control::Nothing,
            (2, _) if self.is("lite") => Control::Budget { least: 512, most: 24_576, off: true },
            (2, _) if self.is("flash") => Control::Budget { least: 1, most: 24_576, off: true },
            (2, _) => Control::Budget { least: 128, most: 32_768, off: false },
            _ if self.is("tts") || self.is("pro-image") => Control::Nothing,
            _ if self.is("image") => Control::Levels(&[Minimal, High]),
            (3, 0) if self.is("pro") => Control::Levels(&[Low, High]),
            (3, _) if self.is("flash-lite") => Control::Levels(&[Minimal, Low, Medium, High]),
            (3, ..=5) if self.is("flash") => Control::Levels(&[Minimal, Low, Medium, High]),
            _ => Control::Levels(&[Low, Medium, High]),
        }
    }
}

/// `2.5-flash` → (2, 5), `3-pro` → (3, 0).
fn version(text: &str) -> Option<(u32, u32)> {
    let (major, rest) = number(text)?;
    let minor = rest.strip_prefix('.').and_then(number).map_or(0, |(minor, _)| minor);
    Some((major, minor))
}

fn number(text: &str) -> Option<(u32, &str)> {
    let end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end)?;
    Some((digits.parse().ok()?, rest))
}
