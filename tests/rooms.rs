//! Arrows between the rooms of `src` point down only.

use std::{fs, path::Path};

/// Each room, and those that it may use.
const ROOMS: [(&str, &[&str]); 6] = [
    ("failure", &[]),
    ("shared", &[]),
    ("policy", &["failure", "shared"]),
    ("settings", &["policy", "failure", "shared"]),
    ("body", &["settings", "failure", "shared"]),
    (
        "request",
        &["body", "settings", "policy", "failure", "shared"],
    ),
];

/// What a file takes from other rooms: the words after `crate::`, outside its comments.
fn used(text: &str) -> Vec<String> {
    let code: Vec<_> = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect();
    let code = code.join("\n");
    let mut used = Vec::new();
    for (at, start) in code.match_indices("crate::") {
        let rest = &code[at + start.len()..];
        let (list, depth) = match rest.strip_prefix('{') {
            Some(list) => (list, 1),
            None => (rest, 0),
        };
        let mut depth = depth;
        let mut word = String::new();
        for c in list.chars() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if c.is_alphanumeric() || c == '_' {
                word.push(c);
                continue;
            }
            if !word.is_empty() && depth <= 1 {
                used.push(std::mem::take(&mut word));
            }
            word.clear();
            if depth <= 0 {
                break;
            }
        }
    }
    used
}

#[test]
fn no_room_uses_one_above_it() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let rooms: Vec<_> = ROOMS.iter().map(|(room, _)| *room).collect();
    for (room, below) in ROOMS {
        let mut paths = vec![src.join(room).with_extension("rs")];
        let mut folders = vec![src.join(room)];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten() {
                let path = entry.expect("readable").path();
                match path.is_dir() {
                    true => folders.push(path),
                    false => paths.push(path),
                }
            }
        }
        for path in paths.into_iter().filter(|path| path.exists()) {
            let text = fs::read_to_string(&path).expect("UTF-8");
            for word in used(&text) {
                let is_up = rooms.contains(&&*word) && word != room && !below.contains(&&*word);
                let is_top = ["layer", "service", "request"].contains(&&*word) && word != room;
                assert!(!is_up && !is_top, "{}: {word}", path.display());
            }
        }
    }
}
