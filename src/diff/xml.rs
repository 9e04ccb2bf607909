//! XML as leaves by path, so that two texts compare by structure: attributes in any order, whatever the prefixes of
//! namespaces, without white space around texts, comments and processing instructions.

use std::collections::HashMap;

use super::json::{Arrays, Leaf, Value};
use crate::model::markup::{Token, Tokens};

/// Deeper texts are compared as text.
const MAX_DEPTH: usize = 100;
/// Nodes of a document at most.
const MAX_NODES: u32 = 500_000;
/// Bytes of all paths together.
const MAX_PATHS: usize = 16 * 1024 * 1024;

/// The leaves of an XML text, sorted by path: texts (`order/item[2]`), attributes (`order/@id`), and namespaces where
/// they change (`order/@xmlns`). Siblings of one name are counted; those of other names may stand in any order. None if
/// it is not well-formed, declares a document type, or is too deep.
pub fn leaves(text: &str) -> Option<Vec<Leaf>> {
    if !is_shallow(text) {
        return None;
    }
    let options = roxmltree::ParsingOptions { allow_dtd: false, nodes_limit: MAX_NODES, ..Default::default() };
    let document = roxmltree::Document::parse_with_options(text, options).ok()?;
    let mut walk = Walk { path: String::new(), leaves: Vec::new(), budget: MAX_PATHS };
    let root = document.root_element();
    walk.path.push_str(root.tag_name().name());
    walk.element(root, None)?;
    let mut leaves = walk.leaves;
    leaves.sort_by(|one, other| one.pointer.cmp(&other.pointer));
    Some(leaves)
}

/// Whether no element is too deep: told before parsing, which goes down with them.
fn is_shallow(text: &str) -> bool {
    let mut depth = 0_usize;
    Tokens::new(text, false).all(|token| {
        match token {
            Token::Open { is_void: false, .. } => depth += 1,
            Token::Close { .. } => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth <= MAX_DEPTH
    })
}

struct Walk {
    path: String,
    leaves: Vec<Leaf>,
    budget: usize,
}

impl Walk {
    fn leaf(&mut self, inside: &str, value: &str) -> Option<()> {
        let pointer = format!("{}{inside}", self.path).into_boxed_str();
        self.budget = self.budget.checked_sub(pointer.len())?;
        let value = Value::String(normal(value).into());
        self.leaves.push(Leaf { pointer, arrays: Arrays::default(), value });
        Some(())
    }

    fn element(&mut self, element: roxmltree::Node<'_, '_>, outer: Option<&str>) -> Option<()> {
        let namespace = element.tag_name().namespace();
        if namespace != outer {
            self.leaf("/@xmlns", namespace.unwrap_or_default())?;
        }
        for attribute in element.attributes() {
            let name = match attribute.namespace() {
                Some(namespace) => format!("/@{{{namespace}}}{}", attribute.name()),
                None => format!("/@{}", attribute.name()),
            };
            self.leaf(&name, attribute.value())?;
        }
        let mut counted: HashMap<&str, u32> = HashMap::new();
        let mut elements = 0_u32;
        let mut text = String::new();
        for child in element.children() {
            if child.is_text() {
                text.push_str(child.text().unwrap_or_default());
            } else if child.is_element() {
                self.mixed(&mut text, elements)?;
                elements += 1;
                let name = child.tag_name().name();
                let count = counted.entry(name).or_default();
                *count += 1;
                let length = self.path.len();
                self.path.extend(["/", name]);
                if *count > 1 {
                    self.path.push_str(&format!("[{count}]"));
                }
                self.element(child, namespace)?;
                self.path.truncate(length);
            }
        }
        if elements == 0 { self.leaf("", &text) } else { self.mixed(&mut text, elements) }
    }

    /// Text between elements: named by how many of them stand before it.
    fn mixed(&mut self, text: &mut String, before: u32) -> Option<()> {
        if !text.trim().is_empty() {
            self.leaf(&format!("/text()[{}]", before + 1), text)?;
        }
        text.clear();
        Some(())
    }
}

/// Without white space around it; line ends inside are normal already (XML 1.0 section 2.11).
fn normal(text: &str) -> &str {
    text.trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(one: &str, other: &str) -> bool {
        leaves(one).expect("XML") == leaves(other).expect("XML")
    }

    #[test]
    fn what_says_the_same_is_the_same() {
        let one = "<?xml version='1.0'?><s:order xmlns:s='urn:x' a='1' b='2'><s:item>tea</s:item><s:item/><n> 1 &lt; 2</n></s:order>";
        let other = "<order xmlns=\"urn:x\" b=\"2\" a=\"1\"><!-- a note -->\n  <n xmlns=\"\"><![CDATA[1 < 2]]></n>\n  <item>tea</item>\n  <item></item>\n</order>";
        assert!(same(one, other), "{:?}\n{:?}", leaves(one), leaves(other));
        for other in [
            one.replace("tea", "coffee"),
            one.replace("urn:x", "urn:y"),
            one.replace("a='1'", ""),
            one.replace("<s:item/>", ""),
            one.replace("<s:item>tea</s:item><s:item/>", "<s:item/><s:item>tea</s:item>"),
        ] {
            assert!(!same(one, &other), "{other}");
        }
        assert!(same("<p>a<b/>c</p>", "<p> a <b></b>c</p>"));
        assert!(!same("<p>a<b/>c</p>", "<p>ac<b/></p>"));
    }

    #[test]
    fn what_is_no_plain_xml_is_left_to_text() {
        let deep = format!("{}{}", "<a>".repeat(100_000), "</a>".repeat(100_000));
        let laughs = "<!DOCTYPE a [<!ENTITY b \"cc\">]><a>&b;</a>";
        for text in ["", "<a>", "<a></b>", "a", laughs, &deep] {
            assert_eq!(leaves(text), None);
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(text in "(<[ab]( x='1')?/?>|</[ab]>|[ é&<]|&lt;|<!\\[CDATA\\[|\\]\\]>){0,20}") {
            let _ = leaves(&text);
        }
    }
}
