//! Differences of two JSON texts, with the members of arrays paired: by a key of theirs, else by content, so that one
//! member more does not make all that follow differ.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use similar::{Algorithm, DiffTag, capture_diff_slices_deadline};

use super::json::{Leaf, Value, leaves};

/// How long the pairing of arrays may take; after that members are paired by position.
const DEADLINE: Duration = Duration::from_millis(50);
/// Members that tell one object of an array from another, the first that all have and no two share.
const KEYS: [&str; 5] = ["id", "key", "name", "uuid", "code"];

/// How a place differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "BodyChangeKind")]
pub enum Kind {
    /// On the left only.
    Removed,
    /// On the right only.
    Added,
    /// On both sides, with different values.
    Changed,
    /// An array's member that has another position.
    Moved,
}

/// A difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "BodyChange")]
pub struct Change {
    /// What happened.
    pub kind: Kind,
    /// JSON pointer (RFC 6901) on the left; on the right for what was added.
    pub pointer: String,
    /// The value on the left, as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// The value on the right, as JSON; the pointer there, of what was moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// All differences of two texts, as far as they were listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
pub struct Changes {
    /// The first of them.
    pub listed: Vec<Change>,
    /// How many there are.
    pub all: usize,
    /// Time ran out: there may be a smaller set of differences.
    pub is_coarse: bool,
}

/// The differences of two JSON texts, at most `limit` of them listed; none if one of them is not clean JSON.
pub fn changes(before: &str, after: &str, limit: usize) -> Option<Changes> {
    changes_by(before, after, limit, Instant::now() + DEADLINE)
}

/// [`changes`], with arrays paired by position after the deadline.
pub fn changes_by(before: &str, after: &str, limit: usize, deadline: Instant) -> Option<Changes> {
    let (before, after) = (leaves(before)?, leaves(after)?);
    let (before, after) = (Node::of(&before), Node::of(&after));
    let mut walk = Walk { out: Changes::default(), limit, deadline };
    walk.pair(&before, &after, &mut String::new(), &mut String::new());
    Some(walk.out)
}

/// A tree over leaves. Its depth is bounded by that of the leaves.
#[derive(Debug)]
enum Node<'a> {
    Leaf(&'a Value),
    Object(Vec<(&'a str, Node<'a>)>),
    Array(Vec<Node<'a>>),
}

impl<'a> Node<'a> {
    fn of(leaves: &'a [Leaf]) -> Node<'a> {
        let items: Vec<(&str, &Leaf)> = leaves.iter().map(|leaf| (&*leaf.pointer, leaf)).collect();
        Node::build(&items, 0)
    }

    /// Builds a node of leaves with the rests of their pointers; leaves of one parent stand together, for they are
    /// sorted by pointer, except where `/` sorts behind a character of a longer name: so they are gathered by name.
    fn build(items: &[(&'a str, &'a Leaf)], level: usize) -> Node<'a> {
        if let [("", leaf)] = items {
            return Node::Leaf(&leaf.value);
        }
        let mut places: HashMap<&str, usize> = HashMap::new();
        let mut members: Vec<(&str, Vec<(&str, &Leaf)>)> = Vec::new();
        for (pointer, leaf) in items {
            let rest = pointer.strip_prefix('/').unwrap_or(pointer);
            let end = rest.find('/').unwrap_or(rest.len());
            let (name, rest) = rest.split_at(end);
            let place = *places.entry(name).or_insert_with(|| {
                members.push((name, Vec::new()));
                members.len() - 1
            });
            members[place].1.push((rest, leaf));
        }
        if items.first().is_some_and(|(_, leaf)| leaf.arrays.is_array(level)) {
            members.sort_by_key(|(name, _)| name.parse::<usize>().unwrap_or(0));
            return Node::Array(members.iter().map(|(_, items)| Node::build(items, level + 1)).collect());
        }
        Node::Object(members.iter().map(|(name, items)| (*name, Node::build(items, level + 1))).collect())
    }

    /// The node as JSON, at most about `room` bytes of it.
    fn text(&self, room: usize) -> String {
        let mut out = String::new();
        self.write(room, &mut out);
        out
    }

    fn write(&self, room: usize, out: &mut String) {
        let (open, close) = match self {
            Node::Leaf(value) => return out.push_str(&value.text()),
            Node::Object(_) => ('{', '}'),
            Node::Array(_) => ('[', ']'),
        };
        out.push(open);
        let members: Box<dyn Iterator<Item = (Option<&str>, &Node<'_>)>> = match self {
            Node::Object(members) => Box::new(members.iter().map(|(name, node)| (Some(*name), node))),
            Node::Array(members) => Box::new(members.iter().map(|node| (None, node))),
            Node::Leaf(_) => Box::new(std::iter::empty()),
        };
        for (at, (name, node)) in members.enumerate() {
            if at > 0 {
                out.push(',');
            }
            if out.len() > room {
                out.push('…');
                break;
            }
            if let Some(name) = name {
                let name = name.replace("~1", "/").replace("~0", "~");
                out.push_str(&serde_json::to_string(&name).unwrap_or_default());
                out.push(':');
            }
            node.write(room, out);
        }
        out.push(close);
    }

    /// A fingerprint of the content, for pairing.
    fn hash(&self, hasher: &mut blake3::Hasher) {
        match self {
            Node::Leaf(value) => {
                let text = value.text();
                hasher.update(&[0]).update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
            }
            Node::Object(members) => {
                hasher.update(&[1]).update(&(members.len() as u64).to_le_bytes());
                for (name, node) in members {
                    hasher.update(&(name.len() as u64).to_le_bytes()).update(name.as_bytes());
                    node.hash(hasher);
                }
            }
            Node::Array(members) => {
                hasher.update(&[2]).update(&(members.len() as u64).to_le_bytes());
                members.iter().for_each(|node| node.hash(hasher));
            }
        }
    }

    fn fingerprint(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        self.hash(&mut hasher);
        *hasher.finalize().as_bytes()
    }

    /// The value of a member that is a leaf.
    fn member(&self, wanted: &str) -> Option<&'a Value> {
        let Node::Object(members) = self else { return None };
        members.iter().find_map(|(name, node)| match node {
            Node::Leaf(value) if *name == wanted => Some(*value),
            _ => None,
        })
    }
}

/// A member of the left, and the one of the right that belongs to it.
type Pair = (Option<usize>, Option<usize>);

struct Walk {
    out: Changes,
    limit: usize,
    deadline: Instant,
}

/// Bytes of a value that are listed.
const ROOM: usize = 4096;

impl Walk {
    fn pair(&mut self, one: &Node<'_>, other: &Node<'_>, left: &mut String, right: &mut String) {
        match (one, other) {
            (Node::Leaf(one), Node::Leaf(other)) if one.same(other) => {}
            (Node::Object(before), Node::Object(after)) => {
                let right_of: HashMap<&str, &Node<'_>> = after.iter().map(|(name, node)| (*name, node)).collect();
                for (name, node) in before {
                    match right_of.get(name) {
                        Some(other) => self.inside(node, other, (name, name), left, right),
                        None => self.add(Kind::Removed, &format!("{left}/{name}"), Some(node), None),
                    }
                }
                let left_of: HashMap<&str, ()> = before.iter().map(|(name, _)| (*name, ())).collect();
                for (name, node) in after.iter().filter(|(name, _)| !left_of.contains_key(name)) {
                    self.add(Kind::Added, &format!("{right}/{name}"), None, Some(node));
                }
            }
            (Node::Array(before), Node::Array(after)) => self.arrays(before, after, left, right),
            _ => self.add(Kind::Changed, left, Some(one), Some(other)),
        }
    }

    fn inside(&mut self, one: &Node<'_>, other: &Node<'_>, names: (&str, &str), left: &mut String, right: &mut String) {
        let (left_end, right_end) = (left.len(), right.len());
        left.push('/');
        left.push_str(names.0);
        right.push('/');
        right.push_str(names.1);
        self.pair(one, other, left, right);
        left.truncate(left_end);
        right.truncate(right_end);
    }

    fn arrays(&mut self, before: &[Node<'_>], after: &[Node<'_>], left: &mut String, right: &mut String) {
        let (pairs, moved) = self.paired(before, after);
        for (one, other) in moved {
            self.out.all += 1;
            if self.out.listed.len() < self.limit {
                let (pointer, after) = (format!("{left}/{one}"), Some(format!("{right}/{other}")));
                self.out.listed.push(Change { kind: Kind::Moved, pointer, before: None, after });
            }
        }
        for (one, other) in pairs {
            match (one, other) {
                (Some(one), Some(other)) => {
                    let names = (one.to_string(), other.to_string());
                    self.inside(&before[one], &after[other], (&names.0, &names.1), left, right);
                }
                (Some(one), None) => self.add(Kind::Removed, &format!("{left}/{one}"), Some(&before[one]), None),
                (None, Some(other)) => self.add(Kind::Added, &format!("{right}/{other}"), None, Some(&after[other])),
                (None, None) => {}
            }
        }
    }

    /// Which members belong together, and which of them stand elsewhere.
    fn paired(&mut self, before: &[Node<'_>], after: &[Node<'_>]) -> (Vec<Pair>, Vec<(usize, usize)>) {
        if Instant::now() > self.deadline {
            self.out.is_coarse = true;
            return (by_position(0..before.len(), 0..after.len()).collect(), Vec::new());
        }
        let keyed = KEYS.iter().find_map(|key| Some((keys(before, key)?, keys(after, key)?)));
        if let Some((one, other)) = keyed {
            let pairs = by_key(&one, &other);
            let moved = moved(&pairs);
            return (pairs, moved);
        }
        let one: Vec<_> = before.iter().map(Node::fingerprint).collect();
        let other: Vec<_> = after.iter().map(Node::fingerprint).collect();
        let operations = capture_diff_slices_deadline(Algorithm::Myers, &one, &other, Some(self.deadline));
        self.out.is_coarse |= Instant::now() > self.deadline;
        let mut pairs = Vec::new();
        for operation in operations {
            let (tag, left, right) = operation.as_tag_tuple();
            match tag {
                // Equal by fingerprint; numbers may be written differently elsewhere, not here.
                DiffTag::Equal => {}
                _ => pairs.extend(by_position(left, right)),
            }
        }
        let moved = relocated(&mut pairs, &one, &other);
        (pairs, moved)
    }

    fn add(&mut self, kind: Kind, pointer: &str, before: Option<&Node<'_>>, after: Option<&Node<'_>>) {
        self.out.all += 1;
        if self.out.listed.len() < self.limit {
            let text = |node: Option<&Node<'_>>| node.map(|node| node.text(ROOM));
            let change = Change { kind, pointer: pointer.to_owned(), before: text(before), after: text(after) };
            self.out.listed.push(change);
        }
    }
}

fn by_position(left: std::ops::Range<usize>, right: std::ops::Range<usize>) -> impl Iterator<Item = Pair> {
    let count = left.len().max(right.len());
    (0..count).map(move |at| (left.clone().nth(at), right.clone().nth(at)))
}

/// Takes out what was removed in one place and added in another.
fn relocated(pairs: &mut Vec<Pair>, one: &[[u8; 32]], other: &[[u8; 32]]) -> Vec<(usize, usize)> {
    let mut added: HashMap<[u8; 32], Vec<usize>> = HashMap::new();
    for at in pairs.iter().rev().filter_map(|pair| pair.1.filter(|_| pair.0.is_none())) {
        added.entry(other[at]).or_default().push(at);
    }
    let gone = pairs.iter().filter_map(|pair| pair.0.filter(|_| pair.1.is_none()));
    let moved: Vec<(usize, usize)> =
        gone.filter_map(|at| Some((at, added.get_mut(&one[at]).and_then(Vec::pop)?))).collect();
    let (from, to): (HashSet<usize>, HashSet<usize>) = moved.iter().copied().unzip();
    pairs.retain(|pair| match pair {
        (Some(one), None) => !from.contains(one),
        (None, Some(other)) => !to.contains(other),
        _ => true,
    });
    moved
}

/// The pairs that do not stand in the same order on both sides, as few as possible: all but the longest run of pairs
/// that rise on the right as they do on the left.
fn moved(pairs: &[Pair]) -> Vec<(usize, usize)> {
    let both: Vec<(usize, usize)> = pairs.iter().filter_map(|(one, other)| one.zip(*other)).collect();
    // The last pair of the best run of each length so far, and the pair before each pair in its run.
    let mut ends: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = Vec::with_capacity(both.len());
    for (at, (_, right)) in both.iter().enumerate() {
        let length = ends.partition_point(|&end| both[end].1 < *right);
        before.push(length.checked_sub(1).map(|shorter| ends[shorter]));
        match ends.get_mut(length) {
            Some(end) => *end = at,
            None => ends.push(at),
        }
    }
    let mut stays = vec![false; both.len()];
    let mut next = ends.last().copied();
    while let Some(at) = next {
        stays[at] = true;
        next = before[at];
    }
    both.into_iter().zip(stays).filter(|(_, stays)| !stays).map(|(pair, _)| pair).collect()
}

/// The values of that member, if every object has it and no two share one.
fn keys(nodes: &[Node<'_>], key: &str) -> Option<Vec<String>> {
    let mut seen = HashSet::new();
    let values = nodes.iter().map(|node| node.member(key).map(|value| value.text().into_owned()));
    let values: Vec<String> = values.collect::<Option<_>>()?;
    values.iter().all(|value| seen.insert(value.as_str())).then_some(())?;
    Some(values)
}

fn by_key(one: &[String], other: &[String]) -> Vec<Pair> {
    let right: HashMap<&str, usize> = other.iter().enumerate().map(|(at, key)| (key.as_str(), at)).collect();
    let left: HashSet<&str> = one.iter().map(String::as_str).collect();
    let mut pairs: Vec<_> =
        one.iter().enumerate().map(|(at, key)| (Some(at), right.get(key.as_str()).copied())).collect();
    let added = other.iter().enumerate().filter(|(_, key)| !left.contains(key.as_str()));
    pairs.extend(added.map(|(at, _)| (None, Some(at))));
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(before: &str, after: &str) -> Vec<String> {
        let changes = changes(before, after, 20).unwrap();
        assert!(!changes.is_coarse);
        let text = |change: &Change| {
            let value = |value: &Option<String>| value.clone().unwrap_or_default();
            format!("{:?} {} {}>{}", change.kind, change.pointer, value(&change.before), value(&change.after))
        };
        changes.listed.iter().map(text).collect()
    }

    #[test]
    fn one_member_more_does_not_change_those_behind_it() {
        assert_eq!(told("[1,2,3,4]", "[0,1,2,4]"), ["Added /0 >0", "Removed /2 3>"]);
        assert_eq!(told(r#"["a","b","c"]"#, r#"["c","a","b"]"#), ["Moved /2 >/0"]);
        assert_eq!(told(r#"{"a":[{"b":1},{"c":2}]}"#, r#"{"a":[{"b":1},{"c":3}]}"#), ["Changed /a/1/c 2>3"]);
    }

    #[test]
    fn members_with_keys_are_paired_by_them() {
        let before = r#"[{"id":1,"n":"a"},{"id":2,"n":"b"},{"id":3,"n":"c"}]"#;
        let after = r#"[{"id":3,"n":"c"},{"id":1,"n":"A"},{"id":4,"n":"d"}]"#;
        let expected = [
            "Moved /0 >/1",
            "Changed /0/n \"a\">\"A\"",
            "Removed /1 {\"id\":2,\"n\":\"b\"}>",
            "Added /2 >{\"id\":4,\"n\":\"d\"}",
        ];
        assert_eq!(told(before, after), expected);
    }

    #[test]
    fn kinds_that_differ_are_one_change() {
        assert_eq!(
            told(r#"{"a":{"b":1},"c":[]}"#, r#"{"a":[1],"c":{}}"#),
            ["Changed /a {\"b\":1}>[1]", "Changed /c []>{}"]
        );
        assert!(told(r#"{"a":1.0,"b":"x"}"#, r#"{"b":"x","a":1}"#).is_empty());
    }

    #[test]
    fn a_hostile_pair_ends() {
        let list = |from: u32| {
            format!("[{}]", (from..from + 200_000).map(|n| (n * 7 % 1000).to_string()).collect::<Vec<_>>().join(","))
        };
        let changes = changes(&list(0), &list(3), 5).unwrap();
        assert_eq!(changes.listed.len(), 5);
    }

    proptest::proptest! {
        #[test]
        fn nothing_differs_from_itself_and_nothing_panics(one in "[\\[\\]{},:\"a1]{0,30}", other in "[\\[\\]{},:\"a1]{0,30}") {
            if let Some(changes) = changes(&one, &one, 9) {
                proptest::prop_assert_eq!(changes.all, 0);
            }
            let _ = changes(&one, &other, 9);
        }
    }
}
