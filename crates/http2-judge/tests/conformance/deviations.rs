//! The cases that a layer fails. Each case that passes must leave this list.

use http2_judge::server::Layer;

use crate::support::{COMPRESSION_ERROR, PROTOCOL_ERROR};

/// Cases that a layer fails in the same way.
pub(crate) struct Deviation {
    pub(crate) layer: Layer,
    /// What the layer does, and the rule that it breaks.
    pub(crate) reason: &'static str,
    /// A part of the message with which the cases fail.
    pub(crate) fails_with: &'static str,
    /// The module and the name of each test.
    pub(crate) cases: &'static [&'static str],
}

const fn h2(
    reason: &'static str,
    fails_with: &'static str,
    cases: &'static [&'static str],
) -> Deviation {
    Deviation { layer: Layer::H2, reason, fails_with, cases }
}

/// Returns the error code for a header block that cannot be decoded. It must be COMPRESSION_ERROR
/// (RFC 9113, section 4.3); h2 sends PROTOCOL_ERROR. The cases of RFC 7541 expect the code that the
/// layer sends, so that they fail only if something else is wrong.
pub(crate) fn compression_error(layer: Layer) -> u32 {
    if layer == Layer::H2 { PROTOCOL_ERROR } else { COMPRESSION_ERROR }
}

pub(crate) const DEVIATIONS: &[Deviation] = &[
    h2(
        "PROTOCOL_ERROR instead of COMPRESSION_ERROR (RFC 9113, section 4.3)",
        "GOAWAY with 1, not [9]",
        &["frame_size::a_header_block_that_cannot_be_decoded_is_a_connection_error"],
    ),
    h2(
        "PROTOCOL_ERROR instead of FRAME_SIZE_ERROR (RFC 9113, section 4.2)",
        "GOAWAY with 1, not [6]",
        &[
            "goaway::goaway_with_less_than_8_bytes_is_a_connection_error",
            "ping::a_ping_without_8_bytes_is_a_connection_error",
            "reset::a_reset_without_4_bytes_is_a_connection_error",
            "settings::an_acknowledgement_with_a_payload_is_a_connection_error",
            "settings::settings_with_a_part_of_a_setting_are_a_connection_error",
            "window_update::a_window_update_without_4_bytes_is_a_connection_error",
        ],
    ),
    h2(
        "only the last size of a SETTINGS frame is signalled (RFC 7541, section 4.2)",
        "was lowered to 0 without a size update",
        &["hpack::encoder::a_table_that_is_lowered_and_raised_in_one_frame_is_signalled"],
    ),
    // Section 5.4.1 allows this, but a malformed request of one user then ends the calls of others
    // that come through the same proxy.
    h2(
        "the connection ends instead of the stream (RFC 9113, section 8.1.1)",
        "GOAWAY instead of RST_STREAM",
        &[
            "hpack::strings::a_byte_that_no_value_may_have_is_malformed_in_huffman_code_as_well",
            "hpack::strings::an_upper_case_name_is_malformed_in_huffman_code_as_well",
            "request::field_names::a_name_with_a_byte_above_0x7f_is_malformed",
            "request::field_names::a_name_with_a_colon_inside_is_malformed",
            "request::field_names::a_name_with_a_control_character_or_a_space_is_malformed",
            "request::field_names::an_empty_name_is_malformed",
            "request::field_names::an_upper_case_name_is_malformed",
            "request::field_values::a_value_with_nul_cr_or_lf_is_malformed",
            "request::pseudo_fields::a_method_that_is_no_token_is_malformed",
            "request::pseudo_fields::an_unknown_pseudo_field_is_malformed",
            "trailers::trailers_with_an_illegal_value_are_malformed",
            "trailers::trailers_with_an_upper_case_name_are_malformed",
        ],
    ),
    h2(
        "each frame counts as the start of a block (RFC 7541, section 4.2)",
        "did not happen: GOAWAY",
        &[
            "hpack::table_size::an_update_at_the_start_of_a_continuation_after_a_field_cannot_be_decoded",
        ],
    ),
    h2(
        "frames before the SETTINGS of the client are processed (RFC 9113, section 3.4)",
        "did not happen: the end",
        &["preface::a_frame_before_settings_is_a_connection_error"],
    ),
    h2(
        "PROTOCOL_ERROR for the connection instead of FRAME_SIZE_ERROR for the stream (RFC 9113, section 6.3)",
        "GOAWAY with 1, not [6]",
        &["priority::priority_without_5_bytes_is_an_error"],
    ),
    h2(
        "an authority must be valid in a URI (a rule of ours: any value is accepted)",
        "reset with Some(1)",
        &[
            "request::authority::a_list_of_addresses_is_accepted_as_an_authority",
            "request::authority::a_name_with_a_query_is_accepted_as_an_authority",
            "request::authority::a_path_of_a_socket_is_accepted_as_an_authority",
            "request::authority::an_empty_authority_is_accepted",
            "request::authority::an_escaped_path_of_a_socket_is_accepted_as_an_authority",
        ],
    ),
    h2(
        "CONNECT without an authority reaches the handler (RFC 9113, section 8.5)",
        "the handler sees the request",
        &["request::connect::connect_without_authority_is_malformed"],
    ),
    h2(
        "an empty content-length counts as 0 (RFC 9110, section 8.6)",
        "did not happen: an error on 1",
        &["request::content_length::an_empty_length_is_malformed"],
    ),
    h2(
        "a value with white space around it reaches the handler (RFC 9113, section 8.2.1)",
        "the handler sees the request",
        &[
            "request::field_values::a_value_that_ends_with_a_space_or_a_tab_is_malformed",
            "request::field_values::a_value_that_starts_with_a_space_or_a_tab_is_malformed",
        ],
    ),
    h2(
        "cookies reach the handler one by one (RFC 9113, section 8.2.3)",
        "assertion",
        &["request::field_values::several_cookies_are_joined_for_the_handler"],
    ),
    h2(
        "content is sent that the response must not have (RFC 9110, sections 9.3.2 and 15.3.5)",
        "left: (10, false)",
        &[
            "response::bodies::a_response_that_has_no_content_ends_with_its_head_while_the_request_is_open",
        ],
    ),
    h2(
        "a header list of exactly the limit gets status 431 (RFC 9113, section 6.5.2)",
        "left: (431",
        &["request::header_list::a_header_list_of_the_limit_is_accepted"],
    ),
    h2(
        "a part of the trailers reaches the handler as if it were all (RFC 9113, section 10.5.1)",
        "call.trailers.is_none()",
        &["request::header_list::trailers_over_the_limit_do_not_reach_the_handler"],
    ),
    h2(
        "a request without a valid path reaches the handler (RFC 9113, section 8.3.1)",
        "the handler sees the request",
        &[
            "request::pseudo_fields::a_path_that_does_not_start_with_a_slash_is_malformed",
            "request::pseudo_fields::a_request_with_neither_path_nor_authority_is_malformed",
            "request::pseudo_fields::an_asterisk_is_no_path_of_another_method",
        ],
    ),
    h2(
        "PROTOCOL_ERROR instead of FLOW_CONTROL_ERROR (RFC 9113, section 6.5.2)",
        "GOAWAY with 1, not [3]",
        &["settings::a_larger_initial_window_size_is_a_connection_error"],
    ),
    h2(
        "PROTOCOL_ERROR for the connection instead of STREAM_CLOSED for the stream (RFC 9113, section 5.1)",
        "GOAWAY with 1, not [5]",
        &[
            "states::data_on_a_half_closed_stream_is_an_error",
            "states::headers_on_a_half_closed_stream_are_an_error",
        ],
    ),
    h2(
        "RST_STREAM is sent again for each late frame (RFC 9113, section 5.4.2, a SHOULD NOT)",
        "left: 2",
        &["stream_ids::a_refused_stream_is_reset_once"],
    ),
    h2(
        "the body of a response to HEAD is sent (RFC 9110, section 9.3.2)",
        "left: [98, 111, 100, 121]",
        &["response::bodies::the_body_of_a_response_to_head_is_not_sent"],
    ),
    h2(
        "the number of fields has no limit (a rule of ours)",
        "left: 200",
        &["request::header_list::a_request_with_too_many_fields_is_refused"],
    ),
    h2(
        "nothing is counted, and no memory is limited (a rule of ours)",
        "",
        &[
            "held::a_reset_of_a_call_that_does_not_read_is_counted_at_once",
            "held::a_reset_and_the_end_of_the_connection_leave_nothing",
            "held::heads_and_bodies_are_counted_until_the_call_is_over",
            "held::a_response_that_waits_for_a_window_stays_in_its_call",
            "memory::a_request_for_which_there_is_no_memory_is_refused",
            "memory::a_request_that_must_be_served_is_served_without_memory",
            "memory::a_body_for_which_there_is_no_memory_breaks_off_and_other_bodies_go_on",
            "memory::a_body_that_arrives_before_the_handler_is_called_breaks_off_too",
            "memory::the_connection_that_holds_the_most_ends_if_there_is_nothing_to_refuse",
            "memory::a_window_that_is_used_up_grows_while_there_is_memory",
            "memory::a_peer_that_sends_but_reads_nothing_loses_its_connection",
            "memory::a_budget_is_shared_by_connections_and_empty_after_them",
        ],
    ),
    h2(
        "the body of a response to HEAD is sent (RFC 9110, section 9.3.2)",
        "left: ([98, 111, 100, 121]",
        &[
            "response::early::a_body_after_the_headers_of_a_response_to_head_is_not_sent_while_the_request_is_read",
        ],
    ),
    h2(
        "pseudo-fields in trailers are dropped instead of being an error (RFC 9113, section 8.1)",
        "did not happen: an error on 1",
        &["trailers::trailers_with_a_pseudo_field_are_malformed"],
    ),
];

/// A case that was renamed would otherwise leave its entry behind.
#[test]
fn each_deviation_names_a_case() {
    for case in DEVIATIONS.iter().flat_map(|deviation| deviation.cases) {
        let (module, name) = case.rsplit_once("::").expect("a module and a name");
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/conformance");
        let path = format!("{folder}/{}.rs", module.replace("::", "/"));
        let source = std::fs::read_to_string(path).expect("a module");
        assert!(source.contains(&format!("#[test]\nfn {name}()")), "{case} is no case");
    }
}
