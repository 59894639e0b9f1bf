//! `runner diagnose` as a person meets it.

use std::fs;

use crate::place::{Place, text};

/// The question's plateau, in one line.
const PLATEAU: [&str; 13] = [
    "diagnose",
    "--loss",
    "plateau",
    "--target",
    "0",
    "--start",
    "-2",
    "--lr",
    "0.1",
    "--steps",
    "20000",
    "--tolerance",
    "0.06",
];

#[test]
fn the_plateau_is_named_with_its_figures() {
    let place = Place::new();
    let output = place.run(&PLATEAU);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    insta::assert_snapshot!(text(&output.stdout));
    for file in [
        "diagnosis.json",
        "diagnosis.md",
        "profile.csv",
        "profile.svg",
        "profile.png",
        "descent.svg",
        "descent.png",
    ] {
        assert!(place.path().join("results/diagnosis").join(file).exists(), "{file}");
    }
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let files = |place: &Place| {
        assert_eq!(place.run(&["diagnose", "--formula", "tanh(abs(d))"]).status.code(), Some(0));
        let folder = place.path().join("results/diagnosis");
        let mut names: Vec<_> = fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()).collect();
        names.sort();
        names.into_iter().map(|path| fs::read(path).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(files(&Place::new()), files(&Place::new()));
}

/// What is said of a loss: the main cause.
fn cause(args: &[&str]) -> String {
    let output = Place::new().run(&[&["diagnose", "--json", "--no-write"], args].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    for key in ["verdict", "slows_descent", "findings", "fixes", "region"] {
        assert!(!answer[key].is_null(), "{key}");
    }
    answer["findings"][0]["cause"].as_str().unwrap().to_owned()
}

#[test]
fn any_loss_gets_an_answer() {
    assert_eq!(cause(&["--formula", "log(-1 - d**2)"]), "non_finite");
    assert_eq!(cause(&["--formula", "0*d"]), "detached_gradient");
    assert_eq!(cause(&["--formula", "d**2", "--target", "1", "--start", "0"]), "healthy");
    // Its minimum is at infinity, and its start and target are chosen for it.
    assert_eq!(cause(&["--loss", "cross_entropy", "--lr", "3"]), "healthy");
    assert_eq!(cause(&["--formula", "-d"]), "unbounded_below");
    let many = "{ normal = { shape = [100000] } }";
    assert_eq!(cause(&["--loss", "mse", "--target", many, "--lr", "30000", "--steps", "100"]), "healthy");
}

/// Runs a diagnosis that can't be made and returns what is said.
fn said(args: &[&str]) -> String {
    let place = Place::new();
    let output = place.run(&[&["diagnose"], args].concat());
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert!(output.stdout.is_empty() && !message.contains("panicked"), "{message}");
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0, "something was written");
    message
}

macro_rules! mistakes {
    ($($name:ident: $($arg:expr),+;)*) => {$(
        #[test]
        fn $name() {
            insta::assert_snapshot!(said(&[$($arg),+]));
        }
    )*};
}

mistakes! {
    nothing_to_diagnose: "--lr", "0.1";
    a_formula_that_cannot_be_read: "--formula", "abz(d)";
    a_start_that_is_the_target: "--loss", "mse", "--start", "1", "--target", "1";
    a_tolerance_that_is_met: "--loss", "mse", "--tolerance", "100";
    shapes_that_do_not_fit: "--loss", "mse", "--target", "[1, 2, 3]", "--start", "[1, 2]";
    a_misspelt_generator: "--loss", "mse", "--start", "{ normall = { std = 1 } }";
    a_target_that_is_an_offset: "--loss", "mse", "--target", "{ offset = 1 }";
    a_missing_file: "--loss", "mse", "--target", "{ file = { path = \"nothere.npz\" } }";
    a_rate_of_zero: "--loss", "mse", "--lr", "0";
    a_start_for_a_problem: "--problem", "line_fit", "--loss", "mse", "--start", "1";
    a_problem_without_a_loss: "--problem", "line_fit";
    a_missing_module: "--torchscript", "nothere.pt";
}
