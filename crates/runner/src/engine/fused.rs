//! The fused engine: every step is three passes over rows of lanes that stay in the first-level cache.

use std::sync::Arc;

use losses::Loss;
use numeric::{Float, LANES, Row, Rows, rows, vectorize};
use problems::Block;
use rayon::prelude::*;

use super::ledger::{LaneResult, Ledger, Metric, Seen};
use super::terms::Terms;
use super::{Rates, Recorded, Watch};
use crate::plan::{Batch, Lane};

/// What a block of lanes may take of the first-level cache, in bytes.
const BLOCK_BYTES: usize = 24 * 1024;

/// Parameter, target, gradient and two numbers of state: the rows that a parameter commonly has.
const ROWS_A_PARAMETER: usize = 5;

/// At most so many chunks a block: enough to hide the latency of one step behind the next chunk's.
const MOST_CHUNKS: usize = 16;

impl<F: Float> Metric<F> for dyn Block<F> {
    fn error(&self, measure: F) -> F {
        Block::error(self, measure)
    }
    fn measure(&self, error: F) -> F {
        Block::measure(self, error)
    }
}

pub(super) fn run<F: Float>(batch: &Batch, watch: Watch) -> Vec<LaneResult> {
    if watch.is_some() {
        return run_block::<F>(batch, &batch.lanes, &|_, _| None, watch).0;
    }
    in_blocks::<F, _>(batch, |_, lanes| run_block::<F>(batch, lanes, &|_, _| None, None).0)
}

/// Where lanes start, by lane and element, if not where their seeds say.
pub(super) type Start<'a> = dyn Fn(usize, usize) -> Option<f64> + Sync + 'a;

/// As [`run`], from other starts; with where every lane ended.
pub(super) fn run_from<F: Float>(batch: &Batch, start: &Start) -> Vec<(LaneResult, Vec<f64>)> {
    in_blocks::<F, _>(batch, |first, lanes| {
        let (results, ends) =
            run_block::<F>(batch, lanes, &|lane, element| start(first + lane, element), None);
        let elements = ends.len() / rows::chunks(lanes.len());
        let end_of = |lane: usize| {
            let own = lane / LANES * elements..(lane / LANES + 1) * elements;
            ends[own].iter().map(|row| row[lane % LANES].to_f64()).collect()
        };
        results.into_iter().enumerate().map(|(lane, result)| (result, end_of(lane))).collect()
    })
}

/// Runs the lanes in blocks that fit the cache, each with the number of its first lane.
fn in_blocks<F: Float, T: Send>(batch: &Batch, run: impl Fn(usize, &[Lane]) -> Vec<T> + Sync) -> Vec<T> {
    let one = problem_block::<F>(batch, &batch.lanes[..1]).elements();
    let chunk_bytes = one * LANES * size_of::<F>() * ROWS_A_PARAMETER;
    let lanes = (BLOCK_BYTES / chunk_bytes).clamp(1, MOST_CHUNKS) * LANES;
    if batch.lanes.len() <= lanes {
        return run(0, &batch.lanes);
    }
    let blocks = batch.lanes.par_chunks(lanes).enumerate();
    let blocks: Vec<_> = blocks.map(|(block, own)| run(block * lanes, own)).collect();
    blocks.into_iter().flatten().collect()
}

fn problem_block<F: Float>(batch: &Batch, lanes: &[Lane]) -> Box<dyn Block<F>> {
    let seeds: Vec<u64> = lanes.iter().map(|lane| lane.seed).collect();
    batch.problem.block(&seeds, batch.loss.as_ref()).expect("the plan asked whether it can be fused")
}

/// The terms of a loss, each as a block of its own that is evaluated where a step is recorded.
struct Parts<F> {
    names: Vec<Arc<str>>,
    blocks: Vec<Box<dyn Block<F>>>,
    gradients: Vec<Rows<F>>,
    values: Vec<Rows<F>>,
    /// Not looked at.
    measure: Rows<F>,
}

impl<F: Float> Parts<F> {
    /// None where the loss is of one piece.
    fn new(batch: &Batch, lanes: &[Lane], rows: usize, chunks: usize) -> Option<Self> {
        let terms = batch.loss.as_ref().map(|loss| loss.terms()).filter(|terms| !terms.is_empty())?;
        let (names, losses): (Vec<String>, Vec<Loss>) = terms.into_iter().unzip();
        let block = |loss| problem_block(&Batch { loss: Some(loss), ..batch.clone() }, lanes);
        let blocks: Vec<_> = losses.into_iter().map(block).collect();
        let names: Vec<Arc<str>> = names.into_iter().map(Arc::from).collect();
        let zeros = |rows: usize| vec![Rows::zero(rows); names.len()];
        Some(Self {
            gradients: zeros(rows),
            values: zeros(chunks),
            measure: Rows::zero(chunks),
            blocks,
            names,
        })
    }

    fn account(&mut self, elements: usize, lanes: usize, parameters: &[Row<F>]) -> Terms {
        let places = self.gradients.iter_mut().zip(&mut self.values);
        for (block, (gradient, value)) in self.blocks.iter_mut().zip(places) {
            block.evaluate(parameters, gradient, value, &mut self.measure);
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

fn run_block<F: Float>(
    batch: &Batch,
    lanes: &[Lane],
    elsewhere: &Start,
    mut watch: Watch,
) -> (Vec<LaneResult>, Rows<F>) {
    let settings = &*batch.settings;
    let mut block = problem_block::<F>(batch, lanes);
    let (elements, chunks) = (block.elements(), rows::chunks(lanes.len()));
    let mut start = block.start();
    for lane in 0..lanes.len() {
        for element in 0..elements {
            if let Some(value) = elsewhere(lane, element) {
                start[lane / LANES * elements + element][lane % LANES] = F::from_f64(value);
            }
        }
    }
    let mut parameters = start.clone();
    let mut gradient = Rows::<F>::zero(start.len());
    let [mut loss, mut measure, mut norm, mut lr] = [(); 4].map(|()| Rows::<F>::zero(chunks));
    let mut rates = Rates::new(&batch.schedule, lanes.iter().map(|lane| lane.lr).collect(), settings.steps);
    let mut stepper =
        batch.optimizer.stepper::<F>(start.len()).expect("the plan asked whether it can be fused");
    let clip = batch.optimizer.clip();
    let mut terms = Parts::new(batch, lanes, start.len(), chunks);
    let mut ledger = Ledger::new(lanes.len(), settings);
    let mut recorded = Recorded::new(&settings.record);
    let mut diverged = Vec::new();
    let mut step = 0;
    loop {
        if let Some(watch) = &mut watch {
            watch(&parameters[..elements].iter().map(|row| row[0].to_f64()).collect::<Vec<_>>());
        }
        block.evaluate(&parameters, &mut gradient, &mut loss, &mut measure);
        block.disturb(step, &mut gradient);
        let seen = Seen { step, measured: true, loss: &loss, measure: &measure };
        ledger.observe(seen, &*block, &mut diverged);
        if rates.advance() {
            fill(&mut lr, &rates.current);
        }
        let due = recorded.has(step);
        if due || !(diverged.is_empty() || settings.record.is_empty()) {
            norms(elements, &gradient, &mut norm);
            ledger.record(seen, due, &norm, &*block, |lane| rates.current[lane]);
            if let Some(terms) = &mut terms {
                ledger.record_terms(step, due, &terms.account(elements, lanes.len(), &parameters));
            }
        }
        if step == settings.steps {
            break;
        }
        if !diverged.is_empty() {
            for lane in diverged.drain(..) {
                // Back to where it started and still: a dead lane must not slow the others by NaN or
                // by values out of range, and has no more news.
                rates.stop(lane);
                let first = lane / LANES * elements;
                stepper.reset(first, elements, lane % LANES);
                for row in first..first + elements {
                    parameters[row][lane % LANES] = start[row][lane % LANES];
                    gradient[row][lane % LANES] = F::default();
                }
            }
            if ledger.is_over() {
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
    (ledger.finish(Seen { step, measured: true, loss: &loss, measure: &measure }, &*block), parameters)
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
