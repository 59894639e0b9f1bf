//! A formula as a fused kernel: a list of instructions, each run over a tile of rows before the next, so
//! that choosing what to do costs little and every operation is a vector one.

use std::sync::Mutex;

use numeric::{Float, Row, Rows, rows, vectorize};

use super::graph::{Binary, Graph, Id, Node, Unary};
use super::loops::{BLOCK, Operand, choose, ready, run};
use crate::Kernel;
use crate::kernel::check_lengths;

/// Rows of a tile. The tiles of a short formula stay in the first-level cache.
pub(super) const TILE: usize = 32;

/// What an instruction does with its operands.
#[derive(Clone, Copy, Debug)]
pub(super) enum Op {
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
pub(super) struct Instruction {
    pub op: Op,
    pub to: usize,
}

/// What a formula comes to.
#[derive(Clone, Copy, Debug)]
enum Results {
    /// Value and slope.
    Ready([Operand; 2]),
    /// Both by comparing the first two: value and slope if it holds, value and slope if not. Most losses
    /// with branches end so, and need no pass of their own for it.
    Choose(Binary, [Operand; 6]),
}

/// A compiled formula.
pub(super) struct Program<F> {
    instructions: Vec<Instruction>,
    results: Results,
    /// Constants, and then the tiles.
    fresh: Rows<F>,
    /// The same, kept from call to call.
    scratch: Mutex<Rows<F>>,
}

impl<F: Float> Program<F> {
    pub fn new(graph: &Graph, value: Id, slope: Id) -> Self {
        let mut places: Vec<Option<Operand>> = vec![None; graph.len()];
        let (mut constants, mut instructions) = (Vec::new(), Vec::new());
        let roots = [value, slope];
        let shape = Shape::new(graph, roots);
        let used = shape.needed(roots);
        let ids = || graph.ids().filter(|id| used[id.index()]);
        for id in ids() {
            if let Some(value) = graph.value(id) {
                places[id.index()] = Some(Operand { row: constants.len(), stride: 0 });
                constants.extend([rows::splat(F::from_f64(value)); BLOCK]);
            }
        }
        let mut next = constants.len();
        for id in ids().filter(|id| graph.value(*id).is_none()) {
            let at = |id: Id| places[id.index()].expect("what a node uses stands before it");
            instructions.push(Instruction { op: shape.lower(id, at), to: next });
            places[id.index()] = Some(Operand { row: next, stride: 1 });
            next += TILE;
        }
        constants.resize(next, rows::zero());
        let fresh: Rows<F> = constants.into_iter().collect();
        let place = |id: Id| places[id.index()].expect("both results are needed");
        let results = match shape.choice(roots) {
            Some((op, operands)) => Results::Choose(op, operands.map(place)),
            None => Results::Ready(roots.map(place)),
        };
        Self { instructions, results, scratch: Mutex::new(fresh.clone()), fresh }
    }
}

/// A graph, seen for what becomes one instruction.
struct Shape<'a> {
    graph: &'a Graph,
    /// How many nodes take each.
    uses: Vec<usize>,
}

impl<'a> Shape<'a> {
    fn new(graph: &'a Graph, roots: [Id; 2]) -> Self {
        let used = graph.used(&roots);
        let mut uses = vec![0; graph.len()];
        let inputs = graph.ids().filter(|id| used[id.index()]).flat_map(|id| graph.node(id).inputs());
        for id in inputs.chain(roots) {
            uses[id.index()] += 1;
        }
        Self { graph, uses }
    }

    /// Nodes that need an instruction or a constant.
    fn needed(&self, roots: [Id; 2]) -> Vec<bool> {
        let graph = self.graph;
        let mut needed = vec![false; graph.len()];
        let ends = self.choice(roots).map_or(roots.to_vec(), |(_, operands)| operands.to_vec());
        for id in ends {
            needed[id.index()] = true;
        }
        for id in graph.ids().rev().filter(|id| graph.value(*id).is_none()) {
            if !needed[id.index()] {
                continue;
            }
            let inputs: Vec<Id> = match graph.node(id) {
                node if is_residual(graph, node) => vec![],
                Node::Binary(Binary::Pow, a, b) if whole(graph, b).is_some() => vec![a],
                Node::Select(mask, yes, no) => match comparison(graph, mask) {
                    Some((_, a, b)) => vec![a, b, yes, no],
                    None => vec![mask, yes, no],
                },
                node => match self.sum_with_product(node) {
                    Some(operands) => operands.to_vec(),
                    None => node.inputs().collect(),
                },
            };
            for input in inputs {
                needed[input.index()] = true;
            }
        }
        needed
    }

    fn lower(&self, id: Id, at: impl Fn(Id) -> Operand) -> Op {
        let graph = self.graph;
        match graph.node(id) {
            Node::Prediction => Op::Prediction,
            Node::Target => Op::Target,
            node if is_residual(graph, node) => Op::Residual,
            Node::Unary(op, x) => Op::Unary(op, at(x)),
            Node::Binary(op, a, b) => match (op, whole(graph, b), self.sum_with_product(graph.node(id))) {
                (Binary::Pow, Some(2), _) => Op::Binary(Binary::Mul, at(a), at(a)),
                (Binary::Pow, Some(exponent), _) => Op::Whole(exponent, at(a)),
                (_, _, Some([x, y, z])) => Op::MulAdd(at(x), at(y), at(z)),
                _ => Op::Binary(op, at(a), at(b)),
            },
            Node::Select(mask, yes, no) => match comparison(graph, mask) {
                Some((op, a, b)) => Op::Choose(op, [a, b, yes, no].map(at)),
                None => Op::Select(at(mask), at(yes), at(no)),
            },
            Node::Constant(_) => unreachable!("constants have rows and no instructions"),
        }
    }

    /// A sum with a product that nothing else takes.
    fn sum_with_product(&self, node: Node) -> Option<[Id; 3]> {
        let Node::Binary(Binary::Add, a, b) = node else { return None };
        [(a, b), (b, a)].into_iter().find_map(|(product, other)| match self.graph.node(product) {
            Node::Binary(Binary::Mul, x, y) if self.uses[product.index()] == 1 => Some([x, y, other]),
            _ => None,
        })
    }

    /// Value and slope that one comparison chooses, and that nothing else takes.
    fn choice(&self, [value, slope]: [Id; 2]) -> Option<(Binary, [Id; 6])> {
        let (Node::Select(mask, v, w), Node::Select(same, s, t)) =
            (self.graph.node(value), self.graph.node(slope))
        else {
            return None;
        };
        let (op, a, b) = comparison(self.graph, mask)?;
        let alone = self.uses[value.index()] == 1 && self.uses[slope.index()] == 1;
        (mask == same && alone).then_some((op, [a, b, v, s, w, t]))
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
            let mut row = 0;
            while row < slope.len() {
                let run = (elements - element).min(slope.len() - row);
                let slope = &mut slope[row..row + run];
                sum = match self.results {
                    Results::Ready(both) => ready(tiles, row, both, scale, sum, slope),
                    Results::Choose(op, all) => match op {
                        Binary::Less => choose(tiles, row, all, |a, b| a < b, scale, sum, slope),
                        Binary::AtMost => choose(tiles, row, all, |a, b| a <= b, scale, sum, slope),
                        Binary::Equal => choose(tiles, row, all, |a, b| a == b, scale, sum, slope),
                        _ => choose(tiles, row, all, |a, b| a != b, scale, sum, slope),
                    },
                };
                (row, element) = (row + run, element + run);
                if element == elements {
                    value[chunk] = sum.map(|sum| sum * scale);
                    (chunk, element, sum) = (chunk + 1, 0, rows::zero::<F>());
                }
            }
        }
    }
}
