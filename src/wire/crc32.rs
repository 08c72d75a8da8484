//! CRC-32 as in IEEE 802.3 and gzip (reflected polynomial `EDB88320`), eight bytes at a time.
//!
//! The tables are 8 KiB of the module: byte by byte it would be 1 KiB, and several times slower on
//! every event.

const POLYNOMIAL: u32 = 0xEDB8_8320;

/// `TABLES[n][byte]`: what `byte` adds to the checksum when `n` more bytes follow it in its group.
#[expect(clippy::indexing_slicing, reason = "computed by the compiler, which refuses a bad index")]
static TABLES: [[u32; 256]; 8] = {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = (crc >> 1) ^ if crc & 1 == 1 { POLYNOMIAL } else { 0 };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut table = 1;
    while table < 8 {
        byte = 0;
        while byte < 256 {
            let crc = tables[table - 1][byte];
            tables[table][byte] = (crc >> 8) ^ tables[0][(crc & 0xFF) as usize];
            byte += 1;
        }
        table += 1;
    }
    tables
};

/// The checksum of `bytes`.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    let [t0, t1, t2, t3, t4, t5, t6, t7] = &TABLES;
    let (groups, rest) = bytes.as_chunks::<8>();
    let mut crc = !0;
    for [a, b, c, d, e, f, g, h] in groups {
        let first = crc ^ u32::from_le_bytes([*a, *b, *c, *d]);
        crc = at(t7, first)
            ^ at(t6, first >> 8)
            ^ at(t5, first >> 16)
            ^ at(t4, first >> 24)
            ^ at(t3, u32::from(*e))
            ^ at(t2, u32::from(*f))
            ^ at(t1, u32::from(*g))
            ^ at(t0, u32::from(*h));
    }
    !rest.iter().fold(crc, |crc, byte| (crc >> 8) ^ at(t0, crc ^ u32::from(*byte)))
}

/// The entry for the low byte of `bits`.
#[inline]
fn at(table: &[u32; 256], bits: u32) -> u32 {
    table.get((bits & 0xFF) as usize).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn the_check_values_of_the_standard_hold() {
        assert_eq!(crc32(b""), 0);
        assert_eq!(crc32(b"a"), 0xE8B7_BE43);
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(crc32(b"The quick brown fox jumps over the lazy dog"), 0x414F_A339);
    }

    #[test]
    fn groups_and_single_bytes_agree() {
        let bytes: Vec<u8> = (0..100u8).map(|byte| byte.wrapping_mul(37)).collect();
        for length in 0..bytes.len() {
            let single = bytes[..length]
                .iter()
                .fold(!0, |crc, byte| (crc >> 8) ^ at(&TABLES[0], crc ^ u32::from(*byte)));
            assert_eq!(crc32(&bytes[..length]), !single, "{length}");
        }
    }
}
