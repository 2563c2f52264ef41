//! The message of an XML document: the text of its first element of that name.

use super::{
    line::one_line,
    markup::{Token, Tokens, is_any, unescape},
};

/// The elements that a page can begin with. A document that begins with another one is no page.
const OF_PAGES: [&str; 32] = [
    "a", "article", "b", "base", "body", "br", "center", "div", "em", "font", "h1", "h2", "h3",
    "h4", "header", "head", "hr", "html", "i", "img", "link", "main", "meta", "p", "pre", "script",
    "section", "span", "strong", "style", "table", "title",
];

/// Whether it begins with an element that no page begins with.
pub(super) fn is_xml(text: &str) -> bool {
    let root = Tokens::xml(text).find_map(|token| match token {
        Token::Start(tag) => Some(tag.name),
        _ => None,
    });
    root.is_some_and(|name| !is_any(name, &OF_PAGES))
}

/// Compares names without case and without prefix. The first one with something to say counts.
pub(super) fn message(text: &str) -> Option<Box<str>> {
    let is_message = |name: &str| {
        let local = name.rsplit(':').next().unwrap_or(name);
        local.eq_ignore_ascii_case("message")
    };
    let (mut found, mut depth) = (String::new(), 0_usize);
    for token in Tokens::xml(text) {
        match token {
            Token::Start(tag) if tag.is_closed() => {}
            Token::Start(tag) if depth > 0 || is_message(tag.name) => {
                depth = depth.saturating_add(1)
            }
            Token::Text(text) if depth > 0 => unescape(text, &mut found),
            Token::Raw(text) if depth > 0 => found.push_str(text),
            Token::End(_) if depth == 1 => {
                if let Some(line) = one_line(&found) {
                    return Some(line);
                }
                found.clear();
                depth = 0;
            }
            Token::End(_) => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}
