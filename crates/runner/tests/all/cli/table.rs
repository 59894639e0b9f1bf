//! `optbench table`: what it prints and writes, and what it says when there is nothing to read.

use std::fs;

use crate::sandbox::{Sandbox, text};

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

fn ran() -> Sandbox {
    let sandbox = Sandbox::with("x", CONFIG);
    sandbox.run("x.toml --jobs 2").works();
    sandbox
}

fn printed(sandbox: &Sandbox, more: &str) -> String {
    sandbox.run(&format!("table results/x {more}")).works().stdout
}

#[test]
fn every_form_is_printed_and_written() {
    let sandbox = ran();
    let before = fs::read(sandbox.results("x").join("table.csv")).unwrap();
    let terminal = printed(&sandbox, "");
    assert!(terminal.lines().all(|line| line.chars().count() <= 100), "{terminal}");
    for part in
        ["direct_fit: target", "how sure", "solvers over 4 workloads", "t: median", "pairs of solvers"]
    {
        assert!(terminal.contains(part), "{part} is not in\n{terminal}");
    }
    assert!(terminal.contains("poorly_conditioned"));
    let read = |name: &str| text(&fs::read(sandbox.results("x").join(name)).unwrap());
    // A run writes the same table.
    assert_eq!(read("table.csv").as_bytes(), before);
    assert_eq!(read("table.md"), printed(&sandbox, "--format markdown --top 0"));
    let csv = printed(&sandbox, "--format csv");
    assert_eq!((read("scores.csv"), csv.lines().count()), (csv, 17));
    let json = printed(&sandbox, "--format json --top 1");
    assert_eq!(read("scores.json"), json);
    let all: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(all["table"].as_array().unwrap().len(), 16);
    assert_eq!(all["scores"]["solvers"].as_array().unwrap().len(), 4);
    assert_eq!(all["scores"]["pairs"].as_array().unwrap().len(), 6);
    // `cells.csv` may be named itself.
    assert_eq!(sandbox.run("table results/x/cells.csv").works().stdout, terminal);
}

#[test]
fn filters_print_a_part_and_write_nothing() {
    let sandbox = ran();
    let filtered = printed(&sandbox, "--loss mse --problem direct --format csv");
    assert_eq!(filtered.lines().count(), 5);
    assert!(filtered.lines().skip(1).all(|line| line.starts_with("direct_fit,mse,")));
    let two = printed(&sandbox, "--optimizer sgd --optimizer adam --schedule cos --format csv");
    assert_eq!(two.lines().count(), 9);
    printed(&sandbox, "--no-write");
    assert!(!sandbox.results("x").join("scores.csv").exists());
    sandbox
        .run("table results/x --optimizer lion --loss mse")
        .fails(2)
        .prints_nothing()
        .says("no cell has loss `mse` and optimizer `lion`")
        .says("optimizer: adam, sgd");
}

#[test]
fn what_cannot_be_read_is_said_with_its_place() {
    let sandbox = Sandbox::new();
    sandbox
        .run("table results/x")
        .fails(2)
        .prints_nothing()
        .says("there is no results folder results/x")
        .says("run a grid first");

    let sandbox = ran();
    sandbox.run("table results/y").fails(2).prints_nothing().says("there is results/x");
    sandbox.run("table results").fails(2).prints_nothing().says("holds no cells.csv").says("results/grid");

    let path = sandbox.results("x").join("cells.csv");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 20]).unwrap();
    sandbox
        .run("table results/x")
        .fails(2)
        .prints_nothing()
        .says("isn't what the manifest.json beside it says");
    // Without a manifest the rows themselves tell.
    fs::remove_file(sandbox.results("x").join("manifest.json")).unwrap();
    sandbox
        .run("table results/x")
        .fails(2)
        .prints_nothing()
        .says("the file ends within this row")
        .says("cells.csv:")
        .says("run its config again");

    let lines = whole.iter().position(|&byte| byte == b'\n').unwrap() + 1;
    fs::write(&path, &whole[..lines]).unwrap();
    sandbox.run("table results/x").fails(2).prints_nothing().says("has no cells");

    // The form of schema 1, which had no budget.
    let old = text(&whole).replacen("outcome,budget,", "outcome,", 1);
    fs::write(&path, old).unwrap();
    sandbox
        .run("table results/x")
        .fails(2)
        .prints_nothing()
        .says("the column `budget` of cells.csv of schemas 3 to 4 is missing: run its config again");

    let mut broken = whole.clone();
    let at = text(&whole).find(",tuning,").unwrap();
    broken[at + 1] = b'T';
    fs::write(&path, broken).unwrap();
    sandbox.run("table results/x").fails(2).prints_nothing().says("cells.csv:2: role is `Tuning`");

    fs::remove_file(&path).unwrap();
    sandbox.run("table results/x").fails(2).prints_nothing().says("isn't finished");
}

#[test]
fn a_folder_that_cannot_be_written_is_said() {
    let sandbox = ran();
    // A folder where the file would go: refused even to root, whom permissions don't stop.
    fs::create_dir(sandbox.results("x").join("scores.csv")).unwrap();
    sandbox.run("table results/x").fails(1).says("can't write").says("--no-write");
    printed(&sandbox, "--no-write");
}

#[test]
fn a_loss_without_a_number_at_the_start_is_not_called_slow() {
    let sandbox = Sandbox::with(
        "x",
        "name = 'x'\nsteps = 100\nseeds = { tuning = 1, reporting = 2 }\nlr = [0.1]\n[[grid]]\n\
         problems = ['direct_fit']\noptimizers = ['sgd', 'adam']\n\
         losses = ['mse', { formula = { value = 'log(d - 1000)**2' } }]\n",
    );
    // The command that it names can be run, with its quotes.
    let said = sandbox
        .run("x.toml")
        .works()
        .says("isn't finite at the start of direct_fit")
        .never_says("is slow")
        .says("`optbench diagnose --loss ")
        .said();
    let (_, command) = said.split_once("`optbench ").unwrap();
    let (command, _) = command.split_once('`').unwrap();
    sandbox.run(&format!("{command} --no-write --format json")).works().prints("\"non_finite\"");
    let table = fs::read_to_string(sandbox.path().join("results/x/table.csv")).unwrap();
    let of_loss: Vec<&str> = table.lines().filter(|line| line.contains("log(d - 1000)")).collect();
    assert!(
        of_loss.len() == 2 && of_loss.iter().all(|line| line.contains(",not finite at start,")),
        "{table}"
    );
}
