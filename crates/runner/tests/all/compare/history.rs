//! Commits, the working tree and folders.

use std::fs;

use crate::compare::{Repository, cells, compare};

use crate::place::{Place, result_files, text};

#[test]
fn the_working_tree_is_compared_with_the_last_commit() {
    let repository = Repository::new();
    repository.write("x", cells(&[("adam", 50), ("sgd", 70)]));
    repository.commit("v1");
    let (code, answer, _) = repository.compare(&[]);
    assert_eq!(code, 0);
    assert!(answer.contains("no regression, 2 identical") && answer.contains("No row changed."), "{answer}");

    // A dirty tree: what is there counts, and stays there.
    repository.write("x", cells(&[("adam", 60), ("sgd", 70)]));
    let before = repository.git(&["status", "--porcelain"]);
    let (code, answer, _) = repository.compare(&[]);
    assert_eq!(code, 1, "{answer}");
    assert!(answer.contains("→ working tree: 1 regression, 1 identical"), "{answer}");
    assert!(answer.contains("✗ slower") && answer.contains("fit · mse · adam · constant"), "{answer}");
    assert!(!answer.contains("sgd"), "{answer}");
    // Between two commits it doesn't count, and that is said.
    let (code, answer, note) = repository.compare(&["v1", "HEAD"]);
    assert_eq!(code, 0, "{answer}");
    assert!(note.contains("changes that are not committed"), "{note}");
    assert_eq!(repository.git(&["status", "--porcelain"]), before);
}

#[test]
fn two_commits_and_one_against_now() {
    let repository = Repository::new();
    repository.write("x", cells(&[("adam", 60)]));
    repository.commit("v1");
    repository.write("x", cells(&[("adam", 50)]));
    repository.commit("v2");
    let (code, answer, _) = repository.compare(&["v1", "v2"]);
    assert_eq!(code, 0, "{answer}");
    assert!(
        answer.starts_with("v1 (") && answer.contains("no regression, 1 faster, 0 identical"),
        "{answer}"
    );
    let (code, answer, _) = repository.compare(&["v2", "v1"]);
    assert_eq!(code, 1, "{answer}");
    assert_eq!(repository.compare(&["HEAD~1"]).0, 0);
    // From a folder within, too.
    fs::create_dir(repository.0.path().join("inner")).unwrap();
    let mut command = repository.0.command(&["compare", "v2", "v1"]);
    let output = command.current_dir(repository.0.path().join("inner")).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn folders_need_no_repository() {
    let place = Place::new();
    for (folder, step) in [("old", 50), ("new", 60)] {
        fs::create_dir_all(place.path().join(folder).join("x")).unwrap();
        fs::write(place.path().join(folder).join("x/cells.csv"), cells(&[("adam", step)])).unwrap();
    }
    assert_eq!(compare(&place, &["old", "new"]).0, 1);
    assert_eq!(compare(&place, &["new", "old"]).0, 0);
    assert_eq!(compare(&place, &["old/x", "new/x"]).0, 1);
    // A threshold above the change, or an alpha below what 2000 relabelings can tell.
    assert_eq!(compare(&place, &["old", "new", "--threshold", "30"]).0, 0);
    assert_eq!(compare(&place, &["old", "new", "--alpha", "0.0001"]).0, 0);
}

#[test]
fn grids_and_rows_are_picked() {
    let repository = Repository::new();
    repository.write("x", cells(&[("adam", 50), ("sgd", 50)]));
    repository.write("y", cells(&[("adam", 50)]));
    repository.commit("v1");
    repository.write("x", cells(&[("adam", 60), ("sgd", 50)]));
    repository.write("z", cells(&[("adam", 50)]));
    let (code, answer, _) = repository.compare(&[]);
    assert_eq!(code, 1);
    assert!(answer.contains("1 regression, 1 appeared, 2 identical"), "{answer}");
    assert!(answer.contains("x: fit · mse · adam") && answer.contains("z: fit · mse · adam"), "{answer}");
    assert_eq!(repository.compare(&["--grid", "y"]).0, 0);
    assert_eq!(repository.compare(&["--optimizer", "sgd"]).0, 0);
    assert_eq!(repository.compare(&["--optimizer", "ada", "--problem", "fit", "--loss", "mse"]).0, 1);
}

#[test]
fn markdown_and_json() {
    let repository = Repository::new();
    repository.write("x", cells(&[("adam", 50), ("sgd", 50)]));
    repository.commit("v1");
    repository.write("x", cells(&[("adam", 60), ("sgd", 50)]));
    let (_, markdown, _) = repository.compare(&["--format", "markdown"]);
    assert!(markdown.contains("**1 regression**"), "{markdown}");
    assert!(markdown.contains("| ✗ slower | 1.18 |"), "{markdown}");
    let (code, json, _) = repository.compare(&["--format", "json"]);
    assert_eq!(code, 1);
    let answer: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&answer["regressions"], &answer["identical"]), (&1.into(), &1.into()));
    let row = &answer["rows"][0];
    assert_eq!((&row["change"], &row["pairs"]), (&"slower".into(), &8.into()));
    assert!(row["p"].as_f64().is_some_and(|p| p < 0.01), "{row}");
    assert_eq!((&row["left"]["median"], &row["right"]["median"]), (&54.5.into(), &64.5.into()));
}

#[test]
fn one_sided_outcomes() {
    let repository = Repository::new();
    let good = cells(&[("adam", 50)]);
    repository.write("x", &good);
    repository.commit("v1");
    let ended = |outcome: &str, error: &str, count: usize| -> String {
        let change = |(number, line): (usize, &str)| match number {
            0 => line.to_owned(),
            _ if number > count => line.to_owned(),
            _ => {
                let step = (50 + number).to_string();
                line.replace(",reached,", &format!(",{outcome},"))
                    .replace(&format!(",0.1,0.1,{step},{step},"), &format!(",{error},0.1,inf,inf,"))
            }
        };
        good.lines().enumerate().map(change).map(|line| line + "\n").collect()
    };
    for (outcome, error, count, said) in [
        ("diverged", "NaN", 6, "✗ new divergence"),
        ("failed", "NaN", 1, "✗ new failure"),
        ("budget", "0.5", 8, "✗ target lost"),
        ("budget", "NaN", 8, "✗ target lost"),
        ("budget", "0.5", 7, "✗ target lost"),
    ] {
        repository.write("x", ended(outcome, error, count));
        let (code, answer, _) = repository.compare(&["v1"]);
        assert_eq!(code, 1, "{answer}");
        assert!(answer.contains(said), "{said}: {answer}");
        repository.commit(&format!("{outcome}-{error}-{count}"));
        // The other way round it is good news.
        assert_eq!(repository.compare(&["HEAD", "v1"]).0, 0);
    }
}

#[test]
fn a_row_that_is_gone_is_named_first() {
    let repository = Repository::new();
    repository.write("x", cells(&[("adam", 50), ("sgd", 50)]));
    repository.commit("v1");
    repository.write("x", cells(&[("adam", 49)]));
    let (code, answer, _) = repository.compare(&[]);
    assert_eq!(code, 1, "{answer}");
    let line = answer.lines().nth(3).unwrap();
    assert!(line.starts_with("✗ vanished") && line.ends_with("fit · mse · sgd · constant"), "{answer}");
}

#[test]
fn a_grid_that_ran_is_identical_to_itself_and_left_as_it_is() {
    let repository = Repository::new();
    let config = "name = \"x\"\nsteps = 200\nseeds = { tuning = 1, reporting = 8 }\nlr = [0.01, 0.1, 10]\n\
                  [[grid]]\nproblems = [\"direct_fit\"]\nlosses = [\"mse\", \"plateau\"]\noptimizers = [\"sgd\"]\n";
    let file = repository.0.config("x", config);
    assert_eq!(repository.0.run(&[&file]).status.code(), Some(0));
    repository.commit("v1");
    let before = result_files(&repository.0.results("x"));
    assert_eq!(repository.0.run(&[&file, "--fresh"]).status.code(), Some(0));
    let (code, answer, _) = repository.compare(&[]);
    assert_eq!(code, 0, "{answer}");
    assert!(answer.contains("no regression, 2 identical"), "{answer}");
    assert_eq!(result_files(&repository.0.results("x")), before);
    // A smaller rate for the same optimizer is another config, and no regression.
    repository.0.config("x", &config.replace("10]", "5]"));
    assert_eq!(repository.0.run(&[&file]).status.code(), Some(0));
    let (code, _, message) = repository.compare(&[]);
    assert_eq!(code, 2);
    assert!(message.contains("learning rates: only the left has 10, only the right has 5"), "{message}");
}

/// Runs `runner compare` in a folder of the repository; exit code and all that is said.
fn compare_in(repository: &Repository, folder: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = repository.0.command(&[&["compare"], arguments].concat());
    let output = command.current_dir(repository.0.path().join(folder)).output().unwrap();
    (output.status.code(), text(&output.stdout) + &text(&output.stderr))
}

#[test]
fn results_below_the_current_folder_come_first() {
    let repository = Repository::new();
    let write = |folder: &str, step: u64| {
        let folder = repository.0.path().join(folder);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("cells.csv"), cells(&[("adam", step)])).unwrap();
    };
    write("results/x", 50);
    write("one [1]/results/y", 50);
    write("two/kept/here/z", 50);
    fs::create_dir(repository.0.path().join("three")).unwrap();
    repository.commit("v1");
    write("one [1]/results/y", 60);
    write("two/kept/here/z", 40);
    for arguments in [&[][..], &["v1"]] {
        let (code, said) = compare_in(&repository, "one [1]", arguments);
        assert!(code == Some(1) && said.contains("✗ slower"), "{said}");
        // Neither has results: those of the root, which are as they were.
        for folder in ["two", "three", "."] {
            let (code, said) = compare_in(&repository, folder, arguments);
            assert!(code == Some(0) && said.contains("1 identical"), "{folder}: {said}");
        }
    }
    let (code, said) = compare_in(&repository, "two", &["--results", "kept/here"]);
    assert!(code == Some(0) && said.contains("1 faster"), "{said}");
    let (code, said) = compare_in(&repository, "two", &["--results", "../one [1]/results", "HEAD", "v1"]);
    assert!(code == Some(0) && said.contains("1 identical"), "{said}");
    assert!(said.contains("note: one [1]/results/ has changes that are not committed"), "{said}");
    repository.commit("v2");
    let (code, said) = compare_in(&repository, "one [1]", &["v1", "v2"]);
    assert!(code == Some(1) && said.contains("✗ slower"), "{said}");
    // What a commit has and the working tree hasn't is gone, and not looked for elsewhere.
    fs::remove_dir_all(repository.0.path().join("one [1]/results/y")).unwrap();
    let (code, said) = compare_in(&repository, "one [1]", &[]);
    assert!(code == Some(2) && said.contains("working tree has no results"), "{said}");
    // A folder that is nowhere, one outside, and the root itself.
    let (code, said) = compare_in(&repository, ".", &["--results", "nothing"]);
    assert!(code == Some(2) && said.contains("nothing/<name>/cells.csv"), "{said}");
    let (code, said) = compare_in(&repository, "two", &["--results", "../.."]);
    assert!(code == Some(2) && said.contains("isn't in the repository"), "{said}");
    let (code, said) = compare_in(&repository, "two/kept/here", &["--results", ".", "v1", "v2"]);
    assert!(code == Some(0) && said.contains("1 faster"), "{said}");
}
