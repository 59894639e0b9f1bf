//! PyTorch programs in grids: losses, objectives and optimizers. `scripts/golden/modules.py`, `objectives.py` and
//! `optimizer_programs.py` wrote them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use records::{Cell, Cells};

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
        "optimizers/tests/programs/adam.pt2",
        "optimizers/tests/programs/muon.pt2",
        "optimizers/tests/programs/noisy.pt2",
        "optimizers/tests/programs/reduced.pt2",
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
fn a_config_of_before_says_how_to_export_anew() {
    let config = GRID.replace("program = { file = \"learned.pt2\"", "torchscript = { file = \"learned.pt\"");
    sandbox(&config).run("x.toml").fails(2).says("TorchScript is at its end: export the code anew");
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

/// Optimizers of one's own beside a built-in one, on a landscape and on a network. `scripts/golden/optimizer_programs.py`
/// wrote them.
const OPTIMIZERS: &str = "name = \"x\"\nsteps = 20\nlr = [0.01, 0.1]\nseeds = { tuning = [0], reporting = [1, 2] }\n\
    [[grid]]\nproblems = [{ quadratic = { dim = 6, spread = 1 } }]\n\
    optimizers = [{ program = { file = \"adam.pt2\", options = { beta1 = [0.9, 0.95] } } }, \"adam\"]\n\
    [[grid]]\nproblems = [{ digits_mlp = { hidden = 4 } }]\nlosses = [\"cross_entropy\"]\n\
    optimizers = [{ program = { file = \"adam.pt2\", options = { beta1 = [0.9, 0.95], beta2 = [0.99, 0.999] } } }, \"adam\", \
    { cautious = { optimizer = { program = { file = \"muon.pt2\" } } } }]\n";

#[test]
fn optimizers_repeat_whatever_the_threads_and_their_options_make_entries() {
    let (one, two) = (sandbox(OPTIMIZERS), sandbox(OPTIMIZERS));
    one.run("x.toml --jobs 1")
        .works()
        .prints("program(file=adam.pt2, options={beta1=0.95})")
        .prints("cautious(optimizer=program(file=muon.pt2))");
    two.run("run x.toml --shard 1/2").works();
    two.run("x.toml --jobs 2").works();
    assert!(result_files(&one.results("x")) == result_files(&two.results("x")));
    // Its defaults are those of the built-in one.
    let cells: Vec<Cell> =
        Cells::open(one.results("x").join("cells.csv")).unwrap().map(|cell| cell.unwrap()).collect();
    let of = |optimizer: &str| -> Vec<&Cell> {
        cells.iter().filter(|cell| cell.optimizer == optimizer && cell.loss == "-").collect()
    };
    let (ours, theirs) = (of("adam"), of("program(file=adam.pt2, options={beta1=0.9})"));
    assert!(ours.len() == 6 && ours.len() == theirs.len(), "{}", theirs.len());
    for (ours, theirs) in ours.iter().zip(&theirs) {
        let [a, b] = [ours, theirs].map(|cell| cell.best_error);
        assert!((ours.lr, ours.seed) == (theirs.lr, theirs.seed) && (a - b).abs() < 1e-4 * a, "{a} and {b}");
    }
}

/// A part is computed anew where the file of its optimizer is another, and no other part.
#[test]
fn another_file_of_an_optimizer_makes_other_cells() {
    let sandbox = sandbox(OPTIMIZERS);
    sandbox.run("x.toml").works();
    let parts = || -> BTreeSet<String> {
        let entries = fs::read_dir(sandbox.results("x").join("parts")).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    let (before, manifest) =
        (parts(), fs::read_to_string(sandbox.results("x").join("manifest.json")).unwrap());
    assert!(manifest.contains("\"adam.pt2\"") && manifest.contains("\"muon.pt2\""), "{manifest}");
    let lion = Path::new(env!("CARGO_MANIFEST_DIR")).join("../optimizers/tests/programs/lion.pt2");
    fs::copy(lion, sandbox.path().join("muon.pt2")).unwrap();
    sandbox.run("x.toml").works();
    let after = parts();
    let changed = fs::read_to_string(sandbox.results("x").join("manifest.json")).unwrap();
    assert_ne!(changed, manifest);
    // Those of three seeds.
    assert_eq!((before.difference(&after).count(), after.difference(&before).count()), (3, 3), "{after:?}");
}

#[test]
fn what_is_no_optimizer_fails_its_own_cells() {
    for (file, message) in [
        ("diabetes.csv", "`diabetes.csv`: it is no zip archive"),
        (
            "learned.pt2",
            "`learned.pt2` is exported with the role loss, and an optimizer is needed: write it with",
        ),
        ("noisy.pt2", "`noisy.pt2` draws random numbers, which an optimizer can't here"),
        ("reduced.pt2", "`reduced.pt2`: update returns a parameter of size [], and takes one of "),
    ] {
        fails(&sandbox(&OPTIMIZERS.replace("muon.pt2", file)), message);
    }
}

#[test]
fn wrong_options_of_an_optimizer_are_shown_in_the_config() {
    let says = |from: &str, to: &str| {
        let ran = sandbox(&OPTIMIZERS.replacen(from, to, 1)).run("x.toml").fails(2);
        ran.prints_nothing().stderr.clone()
    };
    let all = "file = \"adam.pt2\", options = { beta1 = [0.9, 0.95] }";
    let messages = [
        says("beta1 = [0.9, 0.95]", "beta3 = 0.9"),
        says("beta1 = [0.9, 0.95]", "beta1 = [0.9, 0.9]"),
        says("beta1 = [0.9, 0.95]", "beta1 = []"),
        says("beta1 = [0.9, 0.95]", "beta1 = \"high\""),
        says("beta1 = [0.9, 0.95]", "beta1 = nan"),
        says(all, "file = \"missing.pt2\""),
        says(all, ""),
    ];
    insta::assert_snapshot!(messages.join("\n"));
}

/// A map names options of a program as the config does, and a diagnosis takes one.
#[test]
fn maps_and_diagnoses_take_an_optimizer() {
    let adam = "problem = { quadratic = { dim = 2, condition = 10 } }\n\
        optimizer = { program = { file = \"adam.pt2\", options = { beta2 = 0.99 } } }\nsteps = 20\nname = \"x\"\n";
    let map = |axis: &str| {
        format!(
            "{adam}target = 0.01\nx = {{ vary = \"lr\", from = 0.01, to = 1, scale = \"log\", pixels = 2 }}\n\
             y = {{ vary = \"optimizer.options.{axis}\", from = 0, to = 0.9, pixels = 2 }}\n"
        )
    };
    sandbox(&map("beta1")).run("map x.toml").works().prints("an error of ");
    sandbox(&map("beta3"))
        .run("map x.toml")
        .fails(2)
        .says("`adam.pt2` has no option `beta3`: did you mean `beta1`?");
    sandbox(&format!("{adam}lr = 0.1\n")).run("diagnose x.toml").works().prints("Healthy");
}

/// The example to copy, as it is.
#[test]
fn the_example_of_an_optimizer_runs() {
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/my-optimizer.toml");
    let sandbox = Sandbox::new();
    sandbox
        .run([config])
        .works()
        .prints("program(file=programs/my_optimizer.pt2, options={boost=0})")
        .prints("program(file=programs/my_optimizer.pt2, options={boost=0.5})");
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
    // A product of matrices rounds otherwise for several lanes.
    let near = |(a, b): (&str, &str)| match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(a), Ok(b)) => a == b || (a - b).abs() <= 1e-5 * b.abs(),
        _ => a == b,
    };
    assert_eq!(together.len(), apart.len());
    for (together, apart) in together.iter().zip(&apart) {
        assert!(together.split(',').zip(apart.split(',')).all(near), "{together}\n{apart}");
    }
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
