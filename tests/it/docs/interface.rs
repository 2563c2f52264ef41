//! The public interfaces of both crates, name by name, as `tests/api.txt` and `tests/api_limit.txt` list
//! them.
//!
//! `UPDATE=1 cargo test -p revio-status-tests --test it interface -- --ignored` writes the lists.

use std::{env, fs, path::Path, process::Command};

/// Returns the interface of a package, without blanket, automatic and derived implementations.
fn interface(package: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let target = root.join("target/interface");
    // The stable compiler writes rustdoc's JSON only if asked like this.
    let status = Command::new(env!("CARGO"))
        .args([
            "rustdoc",
            "--quiet",
            "--lib",
            "--all-features",
            "-p",
            package,
        ])
        .arg("--target-dir")
        .arg(&target)
        .args(["--", "-Z", "unstable-options", "--output-format", "json"])
        .current_dir(root)
        .env("RUSTC_BOOTSTRAP", "1")
        .env_remove("RUSTDOCFLAGS")
        .status();
    assert!(status.expect("cargo").success(), "no JSON of {package}");
    let json = target.join("doc").join(package.replace('-', "_"));
    public_api::Builder::from_rustdoc_json(json.with_extension("json"))
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .omit_auto_derived_impls(true)
        .build()
        .expect("the JSON of a compiler that public-api knows")
        .to_string()
}

fn compare(package: &str, list: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(list);
    let new = interface(package);
    if env::var_os("UPDATE").is_some() {
        return fs::write(path, new).expect("a place to write");
    }
    let old = fs::read_to_string(path).expect("the list");
    let mut lines = old.lines().zip(new.lines());
    let first = lines.find(|(old, new)| old != new);
    assert!(old == new, "{list} is stale, from here on: {first:#?}");
}

#[test]
#[ignore = "builds the documentation: part of .ci/run"]
fn interface_is_as_listed() {
    compare("revio-status", "api.txt");
    compare("revio-status-limit", "api_limit.txt");
}
