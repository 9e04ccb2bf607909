//! The values that a scenario has for the captures of its path.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Values by the name of their capture, in files an object, in the order of names.
// A path has one or two of them, and there are as many lists as scenarios: a tree would take ten times the memory.
#[derive(Debug, Clone, Default, PartialEq, Eq, JsonSchema)]
#[schemars(transparent, inline)]
pub struct Captures(#[schemars(with = "BTreeMap<String, String>")] Vec<(String, String)>);

impl Captures {
    /// The value of a capture.
    pub fn get(&self, name: &str) -> Option<&String> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// Whether there is a value for a capture.
    pub fn contains_key(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Sets the value of a capture.
    pub fn insert(&mut self, name: String, value: String) {
        match self.0.binary_search_by(|(known, _)| known.as_str().cmp(&name)) {
            Ok(at) => self.0[at].1 = value,
            Err(at) => {
                self.0.reserve_exact(1);
                self.0.insert(at, (name, value));
            }
        }
    }

    /// The names.
    pub fn keys(&self) -> impl Iterator<Item = &String> {
        self.iter().map(|(name, _)| name)
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &String)> {
        self.0.iter().map(|(name, value)| (name, value))
    }

    /// Whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl std::ops::Index<&str> for Captures {
    type Output = String;

    fn index(&self, name: &str) -> &String {
        self.get(name).expect("a capture of that name")
    }
}

impl Extend<(String, String)> for Captures {
    fn extend<I: IntoIterator<Item = (String, String)>>(&mut self, values: I) {
        values.into_iter().for_each(|(name, value)| self.insert(name, value));
    }
}

impl FromIterator<(String, String)> for Captures {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(values: I) -> Self {
        let mut captures = Captures::default();
        captures.extend(values);
        captures
    }
}

impl IntoIterator for Captures {
    type Item = (String, String);
    type IntoIter = std::vec::IntoIter<(String, String)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl Serialize for Captures {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Captures {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(BTreeMap::<String, String>::deserialize(deserializer)?.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_an_object_in_the_order_of_names() {
        let captures: Captures = serde_json::from_str(r#"{"repo": "r", "login": "l", "repo": "s"}"#).unwrap();
        assert_eq!(serde_json::to_string(&captures).unwrap(), r#"{"login":"l","repo":"s"}"#);
        assert_eq!((captures.get("repo").map(String::as_str), captures.contains_key("id")), (Some("s"), false));
        assert_eq!(&captures["login"], "l");
        let mut other = captures.clone();
        other.extend([("login".to_owned(), "m".to_owned()), ("a".to_owned(), "b".to_owned())]);
        assert_eq!(other.keys().collect::<Vec<_>>(), ["a", "login", "repo"]);
        assert!(Captures::default().is_empty() && captures != other);
    }
}
