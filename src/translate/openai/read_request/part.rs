//! Parts of a message's content: text, pictures, sound, files, video; and their prompt cache
//! breakpoints.
//!
//! Source: OpenAI's API reference, content
//! parts (2026-11); `video_url`, `input_video`, `cache_control` and `prompt_cache_breakpoint` are
//! OpenRouter's (2026-08).

use std::borrow::Cow;

use super::value::{array, needed, object, text};
use crate::translate::form::{Cache, Content, Media, MediaKind, Part, Source, Text};
use crate::translate::loss::Lost;
use crate::translate::openai::media::{type_of_audio, type_of_file};
use crate::translate::problem::{Problem, Read};
use crate::wire::json::{Kind, Reader};

/// Content that is a string or an array of parts; adds to `dropped` what becomes something else.
pub(super) fn content<'a>(
    reader: &mut Reader<'a>,
    parts: &mut Vec<Part<'a>>,
    dropped: &mut Lost,
) -> Read<()> {
    match reader.peek()? {
        Kind::String => parts.extend(text(reader)?.map(Part::text)),
        Kind::Array | Kind::Null => {
            array(reader, |reader, _| {
                parts.push(part(reader, dropped)?);
                Ok(())
            })?;
        }
        _ => return Err(Problem::wrong("must be a string or an array of parts")),
    }
    Ok(())
}

/// The members a part may have; which ones count is for `type` to say.
#[derive(Default)]
struct Members<'a> {
    kind: Option<Text<'a>>,
    text: Option<Text<'a>>,
    media: Option<MediaFields<'a>>,
    cache: Option<Cache>,
}

/// What stands in `image_url`, `input_audio`, `file` or `video_url`.
#[derive(Default)]
struct MediaFields<'a> {
    url: Option<Text<'a>>,
    data: Option<Text<'a>>,
    format: Option<Text<'a>>,
    id: Option<Text<'a>>,
    name: Option<Text<'a>>,
    detail: Option<Text<'a>>,
}

fn part<'a>(reader: &mut Reader<'a>, dropped: &mut Lost) -> Read<Part<'a>> {
    let mut members = Members::default();
    let is_object = object(reader, |reader, key| {
        match key {
            "type" => members.kind = text(reader)?,
            "text" | "refusal" => members.text = text(reader)?,
            "image_url" | "input_audio" | "file" | "video_url" => {
                members.media = Some(MediaFields::read(reader)?)
            }
            "cache_control" => members.cache = cache_control(reader)?,
            "prompt_cache_breakpoint" => {
                members.cache =
                    members.cache.or(object(reader, |_, _| Ok(()))?.then_some(Cache::Short));
            }
            _ => {}
        }
        Ok(())
    })?;
    if !is_object {
        return Err(Problem::wrong("must be an object"));
    }
    if members.kind.as_deref() == Some("refusal") {
        dropped.add("messages.refusal");
    }
    let cache = members.cache;
    Ok(Part { content: members.content()?, cache })
}

/// What reads the media that stand in a member.
type ReadMedia<'a> = fn(MediaFields<'a>) -> Read<Media<'a>>;

impl<'a> Members<'a> {
    fn content(self) -> Read<Content<'a>> {
        let kind = self.kind.as_deref().unwrap_or_default();
        let (member, read): (&str, ReadMedia<'a>) = match kind {
            "text" | "refusal" => return Ok(Content::Text(required(self.text, kind)?)),
            "image_url" => ("image_url", MediaFields::image),
            "video_url" | "input_video" => ("video_url", MediaFields::video),
            "input_audio" => ("input_audio", MediaFields::audio),
            "file" => ("file", MediaFields::file),
            _ => {
                let known = "must be one of text, refusal, image_url, input_audio, file, video_url";
                return Err(Problem::wrong(known).in_member("type"));
            }
        };
        let media = required(self.media, member)?;
        Ok(Content::Media(read(media).map_err(|problem| problem.in_member(member))?))
    }
}

fn required<T>(value: Option<T>, member: &str) -> Read<T> {
    value.ok_or_else(|| Problem::wrong("is required").in_member(member))
}

impl<'a> MediaFields<'a> {
    fn read(reader: &mut Reader<'a>) -> Read<Self> {
        let mut fields = Self::default();
        if reader.peek()? == Kind::String {
            // Not OpenAI's, but many clients write `"image_url": "https://…"`.
            fields.url = text(reader)?;
            return Ok(fields);
        }
        object(reader, |reader, key| {
            let slot = match key {
                "url" => &mut fields.url,
                "data" | "file_data" => &mut fields.data,
                "format" => &mut fields.format,
                "file_id" => &mut fields.id,
                "filename" => &mut fields.name,
                "detail" => &mut fields.detail,
                _ => return Ok(()),
            };
            *slot = text(reader)?;
            Ok(())
        })?;
        Ok(fields)
    }

    fn image(self) -> Read<Media<'a>> {
        self.at_url(MediaKind::Image)
    }

    fn video(self) -> Read<Media<'a>> {
        self.at_url(MediaKind::Video)
    }

    fn at_url(self, kind: MediaKind) -> Read<Media<'a>> {
        let url = needed(self.url, "url")?;
        Ok(Media { kind, source: source_of_url(url), name: None, detail: self.detail })
    }

    fn audio(self) -> Read<Media<'a>> {
        let data = needed(self.data, "data")?;
        let source = if data.starts_with("data:") {
            source_of_url(data)
        } else {
            let format = needed(self.format, "format")?;
            Source::Data { mime: type_of_audio(&format), base64: data }
        };
        Ok(Media { kind: MediaKind::Audio, source, name: None, detail: None })
    }

    fn file(self) -> Read<Media<'a>> {
        let source = match (self.data, self.id) {
            (Some(data), _) => source_of_file(data, self.name.as_deref()),
            (None, Some(id)) => Source::Id(id),
            (None, None) => return Err(Problem::wrong("must have file_data or file_id")),
        };
        Ok(Media { kind: MediaKind::File, source, name: self.name, detail: None })
    }
}

/// A picture in an assistant's `images`.
pub(super) fn image<'a>(reader: &mut Reader<'a>) -> Read<Part<'a>> {
    let mut fields = None;
    object(reader, |reader, key| {
        if key == "image_url" {
            fields = Some(MediaFields::read(reader)?);
        }
        Ok(())
    })?;
    let media = required(fields, "image_url")?.image()?;
    Ok(Part { content: Content::Media(media), cache: None })
}

/// `{"type": "ephemeral", "ttl": "5m" | "1h"}`
pub(super) fn cache_control(reader: &mut Reader<'_>) -> Read<Option<Cache>> {
    let mut cache = Cache::Short;
    let given = object(reader, |reader, key| {
        if key == "ttl" && text(reader)?.is_some_and(|ttl| ttl == "1h") {
            cache = Cache::Long;
        }
        Ok(())
    })?;
    Ok(given.then_some(cache))
}

/// Data where the URL holds them.
fn source_of_url(url: Text<'_>) -> Source<'_> {
    match url {
        Cow::Borrowed(url) => match data_url(url) {
            Some((mime, base64)) => {
                Source::Data { mime: Cow::Borrowed(mime), base64: Cow::Borrowed(base64) }
            }
            None => Source::Url(Cow::Borrowed(url)),
        },
        Cow::Owned(url) => match data_url(&url) {
            Some((mime, base64)) => Source::Data {
                mime: Cow::Owned(mime.to_owned()),
                base64: Cow::Owned(base64.to_owned()),
            },
            None => Source::Url(Cow::Owned(url)),
        },
    }
}

/// Media type and base64 of a data URL that has both.
fn data_url(url: &str) -> Option<(&str, &str)> {
    let (head, base64) = url.strip_prefix("data:")?.split_once(',')?;
    let kind = head.strip_suffix(";base64")?;
    let mime = kind.split_once(';').map_or(kind, |(mime, _)| mime);
    Some((if mime.is_empty() { "text/plain" } else { mime }, base64))
}

/// `file_data` is a data URL, a URL, or bare base64.
fn source_of_file<'a>(data: Text<'a>, name: Option<&str>) -> Source<'a> {
    if data.starts_with("data:") || data.starts_with("http://") || data.starts_with("https://") {
        return source_of_url(data);
    }
    let mime = Cow::Borrowed(type_of_file(name.unwrap_or_default()));
    Source::Data { mime, base64: data }
}
