//! The most telling text of a document that has several.

use super::{
    known::{Known, Worth},
    names::is_of_field,
    one_line,
};

pub(super) struct Best<'a> {
    pub(super) known: &'a Known<'a>,
    found: Option<Found>,
    /// Only what is worth more than this is wanted.
    pub(super) limit: Option<Worth>,
}

struct Found {
    line: Box<str>,
    worth: Worth,
    rank: u32,
}

impl<'a> Best<'a> {
    pub(super) fn new(known: &'a Known<'a>) -> Self {
        Self {
            known,
            found: None,
            limit: None,
        }
    }

    /// Whether a text of this rank could be better than what was found.
    pub(super) fn is_wanted(&self, rank: u32) -> bool {
        let found = self.key();
        found.is_none_or(|best| best > (Worth::News, rank))
    }

    /// What is worth more counts, then the lower rank, then the first. `field` is what the text is
    /// about, where that is to be said.
    pub(super) fn offer(&mut self, rank: u32, text: &str, field: impl FnOnce() -> Option<String>) {
        let Some(line) = one_line(text).filter(|_| self.is_wanted(rank)) else {
            return;
        };
        let worth = self.known.worth(&line);
        let is_refused = self.limit.is_some_and(|limit| limit <= worth);
        if is_refused || self.key().is_some_and(|best| best <= (worth, rank)) {
            return;
        }
        let line = match field().filter(|name| is_of_field(name)) {
            Some(name) => one_line(&format!("{name}: {line}")).unwrap_or(line),
            None => line,
        };
        self.found = Some(Found { line, worth, rank });
    }

    /// What the best so far is worth, and its rank.
    pub(super) fn key(&self) -> Option<(Worth, u32)> {
        self.found.as_ref().map(|found| (found.worth, found.rank))
    }

    pub(super) fn into_line(self) -> Option<Box<str>> {
        self.found.map(|found| found.line)
    }
}
