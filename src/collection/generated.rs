//! The values that templates make for each call, by Postman's names.

/// A value that is made for each call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is its name in the table below, which docs/collection-format.md explains")]
pub enum Generated {
    Guid,
    Timestamp,
    IsoTimestamp,
    Uuid,
    Int,
    Boolean,
    AlphaNumeric,
    Password,
    FirstName,
    LastName,
    FullName,
    UserName,
    Email,
    PhoneNumber,
    City,
    Country,
    CountryCode,
    StreetName,
    StreetAddress,
    Latitude,
    Longitude,
    CompanyName,
    JobTitle,
    Url,
    DomainName,
    Ip,
    IpV6,
    MacAddress,
    Color,
    HexColor,
    Word,
    Words,
    Sentence,
    Paragraph,
    Price,
    CurrencyCode,
    DateRecent,
    DatePast,
    DateFuture,
}

/// Every name, without its dollar sign. Postman has two for some.
const NAMES: [(&str, Generated); 42] = [
    ("guid", Generated::Guid),
    ("timestamp", Generated::Timestamp),
    ("isoTimestamp", Generated::IsoTimestamp),
    ("randomUUID", Generated::Uuid),
    ("randomInt", Generated::Int),
    ("randomBoolean", Generated::Boolean),
    ("randomAlphaNumeric", Generated::AlphaNumeric),
    ("randomPassword", Generated::Password),
    ("randomFirstName", Generated::FirstName),
    ("randomLastName", Generated::LastName),
    ("randomFullName", Generated::FullName),
    ("randomUserName", Generated::UserName),
    ("randomEmail", Generated::Email),
    ("randomExampleEmail", Generated::Email),
    ("randomPhoneNumber", Generated::PhoneNumber),
    ("randomCity", Generated::City),
    ("randomCountry", Generated::Country),
    ("randomCountryCode", Generated::CountryCode),
    ("randomStreetName", Generated::StreetName),
    ("randomStreetAddress", Generated::StreetAddress),
    ("randomLatitude", Generated::Latitude),
    ("randomLongitude", Generated::Longitude),
    ("randomCompanyName", Generated::CompanyName),
    ("randomJobTitle", Generated::JobTitle),
    ("randomUrl", Generated::Url),
    ("randomDomainName", Generated::DomainName),
    ("randomIP", Generated::Ip),
    ("randomIPV6", Generated::IpV6),
    ("randomMACAddress", Generated::MacAddress),
    ("randomColor", Generated::Color),
    ("randomHexColor", Generated::HexColor),
    ("randomWord", Generated::Word),
    ("randomWords", Generated::Words),
    ("randomLoremWord", Generated::Word),
    ("randomLoremWords", Generated::Words),
    ("randomLoremSentence", Generated::Sentence),
    ("randomLoremParagraph", Generated::Paragraph),
    ("randomPrice", Generated::Price),
    ("randomCurrencyCode", Generated::CurrencyCode),
    ("randomDateRecent", Generated::DateRecent),
    ("randomDatePast", Generated::DatePast),
    ("randomDateFuture", Generated::DateFuture),
];

impl Generated {
    /// The value of that name, which has no dollar sign.
    pub fn named(name: &str) -> Option<Generated> {
        NAMES.iter().find(|(known, _)| *known == name).map(|(_, generated)| *generated)
    }

    /// Every name.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|(name, _)| *name)
    }
}
