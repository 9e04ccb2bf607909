//! Changes that wait beside a collection: put there by a promotion, listed, accepted or refused. Each decision is one
//! atomic write.

use std::collections::BTreeSet;
use std::path::Path;

use crate::collection::{Change, ChangeError, Collection, Pending, Proposer, Standing, check};
use crate::redact::Guard;
use crate::store::collections::{
    Batch, BodySource, LoadError, Loaded, NewBody, WriteError, WriteReport, Writer, load, load_pending,
};

/// A change that waits, and how it stands to the collection.
#[derive(Debug, Clone, PartialEq)]
pub struct Waiting {
    /// The change.
    pub pending: Pending,
    /// Whether it can be accepted.
    pub standing: Standing,
}

/// What to do with a change that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Make it.
    Accept,
    /// Do not, and remember that.
    Reject,
}

/// What became of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decided {
    /// It was made: files written and removed.
    Accepted(WriteReport),
    /// It was refused, which stands in the collection now.
    Rejected(WriteReport),
    /// It had nothing to change any more, and waits no longer.
    Dropped(Standing),
}

/// Why nothing was decided.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    /// The collection, or what waits, is broken.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The disk, a fault that the change would make, or what seems to be a secret.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// No such change.
    #[error("no change `{0}` waits for a decision")]
    Unknown(String),
    /// The beginning of several ids.
    #[error("`{0}` begins the ids of several changes: {1}")]
    Ambiguous(String, String),
    /// A body file of the change has the name of one that is there for something else.
    #[error("the change brings the file {0}, which something else in the collection uses")]
    Taken(String),
}

/// What waits beside a collection, in the order of their titles.
///
/// # Errors
/// Every fault of the collection, or of what waits.
pub fn waiting(folder: &Path) -> Result<(Loaded, Vec<Waiting>), ReviewError> {
    let loaded = load(folder)?;
    let waiting = stand(&loaded.collection, load_pending(folder)?);
    Ok((loaded, waiting))
}

fn stand(collection: &Collection, pending: Vec<Pending>) -> Vec<Waiting> {
    let stand = |pending: Pending| Waiting { standing: pending.standing(collection), pending };
    let mut waiting: Vec<_> = pending.into_iter().map(stand).collect();
    waiting.sort_by(|one, other| (&one.pending.title, &one.pending.id).cmp(&(&other.pending.title, &other.pending.id)));
    waiting
}

/// Decides about the change with this id, or the only one whose id begins so. `allow` are places that look like secrets
/// and are none.
///
/// # Errors
/// No such change; a collection with faults before or after; what looks like a secret; the disk. Nothing changed then.
pub fn decide(
    folder: &Path,
    id: &str,
    decision: Decision,
    guard: Guard,
    allow: &[String],
) -> Result<Decided, ReviewError> {
    // Before the lock, which would make the folder.
    load(folder)?;
    let writer = Writer::open(folder)?.guarded(guard);
    let loaded = writer.load()?;
    let all = load_pending(folder)?;
    let pending = find(&all, id)?;
    let mut remove = vec![pending.path()];
    remove.extend(pending.files.values().cloned());
    let standing = pending.standing(&loaded.collection);
    let mut after = Collection::clone(&loaded.collection);
    allow_places(&mut after, allow);
    let (bodies, is_made) = match (decision, &standing) {
        (_, Standing::Done | Standing::Refused | Standing::Gone(_)) => (Vec::new(), false),
        (Decision::Accept, Standing::Waits) => {
            pending.change.apply(&mut after).map_err(gone)?;
            (bodies(&loaded, pending, &after)?, true)
        }
        (Decision::Reject, Standing::Waits) => {
            pending.change.refuse(&mut after).map_err(gone)?;
            (Vec::new(), true)
        }
    };
    let written = writer.change(&loaded.collection, after, Batch { bodies, remove: &remove, ..Batch::default() })?;
    Ok(match decision {
        _ if !is_made => Decided::Dropped(standing),
        Decision::Accept => Decided::Accepted(written),
        Decision::Reject => Decided::Rejected(written),
    })
}

/// Cannot come: the change was tried before.
fn gone(error: ChangeError) -> ReviewError {
    ReviewError::Unknown(error.to_string())
}

/// Adds places that look like secrets and are none to those that the collection remembers.
pub fn allow_places(collection: &mut Collection, allow: &[String]) {
    let allowed = &mut collection.manifest.settings.allowed_secrets;
    let new: Vec<_> = allow.iter().filter(|place| !allowed.contains(place)).cloned().collect();
    if !new.is_empty() {
        allowed.extend(new);
        allowed.sort();
        allowed.dedup();
    }
}

fn find<'a>(all: &'a [Pending], id: &str) -> Result<&'a Pending, ReviewError> {
    let found: Vec<_> = all.iter().filter(|pending| !id.is_empty() && pending.id.starts_with(id)).collect();
    match found[..] {
        [only] => Ok(only),
        [] => Err(ReviewError::Unknown(id.to_owned())),
        _ => {
            let ids: Vec<_> = found.iter().map(|pending| pending.id.as_str()).collect();
            Err(ReviewError::Ambiguous(id.to_owned(), ids.join(", ")))
        }
    }
}

/// The body files that come with a change, from where they wait to where they will lie.
fn bodies(loaded: &Loaded, pending: &Pending, after: &Collection) -> Result<Vec<NewBody<'static>>, ReviewError> {
    let own = own_files(&pending.change);
    let mut bodies = Vec::new();
    for (path, waits) in &pending.files {
        let all = after.stubs.iter().flat_map(|file| check::stub_files(&file.stub));
        let all = all.chain(check::manifest_files(&after.manifest));
        let uses = all.filter(|(_, named)| named == path).count();
        if uses != own.iter().filter(|named| *named == path).count() {
            return Err(ReviewError::Taken(path.clone()));
        }
        let file = loaded.open_file(waits).map_err(|error| WriteError::Io(loaded.root.join(waits), error))?;
        bodies.push(NewBody { path: path.clone(), content: BodySource::Reader(Box::new(file)) });
    }
    Ok(bodies)
}

fn own_files(change: &Change) -> Vec<&str> {
    let steps = match change {
        Change::Answer { responses, .. } => &responses[..],
        Change::AddScenario { scenario, .. } => scenario.steps(),
        _ => &[],
    };
    let request = match change {
        Change::AddScenario { scenario, .. } => Some(&scenario.request),
        Change::SetRequest { request, .. } => Some(request),
        _ => None,
    };
    let request = request.and_then(|request| request.body.as_ref()?.file.as_deref());
    steps.iter().filter_map(|step| step.body.as_ref()?.file.as_deref()).chain(request).collect()
}

/// A change that was put beside a collection, unless it is so already, was refused, or is not possible.
#[derive(Debug)]
pub struct Proposed {
    /// The change.
    pub pending: Pending,
    /// How it stands to the collection.
    pub standing: Standing,
    /// The collection.
    pub collection: std::sync::Arc<Collection>,
}

/// Lets a change that the report of a miss proposes wait for a decision.
///
/// # Errors
/// A collection with faults, what looks like a secret, or the disk; nothing was written then.
pub fn propose(
    folder: &Path,
    change: Change,
    why: String,
    evidence: Vec<String>,
    guard: Guard,
) -> Result<Proposed, ReviewError> {
    // Before the lock, which would make the folder.
    load(folder)?;
    let writer = Writer::open(folder)?.guarded(guard);
    let Loaded { collection, .. } = writer.load()?;
    let pending = Pending::new(&collection, change, Proposer::Diff, why, evidence);
    let standing = pending.standing(&collection);
    let mut new = vec![pending.clone()];
    let remove = put(&collection, &load_pending(folder)?, &mut new);
    if !new.is_empty() {
        let batch = Batch { pending: &new, remove: &remove, ..Batch::default() };
        writer.change(&collection, Collection::clone(&collection), batch)?;
    }
    Ok(Proposed { pending, standing, collection })
}

/// What is to be written so that `new` waits beside a collection where `old` waits already: the files to be removed,
/// those of older changes about the same thing. Of a path, a newer change speaks of the stubs of the older one, too;
/// and the same change stays with the evidence that it came with. What is so already, was refused, or is not possible is left out of `new`.
pub fn put(collection: &Collection, old: &[Pending], new: &mut Vec<Pending>) -> Vec<String> {
    for pending in new.iter_mut() {
        let older = old.iter().filter(|known| known.id == pending.id);
        older.for_each(|known| pending.change.absorb(&known.change));
        pending.tell(collection);
        // The same on other days is no news: the file stays as it is.
        if let Some(known) = old.iter().find(|known| known.id == pending.id && known.change == pending.change) {
            *pending = Pending { old: pending.old.take(), ..known.clone() };
        }
    }
    let mut seen = BTreeSet::new();
    new.retain(|pending| pending.standing(collection) == Standing::Waits && seen.insert(pending.id.clone()));
    let subjects: BTreeSet<String> = new.iter().map(|pending| pending.change.subject()).collect();
    let kept: BTreeSet<String> =
        new.iter().flat_map(|pending| pending.files.values().cloned().chain([pending.path()])).collect();
    let replaced = old.iter().filter(|pending| subjects.contains(&pending.change.subject()));
    let files = replaced.flat_map(|pending| pending.files.values().cloned().chain([pending.path()]));
    files.filter(|path| !kept.contains(path)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::collection::{Stub, StubFile, file_name};
    use crate::redact::MaskRules;

    fn guard() -> Guard {
        Guard::new(&MaskRules::default(), &[])
    }

    fn pending(collection: &Collection, change: Value) -> Pending {
        let change = serde_json::from_value(change).unwrap();
        Pending::new(collection, change, Proposer::Promote, "2 samples".into(), Vec::new())
    }

    const STUB: &str = "GET https://a.test/a";

    fn answer(status: u16, body: Value) -> Value {
        json!({"do": "answer", "stub": STUB, "scenario": "ok", "responses": [{"status": status, "body": body}]})
    }

    /// A collection with these changes waiting.
    fn folder(changes: &[Value]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let manifest = json!({"version": 1, "name": "shop", "origins": ["https://a.test"]});
        let stub = json!({"version": 1, "method": "GET", "origin": "https://a.test", "path": "/a",
            "scenarios": [{"name": "ok", "response": {"status": 200}}]});
        let stub: Stub = serde_json::from_value(stub).unwrap();
        let path = file_name(&stub, |_| false);
        let manifest = serde_json::from_value(manifest).unwrap();
        let collection = Collection { manifest, stubs: vec![StubFile { path, stub: stub.into() }] };
        let pending: Vec<_> = changes.iter().map(|change| pending(&collection, change.clone())).collect();
        let batch = Batch { pending: &pending, ..Batch::default() };
        Writer::open(root.path()).unwrap().write_all(&collection, batch).unwrap();
        root
    }

    fn ids(root: &Path) -> Vec<String> {
        waiting(root).unwrap().1.into_iter().map(|waiting| waiting.pending.id).collect()
    }

    #[test]
    fn decisions_are_made_once_and_remembered() {
        let rule = json!({"do": "add-rule", "stub": STUB, "rule": {"place": "query", "name": "t", "action": "ignore"}});
        let root = folder(&[answer(404, json!({"text": "gone"})), rule.clone(), answer(500, json!({"text": "x"}))]);
        let root = root.path();
        let all = waiting(root).unwrap().1;
        assert_eq!(all.len(), 3);
        let id_of = |status: &str| {
            let is = |waiting: &&Waiting| waiting.pending.title.ends_with(status);
            all.iter().find(is).unwrap().pending.id.clone()
        };
        let [gone, broken, ignore] = ["404", "500", "count"].map(id_of);
        let decide = |id: &str, decision| super::decide(root, id, decision, guard(), &[]);
        assert!(matches!(decide("zz", Decision::Accept), Err(ReviewError::Unknown(_))));
        assert!(matches!(decide("", Decision::Accept), Err(ReviewError::Unknown(_))));
        assert!(matches!(decide(&gone[..6], Decision::Accept), Ok(Decided::Accepted(_))));
        assert!(matches!(decide(&broken, Decision::Reject), Ok(Decided::Rejected(_))));
        assert!(matches!(decide(&ignore, Decision::Reject), Ok(Decided::Rejected(_))));
        let collection = load(root).unwrap().collection;
        assert_eq!(collection.stubs[0].stub.scenarios[0].response.as_ref().unwrap().status, 404);
        assert!(collection.stubs[0].stub.rules[0].off);
        assert_eq!(collection.manifest.refused[0].id, broken);
        assert_eq!(ids(root), [""; 0]);
        assert!(!root.join("pending").exists(), "the folder goes with its last file");

        // What was refused, and what is so, does not come again; the rest does.
        let again = [
            answer(404, json!({"text": "gone"})),
            rule,
            answer(500, json!({"text": "x"})),
            answer(418, json!({"text": ""})),
        ];
        let mut new: Vec<_> = again.into_iter().map(|change| pending(&collection, change)).collect();
        let old = [pending(&collection, answer(419, json!({"text": ""})))];
        assert_eq!(put(&collection, &old, &mut new), [old[0].path()]);
        assert_eq!(new.len(), 1);
        assert_eq!(new[0].title, "GET /a#ok answers with another 418");
    }

    #[test]
    fn body_files_wait_beside_their_change() {
        let root = folder(&[]);
        let root = root.path();
        let loaded = load(root).unwrap();
        let mut waits = pending(&loaded.collection, answer(200, json!({"file": "bodies/a.png"})));
        let path = waits.file_path(0, "bodies/a.png");
        waits.files.insert("bodies/a.png".into(), path.clone());
        let body = NewBody { path, content: BodySource::Bytes(bytes::Bytes::from_static(b"\x89PNG")) };
        let batch = Batch { bodies: vec![body], pending: std::slice::from_ref(&waits), ..Batch::default() };
        Writer::open(root).unwrap().write_all(&loaded.collection, batch).unwrap();
        assert_eq!(ids(root), [waits.id.clone()]);
        decide(root, &waits.id, Decision::Accept, guard(), &[]).unwrap();
        assert_eq!(std::fs::read(root.join("bodies/a.png")).unwrap(), b"\x89PNG");
        assert!(!root.join("pending").exists());
    }

    #[test]
    fn what_is_so_already_or_speaks_of_what_is_gone_is_dropped() {
        let root = folder(&[answer(200, json!({"text": "x"}))]);
        let root = root.path();
        let id = ids(root).remove(0);
        let file = root.join(&load(root).unwrap().collection.stubs[0].path);
        std::fs::remove_file(file).unwrap();
        assert!(matches!(waiting(root).unwrap().1[0].standing, Standing::Gone(_)));
        let decided = decide(root, &id, Decision::Accept, guard(), &[]).unwrap();
        assert!(matches!(decided, Decided::Dropped(Standing::Gone(ChangeError::NoStub(_)))));
        assert_eq!(ids(root), [""; 0]);
    }

    #[test]
    fn a_secret_stops_the_decision_until_its_place_is_allowed() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("pending")).unwrap();
        let made = folder(&[answer(200, json!({"text": "ghp_16C7e42F292c6912E7710c838347Ae178B4a"}))]);
        let id = ids(made.path()).remove(0);
        let error = decide(made.path(), &id, Decision::Accept, guard(), &[]).unwrap_err();
        let ReviewError::Write(WriteError::Secrets(secrets)) = error else { panic!("{error}") };
        let place = secrets[0].place();
        assert_eq!(place, "stubs/a.test/get-a.json#/scenarios/0/response/body/text");
        assert!(!secrets[0].to_string().contains("ghp_"));
        assert_eq!(ids(made.path()), std::slice::from_ref(&id));
        let place = place.replace("/0/", "/*/");
        decide(made.path(), &id, Decision::Accept, guard(), std::slice::from_ref(&place)).unwrap();
        assert_eq!(load(made.path()).unwrap().collection.manifest.settings.allowed_secrets, [place]);
    }

    #[test]
    fn faults_of_what_waits_are_told_with_their_lines() {
        let root = folder(&[answer(200, json!({"text": "x"}))]);
        let waits = waiting(root.path()).unwrap().1.remove(0).pending;
        let at = |name: &str| root.path().join("pending").join(name);
        std::fs::write(at("abc.json"), "{\n  \"version\": 1,\n  \"titel\": \"x\"\n}").unwrap();
        std::fs::copy(at(&format!("{}.json", waits.id)), at("0123456789.json")).unwrap();
        let text = std::fs::read_to_string(at(&format!("{}.json", waits.id))).unwrap();
        std::fs::write(at(&format!("{}.json", waits.id)), text.replace("200", "201")).unwrap();
        let Err(ReviewError::Load(LoadError::Faulty { faults, .. })) = waiting(root.path()) else { panic!("no fault") };
        let told: Vec<_> = faults.iter().map(ToString::to_string).collect();
        assert!(told[0].starts_with("pending/0123456789.json:3: the change `"), "{told:?}");
        assert!(
            told.iter().any(|fault| fault == "pending/abc.json:3: unknown key `titel`; did you mean `title`?"),
            "{told:?}"
        );
        assert!(told.iter().any(|fault| fault.contains("that of this change is")), "{told:?}");
    }
}
