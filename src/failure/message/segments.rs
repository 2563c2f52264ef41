//! The parts of a title or a line: words, and what stands between marks.

/// Words after which a text is no name.
const NO_NAMES: [&str; 14] = [
    "blocked",
    "closed",
    "denied",
    "down",
    "expired",
    "failed",
    "invalid",
    "maintenance",
    "missing",
    "offline",
    "outage",
    "overload",
    "overloaded",
    "timeout",
];

pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
}

/// What `rest` is the end of, without it.
pub(super) fn before_rest<'a>(text: &'a str, rest: &str) -> &'a str {
    let end = text.len().saturating_sub(rest.len());
    text.get(..end).unwrap_or_default().trim_end()
}

/// A part of a text that is at this place, with the bracket around it or without, but not with half of it.
pub(super) fn balanced<'a>(text: &'a str, place: usize, rest: &'a str) -> &'a str {
    let opening = text
        .get(..place)
        .and_then(|before| before.chars().next_back());
    let (open, close) = match opening {
        Some('(') => ('(', ')'),
        Some('[') => ('[', ']'),
        _ => return rest,
    };
    let Some(end) = rest.find([open, close]) else {
        return rest;
    };
    let is_whole = rest
        .get(end..)
        .is_some_and(|end| end.len() == 1 && end.starts_with(close));
    let is_half = rest.get(end..).is_some_and(|end| end.starts_with(close));
    match (is_whole, is_half) {
        (true, _) => rest.get(..end).unwrap_or(rest).trim_end(),
        (_, true) => {
            let start = place.saturating_sub(open.len_utf8());
            let longer = text.get(start..).unwrap_or(rest);
            let end = rest.len().saturating_add(open.len_utf8());
            longer.get(..end).unwrap_or(longer)
        }
        _ => rest,
    }
}

/// Whether what comes next is of the same sentence: nothing but a space and a word with a small
/// letter, no name of a program's as `java.io.IOException`.
pub(super) fn continues(after: &str, next: &str) -> bool {
    let word = next.split_whitespace().next().unwrap_or_default();
    let is_inner = |c: char| matches!(c, '.' | '_' | '/' | '$');
    let is_word = !word.trim_end_matches(is_inner).contains(is_inner);
    is_word
        && next.starts_with(char::is_lowercase)
        && after.starts_with(char::is_whitespace)
        && after.trim_start() == next
}

/// The host of a site.
pub(super) fn is_host(text: &str) -> bool {
    let is_of_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    text.trim_matches('.').contains('.') && text.chars().all(is_of_host)
}

/// The name of a site: its host, or up to three words with a capital.
pub(super) fn is_name(text: &str) -> bool {
    let is_plain = |part: &str| {
        let is_other = NO_NAMES
            .iter()
            .any(|known| known.eq_ignore_ascii_case(part));
        let is_error = ["Error", "Exception", "Failure"]
            .iter()
            .any(|end| part.ends_with(end));
        part.starts_with(char::is_uppercase) && !is_other && !is_error
    };
    let mut parts = text.split_whitespace();
    parts
        .by_ref()
        .take(3)
        .all(|part| is_host(part) || is_plain(part))
        && parts.next().is_none()
}

/// What is before the first mark that separates, and what is after it.
pub(super) fn first_segment(text: &str) -> Option<(&str, &str)> {
    let (place, mark) = text.char_indices().find(|at| separates(text, *at))?;
    let (segment, rest) = text.split_at_checked(place)?;
    Some((segment, rest.get(mark.len_utf8()..)?))
}

/// What is before the last mark that separates, the mark, and what is after it.
pub(super) fn last_segment(text: &str) -> Option<(&str, char, &str)> {
    let (place, mark) = text.char_indices().rev().find(|at| separates(text, *at))?;
    let (before, rest) = text.split_at_checked(place)?;
    Some((before, mark, rest.get(mark.len_utf8()..)?))
}

/// Whether this mark stands between two parts of a text, not inside a word or a number.
fn separates(text: &str, (place, mark): (usize, char)) -> bool {
    let Some((before, after)) = text.split_at_checked(place) else {
        return false;
    };
    let (before, after) = (before.chars().next_back(), after.chars().nth(1));
    let is_open = |c: Option<char>| c.is_none_or(char::is_whitespace);
    match mark {
        '(' | ')' | '[' | ']' | '|' | '!' | ';' | '–' | '—' | '·' => true,
        ':' => !after.is_some_and(|c| c.is_ascii_digit() || c == '/'),
        '-' | '/' => is_open(before) || is_open(after),
        '.' | ',' => is_open(after),
        '#' => is_open(before),
        _ => false,
    }
}

/// What follows the version of HTTP.
pub(super) fn after_version(text: &str) -> Option<&str> {
    let version = text
        .get(..5)?
        .eq_ignore_ascii_case("http/")
        .then(|| text.get(5..))??;
    Some(separated(version.trim_start_matches(|c: char| {
        c.is_ascii_digit() || c == '.'
    })))
}

/// What follows this word, or these.
pub(super) fn after_word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let is_first = !word.is_empty() && text.get(..word.len())?.eq_ignore_ascii_case(word);
    let rest = text.get(word.len()..).filter(|_| is_first)?;
    (!rest.starts_with(char::is_alphanumeric)).then_some(rest)
}

pub(super) fn separated(text: &str) -> &str {
    text.trim_start_matches(is_between)
}

pub(super) fn is_between(character: char) -> bool {
    character.is_whitespace()
        || matches!(
            character,
            ':' | ';'
                | ','
                | '.'
                | '!'
                | '|'
                | '-'
                | '–'
                | '—'
                | '·'
                | ')'
                | ']'
                | '('
                | '['
                | '#'
                | '/'
        )
}
