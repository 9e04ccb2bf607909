//! One request to the live API, and its answer: decoded, masked, and named as the recorded one is.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;

use super::plan::Request;
use super::{VerifyPlan, naming};
use crate::drift::Answer;
use crate::model::media::Kind;
use crate::model::{Fields, coding};
use crate::redact::{MaskKey, MaskRules, Masker};
use crate::tls::{self, TlsError};
use crate::wire::Body;
use crate::wire::upstream::{Limits, Upstream, words};

/// The longest content that is compared, coded or decoded.
const LONGEST: usize = 16 * 1024 * 1024;

pub(super) struct Sender {
    upstream: Upstream<Body>,
    timeout: Duration,
    mask: MaskRules,
    /// What a report masks need not be the same in another.
    key: MaskKey,
}

impl Sender {
    pub(super) fn new(plan: &VerifyPlan) -> Result<Sender, TlsError> {
        let config = tls::client_config(&plan.trust)?;
        Ok(Sender {
            upstream: Upstream::new(config, Limits::default()),
            timeout: plan.timeout,
            mask: plan.mask.clone(),
            key: MaskKey(crate::store::random_key()),
        })
    }

    /// The answer, or why there is none. Dropping the future gives the request up.
    pub(super) async fn send(&self, request: &Request) -> Result<Answer, String> {
        let answered = tokio::time::timeout(self.timeout, self.exchange(request)).await;
        // A URL in a message may carry a secret that was put back.
        let masker = self.masker();
        answered
            .unwrap_or_else(|_| Err(format!("no whole answer within {}", words(self.timeout))))
            .map_err(|reason| masker.text(&reason).into_owned())
    }

    async fn exchange(&self, request: &Request) -> Result<Answer, String> {
        let (status, mut fields, content) = self.fetch(request).await?;
        naming::name_live(&mut fields, &request.origin, &request.prefix, &request.recorded_origin);
        let content = match content {
            Some(coded) => decoded(&mut fields, coded),
            None => None,
        };
        // A masker for each answer: what is masked does not depend on the order of answers.
        let masker = self.masker();
        masker.fields(&mut fields);
        let content = content.map(|content| masked(&masker, &fields, &content));
        Ok(Answer { status, fields, content, is_template: false })
    }

    fn masker(&self) -> Masker {
        Masker::new(self.key.clone(), self.mask.clone())
    }

    async fn fetch(&self, request: &Request) -> Result<(u16, Fields, Option<Bytes>), String> {
        let mut outgoing = http::Request::new(Body::full(request.body.clone()));
        *outgoing.method_mut() = request.method.clone();
        *outgoing.uri_mut() = request.uri.clone();
        *outgoing.headers_mut() = request.fields.to_map();
        let answer = self.upstream.send(outgoing, &request.origin, false, || None).await;
        let answer = answer.map_err(|failure| failure.message)?;
        let (head, body) = answer.into_parts();
        Ok((head.status.as_u16(), Fields::from_map(&head.headers), content(body).await?))
    }
}

/// The content as sent; `None` if it is too long to be compared.
async fn content(body: Incoming) -> Result<Option<Bytes>, String> {
    match Limited::new(body, LONGEST).collect().await {
        Ok(whole) => Ok(Some(whole.to_bytes())),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => Ok(None),
        Err(error) => Err(format!("the answer broke off: {error}")),
    }
}

/// The content with its codings undone; `None` if that cannot be.
fn decoded(fields: &mut Fields, coded: Bytes) -> Option<Bytes> {
    let codings = coding::codings(fields).ok()?;
    fields.retain(|field| !field.is("content-encoding"));
    if codings.is_empty() || coded.is_empty() {
        return Some(coded);
    }
    coding::decode(&coded, &codings, LONGEST as u64).ok().map(Bytes::from)
}

fn masked(masker: &Masker, fields: &Fields, content: &[u8]) -> Bytes {
    let content_type = fields.text("content-type");
    let mut masking = masker.body(Kind::of(content_type.as_deref()), content_type.as_deref());
    let mut out = Vec::with_capacity(content.len());
    masking.push(content, &mut out);
    masking.finish(&mut out);
    out.into()
}
