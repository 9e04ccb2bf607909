//! The limits: what bare hyper does, without anything that retake is for.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, Full, combinators::BoxBody};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpListener;

/// A body of a kibibyte that is JSON.
pub fn kibibyte(number: usize) -> String {
    let head = format!("{{\"id\":{number},\"fill\":\"");
    let fill = "x".repeat(1024 - head.len() - 2);
    format!("{head}{fill}\"}}")
}

fn run<F: Future>(task: F) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(task);
}

async fn listen() -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    println!("http://{}", listener.local_addr().expect("an address"));
    listener
}

/// Answers `/items/N` from a hash map.
pub fn server(stubs: usize) {
    let map: HashMap<String, Bytes> =
        (0..stubs).map(|number| (format!("/items/{number}"), Bytes::from(kibibyte(number)))).collect();
    let map = Arc::new(map);
    run(async move {
        let listener = listen().await;
        while let Ok((stream, _)) = listener.accept().await {
            let map = Arc::clone(&map);
            let _ = stream.set_nodelay(true);
            tokio::spawn(async move {
                let service = service_fn(move |request: Request<Incoming>| {
                    let body = map.get(request.uri().path()).cloned();
                    async move {
                        let status = if body.is_some() { 200 } else { 404 };
                        let body = Full::new(body.unwrap_or_default());
                        Ok::<_, Infallible>(
                            Response::builder()
                                .status(status)
                                .header("content-type", "application/json")
                                .body(body)
                                .expect("a response"),
                        )
                    }
                });
                let _ = hyper::server::conn::http1::Builder::new()
                    .timer(TokioTimer::new())
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
}

/// An origin that answers everything with a kibibyte of JSON.
pub fn origin() {
    let body = Bytes::from(kibibyte(1));
    run(async move {
        let listener = listen().await;
        while let Ok((stream, _)) = listener.accept().await {
            let body = body.clone();
            let _ = stream.set_nodelay(true);
            tokio::spawn(async move {
                let service = service_fn(move |request: Request<Incoming>| {
                    let length = request.uri().path().strip_prefix("/bytes/").and_then(|text| text.parse().ok());
                    let body = length.map_or_else(|| body.clone(), |length| Bytes::from(vec![7; length]));
                    async move {
                        let _ = request.into_body().collect().await;
                        Ok::<_, Infallible>(
                            Response::builder()
                                .header("content-type", "application/octet-stream")
                                .body(Full::new(body))
                                .expect("a response"),
                        )
                    }
                });
                let _ = hyper::server::conn::http1::Builder::new()
                    .timer(TokioTimer::new())
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
}

/// A forward proxy for absolute-form requests that records nothing.
pub fn proxy() {
    run(async move {
        let listener = listen().await;
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client: Client<_, Incoming> =
            Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector);
        while let Ok((stream, _)) = listener.accept().await {
            let client = client.clone();
            let _ = stream.set_nodelay(true);
            tokio::spawn(async move {
                let service = service_fn(move |request: Request<Incoming>| {
                    let client = client.clone();
                    async move {
                        let answer: Response<BoxBody<Bytes, hyper::Error>> = match client.request(request).await {
                            Ok(response) => response.map(BodyExt::boxed),
                            Err(_) => {
                                let empty = Empty::new().map_err(|never| match never {}).boxed();
                                Response::builder().status(502).body(empty).expect("a response")
                            }
                        };
                        Ok::<_, Infallible>(answer)
                    }
                });
                let _ = hyper::server::conn::http1::Builder::new()
                    .timer(TokioTimer::new())
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
}
