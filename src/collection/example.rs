//! The request that a scenario stands for: its captures filled in, with what it inherits from its stub.

use super::manifest::{OriginPattern, PortPattern};
use super::pattern::SegmentPattern;
use super::stub::{FieldLine, QueryPair, Scenario, Stub};
use crate::model::{Authority, Origin};

impl Stub {
    /// The query pairs of a scenario: its own, after those of the stub's defaults whose name it does not have itself.
    pub fn query_of<'a>(&'a self, scenario: &'a Scenario) -> Vec<&'a QueryPair> {
        let own: Vec<String> = scenario.request.query.iter().map(|pair| pair.decoded().0).collect();
        let inherited = self.defaults.query.iter().filter(|pair| !own.contains(&pair.decoded().0));
        inherited.chain(&scenario.request.query).collect()
    }

    /// The field lines of a scenario: its own, after those of the stub's defaults whose name it does not have itself.
    pub fn fields_of<'a>(&'a self, scenario: &'a Scenario) -> Vec<&'a FieldLine> {
        let own = &scenario.request.fields;
        let inherited = self.defaults.fields.iter().filter(|line| !own.iter().any(|field| field.0.is(&line.0.name)));
        inherited.chain(own).collect()
    }

    /// The path that a scenario's request has. A capture without a value takes its own name, `*` becomes `any`, and a
    /// last `**` becomes nothing.
    pub fn example_path(&self, scenario: Option<&Scenario>) -> String {
        let mut path = String::new();
        for segment in self.path.segments() {
            let text = match segment {
                SegmentPattern::Rest => break,
                SegmentPattern::Literal(literal) => literal.clone(),
                SegmentPattern::Glob(glob) => glob.replace('*', "any"),
                SegmentPattern::Any => "any".to_owned(),
                SegmentPattern::Capture(_) | SegmentPattern::Regex(_) => {
                    let name = segment.capture().unwrap_or_default();
                    let value = scenario.and_then(|scenario| scenario.request.captures.get(name));
                    value.cloned().unwrap_or_else(|| name.to_owned())
                }
            };
            path.push('/');
            path.push_str(&text);
        }
        if path.is_empty() { "/".to_owned() } else { path }
    }

    /// Path and query of a scenario's request, as in a request line.
    pub fn example_target(&self, scenario: &Scenario) -> String {
        let query: Vec<&str> = self.query_of(scenario).into_iter().map(|pair| pair.0.as_str()).collect();
        let path = self.example_path(Some(scenario));
        if query.is_empty() { path } else { format!("{path}?{}", query.join("&")) }
    }
}

impl OriginPattern {
    /// An origin that it matches: itself, or with the scheme's own port where any will do.
    pub fn example(&self) -> Origin {
        self.as_origin()
            .unwrap_or_else(|| Origin::new(self.scheme, Authority::new(&self.host, self.scheme.default_port())))
    }

    /// The prefix of plain calls to our own address that mean this origin: `/@api.github.com`, `/@localhost:8080`.
    pub fn plain_prefix(&self) -> String {
        match self.port {
            PortPattern::Exactly(_) => format!("/@{}", self.example().host_field()),
            PortPattern::Any => format!("/@{}", Authority::new(&self.host, 0).url_host()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_inherits_and_fills_in() {
        let text = r#"{"version": 1, "method": "GET", "origin": "http://localhost:*", "path": "/u/{login}/{id}/*/r-*.pdf/**",
            "defaults": {"query": ["page=1", "q=a%20b"], "fields": ["Accept: text/html", "X-A: 1"]},
            "scenarios": [{"name": "a", "request": {"captures": {"login": "octocat"}, "query": ["page=2"], "fields": ["accept: x/y"]}}]}"#;
        let stub: Stub = serde_json::from_str(text).unwrap();
        let scenario = &stub.scenarios[0];
        assert_eq!(stub.example_target(scenario), "/u/octocat/id/any/r-any.pdf?q=a%20b&page=2");
        let fields: Vec<_> = stub.fields_of(scenario).into_iter().map(ToString::to_string).collect();
        assert_eq!(fields, ["X-A: 1", "accept: x/y"]);
        assert_eq!(stub.origin.plain_prefix(), "/@localhost");
        assert_eq!(stub.origin.example().to_string(), "http://localhost");
        let other: OriginPattern = "https://a.b:8443".parse().unwrap();
        assert_eq!(other.plain_prefix(), "/@a.b:8443");
    }
}
