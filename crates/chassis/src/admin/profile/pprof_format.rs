//! The format of the program `pprof`: profile.proto of <https://github.com/google/pprof>, with the
//! fields that are used here, compressed with gzip.

use std::{
    collections::HashMap,
    io::Write,
    time::{Duration, UNIX_EPOCH},
};

use flate2::{Compression, write::GzEncoder};
use prost::Message;

use super::stacks::Stacks;

#[derive(Clone, PartialEq, Message)]
struct Profile {
    #[prost(message, repeated, tag = "1")]
    sample_type: Vec<ValueType>,
    #[prost(message, repeated, tag = "2")]
    sample: Vec<Sample>,
    #[prost(message, repeated, tag = "4")]
    location: Vec<Location>,
    #[prost(message, repeated, tag = "5")]
    function: Vec<Function>,
    #[prost(string, repeated, tag = "6")]
    string_table: Vec<String>,
    #[prost(int64, tag = "9")]
    time_nanos: i64,
    #[prost(int64, tag = "10")]
    duration_nanos: i64,
    #[prost(message, optional, tag = "11")]
    period_type: Option<ValueType>,
    #[prost(int64, tag = "12")]
    period: i64,
}

/// A type and a unit, as indexes into the table of strings.
#[derive(Clone, Copy, PartialEq, Message)]
struct ValueType {
    #[prost(int64, tag = "1")]
    kind: i64,
    #[prost(int64, tag = "2")]
    unit: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Sample {
    /// The function that ran comes first, then its callers.
    #[prost(uint64, repeated, tag = "1")]
    location_id: Vec<u64>,
    #[prost(int64, repeated, tag = "2")]
    value: Vec<i64>,
}

#[derive(Clone, PartialEq, Message)]
struct Location {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(message, repeated, tag = "4")]
    line: Vec<Line>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Line {
    #[prost(uint64, tag = "1")]
    function_id: u64,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Function {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(int64, tag = "2")]
    name: i64,
}

/// The table of strings, each once. The first is empty.
struct Strings<'a>(HashMap<&'a str, i64>, Vec<String>);

impl<'a> Strings<'a> {
    fn place(&mut self, text: &'a str) -> i64 {
        *self.0.entry(text).or_insert_with(|| {
            self.1.push(text.to_owned());
            self.1.len() as i64 - 1
        })
    }
}

/// Returns the profile. Each function is one location, because the binary has no line numbers.
pub(super) fn encode(stacks: &Stacks) -> Vec<u8> {
    let message = profile(stacks).encode_to_vec();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(&message).and_then(|()| gzip.finish()).expect("writing to memory does not fail")
}

fn profile(stacks: &Stacks) -> Profile {
    let mut strings = Strings(HashMap::from([("", 0)]), vec![String::new()]);
    let mut type_of =
        |kind, unit| ValueType { kind: strings.place(kind), unit: strings.place(unit) };
    let (samples, cpu) = (type_of("samples", "count"), type_of("cpu", "nanoseconds"));
    let nanoseconds = |time: Duration| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX);
    let period = nanoseconds(stacks.period);
    let mut profile = Profile {
        sample_type: vec![samples, cpu],
        time_nanos: stacks.start.duration_since(UNIX_EPOCH).map_or(0, nanoseconds),
        duration_nanos: nanoseconds(stacks.duration),
        period_type: Some(cpu),
        period,
        ..Profile::default()
    };
    let mut ids = HashMap::new();
    for (stack, &count) in &stacks.seen {
        let location_id = stack.iter().rev().map(|name| {
            *ids.entry(name).or_insert_with(|| {
                let id = profile.function.len() as u64 + 1;
                profile.function.push(Function { id, name: strings.place(name) });
                profile.location.push(Location { id, line: vec![Line { function_id: id }] });
                id
            })
        });
        let location_id = location_id.collect();
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        let value = vec![count, count.saturating_mul(period)];
        profile.sample.push(Sample { location_id, value });
    }
    profile.string_table = strings.1;
    profile
}
