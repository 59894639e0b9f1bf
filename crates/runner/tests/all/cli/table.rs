//! `runner table`: what it prints and writes, and what it says when there is nothing to read.

use std::fs;

use crate::place::{Place, text};

const CONFIG: &str = r#"
name = "x"
steps = 500
seeds = { tuning = 2, reporting = 3 }
lr = [0.01, 0.1, 1]

[[grid]]
problems = ["direct_fit", "line_fit"]
losses = ["poorly_conditioned", "mse"]
optimizers = ["sgd", "adam"]
schedules = ["constant", "cosine"]
"#;

fn ran() -> Place {
    let place = Place::new();
    let file = place.config("x", CONFIG);
    let output = place.run(&[&file, "--jobs", "2"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    place
}

fn printed(place: &Place, more: &[&str]) -> String {
    let output = place.run(&[&["table", "results/x"], more].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    text(&output.stdout)
}

/// Runs the command, which must fail with 2 and print nothing.
fn said(place: &Place, arguments: &[&str]) -> String {
    let output = place.run(arguments);
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert!(output.stdout.is_empty() && !message.contains("panicked"), "{message}");
    message
}

#[test]
fn every_form_is_printed_and_written() {
    let place = ran();
    let before = fs::read(place.results("x").join("table.csv")).unwrap();
    let terminal = printed(&place, &[]);
    assert!(terminal.lines().all(|line| line.chars().count() <= 100), "{terminal}");
    for part in
        ["direct_fit: target", "how sure", "solvers over 4 workloads", "t: median", "pairs of solvers"]
    {
        assert!(terminal.contains(part), "{part} is not in\n{terminal}");
    }
    assert!(terminal.contains("poorly_conditioned"));
    let read = |name: &str| text(&fs::read(place.results("x").join(name)).unwrap());
    // A run writes the same table.
    assert_eq!(read("table.csv").as_bytes(), before);
    assert_eq!(read("table.md"), printed(&place, &["--format", "markdown", "--top", "0"]));
    let csv = printed(&place, &["--format", "csv"]);
    assert_eq!((read("scores.csv"), csv.lines().count()), (csv, 17));
    let json = printed(&place, &["--format", "json", "--top", "1"]);
    assert_eq!(read("scores.json"), json);
    let all: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(all["table"].as_array().unwrap().len(), 16);
    assert_eq!(all["scores"]["solvers"].as_array().unwrap().len(), 4);
    assert_eq!(all["scores"]["pairs"].as_array().unwrap().len(), 6);
    // `cells.csv` may be named itself.
    assert_eq!(text(&place.run(&["table", "results/x/cells.csv"]).stdout), terminal);
}

#[test]
fn filters_print_a_part_and_write_nothing() {
    let place = ran();
    let filtered = printed(&place, &["--loss", "mse", "--problem", "direct", "--format", "csv"]);
    assert_eq!(filtered.lines().count(), 5);
    assert!(filtered.lines().skip(1).all(|line| line.starts_with("direct_fit,mse,")));
    let two = printed(
        &place,
        &["--optimizer", "sgd", "--optimizer", "adam", "--schedule", "cos", "--format", "csv"],
    );
    assert_eq!(two.lines().count(), 9);
    printed(&place, &["--no-write"]);
    assert!(!place.results("x").join("scores.csv").exists());
    let message = said(&place, &["table", "results/x", "--optimizer", "lion", "--loss", "mse"]);
    assert!(message.contains("no cell has loss `mse` and optimizer `lion`"), "{message}");
    assert!(message.contains("optimizer: adam, sgd"), "{message}");
}

#[test]
fn what_cannot_be_read_is_said_with_its_place() {
    let place = Place::new();
    let message = said(&place, &["table", "results/x"]);
    assert!(message.contains("there is no results folder results/x") && message.contains("run a grid first"));

    let place = ran();
    let message = said(&place, &["table", "results/y"]);
    assert!(message.contains("there is results/x"), "{message}");
    let message = said(&place, &["table", "results"]);
    assert!(message.contains("holds no cells.csv") && message.contains("results/grid"), "{message}");

    let path = place.results("x").join("cells.csv");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 20]).unwrap();
    let message = said(&place, &["table", "results/x"]);
    assert!(message.contains("isn't what the manifest.json beside it says"), "{message}");
    // Without a manifest the rows themselves tell.
    fs::remove_file(place.results("x").join("manifest.json")).unwrap();
    let message = said(&place, &["table", "results/x"]);
    assert!(message.contains("the file ends within this row") && message.contains("cells.csv:"), "{message}");
    assert!(message.contains("run its config again"), "{message}");

    let lines = whole.iter().position(|&byte| byte == b'\n').unwrap() + 1;
    fs::write(&path, &whole[..lines]).unwrap();
    assert!(said(&place, &["table", "results/x"]).contains("has no cells"));

    // The form of schema 1, which had no budget.
    let old = text(&whole).replacen("outcome,budget,", "outcome,", 1);
    fs::write(&path, old).unwrap();
    let message = said(&place, &["table", "results/x"]);
    assert!(
        message.contains("column 12 should be `budget`") && message.contains("another version"),
        "{message}"
    );

    let mut broken = whole.clone();
    let at = text(&whole).find(",tuning,").unwrap();
    broken[at + 1] = b'T';
    fs::write(&path, broken).unwrap();
    let message = said(&place, &["table", "results/x"]);
    assert!(message.contains("cells.csv:2: role is `Tuning`"), "{message}");

    fs::remove_file(&path).unwrap();
    let message = said(&place, &["table", "results/x"]);
    assert!(message.contains("isn't finished"), "{message}");
}

#[test]
fn a_folder_that_cannot_be_written_is_said() {
    let place = ran();
    // A folder where the file would go: refused even to root, whom permissions don't stop.
    fs::create_dir(place.results("x").join("scores.csv")).unwrap();
    let output = place.run(&["table", "results/x"]);
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("can't write") && message.contains("--no-write"), "{message}");
    printed(&place, &["--no-write"]);
}

#[test]
fn a_loss_without_a_number_at_the_start_is_not_called_slow() {
    let place = Place::new();
    let file = place.config(
        "x",
        "name = 'x'\nsteps = 100\nseeds = { tuning = 1, reporting = 2 }\nlr = [0.1]\n[[grid]]\n\
         problems = ['direct_fit']\noptimizers = ['sgd', 'adam']\n\
         losses = ['mse', { formula = { value = 'log(d - 1000)**2' } }]\n",
    );
    let output = place.run(&[&file]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("isn't finite at the start of direct_fit") && !said.contains("is slow"), "{said}");
    assert!(said.contains("runner diagnose --loss"), "{said}");
    let table = fs::read_to_string(place.path().join("results/x/table.csv")).unwrap();
    let of_loss: Vec<&str> = table.lines().filter(|line| line.contains("log(d - 1000)")).collect();
    assert!(
        of_loss.len() == 2 && of_loss.iter().all(|line| line.contains(",not finite at start,")),
        "{table}"
    );
}
