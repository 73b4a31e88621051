//! Where generated tests take their choices from: a seed, or the bytes of a fuzzer.

use std::ops::RangeInclusive;

/// A source of choices. Equal sources give equal choices.
#[derive(Debug, Clone)]
pub enum Choices<'a> {
    /// A deterministic random generator.
    Seeded(fastrand::Rng),
    /// Bytes, and zeros after their end.
    Bytes(&'a [u8]),
}

impl<'a> Choices<'a> {
    /// Returns the choices of a seed.
    pub fn seeded(seed: u64) -> Self {
        Self::Seeded(fastrand::Rng::with_seed(seed))
    }

    /// Returns the choices that these bytes make.
    pub fn bytes(bytes: &'a [u8]) -> Self {
        Self::Bytes(bytes)
    }

    /// Returns a number below `end`; 0 if there are no more bytes.
    pub fn below(&mut self, end: usize) -> usize {
        match self {
            Self::Seeded(random) => random.usize(..end.max(1)),
            Self::Bytes(bytes) => {
                let width = if end <= 1 << 8 {
                    1
                } else if end <= 1 << 16 {
                    2
                } else {
                    4
                };
                let (used, rest) = bytes.split_at(width.min(bytes.len()));
                *bytes = rest;
                let number = used.iter().fold(0, |number, byte| number << 8 | usize::from(*byte));
                number % end.max(1)
            }
        }
    }

    /// Returns a number of this range.
    pub fn within(&mut self, range: RangeInclusive<usize>) -> usize {
        range.start() + self.below(range.end() - range.start() + 1)
    }

    /// Returns true once in `count` times, and false if there are no more bytes.
    pub fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == count.max(2) - 1
    }

    /// Returns one of these.
    pub fn pick<'b, T>(&mut self, options: &'b [T]) -> &'b T {
        &options[self.below(options.len())]
    }

    /// Returns one of these texts.
    pub fn text(&mut self, options: &[&'static str]) -> &'static str {
        self.pick::<&str>(options)
    }

    /// Returns a size of at most `most`; small ones and 0 are as likely as large ones.
    pub fn size(&mut self, most: usize) -> usize {
        let most = match self.below(4) {
            0 => 0,
            1 => most.min(20),
            2 => most.min(2000),
            _ => most,
        };
        self.below(most + 1)
    }

    /// Returns a byte.
    pub fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).expect("below 256")
    }

    /// Returns a seed for another generator.
    pub fn seed(&mut self) -> u64 {
        self.below(usize::MAX) as u64
    }
}
