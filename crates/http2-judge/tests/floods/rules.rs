//! The rules that a layer may break, and the list of the breaches.

use http2_judge::server::Layer;

/// A rule for a layer. The connection of a clearly hostile peer ends with an error. If honest
/// traffic could come near a flood, the connection may end gracefully.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// CONTINUATION frames without an end lead to an error.
    ContinuationsEnd,
    /// Header blocks of 12 KiB arrive in a few CONTINUATION frames.
    FewContinuationsLive,
    /// Header blocks of 12 KiB arrive in CONTINUATION frames of 1 KiB.
    ContinuationsOf1KibLive,
    /// Header blocks of 12 KiB arrive in CONTINUATION frames of 256 bytes.
    ContinuationsOf256BytesLive,
    /// 200,000 PINGs lead to an error.
    PingsEnd,
    /// Acknowledgements of PINGs that the server has not sent end the connection.
    PongsEnd,
    /// 200,000 SETTINGS lead to an error.
    SettingsEnd,
    /// Empty DATA frames lead to an error.
    EmptyDataEnds,
    /// DATA frames of padding alone lead to an error.
    PaddingEnds,
    /// A message arrives in small DATA frames.
    SmallDataLives,
    /// Small DATA frames may wait for a handler.
    LateSmallDataLives,
    /// Thousands of changes of the table size in one header block lead to an error.
    TableSizesEnd,
    /// PRIORITY frames without requests end the connection.
    PrioritiesEnd,
    /// Frames of unknown types end the connection.
    UnknownFramesEnd,
    /// WINDOW_UPDATE frames of 1 on stream 0 end the connection.
    ConnectionUpdatesEnd,
    /// WINDOW_UPDATE frames of 1 on an open stream end the connection.
    StreamUpdatesEnd,
    /// WINDOW_UPDATE frames on a closed stream end the connection.
    ClosedUpdatesEnd,
    /// RST_STREAM frames on a closed stream end the connection.
    ClosedResetsEnd,
    /// HEADERS on a closed stream end the connection.
    ClosedTrailersEnd,
    /// HEADERS on a stream that the server has reset end the connection.
    ResetTrailersEnd,
    /// A peer that goes on to send after the end does not keep other tasks from running.
    OthersRunAfterTheEnd,
    /// Streams that the server has to reset lead to an error.
    ProvokedResetsEnd,
    /// DATA may come after a response, on any number of streams over time.
    LateDataLives,
    /// Malformed requests over time do not end the calls of others.
    SpreadFaultsLive,
    /// Streams that are reset as soon as they are opened lead to an error.
    RapidResetEnds,
    /// Streams that are reset while their handlers run end the connection, if too few calls
    /// succeed meanwhile.
    SlowRapidResetEnds,
    /// Requests may arrive together with their resets after a stall: a server that did not read
    /// for a while reads both at once.
    StallOfTheServerLives,
}

/// A layer, the rule that it breaks, and the reason.
pub(crate) type Deviation = (Layer, Rule, &'static str);

/// Every breach. A test fails if a layer keeps a rule that is in this list.
pub(crate) const DEVIATIONS: &[Deviation] = &[
    (Layer::H2, Rule::ContinuationsOf1KibLive, FIVE_CONTINUATIONS),
    (Layer::H2, Rule::ContinuationsOf256BytesLive, FIVE_CONTINUATIONS),
    (Layer::H2, Rule::PingsEnd, NO_LIMIT),
    (Layer::H2, Rule::PongsEnd, NO_LIMIT),
    (Layer::H2, Rule::SettingsEnd, NO_LIMIT),
    (Layer::H2, Rule::TableSizesEnd, "h2 does not count the changes in a block"),
    (Layer::H2, Rule::PrioritiesEnd, NO_LIMIT),
    (Layer::H2, Rule::UnknownFramesEnd, NO_LIMIT),
    (Layer::H2, Rule::ConnectionUpdatesEnd, NO_LIMIT),
    (Layer::H2, Rule::StreamUpdatesEnd, NO_LIMIT),
    (Layer::H2, Rule::ClosedUpdatesEnd, NO_LIMIT),
    (Layer::H2, Rule::ClosedResetsEnd, NO_LIMIT),
    (Layer::H2, Rule::OthersRunAfterTheEnd, "its transport discards all that comes in one poll"),
    (Layer::H2, Rule::LateDataLives, LIFETIME),
    (Layer::H2, Rule::SpreadFaultsLive, LIFETIME),
    (
        Layer::H2,
        Rule::SlowRapidResetEnds,
        "h2 does not count the reset of a stream whose handler runs",
    ),
    (Layer::H2, Rule::StallOfTheServerLives, "h2 ends a connection with 21 such streams at once"),
];

const NO_LIMIT: &str = "h2 has no limit for frames that cost it no memory";
const LIFETIME: &str = "h2 counts 1,024 resets over the life of a connection";
const FIVE_CONTINUATIONS: &str = "h2 takes 5 CONTINUATION frames in a block";

/// Asserts that the layer keeps the rule, or breaks it if the list says so.
pub(crate) fn check(layer: Layer, rule: Rule, is_kept: bool, what: impl std::fmt::Debug) {
    match DEVIATIONS.iter().find(|(of, broken, _)| (*of, *broken) == (layer, rule)) {
        Some((.., reason)) => {
            assert!(!is_kept, "{layer:?} keeps {rule:?} now; the list says: {reason}: {what:?}");
        }
        None => assert!(is_kept, "{layer:?} breaks {rule:?}: {what:?}"),
    }
}
