//! The most telling text of a document that has several.

use std::cell::Cell;

use super::{
    known::{Known, MOST_TEXTS, Worth},
    names::is_of_field,
    one_line,
};

pub(super) struct Judge<'a> {
    pub(super) known: &'a Known<'a>,
    left: Cell<u32>,
}

impl Judge<'_> {
    pub(super) fn worth(&self, line: &str) -> Worth {
        let left = self.left.get().checked_sub(1);
        self.left.set(left.unwrap_or(0));
        left.map_or(Worth::Nothing, |_| self.known.worth(line))
    }
}

pub(super) struct Best<'a> {
    pub(super) judge: Judge<'a>,
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
            judge: Judge {
                known,
                left: Cell::new(MOST_TEXTS),
            },
            found: None,
            limit: None,
        }
    }

    /// What is worth more counts, then the lower rank, then the first. `field` is what the text is
    /// about, where that is to be said.
    pub(super) fn offer(&mut self, rank: u32, text: &str, field: impl FnOnce() -> Option<String>) {
        let key = self.key();
        if key.is_some_and(|best| best <= (Worth::News, rank)) {
            return;
        }
        let Some(line) = one_line(text) else {
            return;
        };
        let worth = self.judge.worth(&line);
        let is_refused = self.limit.is_some_and(|limit| limit <= worth);
        if is_refused || key.is_some_and(|best| best <= (worth, rank)) {
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
