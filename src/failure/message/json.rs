//! Finds the most telling text in a JSON body in one pass, without building the document.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::one_line;

/// Objects deeper than this say nothing about the whole.
const DEPTH: u32 = 3;

/// How telling a member is; 0 is best. `error` is often a code where `error_description` is prose.
const NAMES: [&str; 6] = [
    "message",
    "error_description",
    "error",
    "detail",
    "title",
    "errors",
];
const UNNAMED: u32 = 7;

/// The text, and whether the body was JSON to its end. What was found before the body broke off
/// still counts.
pub(super) fn search(text: &str) -> (Option<Box<str>>, bool) {
    let mut best = None;
    let mut json = serde_json::Deserializer::from_str(text);
    let search = Search {
        best: &mut best,
        rank: 0,
        depth: 0,
        any_name: false,
    };
    let is_well_formed = search.deserialize(&mut json).is_ok() && json.end().is_ok();
    (best.map(|found| found.text), is_well_formed)
}

struct Found {
    text: Box<str>,
    rank: u32,
}

struct Search<'a> {
    best: &'a mut Option<Found>,
    /// The path to here, a digit of base 8 for each level: the better name wins, the outer first.
    rank: u32,
    depth: u32,
    /// Inside `errors` the names are those of the fields in error.
    any_name: bool,
}

impl Search<'_> {
    fn offer(&mut self, text: &str) {
        let deeper = DEPTH.saturating_sub(self.depth);
        let rank = self.rank.saturating_mul(8_u32.pow(deeper));
        if self.best.as_ref().is_none_or(|best| rank < best.rank) {
            if let Some(text) = one_line(text) {
                *self.best = Some(Found { text, rank });
            }
        }
    }

    fn rank_of(&self, name: &str) -> Option<u32> {
        let known = NAMES
            .iter()
            .position(|known| known.eq_ignore_ascii_case(name));
        known
            .map(|rank| rank as u32)
            .or(self.any_name.then_some(UNNAMED))
    }
}

impl<'de> DeserializeSeed<'de> for Search<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Search<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_str<E>(mut self, text: &str) -> Result<(), E> {
        self.offer(text);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            match self.rank_of(&name) {
                Some(rank) if self.depth < DEPTH => map.next_value_seed(Search {
                    best: &mut *self.best,
                    rank: self.rank.saturating_mul(8).saturating_add(rank),
                    depth: self.depth.saturating_add(1),
                    any_name: name.eq_ignore_ascii_case("errors"),
                })?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Self {
            best,
            rank,
            depth,
            any_name,
        } = self;
        let before = best.as_ref().map(|found| found.rank);
        // The first element with something to say speaks for all.
        while best.as_ref().map(|found| found.rank) == before {
            let element = Search {
                best: &mut *best,
                rank,
                depth,
                any_name,
            };
            if seq.next_element_seed(element)?.is_none() {
                return Ok(());
            }
        }
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}
