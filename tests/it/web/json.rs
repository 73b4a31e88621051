//! Messages as JSON ("ProtoJSON Format" of protobuf), in calls. python.rs compares each type with
//! protobuf's own library.

use serde_json::{Value, json};

use crate::support::{
    web_client::{ECHO, JSON, VERSIONS, Version, WebClient, json},
    web_service::start,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_message_has_the_json_of_protobuf() {
    let server = start(&[]);
    for version in VERSIONS {
        let mut client = WebClient::connect(&server.address, version).await;
        for (sent, expected) in [
            // Integers of 64 bits are text, because a number of JavaScript has only 53.
            (
                r#"{"fInt64": "-9223372036854775808", "f_uint64": 18446744073709551615}"#,
                json!({ "fInt64": "-9223372036854775808", "fUint64": "18446744073709551615" }),
            ),
            (r#"{"fInt32": "1e2", "fUint32": 3.0}"#, json!({ "fInt32": 100, "fUint32": 3 })),
            (
                r#"{"fDouble": "-Infinity", "fFloat": "NaN"}"#,
                json!({ "fDouble": "-Infinity", "fFloat": "NaN" }),
            ),
            // Both alphabets, with padding or without.
            (r#"{"fBytes": "-_8"}"#, json!({ "fBytes": "+/8=" })),
            (
                r#"{"color": "RED", "colors": [1, 77]}"#,
                json!({ "color": "RED", "colors": ["RED", 77] }),
            ),
            // The JSON name of a field, and its name in the .proto file.
            (r#"{"perhaps": "a"}"#, json!({ "perhaps": "a" })),
            (r#"{"maybe_text": "a", "maybe": 0}"#, json!({ "perhaps": "a", "maybe": 0 })),
            // Fields with their default or null are left out.
            (r#"{"fInt32": 0, "fString": "", "words": [], "self": null}"#, json!({})),
            (r#"{"self": {"fBool": true}}"#, json!({ "self": { "fBool": true } })),
            (
                r#"{"bytesByBool": {"true": "AA=="}, "colorByNumber": {"-1": "RED"}}"#,
                json!({ "bytesByBool": { "true": "AA==" }, "colorByNumber": { "-1": "RED" } }),
            ),
            (r#"{"numberChoice": 1}"#, json!({ "numberChoice": "1" })),
            (
                r#"{"time": "2024-02-29T12:00:00.5+01:00", "length": "-1.000000001s"}"#,
                json!({ "time": "2024-02-29T11:00:00.500Z", "length": "-1.000000001s" }),
            ),
            (
                r#"{"mask": "fInt32,self.fBool", "empty": {}}"#,
                json!({ "mask": "fInt32,self.fBool", "empty": {} }),
            ),
            (
                r#"{"object": {"a": [1, null, {"b": "c"}]}, "value": null, "list": [true]}"#,
                json!({ "object": { "a": [1.0, null, { "b": "c" }] }, "value": null, "list": [true] }),
            ),
            (
                r#"{"boxedInt": 0, "boxedString": "", "boxedBool": false, "boxedBytes": "AA"}"#,
                json!({ "boxedInt": "0", "boxedString": "", "boxedBool": false, "boxedBytes": "AA==" }),
            ),
            (
                r#"{"any": {"@type": "type.googleapis.com/google.protobuf.Duration", "value": "1s"}}"#,
                json!({ "any": { "@type": "type.googleapis.com/google.protobuf.Duration", "value": "1s" } }),
            ),
            (r#"{"fString": "\ud83d\udc4b\u0000"}"#, json!({ "fString": "👋\0" })),
        ] {
            let response = client.post(ECHO, JSON, &[], sent).await;
            let received = normal(json(&response));
            assert_eq!((response.status().as_u16(), received), (200, normal(expected)), "{sent}");
        }
    }
}

/// Turns all numbers into `f64`, because JSON does not tell integers from others.
fn normal(value: Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(values) => values.into_iter().map(normal).collect(),
        Value::Object(members) => {
            members.into_iter().map(|(name, value)| (name, normal(value))).collect()
        }
        other => other,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_json_is_refused_with_the_path_of_the_wrong_field() {
    let server = start(&[]);
    let mut client = WebClient::connect(&server.address, Version::Http1).await;
    for (sent, path) in [
        (r#"{"self": {"fInt32": "x"}}"#, "self.fInt32"),
        (r#"{"fInt32": 2147483648}"#, "fInt32"),
        (r#"{"fUint64": -1}"#, "fUint64"),
        (r#"{"fInt32": 1.5}"#, "fInt32"),
        (r#"{"fBytes": "*"}"#, "fBytes"),
        (r#"{"color": "PINK"}"#, "color"),
        (r#"{"words": [1]}"#, "words[0]"),
        (r#"{"words": [null]}"#, "words[0]"),
        (r#"{"time": "2024-02-30T00:00:00Z"}"#, "time"),
        (r#"{"length": "1"}"#, "length"),
        (r#"{"self": {"unknown": 1}}"#, "self"),
        (r#"{"textChoice": "a", "numberChoice": 1}"#, "Choice"),
        (r#"{"fInt32": 1, "fInt32": 2}"#, "fInt32"),
        (r#"{"fInt32": 1, "f_int32": 2}"#, "f_int32"),
        (r#"{"any": {"@type": "type.googleapis.com/acme.None"}}"#, "any"),
    ] {
        let response = client.post(ECHO, JSON, &[], sent).await;
        let error = json(&response);
        assert_eq!(
            (response.status().as_u16(), &error["code"]),
            (400, &json!("invalid_argument")),
            "{sent}: {error}"
        );
        let message = error["message"].as_str().unwrap_or_default();
        assert!(message.contains(path), "{sent}: {message}");
    }
    for sent in [
        "",
        "{",
        "{}{}",
        "[]",
        "null",
        "1",
        "{'a': 1}",
        "{\"a\": 1,}",
        "\u{feff}{}",
        "{\"fString\": \"\t\"}",
    ] {
        let response = client.post(ECHO, JSON, &[], sent).await;
        assert_eq!(json(&response)["code"], "invalid_argument", "{sent}");
    }
    for sent in [&b"{\"fString\": \"\xff\"}"[..], br#"{"fString": "\ud83d"}"#] {
        let response = client.post(ECHO, JSON, &[], sent).await;
        assert_eq!(json(&response)["code"], "invalid_argument", "{sent:?}");
    }
}
