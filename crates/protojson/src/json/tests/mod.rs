//! Messages in JSON and as prost encodes them.

mod everything;

use std::path::Path;

use prost::Message;
use prost_types::Timestamp;
use protox::Compiler;

use self::everything::{EVERYTHING, Everything, Money, everything};
use super::{encode, print};
use crate::schema::{Pool, read_set};

fn pool() -> (Pool, usize) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut compiler = Compiler::new([&folder]).expect("a folder");
    compiler.include_imports(true).open_file("acme/everything.proto").expect("it is valid");
    let mut pool = Pool::default();
    for file in read_set(&compiler.encode_file_descriptor_set()).expect("it is valid") {
        pool.add(file).expect("it is new");
    }
    pool.link().expect("every type is declared");
    let message = pool.message("acme.Everything").expect("it is declared");
    (pool, message)
}

fn encoded(json: &str) -> Result<Vec<u8>, String> {
    let (pool, message) = pool();
    let json = serde_json::from_str(json).expect("JSON");
    encode(&pool, message, &json).map_err(|problem| problem.to_string())
}

fn printed(bytes: &[u8]) -> Result<String, String> {
    let (pool, message) = pool();
    print(&pool, message, bytes, false).map_err(|problem| problem.to_string())
}

#[test]
fn every_type_is_printed_as_protobuf_maps_it_to_json() {
    assert_eq!(printed(&everything().encode_to_vec()).expect("it is valid"), EVERYTHING);
    assert_eq!(printed(&[]).expect("it is valid"), "{}");
}

#[test]
fn every_type_is_encoded_as_prost_encodes_it() {
    let bytes = encoded(EVERYTHING).expect("it is valid");
    assert_eq!(Everything::decode(&bytes[..]).expect("it is a message"), everything());
    // One field at a time, because the order of fields is that of the JSON.
    for message in [
        Everything { f_int32: -5, ..Everything::default() },
        Everything { packed: vec![1, 200], ..Everything::default() },
        Everything { expanded: vec![1, 200], ..Everything::default() },
        Everything { maybe: Some(0), ..Everything::default() },
        Everything { f_sint32: -1, ..Everything::default() },
        Everything { f_fixed32: 1, ..Everything::default() },
        Everything { price: Some(Money::default()), ..Everything::default() },
        Everything { time: Some(Timestamp { seconds: -1, nanos: 5 }), ..Everything::default() },
        Everything { boxed_int: Some(0), ..Everything::default() },
        Everything::default(),
    ] {
        let bytes = message.encode_to_vec();
        let json = printed(&bytes).expect("it is valid");
        assert_eq!(encoded(&json).expect("it is valid"), bytes, "{json}");
    }
    let defaults = r#"{"fInt32":0,"fString":"","fBool":false,"fDouble":0,"color":"COLOR_NONE"}"#;
    assert_eq!(encoded(defaults).expect("it is valid"), b"");
}

#[test]
fn other_forms_of_a_value_are_accepted() {
    for (json, same) in [
        (r#"{"f_int32": 5}"#, r#"{"fInt32":5}"#),
        (r#"{"fInt32": "5"}"#, r#"{"fInt32":5}"#),
        (r#"{"fInt32": 5.0}"#, r#"{"fInt32":5}"#),
        (r#"{"fInt64": 1e3}"#, r#"{"fInt64":"1000"}"#),
        (r#"{"fUint64": 18446744073709551615}"#, r#"{"fUint64":"18446744073709551615"}"#),
        (r#"{"fDouble": "NaN"}"#, r#"{"fDouble":"NaN"}"#),
        (r#"{"fFloat": "-Infinity"}"#, r#"{"fFloat":"-Infinity"}"#),
        (r#"{"fDouble": "1.5"}"#, r#"{"fDouble":1.5}"#),
        (r#"{"fDouble": -0.0}"#, r#"{"fDouble":-0}"#),
        (r#"{"fBytes": "-__-AA"}"#, r#"{"fBytes":"+//+AA=="}"#),
        (r#"{"color": 1}"#, r#"{"color":"RED"}"#),
        (r#"{"color": "ROT"}"#, r#"{"color":"RED"}"#),
        (r#"{"color": 77}"#, r#"{"color":77}"#),
        (r#"{"fInt32": null, "prices": null, "price": null, "textChoice": null}"#, "{}"),
        (r#"{"textChoice": null, "numberChoice": 1}"#, r#"{"numberChoice":"1"}"#),
        (r#"{"value": null}"#, r#"{"value":null}"#),
        (r#"{"values": [null, "a"]}"#, r#"{"values":[null,"a"]}"#),
        (r#"{"nothing": null}"#, "{}"),
        (r#"{"time": "2026-01-31T12:00:00+01:30"}"#, r#"{"time":"2026-01-31T10:30:00Z"}"#),
        (r#"{"time": "1600-02-29T00:00:00.1234Z"}"#, r#"{"time":"1600-02-29T00:00:00.123400Z"}"#),
        (r#"{"length": "0.5s"}"#, r#"{"length":"0.500s"}"#),
        (r#"{"perhaps": "x"}"#, r#"{"perhaps":"x"}"#),
        (r#"{"colorByNumber": {"-1": "RED"}}"#, r#"{"colorByNumber":{"-1":"RED"}}"#),
        (r#"{"bytesByBool": {"true": "AA=="}}"#, r#"{"bytesByBool":{"true":"AA=="}}"#),
        (r#"{"empty": {}, "any": {}}"#, r#"{"any":{},"empty":{}}"#),
        (
            r#"{"any": {"@type": "x/google.protobuf.Duration", "value": "1s"}}"#,
            r#"{"any":{"@type":"x/google.protobuf.Duration","value":"1s"}}"#,
        ),
    ] {
        assert_eq!(printed(&encoded(json).expect(json)).expect(json), same);
    }
}

#[test]
fn an_error_names_the_path_of_the_wrong_field() {
    let deep = format!("{}{{}}{}", r#"{"self":"#.repeat(100), "}".repeat(100));
    for (json, error) in [
        (
            r#"{"prices": [{}, {"units": true}]}"#,
            "prices[1].units: expected an integer from -9223372036854775808 to 9223372036854775807, and it is true",
        ),
        (
            r#"{"moneyByName": {"a": {"units": "x"}}}"#,
            r#"moneyByName["a"].units: expected an integer from -9223372036854775808 to 9223372036854775807, and it is "x""#,
        ),
        (
            r#"{"price": {"unit": 1}}"#,
            r#"price: acme.common.Money has no field "unit"; it has currency, units"#,
        ),
        (
            r#"{"textChoice": "a", "numberChoice": 1}"#,
            "textChoice: only one of the oneof choice can be set, and numberChoice is set too",
        ),
        (r#"{"fInt32": 1, "f_int32": 2}"#, "f_int32: it is set twice"),
        (
            r#"{"fInt32": 2147483648}"#,
            "fInt32: expected an integer from -2147483648 to 2147483647, and it is 2147483648",
        ),
        (
            r#"{"fInt32": 1.5}"#,
            "fInt32: expected an integer from -2147483648 to 2147483647, and it is 1.5",
        ),
        (r#"{"fUint32": -1}"#, "fUint32: expected an integer from 0 to 4294967295, and it is -1"),
        (
            r#"{"fFloat": 1e39}"#,
            "fFloat: expected a number within the range of float, and it is 1e+39",
        ),
        (r#"{"fDouble": "inf"}"#, r#"fDouble: expected a number, and it is "inf""#),
        (r#"{"fBool": "true"}"#, r#"fBool: expected true or false, and it is "true""#),
        (r#"{"fString": 5}"#, "fString: expected a string, and it is 5"),
        (r#"{"fBytes": "%"}"#, r#"fBytes: expected bytes in base64, and it is "%""#),
        (
            r#"{"color": "GREEN"}"#,
            r#"color: expected a value of acme.common.Color: COLOR_NONE, RED, ROT, BLUE, and it is "GREEN""#,
        ),
        (r#"{"packed": 5}"#, "packed: expected an array, and it is 5"),
        (
            r#"{"packed": [null]}"#,
            "packed[0]: expected an integer from -2147483648 to 2147483647, and it is null",
        ),
        (
            r#"{"prices": [null]}"#,
            "prices[0]: expected an object, the fields of acme.common.Money, and it is null",
        ),
        (r#"{"moneyByName": []}"#, "moneyByName: expected an object, and it is an array"),
        (
            r#"{"time": "2026-02-29T00:00:00Z"}"#,
            r#"time: expected a time such as "2026-01-31T12:00:00.5Z", and it is "2026-02-29T00:00:00Z""#,
        ),
        (
            r#"{"length": "1m"}"#,
            r#"length: expected a duration in seconds such as "1.5s", and it is "1m""#,
        ),
        (r#"{"mask": "a_b"}"#, r#"mask: "a_b" is not in lowerCamelCase"#),
        (r#"{"any": {"x": 1}}"#, r#"any: an Any needs its type in "@type""#),
        (r#"{"any": {"@type": "x/no.Such"}}"#, r#"any.@type: the schema has no message "no.Such""#),
        ("[]", "expected an object, the fields of acme.Everything, and it is an array"),
    ] {
        assert_eq!(encoded(json).expect_err(json), error);
    }
    assert!(encoded(&deep).expect_err("too deep").ends_with("nested more than 100 deep"));
}

#[test]
fn the_last_of_a_oneof_and_of_a_key_counts_and_parts_of_a_message_are_merged() {
    let text = Everything { text_choice: Some("a".to_owned()), ..Everything::default() };
    let number = encoded(r#"{"numberChoice": 5}"#).expect("it is valid");
    let bytes = [text.encode_to_vec(), number].concat();
    assert_eq!(printed(&bytes).expect("it is valid"), r#"{"numberChoice":"5"}"#);

    let parts = [r#"{"price": {"currency": "EUR", "units": 1}}"#, r#"{"price": {"units": 2}}"#];
    let bytes = parts.map(|json| encoded(json).expect("it is valid")).concat();
    let merged = r#"{"price":{"currency":"EUR","units":"2"}}"#;
    assert_eq!(printed(&bytes).expect("it is valid"), merged);

    let parts = [r#"{"bytesByBool": {"true": "AA=="}}"#, r#"{"bytesByBool": {"true": "AQ=="}}"#];
    let bytes = parts.map(|json| encoded(json).expect("it is valid")).concat();
    let last = r#"{"bytesByBool":{"true":"AQ=="}}"#;
    assert_eq!(printed(&bytes).expect("it is valid"), last);
}

#[test]
fn packed_and_expanded_values_are_both_read_and_unknown_fields_are_not_shown() {
    // packed, expanded, and packed again; then the fields 999 and 1000, the second a group.
    let bytes =
        b"\x82\x02\x02\x01\x02\x80\x02\x03\x82\x02\x01\x04\xba\x3e\x01x\xc3\x3e\x08\x01\xc4\x3e";
    assert_eq!(printed(bytes).expect("it is valid"), r#"{"packed":[1,2,3,4]}"#);
    assert_eq!(
        printed(b"\x8a\x02\x02\x01\x02").expect("it is valid"),
        r#"{"expanded":["-1","1"]}"#
    );
}

#[test]
fn an_any_of_an_unknown_type_is_shown_as_bytes() {
    let any = prost_types::Any { type_url: "x/no.Such".to_owned(), value: vec![1, 2] };
    let message = Everything { any: Some(any), ..Everything::default() };
    let json = printed(&message.encode_to_vec()).expect("it is valid");
    assert_eq!(json, r#"{"any":{"@type":"x/no.Such","@value":"AQI="}}"#);
}

#[test]
fn malformed_messages_are_errors_that_name_the_field() {
    for (bytes, error) in [
        (&b"\x72\x05ab"[..], "the message ends within a field"),
        (b"\x72\x01\xff", "fString: it is not UTF-8"),
        (b"\x70\x01", "fString: it has another type than in the schema"),
        (b"\x8a\x01\x02\x10\x80", "price: the message has a varint that does not end"),
        (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "a varint that does not end"),
        (b"\x00", "the message has a wrong field number"),
        (b"\x0f", "the message has an unknown wire type"),
        (b"\x0c", "the message has an unknown wire type"),
        (
            b"\x82\x05\x0a\x08\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
            "time: a Timestamp is not of the years",
        ),
    ] {
        let found = printed(bytes).expect_err(error);
        assert!(found.contains(error), "{found}");
    }
}

#[test]
fn cut_and_changed_messages_do_not_panic() {
    let (pool, message) = pool();
    let bytes = everything().encode_to_vec();
    let mut valid = 0;
    for index in 0..bytes.len() {
        valid += usize::from(print(&pool, message, &bytes[..index], true).is_ok());
        for change in [1, 0x7f, 0x80, 0xff] {
            let mut changed = bytes.clone();
            changed[index] ^= change;
            valid += usize::from(print(&pool, message, &changed, true).is_ok());
        }
    }
    assert!((1..5 * bytes.len()).contains(&valid), "{valid} are still valid");
}
