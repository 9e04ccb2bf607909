//! What becomes of a call that nothing matches: a report, or the way to its origin. Deciding is pure; the way is a
//! [`Fallback`] that whoever starts the replay has put in.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};

use crate::collection::{EndPolicy, Manifest, OnMiss};
use crate::matching::{Call, Index, Miss, Reason, Standing, Target};
use crate::model::{Authority, Origin};
use crate::redact::PlaceholderIn;
use crate::wire::Fallback;

/// What the user says of misses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OnMissRules {
    /// Of all calls.
    pub run: Option<OnMiss>,
    /// Of calls to a host, in lower case.
    pub hosts: Vec<(String, OnMiss)>,
}

impl OnMissRules {
    /// Reads `fail`, `pass`, `record`, or one of them for a host: `api.github.com=pass`. A later word wins.
    ///
    /// # Errors
    /// In words.
    pub fn read(words: &[String]) -> Result<OnMissRules, String> {
        let mut rules = OnMissRules::default();
        for word in words {
            let what = |text: &str| text.parse::<OnMiss>().map_err(|error| error.to_string());
            match word.rsplit_once('=') {
                None => rules.run = Some(what(word)?),
                Some((host, text)) => {
                    let host = Authority::parse(host, 0).map_err(|_| format!("`{host}` is no host"))?;
                    rules.hosts.retain(|(known, _)| known != host.host());
                    rules.hosts.push((host.host().to_owned(), what(text)?));
                }
            }
        }
        Ok(rules)
    }

    /// What becomes of a miss, and where it would go. `fail` on the command line is the last word; else the stub's own
    /// word goes before that for the host, for the run, and of the collection.
    pub(super) fn decide(&self, index: &Index, call: &Call, miss: &Miss) -> Option<(OnMiss, Origin)> {
        let origin = match &call.target {
            Target::Origin(origin) => origin.clone(),
            Target::Authority(_) | Target::Any => return None,
        };
        let of_host = self.hosts.iter().find(|(host, _)| host == origin.host()).map(|(_, what)| *what);
        if of_host == Some(OnMiss::Fail) || (of_host.is_none() && self.run == Some(OnMiss::Fail)) {
            return None;
        }
        if miss.reason == Reason::UsedUp {
            let ended = miss.near.iter().find(|near| near.standing == Standing::UsedUp)?;
            // `miss` is a miss wherever it runs.
            index.scenario(ended.at).end.filter(|end| *end == EndPolicy::Pass)?;
        }
        let own = miss.of_endpoint().and_then(|near| index.stub(near.at).stub.on_miss);
        let of_collection = || of_collections(index, Some(&origin));
        let what = own.or(of_host).or(self.run).or_else(of_collection).unwrap_or_default();
        (what != OnMiss::Fail).then_some((what, origin))
    }

    /// Whether misses of a call to `target` are recorded, unless its stub or the call itself stands in the way.
    pub(super) fn records(&self, index: &Index, target: &Target) -> bool {
        let origin = if let Target::Origin(origin) = target { Some(origin) } else { None };
        let of_host = origin.and_then(|origin| self.hosts.iter().find(|(host, _)| host == origin.host()));
        let what = of_host.map(|(_, what)| *what).or(self.run).or_else(|| of_collections(index, origin));
        what == Some(OnMiss::Record)
    }
}

/// What the first collection says of misses that serves the origin, or serves any if none is known.
fn of_collections(index: &Index, origin: Option<&Origin>) -> Option<OnMiss> {
    let serves =
        |manifest: &&Manifest| origin.is_none_or(|origin| manifest.origins.iter().any(|served| served.matches(origin)));
    let mut manifests = index.sources().map(|source| &source.collection.manifest).filter(serves);
    manifests.find_map(|manifest| manifest.settings.on_miss)
}

/// Origins of which it is remembered that a warning was given.
const MAX_WARNED: usize = 64;

/// Origins that were sent a placeholder; each is warned of once.
#[derive(Debug, Default)]
pub(super) struct Warned(Mutex<Vec<Origin>>);

impl Warned {
    /// Warns of an origin, unless that was done.
    pub(super) fn once(&self, origin: &Origin, place: &PlaceholderIn) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.contains(origin) || known.len() >= MAX_WARNED {
            return;
        }
        known.push(origin.clone());
        tracing::warn!(
            "{origin} gets a placeholder of the mock in place of a secret ({place}), and may refuse it: let the call that \
             gives the secret go to the origin, too (`retake mock disable` its scenario), or give the client a real one"
        );
    }
}

/// The ways to origins; without one of them, calls that it would take fail.
#[derive(Clone, Default)]
pub struct Ways {
    /// For `pass`.
    pub pass: Option<Arc<dyn Fallback>>,
    /// For `record`.
    pub record: Option<Arc<dyn Fallback>>,
}

impl Ways {
    /// The way for what was decided.
    pub(super) fn of(&self, what: OnMiss) -> Option<Arc<dyn Fallback>> {
        match what {
            OnMiss::Fail => None,
            OnMiss::Pass => self.pass.clone(),
            OnMiss::Record => self.record.clone(),
        }
    }
}

/// Makes hyper's view of a head that of the request as it goes to its origin: the path without what spoke to us.
pub(super) fn aim(head: &mut http::request::Parts, call: &Call, origin: &Origin, is_plain: bool) {
    let mut target = call.path.clone();
    if let Some(query) = &call.query {
        target.push('?');
        target.push_str(query);
    }
    if let Ok(uri) = target.parse() {
        head.uri = uri;
    }
    if is_plain && let Ok(host) = HeaderValue::try_from(origin.host_field()) {
        head.headers.insert(http::header::HOST, host);
    }
    steered(&mut head.headers);
}

/// Takes off what steers us.
fn steered(headers: &mut HeaderMap) {
    let ours: Vec<_> =
        headers.keys().filter(|name| crate::model::fields::is_steering(name.as_str())).cloned().collect();
    ours.iter().for_each(|name| drop(headers.remove(name)));
}

/// A body as matching sees it, and as it came.
pub(super) struct ReadBody {
    /// Content coding undone where it could be.
    pub(super) decoded: Bytes,
    /// As it came.
    pub(super) raw: Bytes,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collection::{OriginPattern, Profile, Settings};
    use crate::matching::Selection;
    use crate::matching::tests::{UsedUp, call, collection, index};

    fn rules(words: &[&str]) -> OnMissRules {
        OnMissRules::read(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn who_has_the_say() {
        let mut source = collection(
            &["https://a.test", "https://b.test"],
            &["GET /stub | s ?x=1", "GET /ended | e", "GET /passed | p"],
        );
        let content = Arc::get_mut(&mut source.collection).unwrap();
        content.manifest.settings = Settings { on_miss: Some(OnMiss::Record), ..Settings::default() };
        for file in &mut content.stubs {
            let stub = &mut *file.stub;
            let scenario = &mut stub.scenarios[0];
            match stub.path.as_str() {
                "/stub" => file.stub.on_miss = Some(OnMiss::Fail),
                "/ended" => scenario.end = Some(EndPolicy::Miss),
                _ => scenario.end = Some(EndPolicy::Pass),
            }
        }
        let index = index(vec![source]);
        let decided = |words: &[&str], line: &str| {
            let call = call(line);
            let Selection::Miss(miss) = index.select(&call, Profile::Best, &UsedUp) else { panic!("a hit") };
            rules(words).decide(&index, &call, &miss).map(|(what, _)| what)
        };
        use OnMiss::{Pass, Record};
        for (words, line, what) in [
            (&[][..], "GET /x", Some(Record)),
            (&[], "GET https://c.test /x", None),
            (&["pass"], "GET https://c.test /x", Some(Pass)),
            (&["pass"], "GET /x", Some(Pass)),
            (&["fail"], "GET /x", None),
            (&["fail", "a.test=pass"], "GET /x", Some(Pass)),
            (&["pass", "a.test=fail"], "GET /x", None),
            (&["pass", "a.test=fail"], "GET https://b.test /x", Some(Pass)),
            (&["pass"], "GET /stub?x=2", None),
            (&["pass"], "GET /ended", None),
            (&["pass"], "GET /passed", Some(Pass)),
            (&["fail"], "GET /passed", None),
            (&["pass"], "GET * /x", None),
        ] {
            assert_eq!(decided(words, line), what, "{words:?} {line}");
        }
        assert!("https://a.test".parse::<OriginPattern>().is_ok());
    }

    #[test]
    fn what_says_nothing_of_misses_is_refused() {
        for bad in ["forward", "a.test=", "=pass", "a b=pass"] {
            assert!(OnMissRules::read(&[bad.to_owned()]).is_err(), "{bad}");
        }
    }
}
