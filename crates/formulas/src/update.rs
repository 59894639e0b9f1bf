//! Formulas that move numbers on, such as the update of an optimizer, as fused loops.

use std::sync::{Arc, Mutex};

use numeric::{Float, Row, Rows, rows, vectorize};

use crate::graph::{Graph, Id, Node};
use crate::instruction::{Instruction, Operand};
use crate::loops::{BLOCK, run};
use crate::program::{Shape, TILE};

/// Formulas of the [inputs](Graph::input) of a graph, one for each number that is moved on.
///
/// ```
/// use formulas::{Binary, Graph, Update};
///
/// // Momentum: v ← 0.9·v + g, p ← p − lr·v
/// let mut graph = Graph::default();
/// let [p, v, g, lr] = [0, 1, 2, 3].map(|number| graph.input(number));
/// let decay = graph.constant(0.9);
/// let kept = graph.binary(Binary::Mul, decay, v);
/// let v = graph.binary(Binary::Add, kept, g);
/// let change = graph.binary(Binary::Mul, lr, v);
/// let p = graph.binary(Binary::Sub, p, change);
/// let steps = Update::new(&graph, &[p, v], 1).steps::<f64>();
/// let (mut p, mut v) = ([[1.0; 16]; 2], [[0.0; 16]; 2]);
/// steps.step(2, &mut [&mut p, &mut v], &[&[[2.0; 16], [4.0; 16]]], &[&[[0.25; 16]]]);
/// assert_eq!((p[0][0], p[1][0], v[1][15]), (0.5, 0.0, 4.0));
/// ```
#[derive(Debug)]
pub struct Update(Arc<Program>);

#[derive(Debug)]
struct Program {
    constants: Vec<f64>,
    /// Where the inputs of every element have their tiles, by number.
    inputs: Vec<(usize, usize)>,
    /// Where those of a chunk have their rows.
    shared: Vec<(usize, usize)>,
    /// What is computed once a chunk, and for every element.
    once: Vec<Instruction>,
    each: Vec<Instruction>,
    results: Vec<Operand>,
    fixed: usize,
    rows: usize,
}

impl Update {
    /// Inputs are, by number: those that move, of which `results` are the next values; `fixed` others that have a value
    /// for every element, such as the gradient; and numbers that the elements of a lane share, such as its learning rate.
    ///
    /// # Panics
    /// If the graph has prediction or target.
    #[must_use]
    pub fn new(graph: &Graph, results: &[Id], fixed: usize) -> Self {
        let (moving, shape) = (results.len(), Shape::new(graph, results));
        let needed = shape.needed(results);
        let mut program = Program {
            constants: Vec::new(),
            inputs: Vec::new(),
            shared: Vec::new(),
            once: Vec::new(),
            each: Vec::new(),
            results: Vec::new(),
            fixed,
            rows: 0,
        };
        let mut is_shared = vec![false; graph.len()];
        for id in graph.ids() {
            is_shared[id.index()] = match graph.node(id) {
                Node::Input(number) => number as usize >= moving + fixed,
                node => node.inputs().all(|input| is_shared[input.index()]),
            };
        }
        let mut places: Vec<Option<Operand>> = vec![None; graph.len()];
        let ids = |shared: bool, constant: bool| {
            let (needed, is_shared) = (&needed, &is_shared);
            graph.ids().filter(move |id| {
                let own = is_shared[id.index()] == shared && graph.value(*id).is_some() == constant;
                needed[id.index()] && own
            })
        };
        // What all elements share first: the others come after what they use.
        for id in ids(true, true).chain(ids(true, false)).chain(ids(false, false)) {
            let shared = is_shared[id.index()];
            let at = |id: Id| places[id.index()].expect("what a node uses stands before it");
            let row = program.rows;
            match graph.node(id) {
                Node::Constant(bits) => program.constants.push(f64::from_bits(bits)),
                Node::Input(number) if shared => program.shared.push((number as usize - moving - fixed, row)),
                Node::Input(number) => program.inputs.push((number as usize, row)),
                _ if shared => program.once.push(Instruction { op: shape.lower(id, at), to: row }),
                _ => program.each.push(Instruction { op: shape.lower(id, at), to: row }),
            }
            places[id.index()] = Some(Operand { row, stride: usize::from(!shared) });
            program.rows += if shared { BLOCK } else { TILE };
        }
        program.results = results.iter().map(|id| places[id.index()].expect("it is needed")).collect();
        Self(Arc::new(program))
    }

    /// Fused loops in one float type. Those of two calls share no memory that they write to.
    #[must_use]
    pub fn steps<F: Float>(&self) -> Steps<F> {
        let constants = self.0.constants.iter().flat_map(|value| [rows::splat(F::from_f64(*value)); BLOCK]);
        let memory = constants.chain(std::iter::repeat(rows::zero())).take(self.0.rows).collect();
        Steps { program: self.0.clone(), memory: Mutex::new(memory) }
    }
}

/// An update as fused loops in one float type.
pub struct Steps<F> {
    program: Arc<Program>,
    memory: Mutex<Rows<F>>,
}

impl<F: Float> Steps<F> {
    /// Moves the numbers of every lane on.
    ///
    /// Rows come in chunks of `elements` (see [`numeric::rows`]); the slices of `shared` have a row for each chunk.
    ///
    /// # Panics
    /// If the numbers of slices aren't those of the update, or their lengths don't fit together.
    pub fn step(
        &self,
        elements: usize,
        moving: &mut [&mut [Row<F>]],
        fixed: &[&[Row<F>]],
        shared: &[&[Row<F>]],
    ) {
        let counts = (self.program.results.len(), self.program.fixed);
        assert_eq!((moving.len(), fixed.len()), counts, "numbers that move and that are fixed");
        let mut tiles = self.memory.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        vectorize(
            #[inline(always)]
            || self.program.run(&mut tiles, elements, moving, fixed, shared),
        );
    }
}

impl Program {
    #[inline(always)]
    fn run<F: Float>(
        &self,
        tiles: &mut [Row<F>],
        elements: usize,
        moving: &mut [&mut [Row<F>]],
        fixed: &[&[Row<F>]],
        shared: &[&[Row<F>]],
    ) {
        for chunk in 0..moving.first().map_or(0, |rows| rows.len() / elements) {
            for (number, row) in &self.shared {
                let own = shared[*number];
                tiles[*row..row + BLOCK].fill(own[chunk]);
            }
            for instruction in &self.once {
                run(instruction, tiles, 1, [&[], &[]]);
                let to = instruction.to;
                let own = tiles[to];
                tiles[to..to + BLOCK].fill(own);
            }
            let end = (chunk + 1) * elements;
            for from in (chunk * elements..end).step_by(TILE) {
                let own = from..end.min(from + TILE);
                for (number, row) in &self.inputs {
                    let all =
                        moving.get(*number).map_or_else(|| fixed[number - moving.len()], |rows| &**rows);
                    tiles[*row..row + own.len()].copy_from_slice(&all[own.clone()]);
                }
                for instruction in &self.each {
                    run(instruction, tiles, own.len(), [&[], &[]]);
                }
                for (result, to) in self.results.iter().zip(moving.iter_mut()) {
                    for (i, to) in to[own.clone()].iter_mut().enumerate() {
                        *to = result.at(tiles, i);
                    }
                }
            }
        }
    }
}
