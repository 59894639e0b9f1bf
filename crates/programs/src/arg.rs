//! The arguments of an operator, as a graph has them.

use std::fmt::Debug;
use std::sync::Arc;

use crate::value::{Context, Value};

/// Where a value lies while a graph is evaluated.
pub(crate) type Slot = usize;

/// An argument of an operator.
#[derive(Debug)]
pub(crate) enum Arg {
    None,
    Slot(Slot),
    Slots(Vec<Option<Slot>>),
    Int(i64),
    Ints(Vec<Size>),
    Float(f64),
    Floats(Vec<f64>),
    Complex(f64, f64),
    Bool(bool),
    Text(String),
    /// A number type, as the schema counts them.
    Kind(u64),
    Graph(Arc<dyn Inner>),
}

/// A size that is known, or is the result of a node.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Size {
    Known(i64),
    Slot(Slot),
}

impl Arg {
    /// The slots that it reads.
    pub fn slots(&self) -> Vec<Slot> {
        match self {
            Self::Slot(slot) => vec![*slot],
            Self::Slots(slots) => slots.iter().flatten().copied().collect(),
            Self::Ints(sizes) => {
                let slot = |size: &Size| if let Size::Slot(slot) = size { Some(*slot) } else { None };
                sizes.iter().filter_map(slot).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// A graph inside a graph, which an operator may evaluate.
pub(crate) trait Inner: Debug + Send + Sync {
    /// What it returns; it panics where an operator refuses.
    fn run(&self, inputs: Vec<Value>, context: &Context) -> Vec<Value>;

    /// How many operators it has.
    fn size(&self) -> usize;

    /// Whether it may draw random numbers.
    fn is_random(&self) -> bool;
}
