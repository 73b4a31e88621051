//! The state of a connection, without its transport and its calls.

use std::{collections::VecDeque, sync::Arc};

use http::Request;

use super::{
    allowance::Allowances,
    closed_streams::ClosedStreams,
    fragments::Fragments,
    life::Life,
    output::Output,
    repeated_head::RepeatedHead,
    stream::Stream,
    streams::Streams,
    window::{ReceiveWindow, SendWindow},
};
use crate::{
    ended::Ended,
    frame::{INITIAL_WINDOW, PeerSettings, put_settings, put_window_update},
    hpack::{Decoder, Encoder},
    inbox::{Inbox, StreamRef},
    memory::{HeldNow, Share},
    refused::{Observer, Refused},
    request::HeadLimits,
    settings::{Refuse, Settings},
};

/// The payload of the PING whose acknowledgement says that the peer knows of the shutdown.
pub(super) const SHUTDOWN_PING: [u8; 8] = *b"shutdown";

/// The state of a connection: everything but its transport and its calls.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) max_streams: usize,
    pub(super) head_limits: HeadLimits,
    /// The receive window of a new stream, as this side has announced it.
    pub(super) window: u32,
    /// The size up to which windows grow.
    pub(super) max_window: u32,
    /// The receive window of a new stream that the peer knows. It becomes `window` when the peer
    /// acknowledges SETTINGS.
    pub(super) known_window: u32,
    pub(super) life: Life,
    /// How the connection ends, once that is decided.
    pub(super) ended: Option<Ended>,

    // What the peer sends.
    pub(super) decoder: Decoder,
    pub(super) repeated_head: RepeatedHead,
    pub(super) has_settings: bool,
    pub(super) header_block: Option<Fragments>,
    /// The highest stream that the peer has opened.
    pub(super) last_stream: u32,
    pub(super) receive_window: ReceiveWindow,
    pub(super) is_peer_leaving: bool,
    /// Whether a PING of the keepalive has not been acknowledged.
    pub(super) awaits_pong: bool,
    pub(super) allowances: Allowances,

    pub(super) streams: Streams,
    pub(super) closed: ClosedStreams,
    pub(super) inbox: Arc<Inbox>,
    /// Requests for which the service has not been called yet.
    pub(super) arrived: Vec<(StreamRef, Request<()>)>,
    /// The keys of calls that are to be dropped.
    pub(super) cancelled: Vec<usize>,
    /// The keys of calls that waited for room, and have some.
    pub(super) resumed: Vec<usize>,

    /// The memory of the heads and calls of all streams.
    pub(super) call_memory: usize,
    /// The data of all streams that waits for windows.
    pub(super) pending_bytes: usize,
    pub(super) refuse: Refuse,
    pub(super) share: Arc<Share>,
    pub(super) held_before: HeldNow,
    /// The growth since `held_before` of memory that can be refused, in bytes.
    pub(super) not_counted: usize,
    /// The bytes that were taken from the budget in advance.
    pub(super) ahead: usize,
    observer: Option<Arc<dyn Observer>>,

    // What this side sends.
    pub(super) output: Output,
    pub(super) encoder: Encoder,
    pub(super) send_window: SendWindow,
    pub(super) peer: PeerSettings,
    /// Streams that have something to send, in their order.
    pub(super) queue: VecDeque<StreamRef>,
    /// Streams whose calls wait until the connection has room.
    pub(super) blocked: VecDeque<StreamRef>,
}

impl Core {
    /// Returns the state of a new connection, whose first output is SETTINGS.
    pub(super) fn new(settings: &Settings, share: &Arc<Share>) -> Self {
        /// Identifiers of settings (RFC 9113, section 6.5.2).
        const MAX_CONCURRENT_STREAMS: u16 = 3;
        const INITIAL_WINDOW_SIZE: u16 = 4;
        const MAX_HEADER_LIST_SIZE: u16 = 6;

        let window = settings.window;
        // The connection's window can only grow.
        let connection_window = window.max(INITIAL_WINDOW);
        let mut output = Output::default();
        output.put(|out| {
            put_settings(
                out,
                &[
                    (MAX_CONCURRENT_STREAMS, settings.streams),
                    (INITIAL_WINDOW_SIZE, window),
                    (MAX_HEADER_LIST_SIZE, settings.header_list),
                ],
            );
            if connection_window > INITIAL_WINDOW {
                put_window_update(out, 0, connection_window - INITIAL_WINDOW);
            }
        });
        Self {
            max_streams: settings.streams as usize,
            head_limits: HeadLimits {
                size: settings.header_list as usize,
                fields: settings.header_fields,
            },
            window,
            max_window: settings.max_window,
            known_window: INITIAL_WINDOW,
            life: Life::Open,
            ended: None,
            decoder: Decoder::new(),
            repeated_head: RepeatedHead::default(),
            has_settings: false,
            header_block: None,
            last_stream: 0,
            receive_window: ReceiveWindow::new(connection_window, connection_window),
            is_peer_leaving: false,
            awaits_pong: false,
            allowances: Allowances::new(settings.streams),
            streams: Streams::default(),
            closed: ClosedStreams::default(),
            inbox: Arc::new(Inbox::new(Arc::clone(share))),
            arrived: Vec::new(),
            cancelled: Vec::new(),
            resumed: Vec::new(),
            call_memory: 0,
            pending_bytes: 0,
            refuse: settings.refuse,
            share: Arc::clone(share),
            held_before: HeldNow::default(),
            not_counted: 0,
            ahead: 0,
            observer: settings.observer.clone(),
            output,
            encoder: Encoder::new(),
            send_window: SendWindow::new(INITIAL_WINDOW),
            peer: PeerSettings::default(),
            queue: VecDeque::new(),
            blocked: VecDeque::new(),
        }
    }

    /// Tells the observer that a request is refused.
    pub(super) fn report(&self, why: Refused) {
        if let Some(observer) = &self.observer {
            observer.refused(why);
        }
    }

    /// Returns the receive window of a new stream.
    pub(super) fn stream_window(&self) -> ReceiveWindow {
        ReceiveWindow::new(self.known_window, self.window)
    }

    /// Frees memory that a connection without streams does not need.
    pub(super) fn shrink(&mut self) {
        /// How many elements the lists keep room for.
        const KEPT: usize = 8;
        self.streams.shrink();
        self.arrived.shrink_to(KEPT);
        self.queue.clear();
        self.queue.shrink_to(KEPT);
        self.blocked = VecDeque::new();
    }

    /// Adds a stream.
    pub(super) fn insert(&mut self, stream: Stream) -> StreamRef {
        self.call_memory += stream.memory;
        self.streams.insert(stream)
    }

    /// Removes a stream.
    pub(super) fn remove(&mut self, key: usize) {
        if let Some(stream) = self.streams.get(key) {
            self.call_memory -= stream.memory;
            self.pending_bytes -= stream.send.pending_length;
            self.streams.remove(key);
        }
    }
}
