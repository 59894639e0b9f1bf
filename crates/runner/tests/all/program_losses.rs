//! Losses that are programs, from the config to the results.

use std::path::{Path, PathBuf};

use records::{Cell, Cells, Outcome};
use runner::BUILD;
use runner::config;
use runner::engine::{self, LaneResult};
use runner::plan::{Batch, Plan};

use crate::sandbox::Sandbox;

/// The losses of the question, and their formulas.
const LOSSES: [(&str, &str); 3] = [
    ("plateau", "where(abs(d) <= 0.5, abs(d), 0.001*abs(d) + 0.4995)"),
    ("asymmetric", "where(d > 0, 5*d**2, d**2)"),
    ("poorly_conditioned", "0.01*d**2 + d"),
];

fn modules() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../losses/tests/modules")
}

/// The batches of a config that lies beside the modules.
fn batches(losses: &str, dtype: &str) -> Vec<Batch> {
    let text = format!(
        "name = 'programs'\ndtype = '{dtype}'\nsteps = 60\nrecord = {{ every = 1 }}\nlr = [0.003, 0.05]\n\
         targets = [1.0, 0.5, 0.2, 0.1]\nseeds = {{ tuning = 2, reporting = 3 }}\n\
         [[grid]]\nproblems = ['direct_fit', 'line_fit']\nlosses = [{losses}]\n\
         optimizers = ['sgd', {{ sgd = {{ momentum = 0.9 }} }}, 'adam']\n"
    );
    let file = modules().join("programs.toml").display().to_string();
    let config = config::parse(&file, &text).unwrap_or_else(|error| panic!("{error:?}"));
    Plan::new(&config).unwrap_or_else(|error| panic!("{error}")).batches
}

/// Every lane's result, in the order of problem, optimizer, rate and seed, however batches are cut.
fn run(losses: &str, dtype: &str) -> Vec<(String, LaneResult)> {
    tch::set_num_threads(1);
    let of_batch = |batch: &Batch| {
        let labels = batch.labels();
        let name = |lane: &runner::plan::Lane| {
            format!("{} {} lr {} seed {}", labels.problem, labels.optimizer, lane.lr, lane.seed)
        };
        batch.lanes.iter().map(name).zip(engine::run(batch)).collect::<Vec<_>>()
    };
    batches(losses, dtype).iter().flat_map(of_batch).collect()
}

#[test]
fn the_questions_losses_train_the_same_in_all_four_forms() {
    for (dtype, tolerance) in [("float32", 1e-4), ("float64", 1e-11)] {
        for (name, formula) in LOSSES {
            let built_in = run(&format!("'{name}'"), dtype);
            assert_eq!(built_in.len(), 60);
            for form in [
                format!("{{ formula = {{ value = '{formula}' }} }}"),
                format!("{{ program = {{ file = '{name}.pt2' }} }}"),
                format!("{{ program = {{ file = '{name}_none.pt2' }} }}"),
            ] {
                for ((what, ours), (_, theirs)) in built_in.iter().zip(run(&form, dtype)) {
                    assert_eq!(theirs.message, "", "{form}: {what}");
                    assert_eq!(ours.steps, theirs.steps, "{form}: {what}");
                    let scale =
                        ours.curve.iter().fold(0.0_f64, |most, at| most.max(at.loss.abs().max(at.error)));
                    // A point of a line that rounding puts on the other side of the plateau's edge has a
                    // slope a thousand times as large: single precision follows until one does.
                    let edges = dtype == "float32" && name == "plateau" && what.starts_with("line_fit");
                    let steps = if edges { 20 } else { 61 };
                    for (ours, theirs) in ours.curve.iter().zip(&theirs.curve).take(steps) {
                        let apart = (ours.loss - theirs.loss).abs().max((ours.error - theirs.error).abs());
                        assert!(apart <= tolerance * scale, "{form}: {what}: {ours:?} and {theirs:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_lane_is_the_same_whatever_runs_beside_it() {
    for file in ["plateau", "plateau_none", "learned", "leaky"] {
        let all = &batches(&format!("{{ program = {{ file = '{file}.pt2' }} }}"), "float32")[0];
        let together = engine::run(all);
        for (lane, beside) in all.lanes.iter().zip(together) {
            let alone = engine::run(&Batch { lanes: vec![*lane], ..all.clone() });
            assert_eq!(format!("{alone:?}"), format!("{:?}", [beside]), "{file}: {lane:?}");
        }
    }
}

/// A config in a folder with a copy of the modules.
fn with_modules(config: &str) -> Sandbox {
    let sandbox = Sandbox::with("bad", config);
    for entry in std::fs::read_dir(modules()).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), sandbox.path().join(entry.file_name())).unwrap();
    }
    sandbox
}

#[test]
fn a_bad_file_fails_its_own_cells_and_says_why() {
    let bad = ["nozip", "truncated", "arity", "notanumber", "integer", "fixed", "noderivative"];
    let losses: Vec<String> =
        bad.iter().map(|name| format!("{{ program = {{ file = 'bad_{name}.pt2' }} }}")).collect();
    let sandbox = with_modules(&format!(
        "name = 'bad'\nsteps = 50\nlr = [0.1]\nseeds = {{ tuning = 1, reporting = 1 }}\ntargets = [0.5]\n\
         [[grid]]\nproblems = ['direct_fit']\noptimizers = ['sgd']\nlosses = ['mse', {}]\n",
        losses.join(", ")
    ));
    sandbox.run("bad.toml").fails(1);
    let cells: Vec<Cell> =
        Cells::open(sandbox.results("bad").join("cells.csv")).unwrap().map(Result::unwrap).collect();
    assert_eq!(cells.len(), 2 * (1 + bad.len()));
    for Cell { loss, outcome, message, .. } in cells {
        let expected = match &*loss {
            "mse" => Outcome::Reached,
            _ if loss.contains("notanumber") => Outcome::Diverged,
            _ => Outcome::Failed,
        };
        assert_eq!(outcome, expected, "{loss}: {message}");
        if expected == Outcome::Failed {
            let name = loss.trim_start_matches("program(file=").trim_end_matches(')');
            assert!(message.starts_with(&format!("`{name}`")), "{loss}: {message}");
            assert!(!message.contains('\n') && message.len() < 400, "{message}");
        }
    }
}

#[test]
fn a_file_that_is_not_there_is_a_mistake_in_the_config() {
    let sandbox = with_modules(
        "name = 'bad'\n[[grid]]\nproblems = ['direct_fit']\noptimizers = ['sgd']\n\
         losses = ['mse', { program = { file = 'my_lost.pt2' } }]\n",
    );
    sandbox.run("bad.toml").fails(2).says("can't read `my_lost.pt2`").says("relative to the config");
}

/// What a file holds is part of what a result is of: another module under the same name is run anew.
#[test]
fn a_module_that_was_exported_again_is_run_again() {
    let loss = |name: &str| {
        let folder = tempfile::tempdir().unwrap();
        std::fs::copy(modules().join(name), folder.path().join("mine.pt2")).unwrap();
        let text = "name = 'again'\n[[grid]]\nproblems = ['direct_fit']\noptimizers = ['sgd']\n\
                    losses = [{ program = { file = 'mine.pt2' } }]\n";
        let file = folder.path().join("again.toml").display().to_string();
        let plan = Plan::new(&config::parse(&file, text).unwrap()).unwrap();
        plan.batches[0].key(BUILD, &plan.targets)
    };
    assert_eq!(loss("plateau.pt2"), loss("plateau.pt2"));
    assert_ne!(loss("plateau.pt2"), loss("asymmetric.pt2"));
}
