//! Runs that were stopped: `table`, `report` and `compare` agree on what they show.

use std::fs;

use crate::place::{Place, text};

const GRID: &str = "name = 'x'\nsteps = 30\nlr = [0.01, 0.1]\nseeds = { tuning = 1, reporting = 2 }\n\
    [[grid]]\nproblems = ['line_fit']\nlosses = ['mse', 'l1', 'huber']\noptimizers = ['sgd', 'adam']\n";

/// Runs the program; its answer, and what it says in one line. It must end with this code.
fn said(place: &Place, arguments: &[&str], code: i32) -> (String, String) {
    let output = place.run(arguments);
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {message}");
    let message = message.split_whitespace().filter(|word| *word != "│").collect::<Vec<_>>().join(" ");
    (text(&output.stdout), message)
}

fn page(place: &Place, arguments: &[&str]) -> (String, String) {
    let message = said(place, &[&["report", "results/x", "--no-figures"], arguments].concat(), 0).1;
    (fs::read_to_string(place.results("x").join("report.html")).unwrap(), message)
}

#[test]
fn an_edited_config_that_was_stopped_leaves_the_finished_results() {
    let place = Place::new();
    place.config("x", GRID);
    said(&place, &["x.toml"], 0);
    fs::create_dir(place.path().join("old")).unwrap();
    for name in ["cells.csv", "manifest.json"] {
        fs::copy(place.results("x").join(name), place.path().join("old").join(name)).unwrap();
    }
    let table = said(&place, &["table", "results/x"], 0).0;
    place.config("x", &GRID.replace("steps = 30", "steps = 20"));
    said(&place, &["run", "x.toml", "--shard", "0/3"], 0);
    let note = "note: results/x has the results of the last finished run; a run of an edited config is unfinished (2 \
                of 6 parts; run x.toml again to finish it)";
    let (shown, message) = said(&place, &["table", "results/x"], 0);
    assert!(shown == table && message.contains(note), "{message}");
    let (html, message) = page(&place, &[]);
    assert!(message.contains(note) && !html.contains("still running"), "{message}");
    assert!(
        html.contains(&note[6..]) && html.contains("steps = 30") && !html.contains("steps = 20"),
        "{html}"
    );
    let (answer, message) = said(&place, &["compare", "old", "results/x"], 0);
    assert!(message.contains(note) && answer.contains("6 identical"), "{answer}{message}");

    said(&place, &["x.toml"], 0);
    let (shown, message) = said(&place, &["table", "results/x"], 0);
    assert!(shown != table && !message.contains("note"), "{message}");
    assert!(page(&place, &[]).0.contains("steps = 20"));
}

#[test]
fn a_first_run_that_was_stopped_is_shown_as_far_as_it_is() {
    let place = Place::new();
    place.config("x", GRID);
    said(&place, &["run", "x.toml", "--shard", "0/3"], 0);
    let note = "note: the run in results/x isn't finished: 2 of 6 parts, of 36 runs in all";
    let (table, message) = said(&place, &["table", "results/x", "--format", "csv"], 0);
    assert!(message.contains(note) && table.lines().count() == 3, "{table}{message}");
    let written = fs::read_dir(place.results("x")).unwrap().map(|entry| entry.unwrap().file_name());
    let mut written: Vec<_> = written.map(|name| name.into_string().unwrap()).collect();
    written.sort();
    assert_eq!(written, [".lock", "parts", "running.json"]);
    let (html, message) = page(&place, &[]);
    assert!(
        message.contains(note) && html.contains("2 of 6 parts") && html.contains("still running"),
        "{message}"
    );
    // What isn't finished is not compared.
    let why = "the first run in results/x isn't finished (2 of 6 parts; run x.toml again to finish it)";
    for side in ["results", "results/x"] {
        let message = said(&place, &["compare", side, side], 2).1;
        assert!(message.contains("has no results") && message.contains(why), "{message}");
    }
    place.config("y", &GRID.replace("'x'", "'y'"));
    said(&place, &["y.toml"], 0);
    let (answer, message) = said(&place, &["compare", "results", "results"], 0);
    assert!(answer.contains("6 identical") && message.contains(why), "{message}");
}
