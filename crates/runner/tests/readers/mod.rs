//! Every reader of files that people edit, copy and damage, and files to begin with.
//!
//! The tests give them what is kept in `corpus.zip`; `scripts/fuzz` looks for more.

use std::fs;
use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::Ordering;

use analysis::table::{RenderOptions, Table};
use files::Folder;
use losses::{Formula, Loss};
use numeric::LANES;
use records::parts::Part;
use runner::BUILD;
use runner::cli::command;
use runner::plan::Plan;
use runner::run::{self, Options};
use runner::{config, engine};
use tch::{Device, Kind, Tensor};
use tempfile::TempDir;

/// Readers that must answer soon, whatever the bytes.
pub struct Reader {
    pub name: &'static str,
    pub seeds: fn() -> Vec<Vec<u8>>,
    pub read: fn(&[u8]),
}

pub const READERS: [Reader; 16] = [
    Reader { name: "grid", seeds: configs, read: grid },
    Reader { name: "map", seeds: configs, read: map },
    Reader { name: "diagnosis", seeds: cases, read: diagnosis },
    Reader { name: "formula", seeds: formulas, read: formula },
    Reader { name: "part", seeds: || vec![SMALL.part.clone()], read: part },
    Reader { name: "cells", seeds: || vec![SMALL.file("cells.csv")], read: cells },
    Reader {
        name: "curves",
        seeds: || vec![SMALL.file("curves.csv")],
        read: |bytes| reported("curves.csv", bytes),
    },
    Reader {
        name: "manifest",
        seeds: || vec![SMALL.file("manifest.json")],
        read: |bytes| reported("manifest.json", bytes),
    },
    Reader {
        name: "running",
        seeds: || vec![SMALL.running.clone()],
        read: |bytes| reported("running.json", bytes),
    },
    Reader { name: "table", seeds: || vec![SMALL.file("table.csv")], read: table },
    Reader { name: "diagnoses", seeds: diagnosed, read: |bytes| reported("diagnosis.json", bytes) },
    Reader { name: "estimates", seeds: || vec![ESTIMATES.as_bytes().to_vec()], read: estimates },
    Reader { name: "csv", seeds: || vec![data("csv")], read: |bytes| train_on("csv", bytes) },
    Reader { name: "npz", seeds: || vec![data("npz"), array()], read: npz },
    Reader {
        name: "safetensors",
        seeds: || vec![data("safetensors")],
        read: |bytes| train_on("safetensors", bytes),
    },
    Reader { name: "program", seeds: programs, read: program },
];

/// What has been found, by the reader's name. An entry of the archive is a reader's: files one after the other, each
/// with its length before it in four bytes, so that what they have in common is packed once.
pub fn kept() -> Vec<(String, Vec<u8>)> {
    let file = fs::File::open(here("tests/readers/corpus.zip")).expect("corpus.zip is here");
    let mut archive = zip::ZipArchive::new(file).expect("corpus.zip is an archive");
    let mut kept = Vec::new();
    for at in 0..archive.len() {
        let mut entry = archive.by_index(at).unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        let mut rest = &bytes[..];
        while let Some((length, more)) = rest.split_first_chunk() {
            let (file, more) = more.split_at(u32::from_le_bytes(*length) as usize);
            kept.push((entry.name().to_owned(), file.to_vec()));
            rest = more;
        }
    }
    kept
}

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR").trim_end_matches("/fuzz")).join(path)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A small grid that has run: two engines, terms, cells that reach, that don't, and that diverge.
struct Small {
    /// Holds `results/x`, where the grid is finished.
    place: TempDir,
    /// What said that it was running.
    running: Vec<u8>,
    key: String,
    part: Vec<u8>,
}

const GRID: &str = "name = 'x'\nsteps = 5\nrecord = { every = 2 }\nlr = [0.1, 10]\n\
    seeds = { tuning = 1, reporting = 2 }\n[[grid]]\nproblems = ['direct_fit']\n\
    losses = [{ composite = { terms = [{ loss = 'mse' }, { loss = 'l1' }] } }, 'plateau']\n\
    optimizers = ['sgd', 'adam']\n[[grid]]\nproblems = ['himmelblau']\noptimizers = ['sgd']\n";

static SMALL: LazyLock<Small> = LazyLock::new(|| {
    tch::set_num_threads(1);
    let place = tempfile::tempdir().unwrap();
    let config = config::parse("x.toml", GRID).unwrap();
    let plan = Plan::new(&config).unwrap();
    let options = Options { out: place.path().join("results"), jobs: 1, fresh: false };
    let folder = options.out.join("x");
    // A run that is stopped at once leaves what says that it runs.
    run::STOP.store(true, Ordering::Relaxed);
    assert!(run::run(&config, &plan, &options).is_err());
    run::STOP.store(false, Ordering::Relaxed);
    let running = fs::read(folder.join("running.json")).unwrap();
    run::run(&config, &plan, &options).unwrap();
    let key = plan.batches[0].key(BUILD, &plan.targets);
    let part = fs::read(folder.join(format!("parts/{key}.part"))).unwrap();
    Small { place, running, key, part }
});

impl Small {
    fn folder(&self) -> PathBuf {
        self.place.path().join("results/x")
    }

    fn file(&self, name: &str) -> Vec<u8> {
        fs::read(self.folder().join(name)).unwrap()
    }

    /// A folder like it in which one file is another, and its commands.
    fn with(&self, name: &str, bytes: &[u8], commands: &[&[&str]]) {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("x");
        fs::create_dir(&folder).unwrap();
        for other in ["cells.csv", "curves.csv", "manifest.json"] {
            fs::copy(self.folder().join(other), folder.join(other)).unwrap();
        }
        fs::create_dir(folder.join("parts")).unwrap();
        for part in fs::read_dir(self.folder().join("parts")).unwrap().map(|entry| entry.unwrap()) {
            fs::copy(part.path(), folder.join("parts").join(part.file_name())).unwrap();
        }
        if name != "manifest.json" {
            // Else nothing but the hash would be looked at.
            fs::remove_file(folder.join("manifest.json")).unwrap();
        }
        if name == "running.json" {
            // Finished results come first.
            fs::remove_file(folder.join("cells.csv")).unwrap();
        }
        fs::write(folder.join(name), bytes).unwrap();
        let [changed, original] = [folder, self.folder()].map(|path| path.to_str().unwrap().to_owned());
        for words in commands {
            let place = |word: &&'_ str| match *word {
                "CHANGED" => changed.clone(),
                "ORIGINAL" => original.clone(),
                word => word.to_owned(),
            };
            let words: Vec<String> = words.iter().map(place).collect();
            let _ = command(&words.iter().map(String::as_str).collect::<Vec<_>>());
        }
    }
}

fn all_files(folder: &str, ending: &str) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(here(folder)).unwrap().map(|entry| entry.unwrap().path());
    let wanted = entries.filter(|path| path.to_string_lossy().ends_with(ending));
    wanted.map(|path| fs::read(path).unwrap()).collect()
}

fn configs() -> Vec<Vec<u8>> {
    all_files("../../configs", ".toml")
}

fn grid(bytes: &[u8]) {
    if let Ok(config) = config::parse("configs/x.toml", &text(bytes)) {
        // Plans of absurd size are another matter.
        if config.grids.iter().map(|grid| grid.lr.len() * grid.optimizers.len()).sum::<usize>() < 10_000 {
            drop(Plan::new(&config));
        }
    }
}

fn map(bytes: &[u8]) {
    drop(config::map::parse("configs/x.toml", text(bytes)));
}

/// Configs, and single cases out of the suites.
fn cases() -> Vec<Vec<u8>> {
    let suites = all_files("tests/planted", ".toml").into_iter().map(|suite| text(&suite));
    let cases: Vec<Vec<u8>> = suites
        .flat_map(|suite| suite.split("[[case]]").map(|case| case.as_bytes().to_vec()).collect::<Vec<_>>())
        .collect();
    [configs(), cases].concat()
}

fn diagnosis(bytes: &[u8]) {
    drop(config::diagnose::parse_case("configs/x.toml", &text(bytes)));
}

fn formulas() -> Vec<Vec<u8>> {
    let texts = [
        "where(abs(d) < 0.5, d*d, abs(d))",
        "log1p(exp(-target*prediction)) + 1e-3 * prediction**2",
        "0.5*min(d**2, 4) - max(-d, 0) + a*sqrt(d**2 + 1) + tanh(d)",
        "where((d > 0 and not (d > 2)) or d <= -1 | target >= 1 & d == d, 3, -d/2)",
    ];
    texts.map(|text| text.as_bytes().to_vec()).into()
}

fn formula(bytes: &[u8]) {
    let loss = Loss::Formula(Formula::new(&text(bytes), [("a", 0.5)]));
    if let Err(message) = loss.check() {
        assert!(message.len() < 10_000 && message.lines().count() <= 3, "{message}");
        return;
    }
    let points = [0.0, -0.0, 0.5, -1.5, 1e30, -1e30, f32::INFINITY, f32::NAN];
    let prediction: Vec<[f32; LANES]> = points.iter().map(|x| [*x; LANES]).collect();
    let mut slope = prediction.clone();
    let mut value = [[0.0; LANES]; 1];
    let kernel = loss.kernel::<f32>().expect("a formula has a kernel");
    kernel.mean(points.len(), &prediction, &vec![[0.5; LANES]; points.len()], &mut slope, &mut value);
    let leaf = Tensor::from_slice(&points).set_requires_grad(true);
    assert_eq!(loss.tensor(&leaf, &Tensor::from(0.5)).size(), [8]);
}

fn part(bytes: &[u8]) {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join(format!("{}.part", SMALL.key));
    let folder = Folder::new(place.path());
    fs::write(&path, bytes).unwrap();
    let looked = Part::look(&folder, &SMALL.key);
    let part = Part::load(&folder, &SMALL.key);
    assert_eq!(looked, part.as_ref().map(|part| (part.counts, part.timing.clone())));
    if let Some(part) = part {
        // What is taken is what was written.
        fs::write(&path, &SMALL.part).unwrap();
        assert!(
            Some(part) == Part::load(&folder, &SMALL.key),
            "what comes of a changed part was never written"
        );
    }
}

fn cells(bytes: &[u8]) {
    SMALL.with(
        "cells.csv",
        bytes,
        &[
            &["table", "CHANGED", "--format", "markdown"],
            &["report", "CHANGED", "--no-figures"],
            &["compare", "CHANGED", "ORIGINAL", "--force"],
        ],
    );
}

/// The page of results in which one file is this.
fn reported(name: &str, bytes: &[u8]) {
    SMALL.with(name, bytes, &[&["report", "CHANGED", "--no-figures"]]);
}

fn table(bytes: &[u8]) {
    if let Ok(table) = Table::read_csv("table.csv", bytes) {
        drop(table.render(&RenderOptions { terminal: false, top: None }));
        drop(table.markdown(None));
    }
}

fn diagnosed() -> Vec<Vec<u8>> {
    let place = tempfile::tempdir().unwrap();
    let config = here("../../configs/diagnose-plateau.toml");
    let _ = command(&["diagnose", config.to_str().unwrap(), "--out", place.path().to_str().unwrap()]);
    vec![fs::read(place.path().join("diagnose-plateau/diagnosis.json")).unwrap()]
}

const ESTIMATES: &str = r#"{"mean":{"point_estimate":100.0,"standard_error":1.5},"slope":null}"#;

fn estimates(bytes: &[u8]) {
    let place = tempfile::tempdir().unwrap();
    let sides = [("a", ESTIMATES.as_bytes()), ("b", bytes)].map(|(side, estimates)| {
        let folder = place.path().join(side).join("steps/new");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("benchmark.json"), r#"{"full_id":"steps"}"#).unwrap();
        fs::write(folder.join("estimates.json"), estimates).unwrap();
        place.path().join(side)
    });
    let [a, b] = sides.each_ref().map(|path| path.to_str().unwrap());
    let _ = command(&["compare", "--bench", a, b]);
}

/// Four rows for the model `line.pt2`, in a format.
fn data(ending: &str) -> Vec<u8> {
    let x = Tensor::arange(40, (Kind::Float, Device::Cpu)).reshape([4, 10]).sin();
    let y = x.sum_dim_intlist([1_i64].as_slice(), false, Kind::Float);
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("data");
    match ending {
        "npz" => Tensor::write_npz(&[("x", x), ("y", y)], &path).unwrap(),
        "safetensors" => Tensor::write_safetensors(&[("x", x), ("y", y)], &path).unwrap(),
        _ => {
            let names = "a,b,c,d,e,f,g,h,i,j,y\n".to_owned();
            let rows = (0..4).map(|row| format!("{row},1,-2,3e1,0.5,6,7,8,9,10,{row}.5\n"));
            return names.into_bytes().into_iter().chain(rows.collect::<String>().into_bytes()).collect();
        }
    }
    fs::read(path).unwrap()
}

/// One array, which the reader of archives is given in an archive whose checksums are right.
fn array() -> Vec<u8> {
    let mut archive = zip::ZipArchive::new(Cursor::new(data("npz"))).unwrap();
    let mut bytes = Vec::new();
    archive.by_name("x.npy").unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

fn npz(bytes: &[u8]) {
    if !bytes.starts_with(b"\x93NUMPY") {
        return train_on("npz", bytes);
    }
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in [("x.npy", bytes), ("y.npy", bytes)] {
        let options = zip::write::FileOptions::default().compression_method(zip::CompressionMethod::Stored);
        writer.start_file(name, options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    train_on("npz", writer.finish().unwrap().get_ref());
}

/// A program, and its graph, which the reader is given in an archive whose checksums are right.
fn programs() -> Vec<Vec<u8>> {
    let bytes = fs::read(here("../problems/tests/models/objective.pt2")).unwrap();
    let mut archive = zip::ZipArchive::new(Cursor::new(&bytes)).unwrap();
    let mut graph = Vec::new();
    archive.by_name("archive/models/model.json").unwrap().read_to_end(&mut graph).unwrap();
    let mut graph: serde_json::Value = serde_json::from_slice(&graph).unwrap();
    for node in graph["graph_module"]["graph"]["nodes"].as_array_mut().unwrap() {
        node["metadata"] = serde_json::json!({});
    }
    vec![graph.to_string().into_bytes(), bytes]
}

fn program(bytes: &[u8]) {
    let mut whole = bytes.to_vec();
    if bytes.starts_with(b"{") {
        let good = fs::read(here("../problems/tests/models/objective.pt2")).unwrap();
        let mut archive = zip::ZipArchive::new(Cursor::new(&good)).unwrap();
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for at in 0..archive.len() {
            let mut entry = archive.by_index(at).unwrap();
            let mut own = Vec::new();
            entry.read_to_end(&mut own).unwrap();
            let options =
                zip::write::FileOptions::default().compression_method(zip::CompressionMethod::Stored);
            writer.start_file(entry.name(), options).unwrap();
            writer.write_all(if entry.name().ends_with("models/model.json") { bytes } else { &own }).unwrap();
        }
        whole = writer.finish().unwrap().into_inner();
    }
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| place.path().join(name);
    fs::write(path("bad.pt2"), &whole).unwrap();
    fs::copy(here("../problems/tests/models/diabetes.csv"), path("diabetes.csv")).unwrap();
    let text = "name = 'x'\nsteps = 1\nseeds = { tuning = [], reporting = [0] }\nlr = [0.1]\n[[grid]]\n\
                problems = [{ objective = { file = 'bad.pt2', data = 'diabetes.csv' } }]\noptimizers = ['sgd']\n";
    run_lanes(path("x.toml").to_str().unwrap(), text);
}

/// A step of training on data that somebody else made.
fn train_on(ending: &str, bytes: &[u8]) {
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| place.path().join(name);
    fs::copy(here("../problems/tests/models/line.pt2"), path("line.pt2")).unwrap();
    fs::write(path(&format!("data.{ending}")), bytes).unwrap();
    let text = format!(
        "name = 'x'\nsteps = 1\nseeds = {{ tuning = [], reporting = [5] }}\nlr = [0.1]\n[[grid]]\n\
         problems = [{{ model = {{ file = 'line.pt2', data = 'data.{ending}' }} }}]\n\
         losses = ['mse']\noptimizers = ['sgd']\n"
    );
    run_lanes(path("x.toml").to_str().unwrap(), &text);
}

/// Runs a config of good words, whose files may be bad.
fn run_lanes(file: &str, text: &str) {
    let config = config::parse(file, text).unwrap();
    let plan = Plan::new(&config).unwrap();
    for lane in plan.batches.iter().flat_map(engine::run) {
        assert!(lane.message.len() < 10_000, "{}", lane.message);
    }
}
