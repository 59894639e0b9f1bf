//! A call of an operator: its arguments, in the form that its rule for lanes asks for.

use tch::{Kind, Scalar, Tensor};

use crate::arg::{Arg, Inner, Size};
use crate::lanes::Lanes;
use crate::value::{Context, Number, Value};

/// What an operator is called with. Tensors have the dimension of the lanes first where any of them has it
/// ([`shift`](Self::shift)); the numbers of dimensions are moved along with it.
pub(crate) struct Call<'a> {
    /// The name of the node.
    pub name: &'a str,
    pub arguments: &'a [Arg],
    pub values: &'a [Option<Value>],
    pub context: &'a Context<'a>,
    /// 1 where tensors have the dimension of the lanes first.
    pub shift: i64,
    /// Where tensors are to be broadcast: the most dimensions of any of them. Else 0.
    pub rank: usize,
    /// The only lane that is meant.
    pub lane: Option<usize>,
    /// The first argument, with the lanes folded into its first dimension.
    pub folded: Option<Tensor>,
    /// Whether integers are made floats of the run.
    pub promoted: bool,
}

/// What an operator returns.
pub(crate) enum Out {
    One(Tensor),
    Many(Vec<Tensor>),
    Number(Value),
    Values(Vec<Value>),
}

impl From<Tensor> for Out {
    fn from(tensor: Tensor) -> Self {
        Self::One(tensor)
    }
}

impl From<Vec<Tensor>> for Out {
    fn from(tensors: Vec<Tensor>) -> Self {
        Self::Many(tensors)
    }
}

impl From<(Tensor, Tensor)> for Out {
    fn from((a, b): (Tensor, Tensor)) -> Self {
        Self::Many(vec![a, b])
    }
}

impl From<(Tensor, Tensor, Tensor)> for Out {
    fn from((a, b, c): (Tensor, Tensor, Tensor)) -> Self {
        Self::Many(vec![a, b, c])
    }
}

impl From<Value> for Out {
    fn from(value: Value) -> Self {
        Self::Number(value)
    }
}

impl<'a> Call<'a> {
    fn arg(&self, index: usize) -> &'a Arg {
        &self.arguments[index]
    }

    /// The value of an argument; `None` where it isn't one.
    pub fn value(&self, index: usize) -> Option<&'a Value> {
        if let Arg::Slot(slot) = self.arg(index) { Some(self.at(*slot)) } else { None }
    }

    fn at(&self, slot: usize) -> &'a Value {
        self.values[slot].as_ref().expect("a value lives until its last use")
    }

    fn lanes(&self, index: usize) -> Option<&'a Lanes> {
        match self.value(index) {
            Some(Value::Tensor(lanes)) => Some(lanes),
            _ => None,
        }
    }

    /// A tensor as it is.
    pub fn lanes_of(&self, index: usize) -> &'a Lanes {
        self.lanes(index).unwrap_or_else(|| panic!("argument {index} is no tensor"))
    }

    /// Whether an argument is given.
    pub fn has(&self, index: usize) -> bool {
        !matches!(self.arg(index), Arg::None)
    }

    fn formed(&self, lanes: &Lanes) -> Tensor {
        if let Some(lane) = self.lane {
            return lanes.lane(lane);
        }
        match lanes {
            Lanes::Shared(tensor) if self.shift == 1 && self.rank == 0 => tensor.unsqueeze(0),
            Lanes::Together(tensor) if self.rank >= tensor.dim() => {
                let size = tensor.size();
                let ones = std::iter::repeat_n(1, self.rank + 1 - tensor.dim());
                let sizes: Vec<i64> =
                    size[..1].iter().copied().chain(ones).chain(size[1..].iter().copied()).collect();
                tensor.reshape(sizes)
            }
            Lanes::Shared(tensor) | Lanes::Together(tensor) => tensor.shallow_clone(),
            Lanes::Apart(_) => unreachable!("lanes of unlike shapes are called one by one"),
        }
    }

    /// A tensor, or a number as one.
    pub fn tensor(&self, index: usize) -> Tensor {
        if let (0, Some(folded)) = (index, &self.folded) {
            return folded.shallow_clone();
        }
        if let Some(lanes) = self.lanes(index) {
            let tensor = self.formed(lanes);
            let whole = self.promoted && matches!(tensor.kind(), Kind::Int64 | Kind::Int | Kind::Bool);
            return if whole { tensor.to_kind(self.context.kind) } else { tensor };
        }
        if let Arg::Complex(real, imaginary) = self.arg(index) {
            let part = |number: f64| Tensor::from(number).to_kind(self.context.kind);
            return Tensor::complex(&part(*real), &part(*imaginary));
        }
        match self.scalar(index) {
            Number::Int(number) => Tensor::from(number),
            Number::Float(number) => Tensor::from(number).to_kind(self.context.kind),
            Number::Bool(truth) => Tensor::from(truth),
        }
    }

    /// A tensor, if there is one.
    pub fn option(&self, index: usize) -> Option<Tensor> {
        self.has(index).then(|| self.tensor(index))
    }

    /// The tensors of a list.
    pub fn tensors(&self, index: usize) -> Vec<Tensor> {
        self.options(index).into_iter().flatten().collect()
    }

    /// The tensors of a list, some of which may not be there.
    pub fn options(&self, index: usize) -> Vec<Option<Tensor>> {
        let Arg::Slots(slots) = self.arg(index) else { return Vec::new() };
        let form = |slot: &Option<usize>| match self.at((*slot)?) {
            Value::Tensor(lanes) => Some(self.formed(lanes)),
            number @ Value::Number(_) => Some(number.to_tensor(self.context.kind)),
        };
        slots.iter().map(form).collect()
    }

    /// How many dimensions a tensor has, that of the lanes apart.
    pub fn rank_of(&self, index: usize) -> i64 {
        self.lanes(index).map_or(0, Lanes::rank) as i64
    }

    /// Whether an argument is a tensor, or a number that only a tensor can hold.
    pub fn is_tensor(&self, index: usize) -> bool {
        self.lanes(index).is_some() || matches!(self.arg(index), Arg::Complex(..))
    }

    /// Whether an argument has a tensor a lane, in this call.
    pub fn has_lanes(&self, index: usize) -> bool {
        self.lane.is_none() && self.lanes(index).is_some_and(|lanes| !lanes.is_shared())
    }

    /// A number.
    pub fn scalar(&self, index: usize) -> Number {
        match self.arg(index) {
            Arg::Int(number) => Number::Int(*number),
            Arg::Float(number) => Number::Float(*number),
            Arg::Bool(truth) => Number::Bool(*truth),
            Arg::Slot(slot) => self.at(*slot).number(),
            other => panic!("argument {index} is {other:?}, and a number is needed"),
        }
    }

    /// A number as libtorch takes it.
    pub fn number(&self, index: usize) -> Scalar {
        match self.scalar(index) {
            Number::Int(number) => number.into(),
            Number::Float(number) => number.into(),
            Number::Bool(truth) => i64::from(truth).into(),
        }
    }

    /// An integer, or what it is by default.
    pub fn int_or(&self, index: usize, default: i64) -> i64 {
        if self.has(index) { self.scalar(index).to_int() } else { default }
    }

    /// An integer.
    pub fn int(&self, index: usize) -> i64 {
        self.scalar(index).to_int()
    }

    /// A float, or what it is by default.
    pub fn float_or(&self, index: usize, default: f64) -> f64 {
        if self.has(index) { self.scalar(index).to_float() } else { default }
    }

    /// A float.
    pub fn float(&self, index: usize) -> f64 {
        self.scalar(index).to_float()
    }

    /// Whether something is so; not where it isn't said.
    pub fn bool(&self, index: usize) -> bool {
        self.bool_or(index, false)
    }

    /// Whether something is so.
    pub fn bool_or(&self, index: usize, default: bool) -> bool {
        if self.has(index) { self.scalar(index).to_int() != 0 } else { default }
    }

    /// A text.
    pub fn text(&self, index: usize) -> &'a str {
        if let Arg::Text(text) = self.arg(index) { text } else { "" }
    }

    /// A graph.
    pub fn graph(&self, index: usize) -> &'a dyn Inner {
        let Arg::Graph(graph) = self.arg(index) else { panic!("argument {index} is no graph") };
        &**graph
    }

    /// Integers, which may be a single one.
    pub fn ints(&self, index: usize) -> Vec<i64> {
        let known = |size: &Size| match size {
            Size::Known(number) => *number,
            Size::Slot(slot) => self.at(*slot).number().to_int(),
        };
        match self.arg(index) {
            Arg::None => Vec::new(),
            Arg::Ints(sizes) => sizes.iter().map(known).collect(),
            _ => vec![self.int(index)],
        }
    }

    /// The product of integers, those that aren't positive left out; 1 where there are none.
    pub fn count(&self, index: usize) -> f64 {
        let is_number = match self.arg(index) {
            Arg::Int(_) | Arg::Ints(_) => true,
            Arg::Slot(_) => matches!(self.value(index), Some(Value::Number(_))),
            _ => false,
        };
        let sizes = if is_number { self.ints(index) } else { Vec::new() };
        sizes.into_iter().filter(|size| *size > 0).map(|size| size as f64).product()
    }

    /// Floats.
    pub fn floats(&self, index: usize) -> Option<Vec<f64>> {
        match self.arg(index) {
            Arg::Floats(numbers) => Some(numbers.clone()),
            Arg::Ints(_) => Some(self.ints(index).into_iter().map(|number| number as f64).collect()),
            _ => None,
        }
    }

    /// A number type. The floats that a program was exported in are those of the run.
    pub fn kind(&self, index: usize) -> Option<Kind> {
        if let Arg::Kind(number) = self.arg(index) { Some(kind_of(*number, self.context.kind)) } else { None }
    }

    /// The type of a new tensor of floats, or what is asked for.
    pub fn float_kind(&self, index: usize) -> Kind {
        self.kind(index).unwrap_or(self.context.kind)
    }

    /// The number of a dimension of the first argument, counted from the front with the lanes.
    pub fn dim(&self, index: usize) -> i64 {
        self.dim_of(self.int(index), self.rank_of(0))
    }

    /// As [`dim`](Self::dim), with a default.
    pub fn dim_or(&self, index: usize, default: i64) -> i64 {
        self.dim_of(self.int_or(index, default), self.rank_of(0))
    }

    /// A dimension of a tensor of so many, counted from the front with the lanes.
    pub fn dim_of(&self, dim: i64, rank: i64) -> i64 {
        // A tensor without dimensions takes 0 and −1 for one.
        let rank = rank.max(1);
        assert!((-rank..rank).contains(&dim), "dimension {dim} of a tensor that has {rank}");
        (if dim < 0 { dim + rank } else { dim }) + self.shift
    }

    /// Dimensions of the first argument; all of them where none are given.
    pub fn dims(&self, index: usize) -> Vec<i64> {
        let rank = self.rank_of(0);
        let given = self.ints(index);
        if given.is_empty() {
            return (self.shift..rank + self.shift).collect();
        }
        if rank == 0 && self.shift == 1 {
            return Vec::new();
        }
        given.into_iter().map(|dim| self.dim_of(dim, rank)).collect()
    }

    /// A shape, with the lanes before it.
    pub fn shape(&self, index: usize) -> Vec<i64> {
        self.with_lanes(self.ints(index))
    }

    /// A tensor that has the dimension of the lanes, as long in it as there are lanes.
    pub fn spread(&self, tensor: Tensor) -> Tensor {
        let lanes = self.context.lanes as i64;
        if self.shift == 0 || tensor.size()[0] == lanes {
            return tensor;
        }
        let sizes: Vec<i64> = [lanes].into_iter().chain(tensor.size()[1..].iter().copied()).collect();
        tensor.expand(sizes, false)
    }

    /// A shape with the lanes before it, if there are any here.
    pub fn with_lanes(&self, shape: Vec<i64>) -> Vec<i64> {
        if self.shift == 1 { [self.context.lanes as i64].into_iter().chain(shape).collect() } else { shape }
    }
}

/// The type that the schema has this number for.
pub(crate) fn kind_of(number: u64, floats: Kind) -> Kind {
    match number {
        1 => Kind::Uint8,
        2 => Kind::Int8,
        3 => Kind::Int16,
        4 => Kind::Int,
        5 => Kind::Int64,
        6 => Kind::Half,
        7 => floats,
        8 => Kind::Double,
        9 => Kind::ComplexHalf,
        10 => {
            if floats == Kind::Double {
                Kind::ComplexDouble
            } else {
                Kind::ComplexFloat
            }
        }
        11 => Kind::ComplexDouble,
        12 => Kind::Bool,
        13 => Kind::BFloat16,
        other => panic!("number type {other} of PyTorch isn't known here"),
    }
}
