//! `tests/README.md` lists the promises above the tests; `CONTRIBUTING.md` explains each
//! dependency.
//!
//! `UPDATE=1 cargo test -p revio-status-tests --test it promises` regenerates the list.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
};

/// The word in the parentheses, and the heading of its promises.
const GROUPS: [(&str, &str); 4] = [
    ("once", "Nothing is applied twice"),
    ("cause", "The cause of a failure is reported"),
    ("load", "The server is not overloaded"),
    ("bounds", "Nothing leaks, sticks or grows"),
];

const HEAD: &str = "# Promises, and the tests that show them

Generated from the `/// Promise (…):` lines above the tests:
`UPDATE=1 cargo test -p revio-status-tests --test it promises`. A test is named by its file and function.
";

/// The heading of the part that is not generated.
const BY_HAND: &str = "\n## What no test shows\n";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Returns all Rust files of the packages in this repository.
fn sources() -> Vec<PathBuf> {
    let folders = ["src", "tests", "benches", "examples", "limit"].map(|name| root().join(name));
    let (mut folders, mut files) = (folders.to_vec(), Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.expect("readable").path();
            if path.is_dir() && !path.ends_with("target") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// Returns the file's name without its ending, or the folder's name for `main.rs` and `mod.rs`.
fn stem(path: &Path) -> String {
    let stem = |path: &Path| path.file_stem().map(|stem| stem.to_string_lossy().into());
    let name: String = stem(path).unwrap_or_default();
    match name.as_str() {
        "main" | "mod" => path.parent().and_then(stem).unwrap_or(name),
        _ => name,
    }
}

/// Returns group and text of each promise in these lines of a doc comment.
fn promises_in(docs: &[&str]) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut is_open = false;
    for line in docs {
        if let Some((group, text)) = line
            .strip_prefix("Promise (")
            .and_then(|rest| rest.split_once("): "))
        {
            found.push((group.to_owned(), text.to_owned()));
            is_open = true;
        } else if line.is_empty() {
            is_open = false;
        } else if let Some((_, text)) = found.last_mut().filter(|_| is_open) {
            text.push(' ');
            text.push_str(line);
        }
    }
    found
}

/// Returns the tests of each promise, by group and text.
fn promises() -> BTreeMap<(String, String), Vec<String>> {
    let mut promises: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for path in sources() {
        let text = fs::read_to_string(&path).expect("UTF-8");
        let (mut docs, mut is_test) = (Vec::new(), false);
        for line in text.lines().map(str::trim) {
            if let Some(doc) = line.strip_prefix("///") {
                docs.push(doc.trim());
            } else if line.starts_with("#[") {
                is_test |= line == "#[test]" || line.starts_with("#[tokio::test");
            } else {
                let found = promises_in(&docs);
                let name = line
                    .split("fn ")
                    .nth(1)
                    .and_then(|rest| rest.split('(').next());
                let is_valid = found.is_empty() || is_test && name.is_some();
                assert!(is_valid, "{}: no test follows {docs:?}", path.display());
                for promise in found {
                    let test = format!("`{}::{}`", stem(&path), name.unwrap_or_default());
                    promises.entry(promise).or_default().push(test);
                }
                docs.clear();
                is_test = false;
            }
        }
    }
    promises
}

#[test]
fn readme_lists_the_promises() {
    let promises = promises();
    assert!(promises.len() >= 40, "{} promises", promises.len());
    let mut list = HEAD.to_owned();
    for (group, heading) in GROUPS {
        list += &format!("\n## {heading}\n\n");
        for ((_, text), tests) in promises.iter().filter(|((of, _), _)| of == group) {
            list += &format!("- {text}\n  {}\n", tests.join(", "));
        }
    }
    for (group, text) in promises.keys() {
        let is_known = GROUPS.iter().any(|(name, _)| name == group);
        assert!(is_known, "no group is called {group:?}: {text}");
    }
    let path = root().join("tests/README.md");
    let old = fs::read_to_string(&path).expect("UTF-8");
    let (_, by_hand) = old.split_once(BY_HAND).expect("the part by hand");
    let new = format!("{list}{BY_HAND}{by_hand}");
    if env::var_os("UPDATE").is_some() {
        fs::write(&path, new).expect("writable");
    } else {
        assert!(new == old, "tests/README.md is stale: UPDATE=1 writes it");
    }
}

#[test]
fn contributing_explains_every_dependency() {
    let (_, section) = include_str!("../../../CONTRIBUTING.md")
        .split_once("\n## Dependencies\n")
        .expect("the section");
    let section = section.split("\n## ").next().unwrap_or(section);
    let manifest = include_str!("../../../Cargo.toml");
    let (_, rest) = manifest.split_once("\n[dependencies]\n").expect("some");
    let (own, _) = rest.split_once("\n[").expect("more sections");
    let names: Vec<_> = own
        .lines()
        .filter_map(|line| line.split_once(" = "))
        .collect();
    assert!(names.len() >= 10, "{names:?}");
    for (name, _) in names {
        assert!(section.contains(&format!("`{name}`")), "{name}");
    }
}
