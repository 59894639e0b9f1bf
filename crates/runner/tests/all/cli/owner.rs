//! One name, two configs: the same file, edited, replaces its results; another one doesn't unless it is asked to.

use std::fs;

use crate::sandbox::{Sandbox, result_files};

const GRID: &str = "name = 'x'\nsteps = 30\nlr = [0.01, 0.1]\nseeds = { tuning = 1, reporting = 2 }\n\
    [[grid]]\nproblems = ['line_fit']\nlosses = ['mse', 'l1']\noptimizers = ['sgd']\n";
const MAP: &str = "name = 'x'\nproblem = 'himmelblau'\noptimizer = 'sgd'\nlr = 0.01\nsteps = 5\n\
    x = { vary = 'start.x1', from = -1, to = 1, pixels = 4 }\n\
    y = { vary = 'start.x2', from = -1, to = 1, pixels = 4 }\n";
const DIAGNOSIS: &str = "name = 'x'\nloss = 'plateau'\nsteps = 20\n";

fn files(sandbox: &Sandbox) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(sandbox.results("x")).unwrap().map(|entry| entry.unwrap());
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
    let sandbox = Sandbox::with("x", GRID);
    sandbox.run("x.toml").works().never_says("note");
    // The same text.
    sandbox.run("x.toml").works().never_says("note");
    sandbox.config("x", &edited());
    sandbox.run("x.toml").works().says(
        "note: x.toml has changed since results/x was written: its 12 runs are replaced, 1 of 2 parts are kept",
    );
    sandbox.config("x", GRID);
    sandbox.run("x.toml --fresh").works().says("its 12 runs are replaced, 0 of 2 parts are kept");
    // An older manifest doesn't tell the file.
    let manifest = sandbox.results("x").join("manifest.json");
    let old = fs::read_to_string(&manifest).unwrap().replace("\"source\": \"../../x.toml\",", "");
    fs::write(&manifest, old).unwrap();
    sandbox.run("x.toml").works().never_says("note");
    let old = fs::read_to_string(&manifest).unwrap().replace("\"source\": \"../../x.toml\",", "");
    fs::write(&manifest, old).unwrap();
    sandbox.config("other", &edited());
    sandbox
        .run("other.toml")
        .works()
        .says("note: results/x was written from another config: its 12 runs are");
}

#[test]
fn another_config_of_the_same_name_stops() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path().join("configs")).unwrap();
    sandbox.config("configs/x", GRID);
    sandbox.config("other", &edited());
    sandbox.run("configs/x.toml").works();
    sandbox.config("map", MAP);
    sandbox.config("diagnosis", DIAGNOSIS);
    let before = files(&sandbox);
    for other in [
        "other.toml",
        "run other.toml --shard 0/2",
        "merge other.toml",
        "map map.toml",
        "diagnose diagnosis.toml",
        "diagnose --loss mse --name x",
    ] {
        sandbox
            .run(other)
            .fails(2)
            .says("results/x holds results of another config, configs/x.toml")
            .says("--fresh would delete what is there: 12 runs and 2 parts");
        assert!(files(&sandbox) == before, "{other:?}");
    }
    // The same text is the same config, wherever it lies.
    sandbox.config("copy", GRID);
    sandbox.run("copy.toml").works().never_says("note");
    sandbox
        .run("other.toml --fresh")
        .works()
        .says("note: results of copy.toml in results/x are deleted: 12 runs and 2 parts");
    let calm = Sandbox::with("other", &edited());
    calm.run("other.toml").works();
    assert_eq!(result_files(&sandbox.results("x")), result_files(&calm.results("x")));
}

#[test]
fn grids_maps_and_diagnoses_do_not_replace_each_other() {
    let sandbox = Sandbox::new();
    let all = [
        ("grid", GRID, "run grid.toml"),
        ("map", MAP, "map map.toml"),
        ("diagnosis", DIAGNOSIS, "diagnose diagnosis.toml"),
    ];
    let mut alone = Vec::new();
    for (name, config, command) in all {
        sandbox.config(name, config);
        sandbox.run(command).works();
        alone.push(files(&sandbox));
        fs::remove_dir_all(sandbox.results("x")).unwrap();
    }
    for (before, (name, _, first)) in alone.iter().zip(all) {
        for (after, (_, _, second)) in alone.iter().zip(all).filter(|(_, (other, ..))| *other != name) {
            sandbox.run(first).works();
            sandbox.run(second).fails(2).says(&format!("another config, {name}.toml"));
            assert!(files(&sandbox) == *before);
            sandbox.run(&format!("{second} --fresh")).works();
            let names =
                |files: &[(String, Vec<u8>)]| files.iter().map(|file| file.0.clone()).collect::<Vec<_>>();
            assert_eq!(names(&files(&sandbox)), names(after), "{first:?}, then {second:?}");
            fs::remove_dir_all(sandbox.results("x")).unwrap();
        }
    }
    // Edited, they go on.
    for ((name, config, command), what) in all[1..].iter().zip(["map", "diagnosis"]) {
        sandbox.run(*command).works();
        sandbox.config(name, &format!("{config}# edited\n"));
        sandbox.run(*command).works().says(&format!(
            "note: {name}.toml has changed since results/x was written: its {what} is replaced"
        ));
        fs::remove_dir_all(sandbox.results("x")).unwrap();
    }
}

#[test]
fn a_run_that_is_unfinished_has_an_owner_too() {
    let sandbox = Sandbox::with("x", GRID);
    sandbox.config("other", &edited());
    sandbox.run("run x.toml --shard 0/2").works();
    sandbox.run("other.toml").fails(2).says("another config, x.toml").says("0 runs and ");
    // A merge of the same text from elsewhere, as on a cluster.
    sandbox.run("run x.toml --shard 1/2").works();
    fs::create_dir(sandbox.path().join("copy")).unwrap();
    fs::rename(sandbox.path().join("x.toml"), sandbox.path().join("copy/y.toml")).unwrap();
    sandbox.run("merge copy/y.toml").works().never_says("note");
    // And of one that was edited meanwhile, whose parts are all there.
    sandbox.config("copy/y", &format!("{GRID}# edited\n"));
    sandbox
        .run("merge copy/y.toml")
        .works()
        .says("note: copy/y.toml has changed")
        .says("2 of 2 parts are kept");
}
