//! Runs that were stopped: `table`, `report` and `compare` agree on what they show.

use std::fs;

use crate::sandbox::{Ran, Sandbox};

const GRID: &str = "name = 'x'\nsteps = 30\nlr = [0.01, 0.1]\nseeds = { tuning = 1, reporting = 2 }\n\
    [[grid]]\nproblems = ['line_fit']\nlosses = ['mse', 'l1', 'huber']\noptimizers = ['sgd', 'adam']\n";

fn page(sandbox: &Sandbox) -> (String, Ran) {
    let ran = sandbox.run("report results/x --no-figures").works();
    (fs::read_to_string(sandbox.results("x").join("report.html")).unwrap(), ran)
}

#[test]
fn an_edited_config_that_was_stopped_leaves_the_finished_results() {
    let sandbox = Sandbox::with("x", GRID);
    sandbox.run("x.toml").works();
    fs::create_dir(sandbox.path().join("old")).unwrap();
    for name in ["cells.csv", "manifest.json"] {
        fs::copy(sandbox.results("x").join(name), sandbox.path().join("old").join(name)).unwrap();
    }
    let table = sandbox.run("table results/x").works().stdout;
    sandbox.config("x", &GRID.replace("steps = 30", "steps = 20"));
    sandbox.run("run x.toml --shard 0/3").works();
    let note = "note: results/x has the results of the last finished run; a run of an edited config is unfinished (2 \
                of 6 parts; run x.toml again to finish it)";
    let shown = sandbox.run("table results/x").works().says(note).stdout;
    assert_eq!(shown, table);
    let (html, ran) = page(&sandbox);
    ran.says(note);
    assert!(html.contains(&note[6..]) && !html.contains("still running"), "{html}");
    assert!(html.contains("steps = 30") && !html.contains("steps = 20"), "{html}");
    sandbox.run("compare old results/x").works().says(note).prints("6 identical");

    sandbox.run("x.toml").works();
    let shown = sandbox.run("table results/x").works().never_says("note").stdout;
    assert_ne!(shown, table);
    assert!(page(&sandbox).0.contains("steps = 20"));
}

#[test]
fn a_first_run_that_was_stopped_is_shown_as_far_as_it_is() {
    let sandbox = Sandbox::with("x", GRID);
    sandbox.run("run x.toml --shard 0/3").works();
    let note = "note: the run in results/x isn't finished: 2 of 6 parts, of 36 runs in all";
    let table = sandbox.run("table results/x --format csv").works().says(note).stdout;
    assert_eq!(table.lines().count(), 3, "{table}");
    let written = fs::read_dir(sandbox.results("x")).unwrap().map(|entry| entry.unwrap().file_name());
    let mut written: Vec<_> = written.map(|name| name.into_string().unwrap()).collect();
    written.sort();
    assert_eq!(written, [".lock", "parts", "running.json"]);
    let (html, ran) = page(&sandbox);
    ran.says(note);
    assert!(html.contains("2 of 6 parts") && html.contains("still running"), "{html}");
    // What isn't finished is not compared.
    let why = "the first run in results/x isn't finished (2 of 6 parts; run x.toml again to finish it)";
    for side in ["results", "results/x"] {
        sandbox.run(["compare", side, side]).fails(2).says("has no results").says(why);
    }
    sandbox.config("y", &GRID.replace("'x'", "'y'"));
    sandbox.run("y.toml").works();
    sandbox.run("compare results results").works().prints("6 identical").says(why);
}
