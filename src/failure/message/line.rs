//! Lines that are safe to print.

/// The longest line, in bytes.
pub(super) const LONGEST: usize = 512;

/// Makes a text safe to print. Returns `None` if nothing remains.
///
/// The line has at most 512 bytes, no line breaks, no control characters, and no characters that
/// hide or reorder others.
pub(crate) fn one_line(text: &str) -> Option<Box<str>> {
    let mut line = String::new();
    let mut is_gap = false;
    for character in text.chars().filter(|c| !is_invisible(*c)) {
        if character.is_whitespace() || character.is_control() {
            is_gap = !line.is_empty();
            continue;
        }
        let length = usize::from(is_gap).saturating_add(character.len_utf8());
        if length > LONGEST.saturating_sub(line.len()) {
            break;
        }
        if std::mem::take(&mut is_gap) {
            line.push(' ');
        }
        line.push(character);
    }
    (!line.is_empty()).then(|| line.into_boxed_str())
}

/// Characters without width, or that turn the direction: they make a line read as another one.
/// Unicode's `Default_Ignorable_Code_Point` except the two joiners and the selector that letters
/// and emoji need; the annotations; Braille's blank, which looks like a space.
#[rustfmt::skip]
fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}'..='\u{1160}' | '\u{17B4}'..='\u{17B5}'
            | '\u{180B}'..='\u{180F}' | '\u{200B}' | '\u{200E}'..='\u{200F}'
            | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{2800}' | '\u{3164}'
            | '\u{FE00}'..='\u{FE0E}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}'
            | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}'
    )
}
