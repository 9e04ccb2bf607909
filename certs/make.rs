//! Makes the test certificates of this folder: `cargo run --example make-certs`. Run it only when they must change;
//! what it makes is committed.

use std::error::Error;
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SerialNumber,
};
use time::{Date, Month, OffsetDateTime};

/// The names of the good certificate.
const GOOD: &[&str] =
    &["localhost", "127.0.0.1", "::1", "api.test", "www.api.test", "auth.test", "other.test", "files.test"];

/// When the certificates begin to hold.
const FROM: i32 = 2020;
/// When they end; the expired one ends in [`EXPIRED`].
const UNTIL: i32 = 2120;
const EXPIRED: i32 = 2021;

fn main() -> Result<(), Box<dyn Error>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("certs");
    let (ca, ca_pem) = authority("retake test CA, never trust it", 1)?;
    std::fs::write(dir.join("ca.pem"), ca_pem)?;
    std::fs::write(dir.join("ca-key.pem"), ca.key().serialize_pem())?;
    leaf(&dir, "localhost", GOOD, UNTIL, 2, Some(&ca))?;
    leaf(&dir, "expired", &["localhost", "127.0.0.1", "::1"], EXPIRED, 3, Some(&ca))?;
    leaf(&dir, "wrong-host", &["wrong-host.test"], UNTIL, 4, Some(&ca))?;
    leaf(&dir, "self-signed", &["localhost", "127.0.0.1", "::1"], UNTIL, 5, None)?;
    let (unknown, _) = authority("retake unknown test CA", 6)?;
    leaf(&dir, "unknown-issuer", &["localhost", "127.0.0.1", "::1"], UNTIL, 7, Some(&unknown))
}

fn new_year(year: i32) -> Result<OffsetDateTime, Box<dyn Error>> {
    Ok(Date::from_calendar_date(year, Month::January, 1)?.midnight().assume_utc())
}

fn params(common_name: &str, serial: u64) -> Result<CertificateParams, Box<dyn Error>> {
    let mut params = CertificateParams::default();
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    params.distinguished_name = name;
    params.not_before = new_year(FROM)?;
    params.not_after = new_year(UNTIL)?;
    params.serial_number = Some(SerialNumber::from(serial));
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

/// A CA and its certificate in PEM.
fn authority(name: &str, serial: u64) -> Result<(Issuer<'static, KeyPair>, String), Box<dyn Error>> {
    let key = KeyPair::generate()?;
    let mut params = params(name, serial)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let pem = params.self_signed(&key)?.pem();
    Ok((Issuer::new(params, key), pem))
}

/// Writes `NAME.pem` and `NAME-key.pem`, signed by `issuer`, else by itself.
fn leaf(
    dir: &Path,
    file: &str,
    names: &[&str],
    until: i32,
    serial: u64,
    issuer: Option<&Issuer<'static, KeyPair>>,
) -> Result<(), Box<dyn Error>> {
    let key = KeyPair::generate()?;
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = params(file, serial)?;
    params.subject_alt_names = CertificateParams::new(names)?.subject_alt_names;
    params.not_after = new_year(until)?;
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let certificate = match issuer {
        Some(issuer) => params.signed_by(&key, issuer)?,
        None => params.self_signed(&key)?,
    };
    std::fs::write(dir.join(format!("{file}.pem")), certificate.pem())?;
    std::fs::write(dir.join(format!("{file}-key.pem")), key.serialize_pem())?;
    Ok(())
}
