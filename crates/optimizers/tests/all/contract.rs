//! What must hold for every optimizer in the registry.

use crate::common::{Asked, Problem, entry, files, lane_of, normal_rows, numbers, splat, stepper, variants};
use numeric::{Float, LANES, Row, Stream};
use optimizers::{Fusible, Optimizer, OptimizerSpec};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tch::{Device, Kind, Tensor};

const SHAPES: &[&[i64]] = &[&[3, 2], &[3], &[]];
const ELEMENTS: i64 = 10;

/// Σ i·pᵢ² over all elements of all parameters, plus a slope that every lane has for itself.
fn bowl(slope: &[f64], curved: bool) -> Problem {
    let slope = Tensor::from_slice(slope).reshape([-1, 1]);
    let curvature = Tensor::arange_start(1, ELEMENTS + 1, (Kind::Double, Device::Cpu)) * f64::from(curved);
    let loss = move |parameters: &[Tensor]| {
        let rows: Vec<Tensor> = parameters.iter().map(|p| p.reshape([p.size()[0], -1])).collect();
        let p = Tensor::cat(&rows, 1).to_kind(Kind::Double);
        (&curvature * p.square() + &slope * p).sum_dim_intlist(1, false, None::<Kind>)
    };
    Problem { shapes: SHAPES, loss: Box::new(loss) }
}

/// A start for two lanes.
fn start(kind: Kind) -> Tensor {
    let mut stream = Stream::new("start", &[]);
    let numbers: Vec<f64> = (0..2 * ELEMENTS).map(|_| stream.normal()).collect();
    Tensor::from_slice(&numbers).reshape([2, ELEMENTS]).to_kind(kind)
}

/// The parameters after some steps of the whole optimizer, with its clipping.
fn end(entry: &Optimizer, problem: &Problem, lr: f64, steps: usize, start: &Tensor) -> Vec<Tensor> {
    let (mut stepper, mut asked) = (entry.tensor(), Asked::new(problem, entry.clip(), 2));
    let (mut p, lr) = (problem.unflatten(start), Tensor::from_slice(&[lr, 2.0 * lr]).to_kind(start.kind()));
    for _ in 0..steps {
        asked.step(&mut *stepper, &lr, &mut p);
    }
    p
}

/// All numbers of a lane.
fn lane(parameters: &[Tensor], lane: i64) -> Vec<f64> {
    parameters.iter().flat_map(|p| numbers(&p.select(0, lane))).collect()
}

/// Learning-rate-free methods, trust ratios and the rest differ in what a rate is.
const RATES: [f64; 6] = [0.01, 0.1, 1.0, 10.0, 1000.0, 1e-4];

#[test]
fn every_optimizer_decreases_a_quadratic() {
    tch::set_num_threads(1);
    for entry in variants() {
        let (problem, start) = (bowl(&[0.0, 0.0], true), start(Kind::Float));
        let before = numbers(&(problem.loss)(&problem.unflatten(&start)));
        let falls = |lr: f64| {
            let after = numbers(&(problem.loss)(&end(&entry, &problem, lr, 100, &start)));
            before.iter().zip(after).all(|(before, after)| after < 0.9 * before)
        };
        assert!(RATES.into_iter().any(falls), "{}", entry.label());
        let falls = |lr: f64| {
            let mut stepper = stepper::<f32>(&entry, 2)?;
            let mut p = [splat::<f32>(1.0), splat(-1.0)];
            for _ in 0..100 {
                let mut g = [p[0].map(|p| 2.0 * p), p[1].map(|p| 20.0 * p)];
                if let Some(clip) = entry.clip() {
                    clip.rows(2, &mut g);
                }
                stepper.step(2, &[splat(lr)], &mut p, &g);
            }
            Some(p[0][3].powi(2) + 10.0 * p[1][3].powi(2) < 0.9 * 11.0)
        };
        assert!(RATES.into_iter().any(|lr| falls(lr) != Some(false)), "{}, fused", entry.label());
    }
}

#[test]
fn shapes_and_types_are_kept_and_a_repetition_gives_the_same_bits() {
    for entry in variants() {
        for kind in [Kind::Float, Kind::Double] {
            let problem = bowl(&[0.1, 0.2], true);
            let run = || end(&entry, &problem, 0.01, 10, &start(kind));
            let (once, again) = (run(), run());
            for (p, shape) in once.iter().zip(SHAPES) {
                assert_eq!((p.kind(), p.size()), (kind, [&[2], *shape].concat()), "{}", entry.label());
            }
            let bits =
                |p: &[Tensor]| [lane(p, 0), lane(p, 1)].concat().into_iter().map(f64::to_bits).collect();
            let (once, again): (Vec<u64>, Vec<u64>) = (bits(&once), bits(&again));
            assert_eq!(once, again, "{}", entry.label());
        }
    }
}

#[test]
fn lanes_of_tensors_do_not_touch() {
    for entry in variants() {
        let good = end(&entry, &bowl(&[0.1, 0.2], true), 0.01, 10, &start(Kind::Double));
        for other in [5.0, 1e200, f64::INFINITY, f64::NAN] {
            let bad = end(&entry, &bowl(&[0.1, other], true), 0.01, 10, &start(Kind::Double));
            assert_eq!(lane(&good, 0), lane(&bad, 0), "{}, beside a lane with {other}", entry.label());
            assert_ne!(lane(&good, 1), lane(&bad, 1), "{}, {other}", entry.label());
        }
    }
}

#[test]
fn zero_gradients_move_nothing_and_huge_ones_give_no_nan() {
    for entry in variants() {
        let (options, start) = (entry.options(), start(Kind::Float));
        let share = |name: &str| options.get(name).map_or(0.0, |decay| decay.as_f64().expect("a number"));
        // These have their decay in the direction, and then scale it or add it up.
        let directed = ["lars", "lamb", "novograd"].contains(&entry.name()) && share("weight_decay") > 0.0;
        if share("l2") == 0.0 && !directed {
            // The rates are 0.1 and 0.2.
            let decay = (share("weight_decay") + share("lambd")) * 0.2 * 5.0;
            let after = end(&entry, &bowl(&[0.0, 0.0], false), 0.1, 5, &start);
            let moved = |lane_: i64| {
                let before = numbers(&start.select(0, lane_));
                let pairs = lane(&after, lane_).into_iter().zip(before);
                pairs.fold(0.0_f64, |most, (after, before)| most.max((after - before).abs() / before.abs()))
            };
            let moved = [moved(0), moved(1)];
            assert!(moved.iter().all(|m| *m <= 1.01 * decay + 1e-6), "{} moved by {moved:?}", entry.label());
        }
        if options.get("centered") == Some(&Value::Bool(true)) {
            continue; // ∞ − ∞, as its documentation says
        }
        if !entry.files().is_empty() {
            continue; // It is the person's.
        }
        let huge = end(&entry, &bowl(&[1e30, -1e30], false), 1e-3, 5, &start);
        let huge = [lane(&huge, 0), lane(&huge, 1)].concat();
        assert!(huge.iter().all(|p| !p.is_nan()), "{}: {huge:?}", entry.label());
        let Some(mut stepper) = stepper::<f32>(&entry, 1) else { continue };
        let mut p = [splat::<f32>(1.0)];
        for gradient in [1e30, 1e30, 0.0, -1e30] {
            stepper.step(1, &[[1e-3; LANES]], &mut p, &[splat(gradient)]);
        }
        assert!(p[0].iter().all(|p| !p.is_nan()), "{}, fused: {p:?}", entry.label());
    }
}

/// A gradient that is not a number must be seen in the parameter, not be swallowed.
#[test]
fn a_nan_stays_a_nan() {
    // What a program makes of NaN is its author's: the sign of one is 0 in PyTorch.
    for entry in variants().into_iter().filter(|entry| entry.files().is_empty()) {
        let after = end(&entry, &bowl(&[f64::NAN, 1.0], false), 0.1, 2, &start(Kind::Float));
        let (bad, good) = (lane(&after, 0), lane(&after, 1));
        assert!(bad.iter().all(|p| p.is_nan()), "{}: {bad:?}", entry.label());
        assert!(good.iter().all(|p| p.is_finite()), "{}: {good:?}", entry.label());
        let Some(mut stepper) = stepper::<f64>(&entry, 1) else { continue };
        let (mut p, mut g) = ([splat::<f64>(1.0)], [splat::<f64>(1.0)]);
        g[0][2] = f64::NAN;
        if let Some(clip) = entry.clip() {
            clip.rows(1, &mut g);
        }
        stepper.step(1, &[[0.1; LANES]], &mut p, &g);
        assert!((0..LANES).all(|lane| p[0][lane].is_nan() == (lane == 2)), "{}: {p:?}", entry.label());
    }
}

#[test]
fn an_infinite_parameter_stays_infinite_without_decay() {
    for entry in Optimizer::all() {
        let decays = entry.options().get("weight_decay").is_some_and(|decay| *decay != 0.0);
        let Some(mut stepper) = stepper::<f64>(&entry, 1).filter(|_| !decays) else { continue };
        let mut p = [f64::INFINITY];
        stepper.step_slice(0.1, &mut p, &[1.0]);
        assert_eq!(p[0], f64::INFINITY, "{}", entry.label());
    }
}

/// A lane whose gradient was always 0 is in its start state: that is what a reset lane must equal.
fn reset_is_local<F: Float>()
where
    dyn OptimizerSpec: Fusible<F>,
{
    const RESET: usize = LANES + 4;
    let mut stateful = 0;
    for entry in variants() {
        let lr = [splat::<F>(0.1), splat(0.2)];
        let run = |zeroed: bool, reset: bool| {
            let mut stepper = stepper::<F>(&entry, 4)?;
            let mut p = vec![splat::<F>(0.0); 4];
            for step in 0..6 {
                if step == 5 {
                    if reset {
                        stepper.reset(2, 2, RESET % LANES);
                    }
                    p = normal_rows(&mut Stream::new("start", &[]), 4);
                }
                let mut g: Vec<Row<F>> = normal_rows(&mut Stream::new("gradient", &[step]), 4);
                if zeroed && step < 5 {
                    g[2..].iter_mut().for_each(|row| row[RESET % LANES] = F::default());
                }
                stepper.step(2, &lr, &mut p, &g);
            }
            Some(p)
        };
        let (Some(plain), Some(reset), Some(zeroed)) =
            (run(false, false), run(false, true), run(true, false))
        else {
            continue;
        };
        for lane in 0..2 * LANES {
            let expected = if lane == RESET { &zeroed } else { &plain };
            // AdaBelief's second moment grows without a gradient too: no lane stays in its start state.
            if lane != RESET || entry.name() != "adabelief" {
                let (ours, expected) = (lane_of(2, &reset, lane), lane_of(2, expected, lane));
                assert_eq!(ours, expected, "{}, lane {lane}", entry.label());
            }
        }
        stateful += u32::from(plain != zeroed);
    }
    assert!(stateful > 10, "only {stateful} optimizers had a state to reset");
}

#[test]
fn a_reset_puts_one_lane_back_to_its_start() {
    reset_is_local::<f32>();
    reset_is_local::<f64>();
}

/// Σφ counts the elements whose step goes down the gradient: not those without a slope. n/(Σφ + 1) is of each tensor.
#[test]
fn a_cautious_step_is_scaled_by_what_goes_down() {
    let mut stepper = entry(r#"{"cautious": {"optimizer": "sgd"}}"#).tensor();
    let mut p = [Tensor::zeros([1, 4], (Kind::Double, Device::Cpu)), Tensor::from_slice(&[1.0])];
    let g = [Tensor::from_slice(&[2.0, 0.0, -1.0, 0.0]).unsqueeze(0), Tensor::from_slice(&[3.0])];
    stepper.step(&Tensor::from_slice(&[0.75]), &mut p, &g);
    for (ours, expected) in lane(&p, 0).into_iter().zip([-2.0, 0.0, 1.0, 0.0, -0.125]) {
        assert!((ours - expected).abs() < 1e-15, "{ours}, and should be {expected}");
    }
}

#[test]
fn every_optimizer_is_described_and_its_config_is_read_back() {
    #[derive(Serialize, Deserialize)]
    struct Config {
        optimizer: Optimizer,
    }
    for optimizer in variants() {
        let info = optimizer.info();
        assert_eq!(info.faults(), Vec::<String>::new(), "{}", optimizer.name());
        assert!(!info.formula.is_empty(), "{}", optimizer.name());
        assert_eq!(optimizer.check(), Ok(()), "{}", optimizer.label());
        let text = toml::to_string(&Config { optimizer: optimizer.clone() }).expect("plain data");
        let mut read = toml::from_str::<Config>(&text).expect(&text).optimizer;
        read.load(&mut files()).unwrap();
        assert_eq!(read, optimizer);
    }
    for name in Optimizer::NAMES {
        assert_eq!(Optimizer::named(name).expect("registered").label(), *name);
        assert!(toml::from_str::<Config>(&format!("optimizer = {{ {name} = {{ typo = 1 }} }}")).is_err());
    }
}

#[test]
fn bad_options_are_refused() {
    for (json, message) in [
        (r#"{"sgd": {"momentum": -0.1}}"#, "`momentum` must be 0 or above, and is -0.1"),
        (r#"{"sgd": {"l2": -1.0}}"#, "`l2` must be 0 or above, and is -1"),
        (
            r#"{"sgd": {"nesterov": true}}"#,
            "`nesterov` needs a `momentum` above 0 and no `dampening`, and they are 0 and 0",
        ),
        (
            r#"{"libtorch_sgd": {"nesterov": true, "momentum": 0.9, "dampening": 0.1}}"#,
            "`nesterov` needs a `momentum` above 0 and no `dampening`, and they are 0.9 and 0.1",
        ),
        (r#"{"heavy_ball": {"momentum": -1.0}}"#, "`momentum` must be 0 or above, and is -1"),
        (r#"{"nesterov": {"momentum": 0.0}}"#, "`momentum` must be above 0, and is 0"),
        (r#"{"adagrad": {"lr_decay": -1.0}}"#, "`lr_decay` must be 0 or above, and is -1"),
        (
            r#"{"adagrad": {"initial_accumulator_value": -1.0}}"#,
            "`initial_accumulator_value` must be 0 or above, and is -1",
        ),
        (r#"{"rmsprop": {"alpha": -1.0}}"#, "`alpha` must be from 0, and below 1, and is -1"),
        (r#"{"adam": {"beta1": 1.5}}"#, "`beta1` must be from 0, and below 1, and is 1.5"),
        (r#"{"amsgrad": {"beta2": 1.0}}"#, "`beta2` must be from 0, and below 1, and is 1"),
        (r#"{"adamw": {"eps": -1e-8}}"#, "`eps` must be 0 or above, and is -1e-8"),
        (r#"{"libtorch_adamw": {"weight_decay": -1.0}}"#, "`weight_decay` must be 0 or above, and is -1"),
        (r#"{"nonlinear_cg": {"c1": 0.5}}"#, "`c1` must be below `c2`, and they are 0.5 and 0.4"),
        (
            r#"{"psgd_kron": {"precondition_lr": 1.5}}"#,
            "`precondition_lr` must be above 0, and at most 1, and is 1.5",
        ),
        (r#"{"clipped": {"norm": 0.0}}"#, "`norm` must be above 0, and is 0"),
        (r#"{"clipped": {"value": -1.0}}"#, "`value` must be above 0, and is -1"),
        (
            r#"{"clipped": {"optimizer": "clipped"}}"#,
            "`clipped` can't hold `clipped`, which clips already: give `norm` and `value` together",
        ),
        (
            r#"{"clipped": {"optimizer": {"adam": {"beta1": 1.0}}}}"#,
            "`beta1` must be from 0, and below 1, and is 1",
        ),
    ] {
        assert_eq!(entry(json).check().unwrap_err(), message, "{json}");
    }
}
