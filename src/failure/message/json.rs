//! Messages in JSON, read in one pass without building the document.

use std::fmt;

use serde::de::{self, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::candidates::{Candidates, Worth};
use super::line::one_line;

/// Members that hold a message, the best first; in lower case, without `_`, `-` and `.`.
#[rustfmt::skip]
const NAMES: [&str; 32] = [
    "message", "msg", "errormessage", "errormessages", "errormsg", "errmsg", "errorsummary",
    "errortext", "usermessage", "statusmessage", "faultstring",
    "errordescription", // prose, where `error` is a code (RFC 6749 §5.2)
    "error", "err", "odataerror", "fault", "responsestatus",
    "detail", "details", "errordetail", "errordetails", "title", "errors", "modelstate",
    "nonfielderrors", "exceptionmessage", "messagedetail", "innerexception",
    // Only inside of the others: elsewhere these are data.
    "description", "defaultmessage", "reason", "value",
];

/// The deepest objects and lists that are read; the document itself has depth 0.
const DEPTH: u32 = 4;

/// Offers the messages of a document. Returns `true` if the text is JSON to its end.
pub(super) fn read(text: &str, candidates: &mut Candidates<'_>) -> bool {
    #[cfg(test)]
    super::tests::parse(text);
    let mut json = serde_json::Deserializer::from_str(text);
    let reader = Reader {
        candidates,
        order: 0,
        depth: 0,
        place: Place::Document,
        label: "",
    };
    reader.deserialize(&mut json).is_ok() && json.end().is_ok()
}

#[derive(Clone, Copy, PartialEq)]
enum Place {
    Data,
    /// The document, and an element of it: data, except for members in the list.
    Document,
    Element,
    /// A member in the list, or an element of it.
    Message,
    Error,
    /// `errors` or `ModelState`: each member is named for an invalid field of the request.
    Errors,
    Field,
    /// A field whose name is in the list. Its text is for all: `{"errors": {"detail": "…"}}`.
    NamedField,
    /// A member of a field: data, except for its objects and lists, which are fields.
    Part,
}

struct Reader<'r, 'c> {
    candidates: &'r mut Candidates<'c>,
    /// A byte for each level: the rank of a member, the number of an element.
    order: u64,
    depth: u32,
    place: Place,
    /// The field in error.
    label: &'r str,
}

impl<'c> Reader<'_, 'c> {
    fn below(&mut self, rank: usize, place: Place) -> Reader<'_, 'c> {
        let rank = u64::try_from(rank.min(255)).unwrap_or_default();
        let shift = 8_u32.saturating_mul(7_u32.saturating_sub(self.depth));
        Reader {
            candidates: self.candidates,
            order: self.order | rank << shift,
            depth: self.depth.saturating_add(1),
            place,
            label: self.label,
        }
    }

    /// Returns the rank and the place of a member that is in the list.
    fn message(&self, name: &str) -> Option<(usize, Place)> {
        let letters = name.bytes().filter(|c| !matches!(c, b'_' | b'-' | b'.'));
        let letters = letters.map(|c| c.to_ascii_lowercase());
        let mut names = (0..).zip(NAMES);
        let (rank, name) = names.find(|(_, known)| letters.clone().eq(known.bytes()))?;
        let is_outside = matches!(self.place, Place::Document | Place::Element);
        let place = match name {
            "message" => Place::Message,
            "errors" | "modelstate" => Place::Errors,
            "description" | "defaultmessage" | "reason" if is_outside => return None,
            // OData's `"message": {"lang": "en", "value": "…"}`. Elsewhere it was submitted.
            "value" if self.place != Place::Message => return None,
            _ => Place::Error,
        };
        Some((rank, place))
    }
}

impl<'de> DeserializeSeed<'de> for Reader<'_, '_> {
    type Value = ();

    fn deserialize<D: de::Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        match self.place == Place::Data || self.depth > DEPTH.saturating_add(1) {
            true => json.deserialize_ignored_any(IgnoredAny).map(drop),
            false => json.deserialize_any(self),
        }
    }
}

macro_rules! ignore {
    ($($visit:ident($($type:ty)?))*) => {
        $(fn $visit<E>(self $(, _: $type)?) -> Result<(), E> { Ok(()) })*
    };
}

impl<'de> Visitor<'de> for Reader<'_, '_> {
    type Value = ();

    ignore!(visit_bool(bool) visit_i64(i64) visit_u64(u64) visit_f64(f64) visit_unit());

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        let label = match self.place {
            Place::Element | Place::Part => return Ok(()),
            Place::NamedField => "",
            _ => self.label,
        };
        self.candidates
            .offer(self.order, Worth::Nothing, label, text);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        let element = match self.place {
            Place::Document => Place::Element,
            Place::Errors => Place::Error,
            Place::NamedField | Place::Part => Place::Field,
            place => place,
        };
        let mut next = |number| list.next_element_seed(self.below(number, element));
        for number in 0.. {
            if next(number)?.is_none() {
                break;
            }
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        let mut numbers = NAMES.len()..;
        while let Some(name) = map.next_key::<String>()? {
            let number = numbers.next().unwrap_or_default();
            let (rank, place) = match (self.place, self.message(&name)) {
                (Place::Errors, None) => (number, Place::Field),
                (Place::Errors, Some(_)) => (number, Place::NamedField),
                (_, Some(message)) => message,
                (Place::Field | Place::NamedField | Place::Part, None) => (number, Place::Part),
                (_, None) => (0, Place::Data),
            };
            let label = (rank == number).then(|| one_line(&name)).flatten();
            let mut value = self.below(rank, place);
            value.label = label.as_deref().unwrap_or(value.label);
            map.next_value_seed(value)?;
        }
        Ok(())
    }
}
