//! The examples of `configs/programs`: run and diagnosed by the commands that they show, and trained as PyTorch does it.

use std::fs;
use std::path::{Path, PathBuf};

use runner::config;
use runner::engine;
use runner::plan::Plan;
use serde_json::Value;

use crate::sandbox::{Sandbox, is_full};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/programs")
}

/// A place where the examples lie as in the project.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    let examples = sandbox.path().join("configs/programs");
    fs::create_dir_all(&examples).unwrap();
    for entry in fs::read_dir(folder()).unwrap().map(Result::unwrap) {
        fs::copy(entry.path(), examples.join(entry.file_name())).unwrap();
    }
    sandbox
}

/// A command that the comment of a config shows, without the program's name.
fn command(text: &str, start: &str) -> String {
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("#   {start}")));
    line.unwrap_or_else(|| panic!("the comment shows `{start}`:\n{text}")).to_owned()
}

/// Runs the commands that a config shows; `verdict` is what the diagnosis says.
fn trains_and_is_diagnosed(name: &str, verdict: &str) {
    let sandbox = sandbox();
    let text = fs::read_to_string(folder().join(format!("{name}.toml"))).unwrap();
    let export = command(&text, "python scripts/export.py ");
    let mut words = export.split(' ');
    let (source, class) = words.next().unwrap().split_once(':').unwrap();
    let source = fs::read_to_string(sandbox.path().join(source)).unwrap();
    assert!(source.contains(&format!("\nclass {class}(nn.Module):\n")), "{export}");
    assert!(
        words.filter(|word| word.contains('/')).all(|word| sandbox.path().join(word).is_file()),
        "{export}"
    );

    // A third of the steps shows it, too.
    let config = format!("configs/programs/{name}");
    sandbox
        .config(&config, &text.replace("steps = 100", "steps = 30").replace("steps = 200\n", "steps = 60\n"));
    let run = command(&text, "optbench configs/");
    assert_eq!(run, format!("programs/{name}.toml"));
    sandbox.run(&format!("configs/{run}")).works();
    let results = sandbox.results(&name.replace('_', "-"));
    let cells = fs::read_to_string(results.join("cells.csv")).unwrap();
    // Without what is quoted, the problem.
    let plain: Vec<String> = cells.lines().map(|line| line.split('"').step_by(2).collect()).collect();
    let mut rows = plain.iter().map(|line| line.split(',').collect::<Vec<_>>());
    let head = rows.next().unwrap();
    let column = |name: &str| head.iter().position(|own| *own == name).unwrap();
    let (outcome, start, best) = (column("outcome"), column("start_error"), column("best_error"));
    let rows: Vec<_> = rows.collect();
    assert!(rows.iter().all(|row| ["reached", "budget"].contains(&row[outcome])), "{cells}");
    let number = |text: &str| text.parse::<f64>().unwrap();
    let better = rows.iter().filter(|row| number(row[best]) < number(row[start])).count();
    assert!(2 * better > rows.len(), "{better} of {} cells are better than their start", rows.len());
    let terms = fs::read_to_string(results.join("terms.csv")).unwrap_or_default();
    let named =
        source.split("\"terms\": {").nth(1).and_then(|rest| rest.split('}').next()).unwrap_or_default();
    for term in named.split('"').skip(1).step_by(2) {
        assert!(terms.contains(&format!(",{term},")), "{term} isn't recorded: {terms}");
    }

    // A step of the LSTM takes long.
    if name == "lstm" && !is_full() {
        return;
    }
    sandbox.run(&format!("diagnose {}", command(&text, "optbench diagnose "))).works().prints(verdict);
}

#[test]
fn a_model_of_two_heads() {
    trains_and_is_diagnosed("two_heads", "Healthy: the run reaches the tolerance of 0.8 at step 10.");
}

#[test]
fn sample_weights_and_a_mask() {
    trains_and_is_diagnosed("weighted", "Healthy: the run reaches the tolerance of 0.9 at step 160.");
}

#[test]
fn a_variational_autoencoder() {
    trains_and_is_diagnosed("vae", "Flagged, but not what slows you: a conflict of terms.");
}

#[test]
fn triplets() {
    trains_and_is_diagnosed("triplet", "Healthy: the run reaches the tolerance of 0.1 at step 30.");
}

#[test]
fn a_physics_informed_net() {
    trains_and_is_diagnosed("pinn", "Slow by ill-conditioning: ");
}

#[test]
fn an_lstm() {
    trains_and_is_diagnosed("lstm", "Healthy: the run reaches the tolerance of 0.2 at step 60.");
}

#[test]
fn every_example_is_tested() {
    let names =
        fs::read_dir(folder()).unwrap().filter_map(|entry| entry.unwrap().file_name().into_string().ok());
    let mut configs: Vec<String> =
        names.filter_map(|name| name.strip_suffix(".toml").map(str::to_owned)).collect();
    configs.sort();
    assert_eq!(configs, ["lstm", "pinn", "triplet", "two_heads", "vae", "weighted"]);
}

/// `scripts/golden/examples.py` trained them.
#[test]
fn examples_are_trained_as_pytorch_does_it() {
    tch::set_num_threads(1);
    let golden =
        fs::read_to_string(folder().join("../../crates/problems/tests/golden/examples.json")).unwrap();
    let golden: Value = serde_json::from_str(&golden).unwrap();
    let cases = golden["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 2);
    for case in cases {
        let text = format!(
            "name = 'x'\nsteps = 20\ndtype = 'float64'\nrecord = {{ every = 1 }}\nlr = [{}]\n\
             seeds = {{ tuning = [], reporting = [{}] }}\n[[grid]]\noptimizers = [{}]\n\
             problems = [{{ objective = {{ file = {}, data = {}, batch = {} }} }}]\n",
            case["lr"], case["seed"], case["optimizer"], case["program"], case["data"], case["batch"]
        );
        let config = config::parse(folder().join("x.toml").display().to_string(), &text).unwrap();
        let plan = Plan::new(&config).unwrap();
        let [result] = &plan.batches.iter().flat_map(engine::run).collect::<Vec<_>>()[..] else {
            panic!("one lane")
        };
        assert_eq!(result.message, "");
        let curve: Vec<[f64; 3]> = serde_json::from_value(case["curve"].clone()).unwrap();
        assert_eq!((result.curve.len(), curve.len()), (21, 21));
        for (point, [loss, norm, error]) in result.curve.iter().zip(&curve) {
            let mut pairs = vec![("loss", point.loss, loss), ("gradient", point.gradient_norm, norm)];
            if point.step % 10 == 0 || case["batch"] == 0 {
                pairs.push(("error", point.error, error));
            }
            for (what, ours, theirs) in pairs {
                let near = (ours - theirs).abs() <= 1e-9 * theirs.abs().max(0.1);
                assert!(
                    near,
                    "{what} of {} at {}: {ours}, and PyTorch has {theirs}",
                    case["program"], point.step
                );
            }
        }
    }
}
