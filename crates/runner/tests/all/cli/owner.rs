//! One name, two configs: the same file, edited, replaces its results; another one doesn't unless it is asked to.

use std::fs;

use crate::place::{Place, result_files, text};

const GRID: &str = "name = 'x'\nsteps = 30\nlr = [0.01, 0.1]\nseeds = { tuning = 1, reporting = 2 }\n\
    [[grid]]\nproblems = ['line_fit']\nlosses = ['mse', 'l1']\noptimizers = ['sgd']\n";
const MAP: &str = "name = 'x'\nproblem = 'himmelblau'\noptimizer = 'sgd'\nlr = 0.01\nsteps = 5\n\
    x = { vary = 'start.x1', from = -1, to = 1, pixels = 4 }\n\
    y = { vary = 'start.x2', from = -1, to = 1, pixels = 4 }\n";
const DIAGNOSIS: &str = "name = 'x'\nloss = 'plateau'\nsteps = 20\n";

/// Runs the program; what it says, in one line. It must end with this code.
fn said(place: &Place, arguments: &[&str], code: i32) -> String {
    let output = place.run(arguments);
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {message}");
    assert!(!message.contains("panicked"), "{message}");
    message.split_whitespace().filter(|word| *word != "│").collect::<Vec<_>>().join(" ")
}

fn files(place: &Place) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(place.results("x")).unwrap().map(|entry| entry.unwrap());
    let mut files: Vec<_> = entries
        .filter(|entry| {
            entry.file_type().unwrap().is_file()
                && ![".lock", "timings.csv"].map(Into::into).contains(&entry.file_name())
        })
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect();
    files.sort();
    files
}

fn edited() -> String {
    GRID.replace("'l1'", "'huber'")
}

#[test]
fn an_edited_config_goes_on_and_says_what_it_replaces() {
    let place = Place::new();
    place.config("x", GRID);
    assert!(!said(&place, &["x.toml"], 0).contains("note"));
    assert!(!said(&place, &["x.toml"], 0).contains("note"), "the same text");
    place.config("x", &edited());
    let message = said(&place, &["x.toml"], 0);
    let wanted = "note: x.toml has changed since results/x was written: its 12 runs are replaced, 1 of 2 parts are kept";
    assert!(message.contains(wanted), "{message}");
    place.config("x", GRID);
    let message = said(&place, &["x.toml", "--fresh"], 0);
    assert!(message.contains("its 12 runs are replaced, 0 of 2 parts are kept"), "{message}");
    // An older manifest doesn't tell the file.
    let manifest = place.results("x").join("manifest.json");
    let old = fs::read_to_string(&manifest).unwrap().replace("\"source\": \"../../x.toml\",", "");
    fs::write(&manifest, old).unwrap();
    assert!(!said(&place, &["x.toml"], 0).contains("note"));
    let old = fs::read_to_string(&manifest).unwrap().replace("\"source\": \"../../x.toml\",", "");
    fs::write(&manifest, old).unwrap();
    place.config("other", &edited());
    let message = said(&place, &["other.toml"], 0);
    assert!(
        message.contains("note: results/x was written from another config: its 12 runs are"),
        "{message}"
    );
}

#[test]
fn another_config_of_the_same_name_stops() {
    let place = Place::new();
    fs::create_dir(place.path().join("configs")).unwrap();
    place.config("configs/x", GRID);
    place.config("other", &edited());
    said(&place, &["configs/x.toml"], 0);
    place.config("map", MAP);
    place.config("diagnosis", DIAGNOSIS);
    let before = files(&place);
    for other in [
        &["other.toml"][..],
        &["run", "other.toml", "--shard", "0/2"],
        &["merge", "other.toml"],
        &["map", "map.toml"],
        &["diagnose", "diagnosis.toml"],
        &["diagnose", "--loss", "mse", "--name", "x"],
    ] {
        let message = said(&place, other, 2);
        assert!(
            message.contains("results/x holds results of another config, configs/x.toml"),
            "{other:?}: {message}"
        );
        assert!(message.contains("--fresh would delete what is there: 12 runs and 2 parts"), "{message}");
        assert!(files(&place) == before, "{other:?}");
    }
    // The same text is the same config, wherever it lies.
    place.config("copy", GRID);
    assert!(!said(&place, &["copy.toml"], 0).contains("note"));
    let message = said(&place, &["other.toml", "--fresh"], 0);
    assert!(
        message.contains("note: results of copy.toml in results/x are deleted: 12 runs and 2 parts"),
        "{message}"
    );
    let calm = Place::new();
    calm.config("other", &edited());
    said(&calm, &["other.toml"], 0);
    assert_eq!(result_files(&place.results("x")), result_files(&calm.results("x")));
}

#[test]
fn grids_maps_and_diagnoses_do_not_replace_each_other() {
    let place = Place::new();
    let all = [
        ("grid", GRID, &["run", "grid.toml"]),
        ("map", MAP, &["map", "map.toml"]),
        ("diagnosis", DIAGNOSIS, &["diagnose", "diagnosis.toml"]),
    ];
    let mut alone = Vec::new();
    for (name, config, command) in all {
        place.config(name, config);
        said(&place, command, 0);
        alone.push(files(&place));
        fs::remove_dir_all(place.results("x")).unwrap();
    }
    for (before, (name, _, first)) in alone.iter().zip(all) {
        for (after, (_, _, second)) in alone.iter().zip(all).filter(|(_, (other, ..))| *other != name) {
            said(&place, first, 0);
            let message = said(&place, second, 2);
            assert!(message.contains(&format!("another config, {name}.toml")), "{message}");
            assert!(files(&place) == *before);
            said(&place, &[&second[..], &["--fresh"]].concat(), 0);
            let names =
                |files: &[(String, Vec<u8>)]| files.iter().map(|file| file.0.clone()).collect::<Vec<_>>();
            assert_eq!(names(&files(&place)), names(after), "{first:?}, then {second:?}");
            fs::remove_dir_all(place.results("x")).unwrap();
        }
    }
    // Edited, they go on.
    for ((name, config, command), what) in all[1..].iter().zip(["map", "diagnosis"]) {
        said(&place, *command, 0);
        place.config(name, &format!("{config}# edited\n"));
        let message = said(&place, *command, 0);
        let wanted =
            format!("note: {name}.toml has changed since results/x was written: its {what} is replaced");
        assert!(message.contains(&wanted), "{message}");
        fs::remove_dir_all(place.results("x")).unwrap();
    }
}

#[test]
fn a_run_that_is_unfinished_has_an_owner_too() {
    let place = Place::new();
    place.config("x", GRID);
    place.config("other", &edited());
    said(&place, &["run", "x.toml", "--shard", "0/2"], 0);
    let message = said(&place, &["other.toml"], 2);
    assert!(message.contains("another config, x.toml") && message.contains("0 runs and "), "{message}");
    // A merge of the same text from elsewhere, as on a cluster.
    said(&place, &["run", "x.toml", "--shard", "1/2"], 0);
    fs::create_dir(place.path().join("copy")).unwrap();
    fs::rename(place.path().join("x.toml"), place.path().join("copy/y.toml")).unwrap();
    assert!(!said(&place, &["merge", "copy/y.toml"], 0).contains("note"));
    // And of one that was edited meanwhile, whose parts are all there.
    place.config("copy/y", &format!("{GRID}# edited\n"));
    let message = said(&place, &["merge", "copy/y.toml"], 0);
    assert!(
        message.contains("note: copy/y.toml has changed") && message.contains("2 of 2 parts are kept"),
        "{message}"
    );
}
