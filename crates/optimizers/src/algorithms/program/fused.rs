//! An update that takes every element by itself, as fused loops.

use formulas::Steps;
use numeric::{Float, LANES, Row, Rows, rows};
use programs::Elementwise;

use super::Scalar;
use crate::Stepper;

/// The update and its state.
pub(super) struct Fused<F> {
    steps: Steps<F>,
    /// Besides the learning rate.
    scalars: Vec<Scalar>,
    step: u64,
    /// What each number of the state starts from.
    start: Vec<F>,
    state: Vec<Rows<F>>,
}

impl<F: Float> Fused<F> {
    /// For so many rows; `scalars` go in besides the learning rate.
    pub fn new(Elementwise { update, start }: &Elementwise, scalars: Vec<Scalar>, rows: usize) -> Self {
        let start: Vec<F> = start.iter().map(|start| F::from_f64(*start)).collect();
        let state = start.iter().map(|start| Rows::splat(*start, rows)).collect();
        Self { steps: update.steps(), scalars, step: 0, start, state }
    }

    /// The numbers of the next step.
    fn advance(&mut self) -> Vec<F> {
        self.step += 1;
        let number = |scalar: &Scalar| match scalar {
            Scalar::Option(number) => *number,
            Scalar::Lr | Scalar::Step(_) => self.step as f64,
        };
        self.scalars.iter().map(|scalar| F::from_f64(number(scalar))).collect()
    }

    /// Moves some rows on, of which the first is `first`.
    fn update(
        &mut self,
        elements: usize,
        (lr, numbers): (&[Row<F>], &[F]),
        (first, parameters): (usize, &mut [Row<F>]),
        gradient: &[Row<F>],
    ) {
        let own = first..first + parameters.len();
        let state = self.state.iter_mut().map(|state| &mut state[own.clone()]);
        let mut moving: Vec<&mut [Row<F>]> = [parameters].into_iter().chain(state).collect();
        self.steps.step(elements, &mut moving, &[gradient], &[lr], numbers);
    }
}

impl<F: Float> Stepper<F> for Fused<F> {
    fn step(&mut self, elements: usize, lr: &[Row<F>], parameters: &mut [Row<F>], gradient: &[Row<F>]) {
        let numbers = self.advance();
        self.update(elements, (lr, &numbers), (0, parameters), gradient);
    }

    fn step_slice(&mut self, lr: F, parameters: &mut [F], gradient: &[F]) {
        assert_eq!(parameters.len(), gradient.len());
        let numbers = self.advance();
        let lr = [rows::splat(lr)];
        let (p, p_rest) = parameters.as_chunks_mut::<LANES>();
        let (g, g_rest) = gradient.as_chunks::<LANES>();
        if !p_rest.is_empty() {
            // The last, shorter row is filled up.
            let (mut last, mut of_last) = ([rows::zero::<F>()], [rows::zero::<F>()]);
            last[0][..p_rest.len()].copy_from_slice(p_rest);
            of_last[0][..g_rest.len()].copy_from_slice(g_rest);
            self.update(1, (&lr, &numbers), (p.len(), &mut last), &of_last);
            p_rest.copy_from_slice(&last[0][..p_rest.len()]);
        }
        if !p.is_empty() {
            self.update(p.len(), (&lr, &numbers), (0, p), g);
        }
    }

    fn reset(&mut self, first: usize, elements: usize, lane: usize) {
        for (state, start) in self.state.iter_mut().zip(&self.start) {
            for row in &mut state[first..first + elements] {
                row[lane] = *start;
            }
        }
    }
}
