//! Absurd sizes are refused with their numbers, within seconds and before memory is taken; what is only large is
//! planned within seconds, and run in bounded memory.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use losses::Loss;
use optimizers::{Optimizer, Schedule};
use problems::Problem;
use serde_json::Value;

use crate::sandbox::Sandbox;

/// A command that takes longer hangs: the slowest here takes a few seconds on an idle machine.
const LONGEST: Duration = Duration::from_secs(60);

/// Address space that a command may take, in bytes: what it allocates in vain ends it.
const MEMORY: u64 = 8 << 30;

const GRID: &str = "[[grid]]\nproblems = [\"direct_fit\"]\nlosses = [\"mse\"]\noptimizers = [\"sgd\"]\n";

/// What became of a command.
struct Ended {
    /// `None` if a signal, or we, ended it.
    code: Option<i32>,
    text: String,
    /// The most memory that it held, in kB.
    peak: u64,
}

/// Runs a command on a config in an empty folder, in bounded memory and time.
fn ended(command: &str, config: &str) -> Ended {
    let sandbox = Sandbox::with("x", config);
    let plain = sandbox.command([command, "x.toml"]);
    // `prlimit` bounds it, and leaves the process as it is.
    let mut bounded = Command::new("prlimit");
    bounded.arg(format!("--as={MEMORY}")).arg(plain.get_program()).args(plain.get_args());
    bounded.current_dir(sandbox.path()).env("NO_COLOR", "1").process_group(0);
    let mut child =
        bounded.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("util-linux has prlimit");
    let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let read = |stream: &mut dyn Read| {
        let mut text = Vec::new();
        let _ = stream.read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    };
    let streams = [thread::spawn(move || read(&mut out)), thread::spawn(move || read(&mut err))];
    let begin = Instant::now();
    let (mut peak, mut code) = (0, None);
    while begin.elapsed() < LONGEST {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let held = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse().ok());
        peak = peak.max(held.unwrap_or(0));
        if let Some(status) = child.try_wait().unwrap() {
            code = status.code();
            break;
        }
        thread::sleep(Duration::from_millis(10));
    }
    let _ = child.kill();
    let _ = child.wait();
    let text = streams.map(|stream| stream.join().unwrap()).concat();
    Ended { code, text, peak }
}

/// The message of a command that must refuse its config, with the line breaks and the frame taken out.
fn refused(command: &str, config: &str) -> String {
    let ran = Sandbox::with("x", config).run_within([command, "x.toml"], MEMORY).fails(2);
    assert!(ran.stderr.len() < 20_000, "a message of {} bytes", ran.stderr.len());
    ran.said()
}

fn with(head: &str) -> String {
    format!("name = \"x\"\n{head}\n{GRID}")
}

fn listed(count: usize, entry: impl Fn(usize) -> String) -> String {
    (0..count).map(entry).collect::<Vec<_>>().join(", ")
}

fn composite(terms: usize) -> String {
    format!("{{ composite = {{ terms = [{}] }} }}", listed(terms, |_| "{ loss = \"l1\" }".into()))
}

macro_rules! refusals {
    ($($name:ident: $config:expr, [$($part:expr),*];)*) => {$(
        #[test]
        fn $name() {
            let message = refused("plan", &$config);
            for part in [$($part),*] {
                assert!(message.contains(part), "{part} isn't in: {message}");
            }
        }
    )*};
}

refusals! {
    a_billion_points:
        with("record = { log = 1000000000000 }"), ["1,000,000,000,002 points", "at most 1,048,576"];
    as_many_points_as_fit_a_number:
        with("record = { log = 9223372036854775807 }"), ["9,223,372,036,854,775,809 points", "at most 1,048,576"];
    every_step_of_a_long_run:
        with("steps = 1000000000\nrecord = { every = 1 }"), ["1,000,000,002 points", "at most 1,048,576"];
    ten_billion_cells:
        with("lr = { from = 1e-4, to = 1, count = 10000 }\nseeds = { tuning = 0, reporting = 1000000 }"),
        ["10,000,000,000 cells", "10,000 learning rates", "1,000,000 seeds", "at most 20,000,000"];
    more_seeds_than_there_may_be:
        with("seeds = { tuning = 0, reporting = 1000000000000 }"), ["at most 1000000 seeds, and are 1000000000000"];
    a_hundred_thousand_jobs: with("jobs = 100000"), ["`jobs` must be from 1 to 1024, and is 100000"];
    twenty_thousand_losses:
        with("").replace("\"mse\"", &listed(20_000, |i| format!("{{ huber = {{ delta = {} }} }}", i + 1))),
        ["the list has 20000 entries, and may have at most 10000"];
    a_million_losses:
        with("").replace("\"mse\"", &listed(1_000_000, |i| format!("{{ huber = {{ delta = {} }} }}", i + 1))),
        ["the config is too long: it has 3", "at most 17 MB"];
    three_thousand_terms: with("").replace("\"mse\"", &composite(3000)), ["at most 4000"];
    a_hundred_and_one_terms: with("").replace("\"mse\"", &composite(101)), ["`terms` may be at most 100, and are 101"];
    a_label_of_a_megabyte:
        with("").replace("\"mse\"", &format!("{{ formula = {{ value = \"{}d\" }} }}", "d+".repeat(500_000))),
        ["its label would have 1000016 characters", "at most 4000"];
    brackets_of_a_megabyte:
        with("").replace("\"mse\"", &format!("{{ formula = {{ value = \"{}d\" }} }}", "(".repeat(1_000_000))),
        ["its label would have 1000016 characters"];
    tables_in_tables:
        with("").replace("\"sgd\"", &format!("{}\"sgd\"{}", "{ sam = { optimizer = ".repeat(10_000), "} }".repeat(10_000))),
        ["max recursion depth"];
    ten_thousand_targets:
        with("targets = { from = 1e-9, to = 1, count = 10000 }"), ["10000 targets, and may be at most 1000"];
    a_million_rates:
        with(&format!("lr = [{}]", listed(1_000_000, |i| format!("{}", i + 1)))), ["a list of 1000000, of at most 10000"];
    a_million_milestones:
        with("") + &format!("schedules = [{{ multistep = {{ milestones = [{}] }} }}]\n", listed(1_000_000, |i| i.to_string())),
        ["its label would have"];
    a_thousand_and_one_milestones:
        with("") + &format!("schedules = [{{ multistep = {{ milestones = [{}] }} }}]\n", listed(1001, |_| "5".into())),
        ["the number of milestones must be at most 1000, and is 1001"];
    a_terabyte_of_curves:
        with("steps = 1000000\nrecord = { every = 1 }\nseeds = { tuning = 0, reporting = 10000 }"),
        ["would write about 5.6 TB", "90,000 cells", "at most 1.1 TB"];
    centuries_of_steps:
        with("steps = 1000000000\nseeds = { tuning = 1000000, reporting = 1000000 }"),
        ["18,000,000 cells of 1,000,000,000 steps each", "18,000,000,000,000,000 steps", "at most 10,000,000,000,000,000"];
    grids_that_are_too_many_together:
        with("seeds = { tuning = 0, reporting = 1000000 }") + &GRID.replace("sgd", "adam") + &GRID.replace("sgd", "lion"),
        ["the grids together ask for 27,000,000 cells", "at most 20,000,000"];
    more_files_than_a_folder_holds:
        with("lr = 0.1\nseeds = { tuning = 0, reporting = 1 }")
            .replace("\"mse\"", &listed(5_000, |i| format!("{{ huber = {{ delta = {} }} }}", i + 1)))
            .replace("\"sgd\"", &listed(50, |i| format!("{{ adam = {{ eps = {} }} }}", i + 1))),
        ["more than 200,000 batches"];
    a_state_of_terabytes:
        with("").replace("\"direct_fit\"", "{ direct_fit = { dim = 1000000 } }")
            .replace("\"sgd\"", "{ shampoo = { max_dim = 1000000000 } }"),
        ["5,000,0", "in float32", "at most 4,294,967,296"];
    a_history_without_end:
        with("").replace("\"sgd\"", "{ lbfgs = { history = 1000000000000 } }"),
        ["`history` must be from 1 to 10000, and is 1000000000000"];
}

/// Large, and not absurd: the seeds were chosen in quadratic time, and factors of all steps were listed.
#[test]
fn what_is_only_large_is_planned_within_seconds() {
    for (config, part) in [
        (with("seeds = { tuning = 1000000, reporting = 1000000 }\nlr = 0.1"), "2000000 cells"),
        (with("steps = 1000000000"), "72 cells"),
        (
            with("steps = 1000000000")
                + "schedules = [{ cyclic = { mode = \"exp_range\" } }, \"chebyshev\"]\n",
            "144 cells",
        ),
        (with("") + "schedules = [{ chebyshev = { steps = 1000000000000 } }]\n", "72 cells"),
        (
            with("")
                .replace("\"mse\"", &listed(10_000, |i| format!("{{ huber = {{ delta = {} }} }}", i + 1))),
            "720000 cells",
        ),
        (with("").replace("\"mse\"", &composite(100)), "72 cells"),
        (
            with("")
                .replace("\"direct_fit\"", "{ digits_mlp = { hidden = 4096 } }")
                .replace("\"sgd\"", "\"soap\""),
            "cells",
        ),
        (with("").replace("\"direct_fit\"", "{ audio = { partials = 64, samples = 1000000 } }"), "72 cells"),
    ] {
        let Ended { code, text, peak } = ended("plan", &config);
        assert_eq!(code, Some(0), "{text}");
        assert!(
            text.contains(part) && text.contains("disk: about") && text.contains("memory: up to"),
            "{text}"
        );
        // A lane of sounds of 64 million samples takes 3 GB.
        assert!(peak < 4_000_000, "{peak} kB: {text}");
    }
}

/// A run of a billion steps takes no memory before its first step.
#[test]
fn a_long_budget_takes_no_memory() {
    // So steep that all runs end at once.
    let config = with("steps = 1000000000\nlr = [1e20]\nseeds = { tuning = 0, reporting = 1 }")
        .replace("mse", "power")
        + "schedules = [\"cosine\"]\n";
    let Ended { code, text, peak } = ended("run", &config);
    assert_eq!(code, Some(0), "{text}");
    assert!(peak < 500_000, "{peak} kB");
}

/// Runs that record every step: what they take of disk is announced, and memory doesn't grow with it.
#[test]
fn curves_of_every_step_are_announced_and_take_no_memory() {
    let head = "steps = 150000\nrecord = { every = 1 }\nlr = { from = 1e-3, to = 1e-2, count = 8 }\n\
                seeds = { tuning = 0, reporting = 5 }\njobs = 1";
    let config = with(head).replace("sgd", "adam");
    let plan = ended("plan", &with("steps = 1000000\nrecord = { every = 1 }"));
    assert_eq!(plan.code, Some(0), "{}", plan.text);
    assert!(
        plan.text.contains("disk: about 4.5 GB of results, with 72,000,144 recorded points"),
        "{}",
        plan.text
    );
    let Ended { code, text, peak } = ended("run", &config);
    assert_eq!(code, Some(0), "{text}");
    // Six million points in one batch took 1.1 GB.
    assert!(peak < 700_000, "{peak} kB");
}

#[test]
fn a_map_or_a_diagnosis_is_refused_by_its_product() {
    let map = |x: u32, y: u32, steps: u64, more: &str| {
        format!(
            "name = \"x\"\nproblem = \"himmelblau\"\noptimizer = \"sgd\"\nlr = 0.1\nsteps = {steps}\n{more}\n\
             x = {{ vary = \"start.x1\", from = -1, to = 1, pixels = {x} }}\n\
             y = {{ vary = \"start.x2\", from = -1, to = 1, pixels = {y} }}\n"
        )
    };
    let diagnosis = |target: &str| format!("name = \"x\"\nloss = \"cross_entropy\"\ntarget = {target}\n");
    let wide =
        map(4096, 2, 5, "loss = \"mse\"").replace("\"himmelblau\"", "{ direct_fit = { dim = 1000000 } }");
    for (command, config, parts) in [
        ("map", map(8192, 8192, 10, ""), ["67,108,864 runs", "at most 20,000,000"]),
        ("map", map(4096, 4096, 10, "csv = true"), ["16,777,216 rows of map.csv", "at most 4,000,000"]),
        ("map", wide, ["4,096 runs of 1,000,000 parameters", "at most 67,108,864 numbers"]),
        (
            "diagnose",
            diagnosis("{ classes = { count = 1000000000000 } }"),
            ["1,000,000,000,000", "at most 1,000,000"],
        ),
        (
            "diagnose",
            diagnosis("{ normal = { shape = [5000, 2000] } }"),
            ["10,000,000 numbers", "at most 1,000,000"],
        ),
        (
            "diagnose",
            diagnosis(
                "{ normal = { shape = [9223372036854775807, 9223372036854775807, 9223372036854775807] } }",
            ),
            ["at most 1,000,000", "18,446,744,073,709,551,615 numbers"],
        ),
    ] {
        let message = refused(command, &config).replace(" × ", " ");
        assert!(parts.iter().all(|part| message.contains(part)), "{parts:?}: {message}");
    }
}

/// Options that aren't given are left out of what an entry says of itself: those that count.
const HIDDEN: [(&str, &str); 12] = [
    ("step", "step_size"),
    ("linear", "steps"),
    ("cosine", "steps"),
    ("inverse_sqrt", "timescale"),
    ("polynomial", "steps"),
    ("warm_restarts", "first"),
    ("cyclic", "up"),
    ("cyclic", "down"),
    ("warmup_stable_decay", "warmup"),
    ("warmup_stable_decay", "decay"),
    ("chebyshev", "steps"),
    ("warmup", "steps"),
];

/// Every option that counts something, of every entry, at absurd values: refused or planned, and never anything else.
#[test]
fn no_count_of_any_entry_ends_the_program() {
    let mut configs = Vec::new();
    let counts = |options: &Value| -> Vec<String> {
        let table = options.as_object().into_iter().flatten();
        table.filter(|(_, value)| value.is_u64() || value.is_i64()).map(|(name, _)| name.clone()).collect()
    };
    let mut add = |axis: &str, name: &str, option: &str| {
        for value in [1_000_000_u64, 1_000_000_000_000, i64::MAX as u64] {
            let entry = format!("{{ {name} = {{ {option} = {value} }} }}");
            let config = with("steps = 10\nlr = 0.1\nseeds = { tuning = 0, reporting = 1 }");
            configs.push(match axis {
                "problem" if Problem::named(name).unwrap().losses() == problems::Losses::Own => {
                    config.replace("\"direct_fit\"", &entry).replace("losses = [\"mse\"]\n", "")
                }
                "problem" => config.replace("\"direct_fit\"", &entry),
                "loss" => config.replace("\"mse\"", &entry),
                "optimizer" => config.replace("\"sgd\"", &entry),
                _ => config + &format!("schedules = [{entry}]\n"),
            });
        }
    };
    for (axis, entries) in [
        ("problem", Problem::all().iter().map(|entry| (entry.name(), entry.options())).collect::<Vec<_>>()),
        ("loss", Loss::all().iter().map(|entry| (entry.name(), entry.options())).collect()),
        ("optimizer", Optimizer::all().iter().map(|entry| (entry.name(), entry.options())).collect()),
        ("schedule", Schedule::all().iter().map(|entry| (entry.name(), entry.options())).collect()),
    ] {
        for (name, options) in entries {
            for option in counts(&options) {
                add(axis, name, &option);
            }
        }
    }
    for (name, option) in HIDDEN {
        add("schedule", name, option);
    }
    add("optimizer", "ademamix", "warmup");
    assert!(configs.len() > 100, "{}", configs.len());
    for config in configs {
        let ran = Sandbox::with("x", &config).run_within("plan x.toml", MEMORY);
        assert!([0, 2].contains(&ran.code), "{}, {config}: {}", ran.code, ran.stderr);
    }
}
