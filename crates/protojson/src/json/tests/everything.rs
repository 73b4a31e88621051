//! A message of all types, as prost and as JSON have it.

use std::collections::HashMap;

use prost::Message;
use prost_types::{ListValue, Struct, Timestamp, Value, value::Kind};

/// Some fields of `acme.Everything` in the fixtures.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Everything {
    #[prost(double, tag = "1")]
    pub(super) f_double: f64,
    #[prost(float, tag = "2")]
    pub(super) f_float: f32,
    #[prost(int32, tag = "3")]
    pub(super) f_int32: i32,
    #[prost(int64, tag = "4")]
    pub(super) f_int64: i64,
    #[prost(uint32, tag = "5")]
    pub(super) f_uint32: u32,
    #[prost(uint64, tag = "6")]
    pub(super) f_uint64: u64,
    #[prost(sint32, tag = "7")]
    pub(super) f_sint32: i32,
    #[prost(sint64, tag = "8")]
    pub(super) f_sint64: i64,
    #[prost(fixed32, tag = "9")]
    pub(super) f_fixed32: u32,
    #[prost(fixed64, tag = "10")]
    pub(super) f_fixed64: u64,
    #[prost(sfixed32, tag = "11")]
    pub(super) f_sfixed32: i32,
    #[prost(sfixed64, tag = "12")]
    pub(super) f_sfixed64: i64,
    #[prost(bool, tag = "13")]
    pub(super) f_bool: bool,
    #[prost(string, tag = "14")]
    pub(super) f_string: String,
    #[prost(bytes = "vec", tag = "15")]
    pub(super) f_bytes: Vec<u8>,
    #[prost(int32, tag = "16")]
    pub(super) color: i32,
    #[prost(message, optional, tag = "17")]
    pub(super) price: Option<Money>,
    #[prost(int32, repeated, tag = "32")]
    pub(super) packed: Vec<i32>,
    #[prost(sint64, repeated, packed = "false", tag = "33")]
    pub(super) expanded: Vec<i64>,
    #[prost(string, repeated, tag = "34")]
    pub(super) words: Vec<String>,
    #[prost(message, repeated, tag = "35")]
    pub(super) prices: Vec<Money>,
    #[prost(map = "string, message", tag = "40")]
    pub(super) money_by_name: HashMap<String, Money>,
    #[prost(int32, optional, tag = "50")]
    pub(super) maybe: Option<i32>,
    #[prost(string, optional, tag = "60")]
    pub(super) text_choice: Option<String>,
    #[prost(message, optional, boxed, tag = "71")]
    pub(super) own: Option<Box<Everything>>,
    #[prost(message, optional, tag = "80")]
    pub(super) time: Option<Timestamp>,
    #[prost(message, optional, tag = "81")]
    pub(super) length: Option<prost_types::Duration>,
    #[prost(message, optional, tag = "82")]
    pub(super) mask: Option<prost_types::FieldMask>,
    #[prost(message, optional, tag = "83")]
    pub(super) object: Option<Struct>,
    #[prost(message, optional, tag = "84")]
    pub(super) value: Option<Value>,
    #[prost(message, optional, tag = "86")]
    pub(super) any: Option<prost_types::Any>,
    #[prost(message, optional, tag = "88")]
    pub(super) boxed_int: Option<i64>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Money {
    #[prost(string, tag = "1")]
    pub(super) currency: String,
    #[prost(int64, tag = "2")]
    pub(super) units: i64,
}

pub(super) fn everything() -> Everything {
    let money = |units| Money { currency: "EUR".to_owned(), units };
    let number = |number| Value { kind: Some(Kind::NumberValue(number)) };
    let list = ListValue { values: vec![number(1.5), Value { kind: Some(Kind::NullValue(0)) }] };
    let list = Value { kind: Some(Kind::ListValue(list)) };
    Everything {
        f_double: 1e300,
        f_float: 0.1,
        f_int32: i32::MIN,
        f_int64: i64::MIN,
        f_uint32: u32::MAX,
        f_uint64: u64::MAX,
        f_sint32: i32::MIN,
        f_sint64: i64::MAX,
        f_fixed32: 7,
        f_fixed64: u64::MAX,
        f_sfixed32: -7,
        f_sfixed64: i64::MIN,
        f_bool: true,
        f_string: "a\"\\\u{1b}\u{9b}é🙂".to_owned(),
        f_bytes: vec![0xfb, 0xff, 0xfe, 0],
        color: -2,
        price: Some(Money::default()),
        packed: vec![1, -1, 300],
        expanded: vec![-1, 5],
        words: vec![String::new(), "b".to_owned()],
        prices: vec![money(1), money(-2)],
        money_by_name: HashMap::from([("k".to_owned(), money(3))]),
        maybe: Some(0),
        text_choice: Some(String::new()),
        own: Some(Box::new(Everything { f_int32: 9, ..Everything::default() })),
        time: Some(Timestamp { seconds: 63_108_020, nanos: 21_000_000 }),
        length: Some(prost_types::Duration { seconds: -3, nanos: -1 }),
        mask: Some(prost_types::FieldMask { paths: vec!["a_b.c".to_owned(), "d".to_owned()] }),
        object: Some(Struct { fields: [("n".to_owned(), list)].into() }),
        value: Some(number(2.0)),
        any: Some(prost_types::Any {
            type_url: "type.googleapis.com/acme.common.Money".to_owned(),
            value: money(4).encode_to_vec(),
        }),
        boxed_int: Some(5),
    }
}

/// The same message in JSON, as the documentation of ProtoJSON maps it.
pub(super) const EVERYTHING: &str = r#"{"fDouble":1e300,"fFloat":0.1,"fInt32":-2147483648,"fInt64":"-9223372036854775808","fUint32":4294967295,"fUint64":"18446744073709551615","fSint32":-2147483648,"fSint64":"9223372036854775807","fFixed32":7,"fFixed64":"18446744073709551615","fSfixed32":-7,"fSfixed64":"-9223372036854775808","fBool":true,"fString":"a\"\\\u001b\u009bé🙂","fBytes":"+//+AA==","color":"BLUE","price":{},"packed":[1,-1,300],"expanded":["-1","5"],"words":["","b"],"prices":[{"currency":"EUR","units":"1"},{"currency":"EUR","units":"-2"}],"moneyByName":{"k":{"currency":"EUR","units":"3"}},"maybe":0,"textChoice":"","self":{"fInt32":9},"time":"1972-01-01T10:00:20.021Z","length":"-3.000000001s","mask":"aB.c,d","object":{"n":[1.5,null]},"value":2,"any":{"@type":"type.googleapis.com/acme.common.Money","currency":"EUR","units":"4"},"boxedInt":"5"}"#;
