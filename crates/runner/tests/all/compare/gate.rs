//! What fails a comparison beside a regression: rows that are gone, and files that aren't whole.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::compare::{Repository, cells};

const CONFIG: &str = "name = \"x\"\nsteps = 100\nseeds = { tuning = 1, reporting = 4 }\nlr = [0.1]\n\
                      [[grid]]\nproblems = [\"direct_fit\"]\nlosses = [\"mse\"]\noptimizers = [\"sgd\", \"adam\"]\n";

/// A repository with the results of a grid, which are committed as `v1`.
fn ran() -> Repository {
    let repository = Repository::new();
    repository.0.config("x", CONFIG);
    repository.0.run("x.toml").works();
    fs::remove_dir_all(repository.0.results("x").join("parts")).unwrap();
    repository.commit("v1");
    repository
}

fn change(path: &Path, change: impl FnOnce(String) -> String) {
    let text = fs::read_to_string(path).unwrap();
    fs::write(path, change(text)).unwrap();
}

#[test]
fn a_row_or_a_grid_that_is_gone_fails_unless_it_is_allowed() {
    let repository = Repository::new();
    repository.write("x", cells(&[("adam", 50), ("sgd", 50)]));
    repository.write("y", cells(&[("adam", 50)]));
    repository.commit("v1");
    repository.write("x", cells(&[("adam", 50)]));
    fs::remove_dir_all(repository.0.results("y")).unwrap();
    for (form, said) in [
        ("terminal", "2 rows have vanished, which fails the comparison; --allow-vanished lets them pass."),
        ("markdown", "2 rows have vanished, which fails the comparison; --allow-vanished lets them pass."),
        ("json", "\"failed\": true"),
    ] {
        repository.compare(&format!("--format {form}")).fails(1).prints(said);
    }
    repository
        .compare("--allow-vanished")
        .works()
        .prints("2 vanished")
        .prints("2 rows have vanished, which --allow-vanished");
    let answer = repository.compare("--allow-vanished --format json").json();
    assert_eq!((&answer["vanished"], &answer["failed"]), (&json!(2), &json!(false)));
    // What isn't asked for hasn't vanished.
    for asked in ["--grid x --optimizer adam", "--grid x --optimizer ada"] {
        repository.compare(asked).works().never_prints("vanished");
    }
    // A regression fails it all the same, and rows that appear don't.
    repository.write("x", cells(&[("adam", 90)]));
    repository.compare("--allow-vanished").fails(1);
    repository.write("x", cells(&[("adam", 50), ("sgd", 50), ("lion", 50)]));
    repository.compare("--grid x").works();
}

#[test]
fn a_file_that_is_not_what_its_manifest_says_is_refused() {
    let repository = ran();
    let path = repository.0.results("x").join("cells.csv");
    // Cut at the end of a row, it looks whole.
    let cut = |text: String| text.lines().take(6).map(|line| line.to_owned() + "\n").collect::<String>();
    let changed = |text: String| text.replacen(",sgd,", ",sgb,", 1);
    let changes: [&dyn Fn(String) -> String; 2] = [&cut, &changed];
    for (number, make) in changes.into_iter().enumerate() {
        change(&path, make);
        let why = "results/x/cells.csv isn't what the manifest.json beside it says";
        for line in ["", "--force --allow-vanished", "results results/x"] {
            repository.refuses(line).says(why);
        }
        repository.commit(&format!("damaged{number}"));
        repository.refuses("HEAD v1").says(why);
        repository.git(&["checkout", "--quiet", "v1", "--", "results"]);
    }
    repository.compare("v1").works();
}

#[test]
fn a_manifest_that_is_missing_is_said_and_one_that_is_damaged_is_refused() {
    let repository = ran();
    let manifest = repository.0.results("x").join("manifest.json");
    change(&manifest, |text| text[..text.len() / 2].to_owned());
    repository.refuses("").says("manifest.json is no manifest of a grid");
    fs::remove_file(&manifest).unwrap();
    repository.compare("").works().says("note: no manifest.json says whether");
    repository.commit("without");
    repository.compare("v1 without").works().says("note: no manifest.json says whether without (");
}

#[test]
fn rates_by_which_a_grid_extended_itself_are_no_other_rates() {
    let repository = Repository::new();
    let config = |extend: bool| {
        let manifest = json!({ "schema": 4, "config": format!("name = \"x\"\nextend = {extend}\n") });
        fs::write(repository.0.results("x").join("manifest.json"), manifest.to_string()).unwrap();
    };
    let at = |rate: &str, key: &str, step| {
        let cells = cells(&[("adam", step)]).replace("constant,0.1,", &format!("constant,{rate},"));
        cells.replace("\n00", &format!("\n{key}"))
    };
    let rows = |cells: String| cells.split_once('\n').unwrap().1.to_owned();
    repository.write("x", at("0.1", "00", 90) + &rows(at("1", "01", 50)) + &rows(at("3", "02", 60)));
    config(false);
    repository.commit("v0");
    config(true);
    repository.commit("v1");
    repository.write("x", at("0.1", "00", 90) + &rows(at("1", "01", 50)));
    repository.refuses("v0").says("learning rates: only the left has 3");
    repository.compare("v1").works().prints("1 identical");
}

#[test]
fn files_of_the_config_that_changed_are_named_first() {
    let repository = ran();
    let manifest = repository.0.results("x").join("manifest.json");
    let with = |inputs: Value| {
        change(&manifest, |text| {
            let mut manifest: Value = serde_json::from_str(&text).unwrap();
            manifest["inputs"] = inputs;
            manifest.to_string()
        });
    };
    let digest = |digit: &str| digit.repeat(64);
    with(json!([["data.csv", digest("1")], ["loss.pt", digest("2")]]));
    // One side that doesn't tell has nothing to compare.
    repository.compare("").works().never_prints("note");
    repository.commit("v2");
    repository.compare("").works().never_prints("note");
    with(json!([["data.csv", digest("1")], ["loss.pt", digest("3")], ["new.pt", digest("4")]]));
    let said = "note: x: the file `loss.pt` differs (SHA-256 22222222… → 33333333…)";
    let answer = repository.compare("v2").works().stdout;
    assert_eq!(answer.lines().nth(2), Some(said), "{answer}");
    repository.compare("v2 --format markdown").prints("- note: x: the file");
    let answer = repository.compare("v2 --format json").json();
    let wanted =
        json!([{ "grid": "x", "name": "loss.pt", "left_sha256": digest("2"), "right_sha256": digest("3") }]);
    assert_eq!(answer["inputs_changed"], wanted);
}

#[test]
fn sides_that_ran_under_other_conditions_are_refused() {
    let repository = ran();
    for (line, wanted) in [
        ("hold = 7\n", "hold: only the left has 1, only the right has 7 (2 rows, first x: direct_fit"),
        ("divergence = 50\n", "divergence: only the left has 1000000.0, only the right has 50.0 (2 rows"),
    ] {
        repository.0.config("x", &format!("{line}{CONFIG}"));
        repository.0.run("x.toml").works();
        repository.refuses("").says("the sides did not run the same").says(wanted);
        assert_ne!(repository.compare("--force").code, 2);
    }
    // A manifest of an older version can't tell, which is said where the configs differ.
    let manifest = repository.0.results("x").join("manifest.json");
    change(&manifest, |text| {
        let mut manifest: Value = serde_json::from_str(&text).unwrap();
        manifest.as_object_mut().unwrap().remove("conditions");
        manifest.to_string()
    });
    let ran = repository.compare("").says("note: the configs of x differ, and results of version 0.1.0");
    assert_ne!(ran.code, 2);
    // Curves that are recorded otherwise change no cell.
    repository.0.config("x", &format!("record = 'summary'\n{CONFIG}"));
    repository.0.run("x.toml").works();
    repository.compare("").works().prints("2 identical").never_says("note");
}
