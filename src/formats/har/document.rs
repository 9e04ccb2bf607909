//! The shape of an entry as it is written (HAR 1.2), with the names of the format. A member is none where the file that
//! an exchange came from has its own, which is written in its place.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::cookies::Cookie;
use super::own::Own;
use super::text::Text;
use super::timings::Phases;
use crate::model::Field;

/// One entry of `log.entries`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Entry<'a> {
    pub(super) started_date_time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) time: Option<f64>,
    pub(super) request: Request<'a>,
    pub(super) response: Response<'a>,
    pub(super) cache: &'a Map<String, Value>,
    pub(super) timings: Timings<'a>,
    #[serde(rename = "serverIPAddress", skip_serializing_if = "Option::is_none")]
    pub(super) server_ip_address: Option<&'a str>,
    #[serde(rename = "_error", skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<&'a str>,
    #[serde(flatten)]
    pub(super) vendor: &'a Map<String, Value>,
    #[serde(rename = "_retake")]
    pub(super) own: OwnEntry<'a>,
}

/// Phases of our own, or those of the file that the entry came from.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Timings<'a> {
    Ours(Phases),
    Theirs(&'a Map<String, Value>),
}

/// `_retake`, with the coded bodies that the texts do not give back.
#[derive(Serialize)]
pub(super) struct OwnEntry<'a> {
    #[serde(flatten)]
    pub(super) own: Own,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) request_coded: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) response_coded: Option<Text<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request<'a> {
    pub(super) method: &'a str,
    pub(super) url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) http_version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cookies: Option<Vec<Cookie>>,
    pub(super) headers: Vec<Header>,
    pub(super) query_string: Vec<Pair>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) post_data: Option<PostData<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) headers_size: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) body_size: Option<i64>,
    #[serde(flatten)]
    pub(super) vendor: &'a Map<String, Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PostData<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mime_type: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) params: Vec<Param>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<Text<'a>>,
    /// HAR 1.2 has an encoding for responses only.
    #[serde(rename = "_encoding", skip_serializing_if = "Option::is_none")]
    pub(super) encoding: Option<&'static str>,
    #[serde(flatten)]
    pub(super) vendor: &'a Map<String, Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Response<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) status_text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) http_version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cookies: Option<Vec<Cookie>>,
    pub(super) headers: Vec<Header>,
    pub(super) content: Content<'a>,
    #[serde(rename = "redirectURL", skip_serializing_if = "Option::is_none")]
    pub(super) redirect_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) headers_size: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) body_size: Option<i64>,
    #[serde(flatten)]
    pub(super) vendor: &'a Map<String, Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Content<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) compression: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mime_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) encoding: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) comment: Option<String>,
    #[serde(flatten)]
    pub(super) vendor: &'a Map<String, Value>,
}

/// A decoded pair of the query.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Pair {
    pub(super) name: String,
    pub(super) value: String,
}

/// A part of a form.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Param {
    pub(super) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) file_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content_type: Option<String>,
}

/// A field line. A value that is no UTF-8 is written as Latin-1, and its bytes beside it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) name: String,
    pub(super) value: String,
    #[serde(rename = "_base64", default, skip_serializing_if = "Option::is_none")]
    pub(super) base64: Option<String>,
}

impl Header {
    pub(super) fn of(field: &Field) -> Header {
        let is_text = std::str::from_utf8(&field.value).is_ok();
        let base64 = (!is_text).then(|| STANDARD.encode(&field.value));
        Header { name: field.name.clone(), value: field.text().into_owned(), base64 }
    }

    /// The line, with the bytes that it had.
    pub(super) fn field(self) -> Field {
        let bytes = self.base64.and_then(|coded| STANDARD.decode(coded).ok());
        Field::new(self.name, bytes.unwrap_or_else(|| self.value.into_bytes()))
    }
}
