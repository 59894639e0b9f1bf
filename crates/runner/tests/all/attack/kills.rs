//! Commands that write files, killed at random moments: each file is whole or not there, and the next run gives the
//! bytes of an undisturbed one. Runs, shards, merges and reports are killed in `cli::resume`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Instant;

use crate::sandbox::{Sandbox, kills};

const GRID: &str = "name = 'x'\nsteps = 200\nlr = { from = 0.001, to = 1, count = 20 }\n\
    seeds = { tuning = 3, reporting = 5 }\n[[grid]]\nproblems = ['line_fit', { direct_fit = { dim = 8 } }]\n\
    losses = ['mse', 'l1', 'plateau']\noptimizers = ['sgd', 'adam', 'lion']\n";

const MAP: &str = "name = 'x'\nproblem = 'himmelblau'\noptimizer = 'adam'\nlr = 0.01\nsteps = 400\n\
    show = 'minimizer'\ncsv = true\n\
    x = { vary = 'start.x1', from = -5, to = 5, pixels = 256 }\n\
    y = { vary = 'start.x2', from = -5, to = 5, pixels = 256 }\n";

const CASE: &str = "name = 'x'\nloss = 'plateau'\nstart = -2\ntarget = 0\noptimizer = 'sgd'\nlr = 0.1\n";

/// The files of a folder that the program made whole.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap());
    let files = entries.filter(|entry| entry.file_type().unwrap().is_file());
    files
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .filter(|(name, _)| !name.starts_with('.'))
        .collect()
}

#[test]
fn every_command_that_writes_may_be_killed() {
    let calm = Sandbox::new();
    for (config, text) in [("grid", GRID), ("map", MAP), ("case", CASE)] {
        calm.config(config, text);
    }
    for command in ["map map.toml", "diagnose case.toml", "table results/x"] {
        let sandbox = Sandbox::new();
        for (config, text) in [("grid", GRID), ("map", MAP), ("case", CASE)] {
            sandbox.config(config, text);
        }
        let _ = fs::remove_dir_all(calm.results("x"));
        if command.starts_with("table") {
            for sandbox in [&calm, &sandbox] {
                sandbox.run("grid.toml").works();
            }
        }
        let given = files(&sandbox.results("x"));
        let begin = Instant::now();
        calm.run(command).works();
        let whole = begin.elapsed();
        let complete = files(&calm.results("x"));
        let timings = |name: &str| name == "timings.csv";
        for round in 0..kills(4, 12) {
            // What is there is written anew, or for the first time.
            if round % 2 == 0 {
                complete.keys().filter(|name| !given.contains_key(*name)).for_each(|name| {
                    let _ = fs::remove_file(sandbox.results("x").join(name));
                });
            }
            let signal = ["KILL", "TERM", "INT"][round as usize % 3];
            // Half of the kills fall into the end, where files are written.
            let fraction = f64::from(round).mul_add(0.618_033_988_75, 0.1).fract();
            let fraction = if round % 2 == 0 { fraction } else { 0.85 + 0.2 * fraction };
            let mut child =
                sandbox.command(command).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            sleep(whole.mul_f64(fraction));
            let _ = Command::new("kill")
                .args([&format!("-{signal}"), &child.id().to_string()])
                .stderr(Stdio::null())
                .status();
            child.wait().unwrap();
            for (name, bytes) in files(&sandbox.results("x")) {
                let right = complete.get(&name) == Some(&bytes) || given.get(&name) == Some(&bytes);
                assert!(right || timings(&name), "{command:?}: {name} is half-written");
            }
        }
        sandbox.run(command).works();
        let mut after = files(&sandbox.results("x"));
        let mut wanted = complete;
        for files in [&mut after, &mut wanted] {
            files.retain(|name, _| !timings(name));
        }
        assert!(after == wanted, "{command:?}: not what it is without kills");
    }
}
