//! The derivative of a formula by the prediction as autograd forms it: backwards, with a slope of 0 sent into the
//! branches that aren't taken, where it makes NaN of what is infinite.

use crate::graph::{Binary, Graph, Id, Node, Unary};
use crate::slope::{LARGEST, base, exponent, local};

/// The node that is the slope of `root`.
pub(crate) fn slope(graph: &mut Graph, root: Id) -> Id {
    let used = graph.used(&[root]);
    let mut varies = vec![false; used.len()];
    for id in graph.ids().take(used.len()) {
        varies[id.index()] = used[id.index()]
            && match graph.node(id) {
                Node::Prediction => true,
                Node::Unary(Unary::Sign | Unary::Not | Unary::Detach, _) => false,
                Node::Binary(op, a, b) => op.has_slope() && (varies[a.index()] || varies[b.index()]),
                Node::Select(_, yes, no) => varies[yes.index()] || varies[no.index()],
                node => node.inputs().any(|input| varies[input.index()]),
            };
    }
    let mut slopes = Slopes { varies, by: vec![None; used.len()] };
    let one = graph.constant(1.0);
    slopes.add(graph, root, one);
    for id in root.and_before().rev() {
        if let Some(slope) = slopes.by[id.index()] {
            slopes.send(graph, id, slope);
        }
    }
    let prediction = graph.prediction();
    slopes.by.get(prediction.index()).copied().flatten().unwrap_or_else(|| graph.constant(0.0))
}

struct Slopes {
    /// Which nodes depend on the prediction.
    varies: Vec<bool>,
    /// Of the root by each node, as far as it is known.
    by: Vec<Option<Id>>,
}

impl Slopes {
    fn add(&mut self, graph: &mut Graph, id: Id, slope: Id) {
        if self.varies[id.index()] {
            let known = self.by[id.index()];
            self.by[id.index()] = Some(known.map_or(slope, |known| sum(graph, known, slope)));
        }
    }

    /// Adds to the slopes of what a node is computed from.
    fn send(&mut self, graph: &mut Graph, id: Id, slope: Id) {
        match graph.node(id) {
            Node::Prediction | Node::Target | Node::Input(_) | Node::Constant(_) => {}
            Node::Unary(op, x) => {
                if let Some((op, y)) = local(graph, op, x, id) {
                    let own = scaled(graph, op, slope, y);
                    self.add(graph, x, own);
                }
            }
            Node::Binary(op, a, b) => {
                let [of_a, of_b] = self.shares(graph, op, [a, b], id, slope);
                self.add(graph, a, of_a);
                self.add(graph, b, of_b);
            }
            Node::Select(mask, yes, no) => {
                let zero = graph.constant(0.0);
                let (of_yes, of_no) = (graph.select(mask, slope, zero), graph.select(mask, zero, slope));
                self.add(graph, yes, of_yes);
                self.add(graph, no, of_no);
            }
        }
    }

    /// The shares of two operands in the slope of `value` = a op b.
    fn shares(&self, graph: &mut Graph, op: Binary, [a, b]: [Id; 2], value: Id, slope: Id) -> [Id; 2] {
        let minus = graph.constant(-1.0);
        match op {
            Binary::Add => [slope, slope],
            Binary::Sub => [slope, scaled(graph, Binary::Mul, slope, minus)],
            Binary::Mul => [b, a].map(|other| scaled(graph, Binary::Mul, slope, other)),
            Binary::Div => {
                let ratio = graph.binary(Binary::Div, value, b);
                let ratio = graph.unary(Unary::Neg, ratio);
                [scaled(graph, Binary::Div, slope, b), scaled(graph, Binary::Mul, slope, ratio)]
            }
            Binary::Pow => {
                let zero = graph.constant(0.0);
                let of = |id: Id| self.varies[id.index()];
                let of_a = if of(a) { base(graph, a, b) } else { zero };
                let of_b = if of(b) { exponent(graph, a, b, value) } else { zero };
                [of_a, of_b].map(|factor| scaled(graph, Binary::Mul, slope, factor))
            }
            _ => [graph.constant(0.0); 2],
        }
    }
}

/// A slope times a factor, or by a divisor; where that is a constant, branch by branch.
fn scaled(graph: &mut Graph, op: Binary, slope: Id, by: Id) -> Id {
    match (graph.node(slope), graph.value(by)) {
        (Node::Select(mask, yes, no), Some(number))
            if [yes, no].iter().any(|part| graph.is(*part, 0.0)) && number.is_finite() && number != 0.0 =>
        {
            let [yes, no] = [yes, no].map(|part| scaled(graph, op, part, by));
            graph.select(mask, yes, no)
        }
        _ => graph.binary(op, slope, by),
    }
}

/// The sum of two slopes; what stands at one mask is added branch by branch.
fn sum(graph: &mut Graph, a: Id, b: Id) -> Id {
    match (graph.node(a), graph.node(b)) {
        (Node::Select(mask, yes, no), Node::Select(same, more, less))
            if mask == same && graph.len() < LARGEST =>
        {
            let (yes, no) = (sum(graph, yes, more), sum(graph, no, less));
            graph.select(mask, yes, no)
        }
        _ => graph.binary(Binary::Add, a, b),
    }
}
