//! Parts of a message's content and of a tool's output.

use std::borrow::Cow;

use serde::Deserialize;

use super::value::{OneOrMany, Str};
use crate::error::echo;
use crate::translate::form::{Cache, Content, Media, MediaKind, Part, Source, Text};

/// A part, whatever its type; each type uses some of the fields.
#[derive(Debug, Deserialize)]
pub(super) struct PartFields<'a> {
    #[serde(borrow)]
    r#type: Str<'a>,
    #[serde(borrow)]
    text: Option<Str<'a>>,
    #[serde(borrow)]
    refusal: Option<Str<'a>>,
    #[serde(borrow)]
    image_url: Option<Str<'a>>,
    #[serde(borrow)]
    video_url: Option<Str<'a>>,
    #[serde(borrow)]
    detail: Option<Str<'a>>,
    #[serde(borrow)]
    file_id: Option<Str<'a>>,
    #[serde(borrow)]
    file_url: Option<Str<'a>>,
    #[serde(borrow)]
    file_data: Option<Str<'a>>,
    #[serde(borrow)]
    filename: Option<Str<'a>>,
    #[serde(borrow)]
    input_audio: Option<Audio<'a>>,
    #[serde(borrow)]
    cache_control: Option<CacheFields<'a>>,
    #[serde(borrow)]
    prompt_cache_breakpoint: Option<CacheFields<'a>>,
}

#[derive(Debug, Deserialize)]
struct Audio<'a> {
    #[serde(borrow)]
    data: Str<'a>,
    #[serde(borrow)]
    format: Str<'a>,
}

/// OpenRouter's `cache_control` and OpenAI's `prompt_cache_breakpoint`.
#[derive(Debug, Deserialize)]
pub(super) struct CacheFields<'a> {
    #[serde(borrow)]
    ttl: Option<Str<'a>>,
}

impl CacheFields<'_> {
    pub(super) fn cache(&self) -> Cache {
        match self.ttl.as_ref().map(|ttl| ttl.0.as_ref()) {
            Some("1h" | "12h" | "24h") => Cache::Long,
            _ => Cache::Short,
        }
    }
}

/// Reads the content of a message or the output of a tool.
pub(super) fn parts<'a>(content: OneOrMany<'a, PartFields<'a>>) -> Result<Vec<Part<'a>>, String> {
    match content {
        OneOrMany::One(text) => Ok(vec![Part::text(text)]),
        OneOrMany::Many(parts) => parts.into_iter().map(PartFields::read).collect(),
    }
}

/// The readable text of parts, such as a reasoning item's summary.
pub(super) fn texts<'a>(parts: Vec<PartFields<'a>>) -> Option<Text<'a>> {
    let texts = parts.into_iter().filter_map(|part| part.text).map(|text| text.0);
    texts.reduce(|before, text| Cow::Owned([&before, "\n\n", &text].concat()))
}

impl<'a> PartFields<'a> {
    fn read(mut self) -> Result<Part<'a>, String> {
        let breakpoint = self.cache_control.take().or(self.prompt_cache_breakpoint.take());
        let content = match self.r#type.0.as_ref() {
            "input_text" | "output_text" | "text" => Content::Text(required(self.text, "text")?),
            "refusal" => Content::Text(required(self.refusal, "refusal")?),
            "input_image" => Content::Media(self.image()?),
            "input_file" => Content::Media(self.file()?),
            "input_audio" => Content::Media(self.audio()?),
            "input_video" => Content::Media(self.video()?),
            other => return Err(format!("a part of type {:?} is not supported", echo(other))),
        };
        Ok(Part { content, cache: breakpoint.map(|fields| fields.cache()) })
    }

    fn image(self) -> Result<Media<'a>, String> {
        let source = match (self.image_url, self.file_id) {
            (Some(url), _) => url_or_data(url.0),
            (None, Some(id)) => Source::Id(id.0),
            (None, None) => return Err("input_image: image_url is missing".to_owned()),
        };
        Ok(Media { kind: MediaKind::Image, source, name: None, detail: self.detail.map(|detail| detail.0) })
    }

    fn file(self) -> Result<Media<'a>, String> {
        let name = self.filename.map(|name| name.0);
        let source = match (self.file_data, self.file_url, self.file_id) {
            (Some(data), ..) => match url_or_data(data.0) {
                // Bare base64 is not documented, but sent.
                Source::Url(base64) => Source::Data { mime: mime_of(name.as_deref()), base64 },
                source => source,
            },
            (None, Some(url), _) => url_or_data(url.0),
            (None, None, Some(id)) => Source::Id(id.0),
            (None, None, None) => return Err("input_file: file_data, file_url or file_id is missing".to_owned()),
        };
        Ok(Media { kind: MediaKind::File, source, name, detail: self.detail.map(|detail| detail.0) })
    }

    fn audio(self) -> Result<Media<'a>, String> {
        let audio = self.input_audio.ok_or("input_audio: input_audio is missing")?;
        let source = Source::Data { mime: format!("audio/{}", audio.format.0).into(), base64: audio.data.0 };
        Ok(Media { kind: MediaKind::Audio, source, name: None, detail: None })
    }

    fn video(self) -> Result<Media<'a>, String> {
        let source = url_or_data(required(self.video_url, "video_url")?);
        Ok(Media { kind: MediaKind::Video, source, name: None, detail: None })
    }
}

fn required<'a>(text: Option<Str<'a>>, name: &str) -> Result<Text<'a>, String> {
    text.map(|text| text.0).ok_or_else(|| format!("{name} is missing"))
}

fn mime_of(name: Option<&str>) -> Text<'static> {
    let ending = name.and_then(|name| name.rsplit_once('.')).map(|(_, ending)| ending);
    Cow::Borrowed(match ending {
        Some("txt" | "md") => "text/plain",
        _ => "application/pdf",
    })
}

/// Takes a `data:` URL with base64 apart; any other is fetched by the upstream.
fn url_or_data(url: Text<'_>) -> Source<'_> {
    match url {
        Cow::Borrowed(text) => match data(text) {
            Some((mime, base64)) => Source::Data { mime: mime.into(), base64: base64.into() },
            None => Source::Url(text.into()),
        },
        Cow::Owned(text) => match data(&text) {
            Some((mime, base64)) => Source::Data { mime: mime.to_owned().into(), base64: base64.to_owned().into() },
            None => Source::Url(text.into()),
        },
    }
}

fn data(url: &str) -> Option<(&str, &str)> {
    let (mime, base64) = url.strip_prefix("data:")?.split_once(";base64,")?;
    Some((mime.split(';').next().unwrap_or(mime), base64))
}
