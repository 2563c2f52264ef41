//! `tests/README.md` says on which test each promise rests, and `CONTRIBUTING.md` why each dependency is
//! there: those tests exist, and no dependency is left out.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The rows of the tables: everything but their heads.
fn promises() -> Vec<&'static str> {
    let rows = include_str!("../../README.md").lines();
    let rows = rows.filter(|line| line.starts_with('|'));
    let is_head = |row: &&str| row.starts_with("|---") || row.starts_with("| promise");
    rows.filter(|row| !is_head(row)).collect()
}

/// `file::test`, as often as it is there.
fn named(row: &str) -> Vec<(&str, &str)> {
    row.split('`')
        .skip(1)
        .step_by(2)
        .filter_map(|code| code.split_once("::"))
        .collect()
}

/// Wherever tests live: beside the code, in this folder, or in those of the other packages.
fn exists(file: &str, test: &str) -> bool {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let function = format!("fn {test}(");
    let places = ["src", "tests", "benches", "examples", "limit"].map(|place| root.join(place));
    let places = places.into_iter().filter(|place| place.is_dir()).collect();
    sources(places).into_iter().any(|path| {
        let text = fs::read_to_string(&path).unwrap_or_default();
        let mut places = text.match_indices(&function);
        path.file_stem().is_some_and(|stem| stem == file)
            && places.any(|(at, _)| is_test(&text[..at]))
    })
}

fn sources(mut folders: Vec<PathBuf>) -> Vec<PathBuf> {
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("readable").path();
            match path.is_dir() {
                true => folders.push(path),
                false => files.push(path),
            }
        }
    }
    files
}

/// Whether an attribute makes a test of the function that comes next.
fn is_test(before: &str) -> bool {
    let ends = ["\n\n", "{\n", "}\n", ";\n"].map(|end| before.rfind(end));
    let start = ends.into_iter().flatten().max().unwrap_or(0);
    let mut lines = before[start..].lines().map(str::trim);
    lines.any(|line| line == "#[test]" || line.starts_with("#[tokio::test"))
}

#[test]
fn every_promise_names_a_test_that_exists() {
    let rows = promises();
    assert!(rows.len() >= 20, "{} promises", rows.len());
    for row in rows {
        let tests = named(row);
        assert!(!tests.is_empty(), "no test is named: {row}");
        for (file, test) in tests {
            assert!(exists(file, test), "{file}::{test} does not exist: {row}");
        }
    }
}

#[test]
fn every_dependency_has_its_reason() {
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
