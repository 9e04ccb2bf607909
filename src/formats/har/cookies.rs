//! Cookies as HAR lists them: pairs of `Cookie` lines, and `Set-Cookie` lines with their attributes (RFC 6265).

use serde::Serialize;

use crate::model::{Fields, date, fields};

/// One cookie.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Cookie {
    name: String,
    value: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    domain: Option<String>,
    /// ISO 8601.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    http_only: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secure: Option<bool>,
    #[serde(rename = "_sameSite", skip_serializing_if = "Option::is_none")]
    same_site: Option<String>,
    #[serde(rename = "_maxAge", skip_serializing_if = "Option::is_none")]
    max_age: Option<String>,
}

/// The cookies that a request sent.
pub(super) fn sent(fields: &Fields) -> Vec<Cookie> {
    let lines: Vec<String> = fields.all("cookie").map(|value| fields::text_of(value).into_owned()).collect();
    let pairs = lines.iter().flat_map(|line| line.split(';')).map(str::trim).filter(|pair| !pair.is_empty());
    pairs.map(cookie).collect()
}

/// The cookies that a response set.
pub(super) fn set(fields: &Fields) -> Vec<Cookie> {
    fields.all("set-cookie").map(|value| of_line(&fields::text_of(value))).collect()
}

fn of_line(line: &str) -> Cookie {
    let mut parts = line.split(';').map(str::trim);
    let mut cookie = cookie(parts.next().unwrap_or_default());
    (cookie.http_only, cookie.secure) = (Some(false), Some(false));
    for part in parts {
        let (name, value) = part.split_once('=').map_or((part, ""), |(name, value)| (name.trim(), value.trim()));
        let value = || Some(value.to_owned());
        match name.to_ascii_lowercase().as_str() {
            "path" => cookie.path = value(),
            "domain" => cookie.domain = value(),
            "expires" => cookie.expires = date::of_cookie(&value().unwrap_or_default()).map(|at| at.to_string()),
            "httponly" => cookie.http_only = Some(true),
            "secure" => cookie.secure = Some(true),
            "samesite" => cookie.same_site = value(),
            "max-age" => cookie.max_age = value(),
            _ => {}
        }
    }
    cookie
}

fn cookie(pair: &str) -> Cookie {
    let (name, value) = pair.split_once('=').unwrap_or(("", pair));
    Cookie { name: name.trim().to_owned(), value: value.trim().to_owned(), ..Cookie::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_read_and_pairs_told_apart() {
        let mut fields = Fields::new();
        fields.push("Cookie", "a=1; b=x=y;c");
        fields.push(
            "Set-Cookie",
            "sid=9; Path=/; Expires=Wed, 21-Oct-2026 07:28:00 GMT; HttpOnly; SameSite=Lax; Max-Age=60",
        );
        let sent = sent(&fields);
        let pairs: Vec<_> = sent.iter().map(|cookie| (cookie.name.as_str(), cookie.value.as_str())).collect();
        assert_eq!(pairs, [("a", "1"), ("b", "x=y"), ("", "c")]);
        assert_eq!(
            serde_json::to_value(&set(&fields)[0]).unwrap(),
            serde_json::json!({
                "name": "sid", "value": "9", "path": "/", "expires": "2026-10-21T07:28:00Z", "httpOnly": true,
                "secure": false, "_sameSite": "Lax", "_maxAge": "60"
            })
        );
    }
}
