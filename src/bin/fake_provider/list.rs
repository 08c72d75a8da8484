//! Writes OpenAI's two `list` answers: embeddings and models.
//! The vectors are small and depend only on their index, so that a test can tell them apart.

use crate::answer::json;
use crate::fault::Faults;
use crate::request::Ask;
use crate::wire::{Embedding, EmbeddingUsage, List, Model, Vector};

const DIMENSIONS: u16 = 8;
const MODELS: [&str; 3] = ["gpt-4o", "gpt-4o-mini", "text-embedding-3-small"];
const MODELS_CREATED: u64 = 1_715_367_049;

/// One vector for each input of the request.
pub(crate) fn embeddings(ask: &Ask, faults: &Faults) -> Vec<u8> {
    let data = (0..ask.input_count())
        .map(|index| Embedding {
            object: "embedding",
            index,
            embedding: vector(index, ask.wants_base64()),
        })
        .collect();
    let prompt_tokens = faults.prompt_tokens.unwrap_or(ask.prompt_tokens);
    let usage = match faults {
        Faults { no_usage: true, .. } => None,
        Faults { usage_null: true, .. } => Some(None),
        _ => Some(Some(EmbeddingUsage { prompt_tokens, total_tokens: prompt_tokens })),
    };
    json(&List {
        object: "list",
        data,
        model: Some(ask.model.as_deref().unwrap_or_default()),
        usage,
    })
}

/// The models this provider claims to have.
pub(crate) fn models(name: &str) -> Vec<u8> {
    let data = MODELS
        .into_iter()
        .map(|id| Model { id, object: "model", created: MODELS_CREATED, owned_by: name })
        .collect();
    json(&List { object: "list", data, model: None, usage: None })
}

fn vector(index: usize, as_base64: bool) -> Vector {
    let offset = u16::try_from(index).unwrap_or(u16::MAX);
    let floats = (0..DIMENSIONS).map(|position| f32::from(position) / 16.0 + f32::from(offset));
    if as_base64 {
        Vector::Base64(base64(&floats.flat_map(f32::to_le_bytes).collect::<Vec<u8>>()))
    } else {
        Vector::Floats(floats.collect())
    }
}

fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let padded = group.iter().chain(&[0, 0]).take(3);
        let bits = padded.fold(0, |bits: u32, byte| bits << 8 | u32::from(*byte));
        for position in 0..4 {
            text.push(if position > group.len() {
                '='
            } else {
                base64_digit(bits >> (18 - 6 * position) & 63)
            });
        }
    }
    text
}

fn base64_digit(six_bits: u32) -> char {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let index = usize::try_from(six_bits).unwrap_or_default();
    ALPHABET.get(index).copied().map_or('=', char::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_matches_rfc_4648() {
        for (bytes, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }
}
