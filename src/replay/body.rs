//! The body of a call, read whole: matching needs it so. Bounded in size, and in how long a client may be silent.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::fallback::ReadBody;
use super::refusal::Refused;
use crate::model::{Fields, coding};
use crate::wire::call::BodyError;

/// The largest request body that is read, in bytes, coded and decoded alike. Matching needs a body whole.
pub const BODY_MAX: u64 = 256 * 1024 * 1024;
/// How long the client may be silent in the middle of a request's body.
const BODY_IDLE: Duration = Duration::from_secs(120);
/// The whole body, content coding undone where it could be.
pub(super) async fn read(body: hyper::body::Incoming, fields: &Fields) -> Result<ReadBody, Refused> {
    if hyper::body::Body::is_end_stream(&body) {
        return Ok(ReadBody { decoded: Bytes::new(), raw: Bytes::new() });
    }
    let raw = whole(body).await?;
    let bytes = raw.clone();
    let decoded = match coding::codings(fields) {
        // A body that cannot be decoded is compared as it came.
        Ok(codings) if !codings.is_empty() => coding::decode(&bytes, &codings, BODY_MAX).map_or(bytes, Bytes::from),
        _ => bytes,
    };
    Ok(ReadBody { decoded, raw })
}

/// All bytes of a body; a client that stops in the middle of it does not keep its connection for ever.
async fn whole<B>(body: B) -> Result<Bytes, Refused>
where
    B: hyper::body::Body<Data = Bytes, Error: Into<BodyError>> + Unpin,
{
    let mut body = Limited::new(body, usize::try_from(BODY_MAX).unwrap_or(usize::MAX));
    let (mut first, mut more) = (Bytes::new(), Vec::new());
    loop {
        let frame = match tokio::time::timeout(BODY_IDLE, body.frame()).await {
            Err(_) => return Err(Refused::Stalled(BODY_IDLE)),
            Ok(None) => break,
            Ok(Some(Err(error))) if error.is::<LengthLimitError>() => {
                return Err(Refused::TooLarge(BODY_MAX));
            }
            Ok(Some(Err(error))) => return Err(Refused::Broken(error.to_string())),
            Ok(Some(Ok(frame))) => frame,
        };
        match frame.into_data() {
            // Most bodies come in one piece, which needs no copy.
            Ok(data) if first.is_empty() => first = data,
            Ok(data) => {
                if more.is_empty() {
                    more.extend_from_slice(&first);
                }
                more.extend_from_slice(&data);
            }
            Err(_trailers) => {}
        }
    }
    Ok(if more.is_empty() { first } else { Bytes::from(more) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::StreamBody;
    use hyper::body::Frame;

    fn pieces(parts: &[&'static str]) -> Vec<Result<Frame<Bytes>, BodyError>> {
        parts.iter().map(|part| Ok(Frame::data(Bytes::from_static(part.as_bytes())))).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_is_read_whole_and_a_client_that_stops_is_given_up() {
        for (parts, all) in [(&["ab"][..], "ab"), (&["ab", "", "cd", "e"][..], "abcde"), (&[][..], "")] {
            let body = StreamBody::new(futures_util::stream::iter(pieces(parts)));
            assert_eq!(whole(body).await.unwrap(), all);
        }
        let begun = futures_util::stream::iter(pieces(&["ab"]));
        let silent = futures_util::StreamExt::chain(begun, futures_util::stream::pending());
        assert!(matches!(whole(StreamBody::new(silent)).await, Err(Refused::Stalled(_))));
    }
}
