//! Images, documents, sound and video as `inlineData` or `fileData`.
//!
//! `fileData.fileUri` takes files of the Files API, `gs://` objects, YouTube videos and, since
//! 2026-01, any public https URL, so URLs are left to the upstream. Vertex wants a type with each
//! of them.

use std::borrow::Cow;

use serde::Serialize;

use crate::translate::form::{Media, MediaKind, Source};
use crate::translate::loss::Lost;

/// Where the Files API keeps what it calls `files/{id}`.
const FILES: &str = "https://generativelanguage.googleapis.com/v1beta/";

/// Bytes, in base64.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Blob<'a> {
    mime_type: &'a str,
    data: &'a str,
}

/// A file somewhere else.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FileData<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    mime_type: Option<&'static str>,
    file_uri: Cow<'a, str>,
}

/// Media as the API takes them.
pub(super) enum Located<'a> {
    Inline(Blob<'a>),
    File(FileData<'a>),
}

impl Blob<'_> {
    /// Whether it may stand inside a function's result.
    pub(super) fn suits_result(&self) -> bool {
        self.mime_type.starts_with("image/")
            || matches!(self.mime_type, "application/pdf" | "text/plain")
    }
}

/// Media for the API; `None`: only another provider knows them.
pub(super) fn locate<'a>(media: &'a Media<'_>, dropped: &mut Lost) -> Option<Located<'a>> {
    dropped.add_if(
        matches!(media.detail.as_deref(), Some("low" | "high")),
        "messages.image_url.detail",
    );
    dropped.add_if(media.name.is_some(), "messages.file.filename");
    let uri = match &media.source {
        Source::Data { mime, base64 } => {
            return Some(Located::Inline(Blob { mime_type: mime_name(mime), data: base64 }));
        }
        Source::Url(url) => Cow::Borrowed(url.as_ref()),
        Source::Id(id) if id.starts_with("https://") || id.starts_with("gs://") => {
            Cow::Borrowed(id.as_ref())
        }
        Source::Id(id) if id.starts_with("files/") => Cow::Owned(format!("{FILES}{id}")),
        Source::Id(_) => {
            dropped.add("messages.file_id");
            return None;
        }
    };
    // The Files API knows what it keeps, better than any guess.
    let is_kept = uri.starts_with(FILES);
    let mime_type = (!is_kept).then(|| mime_of(&uri).unwrap_or(default_mime(media.kind)));
    Some(Located::File(FileData { mime_type, file_uri: uri }))
}

/// The registered name of a type that is often written otherwise.
fn mime_name(mime: &str) -> &str {
    match mime {
        "image/jpg" => "image/jpeg",
        _ => mime,
    }
}

fn default_mime(kind: MediaKind) -> &'static str {
    match kind {
        MediaKind::Image => "image/jpeg",
        MediaKind::File => "application/pdf",
        MediaKind::Audio => "audio/mp3",
        MediaKind::Video => "video/mp4",
    }
}

const MIMES: &[(&str, &str)] = &[
    ("aac", "audio/aac"),
    ("aiff", "audio/aiff"),
    ("csv", "text/csv"),
    ("flac", "audio/flac"),
    ("gif", "image/gif"),
    ("heic", "image/heic"),
    ("heif", "image/heif"),
    ("html", "text/html"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("json", "application/json"),
    ("m4a", "audio/m4a"),
    ("md", "text/markdown"),
    ("mov", "video/mov"),
    ("mp3", "audio/mp3"),
    ("mp4", "video/mp4"),
    ("mpeg", "video/mpeg"),
    ("mpg", "video/mpg"),
    ("ogg", "audio/ogg"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("txt", "text/plain"),
    ("wav", "audio/wav"),
    ("webm", "video/webm"),
    ("webp", "image/webp"),
    ("xml", "text/xml"),
];

/// By the extension of the path's last segment.
fn mime_of(uri: &str) -> Option<&'static str> {
    let path = uri.split(['?', '#']).next()?;
    let (_, name) = path.rsplit_once('/')?;
    let (_, extension) = name.rsplit_once('.')?;
    MIMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(extension)).map(|(_, mime)| *mime)
}
