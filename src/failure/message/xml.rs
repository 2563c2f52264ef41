//! Messages in XML; and the tags and texts of XML and HTML, as html5gum reads them.

use html5gum::emitters::callback::{CallbackEmitter, CallbackEvent};
use html5gum::{Emitter, ForwardingEmitter, Span, Tokenizer};

use super::candidates::{Candidates, Worth};

/// The elements that are shown, the best first; in lower case.
#[rustfmt::skip]
const NAMES: [&str; 7] = [
    "message", "faultstring", "errormessage", "error_description", "detail", "title",
    "exceptionmessage",
];

/// Offers the elements that hold only a text. An element that was cut off does not count.
pub(super) fn read(text: &str, candidates: &mut Candidates<'_>) {
    let (mut order, mut content, mut is_string) = (None, String::new(), false);
    parts(text, true, |part| {
        match part {
            CallbackEvent::OpenStartTag { name } => {
                is_string |= local(name) == "string"; // ASP.NET's element for any text
                order = (0..).zip(NAMES).find(|(_, known)| *known == local(name));
                content.clear();
            }
            CallbackEvent::CloseStartTag { self_closing: true } => order = None,
            CallbackEvent::String { value } if order.is_some() => content.push_str(utf8(value)),
            CallbackEvent::EndTag { name } => {
                if let Some((order, _)) = order.take().filter(|_| !is_string) {
                    candidates.offer(order, Worth::Nothing, "", &content);
                }
                is_string &= local(name) != "string";
            }
            _ => {}
        }
        candidates.is_open(0)
    });
}

/// Returns a name without its prefix.
fn local(name: &[u8]) -> &str {
    let name = utf8(name);
    name.rsplit(':').next().unwrap_or(name)
}

/// Parts of a `str` are UTF-8.
pub(super) fn utf8(part: &[u8]) -> &str {
    std::str::from_utf8(part).unwrap_or_default()
}

/// Passes all parts of a text to `read`, until that returns `false`.
pub(super) fn parts(text: &str, is_xml: bool, mut read: impl FnMut(CallbackEvent<'_>) -> bool) {
    #[cfg(test)]
    super::tests::parse(text);
    let stop = |part: CallbackEvent<'_>, _: Span<()>| (!read(part)).then_some(());
    let mut emitter = CallbackEmitter::new(stop);
    emitter.naively_switch_states(!is_xml);
    Tokenizer::new_with_emitter(text, Parts(emitter, is_xml)).next();
}

/// Leaves characters unchecked, and makes CDATA of XML a text.
struct Parts<E>(E, bool);

impl<E: Emitter> ForwardingEmitter for Parts<E> {
    type Token = E::Token;

    fn inner(&mut self) -> &mut impl Emitter<Token = E::Token> {
        &mut self.0
    }

    fn should_emit_errors(&mut self) -> bool {
        false
    }

    fn adjusted_current_node_present_but_not_in_html_namespace(&mut self) -> bool {
        self.1
    }
}
