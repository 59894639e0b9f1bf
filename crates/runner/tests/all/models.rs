//! Models and data of one's own, from config to result: as PyTorch trains them, and what is said where a file is bad.

use std::fs;
use std::path::{Path, PathBuf};

use records::Outcome;
use runner::BUILD;
use runner::config;
use runner::engine::{self, CurvePoint, LaneResult};
use runner::plan::Plan;
use serde_json::{Value, json};

use crate::sandbox::{Ran, Sandbox};

fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../problems/tests/models")
}

/// A config that trains one problem, whose options are JSON, in a folder.
fn text(problem: &Value, loss: &str, head: &str) -> String {
    let options: toml::Table = serde_json::from_value(problem.clone()).unwrap();
    let options: Vec<String> = options.iter().map(|(key, value)| format!("{key} = {value}")).collect();
    format!(
        "name = 'yours'\n{head}\n[[grid]]\nproblems = [{{ model = {{ {} }} }}]\nlosses = ['{loss}']\n",
        options.join(", ")
    )
}

/// Reads a config as if it lay in a folder, and runs it.
fn run(folder: &Path, text: &str) -> Vec<LaneResult> {
    tch::set_num_threads(1);
    let file = folder.join("yours.toml").display().to_string();
    let config = config::parse(&file, text).unwrap_or_else(|error| panic!("{error:?}\n{text}"));
    let plan = Plan::new(&config).unwrap_or_else(|error| panic!("{error}\n{text}"));
    plan.batches.iter().flat_map(engine::run).collect()
}

/// One lane of seed 5 at a rate, recorded at every step.
const HEAD: &str = "steps = 50\nrecord = { every = 1 }\nseeds = { tuning = [], reporting = [5] }";

#[test]
fn training_is_pytorchs() {
    let file = include_str!("../../../problems/tests/golden/training.json");
    let golden: Value = serde_json::from_str(file).unwrap();
    assert_eq!(golden["torch"], "2.13.0");
    let cases = golden["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 6);
    for case in cases {
        let (problem, loss) = (&case["problem"], case["loss"].as_str().unwrap());
        let text = text(problem, loss, &format!("{HEAD}\nlr = [{}]", case["lr"]));
        let text = format!("{text}optimizers = [{}]\n", case["optimizer"]);
        let [result] = &run(&models(), &text)[..] else { panic!("one lane") };
        assert_eq!(result.message, "");
        let curve: Vec<[f64; 3]> = serde_json::from_value(case["curve"].clone()).unwrap();
        assert_eq!((result.curve.len(), curve.len()), (51, 51));
        for (moment, [loss, norm, error]) in result.curve.iter().zip(&curve) {
            for (what, ours, theirs) in [
                ("loss", moment.loss, *loss),
                ("gradient", moment.gradient_norm, *norm),
                ("error", moment.error, *error),
            ] {
                // Rounding, after 50 steps of Adam, whose direction is a quotient of small numbers at first.
                let near = (ours - theirs).abs() <= 2e-5 * theirs.abs().max(0.1);
                assert!(near, "{what} of {problem} at {}: {ours}, and should be {theirs}", moment.step);
            }
        }
    }
}

/// Losses, gradient norms and errors of one lane that an optimizer trains for 99 steps. The model is gain·(w·x + b):
/// the gradient of one factor is the other one.
fn trained(batch: usize, optimizer: &str, lr: f64) -> Vec<[f64; 3]> {
    let inputs = ["age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6"];
    let problem = json!({"file": "line.pt2", "data": "diabetes.csv", "inputs": inputs, "targets": "progression",
                         "test": 0.25, "standardize": true, "batch": batch});
    let text = text(&problem, "mse", &format!("{}\nlr = [{lr}]", HEAD.replace("50", "99")));
    let [result] = &run(&models(), &format!("{text}optimizers = [{optimizer}]\n"))[..] else {
        panic!("one lane")
    };
    assert_eq!((&*result.message, result.curve.len()), ("", 100), "{optimizer}");
    result.curve.iter().map(|moment| [moment.loss, moment.gradient_norm, moment.error]).collect()
}

/// The error is taken at averaged weights, and the gradient isn't.
#[test]
fn a_gradient_is_of_the_point_that_the_loss_is_of() {
    for batch in [0, 16] {
        for (plain, averaging, lr) in [
            ("'adam'", "{ lookahead = { optimizer = 'adam', k = 100 } }", 0.01),
            ("'sgd'", "{ asgd = { lambd = 0, t0 = 0 } }", 0.05),
        ] {
            let (plain, averaged) = (trained(batch, plain, lr), trained(batch, averaging, lr));
            for (step, (ours, theirs)) in averaged.iter().zip(&plain).enumerate() {
                for (ours, theirs) in ours[..2].iter().zip(&theirs[..2]) {
                    // Fused steps round otherwise than libtorch's.
                    let near = (ours - theirs).abs() <= 1e-4 * theirs.abs().max(0.1);
                    assert!(near, "{averaging}, batch {batch}, step {step}: {ours}, and should be {theirs}");
                }
            }
            assert_ne!(averaged[90][2], plain[90][2], "{averaging}: its error isn't that of the average");
        }
    }
}

#[test]
fn lanes_are_trained_apart_and_run_as_they_do_alone() {
    let problem = json!({"file": "mlp.pt2", "data": "digits.npz", "batch": 32});
    let with = |rates: &str| {
        let head = HEAD.replace("[5]", "[5, 6]");
        let text = text(&problem, "mse", &format!("{head}\nlr = {rates}\ndivergence = 1e9"));
        run(&models(), &format!("{text}optimizers = ['sgd']\n"))
    };
    let together = with("[0.1, 0.3, 1e5]");
    let outcomes: Vec<Outcome> = together.iter().map(|lane| lane.outcome).collect();
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Outcome::Diverged).count(), 2, "{outcomes:?}");
    // Lanes of a seed come together: 0.1, 0.3, 1e5 of seed 5, then those of seed 6.
    for (rate, places) in [("[0.1]", [0, 3]), ("[0.3]", [1, 4])] {
        let alone = with(rate);
        for (alone, sandbox) in alone.iter().zip(places) {
            // A product of matrices rounds otherwise for several lanes.
            let near = |(a, b): (&CurvePoint, &CurvePoint)| (a.loss - b.loss).abs() <= 1e-5 * b.loss;
            let curves = (&alone.curve, &together[sandbox].curve);
            assert!(curves.0.len() == curves.1.len() && curves.0.iter().zip(curves.1).all(near), "lr {rate}");
        }
        assert_ne!(alone[0].curve, alone[1].curve, "seeds shuffle");
        assert_eq!(
            alone[0].curve[0].error, alone[1].curve[0].error,
            "the start and the split are every seed's"
        );
    }
}

/// The message of a lane of a problem in a folder.
fn message(folder: &Path, problem: &Value, loss: &str) -> String {
    let head = "steps = 20\nseeds = { tuning = [], reporting = [5] }\nlr = [0.1]";
    let text = text(problem, loss, head) + "optimizers = ['sgd']\n";
    let [lane] = &run(folder, &text)[..] else { panic!("one lane: {problem}") };
    if lane.message.is_empty() { format!("no message: {:?}", lane.outcome) } else { lane.message.clone() }
}

/// A folder of bad files, and good ones to go with them.
fn bad_files() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for entry in fs::read_dir(models()).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), path(entry.file_name().to_str().unwrap())).unwrap();
    }
    let model = fs::read(path("mlp.pt2")).unwrap();
    fs::write(path("text.pt2"), "not a zip").unwrap();
    fs::write(path("truncated.pt2"), &model[..model.len() / 2]).unwrap();
    for name in ["digits.npz", "digits.safetensors"] {
        let bytes = fs::read(path(name)).unwrap();
        fs::write(path(&format!("truncated-{name}")), &bytes[..bytes.len() / 2]).unwrap();
    }
    let x = tch::Tensor::ones([6, 64], (tch::Kind::Float, tch::Device::Cpu));
    let y = tch::Tensor::from_slice(&[0_i64, 1, 2, 3, 4, 9]);
    let write = |name: &str, x: &tch::Tensor, y: &tch::Tensor| {
        tch::Tensor::write_npz(&[("x", x), ("y", y)], path(name)).unwrap();
    };
    write("rows.npz", &x, &y.narrow(0, 0, 5));
    write("bytes.npz", &(&x * 255).to_kind(tch::Kind::Uint8), &y);
    write("negative.npz", &x, &(&y - 1));
    write("floats.npz", &x, &y.to_kind(tch::Kind::Float));
    write("narrow.npz", &x.narrow(1, 0, 63), &y);
    write("no-rows.npz", &x.narrow(0, 0, 0), &y.narrow(0, 0, 0));
    write("one-row.npz", &x.narrow(0, 0, 1), &y.narrow(0, 0, 1));
    let nan = x.copy();
    let _ = nan.get(3).get(7).fill_(f64::NAN);
    write("nan.npz", &nan, &y);
    for (name, text) in [
        ("empty.csv", ""),
        ("head.csv", "a,b,y\n"),
        ("ragged.csv", "a,b,y\n1,2,3\n4,5\n"),
        ("words.csv", "a,b,y\n1,2,3\n4,blue,6\n"),
        ("nan.csv", "a,b,y\n1,2,3\n4,nan,6\n"),
        ("no-names.csv", "1,2,3\n4,5,6\n"),
        ("twice.csv", "a,a,y\n1,2,3\n4,5,6\n"),
        ("halves.csv", "a,b,y\n1,2,0.5\n4,5,1\n"),
        ("single.csv", "y\n1\n2\n"),
        ("constant.csv", "a,b,c,d,e,f,g,h,i,j,y\n1,2,3,4,5,6,7,8,9,10,1\n1,2,3,4,5,6,7,8,9,10,1\n"),
    ] {
        fs::write(path(name), text).unwrap();
    }
    folder
}

#[test]
fn every_bad_file_is_named_with_a_remedy() {
    let folder = bad_files();
    let mut said = String::new();
    let mut ask = |problem: Value, loss: &str| {
        let message = message(folder.path(), &problem, loss);
        assert!(!message.contains(folder.path().to_str().unwrap()), "{message}");
        assert!(message.chars().count() < 600, "{message}");
        said.extend([format!("{} on {}: {message}\n", problem["file"], problem["data"])]);
    };
    for model in [
        "text",
        "truncated",
        "two_inputs",
        "pair",
        "not_a_number",
        "detached",
        "guess",
        "three",
        "one_row",
        "confidence",
    ] {
        ask(json!({"file": format!("{model}.pt2"), "data": "digits.npz"}), "cross_entropy");
    }
    ask(
        json!({"file": "one_logit.pt2", "data": "diabetes.csv", "targets": "severe", "classes": true,
               "inputs": ["age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6"]}),
        "cross_entropy",
    );
    ask(json!({"file": "mlp.pt2", "data": "floats.npz"}), "mse");
    for data in [
        "truncated-digits.npz",
        "truncated-digits.safetensors",
        "digits.safetensors",
        "rows.npz",
        "bytes.npz",
        "negative.npz",
        "narrow.npz",
        "no-rows.npz",
        "one-row.npz",
        "nan.npz",
    ] {
        ask(json!({"file": "mlp.pt2", "data": data}), "cross_entropy");
    }
    for data in [
        "empty.csv",
        "head.csv",
        "ragged.csv",
        "words.csv",
        "nan.csv",
        "no-names.csv",
        "twice.csv",
        "single.csv",
        "constant.csv",
    ] {
        ask(json!({"file": "line.pt2", "data": data, "test": 0.5}), "mse");
    }
    ask(json!({"file": "line.pt2", "data": "halves.csv", "classes": true}), "mse");
    ask(json!({"file": "line.pt2", "data": "diabetes.csv", "inputs": ["age", "weight"]}), "mse");
    ask(json!({"file": "mlp.pt2", "data": "digits.npz", "inputs": ["x", "z"]}), "mse");
    ask(json!({"file": "mlp.pt2", "data": "digits.npz", "test_data": "floats.npz"}), "mse");
    ask(json!({"file": "mlp.pt2", "data": "digits.npz", "metric": "each_row.pt2"}), "mse");
    ask(json!({"file": "mlp.pt2", "data": "digits.npz", "metric": "mlp.pt2"}), "mse");
    // One prediction for two targets must not be broadcast against both. ([n, 1] against [n] is in the golden file.)
    let inputs = ["age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6"];
    let two = json!({"file": "line.pt2", "data": "diabetes.csv", "inputs": inputs, "targets": ["progression", "severe"]});
    ask(two, "mse");
    insta::assert_snapshot!(said);
}

/// Runs the program in a folder.
fn program(folder: &Path, config: &str) -> Ran {
    fs::write(folder.join("grid.toml"), config).unwrap();
    Sandbox::new().run_anew("grid.toml --jobs 2", |to| to.current_dir(folder))
}

#[test]
fn a_bad_file_fails_its_own_cells_and_a_missing_one_or_a_pair_that_cannot_fit_the_config() {
    let folder = bad_files();
    let grid = |problems: &str, losses: &str| {
        format!(
            "name = 'x'\nsteps = 20\nlr = [0.1]\nseeds = {{ tuning = 0, reporting = 2 }}\n[[grid]]\n\
             problems = [{problems}]\nlosses = [{losses}]\noptimizers = ['sgd']\n"
        )
    };
    let good = "{ model = { file = 'mlp.pt2', data = 'digits.npz' } }";
    let bad = "{ model = { file = 'truncated.pt2', data = 'digits.npz' } }";
    program(folder.path(), &grid(&format!("{good}, {bad}, 'direct_fit'"), "'mse'")).fails(1);
    let cells = fs::read_to_string(folder.path().join("results/x/cells.csv")).unwrap();
    let failed = |line: &&str| line.contains("`truncated.pt2`: it is no zip archive");
    assert_eq!((cells.lines().count(), cells.lines().filter(failed).count()), (7, 2), "{cells}");

    for (problem, loss, wanted) in [
        ("{ model = { file = 'no.pt2', data = 'digits.npz' } }", "mse", "`file`: can't read `no.pt2`"),
        ("{ model = { file = 'mlp.pt2', data = 'digits.mat' } }", "mse", "`data`: can't read `digits.mat`"),
        (
            "{ model = { file = 'mlp.pt2', data = 'mlp.pt2' } }",
            "mse",
            "`data` must end in .safetensors, .npz, .csv",
        ),
        ("'model'", "mse", "`file` and `data` are needed"),
        ("{ model = { file = 'mlp.pt2', data = 'digits.npz', test = 1 } }", "mse", "`test` must be from 0"),
        (
            "{ model = { file = 'mlp.pt2', data = 'digits.npz', batch = 0 } }",
            "mse",
            "is random, so every seed",
        ),
        ("{ model = { file = 'line.pt2', data = 'diabetes.csv' } }", "cross_entropy", "needs classes"),
    ] {
        program(folder.path(), &grid(problem, &format!("'{loss}'"))).fails(2).says(wanted);
    }
}

#[test]
fn what_the_files_hold_is_part_of_the_key() {
    let folder = bad_files();
    let batches = || {
        let problem = json!({"file": "mlp.pt2", "data": "digits.npz"});
        let text = text(&problem, "mse", "lr = [0.1]") + "optimizers = ['sgd']\n";
        let file = folder.path().join("x.toml").display().to_string();
        let plan = Plan::new(&config::parse(&file, &text).unwrap()).unwrap();
        plan.batches[0].key(BUILD, &plan.targets)
    };
    let before = batches();
    assert_eq!(batches(), before);
    fs::copy(folder.path().join("rows.npz"), folder.path().join("digits.npz")).unwrap();
    assert_ne!(batches(), before);
}
