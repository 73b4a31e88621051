//! A decoder that refuses everything that an encoder must not send.

use std::collections::VecDeque;

use super::{STATIC_TABLE, huffman};

/// A name and a value.
pub type Field = (Vec<u8>, Vec<u8>);

/// A decoder of the header blocks of one connection.
#[derive(Debug)]
pub struct Decoder {
    entries: VecDeque<Field>,
    size: usize,
    /// The most bytes of the table, as the encoder has chosen.
    most: usize,
    /// SETTINGS_HEADER_TABLE_SIZE.
    limit: usize,
    /// The lowest limit since the last block.
    lowest: usize,
}

impl Default for Decoder {
    fn default() -> Self {
        Self { entries: VecDeque::new(), size: 0, most: 4096, limit: 4096, lowest: 4096 }
    }
}

impl Decoder {
    /// Changes the limit, when the encoder has acknowledged the new one.
    pub fn limit(&mut self, limit: usize) {
        self.limit = limit;
        self.lowest = self.lowest.min(limit);
    }

    /// Returns the size of the dynamic table (RFC 7541, section 4.1).
    pub fn size(&self) -> usize {
        self.size
    }

    /// Returns the most bytes of the dynamic table, as the encoder has chosen.
    pub fn most(&self) -> usize {
        self.most
    }

    /// Decodes a block.
    ///
    /// # Errors
    ///
    /// Returns an error if an encoder must not send this block.
    pub fn decode(&mut self, block: &[u8]) -> Result<Vec<Field>, String> {
        let mut rest = block;
        let mut fields = Vec::new();
        let mut updates = 0;
        while let Some(&first) = rest.first() {
            if first & 0xe0 == 0x20 {
                let size = integer(&mut rest, 5)?;
                if !fields.is_empty() {
                    return Err("a size update is not at the start of its block".to_owned());
                }
                updates += 1;
                self.update(size, updates)?;
                continue;
            }
            if self.most > self.lowest {
                // RFC 7541, section 4.2.
                return Err(format!(
                    "the limit was lowered to {} without a size update",
                    self.lowest
                ));
            }
            fields.push(self.field(first, &mut rest)?);
        }
        if self.most > self.lowest {
            return Err(format!("the limit was lowered to {} without a size update", self.lowest));
        }
        self.lowest = self.limit;
        Ok(fields)
    }

    fn update(&mut self, size: usize, count: usize) -> Result<(), String> {
        if size > self.limit {
            return Err(format!("a size update to {size} is over the limit, {}", self.limit));
        }
        if count > 2 {
            return Err("a block has more than two size updates".to_owned());
        }
        if count == 1 && self.most > self.lowest && size > self.lowest {
            return Err(format!("the lowest limit, {}, was not signalled", self.lowest));
        }
        self.most = size;
        self.lowest = self.limit;
        self.evict(0);
        Ok(())
    }

    fn field(&mut self, first: u8, rest: &mut &[u8]) -> Result<Field, String> {
        if first & 0x80 != 0 {
            let index = integer(rest, 7)?;
            return self.entry(index);
        }
        let is_inserted = first & 0x40 != 0;
        let name = match integer(rest, if is_inserted { 6 } else { 4 })? {
            0 => string(rest)?,
            index => self.entry(index)?.0,
        };
        let field = (name, string(rest)?);
        if is_inserted {
            let size = size_of(&field);
            self.evict(size);
            if size <= self.most {
                self.size += size;
                self.entries.push_front(field.clone());
            }
        }
        Ok(field)
    }

    fn entry(&self, index: usize) -> Result<Field, String> {
        if let Some((name, value)) = index.checked_sub(1).and_then(|at| STATIC_TABLE.get(at)) {
            return Ok((name.as_bytes().to_vec(), value.as_bytes().to_vec()));
        }
        let at = index.checked_sub(STATIC_TABLE.len() + 1);
        let entry = at.and_then(|at| self.entries.get(at));
        entry.cloned().ok_or_else(|| format!("index {index} is not in the tables"))
    }

    /// Evicts entries until there is room for `size` bytes.
    fn evict(&mut self, size: usize) {
        while self.size + size > self.most {
            let Some(entry) = self.entries.pop_back() else { return };
            self.size -= size_of(&entry);
        }
    }
}

fn size_of((name, value): &Field) -> usize {
    name.len() + value.len() + 32
}

fn integer(rest: &mut &[u8], bits: u32) -> Result<usize, String> {
    let most = (1 << bits) - 1;
    let mut value = usize::from(take(rest, 1)?[0]) & most;
    if value < most {
        return Ok(value);
    }
    for shift in (0..28).step_by(7) {
        let byte = take(rest, 1)?[0];
        value += usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err("an integer is too long".to_owned())
}

fn string(rest: &mut &[u8]) -> Result<Vec<u8>, String> {
    let is_coded = rest.first().is_some_and(|first| first & 0x80 != 0);
    let length = integer(rest, 7)?;
    let bytes = take(rest, length)?;
    if is_coded { huffman::decode(bytes) } else { Ok(bytes.to_vec()) }
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Result<&'a [u8], String> {
    let (taken, after) = rest.split_at_checked(length).ok_or("the block ends too early")?;
    *rest = after;
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hpack::encode::{indexed, insert, size_update};

    /// Decodes a block of hexadecimal digits, and returns its fields as `name: value`.
    fn lines(decoder: &mut Decoder, hex: &str) -> Vec<String> {
        let digits: Vec<u8> = hex.bytes().filter(|byte| *byte != b' ').collect();
        let byte = |digits: &[u8]| {
            u8::from_str_radix(str::from_utf8(digits).expect("ASCII"), 16).expect("digits")
        };
        let block: Vec<u8> = digits.chunks(2).map(byte).collect();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("ASCII");
        let fields = decoder.decode(&block).expect("the block is right");
        fields.iter().map(|(name, value)| text(name) + ": " + &text(value)).collect()
    }

    #[test]
    fn the_responses_of_appendix_c_6_are_decoded() {
        let mut decoder = Decoder::default();
        decoder.limit(256);
        decoder.decode(&size_update(256)).expect("it is the limit");
        let first = "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 \
            82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3";
        let date = "date: Mon, 21 Oct 2013 20:13:21 GMT";
        let location = "location: https://www.example.com";
        let expected = [":status: 302", "cache-control: private", date, location];
        assert_eq!(lines(&mut decoder, first), expected);
        assert_eq!(decoder.size(), 222);
        let second = lines(&mut decoder, "4883 640e ffc1 c0bf");
        assert_eq!(second, [":status: 307", "cache-control: private", date, location]);
        assert_eq!(decoder.size(), 222);
        let third = "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b \
            d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f \
            9587 3160 65c0 03ed 4ee5 b106 3d50 07";
        let cookie = "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1";
        let date = "date: Mon, 21 Oct 2013 20:13:22 GMT";
        let expected = [
            ":status: 200",
            "cache-control: private",
            date,
            location,
            "content-encoding: gzip",
            cookie,
        ];
        assert_eq!(lines(&mut decoder, third), expected);
        assert_eq!(decoder.size(), 215);
    }

    #[test]
    fn a_lowered_limit_must_be_signalled_at_the_start_of_the_next_block() {
        let lowered = || {
            let mut decoder = Decoder::default();
            decoder.limit(0);
            decoder.limit(4096);
            decoder
        };
        lowered().decode(&indexed(2)).expect_err("it is not signalled");
        lowered().decode(&size_update(4096)).expect_err("the lowest is not signalled");
        let late = [indexed(2), size_update(0)].concat();
        lowered().decode(&late).expect_err("it is not at the start");
        let both = [size_update(0), size_update(4096), indexed(2)].concat();
        lowered().decode(&both).expect("both are signalled");
        lowered().decode(&[size_update(0), indexed(2)].concat()).expect("the size may stay 0");

        let mut raised = Decoder::default();
        raised.limit(0);
        raised.decode(&[size_update(0), indexed(2)].concat()).expect("it is signalled");
        raised.limit(50);
        raised.decode(&[size_update(50), indexed(2)].concat()).expect("the size was 0 before");
    }

    #[test]
    fn blocks_that_an_encoder_must_not_send_are_refused() {
        for block in [&[0x80][..], &[0xbe], &[0x3f, 0xe2, 0x1f], &[0xff], &[0, 1], &[0, 0x81, 0]] {
            Decoder::default().decode(block).expect_err("it must not be sent");
        }
    }

    #[test]
    fn an_entry_is_evicted_when_the_table_is_full() {
        let mut decoder = Decoder::default();
        decoder
            .decode(&[size_update(68), insert("a", "b"), insert("c", "d")].concat())
            .expect("room");
        assert_eq!(decoder.decode(&indexed(63)).expect("there"), [(b"a".to_vec(), b"b".to_vec())]);
        decoder.decode(&insert("e", "f")).expect("room");
        decoder.decode(&indexed(64)).expect_err("it is evicted");
    }

    #[test]
    fn every_byte_keeps_its_value_in_the_huffman_code() {
        let bytes: Vec<u8> = (0..=255).collect();
        assert_eq!(huffman::decode(&huffman::encode(&bytes)).expect("it is right"), bytes);
        huffman::decode(&huffman::encode_with_eos(b"a")).expect_err("it has EOS");
    }
}
