//! The committed reference results reproduce.

use std::fs;
use std::path::Path;

use analysis::table::Table;
use records::{Cell, Cells, Engine};

use crate::sandbox::Sandbox;

/// How far libtorch's results may be off on another CPU, whose kernels add up in another order: a share
/// of the value, for losses and errors after up to 200 steps.
const TOLERANCE: f64 = 0.02;

fn cells(path: &Path) -> Vec<Cell> {
    Cells::open(path).unwrap().map(|cell| cell.unwrap()).collect()
}

/// The error rate of digits is a multiple of 1/360: one image more or less is no other result.
fn is_near(ours: f64, theirs: f64) -> bool {
    (ours - theirs).abs() <= TOLERANCE * theirs.abs() + 2.1 / 360.0
}

#[test]
fn the_smoke_grid_gives_its_committed_results() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let committed = root.join("results/smoke");
    let sandbox = Sandbox::new();
    sandbox.run([root.join("configs/smoke.toml")]).works();

    // Line by line where results are the same on every CPU.
    let fused = |folder: &Path| -> Vec<String> {
        let file = fs::read_to_string(folder.join("cells.csv")).unwrap();
        file.lines().filter(|line| !line.contains(",libtorch,")).map(str::to_owned).collect()
    };
    let (ours, theirs) = (fused(&sandbox.results("smoke")), fused(&committed));
    assert!(ours.len() > 500);
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!(ours, theirs, "to accept: run configs/smoke.toml and commit results/smoke");
    }
    assert_eq!(ours.len(), theirs.len());

    // What it says of itself, but for the sources and libtorch's digits.
    let manifest = |folder: &Path| -> serde_json::Value {
        let mut manifest: serde_json::Value =
            serde_json::from_str(&fs::read_to_string(folder.join("manifest.json")).unwrap()).unwrap();
        for key in ["build", "files", "source"] {
            assert!(manifest.as_object_mut().unwrap().remove(key).is_some(), "{key}");
        }
        manifest
    };
    assert_eq!(manifest(&sandbox.results("smoke")), manifest(&committed));

    let libtorch = |folder: &Path| -> Vec<Cell> {
        cells(&folder.join("cells.csv")).into_iter().filter(|cell| cell.engine == Engine::Libtorch).collect()
    };
    let (ours, theirs) = (libtorch(&sandbox.results("smoke")), libtorch(&committed));
    assert_eq!(ours.len(), theirs.len());
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!((ours.key, ours.outcome, ours.steps), (theirs.key, theirs.outcome, theirs.steps));
        let near =
            is_near(ours.final_loss, theirs.final_loss) && is_near(ours.final_error, theirs.final_error);
        assert!(near && ours.start_error == theirs.start_error, "{ours:?}\n{theirs:?}");
    }
}

/// `table` on a clean checkout leaves it clean.
#[test]
fn the_committed_tables_and_scores_are_what_is_written() {
    let results = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../results");
    let sandbox = Sandbox::new();
    let written = ["table.csv", "table.md", "scores.csv", "scores.json"];
    for grid in ["smoke", "grid"] {
        let folder = sandbox.results(grid);
        fs::create_dir_all(&folder).unwrap();
        let copied = ["cells.csv", "manifest.json"].into_iter().chain(written);
        for name in copied.filter(|name| results.join(grid).join(name).exists()) {
            fs::copy(results.join(grid).join(name), folder.join(name)).unwrap();
        }
        let table = || {
            let _ = sandbox.run(["table", &format!("results/{grid}")]).works();
            written.map(|name| fs::read_to_string(folder.join(name)).unwrap())
        };
        let first = table();
        for (name, text) in written.iter().zip(&first) {
            let committed = fs::read_to_string(results.join(grid).join(name));
            assert!(
                committed.map_or(grid == "smoke", |committed| committed == *text),
                "to accept: run `optbench table results/{grid}` and commit {name}"
            );
        }
        assert!(table() == first, "a second `table` writes something else");
    }
    // Of the field only the table is committed.
    let path = results.join("field/table.csv");
    let committed = fs::read(&path).unwrap();
    let mut again = Vec::new();
    Table::read_csv(&path, committed.as_slice()).unwrap().write_csv(&mut again).unwrap();
    assert!(again == committed, "to accept: run configs/field.toml and commit results/field/table.csv");
}

/// The catalog in the book is what `list` prints.
#[test]
fn the_catalog_in_the_docs_is_that_of_the_entries() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/src/catalog.md");
    let listed = Sandbox::new().run("list --format markdown").works().stdout;
    let text = format!(
        "# Catalog of entries\n\nWhat a config may name, with options, defaults and ranges. Written by\n\n    \
         OPTBENCH_UPDATE=1 cargo test --test all catalog\n\nfrom the sources; `optbench list NAME` shows the same.\n\n{listed}"
    );
    if std::env::var_os("OPTBENCH_UPDATE").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let is_same = fs::read_to_string(path).is_ok_and(|committed| committed == text);
    assert!(
        is_same,
        "docs/src/catalog.md is another; write it by OPTBENCH_UPDATE=1 cargo test --test all catalog"
    );
}
