//! What a batch came to, as a part file's rows.

use records::parts::{Counts, Part, Timing};
use records::{self, Cell, Hit, Outcome, Point, Targets, Term};

use super::{Ends, LaneResult};
use config::plan::Batch;

/// The results of a batch as the rows of its part.
///
/// # Panics
/// If `targets` lacks a target of the batch: they come from the same plan.
#[must_use]
pub fn part(batch: &Batch, results: &[LaneResult], targets: &Targets, timing: Timing) -> Part {
    let labels = batch.labels();
    let dtype = batch.settings.dtype;
    let [mut cells, mut curves, mut terms] = [const { Vec::new() }; 3];
    let mut counts = Counts::default();
    let mut cell = Cell {
        key: records::Key(0),
        problem: labels.problem.clone(),
        loss: labels.loss.clone(),
        optimizer: labels.optimizer.clone(),
        schedule: labels.schedule.clone(),
        lr: 0.0,
        seed: 0,
        role: records::Role::Tuning,
        engine: batch.engine,
        dtype,
        outcome: Outcome::Budget,
        budget: batch.settings.steps,
        steps: 0,
        evaluations: 0,
        start_loss: 0.0,
        final_loss: 0.0,
        best_loss: 0.0,
        start_error: 0.0,
        final_error: 0.0,
        best_error: 0.0,
        hits: Vec::new(),
        message: String::new(),
    };
    for (lane, result) in batch.lanes.iter().zip(results) {
        cell.key = labels.key(lane);
        (cell.lr, cell.seed, cell.role) = (lane.lr, lane.seed, lane.role);
        (cell.outcome, cell.steps, cell.evaluations) = (result.outcome, result.steps, result.evaluations);
        let Ends { start, end, best } = result.loss;
        (cell.start_loss, cell.final_loss, cell.best_loss) = (start, end, best);
        let Ends { start, end, best } = result.error;
        (cell.start_error, cell.final_error, cell.best_error) = (start, end, best);
        let counts_to = result.hits.iter().zip(&result.hit_evaluations);
        cell.hits.clear();
        cell.hits.extend(batch.settings.targets.iter().zip(counts_to).map(
            |(target, (step, evaluations))| Hit { target: *target, step: *step, evaluations: *evaluations },
        ));
        cell.message.clone_from(&result.message);
        records::write_cell(&mut cells, &cell, targets).expect("the plan's targets hold every batch's");
        for moment in &result.curve {
            let point = Point {
                key: cell.key,
                step: moment.step,
                loss_value: moment.loss,
                error: moment.error,
                gradient_norm: moment.gradient_norm,
                step_lr: moment.lr,
            };
            records::write_point(&mut curves, &point, dtype);
        }
        for share in &result.terms {
            let term = Term {
                key: cell.key,
                step: share.step,
                term: &share.term,
                term_value: share.value,
                term_gradient_norm: share.gradient_norm,
                term_cosine: share.cosine,
            };
            records::write_term(&mut terms, &term, dtype);
        }
        counts.add(result.outcome);
    }
    Part { cells, curves, terms, counts, timing }
}
