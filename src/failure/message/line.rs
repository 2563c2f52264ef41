//! A text of somebody else's, made safe to print.

/// The longest line, in bytes.
pub(super) const LONGEST: usize = 512;

/// Makes a text safe to print: no line breaks, no control characters, nothing that reorders or
/// hides what follows, and not too long. `None` where nothing remains.
pub(crate) fn one_line(text: &str) -> Option<Box<str>> {
    let mut line = String::new();
    let (mut spaces, mut is_broken) = (0_usize, false);
    for character in text.chars().filter(|c| !is_invisible(*c)) {
        if character == ' ' {
            spaces = spaces.saturating_add(1);
        } else if character.is_whitespace() || character.is_control() {
            is_broken = true;
        } else {
            let gap = match (line.is_empty(), is_broken) {
                (true, _) => 0,
                (false, true) => 1,
                (false, false) => spaces,
            };
            let room = LONGEST.saturating_sub(line.len());
            if gap.saturating_add(character.len_utf8()) > room {
                break;
            }
            line.extend(std::iter::repeat_n(' ', gap));
            line.push(character);
            (spaces, is_broken) = (0, false);
        }
    }
    (!line.is_empty()).then(|| line.into_boxed_str())
}

/// What has no width, or turns the direction: it can make a line read as another one. Unicode's
/// `Default_Ignorable_Code_Point` but for the two joiners and the selector that letters and emoji need;
/// the annotations; and Braille's blank, which looks like no text.
fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{AD}'
            | '\u{34F}'
            | '\u{61C}'
            | '\u{115F}'..='\u{1160}'
            | '\u{17B4}'..='\u{17B5}'
            | '\u{180B}'..='\u{180F}'
            | '\u{200B}'
            | '\u{200E}'..='\u{200F}'
            | '\u{202A}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}'
            | '\u{2800}'
            | '\u{3164}'
            | '\u{FE00}'..='\u{FE0E}'
            | '\u{FEFF}'
            | '\u{FFA0}'
            | '\u{FFF0}'..='\u{FFFB}'
            | '\u{1BCA0}'..='\u{1BCA3}'
            | '\u{1D173}'..='\u{1D17A}'
            | '\u{E0000}'..='\u{E0FFF}'
    )
}
