//! Finds the most telling text in a JSON body in one pass, without building the document.

use std::fmt;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor,
};

use super::one_line;

/// Objects deeper than this say nothing about the whole.
const DEPTH: u32 = 3;

/// How telling a member is; 0 is best. `error` is often a code where `error_description` is prose.
const NAMES: [(&str, u32); 9] = [
    ("message", 0),
    ("msg", 1),
    ("error_description", 2),
    ("error", 3),
    ("odata.error", 3),
    ("detail", 4),
    ("title", 5),
    ("errors", 6),
    ("modelstate", 7),
];
/// OData writes `"message": {"lang": "en-US", "value": "…"}`.
const VALUE: u32 = 8;
const UNNAMED: u32 = 9;
/// The text of an object that has nothing but lists of texts, under the names of fields.
const FIELD: u32 = 10;

/// The text, and whether the body was JSON to its end. What was found before the body broke off
/// still counts.
pub(super) fn search(text: &str) -> (Option<Box<str>>, bool) {
    let mut best = None;
    let mut json = serde_json::Deserializer::from_str(text);
    let search = Search {
        best: &mut best,
        rank: 0,
        depth: 0,
        inside: Inside::Other,
    };
    let is_well_formed = search.deserialize(&mut json).is_ok() && json.end().is_ok();
    (best.map(|found| found.text), is_well_formed)
}

struct Found {
    text: Box<str>,
    rank: u32,
}

/// Where a member stands decides which other names mean something.
#[derive(Clone, Copy, PartialEq)]
enum Inside {
    Message,
    /// `errors` or `ModelState`, whose members have the names of the fields in error.
    Errors,
    Other,
}

impl Inside {
    fn of(name: &str) -> Self {
        let is = |known: &str| known.eq_ignore_ascii_case(name);
        if is("message") {
            Self::Message
        } else if is("errors") || is("modelstate") {
            Self::Errors
        } else {
            Self::Other
        }
    }
}

struct Search<'a> {
    best: &'a mut Option<Found>,
    /// The path to here, a digit of base 16 for each level: the better name wins, the outer first.
    rank: u32,
    depth: u32,
    inside: Inside,
}

impl Search<'_> {
    fn member(&mut self, name: &str, rank: u32) -> Search<'_> {
        Search {
            best: &mut *self.best,
            rank: self.rank.saturating_mul(16).saturating_add(rank),
            depth: self.depth.saturating_add(1),
            inside: Inside::of(name),
        }
    }

    fn offer(&mut self, text: &str) {
        let deeper = DEPTH.saturating_sub(self.depth);
        let rank = self.rank.saturating_mul(16_u32.pow(deeper));
        if self.best.as_ref().is_none_or(|best| rank < best.rank) {
            if let Some(text) = one_line(text) {
                *self.best = Some(Found { text, rank });
            }
        }
    }

    fn rank_of(&self, name: &str) -> Option<u32> {
        if self.depth >= DEPTH {
            return None;
        }
        let is = |known: &str| known.eq_ignore_ascii_case(name);
        let known = NAMES.iter().find(|(known, _)| is(known));
        known.map(|(_, rank)| *rank).or(match self.inside {
            Inside::Message => is("value").then_some(VALUE),
            Inside::Errors => Some(UNNAMED),
            Inside::Other => None,
        })
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

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        let (mut has_fields_alone, mut field) = (true, None);
        while let Some(name) = map.next_key::<String>()? {
            if let Some(rank) = self.rank_of(&name) {
                has_fields_alone = false;
                map.next_value_seed(self.member(&name, rank))?;
            } else if has_fields_alone {
                match map.next_value()? {
                    Value::Texts(None) => {}
                    Value::Texts(Some(text)) => {
                        field.get_or_insert_with(|| format!("{name}: {text}"));
                    }
                    Value::Text(_) | Value::Other => has_fields_alone = false,
                }
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        if let Some(text) = field.filter(|_| has_fields_alone && self.depth < DEPTH) {
            self.member("", FIELD).offer(&text);
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Self {
            best,
            rank,
            depth,
            inside,
        } = self;
        let before = best.as_ref().map(|found| found.rank);
        // The first element with something to say speaks for all.
        while best.as_ref().map(|found| found.rank) == before {
            let element = Search {
                best: &mut *best,
                rank,
                depth,
                inside,
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

/// A member of an object that may have nothing but lists of texts.
enum Value {
    Text(String),
    /// The first one that says something.
    Texts(Option<String>),
    Other,
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_any(AnyValue { is_element: false })
    }
}

/// Of an element of a list only texts count: nothing is built of what is deeper.
struct AnyValue {
    is_element: bool,
}

impl<'de> DeserializeSeed<'de> for AnyValue {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let (mut first, mut has_texts_alone) = (None, !self.is_element);
        while has_texts_alone {
            match seq.next_element_seed(AnyValue { is_element: true })? {
                None => return Ok(Value::Texts(first)),
                Some(Value::Text(text)) if first.is_none() => {
                    first = one_line(&text).map(String::from);
                }
                Some(Value::Text(_)) => {}
                Some(_) => has_texts_alone = false,
            }
        }
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Value::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Other)
    }
}
