//! Landscapes of two variables, and the ways that optimizers took on them.

use std::sync::Arc;

use numeric::{LANES, Row, rows};
use problems::{Draw, Problem};
use records::Role;
use report::figures::{Axis, Figure, Ground, Line, Mark, Panel, Spot};
use report::{NAMED, Results, Workload};

use crate::engine;
use crate::plan::{Batch, Labels, Lane, Plan, Settings};

/// Places of the ground, across and up.
const ACROSS: usize = 170;
const UP: usize = 130;
/// So much of the view lies around what is shown.
const MARGIN: f64 = 0.12;
/// A way that leaves the start and the minimizers behind by so many times their distance is cut off.
const FAR: f64 = 0.8;

/// A figure for each landscape of two variables: itself, its minimizers and, where a plan of the user's own config is
/// given, the ways of the best rows from the first reporting seed.
///
/// Results don't hold parameters, so these runs are made again, by the same engine: the same numbers.
pub(super) fn figures(
    results: &Results,
    problems: &[Problem],
    plan: Option<&Plan>,
    most: usize,
) -> Vec<Figure> {
    let flat = |problem: &&Problem| problem.minimizers().first().is_some_and(|point| point.len() == 2);
    let mut figures = Vec::new();
    for workload in results.workloads() {
        let Some(first) = workload.rows.first().map(|row| &results.table.rows[*row]) else { continue };
        let named = problems.iter().find(|problem| problem.label() == first.problem);
        let Some(problem) = named.filter(flat).filter(|_| figures.len() < most) else { continue };
        let batches = plan.iter().flat_map(|plan| &plan.batches);
        let batches: Vec<&Batch> = batches.filter(|batch| batch.problem == *problem).collect();
        figures.extend(figure(results, &workload, problem, &batches));
    }
    figures
}

fn figure(results: &Results, workload: &Workload, problem: &Problem, batches: &[&Batch]) -> Option<Figure> {
    let seed = batches.iter().flat_map(|batch| &batch.lanes).find(|lane| lane.role == Role::Reporting);
    let seed = seed.map(|lane| lane.seed);
    let named = workload.rows.iter().take(NAMED);
    let ways: Vec<(usize, Vec<(f64, f64)>)> = named
        .filter_map(|&place| {
            let row = &results.table.rows[place];
            let wanted = Labels {
                problem: row.problem.clone(),
                loss: row.loss.clone(),
                optimizer: row.optimizer.clone(),
                schedule: row.schedule.clone(),
            };
            let batch = batches.iter().find(|batch| batch.labels() == wanted)?;
            Some((place, way(batch, Lane { lr: row.lr, seed: seed?, role: Role::Reporting })))
        })
        .collect();
    let minimizers = problem.minimizers();
    let start = ways.first().and_then(|way| way.1.first()).copied();
    let start = start.or_else(|| start_of(problem, seed.unwrap_or(1)));
    let (x, y) = view(start, &minimizers, &ways);
    let lines = ways.iter().filter_map(|(place, way)| {
        let shown = way.iter().take_while(|p| within(p.0, x) && within(p.1, y));
        let points: Vec<(f64, f64)> = shown.copied().collect();
        Some(Line { spots: vec![(start?, Spot::Ring)], points, ..results.line(*place) })
    });
    let panel = Panel {
        x: Axis { label: "first parameter".into(), log: false },
        y: Axis { label: "second parameter".into(), log: false },
        ground: Some(ground(problem, seed.unwrap_or(1), x, y)?),
        lines: lines.collect(),
        marks: minimizers.iter().map(|point| Mark::Cross(point[0], point[1])).collect(),
        tall: true,
    };
    let every = "every shade covers the same area";
    let (title, note) = match seed.filter(|_| !ways.is_empty()) {
        None => (format!("{}: the landscape", workload.name), format!("crosses: minimizers; {every}")),
        Some(seed) => {
            let rows = workload.rows.len();
            let best =
                if rows > NAMED { format!("; the best {NAMED} of {rows} rows") } else { String::new() };
            (
                format!("{}: the ways from seed {seed}", workload.name),
                format!("each at its chosen learning rate; ring: start, crosses: minimizers; {every}{best}"),
            )
        }
    };
    Some(Figure { title, note, panels: vec![panel] })
}

/// Where a run starts; `None` where the landscape can't be computed in lanes.
fn start_of(problem: &Problem, seed: u64) -> Option<(f64, f64)> {
    let start = problem.block::<f64>(&[seed], None)?.start();
    Some((start[0][0], start[1][0]))
}

/// The parameters of one run, from the start.
fn way(batch: &Batch, lane: Lane) -> Vec<(f64, f64)> {
    let settings = Settings { record: Vec::new(), ..(*batch.settings).clone() };
    let alone = Batch { lanes: vec![lane], settings: Arc::new(settings), ..batch.clone() };
    let mut way = Vec::new();
    engine::follow(&alone, &mut |parameters| way.push((parameters[0], parameters[1])));
    way
}

fn within(value: f64, (low, high): (f64, f64)) -> bool {
    low <= value && value <= high
}

/// What is in view: the start, the minimizers, and the ways where they don't leave those far behind.
fn view(
    start: Option<(f64, f64)>,
    minimizers: &[Vec<f64>],
    ways: &[(usize, Vec<(f64, f64)>)],
) -> ((f64, f64), (f64, f64)) {
    let ends = |values: &[f64]| {
        values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(*v), high.max(*v)))
    };
    let anchors = |of: &dyn Fn(&(f64, f64)) -> f64| -> Vec<f64> {
        minimizers.iter().map(|point| of(&(point[0], point[1]))).chain(start.as_ref().map(of)).collect()
    };
    let width = |of: &dyn Fn(&(f64, f64)) -> f64| {
        let (low, high) = ends(&anchors(of));
        high - low
    };
    let far = FAR * width(&|point| point.0).max(width(&|point| point.1)).max(0.1);
    let axis = |of: &dyn Fn(&(f64, f64)) -> f64| {
        let anchors = anchors(of);
        let (low, high) = ends(&anchors);
        let seen =
            ways.iter().flat_map(|(_, way)| way).map(of).filter(|v| within(*v, (low - far, high + far)));
        let (low, high) = ends(&anchors.iter().copied().chain(seen).collect::<Vec<_>>());
        let margin = MARGIN * (high - low).max(0.1 * far);
        (low - margin, high + margin)
    };
    (axis(&|point| point.0), axis(&|point| point.1))
}

/// The landscape itself over the view; `None` where it can't be computed in lanes.
fn ground(problem: &Problem, seed: u64, x: (f64, f64), y: (f64, f64)) -> Option<Ground> {
    let count = ACROSS * UP;
    let mut block = problem.block::<f64>(&vec![seed; count], None)?;
    let chunks = rows::chunks(count);
    let mut parameters: Vec<Row<f64>> = vec![rows::zero(); 2 * chunks];
    let middle =
        |(low, high): (f64, f64), k: usize, of: usize| low + (high - low) * (k as f64 + 0.5) / of as f64;
    for k in 0..count {
        let (chunk, lane) = (k / LANES, k % LANES);
        parameters[2 * chunk][lane] = middle(x, k % ACROSS, ACROSS);
        parameters[2 * chunk + 1][lane] = middle(y, k / ACROSS, UP);
    }
    let mut gradient = vec![rows::zero::<f64>(); 2 * chunks];
    let [mut loss, mut measure] = [(); 2].map(|()| vec![rows::zero::<f64>(); chunks]);
    block.evaluate(Draw::Frozen, &parameters, &mut gradient, &mut loss, &mut measure);
    let values = (0..count).map(|k| loss[k / LANES][k % LANES]).collect();
    Some(Ground { x, y, columns: ACROSS, values })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    #[test]
    fn the_way_is_that_of_the_run() {
        let text = "name = 'x'\nsteps = 40\nseeds = { tuning = 0, reporting = [7] }\nlr = [0.05]\nrecord = 'summary'\n\
                    [[grid]]\nproblems = ['himmelblau']\noptimizers = ['adam', 'lbfgs', 'sgd']\n";
        let plan = Plan::new(&config::parse("x", text).unwrap()).unwrap();
        for batch in &plan.batches {
            let lane = batch.lanes[0];
            let way = way(batch, lane);
            let result = &engine::run(batch)[0];
            let error = |&(x, y): &(f64, f64)| {
                let distance = |m: Vec<f64>| ((x - m[0]).powi(2) + (y - m[1]).powi(2)).sqrt() / 2_f64.sqrt();
                batch.problem.minimizers().into_iter().map(distance).fold(f64::INFINITY, f64::min)
            };
            let close = |a: f64, b: f64| (a - b).abs() <= 1e-5 * (1.0 + b);
            assert!(close(error(&way[0]), result.error.start), "{:?}", batch.labels());
            if result.steps == 40 {
                assert_eq!(way.len(), 41);
                assert!(close(error(&way[40]), result.error.end), "{:?}", batch.labels());
            }
        }
    }
}
