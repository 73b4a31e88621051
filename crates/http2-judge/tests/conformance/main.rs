//! Cases of RFC 9113 and RFC 7541: scripted frames against a server with each layer.

mod continuation;
mod deviations;
mod frame_size;
mod frames;
mod goaway;
mod held;
mod hpack;
mod keepalive;
mod memory;
mod padding;
mod ping;
mod preface;
mod priority;
mod push_promise;
mod request;
mod request_windows;
mod reset;
mod response;
mod response_windows;
mod settings;
mod shutdown;
mod states;
mod stream_ids;
mod support;
mod trailers;
mod window_update;
