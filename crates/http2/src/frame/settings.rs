//! The settings of the peer (RFC 9113, section 6.5).

use super::limits::{INITIAL_WINDOW, MAX_PAYLOAD, MAX_WINDOW};
use crate::{reason::Reason, violation::Violation};

const HEADER_TABLE_SIZE: u16 = 1;
const ENABLE_PUSH: u16 = 2;
const INITIAL_WINDOW_SIZE: u16 = 4;
const MAX_FRAME_SIZE: u16 = 5;

/// The settings of the peer that this side heeds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PeerSettings {
    /// The initial send window of a stream, in bytes.
    pub(crate) initial_window: u32,
    /// The longest payload that the peer accepts, in bytes.
    pub(crate) max_payload: usize,
}

impl Default for PeerSettings {
    fn default() -> Self {
        Self { initial_window: INITIAL_WINDOW, max_payload: MAX_PAYLOAD }
    }
}

/// What a SETTINGS frame changes beside the fields of [`PeerSettings`].
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct SettingsChange {
    /// The values of SETTINGS_HEADER_TABLE_SIZE, in their order. Each is applied, because it may
    /// evict entries.
    pub(crate) table_sizes: Vec<u32>,
}

impl PeerSettings {
    /// Takes the payload of a SETTINGS frame.
    ///
    /// # Errors
    ///
    /// Returns a connection error if its length or a value is not valid.
    pub(crate) fn update(&mut self, payload: &[u8]) -> Result<SettingsChange, Violation> {
        let (settings, rest) = payload.as_chunks::<6>();
        if !rest.is_empty() {
            return Err(Violation::frame_size("SETTINGS whose length is no multiple of 6"));
        }
        let mut change = SettingsChange::default();
        for [a, b, value @ ..] in settings {
            let value = u32::from_be_bytes(*value);
            match u16::from_be_bytes([*a, *b]) {
                HEADER_TABLE_SIZE => change.table_sizes.push(value),
                ENABLE_PUSH if value > 1 => {
                    return Err(Violation::protocol("SETTINGS_ENABLE_PUSH over 1"));
                }
                INITIAL_WINDOW_SIZE if value > MAX_WINDOW => {
                    let what = "SETTINGS_INITIAL_WINDOW_SIZE over 2^31-1";
                    return Err(Violation::Connection(Reason::FLOW_CONTROL_ERROR, what));
                }
                INITIAL_WINDOW_SIZE => self.initial_window = value,
                MAX_FRAME_SIZE if !(1 << 14..1 << 24).contains(&value) => {
                    return Err(Violation::protocol("SETTINGS_MAX_FRAME_SIZE out of its range"));
                }
                MAX_FRAME_SIZE => self.max_payload = value as usize,
                // Unknown settings are ignored. So are those that limit pushes, because this side
                // never pushes, and SETTINGS_MAX_HEADER_LIST_SIZE, because it is advisory.
                _ => {}
            }
        }
        Ok(change)
    }
}
