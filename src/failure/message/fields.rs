//! Objects that have nothing but lists of texts, under the names of the fields in error: Django
//! REST's form, in which a field may have fields of its own.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{
    known::{Known, Worth},
    one_line,
};

/// What a visitor makes of numbers, booleans and null.
macro_rules! says_nothing {
    ($nothing:expr) => {
        fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
            Ok($nothing)
        }

        fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
            Ok($nothing)
        }

        fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
            Ok($nothing)
        }

        fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
            Ok($nothing)
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok($nothing)
        }
    };
}
pub(super) use says_nothing;

pub(super) enum Value {
    Text(String),
    /// A list of texts, or of objects that have nothing but such lists, or one of these: what the
    /// first with something to say says.
    Fields(Option<Said>),
    Other,
}

/// A text, with the names of the fields that it stands in.
pub(super) struct Said {
    names: String,
    text: Box<str>,
    worth: Worth,
}

/// The members of one object.
#[derive(Default)]
pub(super) struct Fields {
    first: Option<Said>,
    /// The only member, if it is a text.
    only: Option<(String, String)>,
    /// It has something else too.
    pub(super) is_over: bool,
    is_begun: bool,
}

impl Fields {
    pub(super) fn add(&mut self, name: String, value: Value) {
        match value {
            Value::Fields(Some(said)) => keep(&mut self.first, said, &name),
            Value::Fields(None) => {}
            Value::Text(text) if !self.is_begun => self.only = Some((name, text)),
            Value::Text(_) | Value::Other => self.is_over = true,
        }
        self.is_over |= self.is_begun && self.only.is_some();
        self.is_begun = true;
    }

    /// What they are as one member of another object.
    pub(super) fn into_value(self) -> Value {
        match self.is_over || self.only.is_some() {
            true => Value::Other,
            false => Value::Fields(self.first),
        }
    }

    /// What they say if they are fields alone, and of which: one text suffices in a list.
    pub(super) fn into_said(self, is_element: bool) -> Option<(String, Box<str>)> {
        if self.is_over {
            return None;
        }
        match self.only {
            Some((name, text)) => is_element.then(|| (name, text.into())),
            None => self.first.map(|said| (said.names, said.text)),
        }
    }
}

/// Keeps the first one that says something, or else the first.
fn keep(first: &mut Option<Said>, next: Said, name: &str) {
    let is_better = match first {
        Some(first) => next.worth < first.worth,
        None => true,
    };
    if is_better {
        let names = match (name, &*next.names) {
            ("", names) => names.to_owned(),
            (name, "") => name.to_owned(),
            (name, names) => format!("{name}.{names}"),
        };
        *first = Some(Said { names, ..next });
    }
}

/// Reads a member. Nothing is built of what is deeper than `depth` names.
#[derive(Clone, Copy)]
pub(super) struct Member<'a> {
    pub(super) known: &'a Known<'a>,
    pub(super) depth: u32,
    pub(super) is_element: bool,
}

impl<'de> DeserializeSeed<'de> for Member<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Member<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let (mut first, mut has_fields_alone) = (None, !self.is_element);
        let element = Self {
            is_element: true,
            ..self
        };
        while has_fields_alone {
            match seq.next_element_seed(element)? {
                None => return Ok(Value::Fields(first)),
                Some(Value::Text(text)) => {
                    let said = one_line(&text).map(|text| Said {
                        names: String::new(),
                        worth: self.known.worth(&text),
                        text,
                    });
                    said.into_iter().for_each(|said| keep(&mut first, said, ""));
                }
                Some(Value::Fields(said)) => {
                    said.into_iter().for_each(|said| keep(&mut first, said, ""));
                }
                Some(Value::Other) => has_fields_alone = false,
            }
        }
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let (mut first, mut has_fields_alone) = (None, self.depth > 0);
        let member = Self {
            depth: self.depth.saturating_sub(1),
            is_element: false,
            ..self
        };
        while has_fields_alone {
            let Some(name) = map.next_key::<String>()? else {
                return Ok(Value::Fields(first));
            };
            match map.next_value_seed(member)? {
                Value::Fields(said) => {
                    said.into_iter()
                        .for_each(|said| keep(&mut first, said, &name));
                }
                Value::Text(_) | Value::Other => has_fields_alone = false,
            }
        }
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Value::Other)
    }

    says_nothing!(Value::Other);
}
