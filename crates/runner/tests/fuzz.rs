//! Readers of files that people edit, copy and damage: whatever is in them, they answer, and end.
//!
//! Every file that the project ships is a seed, and is mutated: bytes changed, pieces removed, doubled, moved in from
//! other files, numbers made absurd. `OPTBENCH_FUZZ=1000000 cargo test -p runner --test fuzz` goes on for hours; what ever
//! broke something goes into `corpus/`, which is run first.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use analysis::records::{Cells, Points, Targets};
use analysis::table::Table;
use numeric::Stream;
use runner::config;
use runner::engine;
use runner::parts::{Part, Timing};
use runner::plan::Plan;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

fn rounds() -> u64 {
    std::env::var("OPTBENCH_FUZZ").map_or(300, |count| count.parse().expect("OPTBENCH_FUZZ is a number"))
}

/// The files below a folder of the project with this ending.
fn seeds(folder: &str, ending: &str) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::from(ROOT).join(folder)];
    while let Some(folder) = folders.pop() {
        let mut paths: Vec<PathBuf> =
            fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        for path in paths {
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                found.push(fs::read(path).unwrap());
            }
        }
    }
    found
}

/// Texts that have broken readers elsewhere.
const ODD: [&str; 24] = [
    "1e999",
    "-1",
    "0",
    "18446744073709551616",
    "nan",
    "inf",
    "-0.0",
    "1e-320",
    "\"",
    "'",
    "\n",
    ",",
    "[[",
    "]]",
    "{",
    "}",
    "=",
    "../../x",
    "/dev/zero",
    "\u{0}",
    "\u{feff}",
    "💥",
    "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    "9223372036854775807",
];

fn mutated(stream: &mut Stream, seeds: &[Vec<u8>]) -> Vec<u8> {
    fn pick(stream: &mut Stream, count: usize) -> usize {
        stream.below(count.max(1) as u64) as usize
    }
    let mut bytes = seeds[pick(stream, seeds.len())].clone();
    // A long file would hide what is done to it.
    if bytes.len() > 20_000 {
        bytes.truncate(20_000);
    }
    for _ in 0..=pick(stream, 4) {
        let at = pick(stream, bytes.len() + 1);
        let to = (at + pick(stream, 40)).min(bytes.len());
        match pick(stream, 6) {
            0 if at < bytes.len() => bytes[at] ^= 1 << pick(stream, 8),
            1 => drop(bytes.drain(at..to)),
            2 => {
                let piece = bytes[at..to].to_vec();
                bytes.splice(at..at, piece);
            }
            3 => {
                let other = &seeds[pick(stream, seeds.len())];
                let from = pick(stream, other.len() + 1);
                let piece = other[from..(from + 60).min(other.len())].to_vec();
                bytes.splice(at..to, piece);
            }
            4 => drop(bytes.splice(at..to, ODD[pick(stream, ODD.len())].bytes())),
            // A number becomes another.
            _ => {
                let Some(start) = bytes[at..].iter().position(u8::is_ascii_digit).map(|i| at + i) else {
                    continue;
                };
                let digits = bytes[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
                bytes.splice(start..start + digits, ODD[pick(stream, 8)].bytes());
            }
        }
    }
    bytes
}

/// Reads mutations of the seeds; what breaks the reader is kept.
fn fuzz(name: &str, seeds: &[Vec<u8>], read: impl Fn(&[u8])) {
    assert!(!seeds.is_empty(), "there are no seeds for {name}");
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(name);
    let broken = |bytes: &[u8]| catch_unwind(AssertUnwindSafe(|| read(bytes))).is_err();
    for entry in fs::read_dir(&corpus).into_iter().flatten() {
        let path = entry.unwrap().path();
        assert!(!broken(&fs::read(&path).unwrap()), "{}", path.display());
    }
    for seed in seeds {
        read(seed);
    }
    let mut stream = Stream::new(&format!("fuzz: {name}"), &[0]);
    for round in 0..rounds() {
        let bytes = mutated(&mut stream, seeds);
        if broken(&bytes) {
            fs::create_dir_all(&corpus).unwrap();
            let path = corpus.join(format!("{round}"));
            fs::write(&path, &bytes).unwrap();
            panic!("{name} broke at round {round}; the input is {}", path.display());
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn configs_of_grids() {
    fuzz("grid", &seeds("configs", ".toml"), |bytes| {
        if let Ok(config) = config::parse("configs/x.toml", text(bytes)) {
            // Plans of absurd size are another matter.
            if config.grids.iter().map(|grid| grid.lr.len() * grid.optimizers.len()).sum::<usize>() < 10_000 {
                drop(Plan::new(&config));
            }
        }
    });
}

#[test]
fn configs_of_maps() {
    fuzz("map", &seeds("configs", ".toml"), |bytes| drop(config::map::parse("configs/x.toml", text(bytes))));
}

#[test]
fn configs_of_diagnoses() {
    let mut all = seeds("configs", ".toml");
    all.extend(seeds("crates/runner/tests/planted", ".toml"));
    fuzz("diagnosis", &all, |bytes| drop(config::diagnose::parse_case("configs/x.toml", &text(bytes))));
}

#[test]
fn cells_and_tables() {
    fuzz("cells", &seeds("results", "cells.csv"), |bytes| {
        if let Ok(cells) = Cells::new("cells.csv", bytes) {
            cells.for_each(drop);
        }
    });
    fuzz("table", &seeds("results", "table.csv"), |bytes| drop(Table::read_csv("table.csv", bytes)));
}

#[test]
fn parts_and_curves() {
    let config = "name = 'x'\nsteps = 5\nrecord = { every = 1 }\nlr = [0.1, 10]\n[[grid]]\nproblems = ['direct_fit']\n\
        losses = [{ composite = { terms = [{ loss = 'mse' }, { loss = 'l1' }] } }]\noptimizers = ['sgd']\n";
    let plan = Plan::new(&config::parse("x.toml", config.to_owned()).unwrap()).unwrap();
    let batch = &plan.batches[0];
    let targets = Targets::new(plan.targets.iter().copied()).unwrap();
    let timing = Timing { host: "x".into(), wall_us: 1 };
    let part = Part::new(batch, &engine::run(batch), &targets, timing);
    let folder = tempfile::tempdir().unwrap();
    let key = batch.key(&plan.targets);
    part.save(folder.path(), &key).unwrap();
    let path = folder.path().join(format!("{key}.part"));
    let whole = fs::read(&path).unwrap();
    let (original, mut kept) = (Part::load(folder.path(), &key).unwrap(), 0);
    fuzz("part", &[whole], |bytes| {
        fs::write(&path, bytes).unwrap();
        if let Some(part) = Part::load(folder.path(), &key) {
            // What is taken is what was written, whatever else its first line says.
            assert!(
                part.cells == original.cells
                    && part.curves == original.curves
                    && part.terms == original.terms
            );
        }
    });
    // One flipped bit of the rows is always found.
    part.save(folder.path(), &key).unwrap();
    let whole = fs::read(&path).unwrap();
    let rows = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    for at in (rows..whole.len()).step_by(7) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        fs::write(&path, bytes).unwrap();
        kept += usize::from(Part::load(folder.path(), &key).is_some());
    }
    assert_eq!(kept, 0);
    let mut curves = Vec::new();
    analysis::records::write_point_header(&mut curves);
    curves.extend(&original.curves);
    fuzz("curves", &[curves], |bytes| {
        if let Ok(points) = Points::new("curves.csv", bytes) {
            points.for_each(drop);
        }
    });
}
