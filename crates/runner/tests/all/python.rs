//! Source files in configs: exported behind the scenes, or evaluated in Python.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use records::{Cell, Cells};

use crate::limit::{signal, until};
use crate::sandbox::{Ran, Sandbox, Words, result_files};

/// The Python to test with; `None` where these tests are left out.
///
/// # Panics
/// If it has no torch.
fn python() -> Option<PathBuf> {
    let named = std::env::var("OPTBENCH_TEST_PYTHON").unwrap_or_else(|_| "python3".into());
    if named == "none" {
        return None;
    }
    let found = Command::new(&named).args(["-c", "import torch, sys; print(sys.executable)"]).output();
    let found = found.ok().filter(|found| found.status.success()).unwrap_or_else(|| {
        panic!(
            "`{named}` is no Python with torch: name one in OPTBENCH_TEST_PYTHON; \
             OPTBENCH_TEST_PYTHON=none leaves these tests out"
        )
    });
    Some(String::from_utf8(found.stdout).unwrap().trim().into())
}

const CODE: &str = r#"
import os, pathlib, time
import torch
from torch import nn

def note(kind):
    with open(os.environ["OPTBENCH_TEST_NOTES"], "a") as file:
        file.write(f"{kind} {os.getpid()}\n")

class Huber(nn.Module):
    def __init__(self, delta=1.0):
        super().__init__()
        self.delta = delta

    def forward(self, prediction, target):
        d = (prediction - target).abs()
        return torch.where(d < self.delta, 0.5 * d * d, self.delta * (d - 0.5 * self.delta)).mean()

class Branch(nn.Module):
    def forward(self, prediction, target):
        loss = ((prediction - target) ** 2).mean()
        print("printed")
        return loss * 2 if loss.item() > 1e9 else loss

class Noisy(nn.Module):
    def forward(self, prediction, target):
        loss = ((prediction - target - 0.1 * torch.randn_like(target)) ** 2).mean()
        return loss * 2 if loss.item() > 1e9 else loss

def harmful(prediction, target):
    loss = ((prediction - target) ** 2).mean()
    note("called")
    if loss.item() > 1e9:
        return loss * 2
    if os.path.exists("armed"):
        how = pathlib.Path("armed").read_text()
        if how == "raise":
            raise ValueError("no such band")
        if how == "kill":
            os.kill(os.getpid(), 9)
        if how == "exit":
            os._exit(3)
        time.sleep(1000)
    return loss

class Sgd(torch.optim.Optimizer):
    def __init__(self, params, lr=1e-3, momentum=0.0):
        super().__init__(params, dict(lr=lr, momentum=momentum))

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                state["v"] = group["momentum"] * state.get("v", torch.zeros_like(p)) + p.grad
                p.sub_(group["lr"] * state["v"])

class Twice(Sgd):
    """Steps from the gradient half a step ahead."""

    def step(self, closure):
        with torch.enable_grad():
            closure()
        before = [p.detach().clone() for group in self.param_groups for p in group["params"]]
        super().step()
        with torch.enable_grad():
            closure()
        with torch.no_grad():
            for group in self.param_groups:
                for p, b in zip(group["params"], before):
                    p.copy_(b)
        super().step()
"#;

/// A sandbox with the code, its own cache, and a Python that counts how often it is started.
struct Code {
    sandbox: Sandbox,
}

impl Code {
    fn new(config: &str) -> Option<Self> {
        let python = python()?;
        let sandbox = Sandbox::with("x", config);
        fs::write(sandbox.path().join("my_code.py"), CODE).unwrap();
        let counting = sandbox.path().join("python");
        let script = format!(
            "#!/bin/sh\necho $$ >> {0}/started\nexec {1} \"$@\"\n",
            sandbox.path().display(),
            python.display()
        );
        fs::write(&counting, script).unwrap();
        fs::set_permissions(&counting, fs::Permissions::from_mode(0o755)).unwrap();
        Some(Self { sandbox })
    }

    fn environment<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        let folder = self.sandbox.path();
        command
            .env("XDG_CACHE_HOME", folder.join("cache"))
            .env("OPTBENCH_PYTHON", folder.join("python"))
            .env("OPTBENCH_TEST_NOTES", folder.join("notes"))
    }

    fn run(&self, words: impl Words) -> Ran {
        self.sandbox.run_anew(words, |command| self.environment(command))
    }

    fn run_with(&self, words: impl Words, name: &str, value: &str) -> Ran {
        self.sandbox.run_anew(words, |command| self.environment(command).env(name, value))
    }

    /// The processes of Python that were started.
    fn started(&self) -> Vec<u32> {
        let text = fs::read_to_string(self.sandbox.path().join("started")).unwrap_or_default();
        text.lines().map(|line| line.parse().unwrap()).collect()
    }

    fn cells(&self) -> Vec<Cell> {
        let path = self.sandbox.results("x").join("cells.csv");
        Cells::open(&path).unwrap().collect::<Result<_, _>>().unwrap()
    }

    /// The final errors of a loss and an optimizer, by rate and seed.
    fn errors(&self, loss: &str, optimizer: &str) -> BTreeMap<(String, u64), f64> {
        let own = self.cells().into_iter().filter(|cell| cell.loss == loss && cell.optimizer == optimizer);
        let errors: BTreeMap<_, _> =
            own.map(|cell| ((cell.lr.to_string(), cell.seed), cell.final_error)).collect();
        assert!(!errors.is_empty(), "no cell has {loss} and {optimizer}");
        errors
    }

    #[track_caller]
    fn alike(&self, [a, b]: [(&str, &str); 2]) {
        let (a, b) = (self.errors(a.0, a.1), self.errors(b.0, b.1));
        assert_eq!(a.len(), b.len());
        for (key, a) in &a {
            assert!((a - b[key]).abs() <= 1e-5 * a.abs(), "{key:?}: {a} and {}", b[key]);
        }
    }

    /// Nothing that was started is left.
    #[track_caller]
    fn nothing_is_left(&self) {
        for process in self.started() {
            until("a process of Python is left", || !is_alive(process));
        }
    }
}

fn is_alive(process: u32) -> bool {
    let stat = fs::read_to_string(Path::new("/proc").join(process.to_string()).join("stat"));
    stat.is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or_default().trim_start().starts_with('Z'))
}

const GRID: &str = "name = \"x\"\nsteps = 20\nlr = [0.05, 0.2]\nseeds = { tuning = [0], reporting = [1, 12] }\n\
    [[grid]]\nproblems = [\"direct_fit\"]\n\
    losses = [\"my_code.py:Huber(delta=0.5)\", { huber = { delta = 0.5 } }, \"my_code.py:Branch\", \"mse\", \"my_code.py:Noisy\"]\n\
    optimizers = [\"heavy_ball\", \"my_code.py:Sgd(momentum=0.9)\", { program = { file = \"my_code.py:Sgd\", options = { momentum = 0.9 } } }]\n";

#[test]
fn source_files_are_exported_or_evaluated_and_agree_with_what_is_built_in() {
    let (Some(one), Some(two)) = (Code::new(GRID), Code::new(GRID)) else { return };
    one.run("x.toml --jobs 2")
        .works()
        .says("exporting my_code.py:Huber(delta=0.5)")
        .says("my_code.py:Branch is evaluated in Python, which is slower: my_code.py, line")
        .says("a torch.optim.Optimizer keeps a state of its own")
        .says("printed")
        .never_says("my_code.py:Huber(delta=0.5) is evaluated")
        .never_prints("printed");
    let file = |name: &str| format!("program(file=my_code.py:{name})");
    let (huber, branch, sgd) = (file("Huber(delta=0.5)"), file("Branch"), file("Sgd(momentum=0.9)"));
    one.alike([(&huber, "heavy_ball"), ("huber(delta=0.5)", "heavy_ball")]);
    one.alike([(&branch, "heavy_ball"), ("mse", "heavy_ball")]);
    one.alike([("mse", &sgd), ("mse", "heavy_ball")]);
    one.alike([("mse", &sgd), ("mse", "program(file=my_code.py:Sgd, options={momentum=0.9})")]);
    one.nothing_is_left();
    // Elsewhere, in two goes and on one thread, it is the same to the byte.
    two.run("run x.toml --shard 1/2 --jobs 1").works();
    two.run("x.toml --jobs 1").works();
    assert!(result_files(&one.sandbox.results("x")) == result_files(&two.sandbox.results("x")));
}

const SHORT: &str = "name = \"x\"\nsteps = 5\nlr = 0.1\nseeds = { tuning = [0], reporting = [1] }\n\
    [[grid]]\nproblems = [\"direct_fit\"]\nlosses = [\"my_code.py:Huber\"]\noptimizers = [\"sgd\"]\n";

#[test]
fn only_what_runs_a_config_starts_python_and_only_where_something_has_changed() {
    let Some(code) = Code::new(SHORT) else { return };
    let not_yet = "`my_code.py:Huber` isn't exported yet: `optbench run`, `diagnose` and `map` do that";
    for command in ["plan x.toml", "status x.toml", "merge x.toml", "slurm x.toml --shards 2"] {
        code.run(command).fails(2).says(not_yet);
    }
    code.run_with("x.toml", "OPTBENCH_NO_PYTHON", "1").fails(2).says(not_yet);
    assert!(code.started().is_empty());
    code.run_with("x.toml", "OPTBENCH_PYTHON", "/nowhere/python")
        .fails(2)
        .says("can't start Python as `/nowhere/python`");
    code.run("x.toml").works().says("exporting my_code.py:Huber");
    for command in ["plan x.toml", "status x.toml", "merge x.toml", "x.toml"] {
        code.run(command).works().never_says("exporting");
    }
    assert_eq!(code.started().len(), 1, "what was exported needs no Python");
    // A module that it imports, though not the file itself.
    let path = code.sandbox.path().join("my_code.py");
    fs::write(code.sandbox.path().join("other.py"), "one = 1\n").unwrap();
    fs::write(&path, format!("import other\n{CODE}")).unwrap();
    code.run("plan x.toml").fails(2).says(not_yet);
    code.run("x.toml").works().says("exporting");
    fs::write(code.sandbox.path().join("other.py"), "one = 2\n").unwrap();
    code.run("plan x.toml").fails(2).says(not_yet);
    // The config in a results folder is no config that was named.
    code.run("report results/x --no-figures").works();
    fs::remove_file(&path).unwrap();
    code.run("x.toml").fails(2).says("there is no file").says("my_code.py; its name in `my_code.py:Huber`");
    assert_eq!(code.started().len(), 2);
}

#[test]
fn what_goes_wrong_in_python_fails_its_cells_and_leaves_no_process() {
    let config = SHORT.replace("\"my_code.py:Huber\"", "\"my_code.py:harmful\", \"mse\"");
    let Some(code) = Code::new(&config) else { return };
    code.run("x.toml").works().says("harmful is evaluated in Python");
    let armed = code.sandbox.path().join("armed");
    for (how, message) in [
        ("raise", "`my_code.py:harmful`: ValueError: no such band; raised at my_code.py:"),
        ("kill", "`my_code.py:harmful`: its Python process ended (signal: 9 (SIGKILL))"),
        ("exit", "`my_code.py:harmful`: its Python process ended (exit status: 3)"),
        ("hang", "`my_code.py:harmful`: its Python process hasn't answered for 8 s: OPTBENCH_PYTHON_TIMEOUT"),
    ] {
        fs::write(&armed, how).unwrap();
        code.run_with("x.toml --fresh", "OPTBENCH_PYTHON_TIMEOUT", "8").fails(1);
        let cells = code.cells();
        let [failed, fine]: [Vec<&Cell>; 2] = [true, false]
            .map(|wanted| cells.iter().filter(|cell| cell.message.is_empty() != wanted).collect());
        assert_eq!((failed.len(), fine.len()), (2, 2), "{how}");
        assert!(failed.iter().all(|cell| cell.message.starts_with(message)), "{how}: {}", failed[0].message);
        assert!(fine.iter().all(|cell| cell.loss == "mse"));
        code.nothing_is_left();
    }
}

#[test]
fn a_program_that_is_killed_takes_its_python_along() {
    let config = SHORT.replace("my_code.py:Huber", "my_code.py:harmful");
    let Some(code) = Code::new(&config) else { return };
    code.run("x.toml").works();
    fs::write(code.sandbox.path().join("armed"), "hang").unwrap();
    let notes = code.sandbox.path().join("notes");
    for ending in ["KILL", "TERM"] {
        fs::remove_file(&notes).unwrap();
        let mut command = code.sandbox.command("x.toml --fresh");
        let mut child =
            code.environment(&mut command).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        until("it hangs", || notes.exists());
        signal(&child, ending);
        if ending == "TERM" {
            // The first asks it to finish what it has begun.
            signal(&child, ending);
        }
        child.wait().unwrap();
        code.nothing_is_left();
    }
}

#[test]
fn closures_are_evaluations_and_second_derivatives_are_refused() {
    let config = "name = \"x\"\nsteps = 5\nlr = 0.1\nseeds = { tuning = [0], reporting = [1] }\n\
        [[grid]]\nproblems = [\"direct_fit\"]\nlosses = [\"my_code.py:Branch\", \"mse\"]\n\
        optimizers = [\"my_code.py:Twice\", \"adahessian\"]\n";
    let Some(code) = Code::new(config) else { return };
    code.run("x.toml").fails(1);
    let twice = "program(file=my_code.py:Twice)";
    code.alike([("program(file=my_code.py:Branch)", twice), ("mse", twice)]);
    for cell in code.cells() {
        let is_refused = cell.optimizer == "adahessian" && cell.loss != "mse";
        assert_eq!(is_refused, cell.message.contains("second derivatives"), "{}", cell.message);
        if cell.optimizer == twice {
            // Each step has one evaluation more than its gradient.
            assert_eq!(cell.evaluations, 2 * cell.steps);
        }
    }
}

#[test]
fn a_loss_in_python_is_diagnosed() {
    let Some(code) = Code::new(SHORT) else { return };
    let ran = code.run("diagnose my_code.py:Branch --format json --no-write --steps 200");
    let of_mse = code.run("diagnose --loss mse --format json --no-write --steps 200").works().json();
    let found = ran.works().says("my_code.py:Branch is evaluated in Python").json();
    // Which of two fixes of two steps each comes first is a matter of rounding.
    assert_eq!(found["findings"], of_mse["findings"], "{found}");
    code.run("diagnose x.toml --loss mse").fails(2).says("leave one of the two out");
    code.nothing_is_left();
}

#[test]
fn objects_of_the_process_that_calls_are_evaluated_there() {
    let config = SHORT.replace("my_code.py:Huber", "notebook:Local\", \"mse");
    let Some(code) = Code::new(&config) else { return };
    code.run("x.toml").fails(2).says("`notebook:Local` is an object of a notebook");
    let script = format!(
        "import os, subprocess, sys\nsys.path.insert(0, {:?})\nfrom optbench import worker\nfactor = 1.0\n\
         def local(prediction, target):\n    global factor\n    loss = ((prediction - target) ** 2).mean()\n    \
         return loss * factor if loss.item() < 1e9 else loss\n\
         with worker.serve({{'Local': local}}) as path:\n    \
         sys.exit(subprocess.run([{:?}, 'x.toml'], env=os.environ | {{'OPTBENCH_WORKER': path}}).returncode)\n",
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../python"),
        code.sandbox.command("x.toml").get_program()
    );
    fs::write(code.sandbox.path().join("cell.py"), script).unwrap();
    let mut command = Command::new(code.sandbox.path().join("python"));
    command.arg("cell.py").current_dir(code.sandbox.path());
    Ran::with(&mut command, |command| code.environment(command))
        .works()
        .says("notebook:Local is evaluated in Python");
    code.alike([("program(file=notebook:Local)", "sgd"), ("mse", "sgd")]);
    assert_eq!(code.started().len(), 1, "it needs no other process");
}
