//! A formula as a fused kernel: a list of instructions, each run over a tile of rows before the next, so
//! that choosing what to do costs little and every operation is a vector one.

use std::sync::Mutex;

use numeric::{Float, Row, Rows, rows, vectorize};

use super::graph::{Binary, Graph, Id, Node, Unary};
use super::loops::{Operand, run};
use crate::Kernel;
use crate::kernel::check_lengths;

/// Rows of a tile. The tiles of a short formula stay in the first-level cache.
pub(super) const TILE: usize = 16;

/// What an instruction does with its operands.
#[derive(Clone, Copy, Debug)]
pub(super) enum Op {
    Prediction,
    Target,
    Residual,
    Unary(Unary, Operand),
    Binary(Binary, Operand, Operand),
    /// To a power that is a whole number.
    Whole(i32, Operand),
    /// By a mask.
    Select(Operand, Operand, Operand),
    /// By comparing the first two.
    Choose(Binary, [Operand; 4]),
}

/// One operation and the row at which its tile begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Instruction {
    pub op: Op,
    pub to: usize,
}

/// A compiled formula.
pub(super) struct Program<F> {
    instructions: Vec<Instruction>,
    value: Operand,
    slope: Operand,
    /// Constants, one row each, and then the tiles.
    fresh: Rows<F>,
    /// The same, kept from call to call.
    scratch: Mutex<Rows<F>>,
}

impl<F: Float> Program<F> {
    pub fn new(graph: &Graph, value: Id, slope: Id) -> Self {
        let mut places: Vec<Option<Operand>> = vec![None; graph.len()];
        let (mut constants, mut instructions) = (Vec::new(), Vec::new());
        let used = needed(graph, [value, slope]);
        let ids = || graph.ids().filter(|id| used[id.index()]);
        for id in ids() {
            if let Some(value) = graph.value(id) {
                places[id.index()] = Some(Operand { row: constants.len(), stride: 0 });
                constants.push(rows::splat(F::from_f64(value)));
            }
        }
        let mut next = constants.len();
        for id in ids().filter(|id| graph.value(*id).is_none()) {
            let at = |id: Id| places[id.index()].expect("what a node uses stands before it");
            instructions.push(Instruction { op: lower(graph, id, at), to: next });
            places[id.index()] = Some(Operand { row: next, stride: 1 });
            next += TILE;
        }
        constants.resize(next, rows::zero());
        let fresh: Rows<F> = constants.into_iter().collect();
        let place = |id: Id| places[id.index()].expect("both results are needed");
        let (value, slope) = (place(value), place(slope));
        Self { instructions, value, slope, scratch: Mutex::new(fresh.clone()), fresh }
    }
}

/// Nodes that need an instruction or a constant.
fn needed(graph: &Graph, roots: [Id; 2]) -> Vec<bool> {
    let mut needed = vec![false; graph.len()];
    for root in roots {
        needed[root.index()] = true;
    }
    for id in graph.ids().rev() {
        if needed[id.index()] {
            let mut need = |id: Id| needed[id.index()] = true;
            match graph.node(id) {
                node if is_residual(graph, node) => {}
                Node::Binary(Binary::Pow, a, b) if whole(graph, b).is_some() => need(a),
                Node::Select(mask, yes, no) => match comparison(graph, mask) {
                    Some((_, a, b)) => [a, b, yes, no].into_iter().for_each(need),
                    None => [mask, yes, no].into_iter().for_each(need),
                },
                node => node.inputs().for_each(need),
            }
        }
    }
    needed
}

fn lower(graph: &Graph, id: Id, at: impl Fn(Id) -> Operand) -> Op {
    match graph.node(id) {
        Node::Prediction => Op::Prediction,
        Node::Target => Op::Target,
        node if is_residual(graph, node) => Op::Residual,
        Node::Unary(op, x) => Op::Unary(op, at(x)),
        Node::Binary(Binary::Pow, x, exponent) if whole(graph, exponent).is_some() => {
            match whole(graph, exponent) {
                Some(2) => Op::Binary(Binary::Mul, at(x), at(x)),
                other => Op::Whole(other.expect("just seen"), at(x)),
            }
        }
        Node::Binary(op, a, b) => Op::Binary(op, at(a), at(b)),
        Node::Select(mask, yes, no) => match comparison(graph, mask) {
            Some((op, a, b)) => Op::Choose(op, [a, b, yes, no].map(at)),
            None => Op::Select(at(mask), at(yes), at(no)),
        },
        Node::Constant(_) => unreachable!("constants have rows and no instructions"),
    }
}

fn is_residual(graph: &Graph, node: Node) -> bool {
    let Node::Binary(Binary::Sub, a, b) = node else { return false };
    (graph.node(a), graph.node(b)) == (Node::Prediction, Node::Target)
}

/// An exponent that a few multiplications reach.
fn whole(graph: &Graph, exponent: Id) -> Option<i32> {
    graph.value(exponent).filter(|n| n.fract() == 0.0 && n.abs() <= 32.0).map(|n| n as i32)
}

/// A mask that is one comparison, which a choice can make itself.
fn comparison(graph: &Graph, mask: Id) -> Option<(Binary, Id, Id)> {
    match graph.node(mask) {
        Node::Binary(op @ (Binary::Less | Binary::AtMost | Binary::Equal | Binary::Unequal), a, b) => {
            Some((op, a, b))
        }
        _ => None,
    }
}

impl<F: Float> Kernel<F> for Program<F> {
    fn mean(
        &self,
        elements: usize,
        prediction: &[Row<F>],
        target: &[Row<F>],
        slope: &mut [Row<F>],
        value: &mut [Row<F>],
    ) {
        check_lengths(elements, prediction, target, slope, value);
        // A kernel runs on one thread at a time; should it not, the others have tiles of their own.
        let (mut kept, mut own);
        let tiles: &mut [Row<F>] = if let Ok(scratch) = self.scratch.try_lock() {
            kept = scratch;
            &mut kept
        } else {
            own = self.fresh.clone();
            &mut own
        };
        vectorize(
            #[inline(always)]
            || self.fill(tiles, elements, prediction, target, slope, value),
        );
    }
}

impl<F: Float> Program<F> {
    #[inline(always)]
    fn fill(
        &self,
        tiles: &mut [Row<F>],
        elements: usize,
        prediction: &[Row<F>],
        target: &[Row<F>],
        slope: &mut [Row<F>],
        value: &mut [Row<F>],
    ) {
        let scale = F::from_f64(1.0) / F::from_f64(elements as f64);
        let (mut chunk, mut element, mut sum) = (0, 0, rows::zero::<F>());
        let inputs = prediction.chunks(TILE).zip(target.chunks(TILE));
        for ((prediction, target), slope) in inputs.zip(slope.chunks_mut(TILE)) {
            for instruction in &self.instructions {
                run(instruction, tiles, prediction, target);
            }
            for (i, slope) in slope.iter_mut().enumerate() {
                let (v, s) = (self.value.at(tiles, i), self.slope.at(tiles, i));
                let mut scaled = rows::zero::<F>();
                for lane in 0..sum.len() {
                    sum[lane] += v[lane];
                    scaled[lane] = s[lane] * scale;
                }
                *slope = scaled;
                element += 1;
                if element == elements {
                    value[chunk] = sum.map(|sum| sum * scale);
                    (chunk, element, sum) = (chunk + 1, 0, rows::zero::<F>());
                }
            }
        }
    }
}
