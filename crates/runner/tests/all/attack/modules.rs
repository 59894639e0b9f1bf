//! Files of the user's: modules that reach beyond their call, files that change, files that are none.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::sandbox::{Sandbox, result_files, text};

/// What a module does that is told a prediction and a target, or inputs.
#[derive(Clone, Copy, PartialEq)]
enum Does {
    /// Returns the mean square of the difference.
    Mse,
    /// Returns the mean of the absolute difference.
    L1,
    /// As `Mse`, for a target that is 1 larger, which it may write into the one that it was given.
    Shifts { in_place: bool },
    /// The squares of the difference from a prediction half as large, which it may write into the one it was given.
    Halves { in_place: bool },
    /// As `Mse`, after turning gradients off.
    TurnsGradientsOff,
    /// The squares of the difference, times the number of calls so far, which a buffer counts.
    Counts,
    /// As `Mse`, plus noise.
    Draws,
    /// As `Mse`, after writing a file `ran`.
    WritesFile,
    /// A linear model of two inputs that are halved first, perhaps in place.
    Line { in_place: bool },
    /// A model: the mean of its inputs, times a parameter.
    Mean,
}

/// Writes a module into a folder: a TorchScript archive, made by hand. Nothing else here knows how modules are stored.
fn module(sandbox: &Sandbox, name: &str, does: Does) {
    let line: &[(&str, &[f32], bool)] = &[("weight", &[0.5, -0.5], true), ("bias", &[0.0], true)];
    let (tensors, body) = match does {
        Does::Mse => (&[][..], "return torch.mean(torch.square(torch.sub(prediction, target)))"),
        Does::L1 => (&[][..], "return torch.mean(torch.abs(torch.sub(prediction, target)))"),
        Does::Shifts { in_place: false } => (
            &[][..],
            "moved = torch.add(target, 1.)\nreturn torch.mean(torch.square(torch.sub(prediction, moved)))",
        ),
        Does::Shifts { in_place: true } => (
            &[][..],
            "moved = torch.add_(target, 1.)\nreturn torch.mean(torch.square(torch.sub(prediction, moved)))",
        ),
        Does::Halves { in_place: false } => {
            (&[][..], "half = torch.mul(prediction, 0.5)\nreturn torch.square(torch.sub(half, target))")
        }
        Does::Halves { in_place: true } => {
            (&[][..], "half = torch.mul_(prediction, 0.5)\nreturn torch.square(torch.sub(half, target))")
        }
        Does::TurnsGradientsOff => (
            &[][..],
            "torch.set_grad_enabled(False)\nreturn torch.mean(torch.square(torch.sub(prediction, target)))",
        ),
        Does::Counts => (
            &[("calls", &[0.0_f32][..], false)][..],
            "calls = self.calls\ncount = torch.add_(calls, 1.)\n\
             return torch.mul(torch.square(torch.sub(prediction, target)), torch.mul(count, 0.01))",
        ),
        Does::Draws => (
            &[][..],
            "noise = torch.randn_like(target)\n\
             return torch.mean(torch.square(torch.sub(torch.add(prediction, noise), target)))",
        ),
        Does::WritesFile => (
            &[][..],
            "torch.save(target, \"ran\")\nreturn torch.mean(torch.square(torch.sub(prediction, target)))",
        ),
        Does::Line { in_place: false } => (
            line,
            "half = torch.mul(inputs, 0.5)\nreturn torch.add(torch.matmul(half, self.weight), self.bias)",
        ),
        Does::Line { in_place: true } => (
            line,
            "half = torch.mul_(inputs, 0.5)\nreturn torch.add(torch.matmul(half, self.weight), self.bias)",
        ),
        Does::Mean => (
            &[("weight", &[0.5_f32][..], true)][..],
            "return torch.mul(torch.mean(inputs, [1]), self.weight)",
        ),
    };
    let is_model = matches!(does, Does::Line { .. } | Does::Mean);
    let arguments = if is_model { "inputs: Tensor" } else { "prediction: Tensor, target: Tensor" };
    let names = |trained: bool| {
        let own = tensors.iter().filter(|tensor| tensor.2 == trained);
        own.map(|tensor| format!("\"{}\", ", tensor.0)).collect::<Vec<_>>().concat()
    };
    let code = format!(
        "class Mine(Module):\n  __parameters__ = [{}]\n  __buffers__ = [{}]\n{}  training : bool\n  \
         def forward(self: __torch__.Mine, {arguments}) -> Tensor:\n    {}\n",
        names(true),
        names(false),
        tensors.iter().map(|tensor| format!("  {} : Tensor\n", tensor.0)).collect::<Vec<_>>().concat(),
        body.replace('\n', "\n    ")
    );
    // The object: its attributes, tensors among them, which name their storages.
    let mut pickle = b"\x80\x02c__torch__\nMine\n)\x81}(".to_vec();
    let word = |word: &str| [b"X", &(word.len() as u32).to_le_bytes()[..], word.as_bytes()].concat();
    for (number, (name, values, trained)) in tensors.iter().enumerate() {
        pickle.extend(word(name));
        pickle.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        pickle.extend(word("storage"));
        pickle.extend(b"ctorch\nFloatStorage\n");
        pickle.extend(word(&number.to_string()));
        pickle.extend(word("cpu"));
        let size = values.len() as u8;
        pickle.extend([b'K', size, b't', b'Q', b'K', 0, b'K', size, 0x85, b'K', 1, 0x85]);
        pickle.push(if *trained { 0x88 } else { 0x89 });
        pickle.extend(b"ccollections\nOrderedDict\n)RtR");
    }
    pickle.extend(word("training"));
    pickle.extend(b"\x89ub.");
    let mut archive = zip::ZipWriter::new(fs::File::create(sandbox.path().join(name)).unwrap());
    let stored = zip::write::FileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let mut entry = |name: &str, bytes: &[u8]| {
        archive.start_file(format!("mine/{name}"), stored).unwrap();
        archive.write_all(bytes).unwrap();
    };
    for (number, (_, values, _)) in tensors.iter().enumerate() {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        entry(&format!("data/{number}"), &bytes);
    }
    entry("data.pkl", &pickle);
    entry("code/__torch__.py", code.as_bytes());
    entry("constants.pkl", b"\x80\x02).");
    entry("version", b"3\n");
    archive.finish().unwrap();
}

const LOSS: &str = "{ torchscript = { file = 'mine.pt' } }";

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
                  [[grid]]\nproblems = ['direct_fit']\nlosses = [{ torchscript = { file = 'mine.pt' } }]\n\
                  optimizers = ['sgd', 'adam', 'adamw', 'rmsprop']\n";
    let (alone, replaced) = (Sandbox::new(), Sandbox::new());
    for sandbox in [&alone, &replaced] {
        module(sandbox, "mine.pt", Does::Mse);
    }
    module(&replaced, "other.pt", Does::L1);
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
    fs::rename(replaced.path().join("other.pt"), replaced.path().join("mine.pt")).unwrap();
    assert!(child.try_wait().unwrap().is_none(), "the file was to be replaced in the middle of the run");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(read_cells(&replaced), read_cells(&alone));
    assert!(result_files(&replaced.results("x")) == result_files(&alone.results("x")));
}

/// The same cells from a module that writes into what it is given, and from one that doesn't.
fn both_ways(config: &str, does: impl Fn(bool) -> Does) {
    let [kept, changed] = [false, true].map(|in_place| {
        let sandbox = Sandbox::new();
        module(&sandbox, "mine.pt", does(in_place));
        let rows: Vec<_> = (0..60).map(|i| format!("{},{},{}\n", i % 7, i % 5, i % 7 - i % 5)).collect();
        fs::write(sandbox.path().join("data.csv"), format!("a,b,y\n{}", rows.concat())).unwrap();
        cells(&sandbox, config)
    });
    assert_eq!(changed, kept);
}

#[test]
fn a_loss_that_changes_its_target_in_place_changes_no_error() {
    both_ways(&grid("'direct_fit'", LOSS), |in_place| Does::Shifts { in_place });
}

#[test]
fn a_term_that_changes_its_prediction_in_place_changes_no_other_term() {
    let loss = format!("{{ composite = {{ terms = [{{ loss = {LOSS} }}, {{ loss = 'mse' }}] }} }}");
    both_ways(&grid("'direct_fit', 'line_fit'", &loss), |in_place| Does::Halves { in_place });
}

#[test]
fn a_model_that_changes_its_inputs_in_place_changes_no_data() {
    for batch in [0, 16] {
        let model =
            format!("{{ torchscript = {{ model = 'mine.pt', data = 'data.csv', batch = {batch} }} }}");
        // Without minibatches, nothing depends on the seed.
        let seeds = if batch == 0 { "tuning = [], reporting = [2]" } else { "tuning = [1], reporting = [2]" };
        let config = grid(&model, "'mse'").replace("tuning = [1], reporting = [2, 3]", seeds);
        both_ways(&config, |in_place| Does::Line { in_place });
    }
}

#[test]
fn gradients_that_a_module_turns_off_are_off_for_nobody_else() {
    let sandbox = Sandbox::new();
    module(&sandbox, "mine.pt", Does::TurnsGradientsOff);
    sandbox.config("x", &grid("'direct_fit'", &format!("{LOSS}, 'mse'")));
    sandbox.run("x.toml -j 1").fails(1);
    let found = read_cells(&sandbox);
    let (of_module, of_mse): (Vec<&str>, Vec<&str>) =
        found.lines().skip(1).partition(|line| line.contains("mine.pt"));
    assert_eq!(of_module.len(), of_mse.len());
    assert!(of_module.iter().all(|line| line.contains("has no gradient")), "{of_module:?}");
    let alone = cells(&Sandbox::new(), &grid("'direct_fit'", "'mse'"));
    assert_eq!(of_mse, alone.lines().skip(1).collect::<Vec<_>>());
}

#[test]
fn a_lane_sees_nothing_of_what_a_module_keeps_from_another() {
    let rows = |rates: &str, seeds: &str| {
        let sandbox = Sandbox::new();
        module(&sandbox, "mine.pt", Does::Counts);
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
fn the_table_says_which_modules_draw_random_numbers() {
    let sandbox = Sandbox::new();
    module(&sandbox, "mine.pt", Does::Draws);
    module(&sandbox, "still.pt", Does::Mse);
    let losses = format!(
        "{LOSS}, {{ torchscript = {{ file = 'still.pt' }} }}, {{ transformed = {{ loss = {LOSS}, by = 'sqrt' }} }}"
    );
    sandbox.config("x", &grid("'direct_fit'", &losses));
    for command in ["x.toml", "merge x.toml", "table results/x", "table results/x --format markdown"] {
        if command.starts_with("table") {
            // The records say it: the modules may be gone.
            let _ = fs::remove_file(sandbox.path().join("mine.pt"));
        }
        let table = sandbox.run(command).works().stdout;
        let (_, note) = table.split_once("may draw random numbers").unwrap_or_else(|| panic!("{table}"));
        assert!(note.contains("-j"), "{table}");
        let listed: Vec<&str> = note.lines().filter_map(|line| line.strip_prefix("- ")).collect();
        assert_eq!(listed.len(), 2, "{table}");
        assert!(listed.iter().all(|label| label.contains("mine.pt")), "{table}");
    }
    let sandbox = Sandbox::new();
    module(&sandbox, "mine.pt", Does::Mse);
    sandbox.config("x", &grid("'direct_fit'", LOSS));
    sandbox.run("x.toml").works().never_prints("random");
    assert!(!fs::read_to_string(sandbox.results("x").join("manifest.json")).unwrap().contains("\"random\""));
}

#[test]
fn what_reads_a_folder_runs_no_module() {
    let sandbox = Sandbox::new();
    module(&sandbox, "mine.pt", Does::WritesFile);
    sandbox.config("x", &grid("'direct_fit'", LOSS));
    let ran = sandbox.path().join("ran");
    sandbox.run("x.toml").works();
    fs::remove_file(&ran).expect("a run calls the module");
    for command in [
        "merge x.toml",
        "status x.toml",
        "plan x.toml --out elsewhere",
        "slurm x.toml --shards 2",
        "table results/x",
        "report results/x",
    ] {
        sandbox.run(command).works();
        assert!(!ran.exists(), "{command} ran the module");
    }
}

#[test]
fn a_module_that_cannot_be_loaded_is_an_error_of_its_cells_alone() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path().join("mine.pt"), "no module").unwrap();
    sandbox.config("x", &grid("'direct_fit'", &format!("{LOSS}, 'mse'")));
    sandbox.run("plan x.toml").works();
    sandbox.run("slurm x.toml --shards 2").works();
    sandbox.run("x.toml").fails(1);
    sandbox.run("status x.toml").works();
    let cells = read_cells(&sandbox);
    let (of_module, of_mse): (Vec<&str>, Vec<&str>) =
        cells.lines().skip(1).partition(|line| line.contains("mine.pt"));
    assert!(of_module.iter().all(|line| line.contains("is no TorchScript module")), "{of_module:?}");
    assert!(!of_mse.is_empty() && of_mse.iter().all(|line| !line.contains("TorchScript")), "{of_mse:?}");
}

/// A pipe that nobody writes into.
fn pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[test]
fn a_file_that_is_no_regular_one_is_refused_at_once() {
    let sandbox = Sandbox::new();
    module(&sandbox, "good.pt", Does::Mean);
    fs::write(sandbox.path().join("good.csv"), "a,b,y\n1,2,3\n2,3,4\n3,4,5\n4,5,7\n5,6,8\n").unwrap();
    for end in ["pt", "csv", "npz", "safetensors"] {
        pipe(&sandbox.path().join(format!("pipe.{end}")));
        fs::create_dir(sandbox.path().join(format!("folder.{end}"))).unwrap();
        std::os::unix::fs::symlink("/dev/zero", sandbox.path().join(format!("zeros.{end}"))).unwrap();
    }
    for kind in ["pipe", "folder", "zeros"] {
        let model = |options: &str| grid(&format!("{{ torchscript = {{ {options} }} }}"), "'mse'");
        let mut attempts = vec![
            (grid("'direct_fit'", &LOSS.replace("mine", kind)), "pt"),
            (model(&format!("model = '{kind}.pt', data = 'good.csv'")), "pt"),
            (model(&format!("model = 'good.pt', data = 'good.csv', metric = '{kind}.pt'")), "pt"),
            (model(&format!("model = 'good.pt', data = 'good.csv', test_data = '{kind}.csv'")), "csv"),
        ];
        for end in ["csv", "npz", "safetensors"] {
            attempts.push((model(&format!("model = 'good.pt', data = '{kind}.{end}'")), end));
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
    module(&sandbox, "mine.pt", Does::Mean);
    let line = |of: &dyn Fn(usize) -> String| (0..COLUMNS).map(of).collect::<Vec<_>>().join(",") + "\n";
    let mut csv = line(&|column| format!("c{column}"));
    for row in 0..5 {
        csv += &line(&|column| ((row + column) % 7).to_string());
    }
    fs::write(sandbox.path().join("data.csv"), csv).unwrap();
    let problem = "{ torchscript = { model = 'mine.pt', data = 'data.csv', batch = 0, test = 0.4 } }";
    let config = "name = 'x'\nsteps = 2\nlr = [0.1]\nseeds = { tuning = [], reporting = [1] }\n\
                  [[grid]]\nlosses = ['mse']\noptimizers = ['sgd']\n";
    sandbox.config("x", &format!("{config}problems = [{problem}]\n"));
    sandbox.run("x.toml -j 1").works();
}
