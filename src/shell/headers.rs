//! The host's serialised header maps: a count, all lengths, then every name and value with a zero byte behind.

/// Headers as pairs into `serialised`; names are in lower case, pseudo-headers included. Values that are not UTF-8 are
/// left out.
pub(super) fn parse(serialised: &[u8]) -> Vec<(&str, &str)> {
    let Some((count, rest)) = split_u32(serialised) else { return Vec::new() };
    let Some((lengths, mut texts)) = rest.split_at_checked((count as usize).saturating_mul(8)) else {
        return Vec::new();
    };
    let mut headers = Vec::with_capacity(count as usize);
    for [n0, n1, n2, n3, v0, v1, v2, v3] in lengths.as_chunks::<8>().0 {
        let name_len = u32::from_le_bytes([*n0, *n1, *n2, *n3]);
        let value_len = u32::from_le_bytes([*v0, *v1, *v2, *v3]);
        let Some((name, rest)) = split_text(texts, name_len) else { break };
        let Some((value, rest)) = split_text(rest, value_len) else { break };
        texts = rest;
        if let (Ok(name), Ok(value)) = (str::from_utf8(name), str::from_utf8(value)) {
            headers.push((name, value));
        }
    }
    headers
}

/// How many headers there are in `serialised`.
pub(super) fn count(serialised: &[u8]) -> usize {
    split_u32(serialised).map_or(0, |(count, _)| count as usize)
}

/// The host's form of these headers.
pub(super) fn serialise<N: AsRef<str>, V: AsRef<str>>(headers: &[(N, V)]) -> Vec<u8> {
    let texts: usize = headers.iter().map(|(name, value)| name.as_ref().len() + value.as_ref().len() + 10).sum();
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

/// The value of a header.
pub(super) fn value<'a>(headers: &[(&'a str, &'a str)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
}

/// The response's status.
pub(super) fn status(headers: &[(&str, &str)]) -> u16 {
    value(headers, ":status").and_then(|status| status.parse().ok()).unwrap_or(0)
}

fn split_u32(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<4>()?;
    Some((u32::from_le_bytes(*number), rest))
}

fn split_text(bytes: &[u8], len: u32) -> Option<(&[u8], &[u8])> {
    let (text, rest) = bytes.split_at_checked(len as usize)?;
    Some((text, rest.get(1..)?))
}
