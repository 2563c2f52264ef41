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

/// How telling the place of a text is, the lowest first.
#[derive(Clone, Copy)]
pub(super) struct Rank {
    /// It counts only where no other place has a text.
    pub(super) is_aside: bool,
    pub(super) rank: u32,
}

/// What decides, in this order.
type Key = (bool, Worth, u32);

struct Found {
    line: Box<str>,
    key: Key,
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
    pub(super) fn is_wanted(&self, rank: Rank) -> bool {
        let best_key = (rank.is_aside, Worth::News, rank.rank);
        self.key().is_none_or(|found| found > best_key)
    }

    /// What is worth more counts, then the lower rank, then the first. `field` is what the text is
    /// about, where that is to be said.
    pub(super) fn offer(&mut self, rank: Rank, text: &str, field: impl FnOnce() -> Option<String>) {
        let Some(line) = one_line(text).filter(|_| self.is_wanted(rank)) else {
            return;
        };
        let worth = self.known.worth(&line);
        let is_refused = self.limit.is_some_and(|limit| limit <= worth);
        let key = (rank.is_aside, worth, rank.rank);
        if is_refused || self.key().is_some_and(|found| found <= key) {
            return;
        }
        let line = match field().filter(|name| is_of_field(name)) {
            Some(name) => one_line(&format!("{name}: {line}")).unwrap_or(line),
            None => line,
        };
        self.found = Some(Found { line, key });
    }

    pub(super) fn key(&self) -> Option<Key> {
        self.found.as_ref().map(|found| found.key)
    }

    pub(super) fn into_line(self) -> Option<Box<str>> {
        self.found.map(|found| found.line)
    }
}
