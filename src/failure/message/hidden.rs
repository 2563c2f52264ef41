//! Where an element ends that nobody sees. Its end tag may be missing.

use super::{
    elements::Kind,
    markup::{Tag, Token, is_any},
};

/// An element that is not shown, while its content is passed over.
pub(super) struct Hidden<'a> {
    name: &'a str,
    family: Option<&'static Family>,
    /// How deep in others of its name, or in others of its family's containers.
    depth: usize,
}

/// Elements that end where the next of them begins, or where what contains them ends.
struct Family {
    members: &'static [&'static str],
    ended_by: &'static [&'static str],
    containers: &'static [&'static str],
}

const FAMILIES: [Family; 5] = [
    Family {
        members: &["li"],
        ended_by: &["li"],
        containers: &["ul", "ol", "menu", "dir"],
    },
    Family {
        members: &["dt", "dd"],
        ended_by: &["dt", "dd"],
        containers: &["dl"],
    },
    Family {
        members: &["td", "th"],
        ended_by: &["td", "th", "tr", "tbody", "thead", "tfoot"],
        containers: &["table"],
    },
    Family {
        members: &["tr"],
        ended_by: &["tr", "tbody", "thead", "tfoot"],
        containers: &["table"],
    },
    Family {
        members: &["tbody", "thead", "tfoot"],
        ended_by: &["tbody", "thead", "tfoot"],
        containers: &["table"],
    },
];

#[derive(PartialEq)]
pub(super) enum End {
    NotYet,
    /// This was its end tag.
    Here,
    /// It has ended before this.
    Before,
}

impl<'a> Hidden<'a> {
    pub(super) fn of(tag: &Tag<'a>) -> Option<Self> {
        let name = tag.name;
        let is_foreign = is_any(name, &["svg", "math"]);
        let has_no_end = !Kind::of(name).has_end() || is_foreign && tag.is_closed();
        let family = FAMILIES.iter().find(|family| is_any(name, family.members));
        (!has_no_end).then_some(Self {
            name,
            family,
            depth: 0,
        })
    }

    pub(super) fn end(&mut self, token: &Token<'_>) -> End {
        let (name, is_start) = match token {
            Token::Start(tag) => (tag.name, true),
            Token::End(name) => (*name, false),
            _ => return End::NotYet,
        };
        let is_own = name.eq_ignore_ascii_case(self.name);
        if !is_start && !is_own && is_any(name, &["body", "html"]) {
            return End::Before;
        }
        if self.name.eq_ignore_ascii_case("p") {
            return match Kind::of(name).is_block() {
                true if is_own && !is_start => End::Here,
                true => End::Before,
                false => End::NotYet,
            };
        }
        let Some(family) = self.family else {
            return self.nest(is_own, is_start, End::Here);
        };
        if self.depth == 0 && is_own && !is_start {
            return End::Here;
        }
        if self.depth == 0 && is_any(name, family.ended_by) {
            return End::Before;
        }
        self.nest(is_any(name, family.containers), is_start, End::Before)
    }

    fn nest(&mut self, is_nesting: bool, is_start: bool, end: End) -> End {
        match (is_nesting, is_start) {
            (false, _) => {}
            (true, true) => self.depth = self.depth.saturating_add(1),
            (true, false) if self.depth == 0 => return end,
            (true, false) => self.depth = self.depth.saturating_sub(1),
        }
        End::NotYet
    }
}
