//! What a request holds besides text, told by the types of its parts.

/// Kinds of input besides text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Modality {
    /// `image_url` parts.
    Image,
    /// `input_audio` parts.
    Audio,
    /// `file` parts.
    File,
    /// `video_url` parts.
    Video,
}

impl Modality {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Image, Self::Audio, Self::File, Self::Video];

    /// Its name in `input_modalities`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Audio => "audio",
            Self::File => "file",
            Self::Video => "video",
        }
    }

    /// The kind of a part of a message, by its `type` in any of the dialects.
    pub(crate) fn of_part(r#type: &str) -> Option<Self> {
        match r#type {
            "image_url" | "image" | "input_image" => Some(Self::Image),
            "input_audio" => Some(Self::Audio),
            "file" | "document" | "input_file" => Some(Self::File),
            "video_url" => Some(Self::Video),
            _ => None,
        }
    }
}
