//! Finds the most telling text in a JSON body in one pass, without building the document.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{
    best::Best,
    fields::{Fields, Member},
    known::{Known, Worth},
    markup::is_any,
};

/// Objects deeper than this say nothing about the whole.
const DEPTH: u32 = 3;

/// How telling a member is; 0 is best, 15 the last. `error` is often a code where
/// `error_description` is prose.
const NAMES: [(&str, u32); 23] = [
    ("message", 0),
    ("msg", 1),
    ("errormessage", 2),
    ("error_message", 2),
    ("error-message", 2),
    ("errorsummary", 2),
    ("usermessage", 2),
    ("errormessages", 2),
    ("error_description", 3),
    ("errordescription", 3),
    ("faultstring", 3),
    ("error", 4),
    ("odata.error", 4),
    ("fault", 4),
    ("responsestatus", 4),
    ("detail", 5),
    ("details", 5),
    ("title", 6),
    ("errors", 7),
    ("modelstate", 8),
    // What ASP.NET adds to a message that says nothing.
    ("exceptionmessage", 9),
    ("messagedetail", 10),
    ("innerexception", 11),
];
/// What is said in the object of an error alone. Elsewhere it may be of anything.
const OF_ERRORS: [(&str, u32); 3] = [
    ("description", 12),
    ("defaultmessage", 12), // Spring's
    ("reason", 13),
];
/// OData writes `"message": {"lang": "en-US", "value": "…"}`.
const VALUE: u32 = 12;
/// The text of a field in `errors`.
const FIELD: u32 = 14;
/// The text of an object that has nothing but the lists of its fields.
const FIELDS_ALONE: u32 = 15;

/// Where an error is, and of which kind: in its object no field in error.
const PLACES: [&str; 16] = [
    "code",
    "codes",
    "domain",
    "field",
    "fields",
    "id",
    "loc",
    "location",
    "locations",
    "param",
    "path",
    "pointer",
    "source",
    "status",
    "target",
    "type",
];

/// The text, and whether the body was JSON to its end. What was found before the body broke off
/// still counts.
pub(super) fn search(text: &str, known: &Known<'_>) -> (Option<Box<str>>, bool) {
    let mut best = Best::new(known);
    let mut json = serde_json::Deserializer::from_str(text);
    let whole = Place {
        rank: 0,
        field: None,
    };
    let search = Search {
        best: &mut best,
        here: whole,
        list: whole,
        depth: 0,
        inside: Inside::Other,
    };
    let is_well_formed = search.deserialize(&mut json).is_ok() && json.end().is_ok();
    (best.into_line(), is_well_formed)
}

/// Where a member stands decides which other names mean something.
#[derive(Clone, Copy, PartialEq)]
enum Inside {
    Message,
    /// `errors` or `ModelState`, whose members have the names of the fields in error.
    Errors,
    /// An object about one error.
    Error,
    /// One of several, which may be no more than a field and what is wrong with it.
    Element,
    Other,
}

impl Inside {
    fn of(name: &str) -> Self {
        if is_any(name, &["message"]) {
            Self::Message
        } else if is_any(name, &["errors", "modelstate"]) {
            Self::Errors
        } else {
            Self::Error
        }
    }
}

/// A field in error, and the one that it is a part of.
struct Field<'a> {
    name: &'a str,
    parent: Option<&'a Self>,
}

impl Field<'_> {
    fn path(&self) -> String {
        match self.parent {
            Some(parent) => format!("{}.{}", parent.path(), self.name),
            None => self.name.to_owned(),
        }
    }
}

#[derive(Clone, Copy)]
struct Place<'a> {
    /// The path to here, a digit of base 16 for each level: the better name wins, the outer first.
    rank: u32,
    field: Option<&'a Field<'a>>,
}

struct Search<'a, 'k> {
    best: &'a mut Best<'k>,
    here: Place<'a>,
    /// What holds instead where there is a list.
    list: Place<'a>,
    depth: u32,
    inside: Inside,
}

impl<'a, 'k> Search<'a, 'k> {
    /// A member whose name says what it is.
    fn member(&mut self, name: &str, rank: u32) -> Search<'_, 'k> {
        let here = self.below(rank);
        self.deeper(here, here, Inside::of(name))
    }

    /// A member of `errors`. If it is a list, any name may be a field's.
    fn field<'b>(&'b mut self, field: &'b Field<'b>) -> Search<'b, 'k> {
        let list = Place {
            field: Some(field),
            ..self.below(FIELD)
        };
        match self.rank_of(field.name) {
            Some(rank) => self.deeper(self.below(rank), list, Inside::of(field.name)),
            None => self.deeper(list, list, Inside::Error),
        }
    }

    fn below(&self, rank: u32) -> Place<'a> {
        Place {
            rank: self.here.rank.saturating_mul(16).saturating_add(rank),
            field: self.here.field,
        }
    }

    fn deeper<'b>(
        &'b mut self,
        here: Place<'b>,
        list: Place<'b>,
        inside: Inside,
    ) -> Search<'b, 'k> {
        Search {
            best: &mut *self.best,
            here,
            list,
            depth: self.depth.saturating_add(1),
            inside,
        }
    }

    fn offer(&mut self, text: &str) {
        let field = self.here.field;
        let deeper = DEPTH.saturating_sub(self.depth);
        let rank = self.here.rank.saturating_mul(16_u32.pow(deeper));
        self.best.offer(rank, text, || field.map(Field::path));
    }

    /// What a field says that has no name before it that says what it is.
    fn offer_alone(&mut self, name: &str, text: &str) {
        let field = Field {
            name,
            parent: self.here.field,
        };
        let here = Place {
            field: Some(&field),
            ..self.below(FIELDS_ALONE)
        };
        self.deeper(here, here, Inside::Other).offer(text);
    }

    fn rank_of(&self, name: &str) -> Option<u32> {
        let in_list = |names: &[(&str, u32)]| {
            let mut names = names.iter();
            names
                .find(|(known, _)| known.eq_ignore_ascii_case(name))
                .map(|(_, rank)| *rank)
        };
        in_list(&NAMES).or_else(|| match self.inside {
            Inside::Message => in_list(&[("value", VALUE)]),
            Inside::Error | Inside::Element => in_list(&OF_ERRORS),
            Inside::Errors | Inside::Other => None,
        })
    }

    fn is_place(&self, name: &str) -> bool {
        self.inside != Inside::Other && is_any(name, &PLACES)
    }

    fn element(&mut self) -> Search<'_, 'k> {
        Search {
            best: &mut *self.best,
            here: self.list,
            list: self.list,
            depth: self.depth,
            inside: Inside::Element,
        }
    }
}

impl<'de> DeserializeSeed<'de> for Search<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Search<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_str<E>(mut self, text: &str) -> Result<(), E> {
        self.offer(text);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        if self.depth >= DEPTH {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return Ok(());
        }
        let mut fields = Fields::default();
        while let Some(name) = map.next_key::<String>()? {
            if self.inside == Inside::Errors {
                let field = Field {
                    name: &name,
                    parent: self.here.field,
                };
                map.next_value_seed(self.field(&field))?;
                fields.is_over = true;
            } else if let Some(rank) = self.rank_of(&name) {
                map.next_value_seed(self.member(&name, rank))?;
                fields.is_over = true;
            } else if fields.is_over || self.is_place(&name) {
                map.next_value::<IgnoredAny>()?;
                fields.is_over = true;
            } else {
                let member = Member {
                    judge: &self.best.judge,
                    depth: DEPTH.saturating_sub(self.depth).saturating_sub(1),
                    is_element: false,
                };
                fields.add(name, map.next_value_seed(member)?);
            }
        }
        let is_element = self.inside == Inside::Element;
        if let Some((name, text)) = fields.into_said(is_element) {
            self.offer_alone(&name, &text);
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        let (before, limit) = (self.best.key(), self.best.limit);
        while seq.next_element_seed(self.element())?.is_some() {
            // The first element with something to say speaks for all, or else the first of them.
            if let Some((worth, _)) = self.best.key().filter(|best| Some(*best) != before) {
                if worth < Worth::Nothing {
                    break;
                }
                self.best.limit = Some(worth);
            }
        }
        self.best.limit = limit;
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
