//! libvirt's XML: reading domains, writing backup jobs, and building restored domains.
//!
//! All XML is hostile input, even libvirt's own: parts of it come from guests' owners, and a
//! restored definition comes from a vault. Length and depth are bounded before it is parsed, and
//! document types are refused.

use xmltree::{Element, XMLNode};

use crate::error::FabricError;

pub mod backup;
pub mod domain;
pub mod network;
pub mod rebuild;

/// Most bytes of one document.
const LENGTH_MAX: usize = 4 << 20;

/// Deepest nesting. libvirt's own documents stay below 12.
const DEPTH_MAX: usize = 40;

/// Parses one document.
///
/// # Errors
///
/// [`FabricError::Xml`].
pub fn parse(text: &str) -> Result<Element, FabricError> {
    if text.len() > LENGTH_MAX {
        return Err(unusable(format!("{} bytes are too many", text.len())));
    }
    check_depth(text)?;
    Element::parse(text.as_bytes()).map_err(|error| unusable(error.to_string()))
}

/// Writes one document.
pub fn write(element: &Element) -> String {
    let mut bytes = Vec::new();
    let config =
        xmltree::EmitterConfig::new().perform_indent(true).write_document_declaration(false);
    element.write_with_config(&mut bytes, config).expect("writing to memory cannot fail");
    String::from_utf8(bytes).expect("XML of strings is a string")
}

/// The children that are elements.
pub fn elements(of: &Element) -> impl Iterator<Item = &Element> {
    of.children.iter().filter_map(XMLNode::as_element)
}

/// The children of this name.
pub fn named<'a>(of: &'a Element, name: &'a str) -> impl Iterator<Item = &'a Element> {
    elements(of).filter(move |child| child.name == name)
}

/// An attribute of the element behind `path`.
pub fn attribute<'a>(of: &'a Element, path: &[&str], name: &str) -> Option<&'a str> {
    at(of, path)?.attributes.get(name).map(String::as_str)
}

/// The text of the element behind `path`, without the space around it.
pub fn text(of: &Element, path: &[&str]) -> Option<String> {
    Some(at(of, path)?.get_text()?.trim().to_owned())
}

/// The first element behind `path`.
pub fn at<'a>(of: &'a Element, path: &[&str]) -> Option<&'a Element> {
    path.iter().try_fold(of, |element, name| elements(element).find(|child| child.name == *name))
}

/// A new element with these attributes.
pub fn element(name: &str, attributes: &[(&str, &str)]) -> Element {
    let mut element = Element::new(name);
    for (key, value) in attributes {
        element.attributes.insert((*key).to_owned(), (*value).to_owned());
    }
    element
}

/// A new element with this text.
pub fn with_text(name: &str, text: &str) -> Element {
    let mut element = Element::new(name);
    element.children.push(XMLNode::Text(text.to_owned()));
    element
}

/// `parent` with `child` at its end.
pub fn push(parent: &mut Element, child: Element) {
    parent.children.push(XMLNode::Element(child));
}

fn unusable(message: impl Into<String>) -> FabricError {
    FabricError::Xml { message: message.into() }
}

/// The parser nests as deep as the document does: a document may not choose our stack.
fn check_depth(text: &str) -> Result<(), FabricError> {
    let mut rest = text;
    let mut depth = 0_usize;
    while let Some(open) = rest.find('<') {
        rest = &rest[open..];
        let skip = [("<!--", "-->"), ("<![CDATA[", "]]>"), ("<?", "?>")]
            .into_iter()
            .find(|(start, _)| rest.starts_with(start));
        if let Some((start, end)) = skip {
            let behind = rest[start.len()..].find(end).map(|at| start.len() + at + end.len());
            rest = &rest[behind.ok_or_else(|| unusable("an end is missing"))?..];
            continue;
        }
        if rest.starts_with("<!") {
            return Err(unusable("it has a document type"));
        }
        let close = end_of_tag(rest).ok_or_else(|| unusable("a tag does not end"))?;
        let tag = &rest[..close];
        if tag.starts_with("</") {
            depth = depth.saturating_sub(1);
        } else if !tag.ends_with('/') {
            depth += 1;
        }
        if depth > DEPTH_MAX {
            return Err(unusable(format!("it nests deeper than {DEPTH_MAX}")));
        }
        rest = &rest[close..];
    }
    Ok(())
}

/// Where the tag's `>` is, outside of quotes.
fn end_of_tag(tag: &str) -> Option<usize> {
    let mut quote = None;
    for (at, byte) in tag.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return Some(at),
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), _) if open == byte => quote = None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests;
