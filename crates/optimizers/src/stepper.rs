//! An update rule as a fused loop: one pass over parameters, gradient and state.

use std::array;
use std::hint::black_box;
use std::marker::PhantomData;

use numeric::{Float, LANES, Plain, Row, memory, rows, vectorize};

use crate::{Rule, Visitor};

/// A rule with its state, ready to step.
pub trait Stepper<F: Float>: Send {
    /// One step. Rows come in chunks of `elements` (see [`numeric::rows`]), and row `c` of `lr` is the
    /// learning rate of the lanes of chunk `c`.
    ///
    /// # Panics
    /// If the slices' lengths don't fit together or to the rows of this stepper.
    fn step(&mut self, elements: usize, lr: &[Row<F>], parameters: &mut [Row<F>], gradient: &[Row<F>]);

    /// One step of a plain slice with one learning rate: the parameters of a single lane.
    ///
    /// # Panics
    /// If the slices' lengths differ or need more rows than this stepper has.
    fn step_slice(&mut self, lr: F, parameters: &mut [F], gradient: &[F]);

    /// Puts the state of one lane back to where it started, for the rows `first..first + elements`.
    ///
    /// What depends on the step alone (bias corrections) is shared by all lanes, and goes on.
    fn reset(&mut self, first: usize, elements: usize, lane: usize);
}

/// The fused stepper of a rule.
pub struct Fused<F, U: Rule<N>, const N: usize> {
    rule: U,
    step: u64,
    at: U::StepConstants,
    state: Vec<State<F, N>>,
}

/// The state of a row of parameters, on cache lines as [`numeric::Rows`] are.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct State<F, const N: usize>([Row<F>; N]);

impl<F: Float, U: Rule<N>, const N: usize> Fused<F, U, N> {
    /// A stepper for `rows` rows, its state at the start.
    #[must_use]
    pub fn new(rule: U, rows: usize) -> Self {
        let start = rule.start().map(|value| rows::splat(F::from_f64(value)));
        Self { rule, step: 0, at: U::StepConstants::default(), state: memory::filled(State(start), rows) }
    }

    /// Goes on to the next step.
    fn advance(&mut self) -> U::StepConstants {
        self.step += 1;
        self.at = self.rule.step_constants(self.step, self.at);
        self.at
    }
}

/// Makes the fused stepper of a rule, for this many rows.
pub(crate) struct Build<F> {
    pub rows: usize,
    pub float: PhantomData<F>,
}

impl<F: Float> Visitor for Build<F> {
    type Output = Box<dyn Stepper<F>>;
    fn visit<U: Rule<N>, const N: usize>(self, rule: U) -> Self::Output {
        Box::new(Fused::new(rule, self.rows))
    }
}

impl<F: Float, U: Rule<N>, const N: usize> Stepper<F> for Fused<F, U, N> {
    fn step(&mut self, elements: usize, lr: &[Row<F>], parameters: &mut [Row<F>], gradient: &[Row<F>]) {
        assert!(parameters.len() == gradient.len() && parameters.len() == self.state.len());
        assert_eq!(parameters.len(), elements * lr.len());
        let at = self.advance();
        let (rule, state) = (self.rule.clone(), &mut self.state);
        vectorize(
            #[inline(always)]
            move || {
                // Options in registers: through a reference, any store to a row might change them.
                let (rule, at) = (rule, at);
                // By index: iterators over chunks would divide the length by theirs at every call.
                for (chunk, lr) in lr.iter().enumerate() {
                    let own = chunk * elements..(chunk + 1) * elements;
                    let (p, s) = (&mut parameters[own.clone()], &mut state[own.clone()]);
                    update_rows(&rule, at, lr, p, &gradient[own], s);
                }
            },
        );
    }

    fn step_slice(&mut self, lr: F, parameters: &mut [F], gradient: &[F]) {
        assert_eq!(parameters.len(), gradient.len());
        assert!(rows::chunks(parameters.len()) <= self.state.len());
        let at = self.advance();
        let (rule, state, lr) = (self.rule.clone(), &mut self.state, rows::splat(lr));
        let (p, p_rest) = parameters.as_chunks_mut::<LANES>();
        let (g, g_rest) = gradient.as_chunks::<LANES>();
        let (s, s_rest) = state.split_at_mut(p.len());
        if !p_rest.is_empty() {
            // The last, shorter row is filled up. It goes without wide vectors, and gets the same bits.
            let (mut p, mut g) = (rows::zero::<F>(), rows::zero::<F>());
            p[..p_rest.len()].copy_from_slice(p_rest);
            g[..g_rest.len()].copy_from_slice(g_rest);
            update_rows(&rule, at, &lr, array::from_mut(&mut p), &[g], &mut s_rest[..1]);
            p_rest.copy_from_slice(&p[..p_rest.len()]);
        }
        vectorize(
            #[inline(always)]
            move || {
                let (rule, at) = (rule, at);
                update_rows(&rule, at, &lr, p, g, s);
            },
        );
    }

    fn reset(&mut self, first: usize, elements: usize, lane: usize) {
        let start = self.rule.start().map(F::from_f64);
        for state in &mut self.state[first..first + elements] {
            for (row, start) in state.0.iter_mut().zip(start) {
                row[lane] = start;
            }
        }
    }
}

/// Keeps the compiler from turning a loop over rows into vectors of several rows.
///
/// The lanes of a row are vectors already. Across rows they would take shuffles, and several times as long.
#[inline(always)]
pub(crate) fn row_by_row() {
    black_box(());
}

#[inline(always)]
fn update_rows<F: Float, U: Rule<N>, const N: usize>(
    rule: &U,
    at: U::StepConstants,
    lr: &Row<F>,
    parameters: &mut [Row<F>],
    gradient: &[Row<F>],
    state: &mut [State<F, N>],
) {
    let lr = *lr;
    for ((parameter, gradient), state) in parameters.iter_mut().zip(gradient).zip(state) {
        // Whole rows by value: nothing aliases, so the loop over lanes becomes vector code.
        let (mut p, g, mut s) = (*parameter, *gradient, state.0);
        for lane in 0..LANES {
            let mut numbers: [Plain<F>; N] = array::from_fn(|n| Plain(s[n][lane]));
            p[lane] = rule.update(at, Plain(lr[lane]), Plain(p[lane]), Plain(g[lane]), &mut numbers).0;
            for n in 0..N {
                s[n][lane] = numbers[n].0;
            }
        }
        *parameter = p;
        state.0 = s;
        row_by_row();
    }
}
