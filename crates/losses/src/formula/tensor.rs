//! A formula on libtorch, recorded by autograd.

use std::collections::BTreeMap;

use tch::{Kind, Tensor};

use super::graph::{Binary, Graph, Id, Node, Unary};

/// A formula, and which of its nodes need no guard.
pub(super) struct Traceable {
    graph: Graph,
    root: Id,
    /// Nodes that can't have an infinite slope: sums, multiples and squares of the variables.
    tame: Vec<bool>,
}

impl Traceable {
    pub fn new(graph: Graph, root: Id) -> Self {
        let (mut tame, mut straight) = (Vec::new(), Vec::new());
        for id in graph.ids() {
            let node = graph.node(id);
            let inputs_are = |known: &[bool]| node.inputs().all(|input| known[input.index()]);
            let squares =
                matches!(node, Node::Binary(Binary::Pow, a, b) if graph.is(b, 2.0) && straight[a.index()]);
            let simple = squares || is_simple(&graph, node);
            straight.push(simple && !squares && inputs_are(&straight));
            tame.push(simple && inputs_are(&tame));
        }
        Self { graph, root, tame }
    }

    /// The unreduced loss; its shape is that of both broadcast together.
    pub fn evaluate(&self, prediction: &Tensor, target: &Tensor) -> Tensor {
        let value =
            Scope::new(self, self.root, prediction.shallow_clone(), target.shallow_clone()).value(self.root);
        if value.size() == prediction.size() && value.size() == target.size() {
            return value;
        }
        Tensor::broadcast_tensors(&[&value, prediction, target]).swap_remove(0)
    }
}

/// Whether an operation is straight, apart from kinks.
fn is_simple(graph: &Graph, node: Node) -> bool {
    match node {
        Node::Prediction | Node::Target | Node::Constant(_) | Node::Select(..) => true,
        Node::Unary(op, _) => matches!(op, Unary::Neg | Unary::Abs | Unary::Sign | Unary::Not),
        Node::Binary(Binary::Mul, a, b) => graph.value(a).or(graph.value(b)).is_some(),
        Node::Binary(Binary::Div, _, b) => graph.value(b).is_some_and(|divisor| divisor != 0.0),
        Node::Binary(op, ..) => op != Binary::Pow,
    }
}

/// What the variables are, and the nodes that have been computed from them.
struct Scope<'a> {
    formula: &'a Traceable,
    prediction: Tensor,
    target: Tensor,
    known: BTreeMap<Id, Tensor>,
}

impl<'a> Scope<'a> {
    /// Computes what `root` needs, in order. A branch that needs a scope of its own comes with its
    /// `select`.
    fn new(formula: &'a Traceable, root: Id, prediction: Tensor, target: Tensor) -> Self {
        let mut scope = Self { formula, prediction, target, known: BTreeMap::new() };
        let mut needed = vec![false; root.index() + 1];
        needed[root.index()] = true;
        for id in root.and_before().rev() {
            if needed[id.index()] {
                let is_branch = |input: Id| match formula.graph.node(id) {
                    Node::Select(mask, ..) => input != mask && !formula.tame[input.index()],
                    _ => false,
                };
                let inputs = formula.graph.node(id).inputs();
                inputs.filter(|input| !is_branch(*input)).for_each(|input| needed[input.index()] = true);
            }
        }
        for id in root.and_before().filter(|id| needed[id.index()]) {
            let value = scope.compute(id);
            scope.known.insert(id, value);
        }
        scope
    }

    fn value(&self, id: Id) -> Tensor {
        self.known[&id].shallow_clone()
    }

    fn compute(&self, id: Id) -> Tensor {
        match self.formula.graph.node(id) {
            Node::Prediction => self.prediction.shallow_clone(),
            Node::Target => self.target.shallow_clone(),
            Node::Constant(bits) => self.constant(f64::from_bits(bits)),
            Node::Unary(op, x) => unary(op, &self.known[&x]),
            Node::Binary(op, a, b) => self.binary(op, a, b),
            Node::Select(mask, yes, no) => {
                let mask = &self.known[&mask];
                let (yes, no) = (self.branch(mask, yes), self.branch(&mask.logical_not(), no));
                yes.where_self(mask, &no)
            }
        }
    }

    /// The value of a branch, which is taken where `mask` is true. Elsewhere its variables are cut off
    /// from autograd: an infinite slope there would come back as 0·∞.
    fn branch(&self, mask: &Tensor, branch: Id) -> Tensor {
        if self.formula.tame[branch.index()] {
            return self.value(branch);
        }
        let cut =
            |x: &Tensor| if x.requires_grad() { x.where_self(mask, &x.detach()) } else { x.shallow_clone() };
        Self::new(self.formula, branch, cut(&self.prediction), cut(&self.target)).value(branch)
    }

    fn constant(&self, value: f64) -> Tensor {
        let kind = self.prediction.kind();
        // libtorch refuses numbers that are infinite in the smaller type.
        let value = if kind == Kind::Float { f64::from(value as f32) } else { value };
        Tensor::full([] as [i64; 0], value, (kind, self.prediction.device()))
    }

    fn binary(&self, op: Binary, left: Id, right: Id) -> Tensor {
        let (a, b) = (&self.known[&left], &self.known[&right]);
        match op {
            Binary::Add => a + b,
            Binary::Sub => a - b,
            Binary::Mul => a * b,
            Binary::Div => a / b,
            Binary::Pow => match self.formula.graph.value(right) {
                Some(exponent) => a.pow_tensor_scalar(exponent),
                None => a.pow(b),
            },
            Binary::Less => a.lt_tensor(b),
            Binary::AtMost => a.le_tensor(b),
            Binary::Equal => a.eq_tensor(b),
            Binary::Unequal => a.ne_tensor(b),
            Binary::And => a.logical_and(b),
            Binary::Or => a.logical_or(b),
        }
    }
}

fn unary(op: Unary, x: &Tensor) -> Tensor {
    match op {
        Unary::Neg => x.neg(),
        Unary::Abs => x.abs(),
        Unary::Sqrt => x.sqrt(),
        Unary::Exp => x.exp(),
        Unary::ExpM1 => x.expm1(),
        Unary::Ln => x.log(),
        Unary::Ln1P => x.log1p(),
        Unary::Tanh => x.tanh(),
        Unary::Sigmoid => x.sigmoid(),
        // `Tensor::softplus` switches to the identity above 20; this form is exact everywhere.
        Unary::Softplus => x.neg().log_sigmoid().neg(),
        Unary::Sin => x.sin(),
        Unary::Cos => x.cos(),
        // libtorch has 0 for NaN.
        Unary::Sign => x.sign() + x.detach() * 0.0,
        Unary::Not => x.logical_not(),
    }
}
