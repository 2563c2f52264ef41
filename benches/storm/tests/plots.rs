//! Every plot has a title and a description, for those who cannot see it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use storm::{args::Args, run};

fn assert_described(folder: &Path, expected: usize) {
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
    assert_eq!(count, expected, "{folder:?}");
}

#[test]
fn drawn_plots_are_described() {
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
    assert_described(&folder, 7); // with one policy there is no figure of the gains
}

/// The guide's copy is published with the crate; the plots are not.
#[test]
fn package_shows_the_same_plots() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| fs::read_to_string(folder.join(path)).ok();
    for (copy, plot) in [("cool_down.svg", "batch.svg"), ("gains.svg", "gains.svg")] {
        // A copy of this package has no guide.
        if let Some(shown) = read(&format!("../../src/guide/{copy}")) {
            assert_eq!(
                Some(shown),
                read(&format!("plots/{plot}")),
                "copy {plot} again"
            );
        }
    }
}

#[test]
fn committed_plots_are_described() {
    assert_described(&Path::new(env!("CARGO_MANIFEST_DIR")).join("plots"), 8);
}
