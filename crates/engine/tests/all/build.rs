//! The fingerprint of the sources covers what results depend on, and nothing else.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// What cargo resolves the engine to be built from, of the workspace.
fn built_from() -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--offline",
            "-p",
            "engine",
            "-e",
            "normal,build",
            "--prefix",
            "none",
            "--format",
            "{p}",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    // Crates of the workspace have a folder behind their version.
    let own = text.lines().filter(|line| line.contains(" (/") && !line.contains("(proc-macro)"));
    own.filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

#[test]
fn it_covers_every_crate_that_the_engine_is_built_from() {
    let covered: BTreeSet<String> = env!("OPTBENCH_BUILD_CRATES").split(' ').map(str::to_owned).collect();
    assert_eq!(covered, built_from());
    for part in ["registry", "numeric", "losses", "optimizers", "problems", "config", "engine", "records"] {
        assert!(covered.contains(part), "results depend on {part}");
    }
    for other in ["causes", "analysis", "report", "runner", "diagnosis"] {
        assert!(!covered.contains(other), "no result depends on {other}");
    }
}

#[test]
fn it_is_made_anew_when_a_source_changes_and_at_no_other_call() {
    let watched = |line: &str| line.strip_prefix("cargo::rerun-if-changed=").map(str::to_owned);
    // What cargo watches, as the build script said it: a folder that isn't there would make it run at every call.
    let said = std::fs::read_to_string(concat!(env!("OPTBENCH_BUILD_OUT"), "/../output")).unwrap();
    let watched: BTreeSet<String> = said.lines().filter_map(watched).collect();
    assert!(watched.iter().all(|path| Path::new(path).exists()), "{watched:?}");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    for source in [
        "optimizers/src/algorithms/adam.rs",
        "losses/src/entries/plateau.rs",
        "engine/src/fused.rs",
        "problems/data",
    ] {
        let path = root.join("crates").join(source);
        assert!(path.exists(), "{source} has moved");
        let seen = |watched: &String| path.starts_with(watched) || Path::new(watched).starts_with(&path);
        assert!(watched.iter().any(seen), "{source}");
    }
    assert_eq!(engine::BUILD.len(), 16);
}
