//! scratch
use std::time::Instant;
fn main() {
    tch::set_num_threads(1);
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
"#
    .to_string();
    let config = runner::config::parse("x", text).unwrap();
    let plan = runner::plan::Plan::new(&config).unwrap();
    let mut best = f64::MAX;
    for _ in 0..20 {
        let t = Instant::now();
        for b in &plan.batches {
            std::hint::black_box(runner::engine::run(b));
        }
        best = best.min(t.elapsed().as_secs_f64() * 1e3 / 200.0);
    }
    println!("mlp: {:.3} ms per step", best);
}
