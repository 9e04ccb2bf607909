//! The order among scenarios that may answer. Total, and the same whatever order they are found in.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde::Serialize;

use super::expected::{CompiledStub, Expected};
use super::{Evaluation, Hit};

/// In which capacity a scenario answers; earlier goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    /// It qualified.
    Qualified,
    /// A GET scenario that qualified, for HEAD.
    HeadFromGet,
    /// The default of its stub.
    Default,
    /// The default of a GET stub, for HEAD.
    HeadDefault,
}

/// A scenario that may answer, with all that the order asks.
pub(super) struct Contender<'i> {
    pub(super) role: Role,
    pub(super) stub: &'i CompiledStub,
    pub(super) scenario: &'i Expected,
    pub(super) evaluation: Evaluation,
    /// Position of the origin in its collection; 0 for all if the call named its origin.
    pub(super) origin_rank: u32,
    /// What it is known by, where the order asks for it.
    pub(super) id: Cow<'i, str>,
}

impl Contender<'_> {
    /// As the one that answers.
    pub(super) fn into_hit(self) -> Hit {
        Hit { at: self.scenario.at, evaluation: self.evaluation }
    }
}

/// By what the order is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Law {
    /// Exactness, path, score: `best` and `strict`.
    Weighed,
    /// Points, then status and id: `postman`.
    Points,
    /// Status and id: `postman`, if the call names its scenario.
    Named,
}

/// What decides between two scenarios that may both answer, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decider {
    /// Qualified before HEAD from GET before defaults.
    Role,
    /// The higher priority.
    Priority,
    /// Exact before inexact.
    Exactness,
    /// The more specific path.
    Specificity,
    /// The higher score.
    Score,
    /// More items compared.
    Items,
    /// A status of 200 before any other.
    Status,
    /// The id that comes first.
    Id,
    /// Fresh values stand for recorded ones that no other stands for yet.
    Binding,
    /// The order of `origins`.
    Origin,
    /// The order of collections.
    Collection,
    /// The path of the file.
    File,
    /// The position in the file.
    Position,
}

impl Decider {
    /// Its name, as in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Decider::Role => "role",
            Decider::Priority => "priority",
            Decider::Exactness => "exactness",
            Decider::Specificity => "specificity",
            Decider::Score => "score",
            Decider::Items => "items",
            Decider::Status => "status",
            Decider::Id => "id",
            Decider::Binding => "binding",
            Decider::Origin => "origin",
            Decider::Collection => "collection",
            Decider::File => "file",
            Decider::Position => "position",
        }
    }

    /// Why the one that lost did, in words.
    pub fn words(self) -> &'static str {
        match self {
            Decider::Role => "it would answer only as a default, or a GET scenario for HEAD",
            Decider::Priority => "the priority of the other is higher",
            Decider::Exactness => "the other is an exact hit",
            Decider::Specificity => "the path of the other is more specific",
            Decider::Score => "the score of the other is higher",
            Decider::Items => "more items of the other were compared",
            Decider::Status => "the other answers with 200",
            Decider::Id => "the id of the other comes first",
            Decider::Binding => "other fresh values stand for its recorded ones already",
            Decider::Origin => "the origin of the other comes first in `origins`",
            Decider::Collection => "the collection of the other comes first",
            Decider::File => "the file of the other comes first by name",
            Decider::Position => "the other comes first in the file",
        }
    }
}

impl Law {
    /// What decides, in this order.
    fn steps(self) -> &'static [Decider] {
        use Decider::{
            Binding, Collection, Exactness, File, Id, Items, Origin, Position, Priority, Role, Score, Specificity,
            Status,
        };
        match self {
            Law::Weighed => {
                &[Role, Priority, Exactness, Specificity, Score, Items, Binding, Origin, Collection, File, Position]
            }
            Law::Points => &[Priority, Score, Status, Binding, Id, Collection, File, Position],
            Law::Named => &[Status, Id, Collection, File, Position],
        }
    }

    /// Which of two goes first: `Less` is the one that answers.
    pub(super) fn compare(self, one: &Contender<'_>, other: &Contender<'_>) -> Ordering {
        self.decide(one, other).map_or(Ordering::Equal, |(order, _)| order)
    }

    /// [`Law::compare`] with what decided; none for a scenario and itself.
    pub(super) fn decide(self, one: &Contender<'_>, other: &Contender<'_>) -> Option<(Ordering, Decider)> {
        self.steps().iter().map(|decider| (decider.compare(one, other), *decider)).find(|(order, _)| order.is_ne())
    }
}

impl Decider {
    fn compare(self, one: &Contender<'_>, other: &Contender<'_>) -> Ordering {
        let (ours, theirs) = (&one.scenario, &other.scenario);
        match self {
            Decider::Role => one.role.cmp(&other.role),
            Decider::Priority => theirs.priority.cmp(&ours.priority),
            Decider::Exactness => other.evaluation.is_exact().cmp(&one.evaluation.is_exact()),
            Decider::Specificity => one.stub.specificity.cmp(&other.stub.specificity),
            Decider::Score => other.evaluation.score.total_cmp(&one.evaluation.score),
            Decider::Items => other.evaluation.compared().cmp(&one.evaluation.compared()),
            Decider::Status => (ours.status != 200).cmp(&(theirs.status != 200)),
            Decider::Id => one.id.cmp(&other.id),
            Decider::Binding => one.evaluation.spoken_for().cmp(&other.evaluation.spoken_for()),
            Decider::Origin => one.origin_rank.cmp(&other.origin_rank),
            Decider::Collection => ours.at.collection.cmp(&theirs.at.collection),
            Decider::File => one.stub.file.cmp(&other.stub.file),
            Decider::Position => ours.at.scenario.cmp(&theirs.at.scenario),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::collection::Profile;
    use crate::matching::tests::{call, collection, index, name_of};
    use crate::matching::{Candidate, Selection, Untouched};

    /// The table of `docs/matching.md`.
    #[test]
    fn worked_examples() {
        for (scenario, request, score, answers) in [
            ("?a=1&b=2", "?b=2&a=1", 100.0, "exact"),
            ("?a=1&b=2", "?a=1&b=2&c=3", 66.67, "inexact"),
            ("?a=1&b=2", "?a=1", 50.0, "no"),
            ("?a=1&b=2", "?a=1&b=3", 50.0, "no"),
            ("?a=1&b=2&c=3", "?a=1&b=2&c=4", 66.67, "no"),
            ("?a=1 {\"n\":1}", "?a=1&x=1 {\"n\":1.0}", 75.0, "inexact"),
            ("{\"a\":1,\"b\":2}", " {\"b\":2,\"a\":1,\"c\":3}", 66.67, "inexact"),
            ("{\"n\":3}", " {\"n\":\"3\"}", 0.0, "no"),
            ("?a=1 Accept:x X-B:y", "?a=1 Accept:x X-B:z", 83.33, "inexact"),
            ("Accept:x", " Accept:z", 0.0, "no"),
            ("", "", 100.0, "exact"),
        ] {
            let file = crate::matching::tests::stub(&format!("POST /p | it {scenario}"));
            let body = file.stub.scenarios[0].request.body.as_ref().and_then(|body| body.json.as_ref());
            let body = body.map(|json| bytes::Bytes::from(json.text().to_owned()));
            let candidate = Candidate::new(&file.stub, &file.stub.scenarios[0], &[], body.as_ref());
            let evaluation = candidate.evaluate(&call(&format!("POST /p{request}"))).unwrap();
            let told = match (evaluation.is_exact(), evaluation.qualifies()) {
                (true, _) => "exact",
                (_, true) => "inexact",
                _ => "no",
            };
            assert!((evaluation.score - score).abs() < 0.01, "{scenario} against {request}: {}", evaluation.score);
            assert_eq!(told, answers, "{scenario} against {request}");
        }
    }

    fn stubs() -> impl Strategy<Value = Vec<String>> {
        let path = prop_oneof![Just("/a/b"), Just("/a/{x}"), Just("/a/*"), Just("/**"), Just("/{x}/b"), Just("/c")];
        let query = prop_oneof![Just(""), Just(" ?p=1"), Just(" ?p=1&q=2"), Just(" ?p=1&q=2&r=3"), Just(" ?p=2")];
        let stub = (path, query, any::<bool>())
            .prop_map(|(path, query, default)| (path, query, if default { "*" } else { "" }));
        proptest::collection::vec(stub, 1..8).prop_map(|all| {
            let named = all.iter().enumerate();
            named.map(|(at, (path, query, default))| format!("GET {path} | s{at}{default}{query}")).collect()
        })
    }

    fn answer(stubs: &[String], line: &str) -> Option<String> {
        let stubs: Vec<&str> = stubs.iter().map(String::as_str).collect();
        let index = index(vec![collection(&[], &stubs)]);
        let ranked = index.rank(&call(line), Profile::Best, &Untouched);
        match index.select(&call(line), Profile::Best, &Untouched) {
            Selection::Hit(hit) => {
                assert_eq!(ranked[0].at, hit.at, "the ranking begins with the answer");
                Some(name_of(&index, hit.at).to_owned())
            }
            Selection::Miss(_) => {
                assert!(ranked.iter().all(|one| !one.qualified));
                None
            }
        }
    }

    proptest! {
        #[test]
        fn the_answer_depends_on_nothing_but_the_stubs_that_compete(
            stubs in stubs(),
            turn in 0_usize..8,
            query in prop_oneof![Just(""), Just("?p=1"), Just("?p=1&q=2"), Just("?p=1&q=2&z=9")],
        ) {
            let line = format!("GET /a/b{query}");
            let expected = answer(&stubs, &line);
            let mut turned = stubs.clone();
            turned.rotate_left(turn % stubs.len());
            prop_assert_eq!(&answer(&turned, &line), &expected, "whatever the order");
            turned.push("GET /unrelated | other".to_owned());
            turned.push("POST /a/b | post".to_owned());
            turned.push("GET https://b.test /a/b | elsewhere".to_owned());
            prop_assert_eq!(&answer(&turned, &line), &expected, "whatever else there is");
        }
    }
}
