//! Messages in HTML: the title of a page, its `#error`, or its first paragraph.

use html5gum::emitters::callback::CallbackEvent;

use super::candidates::{Candidates, Worth};
use super::line::LONGEST;
use super::xml::{parts, utf8};

/// Elements that are not read.
#[rustfmt::skip]
const HIDDEN: [&str; 14] = [
    "button", "datalist", "footer", "iframe", "math", "nav", "noscript", "object", "script",
    "select", "style", "svg", "template", "textarea",
];

/// Elements without an end, and elements that end where the next of their name starts.
const VOID: [&str; 8] = ["area", "br", "hr", "img", "input", "link", "meta", "wbr"];
const ITEMS: [&str; 8] = ["dd", "dt", "li", "option", "p", "td", "th", "tr"];

const HEADINGS: [&str; 6] = ["h1", "h2", "h3", "h4", "h5", "h6"];

/// Other elements that end a paragraph.
#[rustfmt::skip]
const BLOCKS: [&str; 20] = [
    "address", "article", "blockquote", "body", "center", "dd", "div", "dl", "dt", "fieldset",
    "form", "header", "hr", "li", "main", "ol", "section", "table", "td", "ul",
];

/// Offers the texts of a page.
pub(super) fn read(text: &str, candidates: &mut Candidates<'_>) {
    let mut page = Page::default();
    parts(text, false, |part| {
        page.part(part, candidates);
        candidates.is_open(0)
    });
    if page.block != Block::Title {
        page.begin(Block::None, candidates);
    }
}

#[derive(Clone, Copy, Default, PartialEq)]
enum Block {
    #[default]
    None,
    Title,
    Heading,
    /// HAProxy writes its sentence behind the heading, without `<p>`.
    AfterHeading,
    Paragraph,
    Preformatted,
}

#[derive(Default)]
struct Page {
    /// The start tag and the attribute that are being read.
    tag: String,
    attribute: String,
    is_hidden: bool,
    /// The hidden element, and how many of its name are open.
    hidden: Option<(String, usize)>,
    /// `#error` has started: the next text that says something is the cause.
    is_error: bool,
    block: Block,
    text: String,
}

impl Page {
    fn part(&mut self, part: CallbackEvent<'_>, candidates: &mut Candidates<'_>) {
        match part {
            CallbackEvent::OpenStartTag { name } => {
                utf8(name).clone_into(&mut self.tag);
                self.attribute.clear();
                self.is_hidden = HIDDEN.contains(&&*self.tag);
            }
            CallbackEvent::AttributeName { name } => {
                utf8(name).clone_into(&mut self.attribute);
                self.is_hidden |= self.attribute == "hidden";
            }
            CallbackEvent::AttributeValue { value } => match &*self.attribute {
                "id" if self.hidden.is_none() && value.eq_ignore_ascii_case(b"error") => {
                    self.begin(Block::None, candidates);
                    self.is_error = !matches!(&*self.tag, "html" | "body");
                }
                "aria-hidden" => self.is_hidden |= value == b"true",
                "style" => self.is_hidden |= utf8(value).replace(' ', "").contains("display:none"),
                _ => {}
            },
            CallbackEvent::CloseStartTag { self_closing } => {
                let name = std::mem::take(&mut self.tag);
                self.start(&name, self_closing, candidates);
                self.tag = name; // for the next one
            }
            CallbackEvent::EndTag { name } => self.end(utf8(name), candidates),
            CallbackEvent::String { value } if self.hidden.is_none() => {
                let is_read = self.block != Block::None || self.is_error;
                self.push(if is_read { utf8(value) } else { "" });
            }
            _ => {}
        }
    }

    fn start(&mut self, name: &str, is_empty: bool, candidates: &mut Candidates<'_>) {
        if let Some((hidden, depth)) = &mut self.hidden {
            if hidden != name || !ITEMS.contains(&name) {
                *depth = depth.saturating_add(usize::from(hidden == name));
                return;
            }
            self.hidden = None;
        }
        if self.is_hidden {
            let has_end = !is_empty && !VOID.contains(&name);
            self.hidden = has_end.then(|| (name.to_owned(), 1));
            return;
        }
        match name {
            "br" if self.block == Block::AfterHeading => self.begin(Block::None, candidates),
            "br" => self.push("\n"),
            "p" | "pre" if self.is_in_sentence() => self.push("\n"),
            "p" => self.begin(Block::Paragraph, candidates),
            "pre" => self.begin(Block::Preformatted, candidates),
            "title" => self.begin(Block::Title, candidates),
            _ if HEADINGS.contains(&name) => self.begin(Block::Heading, candidates),
            _ if BLOCKS.contains(&name) => self.begin(Block::None, candidates),
            _ => {}
        }
    }

    fn end(&mut self, name: &str, candidates: &mut Candidates<'_>) {
        if let Some((hidden, depth)) = &mut self.hidden {
            *depth = depth.saturating_sub(usize::from(hidden == name));
            if *depth == 0 {
                self.hidden = None;
            }
        } else if HEADINGS.contains(&name) {
            self.begin(Block::AfterHeading, candidates);
        } else if matches!(name, "p" | "pre" | "title") || BLOCKS.contains(&name) {
            self.begin(Block::None, candidates);
        }
    }

    /// Spaces do not come first, so that a blank text is empty.
    fn push(&mut self, text: &str) {
        let is_blank = self.text.is_empty();
        let text = if is_blank { text.trim_start() } else { text };
        self.text.push_str(text);
    }

    /// Offers the text that ends here, and begins another.
    fn begin(&mut self, block: Block, candidates: &mut Candidates<'_>) {
        let ended = std::mem::replace(&mut self.block, block);
        let text = match ended {
            Block::Preformatted => self.text.lines().next().unwrap_or_default(), // no stack trace
            _ => &self.text,
        };
        if !text.is_empty() {
            let (order, least) = match ended {
                Block::Title => (0, Worth::Nothing),
                _ if self.is_error => (1, Worth::Code),
                _ => (2, Worth::Code),
            };
            candidates.offer(order, least, "", text);
            self.text.clear();
        }
    }

    /// Returns `true` if the paragraph goes on: Apache writes `<p>… Reason: <p>…</p></p>`.
    fn is_in_sentence(&self) -> bool {
        let is_short = !self.text.is_empty() && self.text.len() < LONGEST;
        let is_open = || !self.text.trim_end().ends_with(['.', '!', '?']);
        self.block == Block::Paragraph && is_short && is_open()
    }
}
