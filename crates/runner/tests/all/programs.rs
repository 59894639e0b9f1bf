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
        "losses/tests/modules/bad_torchscript.pt",
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
        &sandbox(&GRID.replace("learned.pt2", "bad_torchscript.pt")),
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
