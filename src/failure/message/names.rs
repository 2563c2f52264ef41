//! What the members of JSON objects and the elements of XML are called that say what went wrong.

use super::markup::is_any;

/// How telling one is; 0 is best, and none is above 15. `error` is often a code where
/// `error_description` is prose.
const NAMES: [(&str, u32); 26] = [
    ("message", MESSAGE),
    ("msg", 1),
    ("errormessage", 2),
    ("error_message", 2),
    ("error-message", 2),
    ("errormessages", 2),
    ("errorsummary", 2),
    ("errortext", 2),
    ("messages", 2),
    ("usermessage", 2),
    ("error_description", 3),
    ("errordescription", 3),
    ("faultstring", REASON),
    ("err", 4),
    ("error", 4),
    ("odata.error", 4),
    ("fault", 4),
    ("responsestatus", 4),
    ("detail", 5),
    ("details", 5),
    ("title", TITLE),
    ("errors", 7),
    ("modelstate", MODEL_STATE),
    // What ASP.NET adds to a message that says nothing.
    ("exceptionmessage", 9),
    ("messagedetail", 10),
    ("innerexception", 11),
];

pub(super) const MESSAGE: u32 = 0;
/// SOAP 1.2 has the fault's text in a `Reason`.
pub(super) const REASON: u32 = 3;
/// RFC 9457's.
pub(super) const TITLE: u32 = 6;
pub(super) const MODEL_STATE: u32 = 8;

/// What is said of an error alone. Elsewhere it may be of anything.
const OF_ERRORS: [(&str, u32); 4] = [
    ("description", 12),
    ("defaultmessage", 12), // Spring's
    ("reason", 13),
    ("text", 13),
];

pub(super) fn rank(name: &str) -> Option<u32> {
    in_list(&NAMES, name)
}

pub(super) fn rank_in_error(name: &str) -> Option<u32> {
    rank(name).or_else(|| in_list(&OF_ERRORS, name))
}

fn in_list(names: &[(&str, u32)], name: &str) -> Option<u32> {
    let mut names = names.iter();
    let found = names.find(|(known, _)| known.eq_ignore_ascii_case(name));
    found.map(|(_, rank)| *rank)
}

/// Of objects around an error: JSend's `data`, for one. A text there is no message.
#[cfg(feature = "json")]
pub(super) fn is_around(name: &str) -> bool {
    is_any(name, &["data", "exception", "response", "result", "status"])
}

/// Where an error is, and of which kind: in its object no field in error.
#[cfg(feature = "json")]
pub(super) fn is_place(name: &str) -> bool {
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
    is_any(name, &PLACES)
}

/// Whether it is a field's, and none that frameworks give to what is wrong with all of them.
pub(super) fn is_of_field(name: &str) -> bool {
    name.contains(char::is_alphanumeric) && !is_any(name, &["non_field_errors", "__all__"])
}
