//! Cells per second of a grid: the engines alone, and the whole run with its files and its table.

use std::time::Duration;

use criterion::{Criterion, SamplingMode, Throughput};
use rayon::prelude::*;
use runner::plan::Plan;
use runner::run::{self, Options};
use runner::{config, engine};

/// A fused grid, and one on libtorch.
const GRIDS: [(&str, &str); 2] = [
    (
        "fused",
        r#"
        name = "bench-fused"
        steps = 1000
        record = { log = 20 }
        seeds = { tuning = 4, reporting = 12 }
        [[grid]]
        problems = ["direct_fit", "line_fit"]
        losses = ["plateau", "asymmetric", "mse"]
        optimizers = ["sgd", "heavy_ball", "adam"]
        lr = { from = 0.0001, to = 0.1, per_decade = 5 }
        "#,
    ),
    (
        "libtorch",
        r#"
        name = "bench-libtorch"
        steps = 100
        record = { log = 20 }
        seeds = { tuning = 1, reporting = 1 }
        [[grid]]
        problems = ["digits_mlp"]
        losses = ["cross_entropy", "mse"]
        optimizers = ["sgd", "adam"]
        lr = { from = 0.0001, to = 0.1, per_decade = 5 }
        "#,
    ),
];

fn main() {
    tch::set_num_threads(1);
    tch::set_num_interop_threads(1);
    let jobs = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(jobs).start_handler(|_| tch::set_num_threads(1));
    pool.build_global().expect("the pool is built once");
    let mut criterion = Criterion::default().nresamples(2000).configure_from_args();
    let mut group = criterion.benchmark_group("grid");
    group
        .sampling_mode(SamplingMode::Flat)
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3));
    for (name, text) in GRIDS {
        let config = config::parse(name, text).expect("the config is ours");
        let plan = Plan::new(&config).expect("the config is ours");
        group.throughput(Throughput::Elements(plan.cells()));
        group.bench_function(format!("engine/{name}"), |bencher| {
            bencher.iter(|| plan.batches.par_iter().with_max_len(1).map(engine::run).collect::<Vec<_>>());
        });
        let folder = tempfile::tempdir().expect("there is room for temporary files");
        let options = Options { out: folder.path().to_owned(), jobs, fresh: true };
        group.bench_function(format!("run/{name}"), |bencher| {
            bencher.iter(|| run::run(&config, &plan, &options).expect("the folder can be written"));
        });
    }
    group.finish();
    criterion.final_summary();
}
