//! A request as the bytes of HTTP/1.1: for `nc` and `openssl s_client`.

use super::fields;
use crate::model::RequestRecord;

/// The message; `body` are its stored bytes. Its length is said anew, and a chunked body stands whole.
pub fn raw(request: &RequestRecord, body: &[u8]) -> Vec<u8> {
    let mut out = format!("{} {} HTTP/1.1\r\n", request.method, request.target()).into_bytes();
    if !request.fields.has("host") {
        let origin = request.origin.to_string();
        let authority = origin.split_once("://").map_or("", |(_, authority)| authority);
        out.extend_from_slice(format!("Host: {authority}\r\n").as_bytes());
    }
    for field in fields(request) {
        out.extend_from_slice(field.name.as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(&field.value);
        out.extend_from_slice(b"\r\n");
    }
    if !body.is_empty() || request.fields.has("content-length") {
        out.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(body);
    out
}
