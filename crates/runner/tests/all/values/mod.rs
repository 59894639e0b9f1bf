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

use crate::place::{Place, text};

/// Runs a config to its end in a place.
fn run(place: &Place, config: &str) {
    place.config("config", config);
    let output = place.run(&["config.toml"]);
    assert_eq!(output.status.code(), Some(0), "{}\n{config}", text(&output.stderr));
}

/// The cells of a config named `v`, and the curve of each.
fn results(config: &str) -> Vec<(Cell, Vec<Point>)> {
    let place = Place::new();
    run(&place, config);
    read(&place.results("v"))
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
