//! Dependencies between the rooms of `src` point down only, and `CONTRIBUTING.md` names every file.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Each room, and the rooms that it may use.
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

/// Returns the names that a file imports by `crate::`, outside its comments.
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

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../src")
}

/// Returns all Rust files in this folder and below.
fn files(folder: PathBuf) -> Vec<PathBuf> {
    let (mut folders, mut files) = (vec![folder], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.expect("readable").path();
            match path.is_dir() {
                true => folders.push(path),
                false => files.push(path),
            }
        }
    }
    files.retain(|path| path.extension().is_some_and(|ending| ending == "rs"));
    files
}

#[test]
fn rooms_use_only_rooms_below() {
    let rooms: Vec<_> = ROOMS.iter().map(|(room, _)| *room).collect();
    for (room, below) in ROOMS {
        let mut paths = files(src().join(room));
        paths.push(src().join(room).with_extension("rs"));
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

/// Returns the paths in the table of symptoms; a folder stands for its files.
fn named() -> Vec<PathBuf> {
    let text = include_str!("../../../CONTRIBUTING.md");
    let start = text.find("## Which file to open").expect("the table");
    let end = text.find("## Dependencies").expect("the next section");
    let words = text[start..end].split('`').skip(1).step_by(2);
    let paths = words.filter(|word| word.ends_with(".rs") || word.ends_with('/'));
    paths.map(|path| src().join(path)).collect()
}

#[test]
fn contributing_names_every_file_of_src() {
    let named = named();
    for path in &named {
        assert!(path.exists(), "{} does not exist", path.display());
    }
    for file in files(src()) {
        let is_named = named.iter().any(|path| file.starts_with(path));
        assert!(is_named, "{} is not named", file.display());
    }
}
