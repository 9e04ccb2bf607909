//! The load: keep-alive HTTP/1.1 over a few connections, one call at a time on each.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::{ClientConfig, ClientConnection, StreamOwned};

/// A connection that sends requests and reads answers whose length is known.
pub struct Connection<S: Read + Write> {
    stream: BufReader<S>,
    line: Vec<u8>,
    body: Vec<u8>,
}

/// What came back.
pub struct Answer {
    pub status: u16,
    pub length: usize,
    /// From the request to the first byte of the answer.
    pub first_byte: Duration,
}

impl<S: Read + Write> Connection<S> {
    pub fn new(stream: S) -> Self {
        Connection { stream: BufReader::with_capacity(64 * 1024, stream), line: Vec::new(), body: Vec::new() }
    }

    /// Sends a request as it stands, and reads the answer.
    pub fn call(&mut self, request: &[u8]) -> std::io::Result<Answer> {
        let sent = Instant::now();
        self.stream.get_mut().write_all(request)?;
        self.stream.get_mut().flush()?;
        self.read_line()?;
        let first_byte = sent.elapsed();
        let status = self.line.get(9..12).and_then(|code| std::str::from_utf8(code).ok()?.parse().ok()).unwrap_or(0);
        let mut length = 0;
        while self.line != b"\r\n" {
            self.read_line()?;
            if let Some((name, value)) = self.line.split_at_checked(15)
                && name.eq_ignore_ascii_case(b"content-length:")
            {
                length = String::from_utf8_lossy(value).trim().parse().unwrap_or(0);
            }
        }
        self.skip(length)?;
        Ok(Answer { status, length, first_byte })
    }

    fn read_line(&mut self) -> std::io::Result<()> {
        self.line.clear();
        if self.stream.read_until(b'\n', &mut self.line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }

    fn skip(&mut self, length: usize) -> std::io::Result<()> {
        self.body.resize(length.min(1 << 20), 0);
        let mut left = length;
        while left > 0 {
            let piece = left.min(self.body.len());
            self.stream.read_exact(&mut self.body[..piece])?;
            left -= piece;
        }
        Ok(())
    }
}

/// A plain connection, without delay.
pub fn plain(server: SocketAddr) -> Connection<TcpStream> {
    Connection::new(connect(server))
}

fn connect(server: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(server).expect("the server listens");
    stream.set_nodelay(true).expect("a TCP socket");
    stream
}

/// A connection through a CONNECT tunnel, with TLS inside.
pub fn tunnel(
    proxy: SocketAddr,
    host: &str,
    port: u16,
    config: &Arc<ClientConfig>,
) -> Connection<StreamOwned<ClientConnection, TcpStream>> {
    let mut stream = connect(proxy);
    write!(stream, "CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n").expect("the proxy reads");
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).expect("the proxy answers");
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&head));
    let name = rustls::pki_types::ServerName::try_from(host.to_owned()).expect("a host name");
    let connection = ClientConnection::new(Arc::clone(config), name).expect("a client");
    Connection::new(StreamOwned::new(connection, stream))
}

/// Sends `calls` requests over all connections at once; every answer must have `status`. Returns the calls made.
pub fn run<S: Read + Write + Send>(
    connections: Vec<Connection<S>>,
    calls: usize,
    status: u16,
    request: &(dyn Fn(usize) -> Vec<u8> + Sync),
) -> usize {
    let each = calls / connections.len();
    let count = connections.len();
    std::thread::scope(|scope| {
        for (number, mut connection) in connections.into_iter().enumerate() {
            scope.spawn(move || {
                for call in 0..each {
                    let answer = connection.call(&request(number * each + call)).expect("an answer");
                    assert_eq!(answer.status, status);
                }
            });
        }
    });
    each * count
}
