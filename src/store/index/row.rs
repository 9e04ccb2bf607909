//! A row as the index keeps it, and the summary of a page of rows. Rows borrow from the page's bytes: a scan of a
//! million copies only what it returns.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;

use super::super::history::Row;
use super::words::Words;
use crate::model::{Authority, BodyContent, Exchange, ExchangeId, Origin, Scheme};

/// A row in a page: positional MessagePack, texts borrowed. A change of its members needs a new version in `db`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::store) struct StoredRow<'a> {
    pub(in crate::store) number: u64,
    pub(in crate::store) id: ByteArray<16>,
    pub(in crate::store) started_us: i64,
    pub(in crate::store) session: &'a str,
    #[serde(borrow)]
    pub(in crate::store) tags: Vec<&'a str>,
    pub(in crate::store) method: &'a str,
    pub(in crate::store) tls: bool,
    pub(in crate::store) host: &'a str,
    pub(in crate::store) port: u16,
    pub(in crate::store) target: &'a str,
    pub(in crate::store) status: Option<u16>,
    pub(in crate::store) outcome: &'a str,
    pub(in crate::store) media_type: &'a str,
    pub(in crate::store) request_bytes: u64,
    pub(in crate::store) response_bytes: u64,
    pub(in crate::store) response_blake3: Option<ByteArray<32>>,
    pub(in crate::store) duration_us: u64,
    pub(in crate::store) at: (u32, u64),
}

impl<'a> StoredRow<'a> {
    /// The same row, borrowed from one in memory.
    pub(in crate::store) fn of(row: &'a Row) -> Self {
        StoredRow {
            number: row.number,
            id: ByteArray::new(*row.id.0.as_bytes()),
            started_us: row.started_at.as_microsecond(),
            session: &row.session,
            tags: row.tags.iter().map(String::as_str).collect(),
            method: &row.method,
            tls: row.origin.scheme == Scheme::Https,
            host: row.origin.host(),
            port: row.origin.port(),
            target: &row.target,
            status: row.status,
            outcome: &row.outcome,
            media_type: &row.media_type,
            request_bytes: row.request_bytes,
            response_bytes: row.response_bytes,
            response_blake3: blake3::Hash::from_hex(&row.response_blake3)
                .ok()
                .map(|hash| ByteArray::new(*hash.as_bytes())),
            duration_us: row.duration_us,
            at: row.at,
        }
    }

    /// The row with texts of its own.
    pub(in crate::store) fn to_row(&self) -> Row {
        let scheme = if self.tls { Scheme::Https } else { Scheme::Http };
        let hash = self.response_blake3.map(|hash| blake3::Hash::from_bytes(hash.into_array()).to_hex().to_string());
        Row {
            number: self.number,
            id: ExchangeId(uuid::Uuid::from_bytes(self.id.into_array())),
            started_at: moment(self.started_us),
            session: self.session.to_owned(),
            tags: self.tags.iter().map(|&tag| tag.to_owned()).collect(),
            method: self.method.to_owned(),
            origin: Origin::new(scheme, Authority::new(self.host, self.port)),
            target: self.target.to_owned(),
            status: self.status,
            outcome: self.outcome.to_owned(),
            media_type: self.media_type.to_owned(),
            request_bytes: self.request_bytes,
            response_bytes: self.response_bytes,
            response_blake3: hash.unwrap_or_default(),
            duration_us: self.duration_us,
            at: self.at,
        }
    }

    /// The path of the target, without the query.
    pub(in crate::store) fn path(&self) -> &'a str {
        self.target.split('?').next().unwrap_or_default()
    }
}

/// Microseconds since 1970 as a moment; what no calendar has becomes its first moment.
pub(in crate::store) fn moment(us: i64) -> Timestamp {
    Timestamp::from_microsecond(us).unwrap_or(Timestamp::MIN)
}

/// The line of a listing that stands for an exchange.
pub(in crate::store) fn row_of(exchange: &Exchange) -> Row {
    let body = exchange.outcome.response().map(|response| &response.body);
    let hashed = body.filter(|body| !matches!(body.content, BodyContent::Stream));
    Row {
        number: exchange.number,
        id: exchange.id,
        started_at: moment(exchange.started_at.as_microsecond()),
        session: exchange.session.clone(),
        tags: exchange.tags.clone(),
        method: exchange.request.method.clone(),
        origin: exchange.request.origin.clone(),
        target: exchange.request.target(),
        status: exchange.status(),
        outcome: exchange.outcome.word().to_owned(),
        media_type: exchange.response_type(),
        request_bytes: exchange.request.body.size,
        response_bytes: body.map_or(0, |body| body.size),
        response_blake3: hashed.map(|body| body.hash.to_hex()).unwrap_or_default(),
        duration_us: exchange.timings.total_us,
        at: (0, 0),
    }
}

/// What a filter can know of a page without reading it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::store) struct Summary {
    pub(in crate::store) rows: u32,
    pub(in crate::store) numbers: (u64, u64),
    pub(in crate::store) started_us: (i64, i64),
    pub(in crate::store) ids: (ByteArray<16>, ByteArray<16>),
    /// The hosts with the number of calls to each.
    pub(in crate::store) hosts: Vec<(Arc<str>, u32)>,
    pub(in crate::store) sessions: Vec<Arc<str>>,
    pub(in crate::store) methods: Vec<Arc<str>>,
    pub(in crate::store) tags: Vec<Arc<str>>,
    /// Bit N: a status of the class N00; bit 0: no status.
    pub(in crate::store) classes: u16,
    /// The segments of the paths.
    pub(in crate::store) words: Words,
}

impl Summary {
    /// The summary of these rows; none for no rows.
    pub(in crate::store) fn of(rows: &[StoredRow<'_>]) -> Option<Summary> {
        let first = rows.first()?;
        let mut summary = Summary {
            rows: 0,
            numbers: (first.number, first.number),
            started_us: (first.started_us, first.started_us),
            ids: (first.id, first.id),
            hosts: Vec::new(),
            sessions: Vec::new(),
            methods: Vec::new(),
            tags: Vec::new(),
            classes: 0,
            words: Words::none(),
        };
        for row in rows {
            summary.rows += 1;
            widen(&mut summary.numbers, row.number);
            widen(&mut summary.started_us, row.started_us);
            widen(&mut summary.ids, row.id);
            match summary.hosts.iter_mut().find(|(host, _)| &**host == row.host) {
                Some((_, count)) => *count += 1,
                None => summary.hosts.push((row.host.into(), 1)),
            }
            note(&mut summary.sessions, row.session);
            note(&mut summary.methods, row.method);
            row.tags.iter().for_each(|tag| note(&mut summary.tags, tag));
            summary.classes |= class_bit(row.status);
            summary.words.add(row.path());
        }
        Some(summary)
    }

    /// Every name in it.
    pub(in crate::store) fn names(&mut self) -> impl Iterator<Item = &mut Arc<str>> {
        let hosts = self.hosts.iter_mut().map(|(host, _)| host);
        hosts.chain(&mut self.sessions).chain(&mut self.methods).chain(&mut self.tags)
    }
}

/// The bit of a status in [`Summary::classes`].
pub(in crate::store) fn class_bit(status: Option<u16>) -> u16 {
    1 << status.map_or(0, |status| (status / 100).min(15))
}

fn widen<T: PartialOrd + Copy>(range: &mut (T, T), value: T) {
    if value < range.0 {
        range.0 = value;
    }
    if value > range.1 {
        range.1 = value;
    }
}

fn note(names: &mut Vec<Arc<str>>, name: &str) {
    if !names.iter().any(|known| &**known == name) {
        names.push(name.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::exchange;

    #[test]
    fn a_row_survives_the_page() {
        let mut row = row_of(&exchange(3));
        row.at = (2, 77);
        row.tags = vec!["a".into(), "b".into()];
        let bytes = rmp_serde::to_vec(&vec![StoredRow::of(&row)]).unwrap();
        let rows: Vec<StoredRow<'_>> = rmp_serde::from_slice(&bytes).unwrap();
        assert_eq!(rows[0].to_row(), row);
        let summary = Summary::of(&rows).unwrap();
        let bytes = rmp_serde::to_vec(&summary).unwrap();
        assert_eq!(rmp_serde::from_slice::<Summary>(&bytes).unwrap(), summary);
        assert_eq!((summary.rows, summary.numbers, summary.classes), (1, (3, 3), 1 << 4));
    }
}
