//! A results folder is somebody else's: nothing in it is run or followed, and nothing but what this program made is
//! removed.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

use crate::sandbox::{Sandbox, result_files};

const GRID: &str = "name = 'x'\nsteps = 30\nlr = [0.01, 0.1]\nseeds = { tuning = 1, reporting = 2 }\n\
    [[grid]]\nproblems = ['line_fit']\nlosses = ['mse', 'l1']\noptimizers = ['sgd', 'adam']\n";

const MAP: &str = "name = 'm'\nproblem = 'himmelblau'\noptimizer = 'sgd'\nlr = 0.01\nsteps = 5\n\
    x = { vary = 'start.x1', from = -1, to = 1, pixels = 8 }\n\
    y = { vary = 'start.x2', from = -1, to = 1, pixels = 8 }\n";

/// A grid that has run.
fn ran() -> Sandbox {
    let sandbox = Sandbox::with("x", GRID);
    sandbox.run("x.toml").works();
    sandbox
}

fn pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

fn parts(sandbox: &Sandbox) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(sandbox.results("x").join("parts"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths
}

/// Changes one field of a JSON file.
fn change(path: &Path, field: &str, value: serde_json::Value) {
    let mut json: serde_json::Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    json[field] = value;
    fs::write(path, json.to_string()).unwrap();
}

#[test]
fn a_config_in_a_results_folder_opens_no_file_and_trains_nothing() {
    let sandbox = ran();
    let module = sandbox.path().join("module.pt2");
    // Whoever opens it waits for ever.
    pipe(&module);
    let module = module.display();
    let hostile = [
        format!("losses = [{{ program = {{ file = '{module}' }} }}]\noptimizers = ['sgd']\n"),
        format!("losses = ['mse']\noptimizers = ['sgd']\n[[grid]]\nproblems = [{{ model = {{ file = '{module}', data = '{module}.npz' }} }}]\nlosses = ['mse']\noptimizers = ['sgd']\n"),
        "losses = ['mse']\noptimizers = ['sgd']\nseeds = { tuning = 1000000, reporting = 1000000 }\n".into(),
        "losses = ['mse']\noptimizers = ['sgd']\nrecord = { every = 1 }\nsteps = 1000000000\n".into(),
        "losses = ['mse']\noptimizers = ['sgd']\nrecord = { log = 9223372036854775807 }\n".into(),
        "losses = ['mse']\noptimizers = ['sgd']\n[[grid]]\nproblems = ['beale']\noptimizers = ['lbfgs']\nsteps = 1000000000\n".into(),
        "losses = ['mse']\noptimizers = ['sgd']\n[[grid]]\nproblems = [{ rosenbrock = { dim = 4000000000 } }]\noptimizers = ['sgd']\n".into(),
    ];
    let manifest = sandbox.results("x").join("manifest.json");
    for config in hostile {
        let config = format!("name = 'x'\n[[grid]]\nproblems = ['line_fit']\n{config}");
        change(&manifest, "config", config.clone().into());
        for command in ["report results/x", "table results/x", "status x.toml"] {
            sandbox.run(command).works();
        }
        let page = fs::read_to_string(sandbox.results("x").join("report.html")).unwrap();
        assert!(page.contains("line_fit"), "{config}");
    }
}

#[test]
fn a_linked_folder_of_figures_is_not_followed() {
    let sandbox = ran();
    let theirs = sandbox.path().join("pictures");
    fs::create_dir(&theirs).unwrap();
    for name in ["holiday.png", "drawing.svg"] {
        fs::write(theirs.join(name), "theirs").unwrap();
    }
    symlink(&theirs, sandbox.results("x").join("report")).unwrap();
    sandbox.run("report results/x").fails(1).says("results/x/report").says("a link isn't followed");
    assert_eq!(fs::read_dir(&theirs).unwrap().count(), 2);

    // In a folder of its own, pictures of the user's stay.
    fs::remove_file(sandbox.results("x").join("report")).unwrap();
    fs::rename(&theirs, sandbox.results("x").join("report")).unwrap();
    for _ in 0..2 {
        sandbox.run("report results/x").works();
    }
    for name in ["holiday.png", "drawing.svg"] {
        assert_eq!(fs::read(sandbox.results("x").join("report").join(name)).unwrap(), b"theirs");
    }
}

#[test]
fn linked_names_are_replaced_and_not_written_through() {
    let sandbox = Sandbox::with("m", MAP);
    let theirs = sandbox.path().join("theirs");
    fs::write(&theirs, "theirs").unwrap();
    for (folder, names) in [
        (
            "m",
            &["map.png", ".writing-map.png", "steps_to_target.npy", "final_error.npy", "manifest.json"][..],
        ),
        ("diagnosis", &["profile.svg", "profile.png", "descent-dark.svg", "diagnosis.json", "profile.csv"]),
    ] {
        fs::create_dir_all(sandbox.results(folder)).unwrap();
        for name in names {
            symlink(&theirs, sandbox.results(folder).join(name)).unwrap();
        }
    }
    sandbox.run("map m.toml").works();
    sandbox.run("diagnose --loss plateau --start -2 --target 0").works();
    assert_eq!(fs::read(&theirs).unwrap(), b"theirs");
    for (folder, name) in [("m", "map.png"), ("diagnosis", "profile.svg")] {
        let metadata = fs::symlink_metadata(sandbox.results(folder).join(name)).unwrap();
        assert!(metadata.is_file() && metadata.len() > 6, "{name}");
    }
}

#[test]
fn linked_parts_of_another_grid_are_left_alone() {
    let sandbox = ran();
    let before: Vec<Vec<u8>> = parts(&sandbox).iter().map(|part| fs::read(part).unwrap()).collect();
    sandbox.config("y", &GRID.replace("'x'", "'y'").replace("0.1", "0.2"));
    fs::create_dir_all(sandbox.results("y")).unwrap();
    symlink(sandbox.results("x").join("parts"), sandbox.results("y").join("parts")).unwrap();
    sandbox.run("y.toml").fails(2).says("results/y/parts").says("a link isn't followed");
    let after: Vec<Vec<u8>> = parts(&sandbox).iter().map(|part| fs::read(part).unwrap()).collect();
    assert!(before == after);
}

#[test]
fn pipes_and_devices_are_refused_or_passed_over() {
    let sandbox = ran();
    let undisturbed = result_files(&sandbox.results("x"));
    let folder = sandbox.results("x");
    let replaced = |name: &str, by: &dyn Fn(&Path)| {
        let path = folder.join(name);
        let _ = fs::rename(&path, sandbox.path().join("kept"));
        by(&path);
    };
    let restored = |name: &str| {
        fs::remove_file(folder.join(name)).unwrap();
        if fs::rename(sandbox.path().join("kept"), folder.join(name)).is_err() {
            assert_eq!(name, "running.json");
        }
    };
    let by: [&dyn Fn(&Path); 2] = [&pipe, &|path: &Path| symlink("/dev/zero", path).unwrap()];
    for by in by {
        for name in ["manifest.json", "cells.csv"] {
            replaced(name, by);
            for command in ["table", "report"] {
                sandbox.run([command, "results/x"]).fails(2).says(&format!("results/x/{name}"));
            }
            sandbox.run("status x.toml").works();
            sandbox.run("compare results/x results/x").fails(2);
            restored(name);
        }
        // A curve isn't asked of a table, and a run that isn't told of isn't running.
        for name in ["running.json", "curves.csv"] {
            replaced(name, by);
            sandbox.run("table results/x").works();
            let code = if name == "curves.csv" { 2 } else { 0 };
            sandbox.run("report results/x --no-figures").fails(code);
            restored(name);
        }
        // A diagnosis beside, and a config.
        let beside = sandbox.results("beside");
        fs::create_dir_all(&beside).unwrap();
        by(&beside.join("diagnosis.json"));
        sandbox.run("report results/x --no-figures").works();
        fs::remove_dir_all(&beside).unwrap();
        by(&sandbox.path().join("c.toml"));
        for command in ["c.toml", "plan c.toml", "map c.toml", "diagnose c.toml"] {
            sandbox.run(command).fails(2).says("c.toml");
        }
        fs::remove_file(sandbox.path().join("c.toml")).unwrap();
        // A part is made anew in its place.
        let part = parts(&sandbox)[0].clone();
        fs::remove_file(&part).unwrap();
        by(&part);
        sandbox.run("status x.toml").works();
        sandbox.run("x.toml").works();
        assert!(fs::symlink_metadata(&part).unwrap().is_file());
        assert!(result_files(&sandbox.results("x")) == undisturbed);
    }
}

#[test]
fn keys_that_lead_elsewhere_are_not_followed() {
    let sandbox = ran();
    let part = parts(&sandbox)[0].clone();
    // A part of another folder, under a name that leads to it.
    let key = "../../../elsewhere/part";
    let elsewhere = sandbox.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let bytes = fs::read(&part).unwrap();
    let old_key = part.file_stem().unwrap().to_str().unwrap();
    fs::write(
        elsewhere.join("part.part"),
        sealed(&bytes, |header| {
            *header = header.replace(old_key, key);
        }),
    )
    .unwrap();
    let manifest = fs::read_to_string(sandbox.results("x").join("manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    let running = serde_json::json!({
        "schema": manifest["schema"], "name": "x", "config": manifest["config"], "cells": 6, "targets": [0.05],
        "keys": [key],
    });
    fs::create_dir_all(sandbox.results("z").join("parts")).unwrap();
    fs::write(sandbox.results("z").join("running.json"), running.to_string()).unwrap();
    sandbox.run("report results/z").fails(2).says("isn't finished");
}

/// A part whose first line was changed, with a hash that is right again.
fn sealed(part: &[u8], change: impl FnOnce(&mut String)) -> Vec<u8> {
    let end = part.iter().position(|byte| *byte == b'\n').unwrap();
    let mut line = String::from_utf8(part[..end].to_vec()).unwrap();
    change(&mut line);
    let at = line.find("\"sha256\":\"").unwrap() + 10;
    let (before, after) = (&line[..at], &line[at + 64..]);
    let body = &part[end + 1..];
    let hash = Sha256::new().chain_update(before).chain_update(after).chain_update(body).finalize();
    let hash = base16ct::lower::encode_string(&hash);
    [format!("{before}{hash}{after}\n").as_bytes(), body].concat()
}

#[test]
fn the_first_line_of_a_part_is_checked_and_nothing_in_it_is_believed() {
    let sandbox = ran();
    let undisturbed = result_files(&sandbox.results("x"));
    let part = parts(&sandbox)[0].clone();
    let whole = fs::read(&part).unwrap();
    let text = String::from_utf8(whole.clone()).unwrap();
    let host_at = text.find("\"host\":\"").unwrap() + 8;
    let host_end = host_at + text[host_at..].find('"').unwrap();
    let with_host = |text: &str, host: &str| format!("{}{host}{}", &text[..host_at], &text[host_end..]);
    let evil = r"=cmd|' /C calc'!A0\nevil,row,1,2";

    // Edited: it isn't the part that was written, and is made anew.
    for edited in [
        text.replacen("\"diverged\":0", "\"diverged\":18446744073709551615", 1),
        text.replacen("\"cells\":6", "\"cells\":7", 1),
        with_host(&text, evil),
    ] {
        assert_ne!(edited, text);
        fs::write(&part, &edited).unwrap();
        sandbox.run("status x.toml").works().prints("3 of 4 parts");
        sandbox.run("x.toml").works();
        assert!(result_files(&sandbox.results("x")) == undisturbed);
    }

    // With a hash that is right: the counts are those of the rows, and a host's name is no formula and no row.
    fs::write(
        &part,
        sealed(&whole, |line| {
            *line = with_host(line, evil).replacen("\"diverged\":0", "\"diverged\":18446744073709551615", 1);
        }),
    )
    .unwrap();
    sandbox.run("x.toml").works();
    assert!(result_files(&sandbox.results("x")) == undisturbed);
    let timings = fs::read_to_string(sandbox.results("x").join("timings.csv")).unwrap();
    assert!(timings.contains("\"'=cmd|"), "{timings}");
    assert!(!timings.contains(",=cmd"), "{timings}");
}

#[test]
fn labels_of_others_hide_nothing_and_move_no_cursor() {
    let sandbox = ran();
    let cells = sandbox.results("x").join("cells.csv");
    let named = fs::read_to_string(&cells).unwrap().replace(",mse,", ",m\u{202e}s\u{1b}[2Je,");
    fs::write(&cells, named).unwrap();
    fs::remove_file(sandbox.results("x").join("manifest.json")).unwrap();
    let hidden = |text: &str| text.chars().any(|c| c == '\u{202e}' || c == '\u{1b}');
    for command in [
        "table results/x",
        "table results/x --format markdown",
        "table results/x --format json",
        "compare results/x results/x",
        "report results/x",
    ] {
        assert!(!hidden(&sandbox.run(command).works().stdout), "{command:?}");
    }
    let folder = sandbox.results("x");
    let drawn = fs::read_dir(folder.join("report")).unwrap().map(|entry| entry.unwrap().path());
    let drawn: Vec<PathBuf> = drawn.filter(|path| path.extension().is_some_and(|end| end == "svg")).collect();
    assert!(!drawn.is_empty());
    for path in drawn.into_iter().chain([folder.join("report.html"), folder.join("table.md")]) {
        let text = fs::read_to_string(&path).unwrap();
        assert!(!hidden(&text), "{}", path.display());
    }
    let page = fs::read_to_string(folder.join("report.html")).unwrap();
    assert!(page.contains(r"m\u{202e}s\u{1b}[2Je"));
}
