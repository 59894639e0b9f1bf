//! Programs that take every element by itself, as formulas of prediction and target.
//!
//! Where PyTorch has a derivative of its own for an operator, the formula has that one at kinks too. Whatever else a
//! program does, it isn't lowered.

use formulas::{Binary, Compiled, Id, Reduction, Unary};

use crate::arg::{Arg, Size};
use crate::graph::{Graph, Node};

/// What an input of the graph is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Input {
    Prediction,
    Target,
    /// A number of each element, or one that elements share: an input of the formulas, by number.
    Own(u32, Class),
    /// A number, and its type.
    Number(f64, Class),
    Other,
}

/// Types as operators promote them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    Bool,
    Int,
    Float,
}

/// A value of the graph.
#[derive(Clone, Copy)]
struct Value {
    id: Id,
    class: Class,
    /// What was taken of it.
    reduction: Reduction,
}

/// Programs of more operators than this stay what they are.
const MOST_NODES: usize = 500;

/// The number types of the schema.
const FLOAT: u64 = 7;
const BOOL: u64 = 12;

/// The graph as a formula, where it is one. Prediction and target are alike and have `rank` dimensions.
pub(crate) fn lower(graph: &Graph, inputs: &[Input], rank: usize) -> Option<Compiled> {
    let lowering = Lowering::of(graph, inputs, rank)?;
    let [Arg::Slot(slot)] = graph.outputs[..] else { return None };
    let Value { id, class: Class::Float, reduction } = lowering.values[slot]? else { return None };
    Compiled::new(lowering.graph, id, reduction)
}

/// What a graph returns as formulas of its inputs, where it takes every element by itself.
pub(crate) fn lower_each(graph: &Graph, inputs: &[Input], rank: usize) -> Option<(formulas::Graph, Vec<Id>)> {
    let lowering = Lowering::of(graph, inputs, rank)?;
    let result = |output: &Arg| {
        let Arg::Slot(slot) = output else { return None };
        let value = lowering.values[*slot]?;
        (value.class == Class::Float && value.reduction == Reduction::None).then_some(value.id)
    };
    let results = graph.outputs.iter().map(result).collect::<Option<_>>()?;
    Some((lowering.graph, results))
}

struct Lowering {
    graph: formulas::Graph,
    values: Vec<Option<Value>>,
    rank: usize,
}

impl Lowering {
    /// The formulas of a graph, as far as it has some.
    fn of(graph: &Graph, inputs: &[Input], rank: usize) -> Option<Self> {
        if graph.nodes.len() > MOST_NODES {
            return None;
        }
        let mut lowering = Self { graph: formulas::Graph::default(), values: vec![None; graph.slots], rank };
        for (slot, input) in graph.inputs.iter().zip(inputs) {
            let (id, class) = match input {
                Input::Prediction => (lowering.graph.prediction(), Class::Float),
                Input::Target => (lowering.graph.target(), Class::Float),
                Input::Own(number, class) => (lowering.graph.input(*number), *class),
                Input::Number(number, class) => (lowering.graph.constant(*number), *class),
                Input::Other => continue,
            };
            lowering.values[*slot] = Some(Value { id, class, reduction: Reduction::None });
        }
        for node in &graph.nodes {
            let name = node.operator.name();
            if matches!(name, "aten._assert_scalar.default" | "aten._assert_async.msg") {
                return None;
            }
            // What can't be lowered does no harm where nothing depends on it.
            let values = match &node.arguments[..] {
                // They are of one shape.
                [Arg::Slots(slots)] if name == "aten.broadcast_tensors.default" => {
                    slots.iter().map(|slot| lowering.values[(*slot)?]).collect()
                }
                _ => vec![lowering.value_of(node)],
            };
            if values.len() == node.outputs.len() {
                for (slot, value) in node.outputs.iter().zip(values) {
                    if let Some(slot) = slot {
                        lowering.values[*slot] = value;
                    }
                }
            }
        }
        Some(lowering)
    }

    fn value_of(&mut self, node: &Node) -> Option<Value> {
        let name = node.operator.name().strip_prefix("aten.")?;
        let (name, overload) = name.split_once('.')?;
        match name {
            "add" | "sub" | "rsub" | "mul" | "div" | "true_divide" | "neg" | "negative" | "mean" | "sum"
            | "to" | "_to_copy" | "clone" | "alias" | "contiguous" | "detach" | "detach_" | "positive"
            | "lift_fresh_copy" | "type_as" => self.linear(node, name),
            "mse_loss"
            | "l1_loss"
            | "smooth_l1_loss"
            | "huber_loss"
            | "soft_margin_loss"
            | "kl_div"
            | "binary_cross_entropy_with_logits"
            | "poisson_nll_loss" => self.loss(node, name),
            "eq" | "ne" | "lt" | "le" | "gt" | "ge" | "isnan" | "isinf" | "isfinite" | "logical_and"
            | "logical_or" | "logical_xor" | "logical_not" | "bitwise_and" | "bitwise_or" | "bitwise_xor"
            | "bitwise_not" | "__and__" | "__or__" => {
                let id = self.truth_of(node, name)?;
                Some(Value { id, class: Class::Bool, reduction: Reduction::None })
            }
            _ => {
                let id = self.float_of(node, name, overload)?;
                Some(Value { id, class: Class::Float, reduction: Reduction::None })
            }
        }
    }

    /// A tensor or a number.
    fn arg(&mut self, node: &Node, index: usize) -> Option<Value> {
        let (number, class) = match *node.arguments.get(index)? {
            Arg::Slot(slot) => return self.values[slot],
            Arg::Int(number) => (number as f64, Class::Int),
            Arg::Float(number) => (number, Class::Float),
            Arg::Bool(truth) => (f64::from(u8::from(truth)), Class::Bool),
            _ => return None,
        };
        Some(Value { id: self.graph.constant(number), class, reduction: Reduction::None })
    }

    /// An argument that nothing was taken of.
    fn own(&mut self, node: &Node, index: usize) -> Option<Value> {
        self.arg(node, index).filter(|value| value.reduction == Reduction::None)
    }

    /// A float of each element, or a number.
    fn float(&mut self, node: &Node, index: usize) -> Option<Id> {
        let number = matches!(node.arguments[index], Arg::Int(_));
        self.own(node, index).filter(|value| value.class == Class::Float || number).map(|value| value.id)
    }

    fn truth(&mut self, node: &Node, index: usize) -> Option<Id> {
        self.own(node, index).filter(|value| value.class == Class::Bool).map(|value| value.id)
    }

    /// Two arguments of which one is of floats.
    fn pair(&mut self, node: &Node) -> Option<[Id; 2]> {
        let (a, b) = (self.own(node, 0)?, self.own(node, 1)?);
        (a.class.max(b.class) == Class::Float).then_some([a.id, b.id])
    }

    fn number(&self, value: Value) -> Option<f64> {
        self.graph.value(value.id)
    }

    /// The number of an option.
    fn option(&mut self, node: &Node, index: usize, default: f64) -> Option<f64> {
        match node.arguments.get(index) {
            None | Some(Arg::None) => Some(default),
            _ => self.arg(node, index).and_then(|value| self.number(value)),
        }
    }

    /// Sums and multiples, also of means and sums; reductions; and what changes no number.
    fn linear(&mut self, node: &Node, name: &str) -> Option<Value> {
        let a = self.arg(node, 0)?;
        match name {
            "add" | "sub" | "rsub" => {
                let (b, alpha) = (self.arg(node, 1)?, self.option(node, 2, 1.0)?);
                let (first, second) = if name == "rsub" { (b, a) } else { (a, b) };
                let reduction = match (first.reduction, second.reduction) {
                    (one, other) if one == other => one,
                    // The mean of a number is the number.
                    (Reduction::Mean, Reduction::None) if self.number(second).is_some() => Reduction::Mean,
                    (Reduction::None, Reduction::Mean) if self.number(first).is_some() => Reduction::Mean,
                    _ => return None,
                };
                let class = first.class.max(second.class);
                let scaled = self.times(second.id, alpha);
                let op = if name == "add" { Binary::Add } else { Binary::Sub };
                let id = self.graph.binary(op, first.id, scaled);
                (class == Class::Float).then_some(Value { id, class, reduction })
            }
            "mul" => {
                let b = self.arg(node, 1)?;
                let reduction = match (a.reduction, b.reduction) {
                    (Reduction::None, Reduction::None) => Reduction::None,
                    (taken, Reduction::None) if self.number(b).is_some() => taken,
                    (Reduction::None, taken) if self.number(a).is_some() => taken,
                    _ => return None,
                };
                let class = a.class.max(b.class);
                let op = match class {
                    Class::Float => Binary::Mul,
                    Class::Bool => Binary::And,
                    Class::Int => return None,
                };
                Some(Value { id: self.graph.binary(op, a.id, b.id), class, reduction })
            }
            "div" | "true_divide" => {
                let b = self.arg(node, 1)?;
                let plain = b.reduction == Reduction::None
                    && (a.reduction == Reduction::None || self.number(b).is_some());
                let rounded = matches!(node.arguments.get(2), Some(Arg::Text(mode)) if !mode.is_empty());
                let float = a.class.max(b.class) == Class::Float;
                (plain && float && !rounded).then(|| Value {
                    id: self.graph.binary(Binary::Div, a.id, b.id),
                    ..Value { class: Class::Float, ..a }
                })
            }
            "neg" | "negative" => {
                (a.class == Class::Float).then(|| Value { id: self.graph.unary(Unary::Neg, a.id), ..a })
            }
            "mean" | "sum" => self.reduced(node, name, a),
            "detach" | "detach_" if self.graph.varies(a.id) => {
                Some(Value { id: self.graph.unary(Unary::Detach, a.id), ..a })
            }
            "to" | "_to_copy" => converted(node, a),
            "type_as" => {
                let class = self.arg(node, 1)?.class;
                (class == Class::Float).then_some(Value { class, ..a })
            }
            _ => Some(a),
        }
    }

    /// A mean or a sum over all elements.
    fn reduced(&mut self, node: &Node, name: &str, a: Value) -> Option<Value> {
        let signature = node.operator.arguments().collect::<Vec<_>>();
        let at = |name: &str| signature.iter().position(|known| *known == name);
        let all = match at("dim").map(|index| &node.arguments[index]) {
            None | Some(Arg::None) => true,
            Some(Arg::Ints(dims)) => {
                dims.is_empty() || self.rank == 1 && matches!(dims[..], [Size::Known(0 | -1)])
            }
            Some(Arg::Int(0 | -1)) => self.rank == 1,
            _ => false,
        };
        let kind = at("dtype").map(|index| &node.arguments[index]);
        let same = matches!(kind, None | Some(Arg::None | Arg::Kind(FLOAT)));
        if !all || !same || a.class != Class::Float {
            return None;
        }
        match a.reduction {
            Reduction::None if name == "mean" => Some(Value { reduction: Reduction::Mean, ..a }),
            // A number may stand for as many equal ones as there are elements, or for itself.
            Reduction::None => self.number(a).is_none().then_some(Value { reduction: Reduction::Sum, ..a }),
            _ => Some(a),
        }
    }

    /// A comparison, or what truth values come to.
    fn truth_of(&mut self, node: &Node, name: &str) -> Option<Id> {
        match name {
            "eq" | "ne" | "lt" | "le" | "gt" | "ge" => {
                let (a, b) = (self.own(node, 0)?.id, self.own(node, 1)?.id);
                let (op, a, b) = match name {
                    "eq" => (Binary::Equal, a, b),
                    "ne" => (Binary::Unequal, a, b),
                    "lt" => (Binary::Less, a, b),
                    "le" => (Binary::AtMost, a, b),
                    "gt" => (Binary::Less, b, a),
                    _ => (Binary::AtMost, b, a),
                };
                Some(self.graph.binary(op, a, b))
            }
            "isnan" | "isinf" | "isfinite" => {
                let x = self.float(node, 0)?;
                let (size, infinity) = (self.graph.unary(Unary::Abs, x), self.graph.constant(f64::INFINITY));
                Some(match name {
                    "isnan" => self.graph.binary(Binary::Unequal, x, x),
                    "isinf" => self.graph.binary(Binary::Equal, size, infinity),
                    _ => self.graph.binary(Binary::Less, size, infinity),
                })
            }
            "logical_not" | "bitwise_not" => {
                let a = self.truth(node, 0)?;
                Some(self.graph.unary(Unary::Not, a))
            }
            _ => {
                let (a, b) = (self.truth(node, 0)?, self.truth(node, 1)?);
                let op = match name {
                    "logical_and" | "bitwise_and" | "__and__" => Binary::And,
                    "logical_or" | "bitwise_or" | "__or__" => Binary::Or,
                    _ => Binary::Unequal,
                };
                Some(self.graph.binary(op, a, b))
            }
        }
    }

    /// An operator that returns floats, element by element.
    fn float_of(&mut self, node: &Node, name: &str, overload: &str) -> Option<Id> {
        if let Some(op) = unary(name) {
            let x = self.float(node, 0)?;
            return Some(self.graph.unary(op, x));
        }
        match name {
            "pow" => {
                let [a, b] = self.pair(node)?;
                Some(self.graph.binary(Binary::Pow, a, b))
            }
            "maximum" | "minimum" | "max" | "min" if matches!(overload, "default" | "other") => {
                let [a, b] = self.pair(node)?;
                Some(self.graph.extreme(name.starts_with("max"), a, b))
            }
            "clamp" | "clip" | "clamp_min" | "clamp_max" => self.clamped(node, name),
            "where" => {
                let (mask, mut a, mut b) = (self.truth(node, 0)?, self.own(node, 1)?, self.own(node, 2)?);
                if overload == "Scalar" {
                    // Of two numbers it makes a tensor of the default type.
                    for value in [&mut a, &mut b] {
                        let single = self.number(*value)? as f32;
                        value.id = self.graph.constant(single.into());
                    }
                } else if a.class.max(b.class) != Class::Float {
                    return None;
                }
                Some(self.graph.select(mask, a.id, b.id))
            }
            "masked_fill" => {
                let (x, mask, value) = (self.float(node, 0)?, self.truth(node, 1)?, self.own(node, 2)?);
                Some(self.graph.select(mask, value.id, x))
            }
            "full_like" | "zeros_like" | "ones_like" | "full" | "zeros" | "ones" | "scalar_tensor" => {
                self.filled(node, name)
            }
            "lerp" => {
                let (a, b, w) = (self.float(node, 0)?, self.float(node, 1)?, self.float(node, 2)?);
                Some(self.lerp(a, b, w))
            }
            "addcmul" | "addcdiv" => {
                let (x, a, b) = (self.float(node, 0)?, self.float(node, 1)?, self.float(node, 2)?);
                let op = if name == "addcmul" { Binary::Mul } else { Binary::Div };
                let (both, value) = (self.graph.binary(op, a, b), self.option(node, 3, 1.0)?);
                let part = self.times(both, value);
                Some(self.graph.binary(Binary::Add, x, part))
            }
            "xlogy" => {
                let [a, b] = self.pair(node)?;
                self.xlogy(a, b)
            }
            _ => {
                let x = self.float(node, 0)?;
                self.activated(node, name, x)
            }
        }
    }

    fn filled(&mut self, node: &Node, name: &str) -> Option<Id> {
        let at = |name: &str| node.operator.arguments().position(|known| known == name);
        let given = |index: Option<usize>| index.map(|index| &node.arguments[index]);
        // Of the shape of the inputs, or a single number.
        let fits = match (given(at("size")), at("self")) {
            (Some(Arg::Ints(sizes)), _) => sizes.is_empty(),
            (None, Some(like)) => self.own(node, like)?.class == Class::Float,
            (None, None) => true,
            _ => false,
        };
        let kind = matches!(given(at("dtype")), None | Some(Arg::None | Arg::Kind(FLOAT)));
        let number = match name {
            "zeros_like" | "zeros" => 0.0,
            "ones_like" | "ones" => 1.0,
            "scalar_tensor" => self.option(node, 0, 0.0)?,
            "full"
                if !matches!(
                    (&node.arguments[1], given(at("dtype"))),
                    (Arg::Float(_), _) | (_, Some(Arg::Kind(_)))
                ) =>
            {
                return None;
            }
            _ => self.option(node, 1, 0.0)?,
        };
        (fits && kind).then(|| self.graph.constant(number))
    }

    fn clamped(&mut self, node: &Node, name: &str) -> Option<Id> {
        let x = self.float(node, 0)?;
        let mut bound = |index: Option<usize>, none: f64| match index.map(|index| &node.arguments[index]) {
            None | Some(Arg::None) => Some(self.graph.constant(none)),
            Some(_) => self.float(node, index?),
        };
        let (low, high) = match name {
            "clamp_max" => (None, Some(1)),
            "clamp_min" => (Some(1), None),
            _ => (Some(1), Some(2)),
        };
        let (low, high) = (bound(low, f64::NEG_INFINITY)?, bound(high, f64::INFINITY)?);
        Some(self.graph.clamp(x, low, high))
    }

    fn times(&mut self, x: Id, factor: f64) -> Id {
        let factor = self.graph.constant(factor);
        self.graph.binary(Binary::Mul, x, factor)
    }

    /// a·ln b, and 0 where a is 0; with a derivative by b only.
    fn xlogy(&mut self, a: Id, b: Id) -> Option<Id> {
        if self.graph.varies(a) {
            return None;
        }
        let (zero, ln) = (self.graph.constant(0.0), self.graph.unary(Unary::Ln, b));
        let product = self.graph.binary(Binary::Mul, a, ln);
        let (none, number) =
            (self.graph.binary(Binary::Equal, a, zero), self.graph.binary(Binary::Equal, b, b));
        let none = self.graph.binary(Binary::And, none, number);
        Some(self.graph.select(none, zero, product))
    }

    /// a + w·(b − a), from b on where w is at least a half.
    fn lerp(&mut self, a: Id, b: Id, w: Id) -> Id {
        let (one, half) = (self.graph.constant(1.0), self.graph.constant(0.5));
        let (between, rest) = (self.graph.binary(Binary::Sub, b, a), self.graph.binary(Binary::Sub, one, w));
        let near = self.graph.binary(Binary::Mul, w, between);
        let near = self.graph.binary(Binary::Add, a, near);
        let far = self.graph.binary(Binary::Mul, between, rest);
        let far = self.graph.binary(Binary::Sub, b, far);
        let size = self.graph.unary(Unary::Abs, w);
        let is_near = self.graph.binary(Binary::Less, size, half);
        self.graph.select(is_near, near, far)
    }

    /// What lies between two bounds, with a slope of 0 at them.
    fn bounded(&mut self, x: Id, low: f64, high: f64) -> Id {
        let (low, high) = (self.graph.constant(low), self.graph.constant(high));
        let (above, below) =
            (self.graph.binary(Binary::Less, low, x), self.graph.binary(Binary::Less, x, high));
        let inside = self.graph.binary(Binary::And, above, below);
        let clamped = self.graph.clamp(x, low, high);
        let clamped = self.graph.unary(Unary::Detach, clamped);
        self.graph.select(inside, x, clamped)
    }

    /// x above 0; below, `inner` times x as eˣ − 1, times `scale`.
    fn exponential(&mut self, x: Id, [above, inner, scale]: [f64; 3]) -> Id {
        let (zero, low) = (self.graph.constant(0.0), self.graph.constant(f64::NEG_INFINITY));
        let negative = self.graph.clamp(x, low, zero);
        let negative = self.times(negative, inner);
        let negative = self.graph.unary(Unary::ExpM1, negative);
        let (negative, positive) = (self.times(negative, scale), self.times(x, above));
        let mask = self.graph.binary(Binary::Less, zero, x);
        self.graph.select(mask, positive, negative)
    }

    /// A function of one number that is put together of others.
    fn activated(&mut self, node: &Node, name: &str, x: Id) -> Option<Id> {
        let (zero, one) = (self.graph.constant(0.0), self.graph.constant(1.0));
        Some(match name {
            "square" => {
                let two = self.graph.constant(2.0);
                self.graph.binary(Binary::Pow, x, two)
            }
            "reciprocal" => self.graph.binary(Binary::Div, one, x),
            "rsqrt" => {
                let root = self.graph.unary(Unary::Sqrt, x);
                self.graph.binary(Binary::Div, one, root)
            }
            "exp2" => {
                let scaled = self.times(x, std::f64::consts::LN_2);
                self.graph.unary(Unary::Exp, scaled)
            }
            "log2" | "log10" => {
                let ln = self.graph.unary(Unary::Ln, x);
                let base = if name == "log2" { std::f64::consts::LN_2 } else { std::f64::consts::LN_10 };
                let base = self.graph.constant(base);
                self.graph.binary(Binary::Div, ln, base)
            }
            "tan" => {
                let (sin, cos) = (self.graph.unary(Unary::Sin, x), self.graph.unary(Unary::Cos, x));
                self.graph.binary(Binary::Div, sin, cos)
            }
            "relu" => self.graph.relu(x),
            "relu6" => self.bounded(x, 0.0, 6.0),
            "hardtanh" => {
                let (low, high) = (self.option(node, 1, -1.0)?, self.option(node, 2, 1.0)?);
                self.bounded(x, low, high)
            }
            "leaky_relu" => {
                let slope = self.option(node, 1, 0.01)?;
                let (low, mask) = (self.times(x, slope), self.graph.binary(Binary::Less, zero, x));
                self.graph.select(mask, x, low)
            }
            "elu" => {
                let (alpha, scale) = (self.option(node, 1, 1.0)?, self.option(node, 2, 1.0)?);
                let inner = self.option(node, 3, 1.0)?;
                self.exponential(x, [scale, inner, alpha * scale])
            }
            "selu" => {
                let (alpha, scale) = (1.673_263_242_354_377_2, 1.050_700_987_355_480_5);
                self.exponential(x, [scale, 1.0, alpha * scale])
            }
            "celu" => {
                let alpha = self.option(node, 1, 1.0)?;
                self.exponential(x, [1.0, 1.0 / alpha, alpha])
            }
            "silu" => {
                let logistic = self.graph.unary(Unary::Sigmoid, x);
                self.graph.binary(Binary::Mul, x, logistic)
            }
            "mish" => {
                let soft = self.graph.unary(Unary::Softplus, x);
                let tanh = self.graph.unary(Unary::Tanh, soft);
                self.graph.binary(Binary::Mul, x, tanh)
            }
            "gelu" if matches!(&node.arguments[1], Arg::Text(form) if form == "tanh") => {
                let three = self.graph.constant(3.0);
                let cube = self.graph.binary(Binary::Pow, x, three);
                let cube = self.times(cube, 0.044_715);
                let inner = self.graph.binary(Binary::Add, x, cube);
                let inner = self.times(inner, (2.0 / std::f64::consts::PI).sqrt());
                let tanh = self.graph.unary(Unary::Tanh, inner);
                let (half, up) = (self.times(x, 0.5), self.graph.binary(Binary::Add, tanh, one));
                self.graph.binary(Binary::Mul, half, up)
            }
            "softplus" => {
                let (beta, threshold) = (self.option(node, 1, 1.0)?, self.option(node, 2, 20.0)?);
                let (scaled, threshold) = (self.times(x, beta), self.graph.constant(threshold));
                let far = self.graph.binary(Binary::Less, threshold, scaled);
                let soft = self.graph.unary(Unary::Softplus, scaled);
                let beta = self.graph.constant(beta);
                let soft = self.graph.binary(Binary::Div, soft, beta);
                self.graph.select(far, x, soft)
            }
            "log_sigmoid" => self.log_sigmoid(x),
            _ => return None,
        })
    }

    fn log_sigmoid(&mut self, x: Id) -> Id {
        let minus = self.graph.unary(Unary::Neg, x);
        let soft = self.graph.unary(Unary::Softplus, minus);
        self.graph.unary(Unary::Neg, soft)
    }

    /// A loss of `torch.nn.functional`, with its reduction.
    fn loss(&mut self, node: &Node, name: &str) -> Option<Value> {
        let at = node.operator.arguments().position(|name| name == "reduction")?;
        let reduction = match self.option(node, at, 1.0)? {
            0.0 => Reduction::None,
            1.0 => Reduction::Mean,
            _ => Reduction::Sum,
        };
        let (x, y) = (self.float(node, 0)?, self.float(node, 1)?);
        let d = self.graph.binary(Binary::Sub, x, y);
        let size = self.graph.unary(Unary::Abs, d);
        let (one, two) = (self.graph.constant(1.0), self.graph.constant(2.0));
        let id = match name {
            "mse_loss" => self.graph.binary(Binary::Pow, d, two),
            "l1_loss" => size,
            "huber_loss" => {
                let delta = self.option(node, 3, 1.0)?;
                let (near, edge) = (self.graph.binary(Binary::Pow, d, two), self.graph.constant(delta));
                let (near, half) = (self.times(near, 0.5), self.graph.constant(0.5 * delta));
                let far = self.graph.binary(Binary::Sub, size, half);
                let (far, mask) = (self.times(far, delta), self.graph.binary(Binary::AtMost, size, edge));
                self.graph.select(mask, near, far)
            }
            "smooth_l1_loss" => {
                let beta = self.option(node, 3, 1.0)?;
                let (near, edge) = (self.graph.binary(Binary::Pow, d, two), self.graph.constant(beta));
                let (near, half) = (self.times(near, 0.5), self.graph.constant(0.5 * beta));
                let (near, far) =
                    (self.graph.binary(Binary::Div, near, edge), self.graph.binary(Binary::Sub, size, half));
                let mask = self.graph.binary(Binary::Less, size, edge);
                if beta == 0.0 { size } else { self.graph.select(mask, near, far) }
            }
            "soft_margin_loss" => {
                let product = self.graph.binary(Binary::Mul, x, y);
                let product = self.graph.unary(Unary::Neg, product);
                let exp = self.graph.unary(Unary::Exp, product);
                self.graph.unary(Unary::Ln1P, exp)
            }
            "binary_cross_entropy_with_logits" => {
                if !matches!(node.arguments[2..4], [Arg::None, Arg::None]) {
                    return None;
                }
                let (rest, log) = (self.graph.binary(Binary::Sub, one, y), self.log_sigmoid(x));
                let product = self.graph.binary(Binary::Mul, rest, x);
                self.graph.binary(Binary::Sub, product, log)
            }
            "kl_div" => {
                let log_target = matches!(node.arguments[3], Arg::Bool(true));
                if log_target {
                    let (share, d) = (self.graph.unary(Unary::Exp, y), self.graph.unary(Unary::Neg, d));
                    self.graph.binary(Binary::Mul, share, d)
                } else {
                    let (entropy, cross) = (self.xlogy(y, y)?, self.graph.binary(Binary::Mul, y, x));
                    self.graph.binary(Binary::Sub, entropy, cross)
                }
            }
            "poisson_nll_loss" => {
                let (log_input, full) = (self.option(node, 2, 1.0)?, self.option(node, 3, 0.0)?);
                if full != 0.0 {
                    return None;
                }
                if log_input == 0.0 {
                    let eps = self.option(node, 4, 1e-8)?;
                    let eps = self.graph.constant(eps);
                    let moved = self.graph.binary(Binary::Add, x, eps);
                    let log = self.graph.unary(Unary::Ln, moved);
                    let product = self.graph.binary(Binary::Mul, y, log);
                    self.graph.binary(Binary::Sub, x, product)
                } else {
                    let (exp, product) =
                        (self.graph.unary(Unary::Exp, x), self.graph.binary(Binary::Mul, x, y));
                    self.graph.binary(Binary::Sub, exp, product)
                }
            }
            _ => return None,
        };
        Some(Value { id, class: Class::Float, reduction })
    }
}

/// The same value in another type.
fn converted(node: &Node, a: Value) -> Option<Value> {
    let at = node.operator.arguments().position(|name| name == "dtype");
    let class = match at.map(|index| &node.arguments[index]) {
        None | Some(Arg::None) => a.class,
        Some(Arg::Kind(FLOAT)) => Class::Float,
        Some(Arg::Kind(BOOL)) if a.class == Class::Bool => Class::Bool,
        _ => return None,
    };
    Some(Value { class, ..a })
}

/// Operations that formulas have under another name.
fn unary(name: &str) -> Option<Unary> {
    Some(match name {
        "abs" | "absolute" => Unary::Abs,
        "sqrt" => Unary::Sqrt,
        "exp" => Unary::Exp,
        "expm1" => Unary::ExpM1,
        "log" => Unary::Ln,
        "log1p" => Unary::Ln1P,
        "tanh" => Unary::Tanh,
        "sigmoid" => Unary::Sigmoid,
        "sin" => Unary::Sin,
        "cos" => Unary::Cos,
        "sign" | "sgn" => Unary::Sign,
        _ => return None,
    })
}
