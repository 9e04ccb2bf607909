//! Bodies given on the command line: text, or `@FILE`, and how they stand in the collection.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::Path;

use bytes::Bytes;

use crate::cli::exit::CliError;
use crate::collection::body::style_of;
use crate::collection::{BodySpec, Collection, body_file_name, check, media_type_of};
use crate::model::media::Kind;
use crate::store::collections::{BodySource, NewBody};

/// Larger bodies go to a file of their own.
const MAX_INLINE_BYTES: usize = 64 * 1024;

/// A body from the command line.
pub(super) struct GivenBody {
    bytes: Bytes,
    /// Given, or guessed from the content and the file's extension.
    pub(super) media_type: String,
}

/// Reads `text`, or the file that `@FILE` names; `declared` is the media type, if the user said it.
///
/// # Errors
/// Exit code 2 for a file that cannot be read.
pub(super) fn read(text: &str, declared: Option<&str>) -> Result<GivenBody, CliError> {
    let (bytes, file) = match text.strip_prefix('@') {
        Some(file) => {
            let read = std::fs::read(file);
            (read.map_err(|error| CliError::usage(format!("`{file}` could not be read: {error}")))?, Some(file))
        }
        None => (text.as_bytes().to_vec(), None),
    };
    let media_type = declared.map_or_else(|| guess(&bytes, file), str::to_owned);
    Ok(GivenBody { bytes: bytes.into(), media_type })
}

fn guess(bytes: &[u8], file: Option<&str>) -> String {
    let extension = file.and_then(|file| Path::new(file).extension()?.to_str());
    if let Some(known) = extension.and_then(|extension| media_type_of(&extension.to_ascii_lowercase())) {
        return known.to_owned();
    }
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    let is_json = matches!(first, Some(b'{' | b'[')) && serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok();
    match (is_json, std::str::from_utf8(bytes)) {
        (true, _) => "application/json",
        (false, Ok(_)) => "text/plain; charset=utf-8",
        (false, Err(_)) => "application/octet-stream",
    }
    .to_owned()
}

impl GivenBody {
    /// How it stands in a scenario's file. What is large or binary, or JSON whose bytes plain JSON cannot give back, goes
    /// to `bodies/`, under a name that is not in `used` yet.
    pub(super) fn into_spec(
        self,
        scenario: &str,
        used: &RefCell<BTreeSet<String>>,
        bodies: &mut Vec<NewBody<'_>>,
    ) -> BodySpec {
        let kind = Kind::of(Some(&self.media_type));
        if self.bytes.len() <= MAX_INLINE_BYTES {
            if kind == Kind::Json
                && let Some((json, style)) = style_of(&self.bytes)
            {
                return BodySpec { json: Some(json.into()), style, ..BodySpec::default() };
            }
            if kind != Kind::Json
                && let Ok(text) = std::str::from_utf8(&self.bytes)
            {
                return BodySpec { text: Some(text.to_owned()), ..BodySpec::default() };
            }
        }
        let path = body_file_name(scenario, Some(&self.media_type), |path| used.borrow().contains(path));
        used.borrow_mut().insert(path.clone());
        bodies.push(NewBody { path: path.clone(), content: BodySource::Bytes(self.bytes) });
        BodySpec { file: Some(path), ..BodySpec::default() }
    }
}

/// The body files that a collection names.
pub(super) fn files_of(collection: &Collection) -> BTreeSet<String> {
    let stubs = collection.stubs.iter().flat_map(|file| check::stub_files(&file.stub));
    let files = stubs.chain(check::manifest_files(&collection.manifest));
    files.map(|(_, file)| file.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_are_guessed_from_content_and_extension() {
        for (bytes, file, guessed) in [
            (&b"{\"a\":1}"[..], None, "application/json"),
            (b" [1]\n", None, "application/json"),
            (b"{not json", None, "text/plain; charset=utf-8"),
            (b"hello", None, "text/plain; charset=utf-8"),
            (b"\xff\xd8", None, "application/octet-stream"),
            (b"\xff\xd8", Some("a/b.JPG"), "image/jpeg"),
            (b"<p>", Some("x.html"), "text/html"),
            (b"[]", Some("x.unheard"), "application/json"),
        ] {
            assert_eq!(guess(bytes, file), guessed, "{file:?}");
        }
    }

    #[test]
    fn bodies_stand_inline_where_their_bytes_allow() {
        let used = RefCell::new(BTreeSet::from(["bodies/ok.json".to_owned()]));
        let mut bodies = Vec::new();
        let mut spec = |bytes: &'static [u8], media_type: &str| {
            let given = GivenBody { bytes: Bytes::from_static(bytes), media_type: media_type.to_owned() };
            given.into_spec("ok", &used, &mut bodies)
        };
        assert!(spec(b"{\"a\": 1}", "application/json").style.spaced);
        assert_eq!(spec(b"{\"a\" : 1}", "application/json").file.as_deref(), Some("bodies/ok-2.json"));
        assert_eq!(spec(b"\xff", "image/png").file.as_deref(), Some("bodies/ok.png"));
        assert_eq!(spec(b"hi\r\n", "text/plain").text.as_deref(), Some("hi\r\n"));
        assert_eq!(bodies.len(), 2);
    }
}
