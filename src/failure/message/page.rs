//! What an error page says: the cause that it marks as such, its title, or its first sentence.

use super::{
    block::{Block, Form, Label, Rank, squeezed},
    elements::{Kind, is_error, is_hidden},
    hidden::{End, Hidden},
    known::Known,
    line::{LONGEST, one_line},
    markup::{Tag, Token, Tokens, unescape},
    stock::is_placeholder,
};

/// The cause in an element `#error`, else the title, else the first sentence where the title says
/// nothing that the status does not. In a document that only resembles a page (`is_xml`) a text
/// outside of paragraphs is data.
pub(super) fn message(page: &str, is_xml: bool, known: &Known<'_>) -> Option<Box<str>> {
    let mut reader = Reader {
        is_xml,
        ..Reader::default()
    };
    for token in Tokens::html(page) {
        reader.read(token, known);
        if reader.cause.is_some() {
            break;
        }
    }
    reader.end_block(known);
    if let Some(cause) = reader.cause {
        return one_line(&cause);
    }
    let title = reader.title.as_deref().and_then(one_line);
    if reader.is_title_news {
        return title;
    }
    let sentence = reader.best.and_then(|sentence| sentence.whole(known));
    sentence.as_deref().and_then(one_line).or(title)
}

/// An element by its name, and how deep in others of that name.
struct Depth<'a> {
    name: &'a str,
    depth: usize,
}

impl<'a> Depth<'a> {
    fn of(name: &'a str) -> Option<Self> {
        Kind::of(name).has_end().then_some(Self { name, depth: 1 })
    }

    /// Whether this token ends the element.
    fn ends_at(&mut self, token: &Token<'_>) -> bool {
        let is_own = |name: &str| name.eq_ignore_ascii_case(self.name);
        match token {
            Token::Start(tag) if is_own(tag.name) => self.depth = self.depth.saturating_add(1),
            Token::End(name) if is_own(name) => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        self.depth == 0
    }
}

/// The best that was found so far.
struct Sentence {
    text: String,
    rank: Rank,
}

impl Sentence {
    fn is_open(&self) -> bool {
        self.text.ends_with(':')
    }

    /// Without an announcement that nothing followed.
    fn whole(self, known: &Known<'_>) -> Option<String> {
        let Some(text) = self.text.strip_suffix(':') else {
            return Some(self.text);
        };
        let end = text.rfind(". ").map(|place| place.saturating_add(1));
        let text = end.and_then(|end| text.get(..end)).unwrap_or(text).trim();
        known.is_news(text).then(|| text.to_owned())
    }
}

#[derive(Default)]
struct Reader<'a> {
    is_xml: bool,
    /// The element that is not shown.
    hidden: Option<Hidden<'a>>,
    /// The element that is marked as the error.
    marked: Option<Depth<'a>>,
    is_title: bool,
    is_link: bool,
    is_code: bool,
    /// A rule came, and below it programs sign.
    is_after_rule: bool,
    open_title: String,
    title: Option<String>,
    is_title_news: bool,
    block: Block,
    /// What the last block said of the next.
    label: Option<Label>,
    cause: Option<String>,
    best: Option<Sentence>,
}

impl<'a> Reader<'a> {
    fn read(&mut self, token: Token<'a>, known: &Known<'_>) {
        if let Some(hidden) = &mut self.hidden {
            let end = hidden.end(&token);
            if end != End::NotYet {
                self.hidden = None;
            }
            if end != End::Before {
                return;
            }
        }
        if let Token::Start(Tag { name, .. }) | Token::End(name) = token {
            self.pass(Kind::of(name), known);
        }
        let is_marked_over = |marked: &mut Depth<'_>| marked.ends_at(&token);
        if self.marked.as_mut().is_some_and(is_marked_over) {
            self.end_block(known);
            self.marked = None;
        }
        match token {
            Token::Start(tag) => self.start(&tag, known),
            Token::End(name) => self.end(Kind::of(name), known),
            Token::Text(text) if self.is_title => unescape(text, &mut self.open_title),
            Token::Text(text) => self.block.push(text, self.is_link),
            Token::Raw(_) => {}
        }
    }

    /// What the tags of a block end, at its beginning and at its end.
    fn pass(&mut self, kind: Kind, known: &Known<'_>) {
        if !kind.is_block() {
            return;
        }
        let is_heading = self.block.form == Form::Heading;
        self.end_block(known);
        self.is_after_rule |= kind == Kind::Rule && !is_heading;
        self.is_link = false;
    }

    fn start(&mut self, tag: &Tag<'a>, known: &Known<'_>) {
        let kind = Kind::of(tag.name);
        // A listing in a page's own text is an example.
        let is_example = kind == Kind::Preformatted && self.is_code;
        if is_hidden(kind, tag) || is_example {
            self.hidden = Hidden::of(tag);
            return;
        }
        if self.marked.is_none() && is_error(tag) {
            self.end_block(known);
            self.marked = Depth::of(tag.name);
        }
        match kind {
            Kind::Title => self.is_title = true,
            Kind::Link => self.is_link = true,
            Kind::Code => self.is_code = true,
            Kind::Break if self.block.break_line() => self.end_block(known),
            Kind::Paragraph => self.block = Block::of(Form::Paragraph),
            Kind::Preformatted => self.block = Block::of(Form::Preformatted),
            Kind::Heading => self.block = Block::of(Form::Heading),
            Kind::Label => self.block = Block::of(Form::Label),
            _ => {}
        }
    }

    fn end(&mut self, kind: Kind, known: &Known<'_>) {
        match kind {
            Kind::Title => self.end_title(known),
            Kind::Link => self.is_link = false,
            Kind::Code => self.is_code = false,
            Kind::Bold => self.block.end_bold(),
            _ => {}
        }
    }

    /// The first title that is not empty counts. One that was cut off does not.
    fn end_title(&mut self, known: &Known<'_>) {
        self.is_title = false;
        let title = squeezed(&std::mem::take(&mut self.open_title));
        if self.title.is_none() && !title.is_empty() {
            self.is_title_news = !is_placeholder(&title) && known.is_news(&title);
            self.title = Some(title);
        }
    }

    fn end_block(&mut self, known: &Known<'_>) {
        let mut block = std::mem::take(&mut self.block);
        if block.is_blank() {
            self.label = block.names_next().or(self.label);
            return;
        }
        if self.marked.is_some() {
            self.cause = self.cause.take().or_else(|| block.news(known));
            return;
        }
        block.split_label();
        let label = self.label.take();
        self.label = block.names_next();
        if self.label.is_none() {
            self.offer(&block, label, known);
        }
    }

    fn offer(&mut self, block: &Block, label: Option<Label>, known: &Known<'_>) {
        let could_be = block.best_rank(label);
        if let Some(best) = &mut self.best {
            // The one before announces this, or Apache says why.
            let is_reason = || block.text.trim_start().starts_with("Reason:");
            let is_more = best.is_open() || best.rank == Rank::Paragraph && is_reason();
            if !is_more && could_be >= best.rank {
                return;
            }
            let more = || {
                let status = Some(squeezed(&block.text)).filter(|text| known.is_status(text));
                block.news(known).or(status)
            };
            let has_room = best.text.len() < LONGEST;
            if let Some(more) = (is_more && has_room).then(more).flatten() {
                best.text.push(' ');
                best.text.push_str(&more);
                return;
            }
        }
        let news = block.news(known);
        let Some(text) = news else { return };
        let rank = block.rank(&text, label, self.is_after_rule);
        let is_better = |rank: &Rank| {
            let is_data = self.is_xml && *rank == Rank::Other;
            !is_data && self.best.as_ref().is_none_or(|best| *rank < best.rank)
        };
        if let Some(rank) = rank.filter(is_better) {
            self.best = Some(Sentence { text, rank });
        }
    }
}
