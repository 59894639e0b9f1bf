//! The values of an evaluation, and what all of it knows.

use std::cell::Cell;
use std::sync::Arc;

use tch::{Kind, Tensor};

use crate::draws::Draws;
use crate::lanes::Lanes;

/// The most numbers that a value may have, those of all lanes: 4 GiB in float32.
pub(crate) const MOST_NUMBERS: f64 = (1_u64 << 30) as f64;
/// And those of one lane.
const MOST_OF_A_LANE: f64 = (1_u64 << 27) as f64;

/// What can't be computed for all lanes together, and can for each.
pub(crate) const LANES_DIFFER: &str = "a number that differs between lanes is used as a size or an option";

/// A value of a graph.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Tensor(Lanes),
    Number(Number),
}

impl Value {
    pub fn number(&self) -> Number {
        match self {
            Self::Number(number) => *number,
            Self::Tensor(lanes) => {
                assert!(lanes.is_shared(), "{LANES_DIFFER}");
                let tensor = lanes.any();
                match tensor.kind() {
                    Kind::Bool => Number::Bool(tensor.int64_value(&[]) != 0),
                    kind if kind == Kind::Int64 || kind == Kind::Int => Number::Int(tensor.int64_value(&[])),
                    _ => Number::Float(tensor.double_value(&[])),
                }
            }
        }
    }

    pub fn to_tensor(&self, kind: Kind) -> Tensor {
        match self {
            Self::Tensor(lanes) => lanes.any().shallow_clone(),
            Self::Number(Number::Int(number)) => Tensor::from(*number),
            Self::Number(Number::Float(number)) => Tensor::from(*number).to_kind(kind),
            Self::Number(Number::Bool(truth)) => Tensor::from(*truth),
        }
    }
}

impl From<Tensor> for Value {
    fn from(tensor: Tensor) -> Self {
        Self::Tensor(Lanes::Shared(tensor))
    }
}

/// What all operators of an evaluation know.
pub(crate) struct Context<'a> {
    /// The floats of the run.
    pub kind: Kind,
    pub lanes: usize,
    pub draws: &'a dyn Draws,
    /// The operator at work, for messages.
    pub at: Cell<Option<(&'static str, Arc<str>)>>,
}

impl<'a> Context<'a> {
    pub fn new(kind: Kind, lanes: usize, draws: &'a dyn Draws) -> Self {
        Self { kind, lanes, draws, at: Cell::new(None) }
    }

    /// Refuses a value of so many numbers.
    ///
    /// # Panics
    /// If there are too many.
    pub fn room_for(&self, numbers: f64) {
        let most = (MOST_OF_A_LANE * self.lanes as f64).min(MOST_NUMBERS);
        assert!(
            numbers <= most,
            "its result has {numbers} numbers, and a value may have {most}: take fewer rows at once"
        );
    }
}

/// A number of a graph.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Number {
    Int(i64),
    Float(f64),
    Bool(bool),
}

impl Number {
    pub(crate) fn to_int(self) -> i64 {
        match self {
            Self::Int(number) => number,
            Self::Float(number) => number as i64,
            Self::Bool(truth) => truth.into(),
        }
    }

    pub(crate) fn to_float(self) -> f64 {
        match self {
            Self::Int(number) => number as f64,
            Self::Float(number) => number,
            Self::Bool(truth) => f64::from(u8::from(truth)),
        }
    }
}
