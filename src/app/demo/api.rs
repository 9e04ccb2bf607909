//! A sample HTTPS API: a tea house, on loopback, with a certificate of its own CA.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::tls::{Ca, Leaves, TlsError};

/// The secret that `POST /login` hands out: the demo looks for it on disk, and must not find it.
pub const TOKEN: &str = "tea-house-token-9f27c1d4b8e6035a";

/// A running sample API. Dropped, it is gone: connections are refused.
pub struct SampleApi {
    address: SocketAddr,
    ca_pem: String,
    task: tokio::task::JoinHandle<()>,
}

/// Why the sample API could not start.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// Its certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// No free port.
    #[error("the sample API could not listen: {0}")]
    Listen(#[from] std::io::Error),
}

impl SampleApi {
    /// Starts it on a free port.
    ///
    /// # Errors
    /// When no certificate can be made, or no port is free.
    pub async fn start() -> Result<SampleApi, ApiError> {
        let ca = Arc::new(Ca::in_memory()?);
        let ca_pem = ca.certificate_pem().to_owned();
        let config = Leaves::new(ca).server_config("localhost", true)?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(accept(listener, config.into()));
        Ok(SampleApi { address, ca_pem, task })
    }

    /// Its origin: `https://localhost:PORT`.
    pub fn origin(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }

    /// The certificate of its CA, for `--upstream-ca`.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }
}

impl Drop for SampleApi {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, tls: tokio_rustls::TlsAcceptor) {
    let orders = Arc::new(AtomicU32::new(0));
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, asked) = (tls.clone(), Arc::clone(&orders));
        tokio::spawn(async move {
            let Ok(stream) = tls.accept(stream).await else { return };
            let service = service_fn(move |request| {
                let asked = Arc::clone(&asked);
                async move { Ok::<_, Infallible>(answer(request, &asked).await) }
            });
            let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
            // A client that goes away is no concern of a sample.
            let _ = builder.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(request: Request<Incoming>, asked: &AtomicU32) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let sent: Value = serde_json::from_slice(&body).unwrap_or_default();
    let known =
        head.headers.get(header::AUTHORIZATION).is_some_and(|value| value == format!("Bearer {TOKEN}").as_str());
    match (&head.method, head.uri.path()) {
        (&Method::GET, "/menu") => {
            let lang = head.uri.query().unwrap_or("lang=en").trim_start_matches("lang=");
            let names = if lang == "de" { ["Tee", "Kuchen"] } else { ["tea", "cake"] };
            reply(
                StatusCode::OK,
                &json!({ "lang": lang, "items": [{ "id": 1, "name": names[0], "price": 2.5 }, { "id": 2, "name": names[1], "price": 4.0 }] }),
            )
        }
        (&Method::POST, "/login") => {
            reply(StatusCode::OK, &json!({ "access_token": TOKEN, "token_type": "Bearer", "expires_in": 3600 }))
        }
        (&Method::POST, "/orders") if known => reply(
            StatusCode::CREATED,
            &json!({ "id": 1001, "item": sent["item"], "quantity": sent["quantity"], "state": "received" }),
        ),
        (&Method::GET, "/orders/1001") if known => {
            let state = if asked.fetch_add(1, Ordering::Relaxed) == 0 { "brewing" } else { "ready" };
            reply(StatusCode::OK, &json!({ "id": 1001, "state": state }))
        }
        (_, "/orders" | "/orders/1001") => reply(StatusCode::UNAUTHORIZED, &json!({ "error": "log in first" })),
        _ => reply(StatusCode::NOT_FOUND, &json!({ "error": "no such page" })),
    }
}

fn reply(status: StatusCode, body: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    response
}
