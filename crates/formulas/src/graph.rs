//! A formula as a list of operations, each different one once.

use std::collections::HashMap;

use numeric::{Float, Plain, Real};

/// The place of a node in its graph. What a node uses stands before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(u32);

impl Id {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }

    /// Every node before it, and itself.
    pub(crate) fn and_before(self) -> impl DoubleEndedIterator<Item = Self> {
        (0..=self.0).map(Self)
    }
}

/// An operation of one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unary {
    /// −x
    Neg,
    /// |x|
    Abs,
    /// √x
    Sqrt,
    /// eˣ
    Exp,
    /// eˣ − 1
    ExpM1,
    /// ln x
    Ln,
    /// ln(1 + x)
    Ln1P,
    /// tanh x
    Tanh,
    /// 1/(1 + e⁻ˣ)
    Sigmoid,
    /// ln(1 + eˣ)
    Softplus,
    /// sin x
    Sin,
    /// cos x
    Cos,
    /// −1, 0 or 1
    Sign,
    /// Itself, with a slope of 0.
    Detach,
    /// Whether a truth value is false.
    Not,
}

/// An operation of two numbers. From `Less` on, the results are truth values: 1 or 0. The last two take such.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Binary {
    /// a + b
    Add,
    /// a − b
    Sub,
    /// a·b
    Mul,
    /// a/b
    Div,
    /// aᵇ
    Pow,
    /// a < b
    Less,
    /// a ≤ b
    AtMost,
    /// a = b
    Equal,
    /// a ≠ b
    Unequal,
    /// Both.
    And,
    /// One or both.
    Or,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Node {
    Prediction,
    Target,
    /// Of an update, by its number.
    Input(u32),
    /// The bits of an `f64`.
    Constant(u64),
    Unary(Unary, Id),
    Binary(Binary, Id, Id),
    /// The second where the first is true, else the third.
    Select(Id, Id, Id),
}

impl Node {
    /// What it is computed from.
    pub fn inputs(self) -> impl Iterator<Item = Id> {
        let inputs = match self {
            Self::Prediction | Self::Target | Self::Input(_) | Self::Constant(_) => [None; 3],
            Self::Unary(_, a) => [Some(a), None, None],
            Self::Binary(_, a, b) => [Some(a), Some(b), None],
            Self::Select(mask, yes, no) => [Some(mask), Some(yes), Some(no)],
        };
        inputs.into_iter().flatten()
    }
}

impl Unary {
    /// On one number. The loops of the fused kernel call it too.
    #[inline(always)]
    pub(crate) fn apply<F: Float>(self, x: F) -> F {
        let (zero, one) = (F::default(), F::from_f64(1.0));
        match self {
            Self::Neg => -x,
            Self::Abs => x.abs(),
            Self::Sqrt => x.sqrt(),
            Self::Exp => x.exp(),
            Self::ExpM1 => x.exp_m1(),
            Self::Ln => x.ln(),
            Self::Ln1P => x.ln_1p(),
            Self::Tanh => x.tanh(),
            Self::Sigmoid => {
                let small = (-x.abs()).exp();
                if x < zero { small / (one + small) } else { one / (one + small) }
            }
            Self::Softplus => Plain(x).softplus().0,
            Self::Sin => x.sin(),
            Self::Cos => x.cos(),
            Self::Sign => {
                let side = if x > zero { one } else { -one };
                // NaN stays NaN.
                let side = if x == zero { zero } else { side };
                if x.partial_cmp(&x).is_none() { x } else { side }
            }
            Self::Detach => x,
            Self::Not => one - x,
        }
    }
}

impl Binary {
    /// Whether it is arithmetic.
    pub(crate) fn has_slope(self) -> bool {
        matches!(self, Self::Add | Self::Sub | Self::Mul | Self::Div | Self::Pow)
    }

    /// On two numbers.
    #[inline(always)]
    pub(crate) fn apply<F: Float>(self, a: F, b: F) -> F {
        let truth = |holds: bool| if holds { F::from_f64(1.0) } else { F::default() };
        match self {
            Self::Add => a + b,
            Self::Sub => a - b,
            Self::Mul | Self::And => a * b,
            Self::Div => a / b,
            Self::Pow => a.pow(b),
            Self::Less => truth(a < b),
            Self::AtMost => truth(a <= b),
            Self::Equal => truth(a == b),
            Self::Unequal => truth(a != b),
            Self::Or => a + b - a * b,
        }
    }
}

/// A formula that is built operation by operation: its nodes in an order in which they can be computed. Equal ones are
/// one, and what is constant is a constant.
///
/// ```
/// use formulas::{Binary, Compiled, Graph, Reduction, Unary};
///
/// let mut graph = Graph::default();
/// let (p, t) = (graph.prediction(), graph.target());
/// let d = graph.binary(Binary::Sub, p, t);
/// let size = graph.unary(Unary::Abs, d);
/// let total = Compiled::new(graph, size, Reduction::Sum).unwrap();
/// let (mut slope, mut value) = ([[0.0; 16]; 2], [[0.0; 16]]);
/// total.loops::<f64>().mean(2, &[[-3.0; 16], [1.0; 16]], &[[0.0; 16]; 2], &mut slope, &mut value);
/// assert_eq!((value[0][0], slope[0][0], slope[1][0]), (4.0, -1.0, 1.0));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Graph {
    nodes: Vec<Node>,
    known: HashMap<Node, Id>,
}

impl Graph {
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(crate) fn node(&self, id: Id) -> Node {
        self.nodes[id.index()]
    }

    pub(crate) fn ids(&self) -> impl DoubleEndedIterator<Item = Id> + use<> {
        (0..self.nodes.len() as u32).map(Id)
    }

    /// Which nodes `roots` are computed from, themselves included.
    pub(crate) fn used(&self, roots: &[Id]) -> Vec<bool> {
        let mut used = vec![false; self.nodes.len()];
        for root in roots {
            used[root.index()] = true;
        }
        for id in self.ids().rev() {
            if used[id.index()] {
                self.node(id).inputs().for_each(|input| used[input.index()] = true);
            }
        }
        used
    }

    fn add_node(&mut self, node: Node) -> Id {
        let next = Id(self.nodes.len() as u32);
        *self.known.entry(node).or_insert_with(|| {
            self.nodes.push(node);
            next
        })
    }

    /// The prediction.
    pub fn prediction(&mut self) -> Id {
        self.add_node(Node::Prediction)
    }

    /// The target.
    pub fn target(&mut self) -> Id {
        self.add_node(Node::Target)
    }

    /// An input of an [`Update`](crate::Update), by its number.
    pub fn input(&mut self, number: u32) -> Id {
        self.add_node(Node::Input(number))
    }

    /// A number.
    pub fn constant(&mut self, value: f64) -> Id {
        // One zero, so that slopes of −0 are known to be none.
        let value = if value == 0.0 { 0.0 } else { value };
        self.add_node(Node::Constant(value.to_bits()))
    }

    /// The value of a constant.
    #[must_use]
    pub fn value(&self, id: Id) -> Option<f64> {
        if let Node::Constant(bits) = self.node(id) { Some(f64::from_bits(bits)) } else { None }
    }

    /// Whether a value depends on the prediction.
    #[must_use]
    pub fn varies(&self, id: Id) -> bool {
        self.known.get(&Node::Prediction).is_some_and(|prediction| self.used(&[id])[prediction.index()])
    }

    pub(crate) fn is(&self, id: Id, value: f64) -> bool {
        self.value(id) == Some(value)
    }

    /// An operation of a value.
    pub fn unary(&mut self, op: Unary, a: Id) -> Id {
        match (op, self.node(a)) {
            (_, Node::Constant(bits)) => self.constant(op.apply(f64::from_bits(bits))),
            (Unary::Neg, Node::Unary(Unary::Neg, inner)) | (Unary::Not, Node::Unary(Unary::Not, inner)) => {
                inner
            }
            _ => self.add_node(Node::Unary(op, a)),
        }
    }

    /// An operation of two values.
    pub fn binary(&mut self, op: Binary, a: Id, b: Id) -> Id {
        let (left, right) = (self.value(a), self.value(b));
        match (op, left, right) {
            (_, Some(x), Some(y)) => self.constant(op.apply(x, y)),
            // None of these changes a number.
            (Binary::Add | Binary::Or, Some(0.0), _) | (Binary::Mul | Binary::And, Some(1.0), _) => b,
            (Binary::Add | Binary::Sub | Binary::Or, _, Some(0.0))
            | (Binary::Mul | Binary::Div | Binary::And | Binary::Pow, _, Some(1.0)) => a,
            (Binary::Mul | Binary::Div, _, Some(-1.0)) | (Binary::Mul, Some(-1.0), _) => {
                self.unary(Unary::Neg, if left.is_some() { b } else { a })
            }
            (Binary::Sub, Some(0.0), _) => self.unary(Unary::Neg, b),
            (Binary::And, Some(0.0), _)
            | (Binary::And, _, Some(0.0))
            // Nothing is beyond infinity.
            | (Binary::Less, Some(f64::INFINITY), _)
            | (Binary::Less, _, Some(f64::NEG_INFINITY)) => self.constant(0.0),
            (Binary::Or, Some(_), _) | (Binary::Or, _, Some(_)) | (Binary::Pow, _, Some(0.0)) => {
                self.constant(1.0)
            }
            (Binary::Pow, _, Some(0.5)) => self.unary(Unary::Sqrt, a),
            (Binary::Mul, ..) if self.doubling(a, b).is_some() => {
                let Some((x, y, factor)) = self.doubling(a, b) else { unreachable!("just seen") };
                let product = y.map_or(x, |y| self.binary(op, x, y));
                let factor = self.constant(factor);
                self.binary(op, product, factor)
            }
            // In one order, so that a·b and b·a are one.
            (Binary::Add | Binary::Mul | Binary::And | Binary::Or | Binary::Equal | Binary::Unequal, ..) => {
                self.add_node(Node::Binary(op, a.min(b), a.max(b)))
            }
            _ => self.add_node(Node::Binary(op, a, b)),
        }
    }

    /// A product that has a power of two in it, which may be multiplied last without another rounding: as
    /// its other factors and the constant. `None` where it has none, or has it last already.
    fn doubling(&self, a: Id, b: Id) -> Option<(Id, Option<Id>, f64)> {
        let scaled = |id| match self.node(id) {
            Node::Binary(Binary::Mul, x, y) => match (self.value(x), self.value(y)) {
                (Some(factor), None) => Some((y, factor)),
                (None, Some(factor)) => Some((x, factor)),
                _ => None,
            },
            _ => None,
        };
        let small = |x: f64| (1e-4..=1e4).contains(&x.abs());
        let exact = |x: f64| small(x) && x.to_bits() << 12 == 0;
        let (constant, product) = if self.value(a).is_some() { (a, b) } else { (b, a) };
        if let Some(constant) = self.value(constant) {
            let (x, factor) = scaled(product)?;
            return ((exact(constant) && small(factor)) || (exact(factor) && small(constant))).then_some((
                x,
                None,
                constant * factor,
            ));
        }
        let either = [(a, b), (b, a)].into_iter();
        either
            .filter_map(|(plain, product)| Some((plain, scaled(product)?)))
            .find_map(|(plain, (x, factor))| exact(factor).then_some((plain, Some(x), factor)))
    }

    /// The second where the first, a truth value, holds, and the third elsewhere.
    pub fn select(&mut self, mask: Id, yes: Id, no: Id) -> Id {
        match self.value(mask) {
            Some(truth) => {
                if truth == 0.0 {
                    no
                } else {
                    yes
                }
            }
            None if yes == no => yes,
            None => match self.node(mask) {
                Node::Unary(Unary::Not, inner) => self.select(inner, no, yes),
                _ => self.add_node(Node::Select(mask, yes, no)),
            },
        }
    }

    /// The larger or the smaller of two. Where they are equal, the slope is
    /// the mean of both; NaN in either gives NaN.
    pub fn extreme(&mut self, largest: bool, a: Id, b: Id) -> Id {
        if let (Some(x), Some(y)) = (self.value(a), self.value(b)) {
            return self.constant(if largest { x.max(y) } else { x.min(y) });
        }
        let half = self.constant(0.5);
        let (halved_a, halved_b) = (self.binary(Binary::Mul, a, half), self.binary(Binary::Mul, b, half));
        let middle = self.binary(Binary::Add, halved_a, halved_b);
        let (below, above) = (self.binary(Binary::Less, a, b), self.binary(Binary::Less, b, a));
        let (if_below, if_above) = if largest { (b, a) } else { (a, b) };
        let rest = self.select(below, if_below, middle);
        self.select(above, if_above, rest)
    }

    /// `x`, kept from `low` to `high`; at the ends its slope is still that of `x`.
    pub fn clamp(&mut self, x: Id, low: Id, high: Id) -> Id {
        let below = self.binary(Binary::Less, x, low);
        let raised = self.select(below, low, x);
        let above = self.binary(Binary::Less, high, raised);
        self.select(above, high, raised)
    }

    /// `x` where it is above 0, else 0; the slope at 0 is 0.
    pub fn relu(&mut self, x: Id) -> Id {
        let zero = self.constant(0.0);
        let mask = self.binary(Binary::AtMost, x, zero);
        self.select(mask, zero, x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_operations_are_one_and_constants_are_folded() {
        let mut graph = Graph::default();
        let (p, t) = (graph.prediction(), graph.target());
        let (ab, ba) = (graph.binary(Binary::Mul, p, t), graph.binary(Binary::Mul, t, p));
        assert_eq!(ab, ba);
        let (two, three) = (graph.constant(2.0), graph.constant(3.0));
        let six = graph.binary(Binary::Mul, two, three);
        assert_eq!(graph.value(six), Some(6.0));
        let truth = graph.binary(Binary::Less, two, three);
        assert_eq!(graph.select(truth, p, t), p);
        assert_ne!(graph.binary(Binary::Sub, p, t), graph.binary(Binary::Sub, t, p));
    }
}
