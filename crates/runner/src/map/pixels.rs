//! The runs of a map: one a pixel.

use std::cell::OnceCell;
use std::sync::Arc;

use rayon::prelude::*;
use records::{Engine, Outcome, Role};

use crate::config::EngineChoice;
use crate::config::map::{Axis, Map, Setting, Vary};
use crate::engine;
use crate::plan::{self, Batch, Lane, Settings};

/// What became of the run of a pixel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pixel {
    /// The steps until the target was reached; infinite if it wasn't within the budget, NaN if the run diverged
    /// before.
    pub steps: f32,
    /// The error at the end; NaN if the run diverged.
    pub error: f32,
    /// The nearest minimizer at the end, from 0; NaN if the target wasn't reached.
    pub minimizer: f32,
}

/// Trains all pixels, row by row from the bottom, on rayon's threads; `done` is told how many more are.
///
/// # Errors
/// Why a run failed.
pub fn train(map: &Map, done: impl Fn(usize) + Sync) -> Result<Vec<Pixel>, String> {
    // Along the inner axis pixels are lanes of one batch, if they can be.
    let transposed = map.y.vary.in_lanes() && !map.x.vary.in_lanes();
    let (outer, inner) = if transposed { (&map.x, &map.y) } else { (&map.y, &map.x) };
    let painter = Painter::new(map, outer, inner);
    let line = |i: usize| {
        let line = painter.line(outer.value(i))?;
        done(line.len());
        Ok(line)
    };
    let lines: Vec<Vec<Pixel>> =
        (0..outer.pixels).into_par_iter().map(line).collect::<Result<_, String>>()?;
    if !transposed {
        return Ok(lines.concat());
    }
    let rows = (0..inner.pixels).flat_map(|row| lines.iter().map(move |column| column[row]));
    Ok(rows.collect())
}

struct Painter<'a> {
    map: &'a Map,
    outer: &'a Axis,
    inner: &'a Axis,
    settings: Arc<Settings>,
    minimizers: Vec<Vec<f64>>,
}

impl<'a> Painter<'a> {
    fn new(map: &'a Map, outer: &'a Axis, inner: &'a Axis) -> Self {
        let settings = Settings {
            steps: map.steps,
            targets: vec![map.target],
            hold: map.hold,
            record: Vec::new(),
            divergence: map.divergence,
            dtype: map.dtype,
        };
        let minimizers = map.setting.problem.minimizers();
        Self { map, outer, inner, settings: Arc::new(settings), minimizers }
    }

    /// The pixels of a line along the inner axis.
    fn line(&self, outer: f64) -> Result<Vec<Pixel>, String> {
        let at = |setting: &Setting, axis: &Axis, value: f64| match &axis.vary {
            Vary::Option(path) => setting.with(path, value),
            _ => Ok(setting.clone()),
        };
        let setting = at(&self.map.setting, self.outer, outer)?;
        let values = (0..self.inner.pixels).map(|pixel| self.inner.value(pixel));
        if self.inner.vary.in_lanes() {
            return self.lanes(&setting, outer, &values.collect::<Vec<_>>());
        }
        let mut line = Vec::with_capacity(self.inner.pixels);
        for value in values {
            line.extend(self.lanes(&at(&setting, self.inner, value)?, outer, &[value])?);
        }
        Ok(line)
    }

    /// Lanes at values of the inner axis.
    fn lanes(&self, setting: &Setting, outer: f64, inner: &[f64]) -> Result<Vec<Pixel>, String> {
        // What an axis says of a lane, if it is about this.
        let said = |vary: &Vary, lane: usize| {
            let of = |axis: &Axis, value: f64| (axis.vary == *vary).then_some(value);
            of(self.inner, inner[lane]).or_else(|| of(self.outer, outer))
        };
        let lr = |lane: usize| said(&Vary::Lr, lane).unwrap_or(self.map.lr);
        let seed = self.map.seed;
        let lanes = (0..inner.len()).map(|lane| Lane { lr: lr(lane), seed, role: Role::Reporting }).collect();
        let Setting { problem, loss, optimizer, schedule, .. } = setting.clone();
        let engine = plan::engine(EngineChoice::Auto, &problem, loss.as_ref(), &optimizer)
            .map_err(|error| error.to_string())?;
        let settings = self.settings.clone();
        let batch = Batch { problem, loss, optimizer, schedule, lanes, settings, engine, grid: 0 };
        let pixel = |result: engine::LaneResult| match result.outcome {
            Outcome::Failed => Err(result.message),
            _ => Ok(self.pixel(&result)),
        };
        if engine == Engine::Fused {
            let start = |lane: usize, element: usize| said(&Vary::Start(element), lane);
            return engine::run_from(&batch, &start).into_iter().map(pixel).collect();
        }
        let Batch { problem, loss, optimizer, settings, .. } = &batch;
        let most = plan::at_once(problem, loss.as_ref(), optimizer, engine, settings, &OnceCell::new())
            .map_err(|error| error.to_string())?
            .min(problem.batching().lanes);
        let mut line = Vec::with_capacity(inner.len());
        for own in batch.lanes.chunks(most) {
            let results = engine::run(&Batch { lanes: own.to_vec(), ..batch.clone() });
            for result in results {
                line.push(pixel(result)?);
            }
        }
        Ok(line)
    }

    fn pixel(&self, result: &engine::LaneResult) -> Pixel {
        let hit = result.reached();
        let diverged = result.diverged().is_some();
        let steps = match hit {
            Some(step) => step as f32,
            None if diverged => f32::NAN,
            None => f32::INFINITY,
        };
        let error = if diverged { f32::NAN } else { result.error.end as f32 };
        let minimizer =
            if hit.is_some() && !diverged { nearest(&self.minimizers, &result.end) } else { None };
        Pixel { steps, error, minimizer: minimizer.map_or(f32::NAN, |index| index as f32) }
    }
}

/// The nearest of these points.
fn nearest(points: &[Vec<f64>], to: &[f64]) -> Option<usize> {
    let distance = |point: &[f64]| point.iter().zip(to).map(|(a, b)| (a - b) * (a - b)).sum::<f64>();
    let by_distance = |a: &usize, b: &usize| distance(&points[*a]).total_cmp(&distance(&points[*b]));
    if to.is_empty() { None } else { (0..points.len()).min_by(by_distance) }
}
