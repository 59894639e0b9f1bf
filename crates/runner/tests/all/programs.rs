//! PyTorch programs in grids: losses and objectives. `scripts/golden/modules.py` and `objectives.py` wrote them.

use std::fs;
use std::path::Path;

use crate::sandbox::{Sandbox, result_files};

const GRID: &str = "name = \"x\"\nsteps = 30\nlr = [0.01, 0.1]\nseeds = { tuning = [0], reporting = [1, 2] }\n\
    [[grid]]\nproblems = [\"direct_fit\"]\nlosses = [{ program = { file = \"learned.pt2\" } }, \"mse\"]\n\
    optimizers = [\"sgd\", \"adam\"]\n\
    [[grid]]\nproblems = [{ objective = { file = \"objective.pt2\", data = \"diabetes.csv\", batch = 16 } }]\n\
    optimizers = [\"adam\", \"lbfgs\"]\n";

fn sandbox(config: &str) -> Sandbox {
    let sandbox = Sandbox::with("x", config);
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for file in [
        "losses/tests/modules/learned.pt2",
        "losses/tests/modules/plateau.pt",
        "problems/tests/models/objective.pt2",
        "problems/tests/models/diabetes.csv",
    ] {
        let name = Path::new(file).file_name().unwrap();
        fs::copy(crates.join(file), sandbox.path().join(name)).unwrap();
    }
    sandbox
}

#[test]
fn threads_and_interruptions_change_no_byte() {
    let (one, two) = (sandbox(GRID), sandbox(GRID));
    one.run("x.toml --jobs 1").works().prints("program(file=learned.pt2)").prints("objective(");
    two.run("run x.toml --shard 1/2").works();
    two.run("x.toml --jobs 2").works();
    assert!(result_files(&one.results("x")) == result_files(&two.results("x")));
    let terms = fs::read_to_string(one.results("x").join("terms.csv")).unwrap();
    assert!(terms.contains(",penalty,") && terms.contains(",fit,"), "{}", &terms[..300]);
}

/// Cells that fail say why, and no others do.
#[track_caller]
fn fails(sandbox: &Sandbox, message: &str) {
    sandbox.run("x.toml").fails(1);
    let cells = fs::read_to_string(sandbox.results("x").join("cells.csv")).unwrap();
    let said = cells.lines().filter(|line| line.contains(message)).count();
    assert!(
        said > 0 && said < cells.lines().count() / 2 && said == cells.matches(",failed,").count(),
        "{cells}"
    );
}

#[test]
fn every_seed_has_a_start_of_its_own_and_one_too_many_is_said() {
    fails(
        &sandbox(&GRID.replace("[1, 2]", "[1, 9]")),
        "it holds 3 starts, and seed 9 needs one more: export it with --seeds 10",
    );
}

#[test]
fn a_torchscript_file_says_how_to_go_on() {
    fails(
        &sandbox(&GRID.replace("learned.pt2", "plateau.pt")),
        "it is a TorchScript module: export it anew with scripts/export.py",
    );
}

#[test]
fn data_that_do_not_fit_are_said() {
    let without = sandbox(&GRID.replace(", data = \"diabetes.csv\"", ""));
    fails(&without, "`data` is needed: the program takes bmi, bp, s5, progression");
    let lacking = sandbox(GRID);
    fs::write(lacking.path().join("diabetes.csv"), "bmi,bp\n1,2\n3,4\n").unwrap();
    fails(&lacking, "the program takes `s5`, and there is only bmi, bp");
}

/// Objectives that keep a state, change what they are given, draw, or turn gradients off: `scripts/golden/stateful.py`.
const STATEFUL: [&str; 5] = ["counts", "plain", "in-place", "drops", "stops"];

/// The rows of `cells.csv` of a grid of these, but for the keys, sorted.
fn stateful(names: &[&str], rates: &str, seeds: &str, jobs: u32) -> Vec<String> {
    let problem = |name: &&str| {
        format!("{{ objective = {{ file = \"stateful-{name}.pt2\", data = \"diabetes.csv\", batch = 16 }} }}")
    };
    let config = format!(
        "name = \"x\"\nsteps = 20\nlr = {rates}\nseeds = {{ tuning = [], reporting = {seeds} }}\n[[grid]]\n\
         problems = [{}]\noptimizers = [\"sgd\", \"adam\"]\n",
        names.iter().map(problem).collect::<Vec<_>>().join(", ")
    );
    let sandbox = sandbox(&config);
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../problems/tests/models");
    for name in names {
        let file = format!("stateful-{name}.pt2");
        fs::copy(models.join(&file), sandbox.path().join(&file)).unwrap();
    }
    sandbox.run(&format!("x.toml --jobs {jobs}")).works();
    let cells = fs::read_to_string(sandbox.results("x").join("cells.csv")).unwrap();
    let mut rows: Vec<String> =
        cells.lines().skip(1).map(|line| line.split_once(',').unwrap().1.to_owned()).collect();
    rows.sort();
    rows
}

#[test]
fn nothing_leaks_between_lanes_cells_and_threads() {
    let together = stateful(&STATEFUL, "[0.01, 0.1]", "[1, 2]", 2);
    assert_eq!(together.len(), STATEFUL.len() * 2 * 2 * 2);
    let mut apart = Vec::new();
    for name in STATEFUL {
        for (rate, seed) in [("[0.01]", "[1]"), ("[0.01]", "[2]"), ("[0.1]", "[1]"), ("[0.1]", "[2]")] {
            apart.extend(stateful(&[name], rate, seed, 1));
        }
    }
    apart.sort();
    assert_eq!(together, apart);
    let of = |name: &str| {
        let file = format!("stateful-{name}.pt2");
        let own = together.iter().filter(|row| row.contains(&file));
        own.map(|row| row.replace(&file, "")).collect::<Vec<_>>()
    };
    assert_eq!(of("plain"), of("in-place"), "what is changed in place is a copy");
    for other in ["counts", "drops", "stops"] {
        assert_ne!(of("plain"), of(other), "what it does makes a difference");
    }
}

#[test]
fn a_bad_program_among_good_ones_fails_its_own_cells() {
    let good = "{ objective = { file = \"objective.pt2\", data = \"diabetes.csv\", batch = 16 } }";
    let config = GRID.replace(good, &format!("{good}, {}", good.replace("objective.pt2", "bad.pt2")));
    for (edit, message) in [
        (&(|bytes: &mut Vec<u8>| bytes.truncate(1000)) as &dyn Fn(&mut Vec<u8>), "it is no zip archive"),
        (&|bytes| *bytes = b"PK".to_vec(), "it is no zip archive"),
        (&|bytes| bytes.fill(0), "it is no zip archive"),
    ] {
        let sandbox = sandbox(&config);
        let mut bytes = fs::read(sandbox.path().join("objective.pt2")).unwrap();
        edit(&mut bytes);
        fs::write(sandbox.path().join("bad.pt2"), bytes).unwrap();
        fails(&sandbox, message);
    }
}
