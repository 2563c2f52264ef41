//! The plots speak to those who cannot see them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use storm::{args::Args, run};

fn assert_described(folder: &Path) {
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let svg = fs::read_to_string(&path).unwrap();
        let (_, content) = svg.split_once('>').unwrap();
        let (title, rest) = content
            .trim_start()
            .strip_prefix("<title>")
            .and_then(|rest| rest.split_once("</title>"))
            .unwrap_or_else(|| panic!("{path:?} has no title"));
        let (description, _) = rest
            .trim_start()
            .strip_prefix("<desc>")
            .and_then(|rest| rest.split_once("</desc>"))
            .unwrap_or_else(|| panic!("{path:?} has no description"));
        assert!(title.len() > 20, "{path:?}: {title}");
        assert!(description.len() > 200, "{path:?}: {description}");
        assert!(!description.contains(['<', '>']), "{path:?}: {description}");
        count += 1;
    }
    assert_eq!(
        count, 7,
        "one for each cause that ends, the reserves, the batch"
    );
}

#[test]
fn each_says_what_it_shows() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("plots");
    let _ = fs::remove_dir_all(&folder);
    let args = Args {
        clients: 500,
        minutes: 11,
        policy: "revio-status".into(),
        plots: Some(folder.clone()),
        ..Args::default()
    };
    run(&args).unwrap();
    assert_described(&folder);
}

/// That one is published with the crate, and the plots are not.
#[test]
fn the_guide_shows_the_same_batch() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path| fs::read_to_string(folder.join(path)).ok();
    // Where this package was copied to there is no guide.
    if let Some(shown) = read("../../src/guide/cool_down.svg") {
        assert_eq!(Some(shown), read("plots/batch.svg"), "copy it once more");
    }
}

#[test]
fn so_does_each_in_the_repository() {
    assert_described(&Path::new(env!("CARGO_MANIFEST_DIR")).join("plots"));
}
