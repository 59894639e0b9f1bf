//! What the program says to wrong inputs: message, place, remedy and exit code.

use std::fs;

use crate::place::{Place, text};

/// A grid that is right, to go wrong in one place.
const GRID: &str = "[[grid]]\nproblems = [\"direct_fit\"]\nlosses = [\"mse\"]\noptimizers = [\"sgd\"]\n";

/// Runs a config that is wrong and returns what is said. It must exit with 2 and write nothing.
fn said(config: impl Into<String>) -> String {
    let place = Place::new();
    let file = place.config("x", &config.into());
    let output = place.run(&[&file]);
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert!(output.stdout.is_empty());
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1, "something was written");
    assert!(!message.contains("panicked"), "{message}");
    message
}

macro_rules! mistakes {
    ($($name:ident: $config:expr;)*) => {$(
        #[test]
        fn $name() {
            insta::assert_snapshot!(said($config));
        }
    )*};
}

mistakes! {
    a_misspelt_key: format!("name = \"x\"\nstpes = 5\n{GRID}");
    a_misspelt_key_in_a_grid: format!("name = \"x\"\n{GRID}schedule = [\"cosine\"]\n");
    a_wrong_type: format!("name = \"x\"\nsteps = \"many\"\n{GRID}");
    a_negative_count: format!("name = \"x\"\nsteps = -5\n{GRID}");
    no_steps: format!("name = \"x\"\nsteps = 0\n{GRID}");
    a_hold_longer_than_the_run: format!("name = \"x\"\nsteps = 100\nhold = 2000\n{GRID}");
    a_fractional_count: format!("name = \"x\"\nsteps = 1.5\n{GRID}");
    an_unknown_optimizer: format!("name = \"x\"\n{}", GRID.replace("sgd", "adamm"));
    an_unknown_option: format!("name = \"x\"\n{}", GRID.replace("\"sgd\"", "{ adam = { beta = 0.9 } }"));
    an_option_out_of_range: format!("name = \"x\"\n{}", GRID.replace("\"sgd\"", "{ adam = { beta1 = 1.5 } }"));
    a_formula_with_a_misspelt_name:
        format!("name = \"x\"\n{}", GRID.replace("\"mse\"", "\"mse\", { formula = { value = \"where(abz(d) < 1, d**2, abs(d))\" } }"));
    two_optimizers_in_one_table: format!("name = \"x\"\n{}", GRID.replace("\"sgd\"", "{ adam = {}, sgd = {} }"));
    no_grid: "name = \"x\"\n";
    an_empty_list: format!("name = \"x\"\n{}", GRID.replace("\"direct_fit\"", ""));
    a_missing_name: GRID;
    a_range_upside_down: format!("name = \"x\"\nlr = {{ from = 1, to = 0.1, per_decade = 2 }}\n{GRID}");
    a_range_without_a_size: format!("name = \"x\"\nlr = {{ from = 0.1, to = 1 }}\n{GRID}");
    a_rate_of_zero: format!("name = \"x\"\nlr = [0.1, 0]\n{GRID}");
    a_rate_twice: format!("name = \"x\"\nlr = [0.1, 0.2, 0.1]\n{GRID}");
    an_entry_twice: format!("name = \"x\"\n{}", GRID.replace("\"mse\"", "\"mse\", \"l1\", \"mse\""));
    a_cell_twice: format!("name = \"x\"\n{GRID}{GRID}");
    a_name_that_leaves_the_folder: format!("name = \"../x\"\n{GRID}");
    an_absolute_name: format!("name = \"/tmp/x\"\n{GRID}");
    classes_for_a_fit: format!("name = \"x\"\n{}", GRID.replace("mse", "cross_entropy"));
    a_loss_for_a_landscape: format!("name = \"x\"\n{}", GRID.replace("direct_fit", "rosenbrock"));
    no_loss_for_a_fit: format!("name = \"x\"\n{}", GRID.replace("losses = [\"mse\"]\n", ""));
    a_seed_twice: format!("name = \"x\"\nseeds = {{ tuning = [1], reporting = [1, 2] }}\n{GRID}");
    negative_seeds: format!("name = \"x\"\nseeds = {{ tuning = -1, reporting = 2 }}\n{GRID}");
    seeds_without_effect:
        format!("name = \"x\"\n{}", GRID.replace("\"direct_fit\"", "{ line_fit = { spread = 0 } }"));
    an_unknown_engine: format!("name = \"x\"\nengine = \"gpu\"\n{GRID}");
    an_engine_that_cannot: format!("name = \"x\"\nengine = \"fused\"\n{}", GRID.replace("direct_fit", "digits_mlp"));
    not_toml: format!("name = \"x\n{GRID}");
    not_text: "\u{0}\u{1}name";
}

#[test]
fn rows_of_a_workload_that_ran_under_unlike_conditions() {
    let adam = GRID.replace("sgd", "adam");
    for (one, other, wanted) in [
        (
            "targets = [1.0]",
            "targets = [0.1, 0.001]",
            "targets = [1.0] in [[grid]] 1 and targets = [0.1,0.001]",
        ),
        ("", "steps = 10", "steps = 1000 in [[grid]] 1 and steps = 10 in [[grid]] 2"),
        ("hold = 3", "", "hold = 3 in [[grid]] 1 and hold = 1 in [[grid]] 2"),
    ] {
        // Two optimizers, and one at other rates.
        for second in [&adam, &format!("{GRID}lr = [7]\n")] {
            let message = said(format!("name = \"x\"\n{GRID}{one}\n{second}{other}\n"));
            let message =
                message.split_whitespace().filter(|word| *word != "│").collect::<Vec<_>>().join(" ");
            assert!(
                message.contains("direct_fit with the loss mse has") && message.contains(wanted),
                "{message}"
            );
            assert!(message.contains("or make two configs"), "{message}");
        }
    }
}

#[test]
fn a_missing_config() {
    let place = Place::new();
    let output = place.run(&["nothere.toml"]);
    assert_eq!(output.status.code(), Some(2));
    insta::assert_snapshot!(text(&output.stderr));
}

#[test]
fn an_axis_is_listed_with_defaults_engines_and_papers() {
    let output = Place::new().run(&["list", "optimizers"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().map(str::trim).skip_while(|line| !line.starts_with("adam  "));
    let adam: Vec<&str> = lines.take(3).collect();
    assert!(adam[1].starts_with("options beta1 = 0.9, beta2 = 0.999"), "{text}");
    assert!(adam[1].ends_with("; on fused, libtorch"), "{text}");
    assert!(adam[2].contains("Kingma & Ba 2015"), "{text}");
}

#[test]
fn an_unknown_entry_to_list() {
    let output = Place::new().run(&["list", "adm"]);
    assert_eq!(output.status.code(), Some(2));
    insta::assert_snapshot!(text(&output.stderr));
}

#[test]
fn a_results_folder_that_cannot_be_written() {
    let place = Place::new();
    let file = place.config("x", &format!("name = \"x\"\n{GRID}"));
    // A file where the folder would go: refused even to root, whom permissions don't stop.
    fs::write(place.path().join("taken"), "").unwrap();
    let output = place.run(&[&file, "--out", "taken", "--jobs", "2"]);
    assert_eq!(output.status.code(), Some(2));
    insta::assert_snapshot!(text(&output.stderr));
}
