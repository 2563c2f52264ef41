//! What an error page says: the cause that it marks as such, its title, or its first sentence.

use http::{HeaderMap, StatusCode};

use super::{
    elements::{Kind, is_error, is_hidden},
    known::Known,
    line::{LONGEST, one_line},
    markup::{Tag, Token, Tokens, unescape},
};

/// The cause in an element `#error`, else the title, else the first sentence where the title says
/// nothing that the status does not.
pub(super) fn message(page: &str, status: StatusCode, headers: &HeaderMap) -> Option<Box<str>> {
    let known = Known { status, headers };
    let mut reader = Reader::default();
    for token in Tokens::html(page) {
        reader.read(token, &known);
        if reader.cause.is_some() {
            break;
        }
    }
    reader.end_block(&known);
    let Reader {
        cause,
        title,
        sentence,
        ..
    } = reader;
    let title = title.as_deref().and_then(one_line);
    if let Some(cause) = cause {
        return one_line(&cause);
    }
    if title.as_deref().is_some_and(|title| known.is_news(title)) {
        return title;
    }
    sentence.as_deref().and_then(one_line).or(title)
}

/// An element by its name, and how deep in others of that name.
struct Depth<'a> {
    name: &'a str,
    depth: usize,
}

impl<'a> Depth<'a> {
    fn of(name: &'a str) -> Option<Self> {
        let has_end = !matches!(Kind::of(name), Kind::Void | Kind::Break | Kind::Rule);
        has_end.then_some(Self { name, depth: 1 })
    }

    /// Whether this token ends the element.
    fn ends_at(&mut self, token: &Token<'_>) -> bool {
        match token {
            Token::Start(tag) if self.is(tag.name) => self.depth = self.depth.saturating_add(1),
            Token::End(name) if self.is(name) => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        self.depth == 0
    }

    fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

/// A paragraph, or in `#error` any text between two blocks.
#[derive(Default)]
struct Block {
    text: String,
    is_preformatted: bool,
}

impl Block {
    fn push(&mut self, text: &str) {
        if self.text.len() < 2 * LONGEST {
            unescape(text, &mut self.text);
        }
    }

    /// The whole, or of what is preformatted the first line with something to say: what follows may
    /// be a trace.
    fn news(&self, known: &Known<'_>) -> Option<String> {
        let is_news = |text: &String| known.is_news(text);
        match self.is_preformatted {
            true => self.text.lines().map(squeezed).find(is_news),
            false => Some(squeezed(&self.text)).filter(is_news),
        }
    }
}

#[derive(Default)]
struct Reader<'a> {
    /// The element that is not shown.
    hidden: Option<Depth<'a>>,
    /// The element `#error`.
    marked: Option<Depth<'a>>,
    is_title: bool,
    open_title: String,
    title: Option<String>,
    block: Option<Block>,
    cause: Option<String>,
    sentence: Option<String>,
}

impl<'a> Reader<'a> {
    fn read(&mut self, token: Token<'a>, known: &Known<'_>) {
        if let Some(hidden) = &mut self.hidden {
            // The end tag of a paragraph may be missing.
            let is_over = hidden.is("p")
                && matches!(&token, Token::Start(tag) if Kind::of(tag.name).is_block());
            if hidden.ends_at(&token) || is_over {
                self.hidden = None;
            }
            if !is_over {
                return;
            }
        }
        if let Token::Start(Tag { name, .. }) | Token::End(name) = token {
            if Kind::of(name).is_block() {
                self.end_block(known);
            }
        }
        if self
            .marked
            .as_mut()
            .is_some_and(|marked| marked.ends_at(&token))
        {
            self.end_block(known);
            self.marked = None;
        }
        match token {
            Token::Start(tag) => self.start(&tag),
            Token::End(name) if name.eq_ignore_ascii_case("title") => self.end_title(),
            Token::Text(text) if self.is_title => unescape(text, &mut self.open_title),
            Token::Text(text) if self.marked.is_some() => {
                self.block.get_or_insert_default().push(text);
            }
            Token::Text(text) => {
                if let Some(block) = &mut self.block {
                    block.push(text);
                }
            }
            Token::End(_) | Token::Raw(_) => {}
        }
    }

    fn start(&mut self, tag: &Tag<'a>) {
        let kind = Kind::of(tag.name);
        if is_hidden(kind, tag) {
            self.hidden = Depth::of(tag.name);
            return;
        }
        if self.marked.is_none() && is_error(tag) {
            self.marked = Depth::of(tag.name);
        }
        match kind {
            Kind::Title => self.is_title = true,
            Kind::Break => {
                if let Some(block) = &mut self.block {
                    block.push("\n");
                }
            }
            Kind::Paragraph | Kind::Preformatted => {
                self.block = Some(Block {
                    is_preformatted: kind == Kind::Preformatted,
                    ..Block::default()
                });
            }
            _ => {}
        }
    }

    /// The first title that is not empty counts. One that was cut off does not.
    fn end_title(&mut self) {
        self.is_title = false;
        let title = squeezed(&std::mem::take(&mut self.open_title));
        if self.title.is_none() && !title.is_empty() {
            self.title = Some(title);
        }
    }

    fn end_block(&mut self, known: &Known<'_>) {
        let Some(block) = self.block.take() else {
            return;
        };
        if self.marked.is_some() {
            self.cause = self.cause.take().or_else(|| block.news(known));
            return;
        }
        let Some(first) = &mut self.sentence else {
            self.sentence = block.news(known);
            return;
        };
        // The first one announces what comes, or Apache says why.
        let is_more = first.ends_with(':') || block.text.trim_start().starts_with("Reason:");
        if is_more && first.len() < LONGEST {
            if let Some(text) = block.news(known) {
                first.push(' ');
                first.push_str(&text);
            }
        }
    }
}

/// As a browser shows it: any white space is one space.
fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
