//! A target counts once it has held for so many steps in a row, and from the first of them.

use records::Outcome;
use runner::config;
use runner::engine::{self, LaneResult};
use runner::plan::Plan;

/// The results of a config.
fn run(text: &str) -> Vec<LaneResult> {
    tch::set_num_threads(1);
    let config = config::parse("hold.toml", text).unwrap_or_else(|error| panic!("{error:?}"));
    Plan::new(&config).unwrap().batches.iter().flat_map(engine::run).collect()
}

#[test]
fn hits_are_those_that_the_curve_shows() {
    let (hold, targets) = (5, [0.5, 0.1, 0.02]);
    let mut passed_by = 0;
    for engine in ["fused", "libtorch"] {
        let text = format!(
            "name = 'hold'\nsteps = 200\nrecord = {{ every = 1 }}\nlr = {{ from = 0.01, to = 1, count = 9 }}\n\
             targets = [0.5, 0.1, 0.02]\nhold = {hold}\ndtype = 'float64'\nengine = '{engine}'\n\
             [[grid]]\nproblems = [{{ quadratic = {{ dim = 2, condition = 10 }} }}]\n\
             optimizers = [{{ heavy_ball = {{ momentum = 0.95 }} }}]\n"
        );
        for result in run(&text) {
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

/// Steps between two evaluations of the error of `digits_mlp`.
const PERIOD: u64 = 10;

/// Two seeds of a perceptron whose error goes up and down.
fn digits(hold: u64, record: &str) -> Vec<LaneResult> {
    run(&format!(
        "name = 'hold'\nsteps = 205\nrecord = {record}\nlr = [0.5, 2, 1000]\ntargets = [0.3, 0.2, 0.15, 0.12, 0.1]\n\
         hold = {hold}\nseeds = {{ tuning = [], reporting = [1, 2] }}\n[[grid]]\nproblems = ['digits_mlp']\n\
         losses = ['cross_entropy', 'mse']\noptimizers = [{{ sgd = {{ momentum = 0.9 }} }}]\n"
    ))
}

#[test]
fn where_the_error_is_evaluated_every_tenth_step_a_target_holds_at_evaluations() {
    let targets = [0.3, 0.2, 0.15, 0.12, 0.1];
    let mut passed_by = [0; 2];
    for (of_hold, hold) in [5, 25].into_iter().enumerate() {
        for result in digits(hold, "{ every = 1 }").iter().filter(|lane| lane.outcome != Outcome::Diverged) {
            // Errors at steps 0, 10, …, 200 and at the last.
            let last = result.curve.len() - 1;
            let seen: Vec<(u64, f64)> = result
                .curve
                .iter()
                .filter(|moment| moment.step.is_multiple_of(PERIOD) || moment.step as usize == last)
                .map(|moment| (moment.step, moment.error))
                .collect();
            let first = |target: f64, hold: u64| {
                let holds = |from: usize| {
                    let met = seen[from..].iter().take_while(|(_, error)| *error <= target);
                    met.last().is_some_and(|(step, _)| step + 1 >= seen[from].0 + hold)
                };
                (0..seen.len()).find(|from| holds(*from)).map(|from| seen[from].0)
            };
            let wanted: Vec<Option<u64>> = targets.iter().map(|target| first(*target, hold)).collect();
            assert_eq!(result.hits, wanted, "hold {hold}");
            passed_by[of_hold] +=
                targets.iter().filter(|target| first(**target, 1) != first(**target, hold)).count();
        }
    }
    assert!(passed_by.iter().all(|count| *count > 2), "nothing oscillates past a target: {passed_by:?}");
    assert_ne!(
        digits(5, "'summary'").iter().map(|lane| lane.hits.clone()).collect::<Vec<_>>(),
        digits(1, "'summary'").iter().map(|lane| lane.hits.clone()).collect::<Vec<_>>()
    );
}

#[test]
fn a_curve_has_the_error_of_its_own_step() {
    let lanes = digits(1, "{ every = 1 }");
    for lane in lanes.iter().filter(|lane| lane.outcome != Outcome::Diverged) {
        let early: Vec<f64> = lane.curve[..60].iter().map(|moment| moment.error).collect();
        let changes = early.windows(2).filter(|pair| pair[0] != pair[1]).count();
        assert!(changes > 15, "{changes} changes in 60 steps: {early:?}");
    }
    // The step at which a lane diverges has its own error, too, in the curve and in the cell.
    let mut between = 0;
    for lane in lanes.iter().filter(|lane| lane.outcome == Outcome::Diverged) {
        let last = lane.curve.last().unwrap();
        assert_eq!((last.step, last.error.to_bits()), (lane.steps, lane.error.end.to_bits()));
        between += usize::from(!lane.steps.is_multiple_of(PERIOD));
    }
    assert!(between > 0, "no lane diverges between two evaluations");
}

#[test]
fn what_is_recorded_changes_no_cell() {
    let without_curve = |lane: LaneResult| LaneResult { curve: Vec::new(), ..lane };
    for hold in [1, 5] {
        let cells = |record: &str| -> Vec<String> {
            digits(hold, record).into_iter().map(|lane| format!("{:?}", without_curve(lane))).collect()
        };
        let all = cells("{ every = 1 }");
        assert_eq!(cells("'summary'"), all);
        assert_eq!(cells("{ log = 20 }"), all);
    }
}
