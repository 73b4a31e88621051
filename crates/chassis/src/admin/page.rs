//! The page itself: one file, which loads nothing from anywhere else.

use hyper::{
    StatusCode,
    header::{CONTENT_SECURITY_POLICY, HeaderValue, REFERRER_POLICY},
};

use super::reply::{Reply, reply, uncached};

const PAGE: &str = include_str!("page.html");

/// Forbids everything but the style and the script of the page, by their hashes, and requests to
/// this server. A test prints the hashes.
const POLICY: &str = "default-src 'none'; \
    style-src 'sha256-jmtqsDlTSGmgOPsk6ZiUMQyfdF3Nb3M3ePjGyJtjR6M='; \
    script-src 'sha256-cptolWEWl+y6IkGsvFpdi3+48RP8MuAZhs1Qsi3U1ro='; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(super) fn page() -> Reply {
    let mut page = uncached(reply(StatusCode::OK, "text/html; charset=utf-8", PAGE));
    let headers = page.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    page
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::STANDARD};
    use ring::digest::{SHA256, digest};

    use super::*;

    #[test]
    fn the_policy_has_the_hashes_of_the_style_and_the_script() {
        for element in ["style", "script"] {
            let (_, rest) = PAGE.split_once(&format!("<{element}>")).expect("it begins once");
            let (content, after) = rest.split_once(&format!("</{element}>")).expect("it ends");
            assert!(!after.contains(&format!("<{element}")), "there is one {element}");
            let hash = STANDARD.encode(digest(&SHA256, content.as_bytes()));
            let source = format!("{element}-src 'sha256-{hash}'");
            assert!(POLICY.contains(&source), "the policy of the page needs: {source}");
        }
    }

    #[test]
    fn the_page_names_no_other_host_and_writes_no_markup() {
        for forbidden in ["http:", "https:", "//cdn", "innerHTML", "insertAdjacentHTML", "eval("] {
            assert!(!PAGE.contains(forbidden), "{forbidden}");
        }
    }
}
