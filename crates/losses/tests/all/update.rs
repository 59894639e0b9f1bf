//! Formulas that move numbers on, beside the same arithmetic in Rust.

use formulas::{Binary, Graph, Id, Unary, Update};
use numeric::{Float, LANES, Stream};

use crate::in_rows;

/// Adam with a decay, as a person writes it: parameter, two moments; gradient; learning rate and step.
fn adam() -> Update {
    let mut graph = Graph::default();
    let [p, m, v, g, lr, step] = std::array::from_fn(|number| graph.input(number as u32));
    let [one, b1, b2, eps] = [1.0, 0.9, 0.999, 1e-8].map(|number| graph.constant(number));
    let mut op = |op, a: Id, b: Id| graph.binary(op, a, b);
    let mut mix = |decay, old, new| {
        let (kept, rest) = (op(Binary::Mul, decay, old), op(Binary::Sub, one, decay));
        let new = op(Binary::Mul, rest, new);
        op(Binary::Add, kept, new)
    };
    let next_m = mix(b1, m, g);
    let square = graph.binary(Binary::Mul, g, g);
    let mut op = |op, a: Id, b: Id| graph.binary(op, a, b);
    let (kept, rest) = (op(Binary::Mul, b2, v), op(Binary::Sub, one, b2));
    let new = op(Binary::Mul, rest, square);
    let next_v = op(Binary::Add, kept, new);
    let [c1, c2] = [b1, b2].map(|decay| {
        let power = op(Binary::Pow, decay, step);
        op(Binary::Sub, one, power)
    });
    let (m_hat, v_hat) = (op(Binary::Div, next_m, c1), op(Binary::Div, next_v, c2));
    let root = graph.unary(Unary::Sqrt, v_hat);
    let below = graph.binary(Binary::Add, root, eps);
    let change = graph.binary(Binary::Div, m_hat, below);
    let change = graph.binary(Binary::Mul, lr, change);
    let next_p = graph.binary(Binary::Sub, p, change);
    Update::new(&graph, &[next_p, next_m, next_v], [1, 1])
}

fn same<F: Float>() {
    let number = F::from_f64;
    let steps = adam().steps::<F>();
    let mut stream = Stream::new("updates", &[]);
    for (elements, chunks) in [(1, 3), (5, 2), (32, 1), (75, 2)] {
        let count = elements * chunks * LANES;
        let mut drawn = |count: usize| in_rows::<F>(&(0..count).map(|_| stream.normal()).collect::<Vec<_>>());
        let [mut p, mut m, mut v] = [drawn(count), drawn(count), in_rows::<F>(&vec![0.25; count])];
        let lr = drawn(chunks * LANES);
        let [mut p2, mut m2, mut v2] = [p.clone(), m.clone(), v.clone()];
        for step in 1..4 {
            let g = drawn(count);
            let step = number(f64::from(step));
            steps.step(elements, &mut [&mut p, &mut m, &mut v], &[&g], &[&lr], &[step]);
            for row in 0..elements * chunks {
                for lane in 0..LANES {
                    let (g, lr) = (g[row][lane], lr[row / elements][lane]);
                    let (p, m, v) = (&mut p2[row][lane], &mut m2[row][lane], &mut v2[row][lane]);
                    *m = number(0.9) * *m + number(1.0 - 0.9) * g;
                    *v = number(0.999) * *v + number(1.0 - 0.999) * (g * g);
                    let c1 = number(1.0) - number(0.9).pow(step);
                    let c2 = number(1.0) - number(0.999).pow(step);
                    *p = *p - lr * ((*m / c1) / ((*v / c2).sqrt() + number(1e-8)));
                }
            }
            for (ours, plain) in [(&p, &p2), (&m, &m2), (&v, &v2)] {
                assert_eq!(ours, plain, "{elements} elements, {chunks} chunks");
            }
        }
    }
}

#[test]
fn an_update_is_the_same_arithmetic_to_the_bit() {
    same::<f32>();
    same::<f64>();
}

#[test]
#[should_panic(expected = "numbers that move and that are fixed")]
fn another_number_of_inputs_panics() {
    adam().steps::<f64>().step(1, &mut [&mut [[0.0; 16]]], &[], &[], &[1.0]);
}
