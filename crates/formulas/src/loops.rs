//! The loops of a formula's instructions over the rows of a tile.

use numeric::{Float, LANES, Row, rows};

use crate::graph::{Binary, Unary};
use crate::instruction::{Instruction, Op, Operand};

/// Rows that a loop takes at once. A constant has so many equal rows.
pub(crate) const BLOCK: usize = 4;

impl Operand {
    #[inline(always)]
    pub fn at<F: Float>(self, tiles: &[Row<F>], row: usize) -> Row<F> {
        tiles[self.row + self.stride * row]
    }

    /// So many rows from `row` on, found with one check.
    #[inline(always)]
    fn block<F: Float>(self, tiles: &[Row<F>], row: usize) -> &[Row<F>; BLOCK] {
        let from = self.row + self.stride * row;
        tiles[from..from + BLOCK].first_chunk().expect("the slice has this length")
    }
}

/// Runs one instruction over so many rows, which are those of prediction and target.
#[inline(always)]
pub(crate) fn run<F: Float>(
    instruction: &Instruction,
    tiles: &mut [Row<F>],
    rows: usize,
    [prediction, target]: [&[Row<F>]; 2],
) {
    let (before, own) = tiles.split_at_mut(instruction.to);
    let to = &mut own[..rows];
    let before = &*before;
    match instruction.op {
        Op::Prediction => to.copy_from_slice(prediction),
        Op::Target => to.copy_from_slice(target),
        Op::Residual => {
            for ((to, p), t) in to.iter_mut().zip(prediction).zip(target) {
                let (p, t, mut d) = (*p, *t, rows::zero::<F>());
                for lane in 0..LANES {
                    d[lane] = p[lane] - t[lane];
                }
                *to = d;
            }
        }
        Op::Unary(op, x) => unary(op, to, before, x),
        Op::Binary(op, a, b) => binary(op, to, before, [a, b]),
        Op::Whole(exponent, x) => each1(to, before, [x], |x| power(x, exponent)),
        Op::MulAdd(x, y, z) => each3(to, before, [x, y, z], |x, y, z| x * y + z),
        Op::Select(mask, yes, no) => {
            each3(to, before, [mask, yes, no], |mask, yes, no| if mask == F::default() { no } else { yes });
        }
        Op::Choose(op, all) => match op {
            Binary::Less => each4(to, before, all, |a, b, yes, no| if a < b { yes } else { no }),
            Binary::AtMost => each4(to, before, all, |a, b, yes, no| if a <= b { yes } else { no }),
            Binary::Equal => each4(to, before, all, |a, b, yes, no| if a == b { yes } else { no }),
            _ => each4(to, before, all, |a, b, yes, no| if a == b { no } else { yes }),
        },
    }
}

/// One match outside the loop, so that each loop is of one operation.
macro_rules! dispatch {
    ($each:ident, $op:ident, $to:ident, $before:ident, $operands:expr, $args:tt, $($Kind:ident::$Op:ident)*) => {
        match $op {
            $($Kind::$Op => $each($to, $before, $operands, dispatch!(@apply $Kind::$Op, $args))),*
        }
    };
    (@apply $Kind:ident::$Op:ident, ($($x:ident),*)) => { |$($x),*| $Kind::$Op.apply($($x),*) };
}

#[inline(always)]
fn unary<F: Float>(op: Unary, to: &mut [Row<F>], before: &[Row<F>], x: Operand) {
    dispatch!(each1, op, to, before, [x], (x),
        Unary::Neg Unary::Abs Unary::Sqrt Unary::Exp Unary::ExpM1 Unary::Ln Unary::Ln1P Unary::Tanh
        Unary::Sigmoid Unary::Softplus Unary::Sin Unary::Cos Unary::Sign Unary::Detach
        Unary::Not);
}

#[inline(always)]
fn binary<F: Float>(op: Binary, to: &mut [Row<F>], before: &[Row<F>], operands: [Operand; 2]) {
    dispatch!(each2, op, to, before, operands, (a, b),
        Binary::Add Binary::Sub Binary::Mul Binary::Div Binary::Pow Binary::Less Binary::AtMost Binary::Equal
        Binary::Unequal Binary::And Binary::Or);
}

/// Loops over all rows, lane by lane. Whole rows by value: nothing aliases, so the inner loop becomes
/// vector code.
macro_rules! each {
    ($name:ident, $($x:ident),*) => {
        #[inline(always)]
        fn $name<F: Float>(
            to: &mut [Row<F>],
            before: &[Row<F>],
            [$($x),*]: [Operand; each!(@count $($x)*)],
            work: impl Fn($(each!(@float $x)),*) -> F,
        ) {
            let (blocks, rest) = to.as_chunks_mut::<BLOCK>();
            for (i, to) in blocks.iter_mut().enumerate() {
                $(let $x = $x.block(before, i * BLOCK);)*
                for row in 0..BLOCK {
                    $(let $x = $x[row];)*
                    let mut result = rows::zero::<F>();
                    for lane in 0..LANES {
                        result[lane] = work($($x[lane]),*);
                    }
                    to[row] = result;
                }
            }
            let done = blocks.len() * BLOCK;
            for (i, to) in rest.iter_mut().enumerate() {
                $(let $x = $x.at(before, done + i);)*
                let mut result = rows::zero::<F>();
                for lane in 0..LANES {
                    result[lane] = work($($x[lane]),*);
                }
                *to = result;
            }
        }
    };
    (@count $($x:ident)*) => { 0 $(+ each!(@one $x))* };
    (@one $x:ident) => { 1 };
    (@float $x:ident) => { F };
}
each!(each1, a);
each!(each2, a, b);
each!(each3, a, b, c);
each!(each4, a, b, c, d);

/// A whole power by squaring.
#[inline(always)]
fn power<F: Float>(x: F, exponent: i32) -> F {
    let (mut rest, mut square, mut result) = (exponent.unsigned_abs(), x, F::from_f64(1.0));
    while rest > 0 {
        if rest % 2 == 1 {
            result = result * square;
        }
        square = square * square;
        rest /= 2;
    }
    if exponent < 0 { F::from_f64(1.0) / result } else { result }
}

/// Scales the slopes of some rows of one chunk, and adds the values to its sum.
#[inline(always)]
pub(crate) fn ready<F: Float>(
    tiles: &[Row<F>],
    row: usize,
    [value, slope]: [Operand; 2],
    scale: F,
    mut sum: Row<F>,
    to: &mut [Row<F>],
) -> Row<F> {
    for (i, to) in to.iter_mut().enumerate() {
        let (v, s) = (value.at(tiles, row + i), slope.at(tiles, row + i));
        let mut scaled = rows::zero::<F>();
        for lane in 0..LANES {
            sum[lane] += v[lane];
            scaled[lane] = s[lane] * scale;
        }
        *to = scaled;
    }
    sum
}

/// The same of what a comparison chooses.
#[inline(always)]
pub(crate) fn choose<F: Float>(
    tiles: &[Row<F>],
    row: usize,
    operands: [Operand; 6],
    holds: impl Fn(F, F) -> bool,
    scale: F,
    mut sum: Row<F>,
    to: &mut [Row<F>],
) -> Row<F> {
    let [a, b, v, s, w, t] = operands;
    for (i, to) in to.iter_mut().enumerate() {
        let i = row + i;
        let (a, b) = (a.at(tiles, i), b.at(tiles, i));
        let (v, s, w, t) = (v.at(tiles, i), s.at(tiles, i), w.at(tiles, i), t.at(tiles, i));
        let (mut chosen, mut scaled) = (rows::zero::<F>(), rows::zero::<F>());
        // Compared twice: a truth value that two loops share would be packed into a byte and unpacked.
        for lane in 0..LANES {
            chosen[lane] = if holds(a[lane], b[lane]) { v[lane] } else { w[lane] };
        }
        for lane in 0..LANES {
            scaled[lane] = if holds(a[lane], b[lane]) { s[lane] } else { t[lane] } * scale;
        }
        for lane in 0..LANES {
            sum[lane] += chosen[lane];
        }
        *to = scaled;
    }
    sum
}
