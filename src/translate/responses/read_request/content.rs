//! Parts of a message's content and of a tool's output.

use std::borrow::Cow;

use crate::error::echo;
use crate::translate::form::{Content, Media, MediaKind, Part, Source, Text};
use crate::translate::responses::cache::{CACHE, cache};
use crate::translate::responses::shape::{Field, Shape, maybe, must, text};
use crate::translate::responses::value::{Object, Value};

/// A part, whatever its type; each type uses some of the fields.
pub(super) const PART: &[Field] = &[
    must("type", Shape::Text),
    text("text"),
    text("refusal"),
    text("image_url"),
    text("video_url"),
    text("detail"),
    text("file_id"),
    text("file_url"),
    text("file_data"),
    text("filename"),
    maybe("input_audio", Shape::Object(AUDIO)),
    maybe("cache_control", Shape::Object(CACHE)),
    maybe("prompt_cache_breakpoint", Shape::Object(CACHE)),
];

const AUDIO: &[Field] = &[must("data", Shape::Text), must("format", Shape::Text)];

/// Reads the content of a message or the output of a tool.
pub(super) fn parts(content: Value<'_>) -> Result<Vec<Part<'_>>, String> {
    match content {
        Value::Text(text) => Ok(vec![Part::text(text)]),
        parts => parts.objects().into_iter().map(part).collect(),
    }
}

/// A text, or the readable text of parts, such as a reasoning item's summary.
pub(super) fn texts(content: Value<'_>) -> Option<Text<'_>> {
    match content {
        Value::Text(text) => Some(text),
        parts => {
            let texts = parts.objects().into_iter().filter_map(|mut part| part.text("text"));
            texts.reduce(|before, text| Cow::Owned([&before, "\n\n", &text].concat()))
        }
    }
}

fn part(mut part: Object<'_>) -> Result<Part<'_>, String> {
    let cache = cache(part.take("cache_control")).or(cache(part.take("prompt_cache_breakpoint")));
    let r#type = part.text("type").unwrap_or_default();
    let content = match r#type.as_ref() {
        "input_text" | "output_text" | "text" => Content::Text(required(&mut part, "text")?),
        "refusal" => Content::Text(required(&mut part, "refusal")?),
        "input_image" => Content::Media(image(part)?),
        "input_file" => Content::Media(file(part)?),
        "input_audio" => Content::Media(audio(part)?),
        "input_video" => Content::Media(video(part)?),
        other => return Err(format!("a part of type {:?} is not supported", echo(other))),
    };
    Ok(Part { content, cache })
}

fn image(mut part: Object<'_>) -> Result<Media<'_>, String> {
    let source = match (part.text("image_url"), part.text("file_id")) {
        (Some(url), _) => url_or_data(url),
        (None, Some(id)) => Source::Id(id),
        (None, None) => return Err("input_image: image_url is missing".to_owned()),
    };
    Ok(Media { kind: MediaKind::Image, source, name: None, detail: part.text("detail") })
}

fn file(mut part: Object<'_>) -> Result<Media<'_>, String> {
    let name = part.text("filename");
    let source = match (part.text("file_data"), part.text("file_url"), part.text("file_id")) {
        (Some(data), ..) => match url_or_data(data) {
            // Bare base64 is not documented, but sent.
            Source::Url(base64) => Source::Data { mime: mime_of(name.as_deref()), base64 },
            source => source,
        },
        (None, Some(url), _) => url_or_data(url),
        (None, None, Some(id)) => Source::Id(id),
        (None, None, None) => {
            return Err("input_file: file_data, file_url or file_id is missing".to_owned());
        }
    };
    Ok(Media { kind: MediaKind::File, source, name, detail: part.text("detail") })
}

fn audio(mut part: Object<'_>) -> Result<Media<'_>, String> {
    let mut audio =
        part.take("input_audio").object().ok_or("input_audio: input_audio is missing")?;
    let mime = format!("audio/{}", audio.str("format").unwrap_or_default()).into();
    let source = Source::Data { mime, base64: required(&mut audio, "data")? };
    Ok(Media { kind: MediaKind::Audio, source, name: None, detail: None })
}

fn video(mut part: Object<'_>) -> Result<Media<'_>, String> {
    let source = url_or_data(required(&mut part, "video_url")?);
    Ok(Media { kind: MediaKind::Video, source, name: None, detail: None })
}

fn required<'a>(part: &mut Object<'a>, name: &str) -> Result<Text<'a>, String> {
    part.text(name).ok_or_else(|| format!("{name} is missing"))
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
            Some((mime, base64)) => {
                Source::Data { mime: mime.to_owned().into(), base64: base64.to_owned().into() }
            }
            None => Source::Url(text.into()),
        },
    }
}

fn data(url: &str) -> Option<(&str, &str)> {
    let (mime, base64) = url.strip_prefix("data:")?.split_once(";base64,")?;
    Some((mime.split(';').next().unwrap_or(mime), base64))
}
