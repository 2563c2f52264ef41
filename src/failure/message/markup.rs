//! The tags and texts of HTML and XML, one after the other: as much of the two grammars as telling
//! them apart takes. Reads each byte once, and allocates nothing.

use std::ops::Not;

pub(super) enum Token<'a> {
    Text(&'a str),
    /// Text without character references.
    Raw(&'a str),
    Start(Tag<'a>),
    End(&'a str),
}

pub(super) struct Tag<'a> {
    pub(super) name: &'a str,
    attributes: &'a str,
}

impl<'a> Tag<'a> {
    pub(super) fn is_closed(&self) -> bool {
        self.attributes.ends_with('/')
    }

    pub(super) fn attributes(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let mut rest = self.attributes;
        std::iter::from_fn(move || attribute(&mut rest))
    }
}

/// The next attribute, with an empty value if it has none.
fn attribute<'a>(rest: &mut &'a str) -> Option<(&'a str, &'a str)> {
    let is_end = |c: char| c.is_ascii_whitespace() || c == '/';
    *rest = rest.trim_start_matches(is_end);
    if rest.is_empty() || rest.starts_with('>') {
        return None;
    }
    // A name may begin with an equals sign, but has no other.
    let end = rest
        .char_indices()
        .skip(1)
        .find(|(_, c)| is_end(*c) || matches!(c, '=' | '>'));
    let name = take(rest, end.map_or(rest.len(), |(place, _)| place));
    let after = rest.trim_ascii_start();
    let Some(value) = after.strip_prefix('=') else {
        return Some((name, ""));
    };
    *rest = value.trim_ascii_start();
    for quote in ['"', '\''] {
        if let Some(value) = rest.strip_prefix(quote) {
            let (value, after) = value.split_once(quote).unwrap_or((value, ""));
            *rest = after;
            return Some((name, value));
        }
    }
    let is_end = |c: char| c.is_ascii_whitespace() || c == '>';
    Some((name, take(rest, rest.find(is_end).unwrap_or(rest.len()))))
}

/// Cuts off and returns what is before this place.
fn take<'a>(rest: &mut &'a str, place: usize) -> &'a str {
    let (before, after) = rest.split_at_checked(place).unwrap_or((rest, ""));
    *rest = after;
    before
}

pub(super) struct Tokens<'a> {
    rest: &'a str,
    is_xml: bool,
    /// The element whose text has no tags.
    raw: Option<&'a str>,
}

impl<'a> Tokens<'a> {
    pub(super) fn html(text: &'a str) -> Self {
        Self {
            rest: text,
            is_xml: false,
            raw: None,
        }
    }

    pub(super) fn xml(text: &'a str) -> Self {
        Self {
            is_xml: true,
            ..Self::html(text)
        }
    }

    /// All up to this text, or to the end, and the text too.
    fn skip(&mut self, end: &str) -> &'a str {
        let (before, after) = self.rest.split_once(end).unwrap_or((self.rest, ""));
        self.rest = after;
        before
    }

    /// What begins with a `<`, if it is no text.
    fn markup(&mut self) -> Option<Option<Token<'a>>> {
        let after = self.rest.strip_prefix('<')?;
        if let Some(comment) = after.strip_prefix("!--") {
            self.rest = comment;
            self.comment();
            return Some(None);
        }
        if let Some(data) = after.strip_prefix("![CDATA[").filter(|_| self.is_xml) {
            self.rest = data;
            return Some(Some(Token::Raw(self.skip("]]>"))));
        }
        if after.starts_with(['!', '?']) {
            self.skip(">");
            return Some(None);
        }
        let is_end = after.starts_with('/');
        let after = after.strip_prefix('/').unwrap_or(after);
        if !after.starts_with(is_name_start) {
            // An end tag of nothing is a comment, and a `<` before anything else is itself.
            return is_end.then(|| {
                self.skip(">");
                None
            });
        }
        self.rest = after;
        Some(self.tag(is_end))
    }

    fn comment(&mut self) {
        for end in [">", "->"] {
            if let Some(after) = self.rest.strip_prefix(end) {
                self.rest = after;
                return;
            }
        }
        while !self.rest.is_empty() {
            self.skip("--");
            self.rest = self.rest.trim_start_matches('-');
            let bang = self.rest.strip_prefix('!').filter(|_| !self.is_xml);
            let after = bang.unwrap_or(self.rest);
            if let Some(after) = after.strip_prefix('>') {
                self.rest = after;
                return;
            }
        }
    }

    fn tag(&mut self, is_end: bool) -> Option<Token<'a>> {
        let is_after = |c: char| c.is_ascii_whitespace() || matches!(c, '/' | '>');
        let end = self.rest.find(is_after).unwrap_or(self.rest.len());
        let name = take(&mut self.rest, end);
        let all = self.rest;
        while attribute(&mut self.rest).is_some() {}
        let attributes = all.get(..all.len().saturating_sub(self.rest.len()))?;
        // Cut off, it is none.
        self.rest = self.rest.strip_prefix('>')?;
        if is_end {
            return Some(Token::End(name));
        }
        if !self.is_xml {
            self.raw = is_any(name, &RAW).then_some(name);
        }
        Some(Token::Start(Tag { name, attributes }))
    }

    /// The text of an element that has no tags in it, up to its end tag.
    fn raw(&mut self, name: &str) -> Option<Token<'a>> {
        let is_end = |after: &str| {
            let tag = after
                .get(..name.len())
                .is_some_and(|tag| tag.eq_ignore_ascii_case(name));
            let next = after
                .get(name.len()..)
                .and_then(|after| after.chars().next());
            tag && next.is_none_or(|c| c.is_ascii_whitespace() || matches!(c, '/' | '>'))
        };
        let mut ends = self.rest.match_indices("</");
        let end =
            ends.find(|(place, _)| self.rest.get(place.saturating_add(2)..).is_some_and(is_end));
        let place = end.map_or(self.rest.len(), |(place, _)| place);
        let text = take(&mut self.rest, place);
        text.is_empty()
            .not()
            .then(|| match is_any(name, &["title", "textarea"]) {
                true => Token::Text(text),
                false => Token::Raw(text),
            })
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        while !self.rest.is_empty() {
            let token = if let Some(name) = self.raw.take() {
                self.raw(name)
            } else if let Some(token) = self.markup() {
                token
            } else {
                // A `<` that begins no tag is text.
                let first = usize::from(self.rest.starts_with('<'));
                let next = self.rest.get(first..).and_then(|rest| rest.find('<'));
                let end = next.map_or(self.rest.len(), |place| place.saturating_add(first));
                Some(Token::Text(take(&mut self.rest, end)))
            };
            if token.is_some() {
                return token;
            }
        }
        None
    }
}

/// Elements whose text has no tags and no comments.
const RAW: [&str; 8] = [
    "iframe", "noembed", "noframes", "script", "style", "textarea", "title", "xmp",
];

fn is_name_start(character: char) -> bool {
    character.is_ascii_alphabetic()
}

pub(super) fn is_any(name: &str, known: &[&str]) -> bool {
    known.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// Appends a text with its character references read.
pub(super) fn unescape(text: &str, plain: &mut String) {
    let mut pieces = text.split('&');
    plain.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let known = piece
            .split_once(';')
            .and_then(|(name, rest)| Some((reference(name)?, rest)));
        match known {
            Some((character, rest)) => {
                plain.push(character);
                plain.push_str(rest);
            }
            None => {
                plain.push('&');
                plain.push_str(piece);
            }
        }
    }
}

/// XML's five, HTML's names for Latin-1 and for punctuation, and numbers.
fn reference(name: &str) -> Option<char> {
    if let Some(digits) = name.strip_prefix('#') {
        let number = match digits.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok(),
            None => digits.parse().ok(),
        };
        return number.map(of_windows).and_then(char::from_u32);
    }
    if let Some((_, character)) = NAMED.iter().find(|(known, _)| *known == name) {
        return Some(*character);
    }
    let place = LATIN_1.split(' ').position(|known| known == name)?;
    u32::try_from(place)
        .ok()?
        .checked_add(0xA0)
        .and_then(char::from_u32)
}

/// What a number means that Unicode has for controls: browsers read the characters of Windows.
fn of_windows(number: u32) -> u32 {
    let place = number
        .checked_sub(0x80)
        .and_then(|place| usize::try_from(place).ok());
    let found = place.and_then(|place| WINDOWS.get(place));
    found.map_or(number, |found| u32::from(*found))
}

/// From 0x80 to 0x9F; zero stands for what it has not.
const WINDOWS: [char; 32] = [
    '€', '\0', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\0', 'Ž', '\0', '\0', '‘',
    '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\0', 'ž', 'Ÿ',
];

const NAMED: [(&str, char); 22] = [
    ("amp", '&'),
    ("lt", '<'),
    ("gt", '>'),
    ("quot", '"'),
    ("apos", '\''),
    ("ndash", '–'),
    ("mdash", '—'),
    ("lsquo", '‘'),
    ("rsquo", '’'),
    ("sbquo", '‚'),
    ("ldquo", '“'),
    ("rdquo", '”'),
    ("bdquo", '„'),
    ("lsaquo", '‹'),
    ("rsaquo", '›'),
    ("hellip", '…'),
    ("bull", '•'),
    ("euro", '€'),
    ("trade", '™'),
    ("rarr", '→'),
    ("NewLine", '\n'),
    ("Tab", '\t'),
];

/// In their order, from U+A0 on.
const LATIN_1: &str = "nbsp iexcl cent pound curren yen brvbar sect uml copy ordf laquo not shy reg macr \
    deg plusmn sup2 sup3 acute micro para middot cedil sup1 ordm raquo frac14 frac12 frac34 iquest \
    Agrave Aacute Acirc Atilde Auml Aring AElig Ccedil Egrave Eacute Ecirc Euml Igrave Iacute Icirc \
    Iuml ETH Ntilde Ograve Oacute Ocirc Otilde Ouml times Oslash Ugrave Uacute Ucirc Uuml Yacute \
    THORN szlig agrave aacute acirc atilde auml aring aelig ccedil egrave eacute ecirc euml igrave \
    iacute icirc iuml eth ntilde ograve oacute ocirc otilde ouml divide oslash ugrave uacute ucirc \
    uuml yacute thorn yuml";
