//! A grid in shards comes to the same bytes as in one piece.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::{Duration, SystemTime};

use crate::place::{Place, result_files, text};

const GRID: &str = "name = 'g'\nsteps = 60\nlr = { from = 0.001, to = 1, per_decade = 2 }\n\
    seeds = { tuning = 2, reporting = 2 }\n[[grid]]\nproblems = ['direct_fit', 'line_fit']\n\
    losses = ['mse', 'l1', 'plateau']\noptimizers = ['sgd', 'adam', 'rmsprop']\n";

fn place(config: &str) -> Place {
    let place = Place::new();
    place.config("g", config);
    place
}

/// What one process writes.
fn whole(config: &str) -> Vec<(&'static str, Vec<u8>)> {
    let place = place(config);
    ok(&place.run(&["g.toml"]));
    result_files(&place.results("g"))
}

fn ok(output: &Output) {
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}

fn shard(place: &Place, index: usize, count: usize) {
    ok(&place.run(&["run", "g.toml", "--shard", &format!("{index}/{count}")]));
}

/// A merge that must refuse; what it says, in one line.
fn refused(place: &Place, shards: &str) -> String {
    let output = place.run(&["merge", "g.toml", "--shards", shards]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
    assert!(output.stdout.is_empty());
    assert!(!place.results("g").join("cells.csv").exists());
    text(&output.stderr).split_whitespace().filter(|word| *word != "│").collect::<Vec<_>>().join(" ")
}

fn parts(place: &Place) -> Vec<PathBuf> {
    let files = fs::read_dir(place.results("g").join("parts")).unwrap();
    let mut paths: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    paths
}

#[test]
fn shards_merge_to_the_bytes_of_one_process() {
    let place = place(GRID);
    let said = refused(&place, "5");
    assert!(said.contains("18 of 18 parts are missing or damaged"), "{said}");
    assert!(said.contains("--array=0-4"), "{said}");
    for index in [4, 0, 2] {
        shard(&place, index, 5);
    }
    let said = refused(&place, "5");
    assert!(said.contains("7 of 18 parts") && said.contains("--array=1,3"), "{said}");
    let output = place.run(&["status", "g.toml", "--shards", "5", "--json"]);
    ok(&output);
    let status: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        status,
        serde_json::json!({
            "parts": 18, "done": 11, "cells": 11 * 28, "failed": 0, "missing": "1,3", "merged": false,
            "damaged": [], "cpus": {}
        })
    );
    shard(&place, 1, 5);
    shard(&place, 3, 5);

    // A part of zero bytes, one cut short, one with a flipped bit, one that is another's.
    let all = parts(&place);
    let before: Vec<Vec<u8>> = all.iter().map(|path| fs::read(path).unwrap()).collect();
    fs::write(&all[0], "").unwrap();
    fs::write(&all[6], &before[6][..before[6].len() / 2]).unwrap();
    let mut flipped = before[12].clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    fs::write(&all[12], flipped).unwrap();
    fs::write(&all[17], &before[16]).unwrap();
    // The files are in the order of their keys, so that their shards are known.
    let said = refused(&place, "5");
    assert!(said.contains("4 of 18 parts") && said.contains("--array=0-2"), "{said}");
    for index in [0, 1, 2] {
        shard(&place, index, 5);
    }
    let output = place.run(&["merge", "g.toml"]);
    ok(&output);
    assert!(text(&output.stdout).contains("plateau"), "{}", text(&output.stdout));
    assert_eq!(result_files(&place.results("g")), whole(GRID));
    let output = place.run(&["status", "g.toml"]);
    assert_eq!(
        text(&output.stdout),
        "g: 18 of 18 parts are there, with 504 of 504 cells; the result files are there\n"
    );
}

#[test]
fn result_files_of_an_earlier_config_are_not_taken_for_these() {
    let place = place(GRID);
    ok(&place.run(&["g.toml"]));
    let status = || text(&place.run(&["status", "g.toml"]).stdout);
    assert!(status().ends_with("; the result files are there\n"), "{}", status());
    // A comment makes no other parts, but it is in the manifest.
    place.config("g", &format!("{GRID}# again\n"));
    assert!(
        status().contains("18 of 18 parts") && status().ends_with("; `runner merge` puts them together\n")
    );
    ok(&place.run(&["merge", "g.toml"]));
    assert!(status().ends_with("; the result files are there\n"), "{}", status());
}

#[test]
fn grids_that_extend_themselves_go_on_when_all_shards_are_there() {
    let config = "name = 'g'\nsteps = 40\nextend = true\nlr = [1e-4, 1e-3]\nseeds = { tuning = 1, reporting = 1 }\n\
        [[grid]]\nproblems = ['direct_fit']\nlosses = ['mse', 'l1']\noptimizers = ['sgd', 'adam', 'rmsprop']\n";
    let place = place(config);
    let mut rounds = 0;
    loop {
        rounds += 1;
        for index in 0..3 {
            shard(&place, index, 3);
        }
        if place.run(&["merge", "g.toml", "--shards", "3"]).status.success() {
            break;
        }
        assert!(rounds < 5, "it doesn't come to an end");
    }
    assert!(rounds > 1, "nothing was extended");
    assert_eq!(result_files(&place.results("g")), whole(config));
}

#[test]
fn the_same_shard_twice_at_once_and_a_whole_run_beside_it_do_no_harm() {
    let place = place(&GRID.replace("steps = 60", "steps = 3000"));
    let start = |arguments: &[&str]| {
        let mut command: Command = place.command(arguments);
        command.stderr(std::process::Stdio::piped()).stdout(std::process::Stdio::null()).spawn().unwrap()
    };
    let running = [
        start(&["run", "g.toml", "--shard", "0/2", "--jobs", "1"]),
        start(&["run", "g.toml", "--shard", "0/2", "--jobs", "1"]),
        start(&["g.toml", "--jobs", "1"]),
    ];
    for child in running {
        ok(&child.wait_with_output().unwrap());
    }
    assert_eq!(result_files(&place.results("g")), whole(&GRID.replace("steps = 60", "steps = 3000")));
}

#[test]
fn what_another_run_is_writing_is_left_alone_for_an_hour() {
    let place = place(GRID);
    ok(&place.run(&["g.toml"]));
    let [young, old, ahead] = ["young", "old", "ahead"]
        .map(|name| place.results("g").join("parts").join(format!(".writing-{name}")));
    let now = SystemTime::now();
    for (path, time) in [
        (&young, now - Duration::from_secs(60)),
        (&old, now - Duration::from_secs(7200)),
        // As after a clock was set back.
        (&ahead, now + Duration::from_secs(7200)),
    ] {
        fs::write(path, "half").unwrap();
        File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
    }
    ok(&place.run(&["g.toml"]));
    assert!(young.exists() && ahead.exists() && !old.exists());
}

#[test]
fn scripts_for_slurm_are_sound() {
    let place = Place::new();
    fs::create_dir(place.path().join("it's here")).unwrap();
    fs::write(place.path().join("it's here/g.toml"), GRID).unwrap();
    let output = place.run(&[
        "slurm",
        "it's here/g.toml",
        "--shards",
        "8",
        "--partition",
        "short",
        "--time",
        "2:00:00",
        "--cpus",
        "4",
        "--extra=--mem=4G",
    ]);
    ok(&output);
    let scripts = text(&output.stdout);
    let checked = Command::new("bash").args(["-n", "-c", &scripts]).output().unwrap();
    assert!(checked.status.success(), "{}", text(&checked.stderr));
    let program = env!("CARGO_BIN_EXE_runner");
    let here = fs::canonicalize(place.path()).unwrap();
    let shown = scripts.replace(program, "RUNNER").replace(here.to_str().unwrap(), "HERE");
    insta::assert_snapshot!(shown);
    for (wrong, code) in [("--extra=mem", 2), ("--extra=--mem=1G\nrm -r /", 2)] {
        let output = place.run(&["slurm", "it's here/g.toml", "--shards", "8", wrong]);
        assert_eq!(output.status.code(), Some(code), "{}", text(&output.stderr));
    }
    for wrong in [["--shards", "0"], ["--shards", "many"]] {
        assert_eq!(place.run(&[&["slurm", "it's here/g.toml"], &wrong[..]].concat()).status.code(), Some(2));
    }
    let output = place.run(&["run", "it's here/g.toml", "--shard", "8/8"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("a shard is I/N"), "{}", text(&output.stderr));
}

/// Starts a run of a second or so, and waits until it has made a part.
fn started(place: &Place) -> std::process::Child {
    let mut child = place
        .command(&["g.toml", "--jobs", "1"])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let parts = place.results("g").join("parts");
    let made = || {
        fs::read_dir(&parts)
            .into_iter()
            .flatten()
            .any(|file| file.unwrap().path().extension().is_some_and(|ending| ending == "part"))
    };
    for _ in 0..6000 {
        if made() {
            return child;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let _ = child.kill();
    let _ = child.wait();
    panic!("no part was made in a minute");
}

#[test]
fn a_folder_that_is_removed_under_a_run_is_said_and_the_next_run_makes_all_anew() {
    let config = GRID.replace("steps = 60", "steps = 20000");
    let place = place(&config);
    let child = started(&place);
    // A part that is named just then keeps the folder for a moment.
    while place.results("g").exists() {
        let _ = fs::remove_dir_all(place.results("g"));
    }
    let output = child.wait_with_output().unwrap();
    let said = text(&output.stderr).split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("can't write") && said.contains("run the same command to go on"), "{said}");
    ok(&place.run(&["g.toml"]));
    assert_eq!(result_files(&place.results("g")), whole(&config));
}
