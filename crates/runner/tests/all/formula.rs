//! A loss given as a formula, or as a PyTorch program, trains as the same loss written in Rust does.

use records::{Dtype, Engine};
use runner::config;
use runner::engine::{self, LaneResult};
use runner::plan::{Batch, Plan};

/// The losses of the question, and their formulas.
const PAIRS: [(&str, &str); 3] = [
    ("plateau", "where(abs(d) <= 0.5, abs(d), 0.001*abs(d) + 0.4995)"),
    ("asymmetric", "where(d > 0, 5*d**2, d**2)"),
    ("poorly_conditioned", "0.01*d**2 + d"),
];

fn batches(loss: &str, dtype: &str) -> Vec<Batch> {
    let text = format!(
        "name = 'formula'\ndtype = '{dtype}'\nsteps = 60\nrecord = {{ every = 1 }}\nlr = [0.003, 0.05, 0.3]\n\
         targets = [1.0, 0.5, 0.2, 0.1]\nseeds = {{ tuning = 2, reporting = 3 }}\n\
         [[grid]]\nproblems = ['direct_fit', 'line_fit']\nlosses = [{loss}]\n\
         optimizers = ['sgd', {{ sgd = {{ momentum = 0.9 }} }}, 'adam']\n"
    );
    let config = config::parse("formula.toml", &text).unwrap_or_else(|error| panic!("{error:?}\n{text}"));
    Plan::new(&config).unwrap_or_else(|error| panic!("{error}\n{text}")).batches
}

fn run(batch: &Batch) -> Vec<LaneResult> {
    tch::set_num_threads(1);
    let results = engine::run(batch);
    assert!(results.iter().all(|result| result.message.is_empty()), "{results:?}");
    results
}

/// Batches of a loss beside those of its formula, and of its program that returns one number, or values.
fn pairs(dtype: &str) -> Vec<(Batch, Batch)> {
    let of = |(name, text): (&str, &str)| {
        let built_in = batches(&format!("'{name}'"), dtype);
        let program = |file: String| {
            // scripts/golden/modules.py exported it from the source of the question.
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../losses/tests/modules");
            format!("{{ program = {{ file = '{folder}/{file}.pt2' }} }}")
        };
        let formula = format!("{{ formula = {{ value = '{text}' }} }}");
        let forms = [formula, program(name.to_owned()), program(format!("{name}_none"))];
        let beside = |own: String| built_in.clone().into_iter().zip(batches(&own, dtype));
        forms.into_iter().flat_map(beside).collect::<Vec<_>>()
    };
    PAIRS.into_iter().flat_map(of).collect()
}

#[test]
fn fused_trajectories_are_the_same_to_the_bit() {
    for dtype in ["float32", "float64"] {
        let pairs = pairs(dtype);
        assert_eq!(pairs.len(), 54);
        for (built_in, own) in pairs {
            assert_eq!((built_in.engine, own.engine), (Engine::Fused, Engine::Fused));
            assert_eq!(format!("{:?}", run(&built_in)), format!("{:?}", run(&own)), "{:?}", own.labels());
        }
    }
}

#[test]
fn trajectories_on_libtorch_differ_by_rounding_only() {
    for (built_in, own) in pairs("float64") {
        assert_eq!(own.settings.dtype, Dtype::Float64);
        let on = |batch: Batch| run(&Batch { engine: Engine::Libtorch, ..batch });
        let what = format!("{:?}", own.labels());
        for (built_in, own) in on(built_in).iter().zip(on(own)) {
            assert_eq!((built_in.outcome, &built_in.hits), (own.outcome, &own.hits), "{what}");
            for (built_in, own) in built_in.curve.iter().zip(&own.curve) {
                for (built_in, own) in [(built_in.loss, own.loss), (built_in.error, own.error)] {
                    assert!(
                        (built_in - own).abs() <= 1e-9 * built_in.abs().max(1.0),
                        "{what}: {built_in} {own}"
                    );
                }
            }
        }
    }
}
