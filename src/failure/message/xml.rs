//! The message of an XML document: the text of the most telling of its elements.

use super::{
    best::{Best, Rank},
    known::{Known, Worth},
    markup::{Tag, Token, Tokens, is_any, unescape},
    names::{self, MESSAGE},
};

/// The elements that a page can begin with. A document that begins with another one is no page.
const OF_PAGES: [&str; 32] = [
    "a", "article", "b", "base", "body", "br", "center", "div", "em", "font", "h1", "h2", "h3",
    "h4", "header", "head", "hr", "html", "i", "img", "link", "main", "meta", "p", "pre", "script",
    "section", "span", "strong", "style", "table", "title",
];

/// Whether it begins with an element that no page begins with.
pub(super) fn is_xml(text: &str) -> bool {
    let root = Tokens::xml(after_prolog(text)).find_map(|token| match token {
        Token::Start(tag) => Some(tag.name),
        _ => None,
    });
    root.is_some_and(|name| !is_any(name, &OF_PAGES))
}

/// Of a document that is nothing but a text, as ASP.NET makes one, the text.
pub(super) fn only_text(text: &str) -> Option<String> {
    let mut tokens = Tokens::xml(after_prolog(text));
    match tokens.next()? {
        Token::Start(tag) if local(tag.name).eq_ignore_ascii_case("string") => {}
        _ => return None,
    }
    let mut plain = String::new();
    for token in tokens {
        match token {
            Token::Text(text) => unescape(text, &mut plain),
            Token::Raw(text) => plain.push_str(text),
            Token::Start(_) => return None,
            Token::End(_) => return Some(plain),
        }
    }
    None
}

/// Compares names without case and without prefix. An element that was cut off says nothing, as a
/// member of JSON does not: who knows how it ends.
pub(super) fn message(text: &str, known: &Known<'_>) -> Option<Box<str>> {
    let mut reader = Reader {
        best: Best::new(known),
        parents: Vec::new(),
        depth: 0,
        reading: None,
        text: String::new(),
    };
    for token in Tokens::xml(after_prolog(text)) {
        match token {
            Token::Start(tag) => reader.start(&tag),
            Token::Text(text) if reader.reading.is_some() => unescape(text, &mut reader.text),
            Token::Raw(text) if reader.reading.is_some() => reader.text.push_str(text),
            Token::End(_) => reader.end(),
            Token::Text(_) | Token::Raw(_) => {}
        }
        if reader.best.key() == Some((false, Worth::News, MESSAGE)) {
            break;
        }
    }
    reader.best.into_line()
}

/// The text of a field in `ModelState`.
const FIELD: u32 = names::MODEL_STATE;
/// Those of JSON that mean the same in any element.
const NAMES: [&str; 8] = [
    "message",
    "faultstring", // SOAP 1.1
    "errormessage",
    "error_description",
    "error",
    "detail",
    "exceptionmessage",
    "messagedetail",
];

/// Elements deeper than this do not know what they are in.
const DEPTH: usize = 16;

struct Reader<'a, 'k> {
    best: Best<'k>,
    /// The elements that are open.
    parents: Vec<&'a str>,
    depth: usize,
    reading: Option<Element<'a>>,
    text: String,
}

struct Element<'a> {
    rank: u32,
    depth: usize,
    field: Option<&'a str>,
}

impl<'a> Reader<'a, '_> {
    fn start(&mut self, tag: &Tag<'a>) {
        if tag.is_closed() {
            return;
        }
        let name = local(tag.name);
        let is_in_message = |element: &Element<'_>| element.rank == MESSAGE;
        if !self.reading.as_ref().is_some_and(is_in_message) {
            self.text.clear();
            self.reading = self.element(name);
        }
        if self.depth < DEPTH {
            self.parents.push(name);
        }
        self.depth = self.depth.saturating_add(1);
    }

    fn end(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        self.parents.truncate(self.depth);
        if let Some(element) = self.reading.take_if(|element| element.depth == self.depth) {
            let field = || element.field.map(str::to_owned);
            let rank = Rank {
                is_aside: false,
                rank: element.rank,
            };
            self.best.offer(rank, &self.text, field);
        }
    }

    /// One that says something, if it does. All but a message have to have no others in them.
    fn element(&self, name: &'a str) -> Option<Element<'a>> {
        let rank = names::rank(name).filter(|_| is_any(name, &NAMES));
        let (rank, field) = match rank {
            Some(rank) => (rank, None),
            None => self.by_parent(name)?,
        };
        Some(Element {
            rank,
            depth: self.depth,
            field,
        })
    }

    /// One whose meaning depends on what it is in.
    fn by_parent(&self, name: &'a str) -> Option<(u32, Option<&'a str>)> {
        let mut parents = self.parents.iter().rev().copied();
        let parents = [parents.next(), parents.next()];
        let [parent, above] = parents.map(|name| name.filter(|_| self.depth <= DEPTH));
        let is_in = |parent: Option<&str>, known: &[&str]| {
            parent.is_some_and(|parent| is_any(parent, known))
        };
        let is = |known: &str| known.eq_ignore_ascii_case(name);
        // SOAP 1.2
        if is("text") && is_in(parent, &["reason"]) {
            return Some((names::FAULT, None));
        }
        let rank = names::rank_in_error(name);
        if let Some(rank) = rank.filter(|_| is_in(parent, &["error", "problem"])) {
            return Some((rank, None));
        }
        // A field has one text, or several in elements of their own.
        if is_in(parent, &["modelstate"]) {
            return Some((FIELD, Some(name)));
        }
        is_in(above, &["modelstate"]).then_some((FIELD, parent))
    }
}

fn local(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or(name)
}

/// What follows the declarations before the first element. One of a document's type may declare
/// texts that have tags in them.
fn after_prolog(text: &str) -> &str {
    let mut rest = text;
    loop {
        rest = rest.trim_ascii_start();
        let after = if let Some(comment) = rest.strip_prefix("<!--") {
            comment.split_once("-->").map(|(_, after)| after)
        } else if rest.starts_with("<?") {
            rest.split_once("?>").map(|(_, after)| after)
        } else if rest.starts_with("<!") {
            after_doctype(rest)
        } else {
            return rest;
        };
        match after {
            Some(after) => rest = after,
            None => return rest,
        }
    }
}

/// What follows its `>`, or where it has some of its own in brackets, `]>`.
fn after_doctype(text: &str) -> Option<&str> {
    let mut rest = text;
    let mut is_inside = false;
    loop {
        let place = rest.find(['"', '\'', '[', ']', '>', '<'])?;
        let (at, after) = rest.get(place..)?.split_at_checked(1)?;
        rest = match at {
            "[" => {
                is_inside = true;
                after
            }
            "]" => {
                is_inside = false;
                after
            }
            ">" if !is_inside => return Some(after),
            "<" => match after.strip_prefix("!--") {
                Some(comment) => comment.split_once("-->")?.1,
                None => after,
            },
            quote @ ("\"" | "'") => after.split_once(quote)?.1,
            _ => after,
        };
    }
}
