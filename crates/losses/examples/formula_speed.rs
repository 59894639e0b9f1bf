//! How a formula's kernel compares with the same loss written in Rust: time per element of value and
//! slope, on one thread. Run it with `cargo run --package losses --example formula_speed`.

use std::time::Instant;

use losses::{Formula, Loss};
use numeric::{Float, LANES, Row, Stream, rows};

const FORMULAS: [(&str, &str); 8] = [
    ("mse", "d**2"),
    ("l1", "abs(d)"),
    ("plateau", "where(abs(d) <= 0.5, abs(d), 0.001*abs(d) + 0.4995)"),
    ("asymmetric", "where(d > 0, 5*d**2, d**2)"),
    ("poorly_conditioned", "0.01*d**2 + d"),
    ("huber", "where(abs(d) <= 1, 0.5*abs(d)**2, abs(d) - 0.5)"),
    ("pseudo_huber", "d**2/(sqrt(d**2 + 1) + 1)"),
    (
        "log_cosh",
        "where(abs(d) <= 20, log1p(expm1(min(abs(d), 20))**2/(2*expm1(min(abs(d), 20)) + 2)), abs(d) - log(2))",
    ),
];

fn main() {
    println!("{:20} {:>9} {:>10} {:>10} {:>6}", "loss", "elements", "Rust, ns", "formula", "ratio");
    for (name, text) in FORMULAS {
        for elements in [4, 64, 1024, 65_536] {
            let built_in = Loss::named(name).expect("a loss of the registry");
            let own = Loss::Formula(Formula::new(text, []));
            let [rust, formula] = times::<f32>(&[built_in, own], elements);
            println!("{name:20} {elements:9} {rust:10.3} {formula:10.3} {:6.2}", formula / rust);
        }
    }
}

/// Nanoseconds per element and lane: the fastest of many interleaved rounds.
fn times<F: Float>(losses: &[Loss; 2], elements: usize) -> [f64; 2] {
    let mut stream = Stream::new("speed", &[elements as u64]);
    let mut draw = || -> Vec<Row<F>> {
        (0..elements).map(|_| [0; LANES].map(|_| F::from_f64(stream.normal()))).collect()
    };
    let (prediction, target) = (draw(), draw());
    let (mut slope, mut value) = (vec![rows::zero(); elements], [rows::zero()]);
    let kernels = losses.each_ref().map(|loss| loss.kernel::<F>().expect("a fused loss"));
    let repeats = 400_000_usize.div_ceil(elements * LANES);
    let mut fastest = [f64::INFINITY; 2];
    for _ in 0..30 {
        for (kernel, fastest) in kernels.iter().zip(&mut fastest) {
            let start = Instant::now();
            for _ in 0..repeats {
                kernel.mean(elements, &prediction, &target, &mut slope, &mut value);
            }
            let each = start.elapsed().as_secs_f64() * 1e9 / (repeats * elements * LANES) as f64;
            *fastest = fastest.min(each);
        }
    }
    fastest
}
