//! A small HTTPS client that goes through a proxy, so that the demo needs no other program.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty, Full};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;

/// A client that trusts one CA and sends everything through one proxy.
pub struct Client {
    proxy: String,
    tls: tokio_rustls::TlsConnector,
}

/// A call to make.
#[derive(Debug, Clone)]
pub struct Call {
    /// The method.
    pub method: &'static str,
    /// The URL.
    pub url: String,
    /// A bearer token.
    pub token: Option<String>,
    /// A JSON body.
    pub json: Option<serde_json::Value>,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: StatusCode,
    /// The body.
    pub body: Bytes,
}

/// Whatever went wrong on the way, in words.
pub type ClientError = Box<dyn std::error::Error + Send + Sync>;

impl Client {
    /// A client through `proxy` (`http://127.0.0.1:PORT`) that trusts the CA in this PEM file.
    ///
    /// # Errors
    /// When the file holds no certificate.
    pub fn new(proxy: &str, ca: &Path) -> Result<Client, ClientError> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(ca)?)?;
        let config = rustls::ClientConfig::builder_with_provider(crate::tls::provider())
            .with_safe_default_protocol_versions()?;
        let config = config.with_root_certificates(roots).with_no_client_auth();
        let proxy = proxy.trim_start_matches("http://").trim_end_matches('/').to_owned();
        Ok(Client { proxy, tls: Arc::new(config).into() })
    }

    /// Makes a call on a connection of its own.
    ///
    /// # Errors
    /// When the proxy refuses the tunnel, the certificate is not trusted, or the answer breaks off.
    pub async fn call(&self, call: &Call) -> Result<Answer, ClientError> {
        let url: Uri = call.url.parse()?;
        let host = url.host().ok_or("the URL has no host")?.to_owned();
        let authority = format!("{host}:{}", url.port_u16().unwrap_or(443));
        let tunnel = self.tunnel(&authority).await?;
        let stream = self.tls.connect(ServerName::try_from(host)?, tunnel).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let driver = tokio::spawn(connection);
        let target = url.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        let mut request = Request::builder().method(call.method).uri(target);
        request = request
            .header(header::HOST, &authority)
            .header(header::USER_AGENT, "retake-demo")
            .header(header::ACCEPT, "*/*");
        if let Some(token) = &call.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let body = match &call.json {
            Some(json) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Bytes::from(json.to_string())
            }
            None => Bytes::new(),
        };
        let response = sender.send_request(request.body(Full::new(body))?).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        driver.abort();
        Ok(Answer { status, body })
    }

    async fn tunnel(&self, authority: &str) -> Result<TokioIo<hyper::upgrade::Upgraded>, ClientError> {
        let stream = TcpStream::connect(&self.proxy).await?;
        stream.set_nodelay(true)?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection.with_upgrades());
        let request = Request::connect(authority).header(header::HOST, authority).body(Empty::<Bytes>::new())?;
        let response = sender.send_request(request).await?;
        if !response.status().is_success() {
            return Err(format!("the proxy refused the tunnel to {authority}: {}", response.status()).into());
        }
        Ok(TokioIo::new(TokioIo::new(hyper::upgrade::on(response).await?).into_inner()))
    }
}
