//! What of a head goes on, and what stays with the connection it came over (RFC 9110 section 7.6.1).

use std::sync::Arc;

use http::header::{CONNECTION, EXPECT, HOST, TE, UPGRADE};
use http::uri::{PathAndQuery, Uri};
use http::{HeaderMap, HeaderValue, Request, Version};
use hyper::upgrade::OnUpgrade;

use super::reverse::Facade;
use super::{Way, unsendable};
use crate::model::fields::is_hop_by_hop;
use crate::model::{Failure, Fields, Informational, Scheme};
use crate::recorder::ResponseHead;
use crate::wire::HeadLines;

/// Whether the client asks for another protocol on this connection. `h2c` is not passed on: retake speaks HTTP/2 with
/// each side by itself.
pub(super) fn wants_upgrade(headers: &HeaderMap) -> bool {
    let named = headers.get(UPGRADE).is_some_and(|value| !value.as_bytes().eq_ignore_ascii_case(b"h2c"));
    named && lists(headers, &CONNECTION, "upgrade")
}

/// Whether the client waits to be asked for its body.
pub(super) fn expects_continue(headers: &HeaderMap) -> bool {
    headers.get(EXPECT).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

fn lists(headers: &HeaderMap, name: &http::HeaderName, member: &str) -> bool {
    let members = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    members.flat_map(|value| value.split(',')).any(|found| found.trim().eq_ignore_ascii_case(member))
}

/// The names that a message's `Connection` fields list.
fn listed_names(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all(CONNECTION).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(|name| name.trim().to_ascii_lowercase()).collect()
}

/// Whether a field of that name stays with its connection. `Trailer` goes on: it announces what follows the body, and
/// hyper writes no trailer that is not announced.
fn stays(name: &str, listed: &[String]) -> bool {
    let hop = is_hop_by_hop(name) && !name.eq_ignore_ascii_case("trailer");
    hop || listed.iter().any(|other| other.eq_ignore_ascii_case(name)) || starts_with_proxy(name)
}

/// `Proxy-…` speaks to us; a bare `Proxy` would become `HTTP_PROXY` in a CGI program.
fn starts_with_proxy(name: &str) -> bool {
    let prefix = name.get(..6);
    name.eq_ignore_ascii_case("proxy") || prefix.is_some_and(|prefix| prefix.eq_ignore_ascii_case("proxy-"))
}

/// The request for the upstream client, and the client's side of an upgrade.
///
/// # Errors
/// When the target cannot stand in a URI.
pub(super) fn upstream_request<B>(
    mut head: http::request::Parts,
    body: B,
    way: &Way,
    speaks_http2: Option<bool>,
) -> Result<(Request<B>, Option<OnUpgrade>), Failure> {
    let client_upgrade = head.extensions.remove::<OnUpgrade>();
    let absolute = head.uri.authority().is_some() && head.version != Version::HTTP_2;
    head.uri = target(&head.uri, way)?;
    // The client raises the version again on HTTP/2, and cannot lower it on HTTP/1.1.
    head.version = Version::HTTP_11;
    let host = host_value(&head.headers, way, absolute)?;
    head.headers = passed_on(std::mem::take(&mut head.headers), way);
    place_host(&mut head.headers, host, way, speaks_http2);
    Ok((Request::from_parts(head, body), client_upgrade.filter(|_| way.upgrade)))
}

fn target(uri: &Uri, way: &Way) -> Result<Uri, Failure> {
    let path = uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    Uri::builder()
        .scheme(way.origin.scheme.as_str())
        .authority(way.origin.host_field())
        .path_and_query(path)
        .build()
        .map_err(|error| unsendable(&way.origin, error))
}

/// What `Host` says: the client's own value, except where the target of the request decides (RFC 9112 section 3.2.2),
/// or where we stand in for the origin.
fn host_value(headers: &HeaderMap, way: &Way, absolute: bool) -> Result<HeaderValue, Failure> {
    match headers.get(HOST) {
        Some(host) if !absolute && way.facade.is_none() => Ok(host.clone()),
        _ => HeaderValue::try_from(way.origin.host_field()).map_err(|error| unsendable(&way.origin, error)),
    }
}

/// Puts `Host` where it was. Towards an origin that speaks HTTP/2, or may, it is left out when it says no more than
/// `:authority`; the upstream client adds it at the end if the connection turns out to be HTTP/1.1.
fn place_host(headers: &mut HeaderMap, host: HeaderValue, way: &Way, speaks_http2: Option<bool>) {
    let http1 = way.origin.scheme == Scheme::Http || way.upgrade || speaks_http2 == Some(false);
    let derived = host.as_bytes().eq_ignore_ascii_case(way.origin.host_field().as_bytes());
    if http1 || !derived {
        // The names came from a map that held one more.
        let _ = headers.try_insert(HOST, host);
    } else {
        *headers = filtered(std::mem::take(headers), |name| name != HOST);
    }
}

/// The request's fields that go on, in order.
fn passed_on(headers: HeaderMap, way: &Way) -> HeaderMap {
    let listed = listed_names(&headers);
    let trailers = lists(&headers, &TE, "trailers");
    let upgrade = way.upgrade.then(|| headers.get(UPGRADE).cloned()).flatten();
    let mut kept = filtered(headers, |name| !stays(name.as_str(), &listed) || name == HOST);
    if trailers {
        let _ = kept.try_insert(TE, HeaderValue::from_static("trailers"));
    }
    if let Some(protocol) = upgrade {
        let _ = kept.try_insert(CONNECTION, HeaderValue::from_static("upgrade"));
        let _ = kept.try_insert(UPGRADE, protocol);
    }
    kept
}

/// The map without some names, in its order: `HeaderMap::remove` would move the last one into the gap.
fn filtered(headers: HeaderMap, keep: impl Fn(&http::HeaderName) -> bool) -> HeaderMap {
    if headers.keys().all(&keep) {
        return headers;
    }
    let mut kept = HeaderMap::with_capacity(headers.keys_len());
    let mut last = None;
    for (name, value) in headers {
        // Repeats of a name come without it.
        last = name.or(last);
        if let Some(name) = last.as_ref().filter(|name| keep(name)) {
            let _ = kept.try_append(name.clone(), value);
        }
    }
    kept
}

/// The lines of the answer's head that go on to the client, in the origin's order and spelling.
pub(super) fn for_client(head: &ResponseHead, way: &Way) -> HeadLines {
    let fields = fields_for_client(&head.fields, way.facade.as_ref());
    // hyper writes 100 and 101 by itself, and the first ones may be at the client already.
    let interim = head.informational.iter().filter(|interim| !matches!(interim.status, 100 | 101));
    let left = interim.skip(way.early.as_ref().map_or(0, |early| early.passed()));
    let informational = left.map(|interim| interim_for_client(interim, way.facade.as_ref())).collect();
    HeadLines { fields: Arc::new(fields), informational, whole: true }
}

/// An interim response as it goes on to the client.
pub(super) fn interim_for_client(interim: &Informational, facade: Option<&Facade>) -> Informational {
    let mut fields = fields_for_client(&interim.fields, facade);
    // It has no content to speak of (RFC 9110 section 8.6).
    fields.retain(|field| !field.is("content-length"));
    Informational { status: interim.status, fields }
}

fn fields_for_client(fields: &Fields, facade: Option<&Facade>) -> Fields {
    let listed: Vec<String> = fields.members("connection").iter().map(|name| name.to_ascii_lowercase()).collect();
    let mut fields = fields.clone();
    // `Alt-Svc` would send the client away from us, to HTTP/3.
    fields.retain(|field| !stays(&field.name, &listed) && !field.is("alt-svc"));
    if let Some(facade) = facade {
        facade.rewrite(&mut fields);
    }
    fields
}

/// What hyper itself has to know of the lines that the screen writes: how long the body is, and which trailers follow.
pub(super) fn framing(lines: &Fields) -> HeaderMap {
    let framing = lines.iter().filter(|field| field.is("content-length") || field.is("trailer"));
    framing.cloned().collect::<Fields>().to_map()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::HttpVersion;
    use crate::recorder::RequestBody;

    fn way(origin: &str) -> Way {
        Way {
            origin: origin.parse().unwrap(),
            method: http::Method::GET,
            client_version: HttpVersion::Http11,
            facade: None,
            upgrade: false,
            expects: false,
            early: None,
        }
    }

    fn sent(target: &str, fields: &[(&str, &str)], way: &Way, http2: Option<bool>) -> Request<RequestBody> {
        let mut request = Request::builder().uri(target);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        upstream_request(head, RequestBody::none(), way, http2).unwrap().0
    }

    fn names(request: &Request<RequestBody>) -> Vec<&str> {
        request.headers().keys().map(http::HeaderName::as_str).collect()
    }

    #[test]
    fn fields_of_one_connection_stay_and_the_order_holds() {
        let request = sent(
            "http://a.example/x?q=%2f",
            &[
                ("host", "wrong.example"),
                ("proxy-connection", "keep-alive"),
                ("x-first", "1"),
                ("connection", "close, X-Hop"),
                ("x-hop", "2"),
                ("te", "trailers, deflate"),
                ("proxy-authorization", "Basic eA=="),
                ("proxy", "http://evil"),
                ("keep-alive", "5"),
                ("x-mock-response-code", "404"),
                ("x-last", "3"),
            ],
            &way("http://a.example"),
            None,
        );
        assert_eq!(names(&request), ["host", "x-first", "x-mock-response-code", "x-last", "te"]);
        assert_eq!(request.headers()["te"], "trailers");
        assert_eq!(request.headers()["host"], "a.example", "the target decides, not the field");
        assert_eq!(request.uri(), "http://a.example/x?q=%2f");
    }

    #[test]
    fn host_is_left_out_only_where_http2_may_be_spoken() {
        let tls = way("https://a.example");
        let fields = [("host", "a.example"), ("x", "1")];
        assert_eq!(names(&sent("/", &fields, &tls, Some(false))), ["host", "x"]);
        assert_eq!(names(&sent("/", &fields, &tls, Some(true))), ["x"]);
        assert_eq!(names(&sent("/", &fields, &tls, None)), ["x"]);
        let other = [("host", "b.example")];
        assert_eq!(sent("/", &other, &tls, None).headers()["host"], "b.example", "a client's own choice is kept");
    }

    #[test]
    fn an_upgrade_goes_on_and_h2c_does_not() {
        let map = |protocol: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(UPGRADE, protocol.parse().unwrap());
            headers.insert(CONNECTION, "keep-alive, Upgrade".parse().unwrap());
            headers
        };
        assert!(wants_upgrade(&map("websocket")));
        assert!(!wants_upgrade(&map("h2c")));
        let mut upgrading = way("http://a.example");
        upgrading.upgrade = true;
        let request = sent("/", &[("upgrade", "websocket"), ("connection", "Upgrade")], &upgrading, None);
        assert_eq!(request.headers()["upgrade"], "websocket");
        assert_eq!(request.headers()["connection"], "upgrade");
    }

    #[test]
    fn the_client_gets_the_lines_of_the_origin_without_those_of_the_connection() {
        let mut fields = Fields::new();
        for (name, value) in [
            ("Server", "x"),
            ("Set-Cookie", "a=1"),
            ("Alt-Svc", "h3=\":443\""),
            ("X-Mid", "1"),
            ("Set-Cookie", "b=2"),
            ("Connection", "close, X-Mid"),
            ("Transfer-Encoding", "chunked"),
        ] {
            fields.push(name, value);
        }
        let hints: Fields = [("Link", "</a>"), ("Connection", "close"), ("Content-Length", "0")]
            .map(|(n, v)| crate::model::Field::new(n, v))
            .into_iter()
            .collect();
        let interim = |status| Informational { status, fields: hints.clone() };
        let head = ResponseHead {
            version: HttpVersion::Http11,
            status: 200,
            reason: None,
            fields,
            informational: vec![interim(100), interim(103)],
        };
        let lines = for_client(&head, &way("https://a.example"));
        let names: Vec<_> = lines.fields.iter().map(|field| field.name.as_str()).collect();
        assert_eq!(names, ["Server", "Set-Cookie", "Set-Cookie"]);
        assert_eq!(lines.informational.len(), 1);
        let names: Vec<_> = lines.informational[0].fields.iter().map(|field| field.name.as_str()).collect();
        assert_eq!(names, ["Link"]);
    }
}
