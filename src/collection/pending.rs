//! A change that waits for a person: `pending/<id>.json` beside the stubs, which replay does not look at.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::change::{Change, ChangeError};
use super::key::StubKeys;
use super::stub::text_form;
use super::{Collection, FORMAT_VERSION};

/// The folder of what waits, in that of the collection.
pub const PENDING: &str = "pending";

/// Who proposes a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Proposer {
    /// `retake promote`, from what was recorded.
    Promote,
    /// A report of a miss, or of drift.
    Diff,
}

/// A change that waits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pending {
    /// The version of the format; 1.
    pub version: u32,
    /// That of the change, and the file's name.
    pub id: String,
    /// What the change does, in a sentence.
    pub title: String,
    /// Who proposes it.
    pub from: Proposer,
    /// Why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// What was seen: samples, places, figures.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<String>,
    /// What stood in the collection when it was proposed, and would change; absent where nothing did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old: Option<Value>,
    /// The change itself.
    pub change: Change,
    /// Body files that come with it: where they will lie, and where they wait.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, String>,
}

/// How what waits stands to the collection as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It can be accepted.
    Waits,
    /// Somebody made it so by hand.
    Done,
    /// It was refused before.
    Refused,
    /// It speaks of what is not there any more.
    Gone(ChangeError),
}

impl Pending {
    /// A change that waits from now on.
    pub fn new(collection: &Collection, change: Change, from: Proposer, why: String, evidence: Vec<String>) -> Pending {
        let id = change.id();
        let (title, old, files) = (String::new(), None, BTreeMap::new());
        let mut pending = Pending { version: FORMAT_VERSION, id, title, from, why, evidence, old, change, files };
        pending.tell(collection);
        pending
    }

    /// Says anew what the change does, and what it would put something else for.
    pub fn tell(&mut self, collection: &Collection) {
        (self.title, self.old) = (self.change.title(), self.change.now(collection));
    }

    /// The path of its file in the collection's folder.
    pub fn path(&self) -> String {
        format!("{PENDING}/{}.json", self.id)
    }

    /// Where the body that will lie at `path` waits, `at` being its position among those of this change.
    pub fn file_path(&self, at: usize, path: &str) -> String {
        let extension = path.rsplit_once('.').map_or("bin", |(_, extension)| extension);
        format!("{PENDING}/{}.{}.{extension}", self.id, at + 1)
    }

    /// Whether what it changes was edited since it was proposed.
    pub fn is_outdated(&self, collection: &Collection) -> bool {
        self.old != self.change.now(collection)
    }

    /// How it stands to a collection.
    pub fn standing(&self, collection: &Collection) -> Standing {
        if self.change.is_refused(collection) {
            return Standing::Refused;
        }
        match self.change.apply(&mut self.change.part_of(collection)) {
            Ok(true) => Standing::Waits,
            Ok(false) => Standing::Done,
            Err(error) => Standing::Gone(error),
        }
    }
}

/// A change that was refused and is not a rule: its id, and what it was, in files as one text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refusal {
    /// The id of the change.
    pub id: String,
    /// What it was, for people.
    pub title: String,
}

/// A text that is no refusal.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` names no refused change: write its id, ten hexadecimal digits, and what it is")]
pub struct BadRefusal(String);

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.id, self.title)
    }
}

impl std::str::FromStr for Refusal {
    type Err = BadRefusal;

    fn from_str(text: &str) -> Result<Self, BadRefusal> {
        let (id, title) = text.split_once(' ').unwrap_or((text, ""));
        if !is_id(id) {
            return Err(BadRefusal(text.to_owned()));
        }
        Ok(Refusal { id: id.to_owned(), title: title.trim().to_owned() })
    }
}

text_form!(
    Refusal,
    "A change that was refused: its id, and what it is, such as `3f9a2c1b44 GET /users#ok answers with another 404`"
);

/// Whether a text is the id of a change.
pub(super) fn is_id(text: &str) -> bool {
    text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

impl Change {
    /// Remembers in a collection that this is not wanted: a rule stands there, switched off; anything else is listed
    /// under `refused` of `collection.json`.
    ///
    /// # Errors
    /// The stub of the rule is not there any more.
    pub fn refuse(&self, collection: &mut Collection) -> Result<(), ChangeError> {
        if let Change::AddRule { stub, rule } = self {
            let mut rule = rule.clone();
            rule.off = true;
            return Change::AddRule { stub: stub.clone(), rule }.apply(collection).map(drop);
        }
        let refusal = Refusal { id: self.id(), title: self.title() };
        let refused = &mut collection.manifest.refused;
        if let Err(at) = refused.binary_search_by(|known| known.id.cmp(&refusal.id))
            && !refused.iter().any(|known| known.id == refusal.id)
        {
            refused.insert(at, refusal);
        }
        Ok(())
    }

    /// Whether it was refused before, or a rule about the same item was switched off.
    pub fn is_refused(&self, collection: &Collection) -> bool {
        let off =
            |rules: &[super::Rule], rule: &super::Rule| rules.iter().any(|known| known.off && known.same_item(rule));
        match self {
            Change::AddRule { rule, .. } if rule.off => false,
            Change::AddRule { stub, rule } => {
                let stub = stub.as_ref().and_then(|key| collection.stubs.iter().find(|file| key.is_of(&file.stub)));
                off(&collection.manifest.rules, rule) || stub.is_some_and(|file| off(&file.stub.rules, rule))
            }
            _ => {
                let id = self.id();
                collection.manifest.refused.iter().any(|refused| refused.id == id)
            }
        }
    }

    /// What stands in the collection now where the change would put something else; none where nothing does.
    pub fn now(&self, collection: &Collection) -> Option<Value> {
        let stub = |key: &super::StubKey| collection.stubs.iter().map(|file| &file.stub).find(|stub| key.is_of(stub));
        let scenario = |key: &super::StubKey, name: &str| stub(key)?.scenarios.iter().find(|known| known.name == name);
        match self {
            Change::AddRule { stub: key, rule } => {
                let rules = match key {
                    None => &collection.manifest.rules,
                    Some(key) => &stub(key)?.rules,
                };
                let same: Vec<_> = rules.iter().filter(|known| known.same_item(rule)).collect();
                (!same.is_empty()).then(|| json!(same))
            }
            Change::Answer { stub: key, scenario: name, .. } => Some(json!(scenario(key, name)?.steps())),
            Change::AddScenario { .. } => None,
            Change::RemoveScenario { stub: key, scenario: name } => Some(json!(scenario(key, name)?)),
            Change::SetDisabled { stub: key, scenario: name, .. } => Some(scenario(key, name)?.disabled.into()),
            Change::SetDefault { stub: key, .. } => {
                stub(key)?.scenarios.iter().find(|known| known.default).map(|known| known.name.clone().into())
            }
            Change::SetEnd { stub: key, scenario: name, .. } => {
                Some(json!(scenario(key, name)?.end.unwrap_or_default()))
            }
            Change::SetPath { stubs, .. } => {
                let known = StubKeys::of_stubs(collection.stubs.iter().map(|file| &*file.stub));
                let there: Vec<_> = stubs.iter().filter(|key| known.have_key(key)).collect();
                (!there.is_empty()).then(|| json!(there))
            }
            Change::SetRequest { stub: key, scenario: name, .. } => Some(json!(scenario(key, name)?.request)),
            Change::CopyScenario { .. } => None,
            Change::SetLength { stub: key, scenario: name, .. } => {
                Some(super::copying::answers_of(scenario(key, name)?).into())
            }
            Change::SetState { stub: key, scenario: name, .. } => Some(json!(scenario(key, name)?.state)),
            Change::Together { changes } => {
                let all: Vec<_> = changes.iter().filter_map(|change| change.now(collection)).collect();
                (!all.is_empty()).then(|| json!(all))
            }
        }
    }

    /// The manifest and the stubs that the change speaks of: applying it to these says what it would do to the whole.
    pub fn part_of(&self, collection: &Collection) -> Collection {
        let mut spoken = StubKeys::default();
        self.spoken_of(&mut spoken);
        let stubs = collection.stubs.iter().filter(|file| spoken.have(&file.stub)).cloned().collect();
        Collection { manifest: collection.manifest.clone(), stubs }
    }

    /// Adds the stubs that the change speaks of.
    fn spoken_of<'c>(&'c self, all: &mut StubKeys<'c>) {
        match self {
            Change::AddRule { stub: None, .. } => {}
            Change::AddRule { stub: Some(key), .. }
            | Change::Answer { stub: key, .. }
            | Change::AddScenario { stub: key, .. }
            | Change::RemoveScenario { stub: key, .. }
            | Change::SetDisabled { stub: key, .. }
            | Change::SetDefault { stub: key, .. }
            | Change::SetEnd { stub: key, .. }
            | Change::SetLength { stub: key, .. }
            | Change::SetState { stub: key, .. }
            | Change::SetRequest { stub: key, .. } => all.add(key),
            Change::CopyScenario { stub: key, to, .. } => [key, to].into_iter().for_each(|key| all.add(key)),
            Change::Together { changes } => changes.iter().for_each(|change| change.spoken_of(all)),
            Change::SetPath { stubs, path } => {
                for key in stubs {
                    all.add(key);
                    all.add_at(key, path);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collection() -> Collection {
        let manifest = json!({"version": 1, "name": "shop", "origins": ["https://a.test"]});
        let stub = json!({"version": 1, "method": "GET", "origin": "https://a.test", "path": "/a",
            "scenarios": [{"name": "ok", "response": {"status": 200}}]});
        let stub: super::super::Stub = serde_json::from_value(stub).unwrap();
        let path = super::super::file_name(&stub, |_| false);
        Collection {
            manifest: serde_json::from_value(manifest).unwrap(),
            stubs: vec![super::super::StubFile { path, stub: stub.into() }],
        }
    }

    fn pending(collection: &Collection, change: Value) -> Pending {
        let change = serde_json::from_value(change).unwrap();
        Pending::new(collection, change, Proposer::Promote, "2 samples".into(), vec!["#1 and #2".into()])
    }

    const STUB: &str = "GET https://a.test/a";

    #[test]
    fn what_waits_is_a_readable_file() {
        let found = collection();
        let answer = json!({"do": "answer", "stub": STUB, "scenario": "ok", "responses": [{"status": 404}]});
        let waits = pending(&found, answer.clone());
        let value = serde_json::to_value(&waits).unwrap();
        assert_eq!(
            value,
            json!({"version": 1, "id": waits.id, "title": "GET /a#ok answers with another 404", "from": "promote",
                "why": "2 samples", "evidence": ["#1 and #2"], "old": [{"status": 200}], "change": answer})
        );
        assert_eq!(serde_json::from_value::<Pending>(value).unwrap(), waits);
        assert_eq!(waits.path(), format!("pending/{}.json", waits.id));
        assert_eq!(waits.file_path(0, "bodies/a/b.png"), format!("pending/{}.1.png", waits.id));
    }

    #[test]
    fn it_waits_until_it_is_so_or_refused_or_gone() {
        let mut found = collection();
        let rule = json!({"do": "add-rule", "stub": STUB, "rule": {"place": "query", "name": "t", "action": "ignore"}});
        let answer = json!({"do": "answer", "stub": STUB, "scenario": "ok", "responses": [{"status": 404}]});
        let [rule, answer] = [rule, answer].map(|change| pending(&found, change));
        assert_eq!(rule.standing(&found), Standing::Waits);
        assert_eq!(answer.standing(&found), Standing::Waits);
        let mut accepted = found.clone();
        rule.change.apply(&mut accepted).unwrap();
        assert_eq!(rule.standing(&accepted), Standing::Done);

        rule.change.refuse(&mut found).unwrap();
        answer.change.refuse(&mut found).unwrap();
        answer.change.refuse(&mut found).unwrap();
        assert_eq!(rule.standing(&found), Standing::Refused);
        assert_eq!(answer.standing(&found), Standing::Refused);
        let text = super::super::file_text(&found.stubs[0].stub);
        assert!(text.contains("\"off\": true\n"), "{text}");
        let text = super::super::file_text(&found.manifest);
        assert!(text.contains(&format!("    \"{} GET /a#ok answers with another 404\"\n", answer.id)), "{text}");
        assert_eq!(serde_json::from_str::<super::super::Manifest>(&text).unwrap(), found.manifest);

        let gone = Collection { stubs: Vec::new(), ..collection() };
        assert!(matches!(answer.standing(&gone), Standing::Gone(ChangeError::NoStub(_))));
    }

    #[test]
    fn a_refusal_needs_its_id() {
        for text in ["", "GET /a", "3F9A2C1B44 x", "3f9a2c1b4 x"] {
            assert!(text.parse::<Refusal>().is_err(), "{text}");
        }
        assert_eq!("3f9a2c1b44".parse::<Refusal>().unwrap().title, "");
    }
}
