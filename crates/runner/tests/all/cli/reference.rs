//! The committed reference results reproduce.

use std::fs;
use std::path::Path;

use records::{Cell, Cells, Engine};

use crate::place::{Place, text};

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
    let place = Place::new();
    let output = place.run(&[root.join("configs/smoke.toml").to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));

    // Line by line where results are the same on every CPU.
    let fused = |folder: &Path| -> Vec<String> {
        let file = fs::read_to_string(folder.join("cells.csv")).unwrap();
        file.lines().filter(|line| !line.contains(",libtorch,")).map(str::to_owned).collect()
    };
    let (ours, theirs) = (fused(&place.results("smoke")), fused(&committed));
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
    assert_eq!(manifest(&place.results("smoke")), manifest(&committed));

    let libtorch = |folder: &Path| -> Vec<Cell> {
        cells(&folder.join("cells.csv")).into_iter().filter(|cell| cell.engine == Engine::Libtorch).collect()
    };
    let (ours, theirs) = (libtorch(&place.results("smoke")), libtorch(&committed));
    assert_eq!(ours.len(), theirs.len());
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!((ours.key, ours.outcome, ours.steps), (theirs.key, theirs.outcome, theirs.steps));
        let near =
            is_near(ours.final_loss, theirs.final_loss) && is_near(ours.final_error, theirs.final_error);
        assert!(near && ours.start_error == theirs.start_error, "{ours:?}\n{theirs:?}");
    }
}
