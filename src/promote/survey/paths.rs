//! Path patterns: which segments name one thing among many, told level by level by their shape, by answers that
//! introduced them, and by several alike answers.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::doubts::Doubts;
use super::facts::{Fact, Tables};
use super::flow::Origins;
use super::texts::{Id, Key};
use crate::collection::{PathPattern, SegmentPattern, singular};
use crate::model::Shape;

/// A number of so many digits is an id even if it is seen only once.
const LONG_NUMBER: usize = 7;
/// So many kinds of answers are told apart in one place of the paths.
const KINDS: usize = 24;
/// So many alike answers to words make a pattern where no answer repeats its word.
const WORDS: usize = 3;

/// The pattern of each fact, in the order of the facts, and what may be a pattern besides.
pub(super) fn patterns(
    facts: &[Fact],
    tables: &Tables,
    origins: &Origins,
    known: &KnownCaptures,
) -> (Vec<PathPattern>, Doubts) {
    let mut doubts = Doubts::default();
    let mut found: Vec<Vec<SegmentPattern>> = vec![Vec::new(); facts.len()];
    let mut by_origin: BTreeMap<Id, Vec<usize>> = BTreeMap::new();
    for (at, fact) in facts.iter().enumerate() {
        by_origin.entry(fact.origin).or_default().push(at);
    }
    let mut level: Vec<Vec<usize>> = by_origin.into_values().collect();
    let mut depth = 0;
    while !level.is_empty() {
        let mut next = Vec::new();
        for group in level {
            let prefix = found[group[0]].clone();
            let place = Level { facts, tables, origins, known, depth, prefix: &prefix };
            next.extend(place.split(&group, &mut found, &mut doubts));
        }
        level = next;
        depth += 1;
    }
    (found.into_iter().map(PathPattern::from_segments).collect(), doubts)
}

/// The captures of committed patterns, by origin-independent prefix: the pattern before the capture, and its name.
pub(super) struct KnownCaptures(HashMap<String, String>);

impl KnownCaptures {
    /// The captures of these patterns; of two names for one place, the first.
    pub(super) fn new<'a>(patterns: impl Iterator<Item = &'a PathPattern>) -> Self {
        let mut known = HashMap::new();
        for pattern in patterns {
            for (at, segment) in pattern.segments().iter().enumerate() {
                if let SegmentPattern::Capture(name) = segment {
                    let before = PathPattern::from_segments(pattern.segments()[..at].to_vec());
                    known.entry(before.as_str().to_owned()).or_insert_with(|| name.clone());
                }
            }
        }
        KnownCaptures(known)
    }

    fn after(&self, prefix: &[SegmentPattern]) -> Option<&str> {
        if self.0.is_empty() {
            return None;
        }
        self.0.get(PathPattern::from_segments(prefix.to_vec()).as_str()).map(String::as_str)
    }
}

/// What a segment may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    Empty,
    Masked,
    /// Clearly an id.
    Machine,
    Integer,
    Word,
}

fn class(text: &str, shape: Option<Shape>, masked: bool) -> Class {
    if masked {
        return Class::Masked;
    }
    match shape {
        _ if text.is_empty() => Class::Empty,
        Some(Shape::Integer) if text.len() >= LONG_NUMBER && !text.starts_with(['-', '+']) => Class::Machine,
        Some(Shape::Integer) => Class::Integer,
        // A file's name with a hash in it is a file's name.
        Some(Shape::Token | Shape::PrefixedId) if text.contains('.') => Class::Word,
        Some(Shape::Date | Shape::DateTime | Shape::HttpDate | Shape::EpochFraction) | None => Class::Word,
        Some(_) => Class::Machine,
    }
}

/// One place in the paths: all that have the same pattern before it.
pub(super) struct Level<'a> {
    pub(super) facts: &'a [Fact],
    pub(super) tables: &'a Tables,
    origins: &'a Origins,
    known: &'a KnownCaptures,
    pub(super) depth: usize,
    pub(super) prefix: &'a [SegmentPattern],
}

/// All calls with the same segment here.
pub(super) struct Child {
    pub(super) key: Key,
    pub(super) class: Class,
    pub(super) facts: Vec<usize>,
    /// The successful calls by method and rest of the path: those whose answers can have a body, if there are such.
    pub(super) kinds: BTreeMap<(Id, String), usize>,
}

impl Child {
    /// Those with one method.
    fn of(&self, method: Id) -> impl Iterator<Item = (&(Id, String), &usize)> {
        self.kinds.range((method, String::new())..).take_while(move |((of, _), _)| *of == method)
    }

    /// The methods of these calls.
    pub(super) fn methods(&self) -> BTreeSet<Id> {
        self.kinds.keys().map(|(method, _)| *method).collect()
    }
}

/// The children that are ids.
struct Ids {
    /// Their positions.
    all: HashSet<usize>,
    /// Calls of theirs, by position and method, that are answered in another way than the others with this method: they are
    /// no part of the pattern. What a method answers says nothing about the others.
    apart: HashSet<(usize, Id)>,
}

impl Level<'_> {
    /// Adds a segment to the pattern of each fact of the group; returns the groups of the next level.
    fn split(&self, group: &[usize], found: &mut [Vec<SegmentPattern>], doubts: &mut Doubts) -> Vec<Vec<usize>> {
        let mut by_value: BTreeMap<Id, Vec<usize>> = BTreeMap::new();
        for at in group {
            if let Some(segment) = self.facts[*at].segments.get(self.depth) {
                by_value.entry(segment.value).or_default().push(*at);
            }
        }
        let mut values: Vec<Id> = by_value.keys().copied().collect();
        // In order of first use, so that the numbers of values do not matter.
        values.sort_by_key(|value| by_value[value][0]);
        let children: Vec<Child> = values.iter().map(|value| self.child(*value, &by_value[value])).collect();
        let ids = self.ids(&children);
        doubts.look(self, &children, &ids.all);
        let name = if ids.all.is_empty() { String::new() } else { self.name(&children, &ids.all) };
        let mut next: Vec<Vec<usize>> = Vec::new();
        let mut captured = Vec::new();
        for (at, (value, child)) in values.iter().zip(&children).enumerate() {
            let is_id = |fact: &usize| ids.all.contains(&at) && !ids.apart.contains(&(at, self.facts[*fact].method));
            let (of_ids, others): (Vec<usize>, Vec<usize>) = child.facts.iter().partition(|fact| is_id(fact));
            of_ids.iter().for_each(|fact| found[*fact].push(SegmentPattern::Capture(name.clone())));
            if !others.is_empty() {
                let pattern = literal(&self.tables.values.get(*value).text);
                others.iter().for_each(|fact| found[*fact].push(pattern.clone()));
            }
            let is_deeper = |at: &usize| self.facts[*at].segments.len() > self.depth + 1;
            captured.extend(of_ids.into_iter().filter(is_deeper));
            next.push(others.into_iter().filter(is_deeper).collect());
        }
        captured.sort_unstable();
        next.push(captured);
        next.retain(|group| !group.is_empty());
        next
    }

    fn child(&self, value: Id, facts: &[usize]) -> Child {
        let text = self.tables.values.get(value);
        let class = if text.cut { Class::Word } else { class(&text.text, text.shape, text.masked) };
        let (mut kinds, mut bare) = (BTreeMap::new(), BTreeMap::new());
        for at in facts.iter().filter(|at| self.facts[**at].is_success()) {
            let fact = &self.facts[*at];
            let of = if self.says_something(fact) { &mut kinds } else { &mut bare };
            of.entry((fact.method, self.rest(fact))).or_insert(*at);
        }
        if kinds.is_empty() {
            kinds = bare;
        }
        Child { key: self.facts[facts[0]].segments[self.depth].key, class, facts: facts.to_vec(), kinds }
    }

    /// Whether an answer tells of what kind the thing is: not to HEAD and OPTIONS, and not where no body can follow.
    fn says_something(&self, fact: &Fact) -> bool {
        !matches!(self.tables.names.get(fact.method), "HEAD" | "OPTIONS") && !matches!(fact.status, 204 | 205 | 304)
    }

    /// The path behind this place, values that look like ids left open.
    fn rest(&self, fact: &Fact) -> String {
        let mut rest = String::new();
        for segment in fact.segments.iter().skip(self.depth + 1) {
            let text = self.tables.values.get(segment.value);
            rest.push('/');
            match class(&text.text, text.shape, text.masked) {
                Class::Word | Class::Empty => rest.push_str(&text.text),
                _ => rest.push('*'),
            }
        }
        rest
    }

    /// The children that are ids.
    fn ids(&self, children: &[Child]) -> Ids {
        let of_class = |class: Class| (0..children.len()).filter(move |at| children[*at].class == class);
        let mut ids: HashSet<usize> = of_class(Class::Machine).chain(of_class(Class::Masked)).collect();
        let introduced = |at: &usize| {
            let child = &children[*at];
            let is_number = child.class == Class::Integer;
            child.facts.iter().any(|fact| {
                let segments = &self.facts[*fact].segments;
                let before = self.depth.checked_sub(1).map(|before| segments[before].key);
                let text = &self.tables.values.get(segments[self.depth].value).text;
                self.origins.names_thing(*fact, (child.key, before), is_number, text, self.tables)
            })
        };
        let is_known = self.known.after(self.prefix).is_some();
        let integers: Vec<usize> = of_class(Class::Integer).collect();
        let seeds = integers.iter().filter(|at| is_known || introduced(at)).copied().collect::<Vec<_>>();
        let alike = if seeds.is_empty() { self.numbers(children, &integers) } else { Vec::new() };
        let words: Vec<usize> = of_class(Class::Word).collect();
        let told = self.words(children, &words);
        let judged: Vec<usize> = alike.iter().chain(&told).copied().collect();
        let apart = self.apart(children, &judged);
        let named = if seeds.is_empty() { alike } else { seeds };
        if !named.is_empty() {
            // Numbers beside them join, unless they are answered in another way.
            let differs = |one: &usize, at: &usize| self.alike(&children[*one], &children[*at], None) == Some(false);
            let joins = |at: &usize| !named.iter().take(KINDS).any(|one| differs(one, at));
            ids.extend(integers.iter().copied().filter(joins));
            ids.extend(named);
        }
        ids.extend(words.iter().filter(|at| introduced(at)));
        ids.extend(told);
        Ids { all: ids, apart }
    }

    /// Of these children those that have answers to compare, by method.
    fn by_method(&self, children: &[Child], among: &[usize]) -> BTreeMap<Id, Vec<usize>> {
        let mut by_method: BTreeMap<Id, Vec<usize>> = BTreeMap::new();
        for at in among {
            for method in children[*at].methods() {
                by_method.entry(method).or_default().push(*at);
            }
        }
        by_method
    }

    /// The numbers that are answered alike by one method: two or more.
    fn numbers(&self, children: &[Child], integers: &[usize]) -> Vec<usize> {
        let by_method = self.by_method(children, integers).into_iter();
        let alike = by_method.map(|(method, among)| self.alike_most(children, &among, Some(method)));
        let found: BTreeSet<usize> = alike.filter(|alike| alike.len() >= 2).flatten().collect();
        found.into_iter().collect()
    }

    /// The calls of these ids, by position and method, that are answered in another way than most with their method.
    fn apart(&self, children: &[Child], ids: &[usize]) -> HashSet<(usize, Id)> {
        let mut apart = HashSet::new();
        for (method, among) in self.by_method(children, ids) {
            let most = self.alike_most(children, &among, Some(method));
            let known: HashSet<usize> = most.iter().copied().collect();
            let is_other =
                |one: &usize, at: &usize| self.alike(&children[*one], &children[*at], Some(method)) == Some(false);
            let differs = |at: &usize| !known.contains(at) && most.iter().take(KINDS).any(|one| is_other(one, at));
            let others: Vec<usize> = among.iter().copied().filter(differs).collect();
            // One alone is no more than each of the others.
            let alone = known.into_iter().filter(|_| most.len() < 2 && !others.is_empty());
            apart.extend(others.iter().copied().chain(alone).map(|at| (at, method)));
        }
        apart
    }

    /// Of these children the most that are answered alike, by one method or by all.
    pub(super) fn alike_most(&self, children: &[Child], among: &[usize], method: Option<Id>) -> Vec<usize> {
        let mut clusters: Vec<Vec<usize>> = Vec::new();
        for at in among {
            let fits = |cluster: &Vec<usize>| self.alike(&children[cluster[0]], &children[*at], method) == Some(true);
            match clusters.iter().position(fits) {
                Some(known) => clusters[known].push(*at),
                None if clusters.len() < KINDS => clusters.push(vec![*at]),
                None => {}
            }
        }
        // Of two as large, the one that was called first.
        clusters.into_iter().rev().max_by_key(Vec::len).unwrap_or_default()
    }

    /// Whether two children are answered alike in kind, by one method or by all; `None` when no calls can be compared.
    pub(super) fn alike(&self, one: &Child, other: &Child, method: Option<Id>) -> Option<bool> {
        let mut seen = false;
        let calls: Vec<_> = match method {
            Some(method) => one.of(method).collect(),
            None => one.kinds.iter().collect(),
        };
        for (call, at) in calls {
            let Some(beside) = other.kinds.get(call) else { continue };
            let (one, other) = (&self.facts[*at], &self.facts[*beside]);
            match self.alike_in_kind(one, other) {
                Some(false) => return Some(false),
                alike => seen |= alike.is_some(),
            }
        }
        seen.then_some(true)
    }

    /// Whether status, media type and members agree; `None` where one is empty.
    fn alike_in_kind(&self, one: &Fact, other: &Fact) -> Option<bool> {
        if one.status != other.status || one.media != other.media {
            return Some(false);
        }
        let is_hollow = |fact: &Fact| matches!(*fact.skeleton, [only] if self.tables.names.get(only).is_empty());
        if is_hollow(one) || is_hollow(other) {
            return None;
        }
        let (one, other) = (&one.skeleton, &other.skeleton);
        let both = one.iter().filter(|name| other.binary_search(name).is_ok()).count();
        // Three of five members in common.
        Some(both * 5 >= (one.len() + other.len() - both) * 3)
    }

    /// The words that are ids, as one method or another tells.
    fn words(&self, children: &[Child], words: &[usize]) -> BTreeSet<usize> {
        let by_method = self.by_method(children, words).into_iter();
        by_method.flat_map(|(method, among)| self.words_of(children, &among, method)).collect()
    }

    /// The words that are ids: the answers to one method repeat them in one and the same place; or there are several, and
    /// all are answered with an object of the same members.
    fn words_of(&self, children: &[Child], words: &[usize], method: Id) -> Vec<usize> {
        let mut carried: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for at in words {
            for name in self.carried(&children[*at], method).into_keys() {
                carried.entry(name).or_default().push(*at);
            }
        }
        let best = carried.into_values().map(|group| self.alike_most(children, &group, Some(method)));
        let best = best.max_by_key(Vec::len).unwrap_or_default();
        if best.len() >= 2 {
            return best;
        }
        // The first segment is the name of a service, hardly ever of a thing.
        let objects: Vec<usize> = words.iter().copied().filter(|at| self.is_object(&children[*at], method)).collect();
        let alike = if self.depth > 0 { self.alike_most(children, &objects, Some(method)) } else { Vec::new() };
        if alike.len() >= WORDS && best.is_empty() { alike } else { Vec::new() }
    }

    /// Whether all its answers to one method, of which there is one at least, are objects of some members.
    pub(super) fn is_object(&self, child: &Child, method: Id) -> bool {
        child.of(method).all(|(_, fact)| {
            let skeleton = &self.facts[*fact].skeleton;
            skeleton.len() > 2 && skeleton.iter().all(|name| !self.tables.names.get(*name).starts_with("/*"))
        })
    }

    /// Its segment as written.
    pub(super) fn text(&self, child: &Child) -> &str {
        let segment = child.facts.first().and_then(|fact| self.facts[*fact].segments.get(self.depth));
        segment.map_or("", |segment| &self.tables.values.get(segment.value).text)
    }

    /// The members by which all answers to a child's calls with a method repeat its segment: those that most methods have
    /// first, of these the outermost.
    pub(super) fn carriers(&self, child: &Child) -> Vec<&str> {
        let mut found: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        for method in child.methods() {
            for (name, depth) in self.carried(child, method) {
                let (methods, least) = found.entry(name).or_insert((0, depth));
                (*methods, *least) = (*methods + 1, depth.min(*least));
            }
        }
        let mut names: Vec<(&str, (usize, usize))> = found.into_iter().collect();
        names.sort_by_key(|(name, (methods, depth))| (Reverse(*methods), *depth, *name));
        names.into_iter().map(|(name, _)| name).collect()
    }

    /// The members by which all answers to one method repeat a child's segment, each with its depth.
    fn carried(&self, child: &Child, method: Id) -> BTreeMap<&str, usize> {
        let mut common: Option<BTreeMap<&str, usize>> = None;
        for (_, at) in child.of(method) {
            let leaves = self.facts[*at].leaves.iter().filter(|leaf| leaf.key == child.key && !leaf.is_piece);
            let mut names: BTreeMap<&str, usize> = BTreeMap::new();
            for name in leaves.map(|leaf| self.tables.names.get(leaf.name)) {
                let depth = name.matches('/').count();
                let member = name.rsplit('/').next().unwrap_or_default();
                names.entry(member).and_modify(|known| *known = depth.min(*known)).or_insert(depth);
            }
            common = Some(match common {
                None => names,
                Some(mut common) => {
                    common.retain(|name, _| names.contains_key(name));
                    common
                }
            });
        }
        common.unwrap_or_default()
    }

    /// The name of the capture: that of the member of the answers that carries the value, unless it is only `id`; else
    /// from the segment before.
    pub(super) fn name(&self, children: &[Child], ids: &HashSet<usize>) -> String {
        let taken: Vec<&str> = self.prefix.iter().filter_map(capture).collect();
        if let Some(known) = self.known.after(self.prefix).filter(|known| !taken.contains(known)) {
            return known.to_owned();
        }
        let mut at: Vec<usize> = ids.iter().copied().collect();
        at.sort_unstable();
        if at.iter().all(|at| children[*at].class == Class::Masked) {
            return free("masked", &taken);
        }
        let mut votes: BTreeMap<String, usize> = BTreeMap::new();
        for at in at.iter().filter(|at| !children[**at].kinds.is_empty()) {
            let member = self.carriers(&children[*at]).first().map(|name| word(name)).unwrap_or_default();
            *votes.entry(member).or_default() += 1;
        }
        let member = votes.into_iter().rev().max_by_key(|(_, count)| *count).map(|(name, _)| name).unwrap_or_default();
        let is_plain =
            matches!(member.as_str(), "" | "id" | "uuid" | "guid" | "_id" | "key" | "uid" | "value" | "name");
        if !is_plain && member.chars().any(|character| character.is_ascii_alphabetic()) {
            return free(&member, &taken);
        }
        let before = self.prefix.iter().rev().find_map(|segment| match segment {
            SegmentPattern::Literal(text) => Some(singular(&word(text))),
            _ => None,
        });
        let before = before.filter(|word| !word.is_empty());
        let is_id_name = matches!(self.prefix.last(), Some(SegmentPattern::Literal(_)));
        match before {
            Some(before) if is_id_name => free(&format!("{before}_id"), &taken),
            _ => free("id", &taken),
        }
    }
}

fn capture(segment: &SegmentPattern) -> Option<&str> {
    match segment {
        SegmentPattern::Capture(name) => Some(name),
        _ => None,
    }
}

fn literal(segment: &str) -> SegmentPattern {
    match PathPattern::literal(segment).segments().first() {
        Some(segment) => segment.clone(),
        None => SegmentPattern::Literal(String::new()),
    }
}

/// Letters, digits and `_` of a name.
fn word(name: &str) -> String {
    let kept = name.chars().map(|character| if character.is_ascii_alphanumeric() { character } else { '_' });
    let kept: String = kept.collect();
    kept.trim_matches('_').to_owned()
}

/// The name, or with a number behind it if it is taken.
pub(super) fn free(name: &str, taken: &[&str]) -> String {
    if !taken.contains(&name) {
        return name.to_owned();
    }
    let numbered = (2..).map(|count| format!("{name}{count}"));
    numbered.into_iter().find(|name| !taken.contains(&name.as_str())).unwrap_or_default()
}
