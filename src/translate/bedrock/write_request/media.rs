//! Images, documents, videos and sounds: their formats, where they are, and what documents are
//! called.

use serde::Serialize;

use super::message::Block;
use crate::translate::form::{self, MediaKind};

/// Which block something goes into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    Image,
    Document,
    Video,
    Audio,
}

/// The API's formats. By media type, and by the endings of names that have no type; the first that
/// fits.
const TYPES: &[(Slot, &str, &[&str], &[&str])] = &[
    (Slot::Image, "png", &["image/png"], &["png"]),
    (Slot::Image, "jpeg", &["image/jpeg", "image/jpg"], &["jpg", "jpeg"]),
    (Slot::Image, "gif", &["image/gif"], &["gif"]),
    (Slot::Image, "webp", &["image/webp"], &["webp"]),
    (Slot::Document, "pdf", &["application/pdf"], &["pdf"]),
    (Slot::Document, "csv", &["text/csv"], &["csv"]),
    (Slot::Document, "doc", &["application/msword"], &["doc"]),
    (
        Slot::Document,
        "docx",
        &["application/vnd.openxmlformats-officedocument.wordprocessingml.document"],
        &["docx"],
    ),
    (Slot::Document, "xls", &["application/vnd.ms-excel"], &["xls"]),
    (
        Slot::Document,
        "xlsx",
        &["application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"],
        &["xlsx"],
    ),
    (Slot::Document, "html", &["text/html"], &["html", "htm"]),
    (Slot::Document, "md", &["text/markdown", "text/x-markdown"], &["md", "markdown"]),
    (
        Slot::Document,
        "txt",
        &["text/plain", "application/json", "application/xml"],
        &["txt", "json", "xml", "log"],
    ),
    (Slot::Video, "mp4", &["video/mp4"], &["mp4"]),
    (Slot::Video, "mov", &["video/quicktime"], &["mov"]),
    (Slot::Video, "mkv", &["video/x-matroska"], &["mkv"]),
    (Slot::Video, "webm", &["video/webm"], &["webm"]),
    (Slot::Video, "flv", &["video/x-flv"], &["flv"]),
    (Slot::Video, "mpeg", &["video/mpeg"], &["mpeg", "mpg"]),
    (Slot::Video, "wmv", &["video/x-ms-wmv"], &["wmv"]),
    (Slot::Video, "three_gp", &["video/3gpp"], &["3gp"]),
    (Slot::Audio, "mp3", &["audio/mpeg", "audio/mp3"], &["mp3"]),
    (Slot::Audio, "wav", &["audio/wav", "audio/x-wav", "audio/wave"], &["wav"]),
    (Slot::Audio, "flac", &["audio/flac", "audio/x-flac"], &["flac"]),
    (Slot::Audio, "ogg", &["audio/ogg"], &["ogg"]),
    (Slot::Audio, "opus", &["audio/opus"], &["opus"]),
    (Slot::Audio, "aac", &["audio/aac"], &["aac"]),
    (Slot::Audio, "m4a", &["audio/mp4", "audio/m4a", "audio/x-m4a"], &["m4a"]),
    (Slot::Audio, "webm", &["audio/webm"], &["weba"]),
    (Slot::Audio, "pcm", &["audio/pcm", "audio/pcm16"], &["pcm"]),
];

/// An image, video or sound.
#[derive(Serialize)]
pub(super) struct Media<'c> {
    format: &'static str,
    source: Source<'c>,
}

/// A document.
#[derive(Serialize)]
pub(super) struct Document<'c> {
    format: &'static str,
    pub(super) name: String,
    source: Source<'c>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Source<'c> {
    Bytes(&'c str),
    S3Location { uri: &'c str },
}

/// The block for `media`, or the field that is lost.
pub(super) fn block<'c>(
    media: &'c form::Media<'_>,
    names: &mut Names,
) -> Result<Block<'c>, &'static str> {
    let name = media.name.as_deref();
    let (found, source, name) = match &media.source {
        form::Source::Data { mime, base64 } => (by_type(mime, name), Source::Bytes(base64), name),
        form::Source::Url(url) if url.starts_with("s3://") => {
            let name = name.or_else(|| url.rsplit('/').next());
            (by_ending(url), Source::S3Location { uri: url }, name)
        }
        form::Source::Url(_) => return Err("messages.url"),
        form::Source::Id(_) => return Err("messages.file_id"),
    };
    let (slot, format) = found.ok_or("messages.media")?;
    Ok(match slot {
        Slot::Image => Block::Image(Media { format, source }),
        Slot::Video => Block::Video(Media { format, source }),
        Slot::Audio => Block::Audio(Media { format, source }),
        Slot::Document => Block::Document(Document { format, name: names.take(name), source }),
    })
}

/// Whether the client says how closely to look at it, which the API cannot be told.
pub(super) fn has_detail(media: &form::Media<'_>) -> bool {
    media.kind == MediaKind::Image && media.detail.as_deref().is_some_and(|detail| detail != "auto")
}

fn by_type(mime: &str, name: Option<&str>) -> Option<(Slot, &'static str)> {
    let essence = mime.split(';').next().unwrap_or_default().trim();
    let known = TYPES
        .iter()
        .find(|(_, _, types, _)| types.iter().any(|known| known.eq_ignore_ascii_case(essence)));
    let known = known.map(|(slot, format, ..)| (*slot, *format));
    let is_text = essence.get(..5).is_some_and(|lead| lead.eq_ignore_ascii_case("text/"));
    known.or_else(|| name.and_then(by_ending)).or(is_text.then_some((Slot::Document, "txt")))
}

fn by_ending(name: &str) -> Option<(Slot, &'static str)> {
    let (_, ending) = name.rsplit_once('.')?;
    let known = TYPES
        .iter()
        .find(|(_, _, _, endings)| endings.iter().any(|known| known.eq_ignore_ascii_case(ending)));
    known.map(|(slot, format, ..)| (*slot, *format))
}

/// Names of the documents of one request: within the API's alphabet, and each once, also across
/// turns.
#[derive(Default)]
pub(super) struct Names(Vec<String>);

impl Names {
    /// A name like `wanted`, without the ending, which the format tells.
    fn take(&mut self, wanted: Option<&str>) -> String {
        let stem = wanted.map_or("", |name| name.rsplit_once('.').map_or(name, |(stem, _)| stem));
        let spaced: String =
            stem.chars().map(|letter| if is_allowed(letter) { letter } else { ' ' }).collect();
        let short: String =
            spaced.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(190).collect();
        let base = if short.is_empty() { "Document" } else { short.trim_end() };
        let mut name = base.to_owned();
        let mut count = 1;
        while self.0.iter().any(|taken| taken.eq_ignore_ascii_case(&name)) {
            count += 1;
            name = format!("{base} {count}");
        }
        self.0.push(name.clone());
        name
    }
}

fn is_allowed(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "-()[]".contains(letter)
}
