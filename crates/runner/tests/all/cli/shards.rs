//! A grid in shards gives the same bytes as in one piece.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::{Duration, SystemTime};

use crate::limit::in_a_line;
use crate::sandbox::{Ran, Sandbox, result_files, text};

const GRID: &str = "name = 'g'\nsteps = 60\nlr = { from = 0.001, to = 1, per_decade = 2 }\n\
    seeds = { tuning = 2, reporting = 2 }\n[[grid]]\nproblems = ['direct_fit', 'line_fit']\n\
    losses = ['mse', 'l1', 'plateau']\noptimizers = ['sgd', 'adam', 'rmsprop']\n";

fn sandbox(config: &str) -> Sandbox {
    Sandbox::with("g", config)
}

/// What one process writes.
fn whole(config: &str) -> Vec<(&'static str, Vec<u8>)> {
    let sandbox = sandbox(config);
    sandbox.run("g.toml").works();
    result_files(&sandbox.results("g"))
}

fn shard(sandbox: &Sandbox, index: usize, count: usize) {
    sandbox.run(&format!("run g.toml --shard {index}/{count}")).works();
}

/// A merge of five shards that must refuse.
fn refused(sandbox: &Sandbox) -> Ran {
    let ran = sandbox.run("merge g.toml --shards 5").fails(1).prints_nothing();
    assert!(!sandbox.results("g").join("cells.csv").exists());
    ran
}

fn parts(sandbox: &Sandbox) -> Vec<PathBuf> {
    let files = fs::read_dir(sandbox.results("g").join("parts")).unwrap();
    let mut paths: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    paths
}

#[test]
fn shards_merge_to_the_bytes_of_one_process() {
    let sandbox = sandbox(GRID);
    refused(&sandbox).says("18 of 18 parts are missing or damaged").says("--array=0-4");
    for index in [4, 0, 2] {
        shard(&sandbox, index, 5);
    }
    refused(&sandbox).says("7 of 18 parts").says("--array=1,3");
    assert_eq!(
        sandbox.run("status g.toml --shards 5 --format json").works().json(),
        serde_json::json!({
            "parts": 18, "done": 11, "cells": 11 * 28, "failed": 0, "missing": "1,3", "merged": false,
            "damaged": [], "cpus": {}
        })
    );
    shard(&sandbox, 1, 5);
    shard(&sandbox, 3, 5);

    // A part of zero bytes, one cut short, one with a flipped bit, one that is another's.
    let all = parts(&sandbox);
    let before: Vec<Vec<u8>> = all.iter().map(|path| fs::read(path).unwrap()).collect();
    fs::write(&all[0], "").unwrap();
    fs::write(&all[6], &before[6][..before[6].len() / 2]).unwrap();
    let mut flipped = before[12].clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    fs::write(&all[12], flipped).unwrap();
    fs::write(&all[17], &before[16]).unwrap();
    // The files are in the order of their keys, so that their shards are known.
    refused(&sandbox).says("4 of 18 parts").says("--array=0-2");
    for index in [0, 1, 2] {
        shard(&sandbox, index, 5);
    }
    sandbox.run("merge g.toml").works().prints("plateau");
    assert_eq!(result_files(&sandbox.results("g")), whole(GRID));
    assert_eq!(
        sandbox.run("status g.toml").works().stdout,
        "g: 18 of 18 parts are there, with 504 of 504 cells; the result files are there\n"
    );
}

#[test]
fn result_files_of_an_earlier_config_are_not_taken_for_these() {
    let sandbox = sandbox(GRID);
    sandbox.run("g.toml").works();
    sandbox.run("status g.toml").works().prints("; the result files are there\n");
    // A comment makes no other parts, but it is in the manifest.
    sandbox.config("g", &format!("{GRID}# again\n"));
    sandbox
        .run("status g.toml")
        .works()
        .prints("18 of 18 parts")
        .prints("; `optbench merge` puts them together\n");
    sandbox.run("merge g.toml").works();
    sandbox.run("status g.toml").works().prints("; the result files are there\n");
}

#[test]
fn grids_that_extend_themselves_go_on_when_all_shards_are_there() {
    let config = "name = 'g'\nsteps = 40\nextend = true\nlr = [1e-4, 1e-3]\nseeds = { tuning = 1, reporting = 1 }\n\
        [[grid]]\nproblems = ['direct_fit']\nlosses = ['mse', 'l1']\noptimizers = ['sgd', 'adam', 'rmsprop']\n";
    let sandbox = sandbox(config);
    let mut rounds = 0;
    loop {
        rounds += 1;
        for index in 0..3 {
            shard(&sandbox, index, 3);
        }
        if sandbox.run("merge g.toml --shards 3").code == 0 {
            break;
        }
        assert!(rounds < 5, "it doesn't end");
    }
    assert!(rounds > 1, "nothing was extended");
    assert_eq!(result_files(&sandbox.results("g")), whole(config));
}

#[test]
fn the_same_shard_twice_at_once_and_a_whole_run_beside_it_do_no_harm() {
    let sandbox = sandbox(&GRID.replace("steps = 60", "steps = 3000"));
    thread::scope(|scope| {
        for line in ["run g.toml --shard 0/2 --jobs 1", "run g.toml --shard 0/2 --jobs 1", "g.toml --jobs 1"]
        {
            let sandbox = &sandbox;
            scope.spawn(move || sandbox.run(line).works());
        }
    });
    assert_eq!(result_files(&sandbox.results("g")), whole(&GRID.replace("steps = 60", "steps = 3000")));
}

#[test]
fn what_another_run_is_writing_is_left_alone_for_an_hour() {
    let sandbox = sandbox(GRID);
    sandbox.run("g.toml").works();
    let [young, old, ahead] = ["young", "old", "ahead"]
        .map(|name| sandbox.results("g").join("parts").join(format!(".writing-{name}")));
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
    sandbox.run("g.toml").works();
    assert!(young.exists() && ahead.exists() && !old.exists());
}

#[test]
fn scripts_for_slurm_are_sound() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path().join("it's here")).unwrap();
    fs::write(sandbox.path().join("it's here/g.toml"), GRID).unwrap();
    let scripts = sandbox
        .run_anew(
            "slurm \"it's here/g.toml\" --shards 8 --partition short --time 2:00:00 --cpus 4 --extra=--mem=4G",
            // They name the program that wrote them.
            |command| command,
        )
        .works()
        .stdout;
    let checked = Command::new("bash").args(["-n", "-c", &scripts]).output().unwrap();
    assert!(checked.status.success(), "{}", text(&checked.stderr));
    let here = fs::canonicalize(sandbox.path()).unwrap();
    let shown = scripts.replace(env!("CARGO_BIN_EXE_optbench"), "OPTBENCH");
    insta::assert_snapshot!(shown.replace(here.to_str().unwrap(), "HERE"));
    for wrong in [
        "--shards 8 --extra=mem",
        "--shards 8 --extra='--mem=1G\nrm -r /'",
        "--shards 0",
        "--shards many",
        "",
    ] {
        sandbox.run(&format!("slurm \"it's here/g.toml\" {wrong}")).fails(2).prints_nothing();
    }
    sandbox.run("run \"it's here/g.toml\" --shard 8/8").fails(2).says("a shard is I/N");
}

/// Starts a run of a second or so, and waits until it has made a part.
fn started(sandbox: &Sandbox) -> std::process::Child {
    let mut child = sandbox
        .command("g.toml --jobs 1")
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let parts = sandbox.results("g").join("parts");
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
        thread::sleep(Duration::from_millis(10));
    }
    let _ = child.kill();
    let _ = child.wait();
    panic!("no part was made in a minute");
}

#[test]
fn a_folder_that_is_removed_under_a_run_is_said_and_the_next_run_makes_all_anew() {
    let config = GRID.replace("steps = 60", "steps = 20000");
    let sandbox = sandbox(&config);
    let child = started(&sandbox);
    // A part that is named just then keeps the folder for a moment.
    while sandbox.results("g").exists() {
        let _ = fs::remove_dir_all(sandbox.results("g"));
    }
    let output = child.wait_with_output().unwrap();
    let said = in_a_line(&text(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("can't write") && said.contains("run the same command to go on"), "{said}");
    sandbox.run("g.toml").works();
    assert_eq!(result_files(&sandbox.results("g")), whole(&config));
}
