//! Files of the user's: programs that reach beyond their call, files that change, files that are none.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::sandbox::{Sandbox, result_files, text};

/// Puts a program of `scripts/golden/modules.py` into a folder.
fn module(sandbox: &Sandbox, name: &str, does: &str) {
    let file = format!("{}/../losses/tests/modules/{does}.pt2", env!("CARGO_MANIFEST_DIR"));
    fs::copy(file, sandbox.path().join(name)).unwrap();
}

const LOSS: &str = "{ program = { file = 'mine.pt2' } }";

/// A grid of few lanes on libtorch.
fn grid(problem: &str, losses: &str) -> String {
    format!(
        "name = 'x'\nsteps = 40\nlr = [0.05, 0.1]\nseeds = {{ tuning = [1], reporting = [2, 3] }}\ntargets = [0.1]\n\
         engine = 'libtorch'\n[[grid]]\nproblems = [{problem}]\noptimizers = ['sgd', 'adam']\nlosses = [{losses}]\n"
    )
}

/// Runs a config to its end, and returns its cells.
fn cells(sandbox: &Sandbox, config: &str) -> String {
    sandbox.config("x", config);
    sandbox.run("x.toml -j 1").works();
    read_cells(sandbox)
}

fn read_cells(sandbox: &Sandbox) -> String {
    fs::read_to_string(sandbox.results("x").join("cells.csv")).unwrap()
}

#[test]
fn a_module_that_is_replaced_while_a_grid_runs_changes_nothing_of_the_run() {
    let config = "name = 'x'\nsteps = 1000\nlr = [0.01, 0.02]\nseeds = { tuning = 2, reporting = 2 }\ntargets = [0.1]\n\
                  [[grid]]\nproblems = ['direct_fit']\nlosses = [{ program = { file = 'mine.pt2' } }]\n\
                  optimizers = ['sgd', 'adam', 'adamw', 'rmsprop']\n";
    let (alone, replaced) = (Sandbox::new(), Sandbox::new());
    for sandbox in [&alone, &replaced] {
        module(sandbox, "mine.pt2", "mse");
    }
    module(&replaced, "other.pt2", "l1");
    cells(&alone, config);

    replaced.config("x", config);
    let mut child = replaced.command("x.toml -j 1").stderr(Stdio::piped()).spawn().unwrap();
    let parts = replaced.results("x").join("parts");
    let has_part = || {
        let entries = fs::read_dir(&parts).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name()).any(|name| !name.to_string_lossy().starts_with('.'))
    };
    while !has_part() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before its first part");
        std::thread::sleep(Duration::from_millis(2));
    }
    fs::rename(replaced.path().join("other.pt2"), replaced.path().join("mine.pt2")).unwrap();
    assert!(child.try_wait().unwrap().is_none(), "the file was to be replaced in the middle of the run");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(read_cells(&replaced), read_cells(&alone));
    assert!(result_files(&replaced.results("x")) == result_files(&alone.results("x")));
}

/// The same cells from a module that writes into what it is given, and from one that doesn't.
fn both_ways(config: &str, does: &str) {
    let [kept, changed] = ["", "_in_place"].map(|form| {
        let sandbox = Sandbox::new();
        module(&sandbox, "mine.pt2", &format!("{does}{form}"));
        let rows: Vec<_> = (0..60).map(|i| format!("{},{},{}\n", i % 7, i % 5, i % 7 - i % 5)).collect();
        fs::write(sandbox.path().join("data.csv"), format!("a,b,y\n{}", rows.concat())).unwrap();
        cells(&sandbox, config)
    });
    assert_eq!(changed, kept);
}

#[test]
fn a_loss_that_changes_its_target_in_place_changes_no_error() {
    both_ways(&grid("'direct_fit'", LOSS), "shifts");
}

#[test]
fn a_term_that_changes_its_prediction_in_place_changes_no_other_term() {
    let loss = format!("{{ composite = {{ terms = [{{ loss = {LOSS} }}, {{ loss = 'mse' }}] }} }}");
    both_ways(&grid("'direct_fit', 'line_fit'", &loss), "halves");
}

#[test]
fn a_model_that_changes_its_inputs_in_place_changes_no_data() {
    for batch in [0, 16] {
        let model = format!("{{ model = {{ file = 'mine.pt2', data = 'data.csv', batch = {batch} }} }}");
        // Without minibatches, nothing depends on the seed.
        let seeds = if batch == 0 { "tuning = [], reporting = [2]" } else { "tuning = [1], reporting = [2]" };
        let config = grid(&model, "'mse'").replace("tuning = [1], reporting = [2, 3]", seeds);
        both_ways(&config, "model");
    }
}

#[test]
fn gradients_that_a_module_turns_off_are_off_for_nobody_else() {
    let sandbox = Sandbox::new();
    module(&sandbox, "mine.pt2", "gradientsoff");
    sandbox.config("x", &grid("'direct_fit'", &format!("{LOSS}, 'mse'")));
    sandbox.run("x.toml -j 1").fails(1);
    let found = read_cells(&sandbox);
    let (of_module, of_mse): (Vec<&str>, Vec<&str>) =
        found.lines().skip(1).partition(|line| line.contains("mine.pt2"));
    assert_eq!(of_module.len(), of_mse.len());
    assert!(of_module.iter().all(|line| line.contains("has no gradient")), "{of_module:?}");
    let alone = cells(&Sandbox::new(), &grid("'direct_fit'", "'mse'"));
    assert_eq!(of_mse, alone.lines().skip(1).collect::<Vec<_>>());
}

#[test]
fn a_lane_sees_nothing_of_what_a_module_keeps_from_another() {
    let rows = |rates: &str, seeds: &str| {
        let sandbox = Sandbox::new();
        module(&sandbox, "mine.pt2", "counts");
        let config = grid("'direct_fit'", LOSS)
            .replace("tuning = [1], reporting = [2, 3]", &format!("tuning = [], reporting = {seeds}"))
            .replace("[0.05, 0.1]", rates);
        cells(&sandbox, &config).lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    let mut together = rows("[0.05, 0.1]", "[1, 2]");
    let mut apart = Vec::new();
    for (rate, seed) in [("[0.05]", "[1]"), ("[0.05]", "[2]"), ("[0.1]", "[1]"), ("[0.1]", "[2]")] {
        apart.extend(rows(rate, seed));
    }
    apart.sort();
    together.sort();
    assert_eq!(together.len(), 2 * 2 * 2);
    assert_eq!(together, apart);
}

#[test]
fn a_loss_that_draws_random_numbers_repeats_whatever_runs_beside_it() {
    let cells_of = |losses: &str, jobs: &str| {
        let sandbox = Sandbox::new();
        module(&sandbox, "mine.pt2", "noisy");
        sandbox.config("x", &grid("'direct_fit'", losses));
        sandbox.run(&*format!("x.toml -j {jobs}")).works();
        let cells = read_cells(&sandbox);
        cells.lines().filter(|line| line.contains("mine.pt2")).map(str::to_owned).collect::<Vec<_>>()
    };
    let alone = cells_of(LOSS, "1");
    assert_eq!(alone.len(), 12);
    assert_eq!(cells_of(&format!("{LOSS}, 'mse'"), "2"), alone);
}

#[test]
fn a_module_that_cannot_be_loaded_is_an_error_of_its_cells_alone() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path().join("mine.pt2"), "no module").unwrap();
    sandbox.config("x", &grid("'direct_fit'", &format!("{LOSS}, 'mse'")));
    sandbox.run("plan x.toml").works();
    sandbox.run("slurm x.toml --shards 2").works();
    sandbox.run("x.toml").fails(1);
    sandbox.run("status x.toml").works();
    let cells = read_cells(&sandbox);
    let (of_module, of_mse): (Vec<&str>, Vec<&str>) =
        cells.lines().skip(1).partition(|line| line.contains("mine.pt2"));
    assert!(of_module.iter().all(|line| line.contains("it is no zip archive")), "{of_module:?}");
    assert!(!of_mse.is_empty() && of_mse.iter().all(|line| !line.contains("zip archive")), "{of_mse:?}");
}

/// A pipe that nobody writes into.
fn pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[test]
fn a_file_that_is_no_regular_one_is_refused_at_once() {
    let sandbox = Sandbox::new();
    module(&sandbox, "good.pt2", "mean");
    fs::write(sandbox.path().join("good.csv"), "a,b,y\n1,2,3\n2,3,4\n3,4,5\n4,5,7\n5,6,8\n").unwrap();
    for end in ["pt2", "csv", "npz", "safetensors"] {
        pipe(&sandbox.path().join(format!("pipe.{end}")));
        fs::create_dir(sandbox.path().join(format!("folder.{end}"))).unwrap();
        std::os::unix::fs::symlink("/dev/zero", sandbox.path().join(format!("zeros.{end}"))).unwrap();
    }
    for kind in ["pipe", "folder", "zeros"] {
        let model = |options: &str| grid(&format!("{{ model = {{ {options} }} }}"), "'mse'");
        let mut attempts = vec![
            (grid("'direct_fit'", &LOSS.replace("mine", kind)), "pt2"),
            (model(&format!("file = '{kind}.pt2', data = 'good.csv'")), "pt2"),
            (model(&format!("file = 'good.pt2', data = 'good.csv', metric = '{kind}.pt2'")), "pt2"),
            (model(&format!("file = 'good.pt2', data = 'good.csv', test_data = '{kind}.csv'")), "csv"),
        ];
        for end in ["csv", "npz", "safetensors"] {
            attempts.push((model(&format!("file = 'good.pt2', data = '{kind}.{end}'")), end));
        }
        for (config, end) in attempts {
            sandbox.config("x", &config);
            sandbox.run("x.toml").fails(2).says(&format!("{kind}.{end}"));
        }
        let target = format!("{{ file = {{ path = '{kind}.npz' }} }}");
        sandbox.run(["diagnose", "--loss", "mse", "--target", &target]).fails(2).says(&format!("{kind}.npz"));
    }
}

/// Twice as many columns once took four times as long: these took minutes, and take a second.
#[test]
fn a_table_of_very_many_columns_is_read() {
    const COLUMNS: usize = 300_000;
    let sandbox = Sandbox::new();
    module(&sandbox, "mine.pt2", "mean");
    let line = |of: &dyn Fn(usize) -> String| (0..COLUMNS).map(of).collect::<Vec<_>>().join(",") + "\n";
    let mut csv = line(&|column| format!("c{column}"));
    for row in 0..5 {
        csv += &line(&|column| ((row + column) % 7).to_string());
    }
    fs::write(sandbox.path().join("data.csv"), csv).unwrap();
    let problem = "{ model = { file = 'mine.pt2', data = 'data.csv', batch = 0, test = 0.4 } }";
    let config = "name = 'x'\nsteps = 2\nlr = [0.1]\nseeds = { tuning = [], reporting = [1] }\n\
                  [[grid]]\nlosses = ['mse']\noptimizers = ['sgd']\n";
    sandbox.config("x", &format!("{config}problems = [{problem}]\n"));
    sandbox.run("x.toml -j 1").works();
}
