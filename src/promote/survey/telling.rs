//! Names that say what a value is: made up for one call, a cursor, an id, a part of a signature.

/// A name as it is compared: the last part of a pointer, in lower case, without `-`, `_`, `.` and brackets.
pub(super) fn plain(name: &str) -> String {
    let last = name.rsplit('/').find(|part| !part.is_empty() && *part != "*").unwrap_or(name);
    let kept = last.chars().filter(|character| character.is_ascii_alphanumeric());
    let plain: String = kept.map(|character| character.to_ascii_lowercase()).collect();
    // A cache buster may be called `_` alone.
    if plain.is_empty() { last.to_owned() } else { plain }
}

/// Names of values that mean nothing but that this call is this call, whatever they look like.
const ALWAYS_FRESH: [&str; 31] = [
    "_",
    "nonce",
    "cb",
    "cachebuster",
    "cachebust",
    "rnd",
    "rand",
    "idempotencykey",
    "xidempotencykey",
    "idempotencytoken",
    "requestid",
    "xrequestid",
    "clientrequestid",
    "clientmutationid",
    "clienttoken",
    "correlationid",
    "xcorrelationid",
    "traceid",
    "spanid",
    "traceparent",
    "oauthnonce",
    "oauthtimestamp",
    "oauthsignature",
    "deduplicationid",
    "messagededuplicationid",
    "codechallenge",
    "codeverifier",
    "invocationid",
    "amzsdkinvocationid",
    "jti",
    "boundary",
];

/// Names of values that are made up for the call where they look random.
const FRESH_IF_RANDOM: [&str; 10] =
    ["state", "random", "salt", "seed", "request", "requesttoken", "idempotency", "dedupid", "ts", "t"];

/// Names of sessions: a random one that no answer gave was made up by the client, and stands for who it is.
const SESSIONS: [&str; 6] = ["session", "sessionid", "sid", "sessionkey", "visitorid", "deviceid"];

/// Names by which clients refer to what they create; random ones are made up for the call that creates.
const FRESH_IN_CREATION: [&str; 19] = [
    "clientref",
    "clientreference",
    "clientorderid",
    "clientid",
    "reference",
    "ref",
    "referenceid",
    "externalid",
    "externalref",
    "externalreference",
    "transactionid",
    "batchid",
    "messageid",
    "msgid",
    "eventid",
    "uuid",
    "guid",
    "sessionid",
    "token",
];

/// Names of cursors and page tokens.
const CURSORS: [&str; 22] = [
    "cursor",
    "nextcursor",
    "after",
    "before",
    "pagetoken",
    "nextpagetoken",
    "continuationtoken",
    "continuation",
    "nexttoken",
    "startingafter",
    "endingbefore",
    "startcursor",
    "endcursor",
    "marker",
    "nextmarker",
    "scrollid",
    "offsettoken",
    "bookmark",
    "startafter",
    "exclusivestartkey",
    "synctoken",
    "resumetoken",
];

/// Whether a value of this name is made up for each call.
pub(super) fn is_always_fresh(name: &str) -> bool {
    ALWAYS_FRESH.contains(&plain(name).as_str())
}

/// Whether a value of this name is made up for each call, if it looks so.
pub(super) fn is_fresh_if_random(name: &str) -> bool {
    FRESH_IF_RANDOM.contains(&plain(name).as_str())
}

/// Whether a value of this name names a session.
pub(super) fn is_session(name: &str) -> bool {
    SESSIONS.contains(&plain(name).as_str())
}

/// Whether a value of this name is made up for each call that creates something, if it looks random.
pub(super) fn is_fresh_in_creation(name: &str) -> bool {
    FRESH_IN_CREATION.contains(&plain(name).as_str())
}

/// Whether this is the name of a cursor or page token.
pub(super) fn is_cursor(name: &str) -> bool {
    CURSORS.contains(&plain(name).as_str())
}

/// Whether values of this name name a thing: `id`, `order_id`, `userId`, `number`.
pub(super) fn is_id(name: &str) -> bool {
    let last = name.rsplit('/').find(|part| !part.is_empty() && *part != "*").unwrap_or(name);
    let plain = plain(name);
    matches!(plain.as_str(), "id" | "number" | "key" | "uid" | "pk" | "slug" | "code")
        || last.ends_with("_id")
        || last.ends_with("-id")
        || last.ends_with("Id")
        || last.ends_with("ID")
        || last.ends_with("_ids")
        || last.ends_with("Ids")
}

/// Whether this is what answers call the id of the thing itself.
pub(super) fn is_own_id(name: &str, singular: &str) -> bool {
    let plain = plain(name);
    matches!(plain.as_str(), "id" | "uid" | "uuid" | "guid" | "key" | "number")
        || (!singular.is_empty() && plain == format!("{}id", self::plain(singular)))
}

/// Signed URLs: the parameter that shows one, and the parameters that change with the signature.
const SIGNED: [(&str, &[&str]); 6] = [
    (
        "x-amz-signature",
        &["x-amz-signature", "x-amz-date", "x-amz-credential", "x-amz-expires", "x-amz-security-token"],
    ),
    ("x-goog-signature", &["x-goog-signature", "x-goog-date", "x-goog-credential", "x-goog-expires"]),
    ("x-oss-signature", &["x-oss-signature", "x-oss-date", "x-oss-credential", "x-oss-expires"]),
    ("sig", &["sig", "se", "st", "skt", "ske", "skoid", "sktid"]),
    ("key-pair-id", &["signature", "expires", "policy"]),
    ("signature", &["signature", "expires", "awsaccesskeyid", "googleaccessid", "ossaccesskeyid"]),
];

/// The parameters of a signed URL that change with the signature; `has` tells whether the query has a parameter of this
/// name, in lower case.
pub(super) fn signed(has: impl Fn(&str) -> bool) -> &'static [&'static str] {
    let found = SIGNED.iter().find(|(mark, family)| {
        let companions = match *mark {
            "sig" => has("se") && has("sv"),
            "signature" => has("expires") && family[2..].iter().any(|name| has(name)),
            "key-pair-id" => has("signature"),
            _ => true,
        };
        has(mark) && companions
    });
    found.map_or(&[], |(_, family)| family)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_people_write_them() {
        assert!(is_always_fresh("Idempotency-Key") && is_always_fresh("/meta/request_id") && is_always_fresh("_"));
        assert!(!is_always_fresh("state") && is_fresh_if_random("state"));
        assert!(is_cursor("page_token") && is_cursor("/variables/after") && !is_cursor("page"));
        assert!(is_id("orderId") && is_id("/items/*/product_id") && !is_id("paid") && !is_id("valid"));
        assert!(is_own_id("/id", "order") && is_own_id("order_id", "order") && !is_own_id("user_id", "order"));
    }

    #[test]
    fn signed_urls_are_known_by_their_companions() {
        let of = |names: &'static [&'static str]| signed(move |name| names.contains(&name));
        assert!(of(&["x-amz-signature", "x-amz-date"]).contains(&"x-amz-date"));
        assert!(of(&["sv", "se", "sig", "sp"]).contains(&"se"));
        assert!(of(&["signature", "expires", "googleaccessid"]).contains(&"expires"));
        assert!(of(&["sig", "q"]).is_empty() && of(&["signature"]).is_empty());
    }
}
