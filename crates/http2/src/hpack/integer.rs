//! Integers with a prefix (RFC 7541, section 5.1).

/// The largest integer that is accepted. None of the limits is larger.
const MAX: usize = u32::MAX as usize;

/// Takes an integer. Its prefix is the last `bits` bits of `first`, and its other bytes are at the
/// start of `bytes`. Returns `None` if it is not complete or too large.
#[inline]
pub(super) fn take(first: u8, bits: u32, bytes: &mut &[u8]) -> Option<usize> {
    let most = (1_usize << bits) - 1;
    let prefix = usize::from(first) & most;
    if prefix < most { Some(prefix) } else { take_rest(most, bytes) }
}

fn take_rest(mut value: usize, bytes: &mut &[u8]) -> Option<usize> {
    // Five bytes of seven bits are enough for `MAX`: zeros after them would add nothing.
    for shift in [0, 7, 14, 21, 28] {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value += usize::from(byte & 0x7f) << shift;
        if value > MAX {
            return None;
        }
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// Adds an integer with a prefix of `bits` bits. `first` has the bits before the prefix.
#[inline]
pub(super) fn put(out: &mut Vec<u8>, first: u8, bits: u32, value: usize) {
    let most = (1_usize << bits) - 1;
    if value < most {
        out.push(first | value as u8);
        return;
    }
    out.push(first | most as u8);
    let mut rest = value - most;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_have_the_bytes_of_the_specification() {
        // RFC 7541, appendix C.1.
        for (first, bits, value, expected) in [
            (0b1010_0000, 5, 10, &[0b1010_1010][..]),
            (0, 5, 1337, &[31, 154, 10]),
            (0, 8, 42, &[42]),
        ] {
            let mut out = Vec::new();
            put(&mut out, first, bits, value);
            assert_eq!(out, expected);
            assert_eq!(take(out[0], bits, &mut &out[1..]), Some(value));
        }
    }

    #[test]
    fn integers_that_are_cut_or_too_large_are_none() {
        assert_eq!(take(31, 5, &mut &[][..]), None);
        assert_eq!(take(31, 5, &mut &[0x80][..]), None);
        assert_eq!(take(31, 5, &mut &[0xff, 0xff, 0xff, 0xff, 0x7f][..]), None);
        assert_eq!(take(31, 5, &mut &[0x80, 0x80, 0x80, 0x80, 0x80, 0][..]), None);
        assert_eq!(take(127, 7, &mut &[0x80, 0xff, 0xff, 0xff, 0x0f][..]), Some(MAX));
    }
}
