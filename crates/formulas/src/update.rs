//! Formulas that move numbers on, such as the update of an optimizer, as fused loops.

use std::sync::{Arc, Mutex};

use numeric::{Float, Row, Rows, rows, vectorize};

use crate::graph::{Graph, Id, Node};
use crate::instruction::{Instruction, Operand};
use crate::loops::{BLOCK, run};
use crate::program::{Shape, tile_rows};

/// Formulas of the [inputs](Graph::input) of a graph, one for each number that is moved on.
///
/// ```
/// use formulas::{Binary, Graph, Update};
///
/// // Momentum: v ← decay·v + g, p ← p − lr·v
/// let mut graph = Graph::default();
/// let [p, v, g, lr, decay] = [0, 1, 2, 3, 4].map(|number| graph.input(number));
/// let kept = graph.binary(Binary::Mul, decay, v);
/// let v = graph.binary(Binary::Add, kept, g);
/// let change = graph.binary(Binary::Mul, lr, v);
/// let p = graph.binary(Binary::Sub, p, change);
/// let steps = Update::new(&graph, &[p, v], [1, 1]).steps::<f64>();
/// let (mut p, mut v) = ([[1.0; 16]; 2], [[0.0; 16]; 2]);
/// steps.step(2, &mut [&mut p, &mut v], &[&[[2.0; 16], [4.0; 16]]], &[&[[0.25; 16]]], &[0.9]);
/// assert_eq!((p[0][0], p[1][0], v[1][15]), (0.5, 0.0, 4.0));
/// ```
#[derive(Debug)]
pub struct Update(Arc<Program>);

#[derive(Debug)]
struct Program {
    constants: Vec<f64>,
    /// Where inputs of each [`Level`] have their rows, by number among them.
    inputs: [Vec<(usize, usize)>; 3],
    /// What is computed at each level.
    instructions: [Vec<Instruction>; 3],
    results: Vec<Operand>,
    fixed: usize,
    /// Rows of a tile.
    tile: usize,
    rows: usize,
}

/// How often something is computed: once a call, for every chunk of lanes, or for every element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Call,
    Chunk,
    Element,
}

impl Update {
    /// Inputs are, by number: those that move, of which `results` are the next values; `fixed` others that have a value
    /// for every element, such as the gradient; `shared` ones that all elements of a lane share, such as its learning rate;
    /// and numbers.
    ///
    /// # Panics
    /// If the graph has prediction or target.
    #[must_use]
    pub fn new(graph: &Graph, results: &[Id], [fixed, shared]: [usize; 2]) -> Self {
        let shape = Shape::new(graph, results);
        let needed = shape.needed(results);
        let (of_element, of_lane) = (results.len() + fixed, results.len() + fixed + shared);
        let mut levels = vec![Level::Call; graph.len()];
        for id in graph.ids() {
            levels[id.index()] = match graph.node(id) {
                Node::Input(number) if (number as usize) < of_element => Level::Element,
                Node::Input(number) if (number as usize) < of_lane => Level::Chunk,
                node => node.inputs().map(|input| levels[input.index()]).max().unwrap_or(Level::Call),
            };
        }
        let tiles =
            graph.ids().filter(|id| needed[id.index()] && levels[id.index()] == Level::Element).count();
        let mut program = Program {
            constants: Vec::new(),
            inputs: Default::default(),
            instructions: Default::default(),
            results: Vec::new(),
            fixed,
            tile: tile_rows(tiles),
            rows: 0,
        };
        let mut places: Vec<Option<Operand>> = vec![None; graph.len()];
        let ids = |level: Level, constant: bool| {
            let (needed, levels) = (&needed, &levels);
            graph.ids().filter(move |id| {
                let own = levels[id.index()] == level && graph.value(*id).is_some() == constant;
                needed[id.index()] && own
            })
        };
        // What is computed less often first: the others come after what they use.
        let less_often =
            ids(Level::Call, true).chain(ids(Level::Call, false)).chain(ids(Level::Chunk, false));
        for id in less_often.chain(ids(Level::Element, false)) {
            let level = levels[id.index()];
            let at = |id: Id| places[id.index()].expect("what a node uses stands before it");
            let row = program.rows;
            match graph.node(id) {
                Node::Constant(bits) => program.constants.push(f64::from_bits(bits)),
                Node::Input(number) => {
                    let first = [of_lane, of_element, 0][level as usize];
                    program.inputs[level as usize].push((number as usize - first, row));
                }
                _ => program.instructions[level as usize]
                    .push(Instruction { op: shape.lower(id, at), to: row }),
            }
            let stride = usize::from(level == Level::Element);
            places[id.index()] = Some(Operand { row, stride });
            program.rows += if stride == 0 { BLOCK } else { program.tile };
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
        numbers: &[F],
    ) {
        let counts = (self.program.results.len(), self.program.fixed);
        assert_eq!((moving.len(), fixed.len()), counts, "numbers that move and that are fixed");
        let mut tiles = self.memory.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        vectorize(
            #[inline(always)]
            || self.program.run(&mut tiles, elements, moving, fixed, shared, numbers),
        );
    }
}

impl Program {
    /// Computes what elements share: one row, which is then repeated.
    #[inline(always)]
    fn share<F: Float>(&self, tiles: &mut [Row<F>], level: Level, input: impl Fn(usize) -> Row<F>) {
        for (number, row) in &self.inputs[level as usize] {
            tiles[*row..row + BLOCK].fill(input(*number));
        }
        for instruction in &self.instructions[level as usize] {
            run(instruction, tiles, 1, [&[], &[]]);
            let own = tiles[instruction.to];
            tiles[instruction.to..instruction.to + BLOCK].fill(own);
        }
    }

    #[inline(always)]
    fn run<F: Float>(
        &self,
        tiles: &mut [Row<F>],
        elements: usize,
        moving: &mut [&mut [Row<F>]],
        fixed: &[&[Row<F>]],
        shared: &[&[Row<F>]],
        numbers: &[F],
    ) {
        self.share(tiles, Level::Call, |number| rows::splat(numbers[number]));
        let mut begin = 0;
        while begin + elements <= moving.first().map_or(0, |rows| rows.len()) {
            self.share(tiles, Level::Chunk, |number| shared[number][begin / elements]);
            let end = begin + elements;
            for from in (begin..end).step_by(self.tile) {
                let own = from..end.min(from + self.tile);
                for (number, row) in &self.inputs[Level::Element as usize] {
                    let all =
                        moving.get(*number).map_or_else(|| fixed[number - moving.len()], |rows| &**rows);
                    tiles[*row..row + own.len()].copy_from_slice(&all[own.clone()]);
                }
                for instruction in &self.instructions[Level::Element as usize] {
                    run(instruction, tiles, own.len(), [&[], &[]]);
                }
                for (result, to) in self.results.iter().zip(moving.iter_mut()) {
                    for (i, to) in to[own.clone()].iter_mut().enumerate() {
                        *to = result.at(tiles, i);
                    }
                }
            }
            begin = end;
        }
    }
}
