//! What every entry of the registry promises.

use std::collections::HashSet;

use losses::Loss;
use problems::Problem;
use serde::{Deserialize, Serialize};

use crate::{is_flat, losses_of, name, seeds_for, tensors, tensors_start, variants};

/// A problem as it stands in a config.
#[derive(Serialize, Deserialize)]
struct Config {
    problem: Problem,
}

fn read(toml: &str) -> Problem {
    toml::from_str::<Config>(toml).unwrap_or_else(|error| panic!("{toml}: {error}")).problem
}

/// Problem, option, values out of its range, values at the ends of it.
const RANGES: [(&str, &str, &[&str], &[&str]); 52] = [
    ("direct_fit", "dim", &["0", "1000001"], &["1", "1000000"]),
    ("direct_fit", "spread", &["0.0", "-1.0", "nan", "inf"], &["1e-300"]),
    ("line_fit", "slope", &["nan", "inf", "-inf"], &["0", "-1e10"]),
    ("line_fit", "intercept", &["nan", "inf", "-inf"], &["0"]),
    ("line_fit", "points", &["0", "1", "100001"], &["2", "100000"]),
    ("line_fit", "noise", &["-0.1", "nan", "inf"], &["0"]),
    ("line_fit", "spread", &["-0.1", "nan", "inf"], &["0"]),
    ("quadratic", "dim", &["0", "2001"], &["1", "2000"]),
    ("quadratic", "condition", &["0.99", "0", "-2.0", "1.1e16", "nan", "inf"], &["1", "1e16"]),
    ("quadratic", "spread", &["0", "-1", "nan", "inf"], &["1e-300"]),
    ("rosenbrock", "dim", &["0", "1", "10001"], &["2", "10000"]),
    ("rosenbrock", "spread", &["-0.1", "nan", "inf"], &["0"]),
    ("styblinski_tang", "dim", &["0", "10001"], &["1", "10000"]),
    ("rastrigin", "dim", &["0", "10001"], &["1", "10000"]),
    ("ackley", "dim", &["0", "10001"], &["1", "10000"]),
    ("levy", "dim", &["0", "10001"], &["1", "10000"]),
    ("saddle", "dim", &["0", "10001"], &["1", "10000"]),
    ("moat", "dim", &["0", "10001"], &["1", "10000"]),
    ("abs_power", "dim", &["0", "10001"], &["1", "10000"]),
    ("beale", "spread", &["-0.1", "nan", "inf"], &["0"]),
    ("himmelblau", "spread", &["-0.1", "nan", "inf"], &["0"]),
    ("styblinski_tang", "spread", &["-0.1", "nan", "inf"], &["0"]),
    ("rastrigin", "spread", &["-0.1", "nan", "inf"], &["0"]),
    ("ackley", "spread", &["-0.1", "nan", "inf"], &["0"]),
    ("levy", "spread", &["-0.1", "nan", "inf"], &["0"]),
    ("saddle", "spread", &["-0.1", "nan", "inf"], &["0"]),
    ("monkey_saddle", "spread", &["-0.1", "nan", "inf"], &["0"]),
    ("moat", "spread", &["-0.1", "nan", "inf"], &["0"]),
    ("abs_power", "spread", &["-0.1", "nan", "inf"], &["0"]),
    ("moat", "steepness", &["0", "101", "nan"], &["1e-300", "100"]),
    ("abs_power", "exponent", &["0", "-1", "101", "nan"], &["1e-300", "100"]),
    ("digits_mlp", "hidden", &["0", "4097"], &["1", "4096"]),
    ("digits_mlp", "batch", &["0", "1438"], &["1", "1437"]),
    ("digits_autoencoder", "hidden", &["0", "4097"], &["1", "4096"]),
    ("digits_autoencoder", "batch", &["0", "1438"], &["1", "1437"]),
    ("softmax_regression", "ridge", &["9e-5", "101", "nan"], &["1e-4", "100"]),
    ("free_fit", "noise", &["-0.1", "nan", "inf"], &["0"]),
    ("noisy", "gaussian", &["-0.1", "nan", "inf"], &["0"]),
    ("noisy", "heavy_tailed", &["-0.1", "nan", "inf"], &["0"]),
    ("noisy", "sparse", &["-0.1", "nan", "inf"], &["0"]),
    ("deep_linear_chain", "depth", &["0", "1001"], &["1", "1000"]),
    ("deep_linear_chain", "gain", &["0", "-1", "101", "nan"], &["1e-300", "100"]),
    ("deep_linear_chain", "spread", &["-0.1", "1.5", "nan"], &["0", "1"]),
    ("matrix_factorization", "rows", &["0", "1001"], &["1", "1000"]),
    ("matrix_factorization", "columns", &["0", "1001"], &["1", "1000"]),
    ("matrix_factorization", "rank", &["0", "101"], &["1", "100"]),
    ("matrix_factorization", "spread", &["0", "-1", "nan", "inf"], &["1e-300"]),
    ("audio", "partials", &["0", "65"], &["1", "64"]),
    ("audio", "samples", &["1", "1000001"], &["2", "1000000"]),
    ("audio", "sample_rate", &["999", "192001", "nan", "inf"], &["1000", "192000"]),
    ("audio", "detune", &["-0.5", "48.5", "nan", "inf"], &["0", "48"]),
    ("audio", "spread", &["-0.1", "nan", "inf"], &["0"]),
];

#[test]
fn options_out_of_range_are_refused_by_name_and_value() {
    for (problem, option, bad, good) in RANGES {
        let with = |value: &str| read(&format!("problem = {{ {problem} = {{ {option} = {value} }} }}"));
        for value in bad {
            let message = with(value).check().expect_err(&format!("{problem} with {option} = {value}"));
            assert!(message.starts_with(&format!("`{option}` must be ")), "{message}");
            let shown = value.trim_end_matches(".0").replace("nan", "NaN");
            assert!(message.ends_with(&format!("and is {shown}")), "{message}");
        }
        for value in good {
            assert_eq!(with(value).check(), Ok(()), "{problem} with {option} = {value}");
        }
    }
}

#[test]
fn numbers_of_a_free_fit_are_checked() {
    for (options, message) in [
        ("start = []", "`start`: the list is empty"),
        ("target = { normal = { std = -1 } }", "`target`: `std` must be 0 or above, and is -1"),
        ("target = { uniform = { from = 2, to = 1 } }", "`target`: `from` is 2 and `to` is 1"),
        (
            "start = { array = { values = [1, 2], shape = [3] } }",
            "`start`: `shape` [3] holds 3 numbers, and there are 2",
        ),
        ("start = { offset = { offset = 1 } }", "`start`: an offset must be numbers of its own"),
        ("target = { offset = 1 }", "`target` can't be an offset from itself"),
    ] {
        let said = read(&format!("problem = {{ free_fit = {{ {options} }} }}")).check().unwrap_err();
        assert!(said.starts_with(message), "{said}");
    }
}

#[test]
fn noise_can_not_be_had_twice_or_in_a_module() {
    for (inner, message) in [
        ("{ noisy = {} }", "`problem` is noisy itself"),
        ("{ quadratic = { dim = 0 } }", "`dim` must be from 1 to 2000, and is 0"),
    ] {
        let said = read(&format!("problem = {{ noisy = {{ problem = {inner} }} }}")).check().unwrap_err();
        assert!(said.starts_with(message), "{said}");
    }
}

#[test]
fn every_option_has_a_range_or_is_a_switch() {
    for problem in Problem::all().iter().filter(|problem| problem.files().is_empty()) {
        for (option, value) in problem.options().as_object().unwrap() {
            let known = RANGES.iter().any(|(name, range, ..)| *name == problem.name() && range == option);
            assert!(
                known
                    || value.is_boolean()
                    || ["problem", "activation", "data", "start", "target", "readout", "loss_input"]
                        .contains(&option.as_str()),
                "{} says nothing about {option}",
                problem.name()
            );
        }
    }
}

#[test]
fn variants_are_accepted_and_come_back_from_toml() {
    for problem in variants() {
        assert_eq!(problem.check(), Ok(()), "{}", problem.label());
        let text = toml::to_string(&Config { problem: problem.clone() }).unwrap();
        assert_eq!(read(&text), problem, "{text}");
    }
    let labels: HashSet<String> = variants().iter().map(Problem::label).collect();
    assert_eq!(labels.len(), variants().len(), "results are told apart by labels");
}

#[test]
fn unknown_options_are_refused() {
    for problem in Problem::NAMES {
        let text = format!("problem = {{ {problem} = {{ color = 1 }} }}");
        let message = toml::from_str::<Config>(&text).err().expect("there are no colors").to_string();
        assert!(message.contains("unknown field `color`"), "{message}");
    }
}

#[test]
fn entries_describe_themselves() {
    for problem in Problem::all() {
        let info = problem.info();
        assert_eq!(info.faults(), Vec::<String>::new(), "{}", problem.name());
        assert!(!info.formula.is_empty(), "{}", problem.name());
    }
}

#[test]
fn targets_get_harder_and_counts_are_sensible() {
    for problem in variants() {
        let targets = problem.targets();
        assert!(!targets.is_empty() && targets.iter().all(|target| *target > 0.0));
        assert!(targets.windows(2).all(|pair| pair[0] > pair[1]), "{}: hardest last", problem.name());
        assert!(problem.batching().lanes >= 1 && problem.error_period() >= 1);
    }
}

#[test]
fn every_loss_that_is_allowed_runs_from_the_start() {
    for problem in variants() {
        for loss in losses_of(&problem) {
            let seeds = seeds_for(&problem, 2);
            let start = tensors_start::<f32>(&problem, loss.as_ref(), &seeds);
            let said = tensors::<f32>(&problem, loss.as_ref(), &seeds, &start, 0);
            let what = name(&problem, loss.as_ref());
            let all = [said.loss, said.gradient.concat(), said.error].concat();
            assert!(all.iter().all(|x| x.is_finite()), "{what}");
            // A loss of a waveform has no slope in silence.
            let silent = start.concat().iter().all(|x| *x == 0.0)
                && matches!(loss, Some(Loss::Spectral(_) | Loss::Envelope(_)));
            let moves = said.gradient.concat().iter().any(|slope| *slope != 0.0);
            assert!(moves != silent || is_flat(loss.as_ref()), "{what} has somewhere to go");
        }
    }
}
