//! Parts of a message's content as JSON for an upstream.
//!
//! Data go out as data URLs, written without being joined in memory. What the upstream has no form
//! for is left out and noted. Source: OpenAI's API reference, content parts (2026-11); `video_url`
//! and URLs of files are OpenRouter's.

use std::borrow::Cow;

use serde::{Serialize, Serializer};

use crate::translate::form::{Cache, Content, Media, MediaKind, Part, Source};
use crate::translate::loss::Lost;
use crate::translate::openai::Quirks;
use crate::translate::openai::media::{audio_format, file_name};

/// A part.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Piece<'a> {
    Text {
        text: Cow<'a, str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheControl>,
    },
    ImageUrl {
        image_url: ImageUrl<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheControl>,
    },
    InputAudio {
        input_audio: InputAudio<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheControl>,
    },
    File {
        file: File<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheControl>,
    },
    VideoUrl {
        video_url: ImageUrl<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheControl>,
    },
}

#[derive(Debug, Serialize)]
pub(super) struct ImageUrl<'a> {
    url: Link<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
}

#[derive(Debug, Serialize)]
pub(super) struct InputAudio<'a> {
    data: &'a str,
    format: &'a str,
}

#[derive(Debug, Default, Serialize)]
pub(super) struct File<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    filename: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_data: Option<Link<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_id: Option<&'a str>,
}

/// A URL, or the data URL that says the same.
#[derive(Debug)]
pub(super) enum Link<'a> {
    Url(&'a str),
    Data { mime: &'a str, base64: &'a str },
}

impl Serialize for Link<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Url(url) => serializer.serialize_str(url),
            Self::Data { mime, base64 } => {
                serializer.collect_str(&format_args!("data:{mime};base64,{base64}"))
            }
        }
    }
}

/// A prompt cache breakpoint.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct CacheControl {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<&'static str>,
}

impl From<Cache> for CacheControl {
    fn from(cache: Cache) -> Self {
        Self { r#type: "ephemeral", ttl: (cache == Cache::Long).then_some("1h") }
    }
}

impl<'a> Piece<'a> {
    /// A text without a breakpoint.
    pub(super) fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Self::Text { text: text.into(), cache_control: None }
    }

    /// A part's JSON; `None` if the upstream has no form for it, or it is no content.
    pub(super) fn of(part: &'a Part<'_>, quirks: &Quirks, dropped: &mut Lost) -> Option<Self> {
        let cache_control = part.cache.filter(|_| quirks.cache_control).map(CacheControl::from);
        if part.cache.is_some() && !quirks.cache_control {
            dropped.add("messages.cache_control");
        }
        match &part.content {
            Content::Text(text) => Some(Self::Text { text: Cow::Borrowed(text), cache_control }),
            Content::Media(media) => {
                let piece = Self::of_media(media, quirks, cache_control);
                piece.map_err(|lost| dropped.add(lost)).ok()
            }
            Content::Thinking(_) | Content::ToolCall { .. } | Content::ToolResult { .. } => None,
        }
    }

    /// `Err`: what cannot be said.
    fn of_media(
        media: &'a Media<'_>,
        quirks: &Quirks,
        cache_control: Option<CacheControl>,
    ) -> Result<Self, &'static str> {
        Ok(match media.kind {
            MediaKind::Image => {
                let url = Link::of(&media.source).ok_or("messages.content.image_url.file_id")?;
                Self::ImageUrl {
                    image_url: ImageUrl { url, detail: media.detail.as_deref() },
                    cache_control,
                }
            }
            MediaKind::Audio => match &media.source {
                Source::Data { mime, base64 } => Self::InputAudio {
                    input_audio: InputAudio { data: base64, format: audio_format(mime) },
                    cache_control,
                },
                Source::Url(_) | Source::Id(_) => return Err("messages.content.input_audio.url"),
            },
            MediaKind::File => Self::File { file: File::of(media, quirks)?, cache_control },
            MediaKind::Video => {
                let url = Link::of(&media.source)
                    .filter(|_| quirks.video)
                    .ok_or("messages.content.video_url")?;
                Self::VideoUrl { video_url: ImageUrl { url, detail: None }, cache_control }
            }
        })
    }
}

impl<'a> Link<'a> {
    fn of(source: &'a Source<'_>) -> Option<Self> {
        match source {
            Source::Url(url) => Some(Self::Url(url)),
            Source::Data { mime, base64 } => Some(Self::Data { mime, base64 }),
            Source::Id(_) => None,
        }
    }
}

impl<'a> File<'a> {
    fn of(media: &'a Media<'_>, quirks: &Quirks) -> Result<Self, &'static str> {
        let filename = media.name.as_deref().map(Cow::Borrowed);
        Ok(match &media.source {
            Source::Id(id) => Self { file_id: Some(id), filename, ..Self::default() },
            Source::Url(_) if !quirks.file_urls => return Err("messages.content.file.url"),
            Source::Url(url) => {
                Self { file_data: Some(Link::Url(url)), filename, ..Self::default() }
            }
            Source::Data { mime, base64 } => Self {
                filename: filename.or_else(|| Some(file_name(mime).into())),
                file_data: Some(Link::Data { mime, base64 }),
                ..Self::default()
            },
        })
    }
}
