//! A formula on libtorch, recorded by autograd. Every node is computed once, however many branches share it.
//!
//! Into a branch that a `select` doesn't take, autograd sends a slope of 0, of which an infinite slope makes 0·∞. So what
//! such an operation is computed from is cut off from autograd wherever no `select` takes it.

use tch::{Kind, Tensor, no_grad};

use crate::graph::{Binary, Graph, Id, Node, Unary};

/// A formula, and which of its nodes need a guard.
#[derive(Debug)]
pub(crate) struct Traceable {
    graph: Graph,
    root: Id,
    /// Nodes in branches whose slope may be infinite: all but sums, multiples and squares of the variables.
    guarded: Vec<bool>,
}

/// Where the result depends on a node.
enum Counts {
    Nowhere,
    Where(Tensor),
    Everywhere,
}

impl Counts {
    fn and(&self, mask: &Tensor) -> Self {
        match self {
            Self::Nowhere => Self::Nowhere,
            Self::Where(own) => Self::Where(own.logical_and(mask)),
            Self::Everywhere => Self::Where(mask.shallow_clone()),
        }
    }

    fn or(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Everywhere, _) | (_, Self::Everywhere) => Self::Everywhere,
            (Self::Where(a), Self::Where(b)) => Self::Where(a.logical_or(b)),
            (Self::Where(mask), Self::Nowhere) | (Self::Nowhere, Self::Where(mask)) => {
                Self::Where(mask.shallow_clone())
            }
            (Self::Nowhere, Self::Nowhere) => Self::Nowhere,
        }
    }
}

/// The values of nodes; `None` for those that nobody asked for.
struct Values(Vec<Option<Tensor>>);

impl Values {
    fn of(&self, id: Id) -> &Tensor {
        self.0[id.index()].as_ref().expect("inputs come before what needs them")
    }
}

impl Traceable {
    pub fn new(graph: Graph, root: Id) -> Self {
        let used = graph.used(&[root]);
        let mut everywhere = vec![false; graph.len()];
        everywhere[root.index()] = true;
        for id in root.and_before().rev() {
            let node = graph.node(id);
            if everywhere[id.index()] && !matches!(node, Node::Select(..)) {
                node.inputs().for_each(|input| everywhere[input.index()] = true);
            }
        }
        let (mut guarded, mut straight) = (Vec::new(), Vec::new());
        for id in graph.ids() {
            let node = graph.node(id);
            let simple = is_simple(&graph, node);
            let squares =
                matches!(node, Node::Binary(Binary::Pow, a, b) if graph.is(b, 2.0) && straight[a.index()]);
            straight.push(simple && node.inputs().all(|input| straight[input.index()]));
            guarded.push(used[id.index()] && !everywhere[id.index()] && !simple && !squares);
        }
        Self { graph, root, guarded }
    }

    /// Leaves slopes as autograd forms them; whether any node had a guard.
    pub fn unguard(&mut self) -> bool {
        std::mem::take(&mut self.guarded).contains(&true)
    }

    /// The unreduced loss; its shape is that of both broadcast together.
    pub fn evaluate(&self, prediction: &Tensor, target: &Tensor) -> Tensor {
        let counts = if self.guarded.contains(&true) {
            no_grad(|| self.counts(prediction, target))
        } else {
            Vec::new()
        };
        let guard = |id: Id, input: &Tensor| match counts.get(id.index()) {
            Some(Counts::Where(mask)) if self.guarded[id.index()] && input.requires_grad() => {
                input.where_self(mask, &input.detach())
            }
            _ => input.shallow_clone(),
        };
        let values = self.values(&[self.root], prediction, target, guard);
        let value = values.of(self.root);
        if value.size() == prediction.size() && value.size() == target.size() {
            return value.shallow_clone();
        }
        Tensor::broadcast_tensors(&[value, prediction, target]).swap_remove(0)
    }

    /// Where each node counts.
    fn counts(&self, prediction: &Tensor, target: &Tensor) -> Vec<Counts> {
        let mask = |id: Id| if let Node::Select(mask, ..) = self.graph.node(id) { Some(mask) } else { None };
        let masks: Vec<Id> = self.root.and_before().filter_map(mask).collect();
        let values = self.values(&masks, prediction, target, |_, input| input.shallow_clone());
        let mut counts: Vec<Counts> = self.graph.ids().map(|_| Counts::Nowhere).collect();
        counts[self.root.index()] = Counts::Everywhere;
        for id in self.root.and_before().rev() {
            let own = |input: Id| (input, counts[id.index()].or(&Counts::Nowhere));
            let more: Vec<(Id, Counts)> = match self.graph.node(id) {
                // No slope goes through the mask.
                Node::Select(mask, yes, no) => {
                    let (own, mask) = (&counts[id.index()], values.of(mask));
                    vec![(yes, own.and(mask)), (no, own.and(&mask.logical_not()))]
                }
                node => node.inputs().map(own).collect(),
            };
            for (input, more) in more {
                counts[input.index()] = counts[input.index()].or(&more);
            }
        }
        counts
    }

    /// The values of `roots` and what they are computed from, in order. `guard` is given each input of a node.
    fn values(
        &self,
        roots: &[Id],
        prediction: &Tensor,
        target: &Tensor,
        guard: impl Fn(Id, &Tensor) -> Tensor,
    ) -> Values {
        let used = self.graph.used(roots);
        let mut values = Values(Vec::new());
        for id in self.graph.ids() {
            let value = used[id.index()].then(|| {
                let input = |input: Id| guard(id, values.of(input));
                match self.graph.node(id) {
                    Node::Prediction => prediction.shallow_clone(),
                    Node::Target => target.shallow_clone(),
                    Node::Input(_) => panic!("a formula of prediction and target has no other inputs"),
                    Node::Constant(bits) => constant(f64::from_bits(bits), prediction),
                    Node::Unary(op, x) => unary(op, &input(x)),
                    Node::Binary(Binary::Pow, a, b) if self.graph.value(b).is_some() => {
                        input(a).pow_tensor_scalar(self.graph.value(b).unwrap_or_default())
                    }
                    Node::Binary(op, a, b) => binary(op, &input(a), &input(b)),
                    Node::Select(mask, yes, no) => input(yes).where_self(&input(mask), &input(no)),
                }
            });
            values.0.push(value);
        }
        values
    }
}

/// Whether an operation is straight, apart from kinks.
fn is_simple(graph: &Graph, node: Node) -> bool {
    match node {
        Node::Prediction | Node::Target | Node::Input(_) | Node::Constant(_) | Node::Select(..) => true,
        Node::Unary(op, _) => matches!(op, Unary::Neg | Unary::Abs | Unary::Sign | Unary::Not),
        Node::Binary(Binary::Mul, a, b) => graph.value(a).or(graph.value(b)).is_some(),
        Node::Binary(Binary::Div, _, b) => graph.value(b).is_some_and(|divisor| divisor != 0.0),
        Node::Binary(op, ..) => op != Binary::Pow,
    }
}

fn constant(value: f64, like: &Tensor) -> Tensor {
    // libtorch refuses numbers that are infinite in the smaller type.
    let value = if like.kind() == Kind::Float { f64::from(value as f32) } else { value };
    Tensor::full([] as [i64; 0], value, (like.kind(), like.device()))
}

fn binary(op: Binary, a: &Tensor, b: &Tensor) -> Tensor {
    match op {
        Binary::Add => a + b,
        Binary::Sub => a - b,
        Binary::Mul => a * b,
        Binary::Div => a / b,
        Binary::Pow => a.pow(b),
        Binary::Less => a.lt_tensor(b),
        Binary::AtMost => a.le_tensor(b),
        Binary::Equal => a.eq_tensor(b),
        Binary::Unequal => a.ne_tensor(b),
        Binary::And => a.logical_and(b),
        Binary::Or => a.logical_or(b),
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
        Unary::Detach => x.detach(),
        Unary::Not => x.logical_not(),
    }
}
