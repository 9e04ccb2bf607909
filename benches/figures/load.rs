//! The load: keep-alive HTTP/1.1 over a few connections, one call at a time on each.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

/// A connection that sends requests and reads answers with a known length or in chunks.
pub struct Connection<S: Read + Write> {
    stream: BufReader<S>,
    line: Vec<u8>,
    body: Vec<u8>,
}

impl<S: Read + Write> Connection<S> {
    pub fn new(stream: S) -> Self {
        Connection { stream: BufReader::with_capacity(64 * 1024, stream), line: Vec::new(), body: Vec::new() }
    }

    /// Sends a request as it stands, and reads the answer; returns its status and the length of its body.
    pub fn call(&mut self, request: &[u8]) -> std::io::Result<(u16, usize)> {
        self.stream.get_mut().write_all(request)?;
        self.stream.get_mut().flush()?;
        self.read_line()?;
        let status = std::str::from_utf8(&self.line[9..12]).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
        let mut length = 0;
        let mut chunked = false;
        loop {
            self.read_line()?;
            if self.line == b"\r\n" {
                break;
            }
            let line = String::from_utf8_lossy(&self.line).to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            chunked |= line.starts_with("transfer-encoding:");
        }
        if !chunked {
            self.skip(length)?;
            return Ok((status, length));
        }
        let mut total = 0;
        loop {
            self.read_line()?;
            let size = usize::from_str_radix(String::from_utf8_lossy(&self.line).trim(), 16).unwrap_or(0);
            self.skip(size + 2)?;
            total += size;
            if size == 0 {
                return Ok((status, total));
            }
        }
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

/// Connects without delay.
pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the server listens");
    stream.set_nodelay(true).expect("a TCP socket");
    stream
}

/// Opens a CONNECT tunnel and shakes hands inside it, trusting only `ca`.
pub fn tunnel(
    proxy: SocketAddr,
    host: &str,
    port: u16,
    config: &Arc<rustls::ClientConfig>,
) -> rustls::StreamOwned<rustls::ClientConnection, TcpStream> {
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
    let connection = rustls::ClientConnection::new(Arc::clone(config), name).expect("a client");
    rustls::StreamOwned::new(connection, stream)
}

/// Sends `calls` requests over `connections` at once, taken from `request` by number; every answer must be a 200.
/// Returns the calls that were made.
pub fn run<S: Read + Write + Send>(
    connections: Vec<Connection<S>>,
    calls: usize,
    request: &(dyn Fn(usize) -> Vec<u8> + Sync),
) -> usize {
    let each = calls / connections.len();
    let made = std::thread::scope(|scope| {
        let threads: Vec<_> = connections
            .into_iter()
            .enumerate()
            .map(|(number, mut connection)| {
                scope.spawn(move || {
                    for call in 0..each {
                        let (status, _) = connection.call(&request(number * each + call)).expect("an answer");
                        assert_eq!(status, 200);
                    }
                    each
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
    });
    made
}
