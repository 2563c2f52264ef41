//! Finds the most telling text in a JSON body in one pass, without building the document.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{
    best::{Best, Rank},
    fields::{Fields, Member, Value, says_nothing},
    known::{Known, Worth},
    page,
    place::{AROUND, FIELD, FIELDS_ALONE, Field, Inside, Place},
};

/// Objects deeper than this say nothing about the whole.
const DEPTH: u32 = 3;

/// The text, and whether the body was JSON to its end. What was found before the body broke off
/// still counts.
pub(super) fn search(text: &str, known: &Known<'_>) -> (Option<Box<str>>, bool) {
    within(text, known, false)
}

/// `is_quoted`: whether it is a text in another document.
fn within(text: &str, known: &Known<'_>, is_quoted: bool) -> (Option<Box<str>>, bool) {
    // In a text they break the grammar, and what is printed has a space for each. Around texts they
    // are nothing but spaces.
    let text = text.replace(|c: char| c < ' ', " ");
    let mut best = Best::new(known);
    let mut json = serde_json::Deserializer::from_str(&text);
    let whole = Place {
        rank: 0,
        field: None,
    };
    let search = Search {
        best: &mut best,
        here: whole,
        list: whole,
        depth: 0,
        inside: Inside::Whole,
        is_quoted,
        is_aside: false,
    };
    let is_well_formed = search.deserialize(&mut json).is_ok() && json.end().is_ok();
    (best.into_line(), is_well_formed)
}

/// What a document says that stands as a text in another one.
fn quoted(text: &str, known: &Known<'_>) -> Option<Box<str>> {
    let text = text.trim_start();
    let begins = |tag: &str| {
        let start = text.get(..tag.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(tag))
    };
    if text.starts_with(['{', '[']) {
        let (found, is_well_formed) = within(text, known, true);
        return found.filter(|_| is_well_formed);
    }
    let is_page = begins("<!doctype html") || begins("<html");
    // Without an end it is a sentence about one.
    let is_page = is_page && text.contains("</");
    is_page.then(|| page::message(text, false, known)).flatten()
}

struct Search<'a, 'k> {
    best: &'a mut Best<'k>,
    here: Place<'a>,
    /// What holds instead where there is a list.
    list: Place<'a>,
    depth: u32,
    inside: Inside,
    is_quoted: bool,
    /// Whether it speaks only where nothing else does.
    is_aside: bool,
}

impl<'a, 'k> Search<'a, 'k> {
    /// A member whose name says what it is.
    fn member(&mut self, name: &str, rank: u32) -> Search<'_, 'k> {
        let here = self.below(rank);
        self.deeper(here, here, Inside::of(name))
    }

    /// A member whose name, if it is a list, may be a field's.
    fn field<'b>(&'b mut self, field: &'b Field<'b>) -> Search<'b, 'k> {
        let list = Place {
            field: Some(field),
            ..self.below(FIELD)
        };
        match self.inside.rank_of(field.name) {
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
            is_quoted: self.is_quoted,
            is_aside: self.is_aside,
        }
    }

    fn offer(&mut self, text: &str) {
        let field = self.here.field;
        self.best
            .offer(self.rank(), text, || field.map(Field::path));
    }

    fn rank(&self) -> Rank {
        let deeper = DEPTH.saturating_sub(self.depth);
        Rank {
            is_aside: self.is_aside,
            rank: self.here.rank.saturating_mul(16_u32.pow(deeper)),
        }
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

    /// An object around an error.
    fn around(&mut self) -> Around<'_, 'k> {
        let here = self.below(AROUND);
        let is_aside = self.is_aside || self.inside == Inside::Whole;
        Around(Search {
            is_aside,
            ..self.deeper(here, here, Inside::Around)
        })
    }

    fn member_alone(&self) -> Member<'_> {
        Member {
            known: self.best.known,
            depth: DEPTH.saturating_sub(self.depth).saturating_sub(1),
            is_element: false,
        }
    }

    /// Reads the members that tell something, and returns the others.
    fn members<'de, A: MapAccess<'de>>(&mut self, mut map: A) -> Result<Fields, A::Error> {
        let mut fields = Fields::default();
        if self.depth >= DEPTH {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            fields.is_over = true;
        }
        while let Some(name) = map.next_key::<String>()? {
            if self.inside.may_be_field(&name) {
                let field = Field {
                    name: &name,
                    parent: self.here.field,
                };
                map.next_value_seed(self.field(&field))?;
                fields.is_over = true;
            } else if let Some(rank) = self.inside.rank_of(&name) {
                map.next_value_seed(self.member(&name, rank))?;
                fields.is_over = true;
            } else if self.inside.is_around(&name) {
                let value = map.next_value_seed(self.around())?;
                match self.inside.is_place(&name) {
                    true => fields.is_over = true,
                    false => fields.add(name, value),
                }
            } else if fields.is_over || self.inside.is_place(&name) {
                map.next_value::<IgnoredAny>()?;
                fields.is_over = true;
            } else {
                fields.add(name, map.next_value_seed(self.member_alone())?);
            }
        }
        Ok(fields)
    }

    fn element(&mut self) -> Search<'_, 'k> {
        Search {
            best: &mut *self.best,
            here: self.list,
            list: self.list,
            depth: self.depth,
            inside: Inside::Element,
            is_quoted: self.is_quoted,
            is_aside: self.is_aside,
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
        if self.best.is_wanted(self.rank()) {
            let known = self.best.known;
            let quoted = (!self.is_quoted).then(|| quoted(text, known)).flatten();
            self.offer(quoted.as_deref().unwrap_or(text));
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, map: A) -> Result<(), A::Error> {
        let fields = self.members(map)?;
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
            if let Some((_, worth, _)) = self.best.key().filter(|best| Some(*best) != before) {
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

    says_nothing!(());
}

/// Reads an object around an error, or what else stands under its name.
struct Around<'a, 'k>(Search<'a, 'k>);

impl<'de> DeserializeSeed<'de> for Around<'_, '_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Around<'_, '_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, map: A) -> Result<Value, A::Error> {
        Ok(self.0.members(map)?.into_value())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Value, A::Error> {
        self.0.member_alone().visit_seq(seq)
    }

    fn visit_str<E>(self, _: &str) -> Result<Value, E> {
        Ok(Value::Other)
    }

    says_nothing!(Value::Other);
}
