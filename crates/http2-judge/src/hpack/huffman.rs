//! The Huffman code of strings (RFC 7541, section 5.2 and appendix B).

use std::sync::LazyLock;

/// The length of the code of each byte, and of EOS, in bits. The code is canonical: codes of the
/// same length follow one another in the order of the bytes.
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
    28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5,
    5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6,
    6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22,
    23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22,
    21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20,
    22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19,
    21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22,
    22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];

/// EOS, as an index of `LENGTHS`.
const EOS: usize = 256;

static CODE: LazyLock<Code> = LazyLock::new(Code::new);

struct Code {
    /// The code of each symbol, in the low bits.
    codes: [u32; 257],
    /// For each length, the first code and the symbols, in the order of their codes.
    by_length: Vec<(u32, Vec<usize>)>,
}

impl Code {
    fn new() -> Self {
        let mut codes = [0; 257];
        let mut by_length = vec![(0, Vec::new())];
        let mut code = 0;
        for length in 1..=30 {
            code <<= 1;
            let symbols: Vec<usize> = (0..257).filter(|of| LENGTHS[*of] == length).collect();
            by_length.push((code, symbols.clone()));
            for symbol in symbols {
                codes[symbol] = code;
                code += 1;
            }
        }
        Self { codes, by_length }
    }

    /// Returns the symbol with the code of this length.
    fn symbol(&self, length: usize, code: u32) -> Option<usize> {
        let (first, symbols) = self.by_length.get(length)?;
        symbols.get(code.checked_sub(*first)? as usize).copied()
    }
}

/// Returns the bytes as a Huffman string, padded with the beginning of EOS.
pub fn encode(bytes: &[u8]) -> Vec<u8> {
    let symbols: Vec<usize> = bytes.iter().map(|byte| usize::from(*byte)).collect();
    pack(&symbols)
}

/// Returns the bytes followed by EOS, which a string must not have, as a Huffman string.
pub fn encode_with_eos(bytes: &[u8]) -> Vec<u8> {
    let symbols: Vec<usize> = bytes.iter().map(|byte| usize::from(*byte)).chain([EOS]).collect();
    pack(&symbols)
}

fn pack(symbols: &[usize]) -> Vec<u8> {
    let mut bits = Vec::new();
    for symbol in symbols {
        bits.extend((0..LENGTHS[*symbol]).rev().map(|bit| CODE.codes[*symbol] >> bit & 1 == 1));
    }
    bits.resize(bits.len().next_multiple_of(8), true);
    let byte = |bits: &[bool]| bits.iter().fold(0, |byte, bit| byte << 1 | u8::from(*bit));
    bits.chunks(8).map(byte).collect()
}

/// Returns the bytes of a Huffman string.
///
/// # Errors
///
/// Returns an error if it has EOS, or padding that is longer than 7 bits or is not of ones.
pub fn decode(string: &[u8]) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let (mut code, mut length) = (0, 0);
    for bit in string.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)) {
        code = code << 1 | u32::from(bit);
        length += 1;
        match CODE.symbol(length, code) {
            Some(EOS) => return Err("a Huffman string has EOS".to_owned()),
            Some(symbol) => {
                bytes.push(u8::try_from(symbol).expect("only EOS is above"));
                (code, length) = (0, 0);
            }
            None => {}
        }
    }
    if length > 7 || code != (1 << length) - 1 {
        return Err(format!("a Huffman string ends with {length} bits {code:b}"));
    }
    Ok(bytes)
}
