//! Media types by the words that OpenAI has for them: formats of sound, and names of files.
//!
//! Source: OpenAI's API reference, content parts (2026-11).

use std::borrow::Cow;

/// `format` of `input_audio`, and its media type.
const AUDIO: &[(&str, &str)] = &[
    ("wav", "audio/wav"),
    ("mp3", "audio/mpeg"),
    ("m4a", "audio/mp4"),
    ("flac", "audio/flac"),
    ("ogg", "audio/ogg"),
    ("aac", "audio/aac"),
    ("aiff", "audio/aiff"),
    ("pcm16", "audio/pcm"),
];

/// Media types of files by the end of their name, for data that come without one.
const FILES: &[(&str, &str)] = &[
    (".pdf", "application/pdf"),
    (".txt", "text/plain"),
    (".md", "text/markdown"),
    (".csv", "text/csv"),
    (".html", "text/html"),
    (".json", "application/json"),
    (".docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    (".xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    (".pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
];

/// The media type of a `format` of `input_audio`.
pub(super) fn type_of_audio(format: &str) -> Cow<'static, str> {
    match AUDIO.iter().find(|(known, _)| *known == format) {
        Some((_, mime)) => Cow::Borrowed(mime),
        None => Cow::Owned(format!("audio/{format}")),
    }
}

/// The media type of a file of this name whose data come without one.
pub(super) fn type_of_file(name: &str) -> &'static str {
    let name = name.to_ascii_lowercase();
    FILES.iter().find(|(end, _)| name.ends_with(end)).map_or("application/pdf", |(_, mime)| mime)
}

/// `format` of `input_audio` for a media type.
pub(super) fn audio_format(mime: &str) -> &str {
    match AUDIO.iter().find(|(_, known)| *known == mime) {
        Some((format, _)) => format,
        None => {
            mime.strip_prefix("audio/").map_or(mime, |name| name.strip_prefix("x-").unwrap_or(name))
        }
    }
}

/// A name for a file that has none: OpenAI wants one.
pub(super) fn file_name(mime: &str) -> String {
    let end = FILES.iter().find(|(_, known)| *known == mime).map_or("", |(end, _)| end);
    format!("document{end}")
}
