//! What the program writes, held to values that were computed by hand: from a config to `cells.csv`, `curves.csv`, a
//! map or a verdict.

mod cells;
mod defaults;
mod diagnoses;
mod maps;
mod reuse;

use std::collections::HashMap;
use std::path::Path;

use records::{Cell, Cells, Key, Point, Points};

use crate::sandbox::Sandbox;

/// Runs a config to its end in a place.
fn run(sandbox: &Sandbox, config: &str) {
    sandbox.config("config", config);
    sandbox.run("config.toml").works();
}

/// The cells of a config named `v`, and the curve of each.
fn results(config: &str) -> Vec<(Cell, Vec<Point>)> {
    let sandbox = Sandbox::new();
    run(&sandbox, config);
    read(&sandbox.results("v"))
}

fn read(folder: &Path) -> Vec<(Cell, Vec<Point>)> {
    let mut curves: HashMap<Key, Vec<Point>> = HashMap::new();
    for point in Points::open(folder.join("curves.csv")).unwrap() {
        let point = point.unwrap();
        curves.entry(point.key).or_default().push(point);
    }
    let mut with_curve = |cell: Cell| {
        let curve = curves.remove(&cell.key).unwrap_or_default();
        (cell, curve)
    };
    Cells::open(folder.join("cells.csv")).unwrap().map(|cell| with_curve(cell.unwrap())).collect()
}

#[track_caller]
fn assert_near(what: &str, ours: f64, theirs: f64, relative: f64) {
    assert!((ours - theirs).abs() <= relative * theirs.abs(), "{what}: {ours}, and should be {theirs}");
}
