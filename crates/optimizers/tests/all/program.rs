//! PyTorch programs as optimizers. `scripts/golden/optimizer_programs.py` wrote them.

use std::panic::catch_unwind;

use optimizers::{File, Files, Optimizer};
use tch::{Kind, Tensor};

use crate::common::{Asked, entry, loaded, numbers, problem};

/// All numbers of every lane after some steps on a problem, each lane from a start and with a rate of its own.
fn trained(optimizer: &Optimizer, name: &str, lanes: &[i64]) -> Vec<Vec<f64>> {
    let problem = problem(name);
    let elements: i64 = problem.shapes.iter().map(|shape| shape.iter().product::<i64>()).sum();
    let row = |lane: &i64| {
        (Tensor::linspace(-0.9, 1.1, elements, (Kind::Double, tch::Device::Cpu)) * (3 + lane)).sin()
    };
    let mut p = problem.unflatten(&Tensor::stack(&lanes.iter().map(row).collect::<Vec<_>>(), 0));
    let lr: Vec<f64> = lanes.iter().map(|lane| 0.01 * (1 + lane) as f64).collect();
    let (mut stepper, mut asked) = (optimizer.tensor(), Asked::new(&problem, optimizer.clip(), lanes.len()));
    for _ in 0..20 {
        asked.step(&mut *stepper, &Tensor::from_slice(&lr), &mut p);
    }
    (0..lanes.len() as i64).map(|lane| p.iter().flat_map(|p| numbers(&p.get(lane))).collect()).collect()
}

fn apart(ours: &[f64], theirs: &[f64]) -> f64 {
    let largest = theirs.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
    ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max) / largest
}

#[test]
fn adam_as_a_program_is_the_built_in_one() {
    tch::set_num_threads(1);
    for name in ["network", "logistic", "convolution"] {
        for lanes in [&[0][..], &[0, 1, 2]] {
            let ours = trained(&entry(r#"{"adam": {"beta1": 0.8}}"#), name, lanes);
            let program = loaded(r#"{"program": {"file": "adam.pt2", "options": {"beta1": 0.8}}}"#);
            for (ours, theirs) in ours.iter().zip(trained(&program, name, lanes)) {
                let apart = apart(&theirs, ours);
                assert!(apart < 1e-12, "{name}, {} lanes: {apart:e}", lanes.len());
            }
        }
    }
}

/// What takes every element by itself has fused loops, for lanes in rows and for the numbers of one.
#[test]
fn fused_loops_come_to_what_the_operators_do() {
    const ELEMENTS: usize = 19;
    tch::set_num_threads(1);
    let option =
        |json: &str, name: &str| loaded(&format!(r#"{{"program": {{"file": "{name}.pt2"{json}}}}}"#));
    for name in ["muon", "shampoo"] {
        assert!(option("", name).stepper::<f64>(1).is_none(), "{name}");
    }
    for optimizer in
        [option("", "plain"), option("", "lion"), option(r#", "options": {"beta1": 0.8}"#, "adam")]
    {
        let mut stream = numeric::Stream::new("fused programs", &[]);
        let mut drawn = || (0..ELEMENTS).map(|_| stream.normal()).collect::<Vec<f64>>();
        let mut by_operators = Tensor::from_slice(&drawn()).unsqueeze(0);
        let mut by_slice = numbers(&by_operators);
        let mut by_rows: Vec<[f64; 16]> = by_slice.iter().map(|x| [*x; 16]).collect();
        let (mut tensors, mut slices) = (optimizer.tensor(), optimizer.stepper::<f64>(2).unwrap());
        let mut rows = optimizer.stepper::<f64>(ELEMENTS).unwrap();
        for step in 0..30 {
            let (lr, g) = (0.1 / f64::from(step + 1), drawn());
            let gradient = [Tensor::from_slice(&g).unsqueeze(0)];
            let mut p = [by_operators];
            tensors.step(&Tensor::from_slice(&[lr]), &mut p, &gradient);
            [by_operators] = p;
            slices.step_slice(lr, &mut by_slice, &g);
            let g: Vec<[f64; 16]> = g.iter().map(|x| [*x; 16]).collect();
            rows.step(ELEMENTS, &[[lr; 16]], &mut by_rows, &g);
            assert_eq!(
                by_rows.iter().map(|row| row[7]).collect::<Vec<_>>(),
                by_slice,
                "{}",
                optimizer.label()
            );
            let apart = apart(&by_slice, &numbers(&by_operators));
            assert!(apart < 1e-13, "{}, step {step}: {apart:e}", optimizer.label());
        }
        // A lane that begins anew goes where it went first.
        let mut fresh = optimizer.stepper::<f64>(ELEMENTS).unwrap();
        rows.reset(0, ELEMENTS, 3);
        if optimizer.label().contains("lion") {
            let (mut a, mut b) = (vec![[1.0; 16]; ELEMENTS], vec![[1.0; 16]; ELEMENTS]);
            let g = vec![[0.5; 16]; ELEMENTS];
            rows.step(ELEMENTS, &[[0.1; 16]], &mut a, &g);
            fresh.step(ELEMENTS, &[[0.1; 16]], &mut b, &g);
            assert_eq!(a[5][3].to_bits(), b[5][3].to_bits());
        }
    }
}

#[test]
fn a_lane_is_what_it_is_alone() {
    tch::set_num_threads(1);
    for (program, most) in [
        (r#"{"program": {"file": "adam.pt2"}}"#, 0.0),
        (r#"{"program": {"file": "lion.pt2", "together": true}}"#, 0.0),
        (r#"{"program": {"file": "muon.pt2"}}"#, 1e-10),
        (r#"{"program": {"file": "shampoo.pt2", "together": true}}"#, 1e-10),
        (r#"{"lookahead": {"optimizer": {"program": {"file": "plain.pt2"}}}}"#, 0.0),
    ] {
        let optimizer = loaded(program);
        let together = trained(&optimizer, "network", &[0, 1, 2]);
        for (lane, together) in (0..).zip(together) {
            let apart = apart(&together, &trained(&optimizer, "network", &[lane])[0]);
            assert!(apart <= most, "{program}, lane {lane}: {apart:e}");
        }
    }
}

/// Without weight decay, an update that sees the elements one by one doesn't mind whether they come together.
#[test]
fn all_together_are_one_vector() {
    let of = |together: bool, file: &str| {
        let json = format!(r#"{{"program": {{"file": "{file}", "together": {together}}}}}"#);
        trained(&loaded(&json), "network", &[0, 1])
    };
    assert_eq!(of(true, "adam.pt2"), of(false, "adam.pt2"));
    assert_ne!(of(true, "shampoo.pt2"), of(false, "shampoo.pt2"));
}

#[test]
fn lists_of_options_are_an_entry_for_each_combination() {
    let labels = |json: &str, most: usize| -> Vec<String> {
        entry(json).expanded(most).iter().map(Optimizer::label).collect()
    };
    let wrapped = r#"{"sam": {"optimizer": {"program": {"file": "a.pt2", "options": {"b": [1, 2], "c": 3, "d": [4, 5]}}}}}"#;
    let of = |b: u8, d: u8| format!("sam(optimizer=program(file=a.pt2, options={{b={b}, c=3, d={d}}}))");
    assert_eq!(labels(wrapped, 100), [of(1, 4), of(1, 5), of(2, 4), of(2, 5)]);
    assert_eq!(labels(wrapped, 2).len(), 3);
    assert_eq!(labels(r#""adam""#, 100), ["adam"]);
}

/// The state's numbers four times, and eight times the parameters'.
#[test]
fn memory_is_estimated_from_the_size_of_the_state() {
    let of = |json: &str| loaded(json).memory(&[vec![30, 10], vec![7], vec![]]);
    assert_eq!(of(r#"{"program": {"file": "plain.pt2"}}"#), 8 * 308);
    assert_eq!(of(r#"{"program": {"file": "adam.pt2"}}"#), 8 * 308 + 4 * 2 * 308);
    assert_eq!(of(r#"{"program": {"file": "muon.pt2"}}"#), 8 * 308 + 4 * 308);
    assert_eq!(of(r#"{"program": {"file": "shampoo.pt2"}}"#), 8 * 308 + 4 * (300 * 300 + 7 * 7 + 1));
    assert_eq!(of(r#"{"program": {"file": "shampoo.pt2", "together": true}}"#), 8 * 308 + 4 * 308 * 308);
    assert_eq!(of(r#"{"cautious": {"optimizer": {"program": {"file": "plain.pt2"}}}}"#), 12 * 308);
}

#[test]
fn the_files_of_a_wrapped_program_are_the_wrappers() {
    let around = |name: &str| {
        loaded(&format!(r#"{{"{name}": {{"optimizer": {{"program": {{"file": "adam.pt2"}}}}}}}}"#))
    };
    for name in ["clipped", "sam", "lookahead", "cautious", "mechanic"] {
        let optimizer = around(name);
        assert_eq!(optimizer.files().into_iter().map(File::name).collect::<Vec<_>>(), ["adam.pt2"]);
        assert!(optimizer.files()[0].digest().is_some());
        assert!(trained(&optimizer, "network", &[0]).concat().iter().all(|x| x.is_finite()), "{name}");
    }
    assert!(Optimizer::named("sam").unwrap().files().is_empty());
}

#[test]
fn what_is_wrong_is_said_with_a_remedy() {
    let message = |json: &str| {
        let mut optimizer = entry(json);
        let prepared = optimizer.load(&mut crate::common::files()).and_then(|()| optimizer.check());
        let run = || trained(&optimizer, "network", &[0, 1]);
        match prepared.map(|()| catch_unwind(std::panic::AssertUnwindSafe(run))) {
            Err(message) => format!("refused: {message}"),
            Ok(Err(panic)) => *panic.downcast::<String>().expect("a message"),
            Ok(Ok(_)) => panic!("{json} is fine"),
        }
    };
    let messages = [
        r#"{"program": {}}"#,
        r#"{"program": {"file": "adam.pt2", "options": {"beta": 0.5}}}"#,
        r#"{"program": {"file": "adam.pt2", "options": {"zzz": 0.5}}}"#,
        r#"{"program": {"file": "plain.pt2", "options": {"beta": 0.5}}}"#,
        r#"{"program": {"file": "adam.pt2", "options": {"beta1": [0.5, 0.9]}}}"#,
        r#"{"program": {"file": "adam.pt2", "options": {"beta1": []}}}"#,
        r#"{"cautious": {"optimizer": {"program": {"file": "adam.pt2", "options": {"bet2": 0.5}}}}}"#,
        r#"{"program": {"file": "muon.pt2", "together": true}}"#,
        r#"{"program": {"file": "noisy.pt2"}}"#,
        r#"{"program": {"file": "reduced.pt2"}}"#,
        r#"{"program": {"file": "../golden/adam.json"}}"#,
        r#"{"program": {"file": "../../../losses/tests/modules/learned.pt2"}}"#,
    ]
    .map(message);
    insta::assert_snapshot!(messages.join("\n\n"));
    let mut missing = entry(r#"{"sam": {"optimizer": {"program": {"file": "missing.pt2"}}}}"#);
    let error = missing.load(&mut Files::default()).unwrap_err();
    assert!(error.starts_with("can't read `missing.pt2`"), "{error}");
}
