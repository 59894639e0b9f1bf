//! Lanes never touch.

use numeric::Float;
use problems::{Draw, Problem};

use crate::{
    Lanes, Said, any_loss, around, bits, fused, name, problem, seeds_for, tensors, tensors_start, variants,
};

const INTRUDERS: [f64; 3] = [f64::NAN, f64::INFINITY, -1e300];

/// What a problem in one form and type says, for seeds and points.
type Form<'a> = Box<dyn Fn(&[u64], &Lanes) -> Said + 'a>;

/// Every form of a problem in every type: what it says at points.
fn forms(problem: &Problem) -> Vec<Form<'_>> {
    fn of<F: Float>(problem: &Problem) -> Vec<Form<'_>> {
        let (one, two) = (any_loss(problem), any_loss(problem));
        let is_fused = problem.block::<F>(&[1], one.as_ref()).is_some();
        let mut forms: Vec<Form<'_>> =
            vec![Box::new(move |seeds, points| tensors::<F>(problem, one.as_ref(), seeds, points, 0))];
        if is_fused {
            forms.push(Box::new(move |seeds, points| {
                fused::<F>(problem, two.as_ref(), seeds, points).expect("it was asked")
            }));
        }
        forms
    }
    let mut forms = of::<f32>(problem);
    forms.extend(of::<f64>(problem));
    forms
}

#[test]
fn a_lane_that_broke_down_changes_no_bit_of_another_and_has_no_error() {
    for problem in variants() {
        let seeds = seeds_for(&problem, 20);
        let points = around(&tensors_start::<f64>(&problem, any_loss(&problem).as_ref(), &seeds));
        for form in forms(&problem) {
            let sound = form(&seeds, &points);
            let elements = points[0].len();
            // The first, the last, and some between; in the first chunk and in the second.
            for element in (0..elements).step_by(elements.div_ceil(4)).chain([elements - 1]) {
                for broken in [15, 16] {
                    for intruder in INTRUDERS {
                        let mut points = points.clone();
                        points[broken][element] = intruder;
                        let said = form(&seeds, &points);
                        let what = || format!("{}, {intruder} in {element}", name(&problem, None));
                        for lane in (0..20).filter(|lane| *lane != broken) {
                            assert_eq!(bits(&said, lane), bits(&sound, lane), "{}, lane {lane}", what());
                        }
                        let error = said.error[broken];
                        let gone = if intruder.is_nan() {
                            error.is_nan()
                        } else {
                            error > 1.0 || !error.is_finite()
                        };
                        // Of a hidden unit that is as large as it can be there is a finite error.
                        let bounded =
                            matches!(problem, Problem::DigitsMlp(_) | Problem::DigitsAutoencoder(_));
                        let counts = !bounded || intruder.is_nan();
                        assert!(gone || !counts, "{}: error {error}", what());
                    }
                }
            }
        }
    }
}

#[test]
fn an_overflowing_network_has_no_error() {
    // Logits of ∞ still have a largest one, which must not pass for a guess.
    let problem = problem(r#""digits_mlp""#);
    let loss = any_loss(&problem);
    let mut points = tensors_start::<f32>(&problem, loss.as_ref(), &[1, 1]);
    points[1].iter_mut().for_each(|p| *p = p.abs() * 1e25);
    let said = tensors::<f32>(&problem, loss.as_ref(), &[1, 1], &points, 0);
    assert!(said.error[0] <= 1.0 && said.error[1].is_nan(), "{:?}", said.error);
}

#[test]
fn a_fused_lane_is_the_same_in_every_company() {
    for problem in variants() {
        let loss = any_loss(&problem);
        let seeds = seeds_for(&problem, 40);
        let points = around(&tensors_start::<f64>(&problem, loss.as_ref(), &seeds));
        let Some(together) = fused::<f64>(&problem, loss.as_ref(), &seeds, &points) else { continue };
        for lane in 0..40 {
            let alone = vec![points[lane].clone()];
            let alone = fused::<f64>(&problem, loss.as_ref(), &seeds[lane..=lane], &alone).unwrap();
            assert_eq!(bits(&together, lane), bits(&alone, 0), "{}, lane {lane}", problem.label());
        }
    }
}

fn remembers_nothing<F: Float>() {
    for problem in variants() {
        let seeds = seeds_for(&problem, 17);
        let loss = any_loss(&problem);
        let Some(mut block) = problem.block::<F>(&seeds, loss.as_ref()) else { continue };
        let start = block.start();
        let mut evaluate = |p: &[_]| {
            let mut gradient = start.clone();
            let (mut loss, mut raw_error) = (vec![start[0]; 2], vec![start[0]; 2]);
            block.evaluate(Draw::Frozen, p, &mut gradient, &mut loss, &mut raw_error);
            [gradient.to_vec(), loss, raw_error]
        };
        let first = evaluate(&start);
        evaluate(&vec![numeric::rows::splat(F::from_f64(f64::NAN)); start.len()]);
        assert_eq!(evaluate(&start), first, "{}", problem.label());
    }
}

#[test]
fn a_block_remembers_nothing_of_earlier_points() {
    remembers_nothing::<f32>();
    remembers_nothing::<f64>();
}
