//! The static table (RFC 7541, appendix A).

use std::sync::LazyLock;

use super::field::Entry;

/// How many entries the static table has. Their indices begin with 1.
pub(super) const LENGTH: usize = TABLE.len();

const TABLE: [(&str, &str); 61] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];

static ENTRIES: LazyLock<Vec<Entry>> = LazyLock::new(|| {
    TABLE.iter().map(|(name, value)| Entry::new(name.as_bytes(), value.as_bytes())).collect()
});

/// Returns the entry of an index, or `None` if the static table has none.
pub(super) fn get(index: usize) -> Option<&'static Entry> {
    ENTRIES.get(index.checked_sub(1)?)
}

/// Returns the lowest index of an entry with this name.
pub(super) fn index_of(name: &str) -> Option<usize> {
    TABLE.iter().position(|(at, _)| *at == name).map(|position| position + 1)
}

/// Returns the index of `:status` with this code, if the table has it.
pub(super) fn index_of_status(code: u16) -> Option<usize> {
    // Their indices are 8 to 14.
    let codes = [200, 204, 206, 304, 400, 404, 500];
    codes.iter().position(|at| *at == code).map(|position| position + 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_are_those_of_the_specification() {
        for (name, index) in [(":authority", 1), (":status", 8), ("www-authenticate", 61)] {
            assert_eq!(index_of(name), Some(index));
        }
        for index in 8..15 {
            let (name, value) = TABLE[index - 1];
            let code = value.parse().expect("a status code");
            assert_eq!((name, index_of_status(code)), (":status", Some(index)));
        }
        assert!(get(0).is_none() && get(61).is_some() && get(62).is_none());
    }
}
