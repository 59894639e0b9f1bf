//! What must hold for every optimizer in the registry.

mod common;

use common::{entry, lane_of, normal_rows, numbers, splat, stepper, variants};
use numeric::{Float, LANES, Row, Stream};
use optimizers::{Entry, Fuse, Optimizer};
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

/// A step of the whole optimizer on tensors, with its clipping.
fn on_tensors(
    entry: &Optimizer,
    lr: &[f32],
    start: &Tensor,
    steps: usize,
    gradient: impl Fn(&Tensor) -> Tensor,
) -> Tensor {
    let (mut stepper, mut p) = (entry.tensor(), [start.copy()]);
    for _ in 0..steps {
        let mut g = [gradient(&p[0])];
        if let Some(clip) = entry.clip() {
            clip.tensors(&mut g);
        }
        stepper.step(&Tensor::from_slice(lr), &mut p, &g);
    }
    let [p] = p;
    p
}

#[test]
fn every_optimizer_decreases_a_quadratic() {
    for entry in variants() {
        let curvature = Tensor::from_slice(&[1.0_f32, 10.0]);
        let start = Tensor::from_slice(&[1.0_f32, -1.0, 0.5, 2.0]).reshape([2, 2]);
        let loss = |p: &Tensor| numbers(&(&curvature * p * p).sum_dim_intlist(1, false, Kind::Float));
        let end = on_tensors(&entry, &[0.01, 0.02], &start, 100, |p| 2.0 * &curvature * p);
        for (before, after) in loss(&start).into_iter().zip(loss(&end)) {
            assert!(after < 0.9 * before, "{}: from {before} to {after}", entry.label());
        }
        if let Some(mut stepper) = stepper::<f32>(&entry, 2) {
            let mut p = [splat::<f32>(1.0), splat(-1.0)];
            for _ in 0..100 {
                let mut g = [p[0].map(|p| 2.0 * p), p[1].map(|p| 20.0 * p)];
                if let Some(clip) = entry.clip() {
                    clip.rows(2, &mut g);
                }
                stepper.step(2, &[[0.01; LANES]], &mut p, &g);
            }
            let after = p[0][3].powi(2) + 10.0 * p[1][3].powi(2);
            assert!(after < 0.9 * 11.0, "{}, fused: from 11 to {after}", entry.label());
        }
    }
}

#[test]
fn zero_gradients_move_nothing_and_huge_ones_give_no_nan() {
    for entry in Optimizer::all() {
        let start = Tensor::from_slice(&[1.0_f32, -1.0]).reshape([2, 1]);
        let after = on_tensors(&entry, &[0.1, 0.1], &start, 5, Tensor::zeros_like);
        let decay = if entry.name().ends_with("adamw") { 0.01 * 0.1 * 5.0 } else { 0.0 };
        let moved = numbers(&(after - &start).abs().max());
        assert!(moved[0] <= 1.01 * decay, "{} moved by {moved:?} without a gradient", entry.label());
        let huge = on_tensors(&entry, &[1e-3, 1e-3], &start, 5, |p| p.full_like(1e30));
        assert!(numbers(&huge).iter().all(|p| !p.is_nan()), "{}: {huge:?}", entry.label());
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
    for entry in variants() {
        let start = Tensor::from_slice(&[1.0_f32, 1.0]).reshape([2, 1]);
        let gradient = Tensor::from_slice(&[f32::NAN, 1.0]).reshape([2, 1]);
        let after = numbers(&on_tensors(&entry, &[0.1, 0.1], &start, 1, |_| gradient.copy()));
        assert!(after[0].is_nan() && after[1].is_finite(), "{}: {after:?}", entry.label());
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
    for name in ["sgd", "heavy_ball", "nesterov", "adagrad", "rmsprop", "adam", "amsgrad"] {
        let mut stepper =
            stepper::<f64>(&Optimizer::named(name).expect("registered"), 1).expect("elementwise");
        let mut p = [f64::INFINITY];
        stepper.step_slice(0.1, &mut p, &[1.0]);
        assert_eq!(p[0], f64::INFINITY, "{name}");
    }
}

/// A lane whose gradient was always 0 is in its start state: that is what a reset lane must equal.
fn reset_is_local<F: Float>()
where
    dyn Entry: Fuse<F>,
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
            assert_eq!(
                lane_of(2, &reset, lane),
                lane_of(2, expected, lane),
                "{}, lane {lane}",
                entry.label()
            );
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

#[test]
fn every_optimizer_is_described_and_its_config_is_read_back() {
    #[derive(Serialize, Deserialize)]
    struct Config {
        optimizer: Optimizer,
    }
    for optimizer in variants() {
        let info = optimizer.info();
        assert!(!info.summary.is_empty() && !info.formula.is_empty() && !info.source.is_empty());
        assert!(!info.summary.ends_with('.'), "{}", info.summary);
        assert_eq!(optimizer.check(), Ok(()), "{}", optimizer.label());
        let text = toml::to_string(&Config { optimizer: optimizer.clone() }).expect("plain data");
        assert_eq!(toml::from_str::<Config>(&text).expect(&text).optimizer, optimizer);
    }
    for name in Optimizer::NAMES {
        assert_eq!(Optimizer::named(name).expect("registered").label(), *name);
        assert!(toml::from_str::<Config>(&format!("optimizer = {{ {name} = {{ typo = 1 }} }}")).is_err());
    }
}

#[test]
fn bad_options_are_refused() {
    for (json, message) in [
        (r#"{"sgd": {"momentum": -0.1}}"#, "`momentum` must be 0 or more, and is -0.1"),
        (r#"{"sgd": {"l2": -1.0}}"#, "`l2` must be 0 or more, and is -1"),
        (
            r#"{"sgd": {"nesterov": true}}"#,
            "`nesterov` needs a `momentum` above 0 and no `dampening`, and they are 0 and 0",
        ),
        (
            r#"{"libtorch_sgd": {"nesterov": true, "momentum": 0.9, "dampening": 0.1}}"#,
            "`nesterov` needs a `momentum` above 0 and no `dampening`, and they are 0.9 and 0.1",
        ),
        (r#"{"heavy_ball": {"momentum": -1.0}}"#, "`momentum` must be 0 or more, and is -1"),
        (r#"{"nesterov": {"momentum": 0.0}}"#, "`momentum` must be more than 0, and is 0"),
        (r#"{"adagrad": {"lr_decay": -1.0}}"#, "`lr_decay` must be 0 or more, and is -1"),
        (
            r#"{"adagrad": {"initial_accumulator_value": -1.0}}"#,
            "`initial_accumulator_value` must be 0 or more, and is -1",
        ),
        (r#"{"rmsprop": {"alpha": -1.0}}"#, "`alpha` must be 0 or more, and is -1"),
        (r#"{"adam": {"beta1": 1.5}}"#, "`beta1` must be from 0 up to, but not including, 1, and is 1.5"),
        (r#"{"amsgrad": {"beta2": 1.0}}"#, "`beta2` must be from 0 up to, but not including, 1, and is 1"),
        (r#"{"adamw": {"eps": -1e-8}}"#, "`eps` must be 0 or more, and is -0.00000001"),
        (r#"{"libtorch_adamw": {"weight_decay": -1.0}}"#, "`weight_decay` must be 0 or more, and is -1"),
        (r#"{"clipped": {"norm": 0.0}}"#, "`norm` must be more than 0, and is 0"),
        (r#"{"clipped": {"value": -1.0}}"#, "`value` must be more than 0, and is -1"),
        (
            r#"{"clipped": {"optimizer": "clipped"}}"#,
            "`clipped` can't hold `clipped`, which clips already: give `norm` and `value` together",
        ),
        (
            r#"{"clipped": {"optimizer": {"adam": {"beta1": 1.0}}}}"#,
            "`beta1` must be from 0 up to, but not including, 1, and is 1",
        ),
    ] {
        assert_eq!(entry(json).check().unwrap_err(), message, "{json}");
    }
}
