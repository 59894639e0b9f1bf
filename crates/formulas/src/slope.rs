//! The derivative of a formula by the prediction, as further nodes of its graph.
//!
//! It is formed forwards, node by node. Where a slope is 0 because another branch was taken, and not
//! because a product came to 0, it stays out of the products that follow: √relu(d) has the slope 0 below
//! 0, as in PyTorch, whose branches are masked on the way back, and not 0·∞.

use std::collections::HashMap;

use crate::graph::{Binary, Graph, Id, Node, Unary};

/// Beyond so many nodes a slope is multiplied as a whole.
pub(crate) const LARGEST: usize = 20_000;

/// The node that is the slope of `root`.
pub(crate) fn slope(graph: &mut Graph, root: Id) -> Id {
    let zero = graph.constant(0.0);
    let used = graph.used(&[root]);
    let mut slopes = vec![zero; used.len()];
    for id in graph.ids().take(used.len()) {
        if used[id.index()] {
            slopes[id.index()] = of_node(graph, id, &slopes);
        }
    }
    slopes[root.index()]
}

fn of_node(graph: &mut Graph, id: Id, slopes: &[Id]) -> Id {
    let zero = graph.constant(0.0);
    match graph.node(id) {
        Node::Prediction => graph.constant(1.0),
        Node::Target | Node::Input(_) | Node::Constant(_) => zero,
        Node::Unary(op, x) => match slopes[x.index()] {
            s if s == zero => zero,
            s => of_unary(graph, op, x, id, s),
        },
        Node::Binary(op, a, b) => of_binary(graph, op, [a, b], id, [slopes[a.index()], slopes[b.index()]]),
        Node::Select(mask, yes, no) => graph.select(mask, slopes[yes.index()], slopes[no.index()]),
    }
}

/// The slope of `value` = op(x), where that of x is `s`.
fn of_unary(graph: &mut Graph, op: Unary, x: Id, value: Id, s: Id) -> Id {
    match local(graph, op, x, value) {
        Some((Binary::Div, divisor)) => over(graph, s, divisor),
        Some((_, factor)) => times(graph, s, factor),
        None => graph.constant(0.0),
    }
}

/// What a slope is multiplied with, or divided by, on its way through `value` = op(x); nothing where it is 0.
pub(crate) fn local(graph: &mut Graph, op: Unary, x: Id, value: Id) -> Option<(Binary, Id)> {
    let one = graph.constant(1.0);
    let factor = match op {
        Unary::Sqrt => return Some((Binary::Div, graph.binary(Binary::Add, value, value))),
        Unary::Ln => return Some((Binary::Div, x)),
        Unary::Ln1P => return Some((Binary::Div, graph.binary(Binary::Add, x, one))),
        Unary::Sign | Unary::Not | Unary::Detach => return None,
        Unary::Neg => graph.constant(-1.0),
        Unary::Abs => graph.unary(Unary::Sign, x),
        Unary::Exp => value,
        Unary::ExpM1 => graph.binary(Binary::Add, value, one),
        Unary::Tanh => {
            let two = graph.constant(2.0);
            let square = graph.binary(Binary::Pow, value, two);
            graph.binary(Binary::Sub, one, square)
        }
        Unary::Sigmoid => {
            let rest = graph.binary(Binary::Sub, one, value);
            graph.binary(Binary::Mul, value, rest)
        }
        Unary::Softplus => graph.unary(Unary::Sigmoid, x),
        Unary::Sin => graph.unary(Unary::Cos, x),
        Unary::Cos => {
            let sin = graph.unary(Unary::Sin, x);
            graph.unary(Unary::Neg, sin)
        }
    };
    Some((Binary::Mul, factor))
}

/// The slope of `value` = a op b.
fn of_binary(graph: &mut Graph, op: Binary, [a, b]: [Id; 2], value: Id, [of_a, of_b]: [Id; 2]) -> Id {
    let zero = graph.constant(0.0);
    if of_a == zero && of_b == zero {
        return zero;
    }
    match op {
        Binary::Add | Binary::Sub => graph.binary(op, of_a, of_b),
        Binary::Mul => {
            let (left, right) = (times(graph, of_a, b), times(graph, of_b, a));
            graph.binary(Binary::Add, left, right)
        }
        Binary::Div => {
            let left = over(graph, of_a, b);
            if of_b == zero {
                return left;
            }
            let factor = graph.binary(Binary::Div, value, b);
            let right = times(graph, of_b, factor);
            graph.binary(Binary::Sub, left, right)
        }
        Binary::Pow => {
            let (left, right) = (of_base(graph, a, b, of_a), of_exponent(graph, a, b, value, of_b));
            graph.binary(Binary::Add, left, right)
        }
        _ => zero,
    }
}

/// The share of the base in the slope of aᵇ.
fn of_base(graph: &mut Graph, a: Id, b: Id, of_a: Id) -> Id {
    if graph.is(of_a, 0.0) {
        return of_a;
    }
    let factor = base(graph, a, b);
    times(graph, of_a, factor)
}

/// The slope of aᵇ by a: b·aᵇ⁻¹, and 0 where b is 0.
pub(crate) fn base(graph: &mut Graph, a: Id, b: Id) -> Id {
    let (zero, one) = (graph.constant(0.0), graph.constant(1.0));
    let less = graph.binary(Binary::Sub, b, one);
    let power = graph.binary(Binary::Pow, a, less);
    let full = graph.binary(Binary::Mul, b, power);
    let flat = graph.binary(Binary::Equal, b, zero);
    graph.select(flat, zero, full)
}

/// The share of the exponent.
fn of_exponent(graph: &mut Graph, a: Id, b: Id, value: Id, of_b: Id) -> Id {
    if graph.is(of_b, 0.0) {
        return of_b;
    }
    let factor = exponent(graph, a, b, value);
    times(graph, of_b, factor)
}

/// The slope of `value` = aᵇ by b: aᵇ·ln a, and 0 where a is 0 and b isn't below it.
pub(crate) fn exponent(graph: &mut Graph, a: Id, b: Id, value: Id) -> Id {
    let zero = graph.constant(0.0);
    let ln = graph.unary(Unary::Ln, a);
    let full = graph.binary(Binary::Mul, value, ln);
    let (nothing, rising) = (graph.binary(Binary::Equal, a, zero), graph.binary(Binary::AtMost, zero, b));
    let flat = graph.binary(Binary::And, nothing, rising);
    graph.select(flat, zero, full)
}

fn times(graph: &mut Graph, s: Id, factor: Id) -> Id {
    on_taken(graph, s, &|graph, s| graph.binary(Binary::Mul, s, factor))
}

fn over(graph: &mut Graph, s: Id, divisor: Id) -> Id {
    on_taken(graph, s, &|graph, s| graph.binary(Binary::Div, s, divisor))
}

/// Does `work`, which is linear, to a slope, and leaves out the branches where it is none.
fn on_taken(graph: &mut Graph, s: Id, work: &dyn Fn(&mut Graph, Id) -> Id) -> Id {
    let zero = graph.constant(0.0);
    // What stands at the masks of a slope; the rest of it is worked on as a whole.
    let mut masked: HashMap<Id, bool> = HashMap::new();
    let order = structure(graph, s);
    for &id in &order {
        let is = match graph.node(id) {
            Node::Select(_, yes, no) => {
                [yes, no].iter().any(|part| masked.get(part).is_some_and(|masked| *masked || *part == zero))
            }
            Node::Binary(Binary::Add | Binary::Sub, a, b) => {
                [a, b].iter().any(|part| masked.get(part) == Some(&true))
            }
            _ => false,
        };
        masked.insert(id, is);
    }
    let mut done: HashMap<Id, Id> = [(zero, zero)].into();
    for id in order {
        if done.contains_key(&id) {
            continue;
        }
        // Parts of what is worked on as a whole aren't needed, and cost nothing once they are unused.
        let result = match graph.node(id) {
            Node::Select(mask, yes, no) if masked[&id] => graph.select(mask, done[&yes], done[&no]),
            Node::Binary(op @ (Binary::Add | Binary::Sub), a, b) if masked[&id] => {
                graph.binary(op, done[&a], done[&b])
            }
            _ => work(graph, id),
        };
        done.insert(id, result);
    }
    done[&s]
}

/// The sums and branches that a slope is made of and their parts, parts first; the slope alone where
/// taking it apart would go too far.
fn structure(graph: &Graph, s: Id) -> Vec<Id> {
    let mut found = Vec::new();
    let mut open = vec![s];
    let mut seen = vec![false; s.index() + 1];
    while let Some(id) = open.pop() {
        if !std::mem::replace(&mut seen[id.index()], true) {
            found.push(id);
            match graph.node(id) {
                Node::Select(_, yes, no) => open.extend([yes, no]),
                Node::Binary(Binary::Add | Binary::Sub, a, b) => open.extend([a, b]),
                _ => {}
            }
        }
    }
    found.sort_unstable();
    if graph.len() + found.len() > LARGEST { vec![s] } else { found }
}
