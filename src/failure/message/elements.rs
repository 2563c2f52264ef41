//! HTML's elements, as far as they decide what a reader of a page reads.

use super::markup::{Tag, is_any};

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Title,
    Paragraph,
    Preformatted,
    /// `h1` to `h6`
    Heading,
    /// `th`, `dt`
    Label,
    /// `b`, `strong`
    Bold,
    Link,
    Code,
    /// `br`
    Break,
    /// `hr`
    Rule,
    /// Ends a paragraph, where it begins and where it ends.
    Block,
    /// The same, and nobody looks there for what went wrong.
    Aside,
    /// Is not shown, or not as text.
    Unread,
    /// `dialog`: is shown if it is open.
    Dialog,
    /// Has no end.
    Void,
    Other,
}

impl Kind {
    pub(super) fn of(name: &str) -> Self {
        let mut lower = [0; 10];
        let Some(lower) = lower.get_mut(..name.len()) else {
            return Self::Other; // none of these is longer
        };
        lower.copy_from_slice(name.as_bytes());
        lower.make_ascii_lowercase();
        match &*lower {
            b"title" => Self::Title,
            b"p" => Self::Paragraph,
            b"h1" | b"h2" | b"h3" | b"h4" | b"h5" | b"h6" => Self::Heading,
            b"th" | b"dt" => Self::Label,
            b"b" | b"strong" => Self::Bold,
            b"a" => Self::Link,
            b"code" => Self::Code,
            b"pre" => Self::Preformatted,
            b"br" => Self::Break,
            b"hr" => Self::Rule,
            b"article" | b"aside" | b"blockquote" | b"body" | b"center" | b"dd" | b"details"
            | b"dir" | b"div" | b"dl" | b"fieldset" | b"figcaption" | b"figure" | b"form"
            | b"header" | b"hgroup" | b"html" | b"li" | b"main" | b"menu" | b"ol" | b"search"
            | b"section" | b"summary" | b"table" | b"tbody" | b"td" | b"tfoot" | b"thead"
            | b"tr" | b"ul" => Self::Block,
            b"address" | b"footer" | b"nav" => Self::Aside,
            b"button" | b"iframe" | b"math" | b"noembed" | b"noframes" | b"noscript"
            | b"object" | b"script" | b"select" | b"style" | b"svg" | b"template" | b"textarea" => {
                Self::Unread
            }
            b"dialog" => Self::Dialog,
            b"area" | b"base" | b"col" | b"embed" | b"img" | b"input" | b"link" | b"meta"
            | b"source" | b"track" | b"wbr" => Self::Void,
            _ => Self::Other,
        }
    }

    pub(super) fn has_end(self) -> bool {
        !matches!(self, Self::Void | Self::Break | Self::Rule)
    }

    pub(super) fn is_block(self) -> bool {
        matches!(
            self,
            Self::Paragraph
                | Self::Preformatted
                | Self::Heading
                | Self::Label
                | Self::Rule
                | Self::Block
                | Self::Aside
                | Self::Dialog
        )
    }
}

/// Classes of elements in which debuggers show what was thrown: Django's, Werkzeug's, ASP.NET Core's.
const THROWN: [&str; 3] = ["exception_value", "errormsg", "titleerror"];

/// Whether it is the one that a page marks as the error: Squid's do.
pub(super) fn is_error(tag: &Tag<'_>) -> bool {
    let is_page = is_any(tag.name, &["html", "body"]);
    !is_page
        && tag.attributes().any(|(name, value)| {
            let is = |known: &str| name.eq_ignore_ascii_case(known);
            is("id") && value.trim().eq_ignore_ascii_case("error")
                || is("class")
                    && value
                        .split_whitespace()
                        .any(|class| THROWN.contains(&class))
        })
}

/// Whether a reader does not see it, or does not look there for what went wrong.
pub(super) fn is_hidden(kind: Kind, tag: &Tag<'_>) -> bool {
    let has = |known: &str| {
        tag.attributes()
            .any(|(name, _)| name.eq_ignore_ascii_case(known))
    };
    match kind {
        Kind::Aside | Kind::Unread => return true,
        Kind::Dialog if !has("open") => return true,
        _ => {}
    }
    tag.attributes().any(|(name, value)| {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        let is_true = || value.trim().eq_ignore_ascii_case("true");
        is("hidden") || is("aria-hidden") && is_true() || is("style") && hides(value)
    })
}

fn hides(style: &str) -> bool {
    let style: String = style.split_whitespace().collect();
    let style = style.to_ascii_lowercase();
    style.contains("display:none") || style.contains("visibility:hidden")
}
