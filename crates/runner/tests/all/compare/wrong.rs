//! What is refused: exit code 2, the reason, and what to do.

use std::fs;

use crate::compare::{HEADER, Repository, cells, compare};

use crate::place::{Place, text};

fn refused(repository: &Repository, arguments: &[&str], words: &[&str]) {
    let (code, answer, message) = repository.compare(arguments);
    assert_eq!((code, answer.as_str()), (2, ""), "{message}");
    for word in words {
        assert!(message.contains(word), "{word}: {message}");
    }
}

#[test]
fn no_repository() {
    let place = Place::new();
    for arguments in [&[][..], &["HEAD"], &["HEAD~1", "HEAD"]] {
        let (code, _, message) = compare(&place, arguments);
        assert_eq!(code, 2);
        assert!(message.contains("in no git repository") && message.contains("DIR DIR"), "{message}");
    }
}

#[test]
fn no_git() {
    let place = Place::new();
    let output = place.command(&["compare"]).env("PATH", "").output().unwrap();
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(message.contains("git can't be run") && message.contains("install git"), "{message}");
}

#[test]
fn unknown_and_ambiguous_names() {
    let repository = Repository::new();
    refused(&repository, &[], &["neither a commit nor a folder `HEAD`"]);
    repository.write("x", cells(&[("adam", 50)]));
    repository.commit("v1");
    refused(&repository, &["nothere"], &["neither a commit nor a folder `nothere`", "git log"]);
    refused(&repository, &["--", "--upload-pack=x"], &["neither a commit nor a folder"]);
    fs::create_dir(repository.0.path().join("v1")).unwrap();
    refused(&repository, &["v1"], &["both a commit and a folder", "./v1"]);
    refused(&repository, &["--grid", "y"], &["no side has a grid `y`", "is only `x`"]);
    refused(&repository, &["--optimizer", "y"], &["no row has these words", "--optimizer"]);
    refused(&repository, &["--run", "nothere", "x.toml"], &["neither a commit nor a folder `nothere`"]);
    refused(&repository, &["--run", "HEAD", "x.toml"], &["x.toml can't be read"]);
    for arguments in [
        ["--alpha", "0"],
        ["--alpha", "1"],
        ["--alpha", "x"],
        ["--threshold", "-1"],
        ["--threshold", "inf"],
        ["--format", "pdf"],
    ] {
        assert_eq!(repository.compare(&arguments).0, 2, "{arguments:?}");
    }
    let both = ["v1^0", "v1^0"];
    for arguments in
        [["--alpha", "0.001"], ["--alpha", "0.999"], ["--threshold", "0"], ["--threshold", "0.5"]]
    {
        let (code, _, message) = repository.compare(&[&arguments[..], &both].concat());
        assert_eq!(code, 0, "{arguments:?}: {message}");
    }
}

#[test]
fn no_results() {
    let repository = Repository::new();
    repository.commit("empty");
    refused(&repository, &[], &["HEAD", "has no results", "results/<name>/cells.csv", "compare --run"]);
    repository.write("x", cells(&[("adam", 50)]));
    refused(&repository, &["empty"], &["empty (", "has no results"]);
    repository.commit("v1");
    fs::remove_dir_all(repository.0.path().join("results")).unwrap();
    refused(&repository, &[], &["working tree has no results", "runner CONFIG"]);
}

#[test]
fn a_shallow_clone() {
    let repository = Repository::new();
    for step in [50, 60] {
        repository.write("x", cells(&[("adam", step)]));
        repository.commit(&format!("v{step}"));
    }
    let place = Repository(Place::new());
    let source = format!("file://{}", repository.0.path().display());
    place.git(&["clone", "--quiet", "--depth", "1", "--no-tags", &source, "clone"]);
    let run = |arguments: &[&str]| {
        let mut command = place.0.command(arguments);
        command.current_dir(place.0.path().join("clone")).output().unwrap()
    };
    assert_eq!(run(&["compare"]).status.code(), Some(0));
    let output = run(&["compare", "HEAD~1"]);
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(message.contains("shallow") && message.contains("--unshallow"), "{message}");
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
        (good.replace(",budget,", ",").replace(",500,", ",").into(), "should be `budget`"),
    ];
    for (number, (content, said)) in cases.into_iter().enumerate() {
        // On the right as a file, then on the left as a commit.
        repository.write("x", &content);
        refused(&repository, &["v1"], &[said, "cells.csv"]);
        repository.commit(&format!("broken{number}"));
        refused(&repository, &["HEAD", "v1"], &[said, "results/x/cells.csv"]);
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
    refused(&repository, &[], &["git failed to read", "git fsck"]);
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
        refused(&repository, &[], &["did not run the same", what, "--force"]);
        let (code, answer, _) = repository.compare(&["--force"]);
        assert!(code < 2 && answer.contains("warning: not comparable"), "{answer}");
    }
}
