//! `--run`: a commit is built and run. The commits here hold a program of few lines in place of this one,
//! which writes what it was built with.

use std::fs;

use crate::Repository;

const CONFIG: &str = "name = \"x\"\nsteps = 200\nseeds = { tuning = 1, reporting = 8 }\nlr = [0.1]\n\
                      [[grid]]\nproblems = [\"direct_fit\"]\nlosses = [\"mse\"]\noptimizers = [\"sgd\", \"adam\"]\n";
const PROGRAM: &str = r#"fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let folder = std::path::Path::new(&arguments[3]).join("x");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("cells.csv"), include_str!("cells.csv")).unwrap();
}
"#;

#[test]
fn a_commit_is_built_run_and_cleared_away() {
    let repository = Repository::new();
    let place = &repository.0;
    let file = place.config("x", CONFIG);
    assert_eq!(place.run(&[&file, "--out", "out"]).status.code(), Some(0));
    let cells = fs::read_to_string(place.path().join("out/x/cells.csv")).unwrap();
    fs::remove_dir_all(place.path().join("out")).unwrap();
    let write = |name: &str, content: &str| fs::write(place.path().join(name), content).unwrap();
    fs::create_dir(place.path().join("src")).unwrap();
    write(".gitignore", "target\nCargo.lock\n");
    write("Cargo.toml", "[package]\nname = \"runner\"\nedition = \"2024\"\n\n[workspace]\n");
    write("src/main.rs", PROGRAM);
    write("src/cells.csv", &cells);
    repository.commit("same");
    // sgd was faster here. Before the message are the steps to three targets, then the evaluations.
    let faster = |line: &str| -> String {
        let mut columns: Vec<&str> = line.split(',').collect();
        let evaluations = columns.len() - 2;
        if columns[3] == "sgd" {
            (columns[evaluations - 3], columns[evaluations]) = ("3", "3");
        }
        columns.join(",") + "\n"
    };
    write("src/cells.csv", &cells.lines().map(faster).collect::<String>());
    repository.commit("faster");
    write("src/main.rs", "no program");
    repository.commit("broken");

    let (code, answer, message) = repository.compare(&["--run", "same", "x.toml"]);
    assert_eq!(code, 0, "{message}");
    assert!(answer.contains("→ this build: no regression, 2 identical"), "{answer}");
    let (code, answer, message) = repository.compare(&["--run", "faster", "x.toml"]);
    assert_eq!(code, 1, "{message}");
    assert!(
        answer.contains("1 regression, 1 identical") && answer.contains("direct_fit · mse · sgd"),
        "{answer}"
    );
    let (code, _, message) = repository.compare(&["--run", "broken", "x.toml"]);
    assert_eq!(code, 2, "{message}");
    assert!(message.contains("building broken (") && message.contains("does broken ("), "{message}");
    // Nothing is left behind, and nothing was touched.
    assert_eq!(repository.git(&["worktree", "list"]).lines().count(), 1);
    assert_eq!(repository.git(&["status", "--porcelain"]), "");
    assert!(!place.path().join("results").exists());
}
