//! Residuals so large that their square overflows, where the loss itself is small.

use losses::{Barron, Cauchy, Elementwise, GemanMcclure, Loss, PseudoHuber};
use numeric::{Dual, Float, Real};

use crate::{fused, in_rows, traced};

type Exact = Box<dyn Fn(f64) -> [f64; 2]>;

/// Value and slope at d in float64, whose square is finite here, in other forms than the losses'.
fn cases() -> Vec<(Loss, Exact)> {
    let mut cases: Vec<(Loss, Exact)> = Vec::new();
    let mut case = |name: &str, options: serde_json::Value, exact: Exact| {
        let loss = serde_json::from_value(serde_json::json!({ name: options })).unwrap();
        cases.push((loss, exact));
    };
    for scale in [0.1, 1.0, 30.0] {
        let c = scale;
        case(
            "pseudo_huber",
            serde_json::json!({"delta": c}),
            Box::new(move |d| [c * (d.hypot(c) - c), c * d / d.hypot(c)]),
        );
        let of_c = || serde_json::json!({"c": c});
        case(
            "cauchy",
            of_c(),
            Box::new(move |d| [c * c * (d / c).hypot(1.0).ln(), d / (1.0 + (d / c).powi(2))]),
        );
        case(
            "geman_mcclure",
            of_c(),
            Box::new(move |d| {
                let v = (d / c).powi(2);
                [0.5 * c * c * v / (1.0 + v), d / (1.0 + v).powi(2)]
            }),
        );
        case("welsch", of_c(), Box::new(move |_| [0.5 * c * c, 0.0]));
        case("tukey", of_c(), Box::new(move |_| [c * c / 6.0, 0.0]));
        for alpha in [-20.0, -8.0, -2.0, -1e-3, 0.0, 1e-19, 1e-3, 0.5, 1.0, 1.5, 1.99] {
            let b = (alpha - 2.0_f64).abs();
            let exact = move |d: f64| {
                let w = (d / c).powi(2) / b;
                let value = if alpha.abs() < 1e-10 {
                    0.5 * b * w.ln_1p()
                } else {
                    b / alpha * (0.5 * alpha * w.ln_1p()).exp_m1()
                };
                [value, d / (c * c) * ((0.5 * alpha - 1.0) * w.ln_1p()).exp()]
            };
            case("barron", serde_json::json!({"alpha": alpha, "c": c}), Box::new(exact));
        }
    }
    cases
}

/// Slopes below 1e-30 are not compared: their factors may be below the least number of the type.
const SIZES: [f64; 11] =
    [1e12, 1e16, 9.9e16, 1e18, 1.001e18, 1.9e19, 3.1e19, 1e25, 1e37, 1e38, f32::MAX as f64];

fn check<F: Float>(tolerance: f64) {
    for (loss, exact) in cases() {
        for size in SIZES {
            for d in [size, -size] {
                let (prediction, target) = (in_rows::<F>(&[d]), in_rows::<F>(&[0.0]));
                let d = prediction[0][0].to_f64();
                let [value, slope] = exact(d);
                let on_tensors = traced(&loss, 1, &prediction, &target);
                let mut found = vec![("libtorch", [on_tensors.0[0], on_tensors.1[0]])];
                if let Some((values, slopes)) = fused(&loss, 1, &prediction, &target) {
                    found.push(("fused", [values[0][0].to_f64(), slopes[0][0].to_f64()]));
                }
                for (engine, ours) in found {
                    for (what, ours, wanted) in [("value", ours[0], value), ("slope", ours[1], slope)] {
                        // Where the type can't hold the value, both may be infinite.
                        let most = F::MAX.to_f64();
                        if value.abs() > 1e-3 * most {
                            assert!(!ours.is_nan(), "{what} of {} at {d:e}, {engine}", loss.label());
                            continue;
                        }
                        let near = (ours - wanted).abs() <= tolerance * wanted.abs() + 1e-30;
                        assert!(
                            near,
                            "{what} of {} at {d:e}, {engine}: {ours:e}, and should be {wanted:e}",
                            loss.label()
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn losses_that_grow_slower_than_a_square_are_right_where_it_overflows() {
    check::<f32>(2e-5);
    check::<f64>(1e-9);
}

/// The forms that are used where the square is finite.
struct Plainly;

impl Plainly {
    fn pseudo_huber<R: Real>(d: R, delta: f64) -> R {
        let squared = (d / delta).square();
        let root = (squared.clone() + 1.0).sqrt();
        squared / (root + 1.0) * (delta * delta)
    }
    fn cauchy<R: Real>(d: R, c: f64) -> R {
        (d / c).square().ln_1p() * (0.5 * c * c)
    }
    fn geman_mcclure<R: Real>(d: R, c: f64) -> R {
        let v = (d / c).square();
        let (one, below) = (v.constant(1.0), v.clone() + 1.0);
        let (value, slope) = (v.clone() / below.clone(), -(one / below) + 1.0);
        R::select(&v.at_most(1.0), value, slope) * (0.5 * c * c)
    }
    fn barron<R: Real>(d: R, c: f64) -> R {
        let w = (d / c).square() / 0.5;
        let x = w.clone().ln_1p() * 0.75;
        let near = x.clone().abs().at_most(1.0);
        let small = R::select(&near, x.clone(), x.constant(1.0));
        R::select(&near, small.exp_m1(), (w + 1.0).pow(0.75) - 1.0) * (0.5 / 1.5)
    }
}

fn same_bits<F: Float>() {
    for k in 0..4000_u32 {
        let size = libm::pow(10.0, f64::from(k) / 100.0 - 23.0);
        for d in [size, -size, 0.0].map(|d| Dual::variable(F::from_f64(d))) {
            let (zero, c) = (Dual::fixed(F::default()), 0.7);
            for (ours, plain) in [
                (PseudoHuber { delta: c }.value(d, zero), Plainly::pseudo_huber(d, c)),
                (Cauchy { c }.value(d, zero), Plainly::cauchy(d, c)),
                (GemanMcclure { c }.value(d, zero), Plainly::geman_mcclure(d, c)),
                (Barron { alpha: 1.5, c }.value(d, zero), Plainly::barron(d, c)),
            ] {
                let bits = |dual: Dual<F>| [dual.value, dual.derivative].map(|x| x.to_f64().to_bits());
                assert_eq!(bits(ours), bits(plain), "at {size:e}");
            }
        }
    }
}

#[test]
fn ordinary_residuals_keep_their_bits() {
    same_bits::<f32>();
    same_bits::<f64>();
}
