//! Decoding header blocks (RFC 7541, sections 3 and 6).

use super::{field::Entry, huffman, integer, size::DEFAULT_TABLE_SIZE, static_table, table::Table};
use crate::violation::Violation;

/// How often a block may change the table's size. Two are enough: the smallest size and the last
/// (section 4.2).
const MAX_SIZE_CHANGES: usize = 8;

/// The decoder of a connection.
///
/// The limit of its table is [`DEFAULT_TABLE_SIZE`], because this side never sends
/// SETTINGS_HEADER_TABLE_SIZE.
#[derive(Debug)]
pub(crate) struct Decoder {
    table: Table<Entry>,
    /// How often the table has changed.
    version: u64,
}

impl Decoder {
    pub(crate) fn new() -> Self {
        Self { table: Table::new(DEFAULT_TABLE_SIZE), version: 0 }
    }

    /// Returns the version of the table. As long as it does not change, the same block has the
    /// same fields.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// Returns the memory that the table takes, in bytes.
    pub(crate) fn memory(&self) -> usize {
        self.table.memory()
    }

    /// Passes each field of a block to `on_field`.
    ///
    /// # Errors
    ///
    /// Returns the connection error COMPRESSION_ERROR if the block is not valid, because the table
    /// may then differ from the peer's.
    pub(crate) fn decode(
        &mut self,
        mut block: &[u8],
        mut on_field: impl FnMut(&Entry),
    ) -> Result<(), Violation> {
        self.update_table_size(&mut block)?;
        while let Some((&first, rest)) = block.split_first() {
            block = rest;
            match first {
                0x80.. => on_field(self.get(take_integer(first, 7, &mut block)?)?),
                0x40.. => {
                    let entry = self.literal(first, 6, &mut block)?;
                    on_field(&entry);
                    let size = entry.size();
                    self.table.insert(entry, size);
                    self.version += 1;
                }
                0x20.. => return Err(Violation::compression("a table size update after a field")),
                // Literals without indexing, and those that are never indexed.
                _ => on_field(&self.literal(first, 4, &mut block)?),
            }
        }
        Ok(())
    }

    /// Takes the changes of the table's size at the start of a block (section 4.2).
    fn update_table_size(&mut self, block: &mut &[u8]) -> Result<(), Violation> {
        let mut changes = 0;
        while let Some((&first, mut rest)) = block.split_first()
            && first & 0xe0 == 0x20
        {
            let size = take_integer(first, 5, &mut rest)?;
            if size > DEFAULT_TABLE_SIZE {
                return Err(Violation::compression("a table larger than the limit"));
            }
            changes += 1;
            if changes > MAX_SIZE_CHANGES {
                return Err(Violation::compression("too many changes of the table's size"));
            }
            self.table.set_limit(size);
            self.version += 1;
            *block = rest;
        }
        Ok(())
    }

    #[inline]
    fn get(&self, index: usize) -> Result<&Entry, Violation> {
        let entry = if index <= static_table::LENGTH {
            static_table::get(index)
        } else {
            self.table.get(index - static_table::LENGTH - 1)
        };
        entry.ok_or(Violation::compression("an index without an entry"))
    }

    /// Takes a literal whose name's index has a prefix of `bits` bits.
    fn literal(&self, first: u8, bits: u32, block: &mut &[u8]) -> Result<Entry, Violation> {
        let index = take_integer(first, bits, block)?;
        if index == 0 {
            let name = take_string(block)?;
            let value = take_string(block)?;
            return Ok(Entry::new(name.bytes(), value.bytes()));
        }
        let named = self.get(index)?;
        Ok(named.with_value(take_string(block)?.bytes()))
    }
}

/// A string of a block: plain, or decoded from the Huffman code.
enum Text<'a> {
    Plain(&'a [u8]),
    Decoded(Vec<u8>),
}

impl Text<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Plain(bytes) => bytes,
            Self::Decoded(bytes) => bytes,
        }
    }
}

#[inline]
fn take_integer(first: u8, bits: u32, block: &mut &[u8]) -> Result<usize, Violation> {
    integer::take(first, bits, block).ok_or(Violation::compression("an integer that is not valid"))
}

/// Takes a string (section 5.2).
fn take_string<'a>(block: &mut &'a [u8]) -> Result<Text<'a>, Violation> {
    let ends = Violation::compression("a block that ends in a string");
    let (&first, rest) = block.split_first().ok_or(ends)?;
    *block = rest;
    let length = take_integer(first, 7, block)?;
    let (bytes, rest) = block.split_at_checked(length).ok_or(ends)?;
    *block = rest;
    if first & 0x80 == 0 {
        return Ok(Text::Plain(bytes));
    }
    // No code is shorter than five bits.
    let mut decoded = Vec::with_capacity(bytes.len() * 8 / 5);
    let is_valid = huffman::decode(bytes, &mut decoded);
    is_valid.ok_or(Violation::compression("a string with a wrong Huffman code"))?;
    Ok(Text::Decoded(decoded))
}
