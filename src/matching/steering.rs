//! The fields of a call that steer the mock: `x-mock-response-code`, `-id`, `-name`, `x-mock-match-request-body` and
//! `x-mock-match-request-headers`. `x-mock-response-delay` is about the answer, and read there.

use crate::model::Fields;
use crate::model::fields::is_steering;

/// What a call asks of the mock in `x-mock-*` fields; nothing by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Steering {
    /// `x-mock-response-code`, as written: only scenarios that answer so take part.
    pub code: Option<String>,
    /// `x-mock-response-id`: the scenario of that id answers.
    pub id: Option<String>,
    /// `x-mock-response-name`: a scenario of that name answers.
    pub name: Option<String>,
    /// `x-mock-match-request-body`: whether the body must agree, or is not compared.
    pub body: Option<bool>,
    /// `x-mock-match-request-headers`: these fields, and no others, must agree.
    pub fields: Option<Vec<String>>,
}

/// The field by which a call says whether its body must agree.
pub const MATCH_BODY: &str = "x-mock-match-request-body";

/// Reads the value of [`MATCH_BODY`].
///
/// # Errors
/// What is wrong with it, in words.
pub fn match_body(value: &str) -> Result<bool, String> {
    match value.trim().to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(format!("`{MATCH_BODY}: {value}` says neither yes nor no: write true or false")),
    }
}

impl Steering {
    /// Takes the steering fields, ours too, out of the fields of a call.
    pub fn take(fields: &mut Fields) -> Self {
        let mut steering = Steering::default();
        if !fields.iter().any(|field| is_steering(&field.name)) {
            return steering;
        }
        let text = |name: &str| fields.text(name).map(|value| value.trim().to_owned());
        steering.code = text("x-mock-response-code");
        steering.id = text("x-mock-response-id");
        steering.name = text("x-mock-response-name");
        steering.body = text(MATCH_BODY).and_then(|value| match_body(&value).ok());
        if fields.has("x-mock-match-request-headers") {
            let named = fields.members("x-mock-match-request-headers");
            steering.fields = Some(named.into_iter().filter(|name| !name.is_empty()).collect());
        }
        fields.retain(|field| !is_steering(&field.name));
        steering
    }

    /// The fields that it was read from; of the values what counts.
    pub fn fields(&self) -> Vec<(String, String)> {
        let mut fields: Vec<_> = self.conditions().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        if let Some(body) = self.body {
            fields.push((MATCH_BODY.to_owned(), body.to_string()));
        }
        if let Some(names) = &self.fields {
            fields.push(("x-mock-match-request-headers".to_owned(), names.join(", ")));
        }
        fields
    }

    /// Whether the call names its scenario, by id or by name.
    pub(super) fn picks(&self) -> bool {
        self.id.is_some() || self.name.is_some()
    }

    /// The fields that leave scenarios out, with their values.
    pub fn conditions(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let code = self.code.as_deref().map(|value| ("x-mock-response-code", value));
        let id = self.id.as_deref().map(|value| ("x-mock-response-id", value));
        let name = self.name.as_deref().map(|value| ("x-mock-response-name", value));
        [code, id, name].into_iter().flatten()
    }

    /// Whether a scenario that first answers `status`, has this name and is known by one of these ids takes part.
    pub(super) fn admits(&self, status: u16, name: &str, ids: impl FnOnce(&str) -> bool) -> bool {
        self.code.as_ref().is_none_or(|code| code.parse() == Ok(status))
            && self.name.as_ref().is_none_or(|wanted| wanted == name)
            && self.id.as_deref().is_none_or(ids)
    }
}

/// An id without the number of its owner: Postman writes `12345678-9c2e…` for `9c2e…`.
pub(super) fn bare_id(id: &str) -> &str {
    match id.split_once('-') {
        // A UUID begins with eight characters, which may all be digits: what is left would be none.
        Some((owner, rest)) if !owner.is_empty() && owner.bytes().all(|byte| byte.is_ascii_digit()) => {
            if rest.len() >= 36 { rest } else { id }
        }
        _ => id,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steering_is_read_and_taken_out() {
        let mut fields = Fields::new();
        for (name, value) in [
            ("X-Mock-Response-Code", "404"),
            ("x-mock-response-name", " gone "),
            ("x-mock-match-request-body", "True"),
            ("x-mock-match-request-headers", "Accept, x-b,"),
            ("x-mock-response-delay", "100"),
            ("x-retake-explain", "1"),
            ("Accept", "a/b"),
        ] {
            fields.push(name, value);
        }
        let steering = Steering::take(&mut fields);
        assert_eq!(fields.iter().map(|field| field.name.as_str()).collect::<Vec<_>>(), ["Accept"]);
        assert_eq!(steering.code.as_deref(), Some("404"));
        assert_eq!(steering.name.as_deref(), Some("gone"));
        assert_eq!(steering.body, Some(true));
        assert_eq!(steering.fields, Some(vec!["Accept".to_owned(), "x-b".to_owned()]));
        assert_eq!(Steering::take(&mut fields), Steering::default());
        let logged = steering.fields().into_iter().map(|(name, value)| crate::model::Field::new(name, value));
        assert_eq!(Steering::take(&mut logged.collect()), steering);
    }

    #[test]
    fn the_body_must_agree_or_need_not() {
        assert_eq!((match_body("TRUE"), match_body(" false ")), (Ok(true), Ok(false)));
        for bad in ["maybe", "", "1", "yes"] {
            assert!(match_body(bad).unwrap_err().contains("write true or false"), "{bad}");
        }
    }

    #[test]
    fn an_owner_before_an_id_does_not_count() {
        let id = "12345678-7c1e-4d30-9a55-2f6f0c1be001";
        assert_eq!(bare_id(&format!("998877-{id}")), id);
        assert_eq!(bare_id(id), id);
        assert_eq!(bare_id("my-id"), "my-id");
    }
}
