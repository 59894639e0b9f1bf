//! The fused engine: every step is three passes over rows of lanes that stay in the first-level cache.

use std::sync::Arc;

use numeric::{Float, LANES, Row, Rows, rows, vectorize};
use problems::{Draw, FusedProblem};
use rayon::prelude::*;

use super::recorder::{Ended, ErrorStatistic, LaneResult, Observation, Recorder};
use super::terms::Terms;
use super::{LrState, Objective, Observed, Observer, Recorded, Training};
use config::plan::Lane;

/// What a block of lanes may take of the first-level cache, in bytes.
const BLOCK_BYTES: usize = 24 * 1024;

/// Parameter, target, gradient and two numbers of state: the rows that a parameter commonly has.
const ROWS_A_PARAMETER: usize = 5;

/// At most so many chunks a block: enough to hide the latency of one step behind the next chunk's.
const MOST_CHUNKS: usize = 16;

impl<F: Float> ErrorStatistic<F> for dyn FusedProblem<F> {
    fn error(&self, raw_error: F) -> F {
        FusedProblem::error(self, raw_error)
    }
    fn raw_error(&self, error: F) -> F {
        FusedProblem::raw_error(self, error)
    }
}

/// Runs the lanes in blocks that fit the cache.
pub(super) fn run<F: Float>(training: &Training, observer: Observer) -> Vec<LaneResult> {
    let one = block_of::<F>(training.objective, &training.lanes[..1]).elements();
    let chunk_bytes = one * LANES * size_of::<F>() * ROWS_A_PARAMETER;
    let lanes = (BLOCK_BYTES / chunk_bytes).clamp(1, MOST_CHUNKS) * LANES;
    if observer.is_some() || training.lanes.len() <= lanes {
        return run_block::<F>(training, 0, training.lanes, observer);
    }
    let blocks = training.lanes.par_chunks(lanes).enumerate();
    let blocks: Vec<_> =
        blocks.map(|(block, own)| run_block::<F>(training, block * lanes, own, None)).collect();
    blocks.into_iter().flatten().collect()
}

fn block_of<F: Float>(objective: &dyn Objective, lanes: &[Lane]) -> Box<dyn FusedProblem<F>> {
    let seeds: Vec<u64> = lanes.iter().map(|lane| lane.seed).collect();
    objective.rows(&seeds).expect("it was asked whether it can be fused")
}

/// The terms of a loss, each as a block of its own that is evaluated where a step is recorded.
struct Parts<F> {
    names: Vec<Arc<str>>,
    blocks: Vec<Box<dyn FusedProblem<F>>>,
    gradients: Vec<Rows<F>>,
    values: Vec<Rows<F>>,
    /// Not looked at.
    raw_error: Rows<F>,
}

impl<F: Float> Parts<F> {
    /// None where the loss is of one piece.
    fn new(training: &Training, lanes: &[Lane], rows: usize, chunks: usize) -> Option<Self> {
        let terms = training.objective.terms();
        if terms.is_empty() || !training.terms {
            return None;
        }
        let blocks: Vec<_> = terms.iter().map(|(_, term)| block_of(&**term, lanes)).collect();
        let names: Vec<Arc<str>> = terms.into_iter().map(|(name, _)| Arc::from(name)).collect();
        let zeros = |rows: usize| vec![Rows::zero(rows); names.len()];
        Some(Self {
            gradients: zeros(rows),
            values: zeros(chunks),
            raw_error: Rows::zero(chunks),
            blocks,
            names,
        })
    }

    fn account(&mut self, elements: usize, lanes: usize, parameters: &[Row<F>]) -> Terms {
        let places = self.gradients.iter_mut().zip(&mut self.values);
        for (block, (gradient, value)) in self.blocks.iter_mut().zip(places) {
            block.evaluate(Draw::Frozen, parameters, gradient, value, &mut self.raw_error);
        }
        let at = |rows: &[Row<F>], row: usize, lane: usize| rows[row][lane % LANES].to_f64();
        let product = |i: usize, j: usize| {
            let of_lane = |lane: usize| {
                let own = lane / LANES * elements..(lane / LANES + 1) * elements;
                own.map(|row| at(&self.gradients[i], row, lane) * at(&self.gradients[j], row, lane)).sum()
            };
            (0..lanes).map(of_lane).collect()
        };
        let values =
            self.values.iter().map(|value| (0..lanes).map(|lane| at(value, lane / LANES, lane)).collect());
        Terms::new(self.names.clone(), values.collect(), product)
    }
}

/// Runs lanes of which `first` come before them.
fn run_block<F: Float>(
    training: &Training,
    first: usize,
    lanes: &[Lane],
    mut observer: Observer,
) -> Vec<LaneResult> {
    let settings = training.settings;
    let mut block = block_of::<F>(training.objective, lanes);
    let (elements, chunks) = (block.elements(), rows::chunks(lanes.len()));
    let mut start = block.start();
    if let Some(elsewhere) = training.start {
        for lane in 0..lanes.len() {
            for element in 0..elements {
                if let Some(value) = elsewhere(first + lane, element) {
                    start[lane / LANES * elements + element][lane % LANES] = F::from_f64(value);
                }
            }
        }
    }
    let mut parameters = start.clone();
    let mut gradient = Rows::<F>::zero(start.len());
    let [mut loss, mut raw_error, mut norm, mut lr] = [(); 4].map(|()| Rows::<F>::zero(chunks));
    let mut rates =
        LrState::new(training.schedule, lanes.iter().map(|lane| lane.lr).collect(), settings.steps);
    let mut stepper =
        training.optimizer.stepper::<F>(start.len()).expect("it was asked whether it can be fused");
    let clip = training.optimizer.clip();
    let mut terms = Parts::new(training, lanes, start.len(), chunks);
    let mut recorder = Recorder::new(lanes.len(), settings, training.until);
    let mut recorded = Recorded::new(&settings.record);
    let mut ended = Vec::new();
    let mut step = 0;
    loop {
        block.evaluate(training.draw(step), &parameters, &mut gradient, &mut loss, &mut raw_error);
        let seen = Observation { step, measured: true, loss: &loss, raw_error: &raw_error };
        recorder.observe(seen, &*block, &mut ended);
        let stopped = observer.as_mut().is_some_and(|observer| {
            let parameters = lane_of(&parameters, elements, 0);
            let (loss, error) = (loss[0][0].to_f64(), block.error(raw_error[0][0]).to_f64());
            observer(&Observed { step, loss, error, parameters: &parameters }).is_break()
        });
        if rates.advance() {
            fill(&mut lr, &rates.current);
        }
        let due = recorded.has(step);
        if due || !(ended.is_empty() || settings.record.is_empty()) {
            norms(elements, &gradient, &mut norm);
            recorder.record(seen, due, &norm, &*block, |lane| rates.current[lane]);
            if let Some(terms) = &mut terms {
                recorder.record_terms(step, due, &terms.account(elements, lanes.len(), &parameters));
            }
        }
        if step == recorder.last() || stopped {
            break;
        }
        if !ended.is_empty() {
            for Ended { lane, diverged } in ended.drain(..) {
                rates.stop(lane);
                if !diverged {
                    continue;
                }
                // Back to where it started and still: a dead lane must not slow the others by NaN or
                // by values out of range, and has no more news.
                let first = lane / LANES * elements;
                stepper.reset(first, elements, lane % LANES);
                for row in first..first + elements {
                    parameters[row][lane % LANES] = start[row][lane % LANES];
                    gradient[row][lane % LANES] = F::default();
                }
            }
            if recorder.is_over() {
                break;
            }
            fill(&mut lr, &rates.current);
        }
        if let Some(clip) = &clip {
            clip.rows(elements, &mut gradient);
        }
        stepper.step(elements, &lr, &mut parameters, &gradient);
        rates.listen(|lane| loss[lane / LANES][lane % LANES].to_f64());
        step += 1;
    }
    let mut results =
        recorder.finish(Observation { step, measured: true, loss: &loss, raw_error: &raw_error }, &*block);
    if training.ends {
        for (lane, result) in results.iter_mut().enumerate() {
            result.end = lane_of(&parameters, elements, lane);
        }
    }
    results
}

/// The parameters of a lane.
fn lane_of<F: Float>(parameters: &[Row<F>], elements: usize, lane: usize) -> Vec<f64> {
    let own = lane / LANES * elements..(lane / LANES + 1) * elements;
    parameters[own].iter().map(|row| row[lane % LANES].to_f64()).collect()
}

/// Writes the rates of the lanes into rows; places behind the last lane keep 0.
fn fill<F: Float>(lr: &mut [Row<F>], rates: &[f64]) {
    for (lane, rate) in rates.iter().enumerate() {
        lr[lane / LANES][lane % LANES] = F::from_f64(*rate);
    }
}

/// The Euclidean norm of every lane's gradient.
fn norms<F: Float>(elements: usize, gradient: &[Row<F>], norm: &mut [Row<F>]) {
    vectorize(
        #[inline(always)]
        || {
            for (gradient, norm) in gradient.chunks_exact(elements).zip(norm) {
                let mut sum = rows::zero::<F>();
                for row in gradient {
                    for lane in 0..LANES {
                        sum[lane] += row[lane] * row[lane];
                    }
                }
                *norm = sum.map(F::sqrt);
            }
        },
    );
}
