//! Reads bytes as the steps of a peer. Any bytes are a script.

use std::time::Duration;

use http2_judge::frame::{
    CONTINUATION, DATA, END_HEADERS, GOAWAY, HEADERS, PADDED, PING, PRIORITY, PRIORITY_FLAG,
    PUSH_PROMISE, RST_STREAM, SETTINGS, WINDOW_UPDATE, frame, integer, literal, post,
};

use crate::{Step, handler::PATHS};

/// The most steps of a script.
const MOST: usize = 500;

/// Returns the steps that these bytes choose.
pub fn steps(bytes: &[u8]) -> Vec<Step> {
    let mut script = Script { rest: bytes, last: 1 };
    let mut steps = vec![Step::Send(frame(SETTINGS, 0, 0, &[]))];
    while !script.rest.is_empty() && steps.len() < MOST {
        steps.push(script.step());
    }
    steps
}

struct Script<'a> {
    rest: &'a [u8],
    /// The identifier of the newest stream.
    last: u32,
}

impl Script<'_> {
    /// Returns the next byte, and 0 after the last.
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.rest.split_first() else { return 0 };
        self.rest = rest;
        *first
    }

    fn number(&mut self) -> u32 {
        u32::from_be_bytes([0; 4].map(|_: u8| self.byte()))
    }

    /// Returns up to 15 bytes of the script.
    fn raw(&mut self) -> Vec<u8> {
        let length = self.byte() % 16;
        (0..length).map(|_| self.byte()).collect()
    }

    fn step(&mut self) -> Step {
        Step::Send(match self.byte() % 32 {
            0..10 => self.request(),
            10..16 => self.data(),
            16..18 => self.window_update(),
            18..20 => {
                let payload = u32::from(self.byte() % 14).to_be_bytes();
                frame(RST_STREAM, 0, self.stream(), &payload)
            }
            20 | 21 => self.settings(),
            22 => frame(PING, self.byte() % 2, 0, &[self.byte(); 8]),
            23 => {
                let payload = [self.last.to_be_bytes(), [0, 0, 0, self.byte()], [self.byte(); 4]];
                frame(PRIORITY, 0, self.stream(), &payload.concat()[..5])
            }
            24 => self.trailers(),
            25 => self.anything(),
            26 => self.raw(),
            27 => return Step::Wait(Duration::from_millis(u64::from(self.byte()) * 100)),
            28 => return Step::ReadNothing,
            29 => return Step::ReadAll,
            30 => {
                let payload = [self.last.to_be_bytes(), [0, 0, 0, self.byte()]].concat();
                frame(GOAWAY, 0, 0, &payload)
            }
            _ if self.byte() < 32 => return Step::ShutDown,
            _ => return Step::Wait(Duration::from_millis(1)),
        })
    }

    /// Returns an identifier: mostly of the newest stream.
    fn stream(&mut self) -> u32 {
        match self.byte() {
            0..160 => self.last,
            back @ 160..240 => self.last.saturating_sub(u32::from(back - 159) * 2),
            240..244 => 0,
            244..248 => self.last + 2,
            248..252 => self.last + 1,
            _ => self.number(),
        }
    }

    /// Returns a request on a new stream, or sometimes on any.
    fn request(&mut self) -> Vec<u8> {
        let choice = self.byte();
        let id = match choice {
            0..240 => {
                self.last = (self.last + 2) & 0x7fff_ffff;
                self.last
            }
            _ => self.stream(),
        };
        let path = PATHS[usize::from(self.byte()) % PATHS.len()];
        let mut block = post(path, &[]);
        for _ in 0..choice % 8 {
            block.extend(self.field());
        }
        self.headers(id, &block)
    }

    fn trailers(&mut self) -> Vec<u8> {
        let block = [self.field(), self.field()].concat();
        let id = self.stream();
        self.headers(id, &block)
    }

    /// Returns a block as HEADERS, and sometimes CONTINUATION.
    fn headers(&mut self, id: u32, block: &[u8]) -> Vec<u8> {
        let flags = self.byte();
        let mut payload = Vec::new();
        if flags & PADDED != 0 {
            payload.push(self.byte() % 8);
        }
        if flags & PRIORITY_FLAG != 0 {
            payload.extend([0, 0, 0, self.byte(), 0]);
        }
        let padding = if flags & PADDED != 0 { usize::from(payload[0]) } else { 0 };
        let known = flags & (1 | PADDED | PRIORITY_FLAG);
        if flags & 0xc0 != 0xc0 {
            payload.extend(block);
            payload.extend(vec![0; padding]);
            return frame(HEADERS, known | END_HEADERS, id, &payload);
        }
        let (first, rest) = block.split_at(usize::from(self.byte()).min(block.len()));
        payload.extend(first);
        payload.extend(vec![0; padding]);
        let end = if self.byte() < 8 { 0 } else { END_HEADERS };
        let more = frame(CONTINUATION, end, id, rest);
        [frame(HEADERS, known, id, &payload), more].concat()
    }

    /// Returns a field, or another instruction of HPACK.
    fn field(&mut self) -> Vec<u8> {
        let mut field = Vec::new();
        match self.byte() % 12 {
            0..3 => integer(&mut field, 0x80, 7, usize::from(self.byte() % 70)),
            3..6 => {
                let name = format!("name-{}", self.byte() % 16);
                field = literal(name, "0".repeat(usize::from(self.byte())));
                field[0] = [0x40, 0, 0x10][usize::from(self.byte() % 3)];
            }
            6 => integer(&mut field, 0x20, 5, usize::from(self.byte()) * 32),
            7 => field = literal(self.raw(), self.raw()),
            8 => {
                field = literal("content-length", (self.byte() % 32).to_string());
            }
            9 => field = literal([":path", ":authority", ":status", "te"][self.choice()], "/"),
            10 => {
                // A Huffman string.
                let text = self.raw();
                field.extend([0, 1, b'h']);
                integer(&mut field, 0x80, 7, text.len());
                field.extend(text);
            }
            _ => field = self.raw(),
        }
        field
    }

    fn choice(&mut self) -> usize {
        usize::from(self.byte() % 4)
    }

    fn data(&mut self) -> Vec<u8> {
        let (flags, id) = (self.byte() & (1 | PADDED), self.stream());
        let length = match self.byte() {
            small @ 0..200 => usize::from(small),
            large => usize::from(large - 199) * 290,
        };
        frame(DATA, flags, id, &vec![0; length])
    }

    fn window_update(&mut self) -> Vec<u8> {
        let id = if self.byte() < 128 { 0 } else { self.stream() };
        let step = match self.byte() {
            small @ 0..250 => u32::from(small) * 100,
            _ => self.number(),
        };
        frame(WINDOW_UPDATE, 0, id, &step.to_be_bytes())
    }

    fn settings(&mut self) -> Vec<u8> {
        let count = self.byte();
        if count >= 128 {
            return frame(SETTINGS, 1, 0, &[]);
        }
        let payload = (0..count % 4).flat_map(|_| {
            let name = [0, self.byte() % 10];
            let value = match self.byte() {
                small @ 0..200 => u32::from(small) * 100,
                _ => self.number(),
            };
            [&name[..], &value.to_be_bytes()].concat()
        });
        frame(SETTINGS, 0, 0, &payload.collect::<Vec<u8>>())
    }

    /// Returns any frame of any kind.
    fn anything(&mut self) -> Vec<u8> {
        let kind = [PUSH_PROMISE, CONTINUATION, self.byte() % 12][usize::from(self.byte() % 3)];
        let (flags, id) = (self.byte(), self.stream());
        frame(kind, flags, id, &self.raw())
    }
}
