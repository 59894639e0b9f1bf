//! Programs that are lowered to fused loops, beside the same ones evaluated operator by operator.

use formulas::Compiled;
use numeric::{Float, LANES, Row, Stream, rows};
use programs::{Lanes, Mode, Program, Streams};
use tch::{Kind, Tensor};

use crate::zoo::files;

/// Values and slopes of lanes of `elements`, by the fused loops. Numbers lie lane by lane.
fn fused<F: Float>(lowered: &Compiled, elements: usize, numbers: [&[f64]; 2]) -> [Vec<f64>; 2] {
    let lanes = numbers[0].len() / elements;
    let in_rows = |numbers: &[f64]| {
        let mut all = vec![rows::zero::<F>(); rows::chunks(lanes) * elements];
        for (lane, own) in numbers.chunks(elements).enumerate() {
            for (element, number) in own.iter().enumerate() {
                all[lane / LANES * elements + element][lane % LANES] = F::from_f64(*number);
            }
        }
        all
    };
    let [prediction, target] = numbers.map(in_rows);
    let (mut slope, mut value) =
        (vec![rows::zero(); prediction.len()], vec![rows::zero(); rows::chunks(lanes)]);
    lowered.loops::<F>().mean(elements, &prediction, &target, &mut slope, &mut value);
    let at = |rows: &[Row<F>], row: usize, lane: usize| rows[row][lane % LANES].to_f64();
    let slopes = (0..lanes * elements).map(|place| {
        let (lane, element) = (place / elements, place % elements);
        at(&slope, lane / LANES * elements + element, lane)
    });
    [(0..lanes).map(|lane| at(&value, lane / LANES, lane)).collect(), slopes.collect()]
}

/// The same by libtorch and autograd.
fn evaluated(program: &Program, kind: Kind, elements: usize, numbers: [&[f64]; 2]) -> [Vec<f64>; 2] {
    let lanes = numbers[0].len() / elements;
    let tensor =
        |numbers: &[f64]| Tensor::from_slice(numbers).reshape([lanes as i64, elements as i64]).to_kind(kind);
    let prediction = tensor(numbers[0]).set_requires_grad(true);
    let inputs = [Lanes::Together(prediction.shallow_clone()), Lanes::Together(tensor(numbers[1]))];
    let (parameters, buffers) = program.start(0, kind).unwrap();
    let shared = |all: Vec<Tensor>| all.into_iter().map(Lanes::Shared).collect::<Vec<_>>();
    let streams = Streams { seeds: &vec![0; lanes], step: 0 };
    let values = (&*shared(parameters), &*shared(buffers), &inputs[..]);
    let evaluated = program.evaluate(Mode::Train, (kind, lanes), values, &streams).unwrap();
    let all = evaluated.outputs[0].together(lanes).unwrap().reshape([lanes as i64, -1]);
    let all = all.mean_dim(&[1_i64][..], false, None::<Kind>);
    let slope = Tensor::run_backward(&[all.sum(None::<Kind>)], &[&prediction], false, false).swap_remove(0);
    [all, slope].map(|tensor| Vec::try_from(tensor.detach().to_kind(Kind::Double).flatten(0, -1)).unwrap())
}

/// Whether two numbers are the same to rounding of numbers of a size.
fn near(ours: f64, theirs: f64, tolerance: f64, size: f64) -> bool {
    ours == theirs
        || ours.is_nan() && theirs.is_nan()
        || (ours - theirs).abs() <= tolerance * theirs.abs().max(size)
}

/// Numbers at which functions have kinks, run over or end, and drawn ones.
const EDGES: [f64; 24] = [
    0.0,
    -0.0,
    0.5,
    -0.5,
    1.0,
    -1.0,
    2.0,
    -2.0,
    0.7,
    0.4,
    6.0,
    20.0,
    -20.0,
    1e-30,
    -1e-30,
    1e-5,
    100.0,
    -100.0,
    1e15,
    -1e20,
    1e30,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::NAN,
];

/// What is wrong with the loops of a program; `size` is below what differences are rounding.
fn differences<F: Float>(program: &Program, lowered: &Compiled, tolerance: f64) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut stream = Stream::new("lowered", &[]);
    let (mut p, mut t) = (Vec::new(), Vec::new());
    for first in EDGES {
        for second in [0.0, 1.0, -1.0, 0.5, first] {
            p.push(first);
            t.push(second);
        }
    }
    for _ in 0..200 {
        p.push(2.0 * stream.normal());
        t.push(2.0 * stream.normal());
    }
    for elements in [1, 7] {
        // Among several elements one that is infinite would hide the others.
        let from = if elements == 1 { 0 } else { 5 * EDGES.len() };
        let count = (p.len() - from) / elements * elements;
        let (p, t) = (&p[from..from + count], &t[from..from + count]);
        let (p, t): (Vec<f64>, Vec<f64>) =
            p.iter().zip(t).map(|(p, t)| (F::from_f64(*p).to_f64(), F::from_f64(*t).to_f64())).unzip();
        let [ours, theirs] =
            [fused::<F>(lowered, elements, [&p, &t]), evaluated(program, F::KIND, elements, [&p, &t])];
        for (what, ours, theirs, step) in
            [("value", &ours[0], &theirs[0], elements), ("slope", &ours[1], &theirs[1], 1)]
        {
            for (place, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
                let (p, t) = (p[place * step], t[place * step]);
                // Products with NaN are NaN, and autograd's masks and signs aren't; and beyond the range of the type
                // the order of products decides what is infinite. Such a run is over anyway.
                let far = |number: f64| number.is_nan() || number.abs() >= 1e10;
                let lost = !(ours.is_finite() && theirs.is_finite());
                let over =
                    what == "slope" && (!p.is_finite() || !t.is_finite() || lost && (far(p) || far(t)));
                if !over && !near(*ours, *theirs, tolerance, 1.0) {
                    wrong.push(format!("{:?}, {elements}: {what} {ours} at {p}, {t}, not {theirs}", F::KIND));
                }
            }
        }
    }
    wrong
}

fn both(name: &str, program: &Program, lowered: &Compiled) -> Option<String> {
    tch::set_num_threads(1);
    let mut wrong = differences::<f64>(program, lowered, 1e-11);
    wrong.extend(differences::<f32>(program, lowered, 1e-5));
    let count = wrong.len();
    wrong.truncate(4);
    (count > 0).then(|| format!("{name}: {count} differences\n  {}", wrong.join("\n  ")))
}

#[test]
fn what_is_elementwise_is_lowered_and_comes_to_the_same() {
    let mut wrong = Vec::new();
    let all = files("lowered.zip");
    assert!(all.len() > 60);
    for (name, bytes) in &all {
        let program = Program::read(bytes).unwrap_or_else(|message| panic!("{name}: {message}"));
        match (name.starts_with("lowered/"), program.lowered()) {
            (true, Some(lowered)) => wrong.extend(both(name, &program, &lowered)),
            (false, None) => {}
            (_, lowered) => wrong.push(format!("{name}: lowered is {}", lowered.is_some())),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn losses_of_the_zoo_that_are_lowered_come_to_the_same() {
    let (mut wrong, mut lowered) = (Vec::new(), Vec::new());
    for (name, bytes) in files("zoo.zip") {
        let Some(name) = name.strip_suffix(".pt2") else { continue };
        let program = Program::read(&bytes).unwrap();
        if let Some(own) = program.lowered() {
            wrong.extend(both(name, &program, &own));
            lowered.push(name.to_owned());
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    insta::assert_snapshot!(lowered.join("\n"));
}
