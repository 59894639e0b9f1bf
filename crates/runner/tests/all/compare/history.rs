//! Commits, the working tree and folders.

use std::fs;

use crate::compare::{Repository, cells, compare};

use crate::sandbox::{Ran, Sandbox, result_files};

#[test]
fn the_working_tree_is_compared_with_the_last_commit() {
    let repository = Repository::new();
    repository.write("x", cells(&[("adam", 50), ("sgd", 70)]));
    repository.commit("v1");
    repository.compare("").works().prints("no regression, 2 identical").prints("No row changed.");

    // A dirty tree: what is there counts, and stays there.
    repository.write("x", cells(&[("adam", 60), ("sgd", 70)]));
    let before = repository.git(&["status", "--porcelain"]);
    repository
        .compare("")
        .fails(1)
        .prints("→ working tree: 1 regression, 1 identical")
        .prints("✗ slower")
        .prints("fit · mse · adam · constant")
        .never_prints("sgd");
    // Between two commits it doesn't count, and that is said.
    repository.compare("v1 HEAD").works().says("changes that are not committed");
    assert_eq!(repository.git(&["status", "--porcelain"]), before);
}

#[test]
fn two_commits_and_one_against_now() {
    let repository = Repository::new();
    repository.write("x", cells(&[("adam", 60)]));
    repository.commit("v1");
    repository.write("x", cells(&[("adam", 50)]));
    repository.commit("v2");
    repository.compare("v1 v2").works().prints("v1 (").prints("no regression, 1 faster, 0 identical");
    repository.compare("v2 v1").fails(1);
    repository.compare("HEAD~1").works();
    // From a folder within, too.
    fs::create_dir(repository.0.path().join("inner")).unwrap();
    compare_in(&repository, "inner", "v2 v1").fails(1);
}

#[test]
fn folders_need_no_repository() {
    let sandbox = Sandbox::new();
    for (folder, step) in [("old", 50), ("new", 60)] {
        fs::create_dir_all(sandbox.path().join(folder).join("x")).unwrap();
        fs::write(sandbox.path().join(folder).join("x/cells.csv"), cells(&[("adam", step)])).unwrap();
    }
    compare(&sandbox, "old new").fails(1);
    compare(&sandbox, "new old").works();
    compare(&sandbox, "old/x new/x").fails(1);
    // A threshold above the change, or an alpha below what 2000 relabelings can tell.
    compare(&sandbox, "old new --threshold 30").works();
    compare(&sandbox, "old new --alpha 0.0001").works();
}

#[test]
fn grids_and_rows_are_picked() {
    let repository = Repository::new();
    repository.write("x", cells(&[("adam", 50), ("sgd", 50)]));
    repository.write("y", cells(&[("adam", 50)]));
    repository.commit("v1");
    repository.write("x", cells(&[("adam", 60), ("sgd", 50)]));
    repository.write("z", cells(&[("adam", 50)]));
    repository
        .compare("")
        .fails(1)
        .prints("1 regression, 1 appeared, 2 identical")
        .prints("x: fit · mse · adam")
        .prints("z: fit · mse · adam");
    repository.compare("--grid y").works();
    repository.compare("--optimizer sgd").works();
    repository.compare("--optimizer ada --problem fit --loss mse").fails(1);
}

#[test]
fn markdown_and_json() {
    let repository = Repository::new();
    repository.write("x", cells(&[("adam", 50), ("sgd", 50)]));
    repository.commit("v1");
    repository.write("x", cells(&[("adam", 60), ("sgd", 50)]));
    repository.compare("--format markdown").prints("**1 regression**").prints("| ✗ slower | 1.18 |");
    let answer = repository.compare("--format json").fails(1).json();
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
        repository.compare("v1").fails(1).prints(said);
        repository.commit(&format!("{outcome}-{error}-{count}"));
        // The other way round it is good news.
        repository.compare("HEAD v1").works();
    }
}

#[test]
fn a_row_that_is_gone_is_named_first() {
    let repository = Repository::new();
    repository.write("x", cells(&[("adam", 50), ("sgd", 50)]));
    repository.commit("v1");
    repository.write("x", cells(&[("adam", 49)]));
    let answer = repository.compare("").fails(1).stdout;
    // Behind the header and its rule.
    let line = answer.lines().nth(4).unwrap();
    assert!(line.starts_with("✗ vanished") && line.ends_with("fit · mse · sgd · constant"), "{answer}");
}

#[test]
fn a_grid_that_ran_is_identical_to_itself_and_left_as_it_is() {
    let repository = Repository::new();
    let config = "name = \"x\"\nsteps = 200\nseeds = { tuning = 1, reporting = 8 }\nlr = [0.01, 0.1, 10]\n\
                  [[grid]]\nproblems = [\"direct_fit\"]\nlosses = [\"mse\", \"plateau\"]\noptimizers = [\"sgd\"]\n";
    repository.0.config("x", config);
    repository.0.run("x.toml").works();
    repository.commit("v1");
    let before = result_files(&repository.0.results("x"));
    repository.0.run("x.toml --fresh").works();
    repository.compare("").works().prints("no regression, 2 identical");
    assert_eq!(result_files(&repository.0.results("x")), before);
    // A smaller rate for the same optimizer is another config, and no regression.
    repository.0.config("x", &config.replace("10]", "5]"));
    repository.0.run("x.toml").works();
    repository.refuses("").says("learning rates: only the left has 10, only the right has 5");
}

/// Runs `optbench compare` in a folder of the repository.
fn compare_in(repository: &Repository, folder: &str, line: &str) -> Ran {
    let folder = repository.0.path().join(folder);
    repository.0.run_anew(&format!("compare {line}"), |to| to.current_dir(folder))
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
    for line in ["", "v1"] {
        compare_in(&repository, "one [1]", line).fails(1).prints("✗ slower");
        // Neither has results: those of the root, which are as they were.
        for folder in ["two", "three", "."] {
            compare_in(&repository, folder, line).works().prints("1 identical");
        }
    }
    compare_in(&repository, "two", "--results kept/here").works().prints("1 faster");
    compare_in(&repository, "two", "--results '../one [1]/results' HEAD v1")
        .works()
        .prints("1 identical")
        .says("note: one [1]/results/ has changes that are not committed");
    repository.commit("v2");
    compare_in(&repository, "one [1]", "v1 v2").fails(1).prints("✗ slower");
    // What a commit has and the working tree hasn't is gone, and not looked for elsewhere.
    fs::remove_dir_all(repository.0.path().join("one [1]/results/y")).unwrap();
    compare_in(&repository, "one [1]", "").fails(2).says("working tree has no results");
    // A folder that is nowhere, one outside, and the root itself.
    compare_in(&repository, ".", "--results nothing").fails(2).says("nothing/<name>/cells.csv");
    compare_in(&repository, "two", "--results ../..").fails(2).says("isn't in the repository");
    compare_in(&repository, "two/kept/here", "--results . v1 v2").works().prints("1 faster");
}
