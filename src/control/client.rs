//! Asking the holder of a store. Blocking, with time-outs; one connection per question.

use std::io::{self, Cursor, Read};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jiff::tz::TimeZone;

use super::ControlFile;
use super::message::{
    ANSWER_MAX, Answer, Ask, BODY_FRAME, REQUEST_MAX, Request, VERSION, Zone, frame, parse, read_frame, write_frame,
};
use crate::model::{Body, BodyContent, BodyEnd, Exchange};
use crate::store::history::Group;
use crate::store::{self, Edit, EditReport, Found, History, HistoryError, Page, Pattern, Query, Usage};

/// How long the holder may take for an answer, or for the next piece of one.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// The history of a store that another process holds.
pub struct RemoteHistory {
    store: PathBuf,
    socket: PathBuf,
    /// The store itself, from when its holder had ended.
    disk: OnceLock<Arc<dyn History>>,
}

impl RemoteHistory {
    /// Finds the holder of a store, and asks it once.
    ///
    /// # Errors
    /// It names no socket, or does not answer there.
    pub fn connect(store: &Path) -> Result<RemoteHistory, HistoryError> {
        let socket = ControlFile::read(store)?.socket;
        let history = RemoteHistory { store: store.to_owned(), socket, disk: OnceLock::new() };
        history.exchange_frames(&Ask::Hello)?;
        Ok(history)
    }

    /// Sends a question; returns the answer, and the connection for what follows it.
    fn exchange_frames(&self, ask: &Ask) -> io::Result<(Answer, UnixStream)> {
        self.exchange_with(ask, None)
    }

    /// As [`RemoteHistory::exchange_frames`], with what follows the question.
    fn exchange_with(&self, ask: &Ask, content: Option<&mut dyn Read>) -> io::Result<(Answer, UnixStream)> {
        let mut stream = UnixStream::connect(&self.socket)?;
        stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        stream.set_write_timeout(Some(ANSWER_TIMEOUT))?;
        let request = Request { version: VERSION, ask: ask.clone() };
        write_frame(&mut stream, &frame(&request, REQUEST_MAX)?)?;
        if let Some(content) = content {
            send_frames(content, &mut stream)?;
        }
        loop {
            match parse(&read_frame(&mut stream, ANSWER_MAX)?)? {
                Answer::Working => {}
                answer => return Ok((answer, stream)),
            }
        }
    }

    /// Asks the holder; when it has ended, `otherwise` is asked of the store itself.
    fn ask<T>(
        &self,
        ask: Ask,
        take: impl FnOnce(Answer, UnixStream) -> Option<T>,
        otherwise: impl FnOnce(&dyn History) -> Result<T, HistoryError>,
    ) -> Result<T, HistoryError> {
        if let Some(disk) = self.disk.get() {
            return otherwise(&**disk);
        }
        let asked = self.exchange_frames(&ask);
        self.taken(asked, take, otherwise)
    }

    /// What an answer says.
    fn taken<T>(
        &self,
        asked: io::Result<(Answer, UnixStream)>,
        take: impl FnOnce(Answer, UnixStream) -> Option<T>,
        otherwise: impl FnOnce(&dyn History) -> Result<T, HistoryError>,
    ) -> Result<T, HistoryError> {
        let (answer, stream) = match asked {
            Ok(answered) => answered,
            Err(error) if has_ended(&error) => match store::open_for_reading(&self.store) {
                Ok(disk) => {
                    // Nobody asks for repairs in the middle of a command: they are told here.
                    disk.repairs().iter().for_each(|repair| tracing::warn!("{repair}"));
                    return otherwise(&**self.disk.get_or_init(|| disk));
                }
                Err(_) => return Err(error.into()),
            },
            Err(error) => return Err(error.into()),
        };
        match answer {
            Answer::Error(error) => Err(error.into()),
            other => take(other, stream).ok_or_else(|| {
                let message = "the recorder gave an answer to another question: is it another version of retake?";
                HistoryError::Io(io::Error::new(io::ErrorKind::InvalidData, message))
            }),
        }
    }

    fn page(&self, query: &Query, before: Option<u64>, limit: usize) -> Result<Page, HistoryError> {
        let ask = Ask::List { query: query.clone(), before, limit };
        let take = |answer, _| if let Answer::Page(page) = answer { Some(page) } else { None };
        self.ask(ask, take, |disk| disk.list(query, before, limit))
    }
}

/// Sends bytes in frames, an empty one at their end.
fn send_frames(content: &mut dyn Read, stream: &mut UnixStream) -> io::Result<()> {
    let mut framed = vec![0; 4 + BODY_FRAME];
    loop {
        let count = match content.read(&mut framed[4..]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            count => count?,
        };
        // A frame of a body is far below 2^32.
        framed[..4].copy_from_slice(&(count as u32).to_be_bytes());
        write_frame(stream, &framed[..4 + count])?;
        if count == 0 {
            return Ok(());
        }
    }
}

/// Whether an error says that nobody is there any more.
fn has_ended(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionRefused, ConnectionReset, NotFound, UnexpectedEof};
    matches!(error.kind(), ConnectionRefused | NotFound | ConnectionReset | BrokenPipe | UnexpectedEof)
}

impl History for RemoteHistory {
    fn list(&self, query: &Query, before: Option<u64>, limit: usize) -> Result<Page, HistoryError> {
        let mut all = self.page(query, before, limit)?;
        // The holder answers in pages of its own size.
        while all.rows.len() < limit && all.next.is_some() {
            let more = self.page(query, all.next, limit - all.rows.len())?;
            all.rows.extend(more.rows);
            all.next = more.next;
        }
        Ok(all)
    }

    fn days(&self, query: &Query, zone: &TimeZone) -> Result<Vec<Group>, HistoryError> {
        if frame(&Zone(zone.clone()), REQUEST_MAX).is_err() {
            // A zone of the system without a name cannot be sent: the rows come here instead.
            let rows = self.list(query, None, usize::MAX)?.rows;
            return Ok(store::group_by_day(&rows, zone));
        }
        let ask = Ask::Days { query: query.clone(), zone: Zone(zone.clone()) };
        let take = |answer, _| if let Answer::Days(days) = answer { Some(days) } else { None };
        self.ask(ask, take, |disk| disk.days(query, zone))
    }

    fn get(&self, number: u64) -> Result<Exchange, HistoryError> {
        let take = |answer, _| if let Answer::Exchange(exchange) = answer { Some(*exchange) } else { None };
        self.ask(Ask::Get(number), take, |disk| disk.get(number))
    }

    fn resolve(&self, selector: &str) -> Result<Vec<u64>, HistoryError> {
        let take = |answer, _| if let Answer::Numbers(numbers) = answer { Some(numbers) } else { None };
        self.ask(Ask::Resolve(selector.to_owned()), take, |disk| disk.resolve(selector))
    }

    fn repairs(&self) -> Vec<String> {
        // What the recorder repaired it has told.
        Vec::new()
    }

    fn body(&self, exchange: &Exchange, body: &Body) -> Result<Box<dyn Read + Send>, HistoryError> {
        if let BodyContent::Inline(bytes) = &body.content {
            return Ok(Box::new(Cursor::new(bytes.clone())));
        }
        let take = |answer, stream| match answer {
            Answer::Body => {
                Some(Box::new(Frames { stream, piece: Cursor::default(), ended: false }) as Box<dyn Read + Send>)
            }
            _ => None,
        };
        let ask = Ask::Body { number: exchange.number, hash: body.hash };
        self.ask(ask, take, |disk| disk.body(exchange, body))
    }

    fn search(
        &self,
        query: &Query,
        pattern: &Pattern,
        before: Option<u64>,
        limit: usize,
        stop: &dyn Fn() -> bool,
    ) -> Result<Found, HistoryError> {
        // Who is not waited for any more ends, and the holder notices: `stop` is for the disk.
        let ask = Ask::Search { query: query.clone(), pattern: pattern.clone(), before, limit };
        let take = |answer, _| if let Answer::Found(found) = answer { Some(found) } else { None };
        self.ask(ask, take, |disk| disk.search(query, pattern, before, limit, stop))
    }

    fn usage(&self) -> Result<Usage, HistoryError> {
        let take = |answer, _| if let Answer::Usage(usage) = answer { Some(usage) } else { None };
        self.ask(Ask::Usage, take, |disk| disk.usage())
    }

    fn edit(&self, edit: &Edit) -> Result<EditReport, HistoryError> {
        let take = |answer, _| if let Answer::Edited(report) = answer { Some(report) } else { None };
        // An edit that the end of the recorder cut off is done again from the start: that changes nothing more.
        self.ask(Ask::Edit(edit.clone()), take, |disk| disk.edit(edit))
    }

    fn import_body(&self, content: &mut dyn Read, end: BodyEnd) -> Result<Body, HistoryError> {
        if let Some(disk) = self.disk.get() {
            return disk.import_body(content, end);
        }
        let asked = self.exchange_with(&Ask::ImportBody(end), Some(content));
        let take = |answer, _| if let Answer::BodyStored(body) = answer { Some(*body) } else { None };
        // What was read of the content cannot be read again: the caller begins anew.
        let ended = |_: &dyn History| Err(io::Error::other("the recorder ended meanwhile: try again").into());
        self.taken(asked, take, ended)
    }

    fn import(&self, exchange: Exchange) -> Result<Option<u64>, HistoryError> {
        if let Some(disk) = self.disk.get() {
            return disk.import(exchange);
        }
        let bytes = rmp_serde::to_vec_named(&exchange).map_err(io::Error::other)?;
        let asked = self.exchange_with(&Ask::Import, Some(&mut bytes.as_slice()));
        let take = |answer, _| if let Answer::Imported(number) = answer { Some(number) } else { None };
        self.taken(asked, take, |disk| disk.import(exchange))
    }

    fn sync(&self) -> Result<(), HistoryError> {
        let take = |answer, _| matches!(answer, Answer::Done).then_some(());
        self.ask(Ask::Sync, take, |disk| disk.sync())
    }
}

/// A body as it comes, frame by frame; a connection that ends before the empty frame is an error.
struct Frames {
    stream: UnixStream,
    piece: Cursor<Vec<u8>>,
    ended: bool,
}

impl Read for Frames {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.piece.read(into)?;
            if count > 0 || self.ended || into.is_empty() {
                return Ok(count);
            }
            let piece = read_frame(&mut self.stream, BODY_FRAME)?;
            self.ended = piece.is_empty();
            self.piece = Cursor::new(piece);
        }
    }
}
