//! A formula as fused loops: a list of instructions, each run over a tile of rows before the next, so
//! that choosing what to do costs little and every operation is a vector one.

use std::sync::{Arc, Mutex};

use numeric::{Float, Row, Rows, rows, vectorize};

use crate::Reduction;
use crate::graph::{Binary, Graph, Id, Node};
use crate::instruction::{Instruction, Op, Operand};
use crate::loops::{BLOCK, choose, ready, run};

/// The most rows of a tile.
const MOST_ROWS: usize = 32;
/// What all tiles together may fill of the first-level cache, in bytes.
const CACHE: usize = 24 << 10;

/// How many rows each of so many tiles has, so that they stay in the cache: whole blocks.
pub(crate) fn tile_rows(tiles: usize) -> usize {
    let rows = CACHE / size_of::<Row<f64>>() / tiles.max(1);
    (rows / BLOCK * BLOCK).clamp(BLOCK, MOST_ROWS)
}

/// The result of a formula.
#[derive(Clone, Copy, Debug)]
enum Results {
    /// Value and slope.
    Ready([Operand; 2]),
    /// Both by comparing the first two: value and slope if it holds, value and slope if not. Most losses
    /// with branches end so, and need no pass of their own for it.
    Choose(Binary, [Operand; 6]),
}

/// A compiled formula, for every float type.
#[derive(Debug)]
pub(crate) struct Program {
    instructions: Vec<Instruction>,
    results: Results,
    reduction: Reduction,
    /// The first rows, [`BLOCK`] for each.
    constants: Vec<f64>,
    /// Rows of a tile.
    tile: usize,
    /// The rows of the constants and of the tiles after them.
    rows: usize,
}

impl Program {
    /// Of value and slope.
    pub fn new(graph: &Graph, roots: [Id; 2], reduction: Reduction) -> Self {
        let mut places: Vec<Option<Operand>> = vec![None; graph.len()];
        let (mut constants, mut instructions) = (Vec::new(), Vec::new());
        let shape = Shape::new(graph, &roots);
        let choice = shape.choice(roots);
        let used = shape.needed(choice.as_ref().map_or(&roots[..], |(_, operands)| operands));
        let ids = || graph.ids().filter(|id| used[id.index()]);
        for id in ids() {
            if let Some(value) = graph.value(id) {
                places[id.index()] = Some(Operand { row: constants.len() * BLOCK, stride: 0 });
                constants.push(value);
            }
        }
        let tile = tile_rows(ids().filter(|id| graph.value(*id).is_none()).count());
        let mut rows = constants.len() * BLOCK;
        for id in ids().filter(|id| graph.value(*id).is_none()) {
            let at = |id: Id| places[id.index()].expect("what a node uses stands before it");
            instructions.push(Instruction { op: shape.lower(id, at), to: rows });
            places[id.index()] = Some(Operand { row: rows, stride: 1 });
            rows += tile;
        }
        let place = |id: Id| places[id.index()].expect("both results are needed");
        let results = match choice {
            Some((op, operands)) => Results::Choose(op, operands.map(place)),
            None => Results::Ready(roots.map(place)),
        };
        Self { instructions, results, reduction, constants, tile, rows }
    }

    /// The constants, and memory for the tiles.
    fn memory<F: Float>(&self) -> Rows<F> {
        let constants = self.constants.iter().flat_map(|value| [rows::splat(F::from_f64(*value)); BLOCK]);
        constants.chain(std::iter::repeat(rows::zero())).take(self.rows).collect()
    }
}

/// A graph, seen for what becomes one instruction.
pub(crate) struct Shape<'a> {
    graph: &'a Graph,
    /// How many nodes take each.
    uses: Vec<usize>,
}

impl<'a> Shape<'a> {
    pub fn new(graph: &'a Graph, roots: &[Id]) -> Self {
        let used = graph.used(roots);
        let mut uses = vec![0; graph.len()];
        let inputs = graph.ids().filter(|id| used[id.index()]).flat_map(|id| graph.node(id).inputs());
        for id in inputs.chain(roots.iter().copied()) {
            uses[id.index()] += 1;
        }
        Self { graph, uses }
    }

    /// Nodes that need an instruction or a constant.
    pub fn needed(&self, ends: &[Id]) -> Vec<bool> {
        let graph = self.graph;
        let mut needed = vec![false; graph.len()];
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

    /// What a node does with its operands.
    pub fn lower(&self, id: Id, at: impl Fn(Id) -> Operand) -> Op {
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
            Node::Input(_) | Node::Constant(_) => unreachable!("inputs and constants have no instructions"),
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

/// A formula as fused loops in one float type.
pub struct Loops<F> {
    program: Arc<Program>,
    /// Kept from call to call, since a formula is often of a few rows.
    memory: Mutex<Rows<F>>,
}

impl<F: Float> Loops<F> {
    pub(crate) fn new(program: Arc<Program>) -> Self {
        Self { memory: Mutex::new(program.memory()), program }
    }

    /// Whether its values are the result, so that a function of it is one of every value.
    #[must_use]
    pub fn has_values(&self) -> bool {
        self.program.reduction == Reduction::None
    }

    /// The mean value of every lane and its slope by each prediction; the sum, where the formula [ends](Reduction) in it.
    ///
    /// Rows come in chunks of `elements` (see [`numeric::rows`]): row `c·elements + e` of `prediction` and `target`
    /// holds element `e` of the lanes of chunk `c`. Writes the mean over the elements to row `c` of `value`, and its
    /// derivative by each prediction to `slope`. The lengths must fit together.
    pub fn mean(
        &self,
        elements: usize,
        prediction: &[Row<F>],
        target: &[Row<F>],
        slope: &mut [Row<F>],
        value: &mut [Row<F>],
    ) {
        // Loops run on one thread at a time; should they not, the others have memory of their own.
        let (mut kept, mut own);
        let tiles: &mut [Row<F>] = if let Ok(memory) = self.memory.try_lock() {
            kept = memory;
            &mut kept
        } else {
            own = self.program.memory();
            &mut own
        };
        vectorize(
            #[inline(always)]
            || self.program.fill(tiles, elements, prediction, target, slope, value),
        );
    }
}

impl Program {
    #[inline(always)]
    fn fill<F: Float>(
        &self,
        tiles: &mut [Row<F>],
        elements: usize,
        prediction: &[Row<F>],
        target: &[Row<F>],
        slope: &mut [Row<F>],
        value: &mut [Row<F>],
    ) {
        let count = if self.reduction == Reduction::Sum { 1 } else { elements };
        let scale = F::from_f64(1.0) / F::from_f64(count as f64);
        let (mut chunk, mut element, mut sum) = (0, 0, rows::zero::<F>());
        let inputs = prediction.chunks(self.tile).zip(target.chunks(self.tile));
        for ((prediction, target), slope) in inputs.zip(slope.chunks_mut(self.tile)) {
            for instruction in &self.instructions {
                run(instruction, tiles, slope.len(), [prediction, target]);
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
