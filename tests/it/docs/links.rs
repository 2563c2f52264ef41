//! Links and anchors of the project's pages have targets. Links to other servers are not checked.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use pulldown_cmark::{Event, Parser, Tag, TagEnd};

/// The published documentation; the output of `cargo doc` stands in for it.
const DOCS: &str = "https://docs.rs/revio-status/latest/";

fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    root.canonicalize().expect("the repository")
}

/// Returns all files with this ending, without hidden folders and build output.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("readable").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() {
            if name != "target" && !name.starts_with('.') {
                found.extend(files(&path, ending));
            }
        } else if name.ends_with(ending) {
            found.push(path);
        }
    }
    found
}

struct Page {
    links: Vec<String>,
    anchors: BTreeSet<String>,
}

fn page(path: &Path) -> Page {
    let text = fs::read_to_string(path).expect("UTF-8");
    let mut page = Page {
        links: Vec::new(),
        anchors: BTreeSet::new(),
    };
    let mut heading: Option<String> = None;
    for event in Parser::new_ext(&text, pulldown_cmark::Options::ENABLE_TABLES) {
        match event {
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                page.links.push(dest_url.into_string());
            }
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::End(TagEnd::Heading(_)) => {
                page.anchors
                    .extend(heading.take().map(|text| anchor(&text)));
            }
            Event::Text(text) | Event::Code(text) => {
                if let Some(heading) = &mut heading {
                    heading.push_str(&text);
                }
            }
            _ => {}
        }
    }
    page
}

/// Returns the anchor that GitHub gives this heading.
fn anchor(heading: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    let lower = heading.to_lowercase();
    lower
        .chars()
        .filter(kept)
        .collect::<String>()
        .replace(' ', "-")
}

/// Returns `true` if rustdoc resolves and checks this link.
fn is_for_rustdoc(link: &str) -> bool {
    let path = link.split('#').next().unwrap_or(link);
    path.contains("::") || !path.contains(['.', '/']) && !link.starts_with('#')
}

#[test]
fn page_links_have_targets() {
    let paths = files(&root(), ".md");
    assert!(paths.len() >= 8, "{paths:?}");
    let pages: BTreeMap<_, _> = paths.iter().map(|path| (path, page(path))).collect();
    let mut dead = Vec::new();
    for (path, page) in &pages {
        let is_guide = path
            .parent()
            .is_some_and(|folder| folder.ends_with("src/guide"));
        for link in &page.links {
            if link.contains("://") || is_guide && is_for_rustdoc(link) {
                continue;
            }
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let folder = path.parent().expect("a file");
            let target = match file {
                "" => Ok((*path).clone()),
                file => folder.join(file).canonicalize(),
            };
            let is_there = target.is_ok_and(|target| {
                anchor.is_empty()
                    || pages
                        .get(&target)
                        .is_some_and(|page| page.anchors.contains(anchor))
            });
            if !is_there {
                dead.push(format!("{}: {link}", path.display()));
            }
        }
    }
    assert!(dead.is_empty(), "{dead:#?}");
}

/// The links of a published package work without the repository.
#[test]
fn packaged_pages_link_within_the_package() {
    for package in ["", "limit"] {
        let folder = root().join(package);
        let mut pages = vec![folder.join("README.md"), folder.join("CHANGELOG.md")];
        pages.extend(files(&folder.join("src"), ".md"));
        let mut outside = Vec::new();
        for path in pages {
            let here = path.parent().expect("a file");
            for link in page(&path).links {
                let file = link.split('#').next().unwrap_or_default();
                if file.is_empty() || link.contains("://") || is_for_rustdoc(&link) {
                    continue;
                }
                let target = here.join(file).canonicalize().unwrap_or_default();
                let target = target.strip_prefix(&folder).unwrap_or(Path::new(".."));
                let included = ["src", "README.md", "CHANGELOG.md", "LICENSE"];
                if !included.iter().any(|name| target.starts_with(name)) {
                    outside.push(format!("{}: {link}", path.display()));
                }
            }
        }
        assert!(outside.is_empty(), "{outside:#?}");
    }
}

/// Returns all values of this attribute in a page of HTML.
fn attributes<'a>(html: &'a str, name: &str) -> Vec<&'a str> {
    let name = format!(" {name}=\"");
    let mut left = html;
    let mut found = Vec::new();
    while let Some((_, after)) = left.split_once(&*name) {
        let (value, after) = after.split_once('"').unwrap_or((after, ""));
        found.push(value);
        left = after;
    }
    found
}

/// Includes the README's links to published pages. Needs `cargo doc --no-deps --all-features`.
#[test]
#[ignore = "needs the documentation, as `.ci/run` builds it"]
fn documentation_links_have_targets() {
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or("target".into());
    let docs = root().join(target).join("doc");
    let mut links = Vec::new();
    for path in files(&root(), ".md") {
        let ours = page(&path).links.into_iter().filter_map(|link| {
            let path = link.strip_prefix(DOCS)?;
            Some(docs.join(path))
        });
        links.extend(ours.map(|link| (path.clone(), link)));
    }
    let mut written = files(&docs.join("revio_status/guide"), ".html");
    written.push(docs.join("revio_status/index.html"));
    for path in written {
        let html = fs::read_to_string(&path).expect("UTF-8");
        let folder = path.parent().expect("a file");
        for link in attributes(&html, "href") {
            match link.strip_prefix('#') {
                Some(_) => links.push((path.clone(), format!("{}{link}", path.display()).into())),
                // rustdoc itself makes the links to source lines.
                None if link.contains("://") || link.contains("/src/") => {}
                None => links.push((path.clone(), folder.join(link))),
            }
        }
    }
    assert!(links.len() > 50, "{} links", links.len());
    let mut pages: BTreeMap<PathBuf, Option<String>> = BTreeMap::new();
    let mut dead = Vec::new();
    for (from, link) in links {
        let link = link.to_string_lossy().into_owned();
        let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
        let file = match file.ends_with('/') {
            true => Path::new(file).join("index.html"),
            false => PathBuf::from(file),
        };
        let html = pages
            .entry(file)
            .or_insert_with_key(|file| Some(String::from_utf8_lossy(&fs::read(file).ok()?).into()));
        let is_there = html
            .as_ref()
            .is_some_and(|html| anchor.is_empty() || attributes(html, "id").contains(&anchor));
        if !is_there {
            dead.push(format!("{}: {link}", from.display()));
        }
    }
    assert!(dead.is_empty(), "{dead:#?}");
}
