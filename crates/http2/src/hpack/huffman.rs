//! Decoding strings with the Huffman code (RFC 7541, section 5.2).
//!
//! A code of at most eight bits is looked up by the next byte of the string. The code is
//! canonical: a longer code is found by comparing the bits with the last code of each length.

use std::sync::LazyLock;

use super::huffman_code::{EOS, codes};

/// The longest code in bits.
const MAX_LENGTH: u32 = 30;

/// The longest code that is looked up by one byte, in bits.
const SHORT: u32 = 8;

/// The tables for decoding.
struct Tables {
    /// The symbol and the length of the code that a byte begins with. The length is 0 if the code
    /// is longer than a byte.
    short: [(u8, u8); 256],
    /// For each length over [`SHORT`], from the shortest: the length; the number after the last
    /// code of this length, left-aligned in 32 bits; and the offset that, added to a code, gives
    /// the position of its symbol in `symbols`.
    long: Vec<(u32, u64, u32)>,
    /// The symbols in the order of their codes.
    symbols: Vec<u16>,
}

static TABLES: LazyLock<Tables> = LazyLock::new(Tables::new);

impl Tables {
    fn new() -> Self {
        let codes = codes();
        let mut short = [(0, 0); 256];
        for (symbol, (code, length)) in codes.into_iter().enumerate() {
            let length = u32::from(length);
            if length <= SHORT {
                let first = code << (SHORT - length);
                let symbol = u8::try_from(symbol).expect("the code of EOS is longer");
                for byte in first..first + (1 << (SHORT - length)) {
                    short[byte as usize] = (symbol, length as u8);
                }
            }
        }
        let mut order: Vec<usize> = (0..codes.len()).collect();
        order.sort_by_key(|symbol| (codes[*symbol].1, *symbol));
        let mut long = Vec::new();
        for length in SHORT + 1..=MAX_LENGTH {
            let of_length = |symbol: &&usize| u32::from(codes[**symbol].1) == length;
            let Some(last) = order.iter().rev().find(of_length) else { continue };
            let position = order.iter().position(|symbol| symbol == last).expect("it is there");
            let end = u64::from(codes[*last].0 + 1) << (32 - length);
            let offset = (position as u32).wrapping_sub(codes[*last].0);
            long.push((length, end, offset));
        }
        let symbols = order.into_iter().map(|symbol| symbol as u16).collect();
        Self { short, long, symbols }
    }

    /// Returns the symbol and the length of the code at the start of 32 bits.
    #[inline]
    fn find(&self, bits: u32) -> (usize, u32) {
        let (symbol, length) = self.short[(bits >> 24) as usize];
        if length > 0 { (symbol.into(), length.into()) } else { self.find_long(bits) }
    }

    fn find_long(&self, bits: u32) -> (usize, u32) {
        let found = self.long.iter().find(|(_, end, _)| u64::from(bits) < *end);
        let (length, _, offset) = *found.expect("the code is complete");
        let position = (bits >> (32 - length)).wrapping_add(offset);
        (self.symbols[position as usize].into(), length)
    }
}

/// Adds the decoded string to `out`. Returns `None` if the string contains EOS, or if its padding
/// is longer than seven bits or not the start of EOS.
pub(super) fn decode(bytes: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let tables = &*TABLES;
    // The next bits, left-aligned, and how many there are.
    let (mut buffer, mut available) = (0_u64, 0);
    let mut bytes = bytes.iter();
    loop {
        while available <= 56
            && let Some(byte) = bytes.next()
        {
            buffer |= u64::from(*byte) << (56 - available);
            available += 8;
        }
        // The bits after the end of the string are set to ones, so that padding is read as EOS.
        let ones = u64::MAX.checked_shr(available).unwrap_or(0);
        let (symbol, length) = tables.find(((buffer | ones) >> 32) as u32);
        if length > available {
            return (available < 8 && is_padding(buffer, available)).then_some(());
        }
        if symbol == EOS {
            return None;
        }
        out.push(symbol as u8);
        buffer <<= length;
        available -= length;
    }
}

/// Returns whether all of the bits that are left are ones.
fn is_padding(buffer: u64, available: u32) -> bool {
    buffer.leading_ones() >= available
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(text: &[u8]) -> Vec<u8> {
        let codes = codes();
        let mut bits = Vec::new();
        for symbol in text {
            let (code, length) = codes[usize::from(*symbol)];
            bits.extend((0..length).rev().map(|bit| code >> bit & 1));
        }
        bits.resize(bits.len().next_multiple_of(8), 1);
        bits.chunks(8).map(|byte| byte.iter().fold(0, |byte, bit| byte << 1 | *bit as u8)).collect()
    }

    fn decoded(bytes: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        decode(bytes, &mut out).map(|()| out)
    }

    #[test]
    fn the_code_is_that_of_the_specification() {
        // RFC 7541, appendix C.4.1.
        let bytes = [0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff];
        assert_eq!(encode(b"www.example.com"), bytes);
        assert_eq!(codes()[EOS], (0x3fff_ffff, 30));
        assert_eq!(decoded(&bytes).as_deref(), Some(&b"www.example.com"[..]));
    }

    #[test]
    fn every_symbol_is_decoded_next_to_32_symbols() {
        for first in 0..=255 {
            for second in (first % 8..=255).step_by(8) {
                let text = [first, second, first];
                assert_eq!(decoded(&encode(&text)).as_deref(), Some(&text[..]));
            }
        }
    }

    #[test]
    fn wrong_padding_and_eos_are_errors() {
        assert_eq!(decoded(&[0b0001_1000]), None, "padding that is not ones: `a` and 000");
        assert_eq!(decoded(&[0b0001_1111, 0xff]), None, "longer than seven bits");
        assert_eq!(decoded(&[0xff]), None, "eight bits");
        assert_eq!(decoded(&[0xff, 0xff, 0xff, 0xff]), None, "EOS");
        assert_eq!(decoded(&[0b0001_1111]).as_deref(), Some(&b"a"[..]));
        assert_eq!(decoded(&[]).as_deref(), Some(&b""[..]));
    }
}
