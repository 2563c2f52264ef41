//! Where in a JSON document a member stands, and what its name means there.

use super::{markup::is_any, names};

/// What is in an object around the error.
pub(super) const AROUND: u32 = 12;
/// OData writes `"message": {"lang": "en-US", "value": "…"}`.
const VALUE: u32 = 13;
/// The text of a field in `errors`.
pub(super) const FIELD: u32 = 14;
/// The text of an object that has nothing but the lists of its fields.
pub(super) const FIELDS_ALONE: u32 = 15;

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

/// Where a member stands decides which other names mean something.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Inside {
    /// The document itself.
    Whole,
    Message,
    /// `errors` or `ModelState`, whose members have the names of the fields in error.
    Errors,
    /// An object that may have an error in it.
    Around,
    /// An object about one error.
    Error,
    /// One of several, which may be no more than a field and what is wrong with it.
    Element,
    Other,
}

impl Inside {
    pub(super) fn of(name: &str) -> Self {
        if is_any(name, &["message"]) {
            Self::Message
        } else if is_any(name, &["errors", "modelstate"]) {
            Self::Errors
        } else {
            Self::Error
        }
    }

    pub(super) fn rank_of(self, name: &str) -> Option<u32> {
        match self {
            Self::Message if is_any(name, &["value"]) => Some(VALUE),
            Self::Error | Self::Element => names::rank_in_error(name),
            Self::Around => names::rank_around(name),
            _ => names::rank(name),
        }
    }

    /// Whether a list under this name is of a field's.
    pub(super) fn may_be_field(self, name: &str) -> bool {
        match self {
            Self::Errors => true,
            Self::Whole => names::is_title(name),
            _ => false,
        }
    }

    /// Whether an object under this name may have an error in it. What was asked for may be in any.
    pub(super) fn is_around(self, name: &str) -> bool {
        match self {
            Self::Error => is_any(name, &["data"]), // JSON-RPC's
            Self::Whole => is_any(name, &["exception", "response", "status"]),
            _ => false,
        }
    }

    pub(super) fn is_place(self, name: &str) -> bool {
        let is_outside = matches!(self, Self::Whole | Self::Around | Self::Other);
        !is_outside && is_any(name, &PLACES)
    }
}

/// A field in error, and the one that it is a part of.
pub(super) struct Field<'a> {
    pub(super) name: &'a str,
    pub(super) parent: Option<&'a Self>,
}

impl Field<'_> {
    pub(super) fn path(&self) -> String {
        match self.parent {
            Some(parent) => format!("{}.{}", parent.path(), self.name),
            None => self.name.to_owned(),
        }
    }
}

#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    /// The path to here, a digit of base 16 for each level: the better name wins, the outer first.
    pub(super) rank: u32,
    pub(super) field: Option<&'a Field<'a>>,
}
