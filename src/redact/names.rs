//! Which names make a value a secret: the one table, as `docs/security.md` prints it.

use std::collections::HashSet;

/// Names of query pairs and of JSON, form, XML and multipart members whose values are masked, written without `-` and
/// `_` and in lower case, sorted. A name must be equal as a whole: `max_tokens` and `next_page_token` are no secrets.
pub const MEMBERS: &[&str] = &[
    "accesskey",
    "accesstoken",
    "accountkey",
    "apikey",
    "apisecret",
    "apitoken",
    "appsecret",
    "auth",
    "authenticationtoken",
    "authenticitytoken",
    "authkey",
    "authorization",
    "authtoken",
    "awssecretaccesskey",
    "bearertoken",
    "clientassertion",
    "clientsecret",
    "codeverifier",
    "confirmpassword",
    "connectionstring",
    "consumersecret",
    "credential",
    "credentials",
    "csrf",
    "csrfmiddlewaretoken",
    "csrftoken",
    "currentpassword",
    "dbpassword",
    "encryptionkey",
    "idtoken",
    "jsessionid",
    "jwt",
    "newpassword",
    "oauthtoken",
    "oauthtokensecret",
    "oldpassword",
    "onetimepassword",
    "otp",
    "pass",
    "passcode",
    "passphrase",
    "passwd",
    "password",
    "passwordconfirmation",
    "personalaccesstoken",
    "phpsessid",
    "privatekey",
    "privatetoken",
    "proxyauthorization",
    "pwd",
    "refreshtoken",
    "requesttoken",
    "samlresponse",
    "secret",
    "secretaccesskey",
    "secretkey",
    "secrettoken",
    "securitytoken",
    "servicekey",
    "sessionkey",
    "sessiontoken",
    "sharedaccesskey",
    "sharedsecret",
    "signingkey",
    "signingsecret",
    "subscriptionkey",
    "token",
    "userpassword",
    "webhooksecret",
    "xamzcredential",
    "xamzsecuritytoken",
    "xamzsignature",
    "xapikey",
    "xgoogcredential",
    "xgoogsignature",
    "xsrftoken",
];

/// Further names that are secrets in a query or a form only: elsewhere they are ordinary data.
pub const PAIRS: &[&str] = &["oauthsignature", "oauthverifier", "sig", "signature", "subscriptionid"];

/// Further field names whose values are masked. A field is also masked when its name, or its name without a leading
/// `x`, stands in [`MEMBERS`]. `Authorization`, `Proxy-Authorization`, `Cookie` and `Set-Cookie` have forms of their own.
pub const FIELDS: &[&str] = &[
    "ddapikey",
    "ddapplicationkey",
    "ocpapimsubscriptionkey",
    "xalgoliaapikey",
    "xamzsecuritytoken",
    "xchefauthorization",
    "xfigmatoken",
    "xfunctionskey",
    "xgithubtoken",
    "xgitlabtoken",
    "xgoogapikey",
    "xgoogiamauthorizationtoken",
    "xhasuraadminsecret",
    "xhubsignature",
    "xhubsignature256",
    "xnewrelicapikey",
    "xrapidapikey",
    "xshopifyaccesstoken",
    "xslacksignature",
    "xtwiliosignature",
    "xvaulttoken",
];

/// The longest name that is looked up, without `-` and `_`; a longer one is no secret.
pub(super) const LONGEST: usize = 40;

/// The built-in table and what the user adds to it.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    fields: HashSet<Vec<u8>>,
    members: HashSet<Vec<u8>>,
    query: HashSet<Vec<u8>>,
    form: HashSet<Vec<u8>>,
    keep: HashSet<Vec<u8>>,
}

impl Names {
    pub(super) fn new(rules: &super::MaskRules) -> Self {
        let plain = |names: &[String]| names.iter().map(|name| normalized(name.as_bytes()).collect()).collect();
        Names {
            fields: plain(&rules.fields),
            members: plain(&rules.members),
            query: plain(&rules.query),
            form: plain(&rules.form),
            keep: plain(&rules.keep),
        }
    }

    /// Whether the user said that values of this name are no secrets.
    pub(super) fn is_kept(&self, name: &[u8]) -> bool {
        let mut buffer = [0; LONGEST];
        fold(name, &mut buffer).is_some_and(|folded| has(&self.keep, folded))
    }

    /// Whether members of this name are secrets: JSON, XML, multipart.
    pub(super) fn is_member(&self, name: &[u8]) -> bool {
        let mut buffer = [0; LONGEST];
        let Some(name) = fold(name, &mut buffer) else { return false };
        MEMBER_TABLE.has(name) && !has(&self.keep, name) || has(&self.members, name)
    }

    /// Whether pairs of a query of this name are secrets. `user[password]` and `user.password` are members called
    /// `password`.
    pub(super) fn is_query(&self, name: &[u8]) -> bool {
        self.is_pair(name, &self.query)
    }

    /// Whether members of a form of this name are secrets, named as in a query.
    pub(super) fn is_form(&self, name: &[u8]) -> bool {
        self.is_pair(name, &self.form)
    }

    /// Whether what is said after this name is a secret. `user.password` is called `password`.
    pub(super) fn is_said(&self, name: &[u8]) -> bool {
        self.is_member(name.rsplit(|byte| *byte == b'.').next().unwrap_or(name))
    }

    fn is_pair(&self, name: &[u8], added: &HashSet<Vec<u8>>) -> bool {
        // A name given by the user may be the whole one, brackets and all.
        let mut buffer = [0; LONGEST];
        if !added.is_empty() && fold(name, &mut buffer).is_some_and(|folded| added.contains(folded)) {
            return true;
        }
        let last = name.strip_suffix(b"]").unwrap_or(name);
        let last = last.rsplit(|byte| matches!(byte, b'[' | b'.')).next().unwrap_or(last);
        let mut buffer = [0; LONGEST];
        let Some(folded) = fold(last, &mut buffer) else { return false };
        let is_known = (MEMBER_TABLE.has(folded) || PAIR_TABLE.has(folded)) && !has(&self.keep, folded);
        is_known || has(&self.members, folded) || has(added, folded)
    }

    /// Whether the values of fields of this name are secrets as a whole.
    pub(super) fn is_field(&self, name: &[u8]) -> bool {
        let mut buffer = [0; LONGEST];
        let Some(name) = fold(name, &mut buffer) else { return false };
        let bare = name.strip_prefix(b"x").unwrap_or(name);
        let is_known = FIELD_TABLE.has(name) || MEMBER_TABLE.has(name) || MEMBER_TABLE.has(bare);
        is_known && !has(&self.keep, name) || has(&self.fields, name)
    }
}

fn has(names: &HashSet<Vec<u8>>, name: &[u8]) -> bool {
    !names.is_empty() && names.contains(name)
}

fn normalized(name: &[u8]) -> impl Iterator<Item = u8> {
    name.iter().filter(|byte| !matches!(byte, b'-' | b'_')).map(u8::to_ascii_lowercase)
}

/// The name without `-`, `_` and case; `None` when it is empty or too long to be listed.
fn fold<'a>(name: &[u8], buffer: &'a mut [u8; LONGEST]) -> Option<&'a [u8]> {
    if name.len() > 2 * LONGEST {
        return None;
    }
    let mut length = 0;
    for byte in normalized(name) {
        *buffer.get_mut(length)? = byte;
        length += 1;
    }
    (length > 0).then(|| &buffer[..length])
}

/// A table, and for each first letter the lengths of its entries: most names are refused without a comparison.
struct Table {
    entries: &'static [&'static str],
    lengths: [u64; 26],
}

static MEMBER_TABLE: Table = Table::new(MEMBERS);
static PAIR_TABLE: Table = Table::new(PAIRS);
static FIELD_TABLE: Table = Table::new(FIELDS);

impl Table {
    const fn new(entries: &'static [&'static str]) -> Self {
        let mut lengths = [0; 26];
        let mut at = 0;
        while at < entries.len() {
            let entry = entries[at].as_bytes();
            lengths[(entry[0] - b'a') as usize] |= 1 << entry.len();
            at += 1;
        }
        Table { entries, lengths }
    }

    fn has(&self, name: &[u8]) -> bool {
        let Some(first @ b'a'..=b'z') = name.first() else { return false };
        self.lengths[usize::from(first - b'a')] >> name.len() & 1 == 1
            && self.entries.binary_search_by(|entry| entry.as_bytes().cmp(name)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_sorted_and_every_entry_is_found() {
        let names = Names::default();
        for table in [MEMBERS, PAIRS, FIELDS] {
            assert!(table.is_sorted(), "binary search needs order");
        }
        for entry in MEMBERS {
            assert!(names.is_member(entry.as_bytes()), "{entry}");
            assert!(entry.len() <= LONGEST);
        }
    }

    #[test]
    fn the_document_names_every_entry() {
        let document = include_str!("../../docs/security.md");
        for entry in [MEMBERS, PAIRS, FIELDS].concat() {
            assert!(document.contains(&format!("`{entry}`")), "docs/security.md does not name {entry}");
        }
    }

    #[test]
    fn names_are_whole_and_without_case_or_joints() {
        let names = Names::new(&super::super::MaskRules { members: vec!["Employee-Id".into()], ..Default::default() });
        for name in ["access_token", "AccessToken", "ACCESS-TOKEN", "x-amz-signature", "Password", "employee_id"] {
            assert!(names.is_member(name.as_bytes()), "{name}");
        }
        for name in ["max_tokens", "next_page_token", "token_type", "tokens", "secretary", "passenger", "", "sig"] {
            assert!(!names.is_member(name.as_bytes()), "{name}");
        }
        assert!(names.is_query(b"sig") && names.is_form(b"user[password]") && !names.is_query(b"page"));
        for name in
            ["X-Api-Key", "apikey", "X-Auth-Token", "PRIVATE-TOKEN", "X-CSRF-Token", "Ocp-Apim-Subscription-Key"]
        {
            assert!(names.is_field(name.as_bytes()), "{name}");
        }
        for name in ["X-Request-Id", "Accept", "ETag", "X-RateLimit-Limit", "Content-Type"] {
            assert!(!names.is_field(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn what_the_user_says_holds_where_it_is_said() {
        let one = |name: &str| vec![name.to_owned()];
        let rules = super::super::MaskRules {
            query: one("Code"),
            form: one("user[pin]"),
            keep: one("to-ken"),
            ..Default::default()
        };
        let names = Names::new(&rules);
        assert!(names.is_query(b"code") && !names.is_form(b"code") && !names.is_member(b"code"));
        assert!(names.is_form(b"user[pin]") && !names.is_query(b"user[pin]") && !names.is_form(b"pin"));
        assert!(!names.is_member(b"token") && !names.is_query(b"token") && !names.is_field(b"Token"));
        assert!(names.is_member(b"access_token") && names.is_field(b"X-Token"));
    }
}
