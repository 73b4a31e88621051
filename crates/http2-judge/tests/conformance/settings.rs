//! SETTINGS (RFC 9113, section 6.5).

use http2_judge::frame::{ACK, SETTINGS, frame};

use crate::support::{
    ENABLE_PUSH, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, HEADER_TABLE_SIZE, INITIAL_WINDOW_SIZE,
    MAX_CONCURRENT_STREAMS, MAX_FRAME_SIZE, MAX_HEADER_LIST_SIZE, PROTOCOL_ERROR, Start, rfc9113,
};

/// Expects that the server acknowledges these settings.
async fn accepted(server: Start, name: u16, values: &[u32]) {
    let mut client = server.open().await;
    for value in values {
        client.settings(&[(name, *value)]).await;
        client.until("ACK", |state| state.unacknowledged.is_empty()).await;
    }
    client.settings(&[(INITIAL_WINDOW_SIZE, 65_535)]).await;
    client.alive().await;
}

/// Expects that each of these settings is a connection error.
async fn refused(server: Start, name: u16, values: &[u32], code: u32) {
    for value in values {
        let mut client = server.clone().open().await;
        client.settings(&[(name, *value)]).await;
        client.connection_error(&[code]).await;
    }
}

#[test]
fn every_settings_frame_is_acknowledged() {
    rfc9113("6.5.3", async |server| {
        let mut client = server.open().await;
        for count in 0..10 {
            client.settings(&[(MAX_CONCURRENT_STREAMS, count)]).await;
        }
        client.settle().await;
        assert!(client.state.unacknowledged.is_empty());
        client.alive().await;
    });
}

#[test]
fn empty_settings_are_acknowledged() {
    rfc9113("6.5.3", async |server| {
        let mut client = server.open().await;
        client.settings(&[]).await;
        client.settle().await;
        assert!(client.state.unacknowledged.is_empty());
    });
}

#[test]
fn settings_are_acknowledged_before_the_answer_to_a_later_ping() {
    rfc9113("6.5.3", async |server| {
        let mut client = server.open().await;
        client.settings(&[(MAX_CONCURRENT_STREAMS, 1)]).await;
        client.ping().await;
        assert!(client.state.unacknowledged.is_empty());
    });
}

#[test]
fn an_acknowledgement_with_a_payload_is_a_connection_error() {
    rfc9113("6.5", async |server| {
        for length in [1, 6] {
            let mut client = server.clone().open().await;
            client.raw(&frame(SETTINGS, ACK, 0, &vec![0; length])).await;
            client.connection_error(&[FRAME_SIZE_ERROR]).await;
        }
    });
}

#[test]
fn settings_with_a_part_of_a_setting_are_a_connection_error() {
    rfc9113("6.5", async |server| {
        for length in [1, 5, 7, 11] {
            let mut client = server.clone().open().await;
            client.raw(&frame(SETTINGS, 0, 0, &vec![0; length])).await;
            client.connection_error(&[FRAME_SIZE_ERROR]).await;
        }
    });
}

#[test]
fn settings_on_a_stream_are_a_connection_error() {
    rfc9113("6.5", async |server| {
        for flags in [0, ACK] {
            let mut client = server.clone().open().await;
            client.post(1).await;
            client.raw(&frame(SETTINGS, flags, 1, &[])).await;
            client.connection_error(&[PROTOCOL_ERROR]).await;
        }
    });
}

#[test]
fn unknown_settings_are_ignored() {
    rfc9113("6.5.2", async |server| {
        let mut client = server.open().await;
        let all = [0, 7, 9, 0x10, 0x0a0a, 0xffff].map(|name| (name, u32::MAX));
        client.settings(&all).await;
        client.settle().await;
        assert!(client.state.unacknowledged.is_empty());
        client.alive().await;
    });
}

#[test]
fn unknown_flags_of_settings_are_ignored() {
    rfc9113("4.1", async |server| {
        let mut client = server.open().await;
        client.send(SETTINGS, 0xfe, 0, &[]).await;
        client.settle().await;
        assert!(client.state.unacknowledged.is_empty());
    });
}

#[test]
fn a_setting_may_come_many_times_and_the_last_one_counts() {
    rfc9113("6.5.3", async |server| {
        let mut client = server.open().await;
        client.settings(&[(INITIAL_WINDOW_SIZE, 0), (INITIAL_WINDOW_SIZE, 1)]).await;
        client.settle().await;
        client.get(1).await;
        client.settle().await;
        assert_eq!(client.state.streams[&1].data, b"o");
    });
}

#[test]
fn enable_push_may_be_0_or_1() {
    rfc9113("6.5.2", async |server| accepted(server, ENABLE_PUSH, &[0, 1, 0]).await);
}

#[test]
fn another_value_of_enable_push_is_a_connection_error() {
    rfc9113("6.5.2", async |server| {
        refused(server, ENABLE_PUSH, &[2, u32::MAX], PROTOCOL_ERROR).await;
    });
}

#[test]
fn every_initial_window_size_below_2_31_is_accepted() {
    rfc9113("6.5.2", async |server| {
        accepted(server, INITIAL_WINDOW_SIZE, &[0, 1, 65_536, (1 << 31) - 1]).await;
    });
}

#[test]
fn a_larger_initial_window_size_is_a_connection_error() {
    rfc9113("6.5.2", async |server| {
        refused(server, INITIAL_WINDOW_SIZE, &[1 << 31, u32::MAX], FLOW_CONTROL_ERROR).await;
    });
}

#[test]
fn max_frame_size_may_be_between_2_14_and_2_24() {
    rfc9113("6.5.2", async |server| {
        accepted(server, MAX_FRAME_SIZE, &[1 << 14, (1 << 14) + 1, (1 << 24) - 1]).await;
    });
}

#[test]
fn a_lower_or_a_higher_max_frame_size_is_a_connection_error() {
    let values = [0, (1 << 14) - 1, 1 << 24, u32::MAX];
    rfc9113("6.5.2", async |server| refused(server, MAX_FRAME_SIZE, &values, PROTOCOL_ERROR).await);
}

#[test]
fn every_header_table_size_is_accepted() {
    rfc9113("6.5.2", async |server| {
        accepted(server, HEADER_TABLE_SIZE, &[0, 1, 4096, 65_536, u32::MAX]).await;
    });
}

#[test]
fn every_max_concurrent_streams_is_accepted() {
    rfc9113("6.5.2", async |server| {
        accepted(server, MAX_CONCURRENT_STREAMS, &[0, 1, u32::MAX]).await;
    });
}

#[test]
fn every_max_header_list_size_above_that_of_the_response_is_accepted() {
    rfc9113("6.5.2", async |server| {
        accepted(server, MAX_HEADER_LIST_SIZE, &[65_536, u32::MAX]).await;
    });
}

#[test]
fn the_server_announces_its_limits() {
    rfc9113("6.5.2", async |server| {
        let client = server.with(|settings| settings.streams = 7).open().await;
        let settings = client.state.settings.as_ref().expect("SETTINGS");
        assert_eq!(settings[&MAX_CONCURRENT_STREAMS], 7);
        assert_eq!(settings[&MAX_HEADER_LIST_SIZE], 16 * 1024);
        assert_eq!(settings[&INITIAL_WINDOW_SIZE], 1024 * 1024);
    });
}
