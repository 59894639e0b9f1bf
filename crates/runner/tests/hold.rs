//! A target counts once it has held for so many steps in a row, and from the first of them.

use runner::config;
use runner::engine;
use runner::plan::Plan;

#[test]
fn hits_are_those_that_the_curve_shows() {
    tch::set_num_threads(1);
    let (hold, targets) = (5, [0.5, 0.1, 0.02]);
    let mut passed_by = 0;
    for engine in ["fused", "libtorch"] {
        let text = format!(
            "name = 'hold'\nsteps = 200\nrecord = {{ every = 1 }}\nlr = {{ from = 0.01, to = 1, count = 9 }}\n\
             targets = [0.5, 0.1, 0.02]\nhold = {hold}\ndtype = 'float64'\nengine = '{engine}'\n\
             [[grid]]\nproblems = [{{ quadratic = {{ dim = 2, condition = 10 }} }}]\n\
             optimizers = [{{ heavy_ball = {{ momentum = 0.95 }} }}]\n"
        );
        let config = config::parse("hold.toml", &text).unwrap_or_else(|error| panic!("{error:?}"));
        for result in Plan::new(&config).unwrap().batches.iter().flat_map(engine::run) {
            let errors: Vec<f64> = result.curve.iter().map(|moment| moment.error).collect();
            let first = |target: f64, hold: usize| {
                errors.windows(hold).position(|errors| errors.iter().all(|e| *e <= target)).map(|i| i as u64)
            };
            let wanted: Vec<Option<u64>> = targets.iter().map(|target| first(*target, hold)).collect();
            assert_eq!(result.hits, wanted, "{engine}");
            passed_by += targets.iter().filter(|target| first(**target, 1) != first(**target, hold)).count();
        }
    }
    assert!(passed_by > 10, "nothing oscillates past a target: {passed_by}");
}
