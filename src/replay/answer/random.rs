//! Values made for one call: the same ones for the same seed, answer and number of the call.

use fake::Fake;
use fake::faker::{address, company, currency, internet, job, lorem, name, phone_number};
use jiff::{SignedDuration, Timestamp};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use crate::collection::Generated;

/// What a whole answer draws its chance from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seed([u8; 32]);

impl Seed {
    /// The seed of the answers of one scenario's step, or of anything else that has a name, in a run with this seed.
    pub(super) fn new(run: u64, name: &str) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&run.to_le_bytes()).update(name.as_bytes());
        Seed(*hasher.finalize().as_bytes())
    }

    /// The chance of its call of this number.
    pub(super) fn of_call(&self, number: u64) -> Random {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(&number.to_le_bytes());
        Random { seed: *hasher.finalize().as_bytes(), made: None }
    }
}

/// The chance of one call; nothing is computed before it is asked.
pub(super) struct Random {
    seed: [u8; 32],
    made: Option<ChaCha8Rng>,
}

impl Random {
    /// The generator.
    pub(super) fn rng(&mut self) -> &mut ChaCha8Rng {
        let seed = self.seed;
        self.made.get_or_insert_with(|| ChaCha8Rng::from_seed(seed))
    }

    /// A value; `now` is the present of the run.
    pub(super) fn value(&mut self, generated: Generated, now: Timestamp) -> String {
        match generated {
            Generated::Timestamp => now.as_second().to_string(),
            Generated::IsoTimestamp => iso(now),
            Generated::DateRecent | Generated::DatePast | Generated::DateFuture => self.date(generated, now),
            Generated::FirstName
            | Generated::LastName
            | Generated::FullName
            | Generated::UserName
            | Generated::Email
            | Generated::CompanyName
            | Generated::JobTitle => self.person(generated),
            Generated::City
            | Generated::Country
            | Generated::CountryCode
            | Generated::StreetName
            | Generated::StreetAddress
            | Generated::PhoneNumber
            | Generated::Latitude
            | Generated::Longitude => self.place(generated),
            Generated::Word | Generated::Words | Generated::Sentence | Generated::Paragraph => self.text(generated),
            _ => self.plain(generated),
        }
    }

    fn plain(&mut self, generated: Generated) -> String {
        let rng = self.rng();
        match generated {
            Generated::Guid | Generated::Uuid => {
                uuid::Builder::from_random_bytes(rng.random()).into_uuid().hyphenated().to_string()
            }
            Generated::Int => rng.random_range(0..=1_000).to_string(),
            Generated::Boolean => rng.random_bool(0.5).to_string(),
            Generated::AlphaNumeric => alphanumeric(rng, 1),
            Generated::Password => alphanumeric(rng, 15),
            Generated::Url => format!("https://{}", domain(rng)),
            Generated::DomainName => domain(rng),
            // RFC 5737 and RFC 3849: addresses of nobody.
            Generated::Ip => {
                let net = ["192.0.2", "198.51.100", "203.0.113"][rng.random_range(0..3usize)];
                format!("{net}.{}", rng.random_range(1..=254))
            }
            Generated::IpV6 => {
                let [a, b, c]: [u16; 3] = rng.random();
                std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, a, b, c).to_string()
            }
            // The bit of locally administered addresses, so that it is no maker's.
            Generated::MacAddress => {
                let mut bytes: [u8; 6] = rng.random();
                bytes[0] = (bytes[0] | 2) & !1;
                bytes.map(|byte| format!("{byte:02x}")).join(":")
            }
            Generated::Color => {
                let colors = ["red", "orange", "yellow", "green", "blue", "indigo", "violet", "white", "black", "gold"];
                colors[rng.random_range(0..colors.len())].to_owned()
            }
            Generated::HexColor => format!("#{:06x}", rng.random_range(0..0x100_0000u32)),
            Generated::Price => format!("{}.{:02}", rng.random_range(0..1_000), rng.random_range(0..100)),
            Generated::CurrencyCode => currency::en::CurrencyCode().fake_with_rng(rng),
            _ => String::new(),
        }
    }

    fn person(&mut self, generated: Generated) -> String {
        let rng = self.rng();
        match generated {
            Generated::FirstName => name::en::FirstName().fake_with_rng(rng),
            Generated::LastName => name::en::LastName().fake_with_rng(rng),
            Generated::FullName => {
                let first: String = name::en::FirstName().fake_with_rng(rng);
                let last: String = name::en::LastName().fake_with_rng(rng);
                format!("{first} {last}")
            }
            Generated::Email => {
                // RFC 2606: nobody gets mail by accident.
                let user: String = internet::en::Username().fake_with_rng(rng);
                let domain = ["example.com", "example.net", "example.org"][rng.random_range(0..3usize)];
                format!("{}@{domain}", user.to_lowercase())
            }
            Generated::UserName => internet::en::Username().fake_with_rng(rng),
            Generated::JobTitle => job::en::Title().fake_with_rng(rng),
            _ => company::en::CompanyName().fake_with_rng(rng),
        }
    }

    fn place(&mut self, generated: Generated) -> String {
        let rng = self.rng();
        match generated {
            Generated::City => address::en::CityName().fake_with_rng(rng),
            Generated::Country => address::en::CountryName().fake_with_rng(rng),
            Generated::CountryCode => address::en::CountryCode().fake_with_rng(rng),
            Generated::StreetName => address::en::StreetName().fake_with_rng(rng),
            Generated::StreetAddress => {
                let number: u32 = rng.random_range(1..10_000);
                let street: String = address::en::StreetName().fake_with_rng(rng);
                format!("{number} {street}")
            }
            Generated::Latitude => format!("{:.4}", rng.random_range(-90.0..90.0f64)),
            Generated::Longitude => format!("{:.4}", rng.random_range(-180.0..180.0f64)),
            _ => phone_number::en::PhoneNumber().fake_with_rng(rng),
        }
    }

    fn text(&mut self, generated: Generated) -> String {
        let rng = self.rng();
        match generated {
            Generated::Word => lorem::en::Word().fake_with_rng(rng),
            Generated::Words => {
                let words: Vec<String> = lorem::en::Words(3..6).fake_with_rng(rng);
                words.join(" ")
            }
            Generated::Sentence => lorem::en::Sentence(4..10).fake_with_rng(rng),
            _ => {
                let text: String = lorem::en::Paragraph(3..5).fake_with_rng(rng);
                text.replace('\n', " ")
            }
        }
    }

    fn date(&mut self, generated: Generated, now: Timestamp) -> String {
        const DAY: i64 = 24 * 60 * 60;
        let seconds = match generated {
            Generated::DateRecent => -self.rng().random_range(0..DAY),
            Generated::DatePast => -self.rng().random_range(DAY..365 * DAY),
            _ => self.rng().random_range(DAY..365 * DAY),
        };
        iso(now.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(now))
    }
}

fn iso(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

fn alphanumeric(rng: &mut ChaCha8Rng, length: usize) -> String {
    const ALL: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    (0..length).map(|_| char::from(ALL[rng.random_range(0..ALL.len())])).collect()
}

/// A name below `example`, which belongs to nobody (RFC 2606).
fn domain(rng: &mut ChaCha8Rng) -> String {
    let word: String = lorem::en::Word().fake_with_rng(rng);
    format!("{word}.example")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-20T09:30:00.5Z".parse().unwrap()
    }

    #[test]
    fn every_name_gives_something_that_the_seed_repeats() {
        let seed = Seed::new(7, "GET /x#ok");
        for name in Generated::names() {
            let generated = Generated::named(name).unwrap();
            let one = seed.of_call(3).value(generated, now());
            assert!(!one.is_empty() && !one.chars().any(char::is_control), "{name}: {one}");
            assert_eq!(one, seed.of_call(3).value(generated, now()), "{name}");
        }
        let guid = |seed: &Seed, call| seed.of_call(call).value(Generated::Guid, now());
        assert_ne!(guid(&seed, 3), guid(&seed, 4), "another call");
        assert_ne!(guid(&seed, 3), guid(&Seed::new(8, "GET /x#ok"), 3), "another run");
        assert_ne!(guid(&seed, 3), guid(&Seed::new(7, "GET /x#no"), 3), "another answer");
    }

    #[test]
    fn values_look_as_their_names_say() {
        let seed = Seed::new(1, "");
        for call in 0..200 {
            let mut random = seed.of_call(call);
            let mut value = |name: &str| random.value(Generated::named(name).unwrap(), now());
            assert_eq!(value("timestamp"), "1795167000");
            assert_eq!(value("isoTimestamp"), "2026-11-20T09:30:00.500Z");
            assert!(uuid::Uuid::parse_str(&value("guid")).is_ok_and(|id| id.get_version_num() == 4));
            assert!(value("randomInt").parse::<u32>().unwrap() <= 1_000);
            assert!(["true", "false"].contains(&value("randomBoolean").as_str()));
            assert_eq!(value("randomAlphaNumeric").len(), 1);
            assert_eq!(value("randomPassword").len(), 15);
            assert!(value("randomEmail").contains("@example."));
            assert!(value("randomUrl").starts_with("https://") && value("randomDomainName").ends_with(".example"));
            assert!(value("randomIP").parse::<std::net::Ipv4Addr>().is_ok());
            assert!(value("randomIPV6").parse::<std::net::Ipv6Addr>().is_ok());
            assert_eq!(value("randomMACAddress").len(), 17);
            assert_eq!(value("randomHexColor").len(), 7);
            assert!(value("randomPrice").parse::<f64>().unwrap() < 1_000.0);
            assert!(value("randomLatitude").parse::<f64>().unwrap().abs() <= 90.0);
            assert_eq!(value("randomCountryCode").len(), 2);
            assert!(value("randomFullName").contains(' '));
            assert!(value("randomStreetAddress").starts_with(|first: char| first.is_ascii_digit()));
            assert!(value("randomWords").split(' ').count() >= 3);
            let (past, future) = (value("randomDatePast"), value("randomDateFuture"));
            assert!(past.parse::<Timestamp>().unwrap() < now() && future.parse::<Timestamp>().unwrap() > now());
        }
    }
}
