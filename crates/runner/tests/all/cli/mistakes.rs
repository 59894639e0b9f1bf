//! What the program says to wrong inputs: message, place, remedy and exit code.

use std::fmt::Write as _;
use std::fs;

use crate::sandbox::{Ran, Sandbox};

/// A grid that is right, to go wrong in one place.
const GRID: &str = "[[grid]]\nproblems = [\"direct_fit\"]\nlosses = [\"mse\"]\noptimizers = [\"sgd\"]\n";

/// Runs a config that is wrong. It must exit with 2 and write nothing.
fn refused(config: &str) -> Ran {
    let sandbox = Sandbox::with("x", config);
    let ran = sandbox.run("x.toml").fails(2).prints_nothing();
    assert_eq!(fs::read_dir(sandbox.path()).unwrap().count(), 1, "something was written");
    ran
}

macro_rules! mistakes {
    ($($name:ident: $config:expr;)*) => {$(
        #[test]
        fn $name() {
            insta::assert_snapshot!(refused(&String::from($config)).stderr);
        }
    )*};
}

mistakes! {
    a_misspelled_key: format!("name = \"x\"\nstpes = 5\n{GRID}");
    a_misspelled_key_in_a_grid: format!("name = \"x\"\n{GRID}schedule = [\"cosine\"]\n");
    a_wrong_type: format!("name = \"x\"\nsteps = \"many\"\n{GRID}");
    a_negative_count: format!("name = \"x\"\nsteps = -5\n{GRID}");
    no_steps: format!("name = \"x\"\nsteps = 0\n{GRID}");
    a_hold_longer_than_the_run: format!("name = \"x\"\nsteps = 100\nhold = 2000\n{GRID}");
    a_fractional_count: format!("name = \"x\"\nsteps = 1.5\n{GRID}");
    an_unknown_optimizer: format!("name = \"x\"\n{}", GRID.replace("sgd", "adamm"));
    an_unknown_option: format!("name = \"x\"\n{}", GRID.replace("\"sgd\"", "{ adam = { beta = 0.9 } }"));
    an_option_out_of_range: format!("name = \"x\"\n{}", GRID.replace("\"sgd\"", "{ adam = { beta1 = 1.5 } }"));
    a_formula_with_a_misspelled_name:
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
            refused(&format!("name = \"x\"\n{GRID}{one}\n{second}{other}\n"))
                .says("direct_fit with the loss mse has")
                .says(wanted)
                .says("or make two configs");
        }
    }
}

#[test]
fn a_missing_config() {
    insta::assert_snapshot!(Sandbox::new().run("nothere.toml").fails(2).stderr);
}

#[test]
fn an_axis_is_listed_with_defaults_engines_and_papers() {
    let text = Sandbox::new().run("list optimizers").works().stdout;
    let lines = text.lines().map(str::trim).skip_while(|line| !line.starts_with("adam  "));
    let adam: Vec<&str> = lines.take(3).collect();
    assert!(adam[1].starts_with("options beta1 = 0.9, beta2 = 0.999"), "{text}");
    assert!(adam[1].ends_with("; on fused, libtorch"), "{text}");
    assert!(adam[2].contains("Kingma & Ba 2015"), "{text}");
}

#[test]
fn an_entry_is_listed_with_its_formula_options_and_source() {
    let ran = Sandbox::new().run("list clipped").works();
    insta::assert_snapshot!(ran.stdout);
}

#[test]
fn an_unknown_entry_to_list() {
    insta::assert_snapshot!(Sandbox::new().run("list adm").fails(2).stderr);
}

#[test]
fn a_results_folder_that_cannot_be_written() {
    let sandbox = Sandbox::with("x", &format!("name = \"x\"\n{GRID}"));
    // A file where the folder would go: refused even to root, whom permissions don't stop.
    fs::write(sandbox.path().join("taken"), "").unwrap();
    insta::assert_snapshot!(sandbox.run("x.toml --out taken --jobs 2").fails(2).stderr);
}

#[test]
fn an_option_of_before_names_the_one_of_today() {
    let sandbox = Sandbox::with("x", &format!("name = \"x\"\n{GRID}"));
    for line in ["status x.toml --json", "diagnose --loss mse --json"] {
        sandbox.run(line).fails(2).prints_nothing().says("'--json'").says("--format json");
    }
    // Not every command has every form.
    sandbox.run("status x.toml --format csv").fails(2).says("[possible values: terminal, json]");
    sandbox.run("compare --format csv").fails(2).says("[possible values: terminal, markdown, json]");
}

#[test]
fn every_help() {
    let sandbox = Sandbox::new();
    let mut shown = sandbox.run("--help").works().stdout;
    for command in "run plan merge status slurm table compare diagnose map report list".split(' ') {
        let help = sandbox.run([command, "--help"]).works().stdout;
        write!(shown, "\n$ optbench {command} --help\n{help}").unwrap();
    }
    insta::assert_snapshot!(shown);
}
