//! What a compiled formula does, one operation after another.

use crate::graph::{Binary, Unary};

/// Where a row of an operand is: in a tile, or always the same row, of a constant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operand {
    pub row: usize,
    pub stride: usize,
}

/// What an instruction does with its operands.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    Prediction,
    Target,
    Residual,
    Unary(Unary, Operand),
    Binary(Binary, Operand, Operand),
    /// The product of the first two plus the third, rounded twice.
    MulAdd(Operand, Operand, Operand),
    /// To a power that is a whole number.
    Whole(i32, Operand),
    /// By a mask.
    Select(Operand, Operand, Operand),
    /// By comparing the first two.
    Choose(Binary, [Operand; 4]),
}

/// One operation and the row at which its tile begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Instruction {
    pub op: Op,
    pub to: usize,
}
