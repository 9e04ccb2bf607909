//! Expiries of recorded cookies, moved by the age of the recording: a login recorded last month still logs in.

use jiff::Timestamp;

use crate::model::{Field, Fields, date as dates};

/// Moves each `Expires` of a `Set-Cookie` line that lay after `recorded` by the time from then to `now`. An expiry in
/// the past (a cookie being deleted) and a date that cannot be read stay as they are. Whether any was moved.
pub fn shift(fields: &mut Fields, recorded: Timestamp, now: Timestamp) -> bool {
    let mut moved = false;
    for field in fields.iter_mut().filter(|field| field.is("set-cookie")) {
        if let Some(shifted) = shifted(&field.text(), recorded, now) {
            *field = Field::new(std::mem::take(&mut field.name), shifted);
            moved = true;
        }
    }
    moved
}

fn shifted(cookie: &str, recorded: Timestamp, now: Timestamp) -> Option<String> {
    let mut parts: Vec<String> = cookie.split(';').map(str::to_owned).collect();
    let part = parts.iter_mut().skip(1).find(|part| part.trim_start().to_ascii_lowercase().starts_with("expires="))?;
    let (name, date) = part.split_once('=')?;
    let expires = dates::of_cookie(date)?;
    if expires <= recorded {
        return None;
    }
    let moved = now.checked_add(expires.duration_since(recorded)).ok()?;
    let separator = if date.contains('-') { "%a, %d-%b-%Y %H:%M:%S GMT" } else { "%a, %d %b %Y %H:%M:%S GMT" };
    *part = format!("{name}={}", moved.strftime(separator));
    Some(parts.join(";"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn an_expiry_in_the_future_moves_with_the_recording() {
        for (cookie, moved) in [
            (
                "a=b; Expires=Wed, 21 Oct 2026 07:28:00 GMT; Path=/",
                "a=b; Expires=Fri, 20 Nov 2026 07:28:00 GMT; Path=/",
            ),
            ("a=b; expires=Wed, 21-Oct-2026 07:28:00 GMT", "a=b; expires=Fri, 20-Nov-2026 07:28:00 GMT"),
            ("a=b; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "a=b; Expires=Thu, 01 Jan 1970 00:00:00 GMT"),
            ("a=b; Expires=soon", "a=b; Expires=soon"),
            ("a=b; Max-Age=60", "a=b; Max-Age=60"),
            ("expires=x", "expires=x"),
        ] {
            let mut fields = Fields::new();
            fields.push("Set-Cookie", cookie);
            let has_moved = shift(&mut fields, at("2026-10-20T00:00:00Z"), at("2026-11-19T00:00:00Z"));
            assert_eq!((fields.text("set-cookie").unwrap().as_ref(), has_moved), (moved, cookie != moved));
        }
    }
}
