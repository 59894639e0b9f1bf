//! Our side of the comparison in `benches/peers`, which starts this program and asks it for one work
//! after the other: a name and the least seconds a line in, a line of JSON out.
//!
//! `peers config` prints the grid of the whole-process comparison, which `optbench` then runs.

use std::io::{self, BufRead, Write};
use std::thread::available_parallelism;
use std::time::Instant;

use numeric::{Float, Stream, rows, slices};
use optimizers::Optimizer;
use rayon::prelude::*;
use records::Outcome;
use runner::engine::{self, LaneResult};
use runner::plan::Plan;
use serde_json::{Value, json};
use tch::Tensor;

/// Sizes and rates are those of `shapes.py`.
fn direct_fit(dims: &str, losses: &str) -> String {
    format!(
        r#"
        name = "peers"
        steps = 1000
        record = "summary"
        targets = [0.1, 0.01, 0.001]
        lr = {{ from = 0.001, to = 0.1, count = 16 }}
        seeds = {{ tuning = 0, reporting = 16 }}
        [[grid]]
        problems = [{dims}]
        losses = [{losses}]
        optimizers = ["sgd", "heavy_ball", "adam"]
        "#
    )
}

const LOSSES: [&str; 3] = ["plateau", "asymmetric", "poorly_conditioned"];

fn built_in() -> String {
    LOSSES.map(|loss| format!("\"{loss}\"")).join(", ")
}

/// The same losses as programs.
fn as_programs() -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/losses/tests/modules");
    LOSSES.map(|loss| format!("{{ program = {{ file = '{folder}/{loss}.pt2' }} }}")).join(", ")
}

fn one_dim(dim: &str) -> String {
    format!("{{ direct_fit = {{ dim = {dim} }} }}")
}

const DIGITS_MLP: &str = r#"
    name = "peers"
    steps = 500
    record = "summary"
    targets = [0.2, 0.1, 0.05]
    lr = { from = 0.0001, to = 0.1, count = 32 }
    seeds = { tuning = 0, reporting = 1 }
    [[grid]]
    problems = [{ digits_mlp = { hidden = 32, batch = 128 } }]
    losses = ["cross_entropy"]
    optimizers = ["adam"]
"#;

/// What `programs.py` exported: its folder is our argument.
fn exported(file: &str) -> String {
    let folder = std::env::args().nth(1).expect("the folder of programs.py");
    format!("{folder}/{file}")
}

/// SGD and Adam on a loss that isn't elementwise.
fn loss_as_program(loss: &str, lanes: &str) -> String {
    let (rates, seeds) =
        if lanes == "1" { ("[0.01]", 1) } else { ("{ from = 0.001, to = 0.1, count = 16 }", 16) };
    format!(
        "name = 'peers'\nsteps = 1000\nrecord = 'summary'\ntargets = [0.001]\nengine = 'libtorch'\n\
         lr = {rates}\nseeds = {{ tuning = 0, reporting = {seeds} }}\n\
         [[grid]]\nproblems = [{}]\nlosses = [{{ program = {{ file = '{}' }} }}]\noptimizers = ['sgd', 'adam']\n",
        one_dim("64"),
        exported(&format!("{loss}.pt2"))
    )
}

fn mlp_as_program() -> String {
    let [file, data] = ["mlp.pt2", "digits.npz"].map(exported);
    // 360 of 1797 rows, as the built-in problem holds out.
    let problem = format!("{{ model = {{ file = '{file}', data = '{data}', batch = 128, test = 0.2003 }} }}");
    DIGITS_MLP.replace("{ digits_mlp = { hidden = 32, batch = 128 } }", &problem)
}

/// Eight seeds of Adam; 64 of 1024 rows are held out.
fn network_as_program(network: &str) -> String {
    let [file, data] = [format!("{network}.pt2"), format!("{network}.npz")].map(|file| exported(&file));
    let batch = if network == "gpt" { 16 } else { 64 };
    format!(
        "name = 'peers'\nsteps = 20\nrecord = 'summary'\ntargets = [1e-9]\nlr = [0.003]\n\
         seeds = {{ tuning = 0, reporting = 8 }}\n[[grid]]\noptimizers = ['adam']\n\
         problems = [{{ objective = {{ file = '{file}', data = '{data}', batch = {batch}, test = 0.0625 }} }}]\n"
    )
}

/// 256 lanes of dimension 64 by our Adam or by the program.
fn fit_by(optimizer: &str) -> String {
    let all = direct_fit(&one_dim("64"), "'mse'");
    let optimizer = match optimizer {
        "adam" => "'adam'".to_owned(),
        _ => format!("{{ program = {{ file = '{}' }} }}", exported("adam.pt2")),
    };
    all.replace(r#""sgd", "heavy_ball", "adam""#, &optimizer)
}

fn main() {
    numeric::memory::keep_freed_memory();
    tch::set_num_threads(1);
    tch::set_num_interop_threads(1);
    if std::env::args().nth(1).as_deref() == Some("config") {
        print!("{}", direct_fit(&[one_dim("1"), one_dim("64")].join(", "), &built_in()));
        return;
    }
    // As `optbench` does: a worker a core, and libtorch with one thread in each.
    let cores = available_parallelism().map_or(1, std::num::NonZero::get);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(cores).start_handler(|_| tch::set_num_threads(1));
    pool.build_global().expect("the pool is built once");
    let answer = |value: &Value| {
        let mut out = io::stdout().lock();
        writeln!(out, "{value}").and_then(|()| out.flush()).expect("`run` is listening");
    };
    answer(&json!({ "ready": true, "versions": { "optbench": env!("CARGO_PKG_VERSION") } }));
    for line in io::stdin().lock().lines() {
        let line = line.expect("`run` is speaking");
        let (work, least_s) = line.split_once(' ').expect("a work and the least seconds");
        answer(&raw_error(work, least_s.parse().expect("seconds are a number")));
    }
}

/// Runs a work until `least_s` seconds have gone.
fn raw_error(work: &str, least_s: f64) -> Value {
    match work.split('/').collect::<Vec<_>>()[..] {
        ["direct_fit", dim] => grid(work, &direct_fit(&one_dim(dim), &built_in()), least_s),
        ["program", "scalar"] => grid(work, &direct_fit(&one_dim("64"), &as_programs()), least_s),
        ["program", "mlp"] => grid(work, &mlp_as_program(), least_s),
        ["program", network] => grid(work, &network_as_program(network), least_s),
        ["program", loss, lanes] => grid(work, &loss_as_program(loss, lanes), least_s),
        ["optimizer", optimizer] => grid(work, &fit_by(optimizer), least_s),
        ["digits_mlp"] => grid(work, DIGITS_MLP, least_s),
        ["map"] => map(work, least_s),
        ["step", optimizer, size] => {
            let optimizer = if optimizer == "momentum" { "heavy_ball" } else { optimizer };
            let optimizer = Optimizer::named(optimizer).expect("an optimizer of the registry");
            step(work, &optimizer, size.parse().expect("sizes are numbers"), least_s)
        }
        _ => panic!("there is no work `{work}`"),
    }
}

/// Times `once` until `least_s` seconds have gone; what it returned last is kept.
fn repeat<T>(least_s: f64, mut once: impl FnMut() -> T) -> (Vec<f64>, T) {
    let (mut seconds, start) = (Vec::new(), Instant::now());
    loop {
        let begin = Instant::now();
        let result = once();
        seconds.push(begin.elapsed().as_secs_f64());
        if start.elapsed().as_secs_f64() >= least_s {
            return (seconds, result);
        }
    }
}

/// A grid from its plan to the results of every lane, without the files.
fn grid(work: &str, text: &str, least_s: f64) -> Value {
    let config = runner::config::parse(work, text).expect("the config is ours");
    let plan = Plan::new(&config).expect("the config is ours");
    let (seconds, results) = repeat(least_s, || {
        let run = |batch| engine::run(batch);
        plan.batches.par_iter().with_max_len(1).map(run).collect::<Vec<Vec<LaneResult>>>()
    });
    let lanes: Vec<&LaneResult> = results.iter().flatten().collect();
    let steps = plan.batches[0].settings.steps;
    for lane in &lanes {
        // A lane that ends early would do less than the peers' lanes do.
        let full = lane.steps == steps && !matches!(lane.outcome, Outcome::Diverged | Outcome::Failed);
        assert!(full, "{work}: {:?} after {} steps {}", lane.outcome, lane.steps, lane.message);
    }
    let share = |target: usize| {
        lanes.iter().filter(|lane| lane.hits[target].is_some()).count() as f64 / lanes.len() as f64
    };
    let reached: Vec<f64> = (0..plan.targets.len()).map(share).collect();
    let lane_steps = lanes.len() as u64 * steps;
    json!({ "work": work, "seconds": seconds, "lane_steps": lane_steps, "checks": { "reached": reached } })
}

/// A map from its config to its pixels, without the files: the one of the README, with fewer pixels.
fn map(work: &str, least_s: f64) -> Value {
    let text = include_str!("../../../configs/map-himmelblau.toml").replace("pixels = 2048", "pixels = 512");
    let map = runner::config::map::parse(work, text).expect("the config is ours");
    let (seconds, pixels) = repeat(least_s, || runner::map::train(&map, |_| ()).expect("nothing fails"));
    let reached = pixels.iter().filter(|pixel| pixel.steps.is_finite()).count() as f64 / pixels.len() as f64;
    assert!(pixels.iter().all(|pixel| !pixel.steps.is_nan()), "a lane that diverges ends early");
    let lane_steps = pixels.len() as u64 * map.steps;
    json!({ "work": work, "seconds": seconds, "lane_steps": lane_steps, "checks": { "reached": [reached] } })
}

/// One optimizer step over a large tensor, as the libtorch engine takes it, on this thread alone.
fn step(work: &str, optimizer: &Optimizer, size: usize, least_s: f64) -> Value {
    let mut stream = Stream::new("peers", &[size as u64]);
    let mut draw =
        || Tensor::from_slice(&(0..size).map(|_| f32::from_f64(stream.uniform())).collect::<Vec<_>>());
    let (mut parameter, gradient) = (draw(), draw());
    let mut stepper = optimizer.stepper::<f32>(rows::chunks(size)).expect("an elementwise optimizer");
    let mut once = || {
        stepper.step_slice(1e-3, slices::slice_mut(&mut parameter), slices::slice(&gradient));
    };
    // The first step touches the state's memory for the first time, which the peers' warm-up does too.
    once();
    let (seconds, ()) = repeat(least_s, once);
    json!({ "work": work, "seconds": seconds, "lane_steps": size })
}
