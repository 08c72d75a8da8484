//! In what OpenAI-compatible upstreams differ, as data.
//!
//! Sources: OpenAI's API reference (2026-11), OpenRouter's API description (2026-08), DeepSeek's
//! "Thinking Mode" (2026-11), vLLM's "OpenAI-Compatible Server". [`Quirks::COMPATIBLE`] sends only
//! what all of them take.

use std::borrow::Cow;

use super::Upstream;
use crate::config::{Api, Provider};
use crate::fnv::Fnv;
use crate::translate::id_in_place_of;
use crate::translate::loss::Loss::{Approximated, Ignored, Refused};
use crate::translate::loss::{Losses, Table};

/// How one upstream departs from the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quirks {
    /// Name of the output limit.
    pub output_limit: OutputLimit,
    /// How it is asked to think.
    pub reasoning: ReasoningForm,
    /// How it takes its own thinking back.
    pub thinking: ThinkingForm,
    /// It understands `cache_control`.
    pub cache_control: bool,
    /// It understands `top_k`.
    pub top_k: bool,
    /// It understands `video_url`.
    pub video: bool,
    /// A text may come in parts wherever it stands; others (Groq) want one string for all but the
    /// user's.
    pub text_parts: bool,
    /// It fetches files by URL.
    pub file_urls: bool,
    /// It understands `stream_options`; those that do not send usage unasked.
    pub stream_options: bool,
    /// Most `stop` sequences it takes.
    pub stop_limit: usize,
    /// Longest `user` it takes, in characters.
    pub user_limit: usize,
    /// Which ids of tool calls it takes.
    pub call_ids: CallIds,
    /// OpenRouter's fields that it refuses. Where there are none, it takes or ignores what it does
    /// not know.
    pub foreign: &'static [&'static str],
    /// What it cannot express.
    pub losses: Losses,
}

/// Name of the output limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputLimit {
    /// `max_completion_tokens`
    MaxCompletionTokens,
    /// `max_tokens`, the older name; OpenAI's reasoning models refuse it.
    MaxTokens,
}

/// How an upstream is asked to think.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReasoningForm {
    /// `reasoning_effort`, a level.
    Effort,
    /// OpenRouter's `reasoning` object.
    Object,
}

/// Which ids of tool calls an upstream takes: those of other providers' calls may be others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallIds {
    /// Any.
    Any,
    /// At most 40 bytes long.
    Short,
    /// Nine letters and digits.
    Nine,
}

/// How an upstream takes thinking back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThinkingForm {
    /// It has no place for it.
    None,
    /// OpenRouter's `reasoning_details`.
    Details,
    /// DeepSeek's `reasoning_content`, which it insists on where tools were called.
    Content,
}

/// OpenRouter's additions, but for `reasoning`: see [`ReasoningForm`].
const OPENROUTERS: &[&str] = &[
    "include_reasoning",
    "top_k",
    "min_p",
    "top_a",
    "repetition_penalty",
    "structured_outputs",
    "image_config",
    "cache_control",
    "max_tool_calls",
    "stop_server_tools_when",
];

/// What no upstream can express.
const EVERYWHERE: Table = &[
    ("messages.images", Ignored),
    ("messages.tool.content", Approximated),
    ("messages.tool.is_error", Approximated),
    ("messages.content.image_url.file_id", Refused),
    ("messages.content.input_audio.url", Refused),
];

/// What only OpenRouter can.
const NOT_OPENROUTER: Table = &[
    ("reasoning.max_tokens", Approximated),
    ("messages.reasoning", Ignored),
    ("messages.cache_control", Ignored),
    ("tools.cache_control", Ignored),
    ("messages.content.file.url", Refused),
];

const OPENAI_LOSSES: Losses = Losses(&[
    EVERYWHERE,
    NOT_OPENROUTER,
    &[
        ("top_k", Ignored),
        ("min_p", Ignored),
        ("top_a", Ignored),
        ("repetition_penalty", Ignored),
        ("image_config", Ignored),
        ("stop", Approximated),
        ("messages.content.video_url", Refused),
        ("user", Ignored),
    ],
]);

const COMPATIBLE_LOSSES: Losses = Losses(&[
    EVERYWHERE,
    NOT_OPENROUTER,
    &[("top_k", Ignored), ("messages.content.video_url", Refused), ("user", Ignored)],
]);

const VLLM_LOSSES: Losses = Losses(&[EVERYWHERE, NOT_OPENROUTER]);

const OPENROUTER_LOSSES: Losses = Losses(&[
    EVERYWHERE,
    &[("stop", Approximated), ("messages.tool_calls.cache_control", Ignored), ("user", Ignored)],
]);

impl CallIds {
    /// An id the upstream takes; the same for the same one.
    pub(super) fn fit(self, id: &str) -> Cow<'_, str> {
        let fits = match self {
            Self::Any => true,
            Self::Short => id.len() <= SHORT,
            Self::Nine => id.len() == NINE && id.bytes().all(|byte| byte.is_ascii_alphanumeric()),
        };
        match self {
            _ if fits => Cow::Borrowed(id),
            Self::Any | Self::Short => {
                Cow::Owned(id_in_place_of(id, SHORT, |byte| byte.is_ascii_graphic()))
            }
            Self::Nine => Cow::Owned(nine_of(Fnv::of(id.as_bytes()))),
        }
    }
}

const SHORT: usize = 40;
const NINE: usize = 9;

/// Letters and digits that stand for a hash.
fn nine_of(mut hash: u64) -> String {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut digits = String::with_capacity(NINE);
    for _ in 0..NINE {
        let place = usize::try_from(hash % 36).unwrap_or_default();
        digits.push(DIGITS.get(place).copied().map_or('0', char::from));
        hash /= 36;
    }
    digits
}

impl Quirks {
    /// OpenAI itself.
    pub const OPENAI: Self = Self {
        output_limit: OutputLimit::MaxCompletionTokens,
        text_parts: true,
        stop_limit: 4,
        user_limit: 64,
        call_ids: CallIds::Short,
        foreign: OPENROUTERS,
        losses: OPENAI_LOSSES,
        ..Self::COMPATIBLE
    };

    /// Whatever else speaks chat completions.
    pub const COMPATIBLE: Self = Self {
        output_limit: OutputLimit::MaxTokens,
        reasoning: ReasoningForm::Effort,
        thinking: ThinkingForm::None,
        cache_control: false,
        top_k: false,
        video: false,
        text_parts: false,
        file_urls: false,
        stream_options: true,
        stop_limit: usize::MAX,
        user_limit: usize::MAX,
        call_ids: CallIds::Any,
        foreign: &[],
        losses: COMPATIBLE_LOSSES,
    };

    /// OpenRouter as an upstream.
    pub const OPENROUTER: Self = Self {
        output_limit: OutputLimit::MaxTokens,
        reasoning: ReasoningForm::Object,
        thinking: ThinkingForm::Details,
        cache_control: true,
        top_k: true,
        video: true,
        text_parts: true,
        file_urls: true,
        stream_options: true,
        stop_limit: 4,
        user_limit: 128,
        call_ids: CallIds::Short,
        foreign: &[],
        losses: OPENROUTER_LOSSES,
    };

    /// DeepSeek.
    pub const DEEPSEEK: Self = Self { thinking: ThinkingForm::Content, ..Self::COMPATIBLE };

    /// Mistral, which refuses what it does not know; of users it knows nothing.
    pub const MISTRAL: Self = Self {
        stream_options: false,
        user_limit: 0,
        call_ids: CallIds::Nine,
        foreign: OPENROUTERS,
        ..Self::COMPATIBLE
    };

    /// vLLM.
    pub const VLLM: Self = Self {
        top_k: true,
        video: true,
        text_parts: true,
        losses: VLLM_LOSSES,
        ..Self::COMPATIBLE
    };

    /// All of them by name.
    pub const ALL: &'static [(&'static str, Self)] = &[
        ("openai", Self::OPENAI),
        ("compatible", Self::COMPATIBLE),
        ("openrouter", Self::OPENROUTER),
        ("deepseek", Self::DEEPSEEK),
        ("mistral", Self::MISTRAL),
        ("vllm", Self::VLLM),
    ];

    /// Hosts, or ends of hosts that begin with a dot.
    pub const HOSTS: &'static [(&'static str, Upstream)] = &[
        ("api.openai.com", Upstream { quirks: Self::OPENAI }),
        (".openai.azure.com", Upstream { quirks: Self::OPENAI }),
        (".services.ai.azure.com", Upstream { quirks: Self::OPENAI }),
        ("openrouter.ai", Upstream { quirks: Self::OPENROUTER }),
        ("api.deepseek.com", Upstream { quirks: Self::DEEPSEEK }),
        ("api.mistral.ai", Upstream { quirks: Self::MISTRAL }),
    ];

    /// Those of a provider.
    pub fn of(provider: &Provider) -> &'static Self {
        &Upstream::of(provider).quirks
    }
}

impl Upstream {
    /// That of a provider.
    pub fn of(provider: &Provider) -> &'static Self {
        match provider.api {
            // Whatever its host is called.
            Api::AzureOpenAi => &Self { quirks: Quirks::OPENAI },
            _ => Self::of_host(&provider.host),
        }
    }

    /// Told by its host; a model server of one's own can be anything compatible.
    pub fn of_host(host: &str) -> &'static Self {
        let known = Quirks::HOSTS.iter().find(|(known, _)| host == *known || host.ends_with(known));
        known.map_or(&Self { quirks: Quirks::COMPATIBLE }, |(_, upstream)| upstream)
    }
}
