//! Paths to texts and attributes of XML, of the kind that XPath begins with: `/order/item[2]/@id`. They are matched with
//! the paths of leaves (`diff::xml`), where elements are told by their names without prefix, and siblings of one name are
//! counted.

/// Elements of a path at most: deeper documents are compared as text.
const STEPS_MAX: usize = 100;

/// A path that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XmlPath {
    steps: Vec<Step>,
    /// An attribute of the last element; none for its text.
    attribute: Option<Box<str>>,
}

/// An element, or any; all siblings of a name, or the one at this position, from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Step {
    name: Option<Box<str>>,
    position: Option<u32>,
}

impl XmlPath {
    /// Reads a path.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(text: &str) -> Result<XmlPath, String> {
        let bad = || format!("`{text}` is no path in XML: write such as `/order/item[2]`, `/order/*/@id`");
        let rest = text.strip_prefix('/').ok_or_else(bad)?;
        let (elements, attribute) = match rest.split_once("/@") {
            Some((elements, attribute)) if !attribute.is_empty() => (elements, Some(attribute.into())),
            Some(_) => return Err(bad()),
            None => (rest, None),
        };
        let steps: Option<Vec<Step>> = elements.split('/').map(Step::read).collect();
        let steps = steps.filter(|steps| steps.len() <= STEPS_MAX).ok_or_else(bad)?;
        Ok(XmlPath { steps, attribute })
    }

    /// Whether the leaf of this path is in the element to which it leads, or is the attribute.
    pub fn holds(&self, leaf: &str) -> bool {
        if self.attribute.is_some() {
            return self.leads_to(leaf);
        }
        let mut elements = leaf.split_once("/@").map_or(leaf, |(elements, _)| elements).split('/');
        self.steps.iter().all(|step| elements.next().is_some_and(|element| step.fits(element)))
    }

    /// Whether it leads to the leaf of this path. The text of an element is all of it, also between elements inside.
    pub fn leads_to(&self, leaf: &str) -> bool {
        let (elements, attribute) = match leaf.split_once("/@") {
            Some((elements, attribute)) => (elements, Some(attribute)),
            None => (leaf, None),
        };
        if attribute != self.attribute.as_deref() {
            return false;
        }
        let mut own = self.steps.iter();
        for element in elements.split('/') {
            let text = element.starts_with("text()[");
            match own.next() {
                Some(step) if !text && step.fits(element) => {}
                None if text => return true,
                _ => return false,
            }
        }
        own.next().is_none()
    }
}

impl Step {
    fn read(text: &str) -> Option<Step> {
        let (name, position) = match text.strip_suffix(']') {
            Some(rest) => {
                let (name, position) = rest.split_once('[')?;
                (name, Some(position.parse().ok().filter(|at| *at > 0)?))
            }
            None => (text, None),
        };
        let is_name = !name.is_empty() && !name.contains(['[', ']', '(', ')', '@', ':', '{', '}', '=', '*', ' ']);
        match name {
            // Siblings of other names are not counted with it.
            "*" if position.is_none() => Some(Step { name: None, position }),
            _ => is_name.then(|| Step { name: Some(name.into()), position }),
        }
    }

    fn fits(&self, element: &str) -> bool {
        let counted = element.strip_suffix(']').and_then(|rest| rest.split_once('['));
        let (name, position) = counted.map_or((element, 1), |(name, at)| (name, at.parse().unwrap_or(0)));
        self.name.as_deref().is_none_or(|own| own == name) && self.position.is_none_or(|own| own == position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_to_texts_and_attributes() {
        for (path, leaf, leads) in [
            ("/order/item", "order/item", true),
            ("/order/item", "order/item[2]", true),
            ("/order/item[1]", "order/item", true),
            ("/order/item[1]", "order/item[2]", false),
            ("/order/item[2]", "order/item[2]", true),
            ("/order/*", "order/item[7]", true),
            ("/order/*", "order", false),
            ("/order", "order/item", false),
            ("/order", "order/text()[2]", true),
            ("/*/item/@id", "order/item[3]/@id", true),
            ("/order/item", "order/item/@id", false),
            ("/order/item/@id", "order/item", false),
            ("/a/@{http://x/@y}b", "a/@{http://x/@y}b", true),
        ] {
            assert_eq!(XmlPath::read(path).unwrap().leads_to(leaf), leads, "{path} {leaf}");
        }
        for (path, leaf, holds) in [
            ("/order/item", "order/item[2]/name/@lang", true),
            ("/order/item", "order/item/@id", true),
            ("/order/item", "order/item/text()[1]", true),
            ("/order/item", "order/items", false),
            ("/order/item", "order", false),
            ("/order/item[2]", "order/item/name", false),
            ("/order/item/@id", "order/item/@id", true),
            ("/order/item/@id", "order/item", false),
        ] {
            assert_eq!(XmlPath::read(path).unwrap().holds(leaf), holds, "{path} {leaf}");
        }
        for bad in ["", "/", "order", "//a", "/a/", "/a[0]", "/a[x]", "/*[2]", "/a/@", "/s:a", "/a[b=1]", "/a/text()"] {
            assert!(XmlPath::read(bad).unwrap_err().contains("no path in XML"), "{bad}");
        }
        assert!(XmlPath::read(&"/a".repeat(101)).is_err());
    }
}
