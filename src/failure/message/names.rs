//! What the members of JSON objects and the elements of XML are called that say what went wrong.

use super::markup::is_any;

/// How telling one is; 0 is best, and none is above 15. `error` is often a code where
/// `error_description` is prose.
const NAMES: [(&str, u32); 25] = [
    ("message", MESSAGE),
    ("msg", 1),
    ("faultstring", FAULT),
    ("errormessage", 2),
    ("error_message", 2),
    ("error-message", 2),
    ("errormessages", 2),
    ("errorsummary", 2),
    ("errortext", 2),
    ("usermessage", 2),
    ("error_description", 3),
    ("errordescription", 3),
    ("err", 4),
    ("error", 4),
    ("odata.error", 4),
    ("fault", 4),
    ("responsestatus", 4),
    ("detail", DETAIL),
    ("details", DETAIL),
    ("title", TITLE),
    ("errors", 7),
    ("modelstate", MODEL_STATE),
    // What ASP.NET adds to a message that says nothing.
    ("exceptionmessage", 9),
    ("messagedetail", 10),
    ("innerexception", 11),
];

pub(super) const MESSAGE: u32 = 0;
/// SOAP's.
pub(super) const FAULT: u32 = 1;
const DETAIL: u32 = 5;
/// RFC 9457's.
const TITLE: u32 = 6;
pub(super) const MODEL_STATE: u32 = 8;

/// What is said of an error. Elsewhere it may be of anything.
const OF_ERRORS: [(&str, u32); 3] = [
    ("description", 13),
    ("defaultmessage", 13), // Spring's
    ("reason", 14),
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

#[cfg(feature = "json")]
pub(super) fn is_title(name: &str) -> bool {
    rank(name) == Some(TITLE)
}

/// In an object that may have an error in it, or what was asked for: no title and no details of that.
#[cfg(feature = "json")]
pub(super) fn rank_around(name: &str) -> Option<u32> {
    rank(name).filter(|rank| !matches!(*rank, DETAIL | TITLE))
}

/// Whether it is a field's, and none that frameworks give to what is wrong with all of them.
pub(super) fn is_of_field(name: &str) -> bool {
    name.contains(char::is_alphanumeric)
        && !is_any(name, &["non_field_errors", "__all__", "messages"])
}
