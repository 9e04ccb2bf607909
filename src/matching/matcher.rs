//! Matchers, compiled: whether a value of a call is as a person asked for.

use std::borrow::Cow;
use std::cell::Cell;

use jiff::{SignedDuration, Timestamp};
use regex::Regex;
use serde_json::Value as Json;

use super::{graphql, placeholder};
use crate::collection::Matcher;
use crate::collection::matcher::{self, Around, GraphqlMatcher};
use crate::diff::{json::Leaf, xml};
use crate::model::Shape;
use crate::model::shape::moment_of;

/// Longer values fit no expression: matching one stays within a second, whatever the expression.
const LONGEST: usize = 64 * 1024;
/// JSON values compared for one matcher at most.
const MAX_COMPARED: u32 = 1_000_000;
/// Elements of an array whose members are looked for in any order.
const MAX_ANY_ORDER: usize = 500;

/// A value of a call.
pub(super) enum Found<'a> {
    /// Text.
    Text(Cow<'a, str>),
    /// Text that is XML by its media type.
    Xml(Cow<'a, str>),
    /// A value inside a JSON body, or a request of GraphQL.
    Json(Cow<'a, Json>),
    /// Bytes that are no text.
    Bytes(usize),
}

impl Found<'_> {
    /// The value as a text; none for arrays and objects of JSON, and for bytes.
    fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Found::Text(text) | Found::Xml(text) => Some(Cow::Borrowed(text)),
            Found::Json(json) => match &**json {
                Json::String(text) => Some(Cow::Borrowed(text)),
                Json::Number(number) => Some(Cow::Owned(number.to_string())),
                Json::Bool(flag) => Some(Cow::Borrowed(if *flag { "true" } else { "false" })),
                Json::Null | Json::Array(_) | Json::Object(_) => None,
            },
            Found::Bytes(_) => None,
        }
    }

    /// The value as a text, or as JSON.
    pub(super) fn text_or_json(&self) -> String {
        self.text().map_or_else(|| self.shown(), Cow::into_owned)
    }

    /// How reports show it.
    pub(super) fn shown(&self) -> String {
        match self {
            Found::Text(text) | Found::Xml(text) => text.to_string(),
            Found::Json(json) => json.to_string(),
            Found::Bytes(size) => format!("{size} bytes"),
        }
    }
}

/// What matchers look at beside the value itself.
pub(super) struct Circumstances<'a> {
    /// What was recorded in the same place.
    pub(super) recorded: Option<&'a str>,
    /// When the call came.
    pub(super) at: Timestamp,
}

/// A compiled matcher.
#[derive(Debug)]
pub(super) enum Test {
    Equals(Alike),
    OneOf(Vec<Alike>),
    Contains(Alike),
    Prefix(Box<str>, bool),
    Suffix(Box<str>, bool),
    Regex(Regex),
    Shape(Shape),
    Number(Option<f64>, f64),
    Within(SignedDuration, Around),
    Graphql(Box<Graphql>),
    Present,
    Absent,
    Not(Box<Test>),
    /// It could not be compiled: `mock check` says why, and such a collection is not loaded.
    Never,
}

/// A value, and what does not count when another is compared with it.
#[derive(Debug)]
pub(super) struct Alike {
    value: Json,
    /// The value where texts are compared, lower-case if case does not count.
    text: Box<str>,
    /// The value as XML, if it is some.
    xml: Option<Vec<Leaf>>,
    any_order: bool,
    ignore_case: bool,
}

/// A request of GraphQL.
#[derive(Debug)]
pub(super) struct Graphql {
    operation: Option<String>,
    query: Option<String>,
    variables: Option<Alike>,
}

impl Test {
    /// Compiles a matcher.
    pub(super) fn new(matcher: &Matcher) -> Test {
        let case = matcher.ignore_case;
        let folded = |text: &String| if case { text.to_lowercase() } else { text.clone() };
        let alike = |value: &Json| Alike::new(value.clone(), matcher.any_order, case);
        let number = |number: &serde_json::Number| number.as_f64();
        if let Some(inner) = &matcher.not {
            return Test::Not(Box::new(Test::new(inner)));
        }
        let tests = [
            matcher.equals.as_ref().map(|value| Test::Equals(alike(value))),
            matcher.one_of.as_ref().map(|all| Test::OneOf(all.iter().map(alike).collect())),
            matcher.contains.as_ref().map(|value| Test::Contains(alike(value))),
            matcher.prefix.as_ref().map(|text| Test::Prefix(folded(text).into(), case)),
            matcher.suffix.as_ref().map(|text| Test::Suffix(folded(text).into(), case)),
            matcher.glob.as_ref().map(|text| matcher::glob(text, case).map_or(Test::Never, Test::Regex)),
            matcher.regex.as_ref().map(|text| matcher::expression(text, case).map_or(Test::Never, Test::Regex)),
            matcher.shape.map(Test::Shape),
            (matcher.number.is_some() || matcher.tolerance.is_some()).then(|| {
                let far = matcher.tolerance.as_ref().and_then(number).unwrap_or_default();
                Test::Number(matcher.number.as_ref().and_then(number), far)
            }),
            matcher.within.as_ref().map(|text| match (matcher::window(text), matcher.around()) {
                (Ok(window), Ok(around)) => Test::Within(window, around),
                _ => Test::Never,
            }),
            matcher.graphql.as_ref().map(|graphql| Test::Graphql(Box::new(Graphql::new(graphql)))),
            matcher.present.then_some(Test::Present),
            matcher.absent.then_some(Test::Absent),
        ];
        tests.into_iter().flatten().next().unwrap_or(Test::Never)
    }

    /// Whether it asks for a request of GraphQL rather than for a body.
    pub(super) fn is_graphql(&self) -> bool {
        match self {
            Test::Graphql(_) => true,
            Test::Not(inner) => inner.is_graphql(),
            _ => false,
        }
    }

    /// Whether it holds for the values of a place: one of them must do; a contrary holds if none does.
    pub(super) fn holds(&self, values: &[Found<'_>], around: &Circumstances<'_>) -> bool {
        match self {
            Test::Present => !values.is_empty(),
            Test::Absent => values.is_empty(),
            Test::Not(inner) => !inner.holds(values, around),
            test => values.iter().any(|value| test.fits(value, around)),
        }
    }

    fn fits(&self, value: &Found<'_>, around: &Circumstances<'_>) -> bool {
        let text = || value.text();
        match self {
            Test::Equals(alike) => alike.equals(value),
            Test::OneOf(all) => all.iter().any(|alike| alike.equals(value)),
            Test::Contains(alike) => alike.is_in(value),
            Test::Prefix(start, case) => text().is_some_and(|text| folded(&text, *case).starts_with(&**start)),
            Test::Suffix(end, case) => text().is_some_and(|text| folded(&text, *case).ends_with(&**end)),
            Test::Regex(regex) => text().is_some_and(|text| text.len() <= LONGEST && regex.is_match(&text)),
            Test::Shape(shape) => text().is_some_and(|text| shape.fits(&text)),
            Test::Number(wanted, far) => {
                let wanted = wanted.or_else(|| around.recorded.and_then(number));
                let got = text().and_then(|text| number(&text));
                wanted.zip(got).is_some_and(|(wanted, got)| is_near(wanted, got, *far))
            }
            Test::Within(window, base) => {
                let base = match base {
                    Around::Now => Some(around.at),
                    Around::Recorded => around.recorded.and_then(moment),
                    Around::Moment(moment) => Some(*moment),
                };
                let got = text().and_then(|text| moment(&text));
                base.zip(got).is_some_and(|(base, got)| base.duration_since(got).abs() <= *window)
            }
            Test::Graphql(graphql) => graphql.fits(value),
            Test::Present | Test::Absent | Test::Not(_) | Test::Never => false,
        }
    }
}

fn folded(text: &str, case: bool) -> Cow<'_, str> {
    if case { Cow::Owned(text.to_lowercase()) } else { Cow::Borrowed(text) }
}

/// A decimal number, as JSON writes them.
fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|number: &f64| number.is_finite())
}

/// Whether two numbers are at most so far apart, but for what floating point cannot tell.
fn is_near(one: f64, other: f64, far: f64) -> bool {
    (one - other).abs() <= far + if far > 0.0 { 4.0 * f64::EPSILON * one.abs().max(other.abs()) } else { 0.0 }
}

/// A moment, or the beginning of a day in UTC.
fn moment(text: &str) -> Option<Timestamp> {
    let day = || text.parse::<jiff::civil::Date>().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok();
    moment_of(text).or_else(|| Some(day()?.timestamp()))
}

impl Alike {
    fn new(value: Json, any_order: bool, ignore_case: bool) -> Self {
        let text = match &value {
            Json::String(text) => text.clone(),
            other => other.to_string(),
        };
        let xml = if value.is_string() && text.trim_start().starts_with('<') { xml::leaves(&text) } else { None };
        Alike { text: folded(&text, ignore_case).into(), value, xml, any_order, ignore_case }
    }

    fn equals(&self, got: &Found<'_>) -> bool {
        let same_text = |text: &str| {
            *self.text == *folded(text, self.ignore_case)
                || placeholder::stands_for(&self.text, text)
                || (self.value.is_number() && number(text).is_some_and(|got| self.value.as_f64() == Some(got)))
        };
        match got {
            Found::Json(json) => Comparison::new(self).equal(&self.value, json),
            Found::Text(text) => same_text(text),
            Found::Xml(text) => same_text(text) || (self.xml.is_some() && self.xml == xml::leaves(text)),
            Found::Bytes(_) => false,
        }
    }

    fn is_in(&self, got: &Found<'_>) -> bool {
        match got {
            Found::Json(json) => match (&self.value, &**json) {
                (Json::String(_), Json::String(text)) => folded(text, self.ignore_case).contains(&*self.text),
                (wanted, json) => Comparison::new(self).contained(wanted, json),
            },
            Found::Text(text) | Found::Xml(text) => folded(text, self.ignore_case).contains(&*self.text),
            Found::Bytes(_) => false,
        }
    }
}

/// One comparison of two JSON values, which ends after so many steps: what cannot be told by then is not alike.
struct Comparison<'a> {
    alike: &'a Alike,
    left: Cell<u32>,
}

impl<'a> Comparison<'a> {
    fn new(alike: &'a Alike) -> Self {
        Comparison { alike, left: Cell::new(MAX_COMPARED) }
    }

    fn goes_on(&self) -> bool {
        let left = self.left.get();
        self.left.set(left.saturating_sub(1));
        left > 0
    }

    /// Both are as deep as a JSON text may be: 128 levels.
    fn equal(&self, wanted: &Json, got: &Json) -> bool {
        if !self.goes_on() {
            return false;
        }
        match (wanted, got) {
            (Json::Array(wanted), Json::Array(got)) if self.alike.any_order => {
                // Equality sorts values into classes, so the first partner is as good as any.
                let mut rest: Vec<&Json> = got.iter().collect();
                wanted.len() == got.len()
                    && wanted.iter().all(|one| {
                        let at = rest.iter().position(|other| self.equal(one, other));
                        at.map(|at| rest.swap_remove(at)).is_some()
                    })
            }
            (Json::Array(wanted), Json::Array(got)) => {
                wanted.len() == got.len() && wanted.iter().zip(got).all(|(one, other)| self.equal(one, other))
            }
            (Json::Object(wanted), Json::Object(got)) => {
                let same = |(name, one): (&String, &Json)| got.get(name).is_some_and(|other| self.equal(one, other));
                wanted.len() == got.len() && wanted.iter().all(same)
            }
            (wanted, got) => self.same_scalar(wanted, got),
        }
    }

    /// Whether `got` has at least what `wanted` has.
    fn contained(&self, wanted: &Json, got: &Json) -> bool {
        if !self.goes_on() {
            return false;
        }
        match (wanted, got) {
            (Json::Array(wanted), Json::Array(got)) if self.alike.any_order => self.each_has_its_own(wanted, got),
            (Json::Array(wanted), Json::Array(got)) => {
                wanted.len() <= got.len() && wanted.iter().zip(got).all(|(one, other)| self.contained(one, other))
            }
            (Json::Object(wanted), Json::Object(got)) => {
                wanted.iter().all(|(name, one)| got.get(name).is_some_and(|other| self.contained(one, other)))
            }
            (wanted, got) => self.same_scalar(wanted, got),
        }
    }

    /// Whether each wanted element is contained in one of its own: augmenting paths in the graph of who could have whom.
    fn each_has_its_own(&self, wanted: &[Json], got: &[Json]) -> bool {
        if wanted.len() > got.len() || wanted.len() > MAX_ANY_ORDER {
            return false;
        }
        let could: Vec<Vec<usize>> =
            wanted.iter().map(|one| (0..got.len()).filter(|at| self.contained(one, &got[*at])).collect()).collect();
        let mut taken_by: Vec<Option<usize>> = vec![None; got.len()];
        (0..wanted.len()).all(|one| {
            let mut seen = vec![false; got.len()];
            augment(one, &could, &mut taken_by, &mut seen)
        })
    }

    fn same_scalar(&self, wanted: &Json, got: &Json) -> bool {
        match (wanted, got) {
            (Json::Number(one), Json::Number(other)) => {
                one == other || (one.as_f64() == other.as_f64() && is_float(one, other))
            }
            (Json::String(one), Json::String(other)) => {
                one == other
                    || (self.alike.ignore_case && one.to_lowercase() == other.to_lowercase())
                    || placeholder::stands_for(one, other)
            }
            (one, other) => one == other,
        }
    }
}

/// Whole numbers are told apart beyond what a float can: only where one of them is a float do both count as such.
fn is_float(one: &serde_json::Number, other: &serde_json::Number) -> bool {
    one.is_f64() || other.is_f64()
}

/// Finds one for `wanted`, moving others to another of theirs. At most [`MAX_ANY_ORDER`] deep.
fn augment(wanted: usize, could: &[Vec<usize>], taken_by: &mut [Option<usize>], seen: &mut [bool]) -> bool {
    for &at in &could[wanted] {
        if !std::mem::replace(&mut seen[at], true)
            && taken_by[at].is_none_or(|other| augment(other, could, taken_by, seen))
        {
            taken_by[at] = Some(wanted);
            return true;
        }
    }
    false
}

impl Graphql {
    fn new(matcher: &GraphqlMatcher) -> Self {
        let variables = matcher.variables.clone().map(|all| Alike::new(Json::Object(all), false, false));
        Graphql { operation: matcher.operation.clone(), query: matcher.query.clone(), variables }
    }

    fn fits(&self, request: &Found<'_>) -> bool {
        let Found::Json(request) = request else { return false };
        let Some(document) = request.get("query").and_then(Json::as_str) else { return false };
        let named = request.get("operationName").and_then(Json::as_str).or_else(|| graphql::operation(document));
        let none = Json::Object(serde_json::Map::new());
        let variables = request.get("variables").filter(|value| !value.is_null()).unwrap_or(&none);
        self.operation.as_deref().is_none_or(|wanted| named == Some(wanted))
            && self.query.as_deref().is_none_or(|wanted| graphql::same(wanted, document))
            && self.variables.as_ref().is_none_or(|wanted| wanted.equals(&Found::Json(Cow::Borrowed(variables))))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn holds(matcher: &Json, values: &[Found<'_>]) -> bool {
        let matcher: Matcher = serde_json::from_value(matcher.clone()).unwrap();
        let around = Circumstances { recorded: Some("10.5"), at: "2026-11-20T09:30:00Z".parse().unwrap() };
        Test::new(&matcher).holds(values, &around)
    }

    #[track_caller]
    fn texts(matcher: Json, good: &[&str], bad: &[&str]) {
        for (text, expected) in good.iter().map(|it| (it, true)).chain(bad.iter().map(|it| (it, false))) {
            assert_eq!(holds(&matcher, &[Found::Text((*text).into())]), expected, "{matcher} {text}");
            let contrary = json!({ "not": matcher });
            assert_eq!(holds(&contrary, &[Found::Text((*text).into())]), !expected, "{contrary} {text}");
        }
    }

    #[test]
    fn texts_fit_or_do_not() {
        texts(json!({"equals": "Tea"}), &["Tea"], &["tea", "Tea ", ""]);
        texts(json!({"equals": "Tea", "ignore_case": true}), &["tea", "TEA"], &["te"]);
        texts(json!({"equals": 3}), &["3", "3.0"], &["4", "x"]);
        texts(json!({"one_of": ["a", "b", 3]}), &["a", "b", "3"], &["c"]);
        texts(json!({"contains": "ea"}), &["tea"], &["Ea"]);
        texts(json!({"prefix": "ORD_", "ignore_case": true}), &["ord_1"], &["xord_"]);
        texts(json!({"suffix": ".pdf"}), &["a.pdf"], &["a.PDF"]);
        texts(json!({"glob": "ord_*-?.[x"}), &["ord_-1.[x", "ord_a\nb-1.[x"], &["ord_-.[x", "ord_a-1xx"]);
        texts(json!({"regex": "^ord_[0-9]+$"}), &["ord_17"], &["ord_x", " ord_1"]);
        texts(json!({"shape": "uuid"}), &["0193f3a2-7c1e-7d30-9a55-2f6f0c1be001"], &["x"]);
        texts(json!({"number": 1.1, "tolerance": 0.1}), &["1", "1.2", "1.10"], &["1.3", "one", "NaN"]);
        texts(json!({"number": 7}), &["7", "7.0", "70e-1"], &["7.1"]);
        texts(json!({"tolerance": 1}), &["10.5", "11.5"], &["9.4"]);
        texts(
            json!({"within": "5m"}),
            &["2026-11-20T09:34:00Z", "2026-11-20T10:26:00+01:00", "1795167000", "Fri, 20 Nov 2026 09:30:00 GMT"],
            &["2026-11-20T09:36:00Z", "soon"],
        );
        texts(json!({"within": "1d", "of": "2026-01-01T00:00:00Z"}), &["2026-01-02"], &["2026-01-03"]);
    }

    #[test]
    fn presence_is_about_all_values() {
        let two = || [Found::Text("a".into()), Found::Text("b".into())];
        assert!(holds(&json!({"present": true}), &two()) && !holds(&json!({"present": true}), &[]));
        assert!(holds(&json!({"absent": true}), &[]) && !holds(&json!({"absent": true}), &two()));
        assert!(holds(&json!({"equals": "b"}), &two()), "one of them will do");
        assert!(!holds(&json!({"not": {"equals": "b"}}), &two()), "none of them may be");
        assert!(holds(&json!({"not": {"equals": "b"}}), &[]));
    }

    #[test]
    fn json_fits_whole_or_in_part() {
        let check = |matcher: Json, got: Json, expected: bool| {
            assert_eq!(holds(&matcher, &[Found::Json(Cow::Borrowed(&got))]), expected, "{matcher} {got}");
        };
        check(json!({"equals": {"a": 1, "b": [1, 2]}}), json!({"b": [1, 2.0], "a": 1}), true);
        check(json!({"equals": {"a": 1}}), json!({"a": 1, "b": 2}), false);
        check(json!({"equals": [1, 2]}), json!([2, 1]), false);
        check(json!({"equals": [1, 1, 2], "any_order": true}), json!([2, 1, 1]), true);
        check(json!({"equals": [1, 1, 2], "any_order": true}), json!([2, 2, 1]), false);
        check(json!({"equals": null}), json!(null), true);
        check(json!({"equals": "3"}), json!(3), false);
        check(json!({"equals": 9007199254740993_u64}), json!(9007199254740992_u64), false);
        check(json!({"contains": {"a": {"b": 1}}}), json!({"a": {"b": 1, "c": 2}, "d": 3}), true);
        check(json!({"contains": {"a": {}}}), json!({"a": []}), false);
        check(json!({"contains": [2]}), json!([1, 2]), false);
        check(json!({"contains": [2, 1], "any_order": true}), json!([1, 3, 2]), true);
        check(json!({"contains": [1, 1], "any_order": true}), json!([1, 2]), false);
        // The first wanted element could have both, the second only one of them.
        check(json!({"contains": [{}, {"a": 1}], "any_order": true}), json!([{"a": 1}, {}]), true);
        check(json!({"regex": "^4"}), json!(42), true);
        check(json!({"equals": "TEA", "ignore_case": true}), json!("tea"), true);
    }

    #[test]
    fn xml_is_equal_by_structure() {
        let matcher = json!({"equals": "<a x='1' y='2'><b/></a>"});
        assert!(holds(&matcher, &[Found::Xml("<a y=\"2\" x=\"1\">\n <b></b>\n</a>".into())]));
        assert!(!holds(&matcher, &[Found::Xml("<a x='1'><b/></a>".into())]));
    }

    #[test]
    fn graphql_is_told_by_operation_document_and_variables() {
        let request = json!({"query": "query Me($n: Int) { me(n: $n) { id, name } }", "variables": {"n": 1}});
        let check = |matcher: Json, expected: bool| {
            let matcher = json!({ "graphql": matcher });
            assert_eq!(holds(&matcher, &[Found::Json(Cow::Borrowed(&request))]), expected, "{matcher}");
        };
        check(json!({"operation": "Me"}), true);
        check(json!({"operation": "You"}), false);
        check(json!({"query": "query Me($n:Int){me(n:$n){id name}}", "variables": {"n": 1.0}}), true);
        check(json!({"query": "query Me($n:Int){me(n:$n){id}}"}), false);
        check(json!({"variables": {}}), false);
    }

    #[test]
    fn hostile_patterns_and_values_end() {
        let evil = "a".repeat(LONGEST);
        texts(json!({"regex": "^(a|a)*(a|aa)+(a*)*$"}), &[&evil], &[&format!("{}b", "a".repeat(LONGEST - 1))]);
        texts(json!({"glob": "*a*a*a*a*a*a*b"}), &[], &[&evil]);
        texts(json!({"regex": "a"}), &[], &["a".repeat(LONGEST + 1).as_str()]);
        let many: Vec<u32> = (0..20_000).collect();
        let turned: Vec<u32> = many.iter().rev().copied().collect();
        assert!(!holds(&json!({"equals": many, "any_order": true}), &[Found::Json(Cow::Owned(json!(turned)))]));
        assert!(!holds(&json!({"contains": many, "any_order": true}), &[Found::Json(Cow::Owned(json!(turned)))]));
    }
}
