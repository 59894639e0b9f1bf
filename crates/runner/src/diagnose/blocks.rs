//! Problems that have fused loops.

use std::cell::RefCell;

use losses::Loss;
use numeric::{Float, LANES, Row, rows};
use problems::{Block, Problem};
use tch::Kind;

use super::model::Evaluated;

/// A problem's fused loops in the model's type, a row of lanes at a time; none where it has none.
pub(super) enum Blocks {
    Single(RefCell<Box<dyn Block<f32>>>),
    Double(RefCell<Box<dyn Block<f64>>>),
    None,
}

impl Blocks {
    pub fn new(problem: &Problem, loss: Option<&Loss>, seed: u64, kind: Kind) -> Self {
        let seeds = [seed; LANES];
        match kind {
            Kind::Float => problem.block::<f32>(&seeds, loss).map_or(Self::None, |b| Self::Single(b.into())),
            _ => problem.block::<f64>(&seeds, loss).map_or(Self::None, |b| Self::Double(b.into())),
        }
    }

    pub fn exist(&self) -> bool {
        !matches!(self, Self::None)
    }

    /// Values and gradients at points that lie one after another; of a step, with the noise of its gradient.
    pub fn evaluate(&self, points: &[f64], size: usize, step: Option<u64>) -> Option<Evaluated> {
        self.all(points, size, step).map(|(evaluated, _)| evaluated)
    }

    /// The errors there.
    pub fn errors(&self, points: &[f64], size: usize) -> Vec<f64> {
        self.all(points, size, None).map_or_else(Vec::new, |(_, errors)| errors)
    }

    fn all(&self, points: &[f64], size: usize, step: Option<u64>) -> Option<(Evaluated, Vec<f64>)> {
        match self {
            Self::Single(block) => Some(all(&mut **block.borrow_mut(), points, size, step)),
            Self::Double(block) => Some(all(&mut **block.borrow_mut(), points, size, step)),
            Self::None => None,
        }
    }
}

fn all<F: Float>(
    block: &mut dyn Block<F>,
    points: &[f64],
    size: usize,
    step: Option<u64>,
) -> (Evaluated, Vec<f64>) {
    let mut evaluated = Evaluated { values: Vec::new(), gradients: Vec::with_capacity(points.len()) };
    let mut errors = Vec::new();
    let mut gradient = vec![rows::zero::<F>(); size];
    for chunk in points.chunks(LANES * size) {
        let count = chunk.len() / size;
        let at = |element: usize, lane: usize| F::from_f64(chunk[lane.min(count - 1) * size + element]);
        let parameters: Vec<Row<F>> =
            (0..size).map(|element| std::array::from_fn(|lane| at(element, lane))).collect();
        let (mut loss, mut measure) = ([rows::zero::<F>()], [rows::zero::<F>()]);
        block.evaluate(&parameters, &mut gradient, &mut loss, &mut measure);
        if let Some(step) = step {
            block.disturb(step, &mut gradient);
        }
        for lane in 0..count {
            evaluated.values.push(loss[0][lane].to_f64());
            evaluated.gradients.extend(gradient.iter().map(|row| row[lane].to_f64()));
            errors.push(block.error(measure[0][lane]).to_f64());
        }
    }
    (evaluated, errors)
}
