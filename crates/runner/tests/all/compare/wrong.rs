//! What is refused: exit code 2, the reason, and what to do.

use std::fs;

use crate::compare::{HEADER, Repository, cells, compare};

use crate::sandbox::Sandbox;

#[test]
fn no_repository() {
    let sandbox = Sandbox::new();
    for sides in ["", "HEAD", "HEAD~1 HEAD"] {
        compare(&sandbox, sides).fails(2).says("in no git repository").says("DIR DIR");
    }
}

#[test]
fn no_git() {
    let sandbox = Sandbox::new();
    sandbox
        .run_anew("compare", |to| to.env("PATH", ""))
        .fails(2)
        .says("git can't be run")
        .says("install git");
}

#[test]
fn unknown_and_ambiguous_names() {
    let repository = Repository::new();
    repository.refuses("").says("neither a commit nor a folder `HEAD`");
    repository.write("x", cells(&[("adam", 50)]));
    repository.commit("v1");
    repository.refuses("nothere").says("neither a commit nor a folder `nothere`").says("git log");
    repository.refuses("-- --upload-pack=x").says("neither a commit nor a folder");
    fs::create_dir(repository.0.path().join("v1")).unwrap();
    repository.refuses("v1").says("both a commit and a folder").says("./v1");
    repository.refuses("--grid y").says("no side has a grid `y`").says("is only `x`");
    repository.refuses("--optimizer y").says("no row has these texts").says("--optimizer");
    repository.refuses("--run nothere x.toml").says("neither a commit nor a folder `nothere`");
    repository.refuses("--run HEAD x.toml").says("x.toml can't be read");
    for wrong in ["--alpha 0", "--alpha 1", "--alpha x", "--threshold -1", "--threshold inf", "--format pdf"]
    {
        repository.refuses(wrong);
    }
    for right in ["--alpha 0.001", "--alpha 0.999", "--threshold 0", "--threshold 0.5"] {
        repository.compare(&format!("v1^0 v1^0 {right}")).works();
    }
}

#[test]
fn no_results() {
    let repository = Repository::new();
    repository.commit("empty");
    repository
        .refuses("")
        .says("HEAD")
        .says("has no results")
        .says("results/<name>/cells.csv")
        .says("compare --run");
    repository.write("x", cells(&[("adam", 50)]));
    repository.refuses("empty").says("empty (").says("has no results");
    repository.commit("v1");
    fs::remove_dir_all(repository.0.path().join("results")).unwrap();
    repository.refuses("").says("working tree has no results").says("optbench CONFIG");
}

#[test]
fn a_shallow_clone() {
    let repository = Repository::new();
    for step in [50, 60] {
        repository.write("x", cells(&[("adam", step)]));
        repository.commit(&format!("v{step}"));
    }
    let sandbox = Repository(Sandbox::new());
    let source = format!("file://{}", repository.0.path().display());
    sandbox.git(&["clone", "--quiet", "--depth", "1", "--no-tags", &source, "clone"]);
    let run = |line: &str| sandbox.0.run_anew(line, |to| to.current_dir(sandbox.0.path().join("clone")));
    run("compare").works();
    run("compare HEAD~1").fails(2).says("shallow").says("--unshallow");
}

#[test]
fn damaged_files() {
    let repository = Repository::new();
    let good = cells(&[("adam", 50)]);
    repository.write("x", &good);
    repository.commit("v1");
    let cut = &good[..good.len() - 30];
    let line = good.lines().nth(1).unwrap();
    let cases: [(Vec<u8>, &str); 9] = [
        (Vec::new(), "is empty"),
        (cut.into(), "the file ends within this row"),
        (good.replace(",0.01,0.01,", ",0.01,oops,").into(), "best_loss is `oops`"),
        (good.replacen(",reached,", ",arrived,", 1).into(), "outcome is `arrived`"),
        (good.replacen(",fit,", ",fit,fit,", 1).into(), "columns"),
        (good.replacen("mse", "\"mse", 1).into(), "the file ends within this row"),
        ([HEADER.as_bytes(), b"\xff\xfe\n"].concat(), "cells.csv"),
        ((good.clone() + line + "\n").into(), "is there twice"),
        (good.replace(",budget,", ",").replace(",500,", ",").into(), "the column `budget` of cells.csv"),
    ];
    for (number, (content, said)) in cases.into_iter().enumerate() {
        // On the right as a file, then on the left as a commit.
        repository.write("x", &content);
        repository.refuses("v1").says(said).says("cells.csv");
        repository.commit(&format!("broken{number}"));
        repository.refuses("HEAD v1").says(said).says("results/x/cells.csv");
    }
}

#[test]
fn a_damaged_repository() {
    let repository = Repository::new();
    repository.write("x", cells(&[("adam", 50)]));
    repository.commit("v1");
    let hash = repository.git(&["rev-parse", "HEAD:results/x/cells.csv"]);
    let (folder, name) = hash.trim().split_at(2);
    fs::remove_file(repository.0.path().join(".git/objects").join(folder).join(name)).unwrap();
    repository.refuses("").says("git failed to read").says("git fsck");
}

#[test]
fn other_configs_are_refused_unless_forced() {
    let repository = Repository::new();
    let good = cells(&[("adam", 50)]);
    repository.write("x", &good);
    repository.commit("v1");
    let rest: String = good.lines().take(8).map(|line| line.to_owned() + "\n").collect();
    for (content, what) in [
        (good.replace(",500,", ",600,"), "budget: only the left has 500, only the right has 600"),
        (good.replace("_to_0.1", "_to_0.2"), "targets: only the left has 0.1"),
        (good.replace(",float64,", ",float32,"), "type: only the left has float64"),
        (good.replace(",fused,", ",libtorch,"), "engine: only the left has fused"),
        (good.replace(",constant,0.1,", ",constant,0.3,"), "learning rates: only the left has 0.1"),
        (rest, "reporting seeds: only the left has 8"),
    ] {
        repository.write("x", content);
        repository.refuses("").says("did not run the same").says(what).says("--force");
        let forced = repository.compare("--force").prints("warning: not comparable");
        assert!(forced.code < 2);
    }
}
