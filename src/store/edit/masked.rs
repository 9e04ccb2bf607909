//! One exchange and its bodies, masked once more.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;

use crate::model::body::INLINE_MAX;
use crate::model::coding::{self, Coding};
use crate::model::media::{self, Kind as Media};
use crate::model::{Body, BodyContent, BodyEnd, ContentHash, Exchange, Fields, Outcome, Vendor};
use crate::redact::{self, BodyMasker, Masker};
use crate::store::BlobWriter;
use crate::store::layout::{Layout, sync_folder};
use crate::store::segment::Kind;

/// Bodies are read in pieces of this size.
const PIECE: usize = 64 << 10;
/// So many bytes tell whether a body without a type is text.
const SNIFFED: usize = 4096;

/// Masks exchanges, and counts.
pub(super) struct Remasker {
    layout: Arc<Layout>,
    masker: Masker,
    /// The masker for bodies of the exchange at hand.
    here: Masker,
    /// Nothing is written: to learn, or to count.
    dry: bool,
    pub(super) values: u64,
    /// Body files that were written.
    pub(super) written: Vec<ContentHash>,
    pub(super) warnings: Vec<String>,
}

impl Remasker {
    pub(super) fn new(layout: Arc<Layout>, masker: Masker, dry: bool) -> Self {
        let here = masker.clone();
        Remasker { layout, masker, here, dry, values: 0, written: Vec::new(), warnings: Vec::new() }
    }

    /// Masks an exchange; says whether anything changed.
    pub(super) fn exchange(&mut self, kind: Kind, exchange: &mut Exchange) -> io::Result<bool> {
        let before = self.values;
        let (number, request) = (exchange.number, &mut exchange.request);
        // Fields first: what they teach is then found in the rest.
        self.fields(&mut request.fields);
        self.fields(&mut request.trailers);
        self.replace(&mut request.path, |masker, path| masker.path(path).into_owned());
        if let Some(query) = &mut request.query {
            self.replace(query, |masker, query| masker.query(query).into_owned());
        }
        self.here = self.masker.at(request.origin.host(), &request.path);
        self.body(number, &request.fields, &mut request.body)?;
        match &mut exchange.outcome {
            Outcome::Failed(failure, _) => self.text(&mut failure.message),
            Outcome::Relayed(relayed) => self.text(&mut relayed.reason),
            _ => {}
        }
        if let Some(response) = exchange.outcome.response_mut() {
            self.fields(&mut response.fields);
            self.fields(&mut response.trailers);
            for interim in &mut response.informational {
                self.fields(&mut interim.fields);
            }
            response.reason.iter_mut().for_each(|reason| self.text(reason));
            // Of an open record the body is in the stream's file, which the recorder still writes.
            if kind != Kind::Open {
                self.body(number, &response.fields, &mut response.body)?;
            }
        }
        self.vendor(number, &mut exchange.vendor);
        self.text(&mut exchange.session);
        exchange.tags.iter_mut().chain(&mut exchange.note).for_each(|text| self.text(text));
        Ok(self.values > before)
    }

    fn replace(&mut self, text: &mut String, mask: impl FnOnce(&Masker, &str) -> String) {
        let masked = mask(&self.masker, text);
        if masked != *text {
            self.values += 1;
            *text = masked;
        }
    }

    fn text(&mut self, text: &mut String) {
        self.replace(text, |masker, text| masker.text(text).into_owned());
    }

    fn fields(&mut self, fields: &mut Fields) {
        let old = fields.clone();
        let masked = self.masker.fields(fields);
        if old != *fields {
            self.values += u64::from(masked.max(1));
        }
    }

    /// What another tool's file said of it.
    fn vendor(&mut self, number: u64, vendor: &mut Vendor) {
        match self.masker.object(vendor) {
            _ if vendor.is_empty() => {}
            Some((masked, _)) if masked == *vendor => {}
            Some((masked, hits)) => {
                self.values += u64::from(hits.max(1));
                *vendor = masked;
            }
            None => {
                self.warnings
                    .push(format!("what another tool said of exchange {number} could not be masked, and is gone"));
                self.values += 1;
                *vendor = Vendor::new();
            }
        }
    }

    /// Masks a body, decoded; one that changes is kept decoded, as the recorder keeps it.
    fn body(&mut self, number: u64, fields: &Fields, body: &mut Body) -> io::Result<()> {
        let content_type = fields.text("content-type");
        let media = Media::of(content_type.as_deref());
        let is_untyped = content_type.as_deref().is_none_or(|value| media::essence(value).is_empty());
        if body.is_empty() || (media == Media::Binary && !is_untyped) {
            return Ok(());
        }
        let codings = if body.coding_removed.is_some() { Ok(Vec::new()) } else { coding::codings(fields) };
        let (codings, as_text) = match codings {
            Ok(codings) => (codings, is_untyped),
            Err(_) => (Vec::new(), true),
        };
        let mut masked = match self.masked(body, &codings, media, content_type.as_deref(), as_text) {
            Ok(masked) => masked,
            Err(Trouble::Missing(cause)) => {
                self.warnings.push(format!("a body of exchange {number} could not be read: {cause}"));
                return Ok(());
            }
            Err(Trouble::Disk(error)) => return Err(error),
        };
        if masked.is_damaged && masked.size == 0 {
            // No byte of it is what its coding says: it may be plain text all the same.
            masked = match self.masked(body, &[], Media::Binary, None, true) {
                Ok(masked) => masked,
                Err(Trouble::Missing(_)) => return Ok(()),
                Err(Trouble::Disk(error)) => return Err(error),
            };
        }
        if !masked.is_changed() {
            return Ok(());
        }
        self.values += u64::from(masked.hits.max(1));
        if masked.is_damaged {
            self.warnings.push(format!(
                "a body of exchange {number} does not decode to its end: as it had to be masked, what decodes is kept"
            ));
        }
        let end = if masked.is_damaged && body.end.is_whole() { BodyEnd::Failed } else { body.end };
        let (wire_size, count) = (body.wire_size, body.masked.saturating_add(masked.hits));
        let names = (!codings.is_empty() && masked.is_decoded).then(|| fields.members("content-encoding").join(", "));
        let coding_removed = body.coding_removed.take().or(names);
        let (size, hash) = (masked.size, ContentHash(*masked.after.finalize().as_bytes()));
        let content = match masked.blob {
            None => BodyContent::Inline(masked.memory),
            Some(blob) => {
                let (hash, _) = blob.finish()?;
                // The old bytes go when the segment is written anew: the new ones, and their name, must be there.
                let path = self.layout.blob(hash);
                File::open(&path)?.sync_all()?;
                path.parent().map_or(Ok(()), sync_folder)?;
                self.written.push(hash);
                BodyContent::Blob
            }
        };
        *body = Body { content, size, wire_size, hash, end, coding_removed, masked: count };
        Ok(())
    }

    fn masked(
        &self,
        body: &Body,
        codings: &[Coding],
        media: Media,
        content_type: Option<&str>,
        as_text: bool,
    ) -> Result<Masked, Trouble> {
        let missing = |error: io::Error| Trouble::Missing(error.to_string());
        let stored: Box<dyn BufRead + '_> = match &body.content {
            BodyContent::Inline(bytes) => Box::new(bytes.as_slice()),
            BodyContent::Blob => Box::new(BufReader::new(File::open(self.layout.blob(body.hash)).map_err(missing)?)),
            BodyContent::Stream => return Err(Trouble::Missing("it still streams".into())),
        };
        let mut reader = stored;
        for &coding in codings.iter().rev() {
            reader = Box::new(BufReader::new(coding::reader(coding, reader).map_err(missing)?));
        }
        let mut masked = Masked::new(&self.layout, self.dry, !codings.is_empty());
        let mut masker = None;
        let (mut piece, mut out) = (vec![0; PIECE], Vec::new());
        let limit = coding::plausible(body.size);
        let mut taken = 0u64;
        loop {
            let count = match reader.read(&mut piece) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) if !codings.is_empty() => {
                    masked.is_damaged = true;
                    break;
                }
                Err(error) => return Err(missing(error)),
            };
            taken += count as u64;
            if !codings.is_empty() && taken > limit {
                masked.is_damaged = true;
                break;
            }
            let bytes = &piece[..count];
            let masker = masker.get_or_insert_with(|| self.masker_of(media, content_type, as_text, bytes));
            masked.before.update(bytes);
            masker.push(bytes, &mut out);
            masked.take(&mut out)?;
        }
        if let Some(masker) = &mut masker {
            masker.finish(&mut out);
            masked.take(&mut out)?;
            masked.hits = masker.hits();
        }
        Ok(masked)
    }

    fn masker_of(&self, media: Media, content_type: Option<&str>, as_text: bool, first: &[u8]) -> BodyMasker {
        if as_text && redact::looks_like_text(&first[..first.len().min(SNIFFED)]) {
            return self.here.body(Media::Text, None);
        }
        self.here.body(media, content_type)
    }
}

enum Trouble {
    /// The body cannot be read.
    Missing(String),
    /// The new one cannot be written.
    Disk(io::Error),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Trouble::Disk(error)
    }
}

/// A body on its way through the masker.
struct Masked {
    layout: Arc<Layout>,
    dry: bool,
    is_decoded: bool,
    is_damaged: bool,
    before: blake3::Hasher,
    after: blake3::Hasher,
    size: u64,
    hits: u32,
    memory: Vec<u8>,
    blob: Option<BlobWriter>,
}

impl Masked {
    fn new(layout: &Arc<Layout>, dry: bool, is_decoded: bool) -> Self {
        Masked {
            layout: layout.clone(),
            dry,
            is_decoded,
            is_damaged: false,
            before: blake3::Hasher::new(),
            after: blake3::Hasher::new(),
            size: 0,
            hits: 0,
            memory: Vec::new(),
            blob: None,
        }
    }

    /// Takes what came out, and empties it.
    fn take(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        self.after.update(out);
        self.size += out.len() as u64;
        if !self.dry {
            self.memory.append(out);
            if self.blob.is_none() && self.memory.len() > INLINE_MAX {
                self.blob = Some(BlobWriter::create(self.layout.clone())?);
            }
            if let Some(blob) = &mut self.blob {
                blob.write(&self.memory)?;
                self.memory.clear();
            }
        }
        out.clear();
        Ok(())
    }

    fn is_changed(&self) -> bool {
        self.hits > 0 && self.before.finalize() != self.after.finalize()
    }
}
