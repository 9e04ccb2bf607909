//! What is different in every take: identifiers, moments, tokens. A take has a world of its own, which remembers
//! whatever it made up, so that two takes can be compared with all of that left aside.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::harness::Random;

/// The source of everything that a take has for itself. Service and client share it.
pub struct World {
    random: Mutex<Random>,
    /// When the take is played.
    begin: Timestamp,
    /// Milliseconds that have passed since: every look at the clock takes a while.
    passed: AtomicI64,
    serial: AtomicU64,
    made: Mutex<BTreeSet<String>>,
}

/// What stands for a made-up value where takes are compared.
pub const MADE_UP: &str = "•";

impl World {
    /// A world whose clock is some days ahead, with ids that no other take has.
    pub fn in_days(days: i64) -> World {
        let mut random = Random::new(Random::seed());
        let serial = 100_000 + random.next() % 800_000;
        let begin = Timestamp::now() + SignedDuration::from_hours(24 * days);
        World {
            random: Mutex::new(random),
            begin,
            passed: AtomicI64::new(0),
            serial: AtomicU64::new(serial),
            made: Mutex::default(),
        }
    }

    /// Remembers a value as made up in this take, such as one that a service nobody here wrote has sent.
    pub fn note(&self, value: impl Into<String>) -> String {
        let value = value.into();
        if value.len() >= 4 {
            self.made.lock().unwrap().insert(value.clone());
        }
        value
    }

    fn bytes(&self, count: usize) -> Vec<u8> {
        let mut random = self.random.lock().unwrap();
        (0..count).map(|_| (random.next() >> 24) as u8).collect()
    }

    fn of(&self, alphabet: &[u8], count: usize) -> String {
        let pick = |byte: u8| char::from(alphabet[usize::from(byte) % alphabet.len()]);
        self.note(self.bytes(count).into_iter().map(pick).collect::<String>())
    }

    /// A UUID of version 4.
    pub fn uuid(&self) -> String {
        let bytes: [u8; 16] = self.bytes(16).try_into().unwrap();
        self.note(uuid::Builder::from_random_bytes(bytes).into_uuid().to_string())
    }

    /// A UUID of version 7.
    pub fn uuid7(&self) -> String {
        let bytes: [u8; 10] = self.bytes(10).try_into().unwrap();
        let millis = u64::try_from(self.now().as_millisecond()).unwrap();
        self.note(uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid().to_string())
    }

    pub fn hex(&self, digits: usize) -> String {
        self.of(b"0123456789abcdef", digits)
    }

    /// An id as MongoDB makes them.
    pub fn object_id(&self) -> String {
        let seconds = u32::try_from(self.now().as_second()).unwrap();
        let rest: String = self.bytes(8).iter().map(|byte| format!("{byte:02x}")).collect();
        self.note(format!("{seconds:08x}{rest}"))
    }

    /// Letters and digits at random.
    pub fn token(&self, length: usize) -> String {
        self.of(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", length)
    }

    /// The next id of a database that counts; some were given to others in between.
    pub fn serial(&self) -> u64 {
        let step = 1 + u64::from(self.bytes(1)[0] % 3);
        let id = self.serial.fetch_add(step, Ordering::SeqCst) + step;
        self.note(id.to_string());
        id
    }

    fn now(&self) -> Timestamp {
        let step = 400 + i64::from(self.bytes(1)[0]);
        let passed = self.passed.fetch_add(step, Ordering::SeqCst) + step;
        self.begin + SignedDuration::from_millis(passed)
    }

    /// The moment as most APIs write it.
    pub fn moment(&self) -> String {
        self.note(self.now().strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string())
    }

    /// The moment as AWS signs it: `20261120T093000Z`.
    pub fn compact_moment(&self) -> String {
        self.note(self.now().strftime("%Y%m%dT%H%M%SZ").to_string())
    }

    /// The day of the take, without hyphens.
    pub fn compact_day(&self) -> String {
        self.note(self.begin.strftime("%Y%m%d").to_string())
    }

    pub fn epoch(&self) -> i64 {
        let seconds = self.now().as_second();
        self.note(seconds.to_string());
        seconds
    }

    pub fn epoch_millis(&self) -> i64 {
        let millis = self.now().as_millisecond();
        self.note(millis.to_string());
        millis
    }

    /// A JSON Web Token that says this; nobody verifies its signature.
    pub fn jwt(&self, mut claims: Value) -> String {
        claims["iat"] = json!(self.epoch());
        claims["jti"] = json!(self.uuid());
        let head = BASE64.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
        let signature = BASE64.encode(self.bytes(32));
        self.note(format!("{head}.{}.{signature}", BASE64.encode(claims.to_string())))
    }

    /// An opaque cursor: whatever it says, in base64.
    pub fn cursor(&self, says: &str) -> String {
        let text = format!("{says}:{}", self.uuid());
        self.note(BASE64.encode(text))
    }

    /// The trace context of a call.
    pub fn traceparent(&self) -> String {
        self.note(format!("00-{}-{}-01", self.hex(32), self.hex(16)))
    }
}

/// A text without what these worlds made up.
pub fn settled(text: &str, worlds: &[&World]) -> String {
    let mut text = text.to_owned();
    for world in worlds {
        let made = world.made.lock().unwrap();
        let mut found: Vec<&String> = made.iter().filter(|value| text.contains(value.as_str())).collect();
        // The longest first: a short one may be a part of it.
        found.sort_by_key(|value| std::cmp::Reverse(value.len()));
        for value in found {
            text = replaced(&text, value);
        }
    }
    text
}

/// Replaces a made-up value where it stands as a word of its own.
fn replaced(text: &str, value: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(value) {
        let (before, after) = (rest[..at].chars().next_back(), rest[at + value.len()..].chars().next());
        let inside = |next: Option<char>| next.is_some_and(|next| next.is_ascii_alphanumeric());
        out.push_str(&rest[..at]);
        out.push_str(if value.len() < 12 && (inside(before) || inside(after)) { value } else { MADE_UP });
        rest = &rest[at + value.len()..];
    }
    out + rest
}

#[test]
fn only_what_was_made_up_is_left_aside() {
    let world = World::in_days(1);
    let (id, serial) = (world.uuid(), world.serial());
    let text = format!("/orders/{id}/x?n={serial}&m=1{serial}");
    assert_eq!(settled(&text, &[&world]), format!("/orders/•/x?n=•&m=1{serial}"));
    assert!(!settled(&text, &[&World::in_days(1)]).contains('•'));
}
