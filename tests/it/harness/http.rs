//! A client of HTTP/1.1 that shows everything: it sends what it is told to, byte for byte, and tells a whole answer from
//! one that broke off.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::Server;

/// Nothing in these tests takes longer between two bytes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection, plain or over TLS.
pub enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(stream) => stream.read(buffer),
            Stream::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(stream) => stream.write(bytes),
            Stream::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Stream::Plain(stream) => stream.flush(),
            Stream::Tls(stream) => stream.flush(),
        }
    }
}

/// A connection on which requests are sent one after the other.
pub struct Client {
    stream: BufReader<Stream>,
}

/// The head of an answer.
#[derive(Debug, Clone)]
pub struct Head {
    pub status: u16,
    pub fields: Vec<(String, String)>,
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Answer {
    pub head: Head,
    pub body: Vec<u8>,
}

impl Head {
    /// The first value of a field, by its lower-case name.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// How the body of the answer to a request with this method is framed.
    pub fn framing(&self, method: &str) -> Framing {
        if method == "HEAD" || self.status < 200 || matches!(self.status, 204 | 304) {
            Framing::Length(0)
        } else if self.field("transfer-encoding").is_some() {
            Framing::Chunked
        } else {
            let length = self.field("content-length").map(|length| length.parse().unwrap());
            length.map_or(Framing::Close, Framing::Length)
        }
    }
}

/// How the end of a body is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    Length(u64),
    Chunked,
    Close,
}

impl Answer {
    pub fn status(&self) -> u16 {
        self.head.status
    }

    pub fn field(&self, name: &str) -> Option<&str> {
        self.head.field(name)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Client {
    /// A plain connection to an address.
    pub fn connect(address: SocketAddr) -> io::Result<Client> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Client { stream: BufReader::with_capacity(64 * 1024, Stream::Plain(stream)) })
    }

    /// A plain connection to a recorder or replay.
    pub fn to(server: &Server) -> io::Result<Client> {
        Client::connect(server.address())
    }

    /// A tunnel through a recorder or replay, with TLS in it, trusting its CA.
    pub fn tunnel(server: &Server, host: &str, port: u16) -> io::Result<Client> {
        let mut plain = Client::to(server)?;
        plain.send(format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n").as_bytes())?;
        let head = plain.head()?;
        if head.status != 200 {
            return Err(io::Error::other(format!("CONNECT was answered {}", head.status)));
        }
        let Stream::Plain(stream) = plain.stream.into_inner() else { unreachable!("connect gives a plain stream") };
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let connection = ClientConnection::new(trusting(&server.ca), name).map_err(io::Error::other)?;
        let stream = Stream::Tls(Box::new(StreamOwned::new(connection, stream)));
        Ok(Client { stream: BufReader::with_capacity(64 * 1024, stream) })
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let stream = self.stream.get_mut();
        stream.write_all(bytes)?;
        stream.flush()
    }

    /// A GET of this target (a path, or a URL towards a proxy), and its whole answer.
    pub fn get(&mut self, target: &str, host: &str) -> io::Result<Answer> {
        self.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes())?;
        self.answer("GET")
    }

    /// The head of the next answer that is final.
    pub fn head(&mut self) -> io::Result<Head> {
        loop {
            let status = self.line()?;
            let status = status.split(' ').nth(1).and_then(|code| code.parse().ok());
            let status: u16 = status.ok_or_else(|| io::Error::other("no status line"))?;
            let mut fields = Vec::new();
            loop {
                let line = self.line()?;
                if line.is_empty() {
                    break;
                }
                let (name, value) = line.split_once(':').ok_or_else(|| io::Error::other("no field line"))?;
                fields.push((name.to_owned(), value.trim().to_owned()));
            }
            if status >= 200 || status == 101 {
                return Ok(Head { status, fields });
            }
        }
    }

    /// The whole answer to a request with this method; an error if it breaks off.
    pub fn answer(&mut self, method: &str) -> io::Result<Answer> {
        let head = self.head()?;
        let mut body = Vec::new();
        self.body(head.framing(method), |piece| body.extend_from_slice(piece))?;
        Ok(Answer { head, body })
    }

    /// Reads a body to its end; an error if it breaks off.
    pub fn body(&mut self, framing: Framing, mut take: impl FnMut(&[u8])) -> io::Result<()> {
        match framing {
            Framing::Length(length) => self.exactly(length, &mut take),
            Framing::Close => loop {
                let piece = self.stream.fill_buf()?;
                let length = piece.len();
                if length == 0 {
                    return Ok(());
                }
                take(piece);
                self.stream.consume(length);
            },
            Framing::Chunked => {
                while let Some(piece) = self.chunk()? {
                    take(&piece);
                }
                Ok(())
            }
        }
    }

    /// The next chunk of a chunked body; `None` at its end, trailers read.
    pub fn chunk(&mut self) -> io::Result<Option<Vec<u8>>> {
        let line = self.line()?;
        let size = line.split(';').next().unwrap_or_default();
        let size = u64::from_str_radix(size, 16).map_err(|_| io::Error::other(format!("no chunk size: {line:?}")))?;
        if size == 0 {
            while !self.line()?.is_empty() {}
            return Ok(None);
        }
        let mut piece = Vec::new();
        self.exactly(size, &mut |part| piece.extend_from_slice(part))?;
        self.line()?;
        Ok(Some(piece))
    }

    /// Everything until the connection ends; an error of the connection is an end as well.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        let _ = self.stream.read_to_end(&mut rest);
        rest
    }

    fn exactly(&mut self, mut left: u64, take: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        while left > 0 {
            let piece = self.stream.fill_buf()?;
            if piece.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let length = piece.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            take(&piece[..length]);
            self.stream.consume(length);
            left -= length as u64;
        }
        Ok(())
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line)?;
        if line.pop() != Some(b'\n') {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Ok(String::from_utf8_lossy(&line).into_owned())
    }
}

/// One GET through a server as a proxy, on a connection of its own: plain calls in absolute-form, `https` by a tunnel.
pub fn through(server: &Server, url: &str) -> io::Result<Answer> {
    let (scheme, rest) = url.split_once("://").unwrap();
    let (host, path) = rest.split_once('/').unwrap();
    match scheme {
        "http" => Client::to(server)?.get(url, host),
        _ => {
            let (name, port) = host.rsplit_once(':').unwrap();
            Client::tunnel(server, name, port.parse().unwrap())?.get(&format!("/{path}"), host)
        }
    }
}

/// Sends one request as written, and reads whatever comes until the end.
pub fn raw(address: SocketAddr, request: &[u8]) -> String {
    let mut client = Client::connect(address).unwrap();
    // A server that refuses may close before it has read everything.
    let _ = client.send(request);
    String::from_utf8_lossy(&client.rest()).into_owned()
}

fn trusting(ca: &std::path::Path) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca).unwrap() {
        roots.add(certificate.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}
