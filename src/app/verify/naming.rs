//! URLs in fields of answers, named alike on both sides: one of the API that was called is one of the recorded API, and
//! where that has any port, its recorded port is none in particular.

use crate::collection::OriginPattern;
use crate::model::origin::split_scheme;
use crate::model::{Authority, Field, Fields, Origin, facade};

/// Makes the URLs in a recorded answer of this origin name it as its stub does.
pub(super) fn name_recorded(fields: &mut Fields, recorded: &OriginPattern) {
    name(fields, |url| after(url, recorded, "").map(|rest| format!("{recorded}{rest}")));
}

/// Makes the URLs in an answer of the API that was called there, below `prefix`, name the recorded one.
pub(super) fn name_live(fields: &mut Fields, called: &Origin, prefix: &str, recorded: &OriginPattern) {
    let called = OriginPattern::exactly(called);
    name(fields, |url| after(url, &called, prefix).map(|rest| format!("{recorded}{rest}")));
}

fn name(fields: &mut Fields, named: impl Fn(&str) -> Option<String>) {
    facade::keep_here(fields, true, &named);
    for field in fields.iter_mut().filter(|field| field.is("link")) {
        *field = Field::new(std::mem::take(&mut field.name), links(&field.text(), &named));
    }
}

/// What follows the origin and the prefix in a URL that is absolute or lacks only the scheme.
fn after<'u>(url: &'u str, origin: &OriginPattern, prefix: &str) -> Option<&'u str> {
    let (scheme, rest) = split_scheme(url).or_else(|| Some((origin.scheme, url.strip_prefix("//")?)))?;
    let (host, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let authority = Authority::parse(host, scheme.default_port()).ok()?;
    let rest = rest.strip_prefix(prefix).filter(|rest| rest.is_empty() || rest.starts_with(['/', '?', '#']))?;
    origin.matches(&Origin::new(scheme, authority)).then_some(rest)
}

/// The value of a `Link` field (RFC 8288) with its targets, which stand in `<…>`, named so.
fn links(value: &str, named: impl Fn(&str) -> Option<String>) -> String {
    let (mut out, mut rest) = (String::with_capacity(value.len()), value);
    while let Some((before, (url, after))) =
        rest.split_once('<').and_then(|(before, after)| Some((before, after.split_once('>')?)))
    {
        let url = named(url).unwrap_or_else(|| url.to_owned());
        out.extend([before, "<", &url, ">"]);
        rest = after;
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(lines: &[(&str, &str)]) -> Fields {
        let mut fields = Fields::new();
        lines.iter().for_each(|(name, value)| fields.push(*name, *value));
        fields
    }

    fn texts(fields: &Fields) -> Vec<String> {
        fields.iter().map(|field| field.text().into_owned()).collect()
    }

    #[test]
    fn both_sides_name_an_api_alike() {
        let recorded: OriginPattern = "http://localhost:*".parse().unwrap();
        let mut before = fields(&[
            ("Location", "http://127.0.0.1:41234/orders/7?x"),
            ("Link", "<http://localhost:41234/orders?page=2>; rel=\"next\", </a>; rel=prev, <http://b.test/>; rel=up"),
            ("Content-Location", "http://other.test:41234/orders"),
        ]);
        name_recorded(&mut before, &recorded);
        let named = [
            "http://localhost:*/orders/7?x",
            "<http://localhost:*/orders?page=2>; rel=\"next\", </a>; rel=prev, <http://b.test/>; rel=up",
            "http://other.test:41234/orders",
        ];
        assert_eq!(texts(&before), named);

        let mut live = fields(&[
            ("Location", "HTTPS://staging.test:443/v1/orders/7?x"),
            ("Link", "<//staging.test/v1/orders?page=2>; rel=\"next\", </a>; rel=prev, <http://b.test/>; rel=up"),
            ("Content-Location", "http://other.test:41234/orders"),
        ]);
        name_live(&mut live, &"https://staging.test".parse().unwrap(), "/v1", &recorded);
        assert_eq!(texts(&live), named);
    }

    #[test]
    fn what_is_not_below_the_prefix_stays() {
        let recorded: OriginPattern = "https://api.test".parse().unwrap();
        for url in ["https://staging.test/v10/a", "https://staging.test/a", "http://staging.test/v1/a", "/v1/a", "a b"]
        {
            let mut live = fields(&[("Location", url)]);
            name_live(&mut live, &"https://staging.test".parse().unwrap(), "/v1", &recorded);
            assert_eq!(texts(&live), [url]);
        }
        assert_eq!(links("<https://broken.test", |_| Some("x".to_owned())), "<https://broken.test");
    }
}
