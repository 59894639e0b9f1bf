//! `--run`: a commit is built and run. The commits here hold a program of few lines in place of this one,
//! which writes what it was built with.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::compare::Repository;
use crate::limit::{code, signal, until, wait};
use crate::sandbox::Ran;

const CONFIG: &str = "name = \"x\"\nsteps = 200\nseeds = { tuning = 1, reporting = 8 }\nlr = [0.1]\n\
                      [[grid]]\nproblems = [\"direct_fit\"]\nlosses = [\"mse\"]\noptimizers = [\"sgd\", \"adam\"]\n";
const PACKAGE: &str = "[package]\nname = \"runner\"\nedition = \"2024\"\n\n[workspace]\n";
const PROGRAM: &str = r#"fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let folder = std::path::Path::new(&arguments[3]).join("x");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("cells.csv"), include_str!("cells.csv")).unwrap();
}
"#;

/// A repository whose commit `same` has the results of this program, and the config that both run.
fn repository() -> (Repository, String) {
    let repository = Repository::new();
    let sandbox = &repository.0;
    sandbox.config("x", CONFIG);
    sandbox.run("x.toml --out out").works();
    let cells = fs::read_to_string(sandbox.path().join("out/x/cells.csv")).unwrap();
    fs::remove_dir_all(sandbox.path().join("out")).unwrap();
    fs::create_dir(sandbox.path().join("src")).unwrap();
    repository.put(".gitignore", "target\nCargo.lock\n");
    repository.put("Cargo.toml", PACKAGE);
    repository.put("src/main.rs", PROGRAM);
    repository.put("src/cells.csv", &cells);
    repository.commit("same");
    (repository, cells)
}

impl Repository {
    fn put(&self, name: &str, content: &str) {
        fs::write(self.0.path().join(name), content).unwrap();
    }

    /// What comparisons that build left behind, apart from the build.
    fn leftovers(&self) -> Vec<String> {
        let folder = fs::read_dir(self.0.path().join("target/compare"));
        let names =
            folder.into_iter().flatten().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let checkouts = names.filter(|name| name.starts_with("tree-"));
        let worktrees = self.git(&["worktree", "list"]);
        checkouts.chain(worktrees.lines().skip(1).map(str::to_owned)).collect()
    }

    /// A commit whose build takes some seconds, after which it says so in a file.
    fn commit_slow(&self) -> PathBuf {
        let said = self.0.path().join("target/built");
        self.put(
            "build.rs",
            &format!(
                "fn main() {{ std::thread::sleep(std::time::Duration::from_secs(4)); \
                 std::fs::write(r\"{}\", \"\").unwrap(); }}",
                said.display()
            ),
        );
        self.commit("slow");
        said
    }

    /// Compares with a commit that is built and run; this build is too, so that the program must be it.
    fn rerun(&self, line: &str) -> Ran {
        self.0.run_anew(&format!("compare --run {line}"), |command| command)
    }

    /// Starts to compare the slow commit, and waits until it is being built.
    fn building(&self, temporary: &Path) -> Child {
        let mut command = self.0.command("compare --run slow x.toml");
        command.env("TMPDIR", temporary).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().unwrap();
        let build = self.0.path().join("target/compare/debug/build");
        let runs = |folder: fs::DirEntry| folder.path().join("build-script-build").exists();
        until("the build", || fs::read_dir(&build).is_ok_and(|all| all.flatten().any(runs)));
        child
    }
}

#[test]
fn a_killed_comparison_is_cleared_away_by_the_next_one() {
    let (repository, _) = repository();
    repository.commit_slow();
    let temporary = tempfile::tempdir().unwrap();
    let mut child = repository.building(temporary.path());
    signal(&child, "KILL");
    assert_eq!(code(wait(&mut child)), -9);
    assert!(!repository.leftovers().is_empty());
    repository.rerun("same x.toml").works();
    assert_eq!(repository.leftovers(), Vec::<String>::new());
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0, "something is left in TMPDIR");
}

#[test]
fn a_comparison_that_is_stopped_ends_its_build_and_leaves_nothing() {
    let (repository, _) = repository();
    let built = repository.commit_slow();
    let temporary = tempfile::tempdir().unwrap();
    for name in ["TERM", "INT"] {
        let _ = fs::remove_dir_all(repository.0.path().join("target/compare"));
        let mut child = repository.building(temporary.path());
        let begin = Instant::now();
        signal(&child, name);
        assert_eq!(code(wait(&mut child)), 130);
        assert!(begin.elapsed() < Duration::from_secs(4), "it waited for the build");
        assert_eq!(repository.leftovers(), Vec::<String>::new());
        assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0, "something is left in TMPDIR");
    }
    sleep(Duration::from_secs(5));
    assert!(!built.exists(), "the build went on");
}

#[test]
fn two_comparisons_with_one_commit_do_each_other_no_harm() {
    let (repository, _) = repository();
    let start = || {
        let mut command = repository.0.command("compare --run same x.toml");
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    let mut both = [start(), start()];
    assert_eq!(both.each_mut().map(|child| code(wait(child))), [0, 0]);
    assert_eq!(repository.leftovers(), Vec::<String>::new());
}

#[test]
fn a_config_may_be_called_like_a_subcommand() {
    let (repository, _) = repository();
    for name in ["list", "--help", "plan"] {
        fs::copy(repository.0.path().join("x.toml"), repository.0.path().join(name)).unwrap();
        let name = if name.starts_with('-') { format!("./{name}") } else { name.to_owned() };
        repository.rerun(&format!("HEAD {name}")).works().prints("no regression, 2 identical");
    }
}

#[test]
fn a_commit_is_built_run_and_cleared_away() {
    let (repository, cells) = repository();
    let sandbox = &repository.0;
    // sgd was faster here. Before the message are the steps to three targets, then the evaluations.
    let faster = |line: &str| -> String {
        let mut columns: Vec<&str> = line.split(',').collect();
        let evaluations = columns.len() - 2;
        if columns[3] == "sgd" {
            (columns[evaluations - 3], columns[evaluations]) = ("3", "3");
        }
        columns.join(",") + "\n"
    };
    repository.put("src/cells.csv", &cells.lines().map(faster).collect::<String>());
    repository.commit("faster");
    // The program has another name, and the one of before is there from other builds.
    repository.put("src/cells.csv", &cells);
    repository
        .put("Cargo.toml", &format!("{PACKAGE}\n[[bin]]\nname = \"optbench\"\npath = \"src/main.rs\"\n"));
    repository.commit("renamed");
    repository.put("src/main.rs", "no program");
    repository.commit("broken");

    repository.rerun("same x.toml").works().prints("→ this build: no regression, 2 identical");
    repository
        .rerun("faster x.toml")
        .fails(1)
        .prints("1 regression, 1 identical")
        .prints("direct_fit · mse · sgd");
    for commit in ["renamed", "same", "renamed"] {
        repository.rerun(&format!("{commit} x.toml")).works().prints("2 identical");
    }
    repository.rerun("broken x.toml").fails(2).says("building broken (").says("does broken (");
    // Nothing is left behind, and nothing was touched.
    assert_eq!(repository.leftovers(), Vec::<String>::new());
    assert_eq!(repository.git(&["status", "--porcelain"]), "");
    assert!(!sandbox.path().join("results").exists());
}

/// Stands in for a commit that doesn't know Adam and MSE.
const OLDER: &str = r#"fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let config = std::fs::read_to_string(&arguments[5]).unwrap();
    if config.contains("adam") || config.contains("mse") {
        eprintln!("what is that?");
        std::process::exit(2);
    }
    if arguments[1] == "run" {
        assert!(std::path::Path::new(&arguments[5]).with_file_name("x.toml").exists(), "it isn't beside");
        let folder = std::path::Path::new(&arguments[3]).join("x");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("cells.csv"), include_str!("cells.csv")).unwrap();
    }
}
"#;

#[test]
fn entries_that_the_commit_does_not_know_appear() {
    let (repository, _) = repository();
    let lists = |losses: &str, optimizers: &str| {
        CONFIG.replace("\"mse\"", losses).replace("\"sgd\", \"adam\"", optimizers)
    };
    repository.0.config("known", &lists("\"l1\"", "\"sgd\", { heavy_ball = { momentum = 0.5 } }"));
    repository.0.run("known.toml --out out").works();
    let cells = fs::read_to_string(repository.0.path().join("out/x/cells.csv")).unwrap();
    fs::remove_dir_all(repository.0.path().join("out")).unwrap();
    repository.put("src/main.rs", OLDER);
    repository.put("src/cells.csv", &cells);
    repository.commit("older");
    repository
        .0
        .config("x", &lists("\"mse\", \"l1\"", "\"adam\", \"sgd\", { heavy_ball = { momentum = 0.5 } }"));
    let before = repository.git(&["status", "--porcelain"]);
    repository
        .rerun("older x.toml")
        .works()
        .prints("no regression, 4 appeared, 2 identical")
        .says("doesn't know mse (losses), adam (optimizers): only this build runs that")
        .never_says("what is that?");
    assert_eq!(repository.git(&["status", "--porcelain"]), before, "something is left");

    // Nothing is left of this one: the commit itself says why.
    repository.0.config("x", &lists("\"mse\"", "\"sgd\""));
    repository
        .rerun("older x.toml")
        .fails(2)
        .prints_nothing()
        .says("what is that?")
        .says("an older build doesn't know");
}
