//! scratch
use std::time::Instant;
use rayon::prelude::*;
fn main() {
    tch::set_num_threads(1);
    for dim in std::env::args().nth(1).map_or(vec![1,64], |d| vec![d.parse::<usize>().unwrap()]) {
        for threads in std::env::args().nth(3).map_or(vec![1,2], |d| vec![d.parse::<usize>().unwrap()]) }; {
        for opt in ["\"sgd\"", "\"heavy_ball\"", "\"adam\"", "\"sgd\",\"heavy_ball\",\"adam\""] {
        let steps: u64 = std::env::args().nth(4).map_or(1000, |d| d.parse().unwrap());
        let text = format!(r#"
name = "x"
steps = {steps}
record = "summary"
lr = {{ from = 1e-3, to = 1, count = 16 }}
seeds = {{ tuning = 8, reporting = 8 }}
[[grid]]
problems = [{{ direct_fit = {{ dim = {dim} }} }}]
losses = ["plateau", "asymmetric", "poorly_conditioned"]
optimizers = [{opt}]
"#);
        let config = runner::config::parse("x", text).unwrap();
        let plan = runner::plan::Plan::new(&config).unwrap();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let mut ts = vec![];
        for _ in 0..std::env::args().nth(2).map_or(15, |d| d.parse::<usize>().unwrap()) {
            let t = Instant::now();
            pool.install(|| plan.batches.par_iter().with_max_len(1).for_each(|b| { std::hint::black_box(runner::engine::run(b)); }));
            ts.push(t.elapsed().as_secs_f64());
        }
        ts.sort_by(f64::total_cmp);
        println!("dim {dim} {opt} threads {threads}: {:.3} ms, {:.3} ns per lane-step", ts[0]*1e3, ts[0]*1e9/(plan.cells() as f64*1000.0));
        }}
    }
    if std::env::args().nth(1).is_some_and(|a| a != "0") { return; }
    let text = r#"
name = "x"
steps = 200
record = "summary"
lr = { from = 1e-4, to = 1e-1, count = 32 }
seeds = { tuning = 0, reporting = 1 }
[[grid]]
problems = [{ digits_mlp = { batch = 128 } }]
losses = ["cross_entropy"]
optimizers = ["adam"]
"#.to_string();
    let config = runner::config::parse("x", text).unwrap();
    let plan = runner::plan::Plan::new(&config).unwrap();
    for _ in 0..3 {
    let t = Instant::now();
    for b in &plan.batches { std::hint::black_box(runner::engine::run(b)); }
    println!("mlp: {:.3} ms per step", t.elapsed().as_secs_f64()*1e3/200.0);
    }
}
