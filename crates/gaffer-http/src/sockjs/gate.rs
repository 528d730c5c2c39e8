//! Which web pages may connect.
//!
//! Other calls can trust in the header `Origin`: a browser sends it with whatever a page can do harm with. Here pages can connect by what
//! has none, a script or a page in a frame. So what a browser says otherwise about where a request comes from counts too; programs
//! say nothing of the kind, and are not asked.

use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri, header};

use crate::origin::Origins;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whether whoever made a request may connect.
pub(super) fn allows(origins: &Origins, headers: &HeaderMap, uri: &Uri) -> bool {
    if headers.contains_key(header::ORIGIN) || *origins == Origins::Any {
        return origins.allow(headers, uri);
    }
    let site = headers.get(SEC_FETCH_SITE).map(HeaderValue::as_bytes);
    // `none` is a user who typed the address. A program says neither; a browser says only where its page is if this is no
    // loopback address and not secure either.
    let is_nobodys = matches!(site, None | Some(b"none")) && !headers.contains_key(header::REFERER);
    if is_nobodys {
        return true;
    }
    let own = || headers.get(header::HOST).and_then(|host| host.to_str().ok()).map(|host| format!("http://{host}"));
    let referrer = || headers.get(header::REFERER).and_then(|referrer| origin_of(referrer.to_str().ok()?));
    let origin = if site == Some(b"same-origin") { referrer().or_else(own) } else { referrer() };
    // Who hides its page is nobody that we know.
    origin.is_some_and(|origin| origins.allow_origin(&origin, headers, uri))
}

fn origin_of(address: &str) -> Option<String> {
    let (scheme, rest) = address.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    Some(format!("{scheme}://{authority}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn may(origins: &Origins, headers: &[(&'static str, &str)]) -> bool {
        let headers = headers.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        allows(origins, &headers.collect(), &Uri::from_static("/channel/0/x/jsonp"))
    }

    #[test]
    fn a_page_is_known_by_what_its_browser_says() {
        let local = Origins::Local;
        for (headers, expected) in [
            (&[][..], true),
            (&[("origin", "http://localhost:8080")], true),
            (&[("origin", "http://evil.example")], false),
            (&[("origin", "http://evil.example"), ("referer", "http://localhost/")], false),
            (&[("sec-fetch-site", "none")], true),
            (&[("referer", "http://evil.example:5000/")], false),
            (&[("referer", "http://localhost:8080/")], true),
            (&[("sec-fetch-site", "cross-site")], false),
            (&[("sec-fetch-site", "cross-site"), ("referer", "http://evil.example/x?http://localhost/")], false),
            (&[("sec-fetch-site", "cross-site"), ("referer", "http://localhost:8080/a/b")], true),
            (&[("sec-fetch-site", "same-site"), ("referer", "http://127.0.0.1:8080")], true),
            (&[("sec-fetch-site", "same-origin"), ("host", "127.0.0.1:5000")], true),
            // A name that somebody has resolve to this node.
            (&[("sec-fetch-site", "same-origin"), ("host", "evil.example:5000")], false),
            (
                &[("sec-fetch-site", "same-origin"), ("host", "evil.example"), ("referer", "http://evil.example/")],
                false,
            ),
        ] {
            assert_eq!(may(&local, headers), expected, "{headers:?}");
        }
        assert!(may(&Origins::Any, &[("sec-fetch-site", "cross-site")]));
        let listed = Origins::from_list(&["https://admin.example"]).unwrap();
        assert!(may(&listed, &[("sec-fetch-site", "cross-site"), ("referer", "https://admin.example/")]));
    }
}
