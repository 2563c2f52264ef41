//! What stands in one block of a page, and how much it says.

use super::{
    known::Known,
    line::LONGEST,
    markup::unescape,
    stock::{is_of_site, is_polite},
};

/// The better one speaks for the page; of equals the first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// The page calls it the message.
    Message,
    Paragraph,
    Other,
    /// It is the same for many errors, or only asks for patience.
    Behind,
}

#[derive(Clone, Copy, PartialEq, Default)]
pub(super) enum Form {
    Paragraph,
    Preformatted,
    Heading,
    /// Says what the next block is.
    Label,
    #[default]
    Other,
}

/// What a page calls the text that follows.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Label {
    Message,
    Description,
    /// Says nothing about the cause.
    Other,
}

impl Label {
    fn of(text: &str) -> Option<Self> {
        let name = text.trim_end_matches(':').trim_end();
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        // Where a mark follows, it announces a sentence of its own.
        let is_announced = text.ends_with(':');
        if is("message") {
            Some(Self::Message)
        } else if is("description") && !is_announced {
            Some(Self::Description)
        } else if is("type") || is("note") {
            Some(Self::Other)
        } else {
            None
        }
    }
}

/// A text between two blocks.
#[derive(Default)]
pub(super) struct Block {
    pub(super) form: Form,
    pub(super) text: String,
    label: Option<Label>,
    /// Whether some of it is no link.
    is_own: bool,
    has_broken: bool,
}

impl Block {
    pub(super) fn of(form: Form) -> Self {
        Self {
            form,
            ..Self::default()
        }
    }

    pub(super) fn push(&mut self, text: &str, is_link: bool) {
        if self.text.len() < 2 * LONGEST {
            unescape(text, &mut self.text);
        }
        if !text.trim_ascii().is_empty() {
            self.is_own |= !is_link;
            self.has_broken = false;
        }
    }

    /// Whether this is the second of two line breaks, which part what is in no paragraph.
    pub(super) fn break_line(&mut self) -> bool {
        let is_second = std::mem::replace(&mut self.has_broken, true);
        if self.text.len() < 2 * LONGEST {
            self.text.push('\n');
        }
        is_second && self.form == Form::Other
    }

    pub(super) fn is_blank(&self) -> bool {
        self.text.trim().is_empty()
    }

    /// Takes what it begins with as a label, if it is one.
    pub(super) fn end_bold(&mut self) {
        const LONGEST_LABEL: usize = 64;
        if self.text.len() > LONGEST_LABEL {
            return;
        }
        let text = squeezed(&self.text);
        // `Description:` says no more than that a sentence follows.
        let is_bare = text.eq_ignore_ascii_case("description:");
        if let Some(label) = Label::of(&text) {
            self.label = Some(label);
        }
        if is_bare || Label::of(&text).is_some() {
            self.text.clear();
        }
    }

    /// Takes `Message:` as a label, where more follows.
    pub(super) fn split_label(&mut self) {
        const NAME: &str = "message:";
        let text = self.text.trim_start();
        let is_message = text
            .get(..NAME.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(NAME));
        let rest = text
            .get(NAME.len()..)
            .filter(|rest| !rest.trim().is_empty());
        if let Some(rest) = rest.filter(|_| is_message && self.label.is_none()) {
            self.text = rest.to_owned();
            self.label = Some(Label::Message);
        }
    }

    /// The best that its rank can be.
    pub(super) fn best_rank(&self, label: Option<Label>) -> Rank {
        match (self.label.or(label), self.form) {
            (Some(Label::Message), _) => Rank::Message,
            (Some(_), _) => Rank::Behind,
            (None, Form::Paragraph | Form::Preformatted) => Rank::Paragraph,
            (None, _) => Rank::Other,
        }
    }

    /// What it says of the next block, if that is all that it says.
    pub(super) fn names_next(&self) -> Option<Label> {
        let text = squeezed(&self.text);
        match (self.form, self.label) {
            (_, Some(label)) => text.is_empty().then_some(label),
            (Form::Label, None) => Some(Label::of(&text).unwrap_or(Label::Other)),
            _ => Label::of(&text),
        }
    }

    /// The whole, or of what is preformatted the first line with something to say: what follows may
    /// be a trace.
    pub(super) fn news(&self, known: &Known<'_>) -> Option<String> {
        let is_news = |text: &String| known.is_news(text);
        match self.form {
            Form::Preformatted => self.text.lines().map(squeezed).find(is_news),
            _ => Some(squeezed(&self.text)).filter(is_news),
        }
    }

    /// How good its news are, if a page may tell them there. `label` is what the block before said of it.
    pub(super) fn rank(
        &self,
        news: &str,
        label: Option<Label>,
        is_after_rule: bool,
    ) -> Option<Rank> {
        let is_paragraph = matches!(self.form, Form::Paragraph | Form::Preformatted);
        match self.label.or(label) {
            Some(Label::Message) => return Some(Rank::Message),
            Some(Label::Description) => return Some(Rank::Behind),
            Some(Label::Other) => return None,
            None => {}
        }
        if is_of_site(news) {
            return None;
        }
        if is_polite(news) {
            return Some(Rank::Behind);
        }
        if is_paragraph {
            return Some(Rank::Paragraph);
        }
        let words = news
            .split_whitespace()
            .filter(|word| word.contains(char::is_alphabetic))
            .count();
        // Names stand alone, and below a rule programs sign.
        let is_sentence = match is_after_rule {
            true => words > 3 || news.ends_with(['.', '!', '?']),
            false => words > 1,
        };
        let is_foreign = || news.chars().any(|c| c.is_alphabetic() && !c.is_ascii());
        (self.is_own && (is_sentence || is_foreign())).then_some(Rank::Other)
    }
}

/// As a browser shows it: any white space is one space.
pub(super) fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
