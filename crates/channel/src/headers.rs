//! The headers that the channel adds to each attempt.

use http::{HeaderMap, HeaderValue, header::USER_AGENT};
use wire::encoding::ACCEPT_ENCODING;

use crate::deadline::{Deadline, GRPC_TIMEOUT};

/// The header with the number of earlier attempts of the same call (gRFC A6). The channel
/// adds it to requests, and to the response or the status of a call that was retried.
pub const PREVIOUS_ATTEMPTS: &str = "grpc-previous-rpc-attempts";

/// Returns how many attempts a call took, from the headers of its response or the metadata of its
/// status.
pub fn attempts(headers: &HeaderMap) -> u32 {
    let previous = headers.get(PREVIOUS_ATTEMPTS);
    let previous = previous.and_then(|text| text.to_str().ok()?.parse().ok());
    previous.unwrap_or(0_u32).saturating_add(1)
}

/// The encodings of responses that the channel reads.
const ENCODINGS: HeaderValue = HeaderValue::from_static("gzip,zstd");

/// Returns the value of `user-agent` for a program, such as `sample-service/1.2.3`.
/// Characters that a header cannot contain are left out.
pub fn user_agent(name: &str, version: &str) -> HeaderValue {
    let text: String = format!("{name}/{version}").chars().filter(char::is_ascii_graphic).collect();
    HeaderValue::try_from(text).expect("graphic ASCII is allowed in a header")
}

/// Returns the headers of an attempt: the headers of the call, and those that differ
/// between attempts.
pub(crate) fn of_attempt(
    call: &HeaderMap,
    user_agent: &HeaderValue,
    previous: u32,
    deadline: Option<Deadline>,
) -> HeaderMap {
    let mut headers = call.clone();
    headers.insert(USER_AGENT, user_agent.clone());
    headers.insert(ACCEPT_ENCODING, ENCODINGS);
    if let Some(deadline) = deadline {
        headers.insert(GRPC_TIMEOUT, deadline.header());
    }
    if previous > 0 {
        headers.insert(PREVIOUS_ATTEMPTS, previous.into());
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_agent_has_only_characters_that_a_header_can_contain() {
        assert_eq!(user_agent("sample-service", "1.2.3"), "sample-service/1.2.3");
        assert_eq!(user_agent("bücher laden", "1\n"), "bcherladen/1");
    }
}
