//! The host's serialised header maps: a count, all lengths, then every name and value with a zero
//! byte behind.

use std::ops::Range;

pub(super) use crate::provider::header as value;

/// No headers, in the host's form.
pub(super) const NONE: &[u8] = &[0; 4];

/// Headers as pairs into `serialised`; names are in lower case, pseudo-headers included. Values
/// that are not UTF-8 are left out.
pub(super) fn parse(serialised: &[u8]) -> Vec<(&str, &str)> {
    let Some((count, rest)) = split_u32(serialised) else { return Vec::new() };
    let Some((lengths, texts)) = rest.split_at_checked((count as usize).saturating_mul(8)) else {
        return Vec::new();
    };
    // One look at all of them, and at each only where one is not UTF-8.
    let all = str::from_utf8(texts).ok();
    let text = |range: Range<usize>| match all {
        Some(all) => all.get(range),
        None => texts.get(range).and_then(|text| str::from_utf8(text).ok()),
    };
    let mut headers = Vec::with_capacity(count as usize);
    let mut at: usize = 0;
    for [n0, n1, n2, n3, v0, v1, v2, v3] in lengths.as_chunks::<8>().0 {
        let name_end = at.saturating_add(u32::from_le_bytes([*n0, *n1, *n2, *n3]) as usize);
        let value_at = name_end.saturating_add(1);
        let value_end = value_at.saturating_add(u32::from_le_bytes([*v0, *v1, *v2, *v3]) as usize);
        if let (Some(name), Some(value)) = (text(at..name_end), text(value_at..value_end)) {
            headers.push((name, value));
        }
        at = value_end.saturating_add(1);
    }
    headers
}

/// How many headers there are in `serialised`.
pub(super) fn count(serialised: &[u8]) -> usize {
    split_u32(serialised).map_or(0, |(count, _)| count as usize)
}

/// The host's form of these headers.
pub(super) fn serialise<N: AsRef<str>, V: AsRef<str>>(headers: &[(N, V)]) -> Vec<u8> {
    let texts: usize =
        headers.iter().map(|(name, value)| name.as_ref().len() + value.as_ref().len() + 10).sum();
    let mut bytes = Vec::with_capacity(4 + texts);
    bytes.extend_from_slice(&(headers.len() as u32).to_le_bytes());
    for (name, value) in headers {
        bytes.extend_from_slice(&(name.as_ref().len() as u32).to_le_bytes());
        bytes.extend_from_slice(&(value.as_ref().len() as u32).to_le_bytes());
    }
    for (name, value) in headers {
        for text in [name.as_ref(), value.as_ref()] {
            bytes.extend_from_slice(text.as_bytes());
            bytes.push(0);
        }
    }
    bytes
}

/// The response's status.
pub(super) fn status(headers: &[(&str, &str)]) -> u16 {
    value(headers, ":status").and_then(|status| status.parse().ok()).unwrap_or(0)
}

fn split_u32(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<4>()?;
    Some((u32::from_le_bytes(*number), rest))
}
