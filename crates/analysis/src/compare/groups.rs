//! What the rows of one optimizer, or of one workload, say together where each of them says too little.
//!
//! ```text
//! y_i = Σ_r w_r y_ri / Σ_r w_r          over the rows r that moved, for each seed i of either side
//! w_r = 1 / (v_r + v̂)                   v_r the variance of y_r over all its runs, v̂ the median of these
//! ```
//!
//! Neither weights nor v̂ depend on which run is of which side, so the test of the relabelings stays exact.

use super::relabel::{Sample, completed};
use super::row::Judged;
use super::{Axis, Labels, size};
use crate::places::Places;
use crate::statistics::median;

/// Rows that are judged as one.
pub(super) struct Group {
    pub(super) grid: String,
    pub(super) axis: Axis,
    pub(super) name: String,
    pub(super) rows: u64,
    pub(super) ratio: f64,
    pub(super) interval: Option<[f64; 2]>,
    pub(super) sample: Sample,
}

/// The groups of an axis that have at least two rows; rows with other seeds are a group of their own.
pub(super) fn of(axis: Axis, rows: &[(&Judged, &Sample)]) -> Vec<Group> {
    let variances: Vec<f64> = rows.iter().map(|(row, _)| variance(&completed(&row.values))).collect();
    let shared = median(&mut variances.clone());
    let weights: Vec<f64> = variances.iter().map(|own| 1.0 / (own + shared).max(f64::MIN_POSITIVE)).collect();
    let mut places = Places::default();
    let mut members: Vec<Vec<usize>> = Vec::new();
    for (at, (row, sample)) in rows.iter().enumerate() {
        let place = places.of((row.change.grid.clone(), axis.name(&row.change.labels), sample.seeds));
        members.resize_with(places.names.len(), Vec::new);
        members[place].push(at);
    }
    let group = |((grid, name, _), members): ((String, String, usize), Vec<usize>)| {
        if members.len() < 2 {
            return None;
        }
        let sum: f64 = members.iter().map(|at| weights[*at]).sum();
        let variants = members.iter().map(|at| rows[*at].1.values.len()).max()?;
        let mean = |values: &dyn Fn(usize) -> Vec<f64>| {
            let mut mean = vec![0.0; rows[members[0]].0.values.len()];
            for at in &members {
                for (mean, value) in mean.iter_mut().zip(values(*at)) {
                    *mean += weights[*at] / sum * value;
                }
            }
            mean
        };
        let own = mean(&|at| completed(&rows[at].0.values));
        let (ratio, interval) = size(&own.into_iter().map(Some).collect::<Vec<_>>());
        // A row whose sides chose one rate has the same values in each.
        let tested = |variant: usize| {
            mean(&|at| rows[at].1.values.get(variant).unwrap_or(&rows[at].1.values[0]).clone())
        };
        let sample = Sample { seeds: rows[members[0]].1.seeds, values: (0..variants).map(tested).collect() };
        let rows = members.len() as u64;
        Some(Group { grid, axis, name, rows, ratio, interval, sample })
    };
    places.names.into_iter().zip(members).filter_map(group).collect()
}

fn variance(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / n
}

impl Axis {
    fn name(self, [problem, loss, optimizer, _]: &Labels) -> String {
        match self {
            Self::Optimizer => optimizer.clone(),
            // A landscape is its own loss.
            Self::Workload if loss == "-" => problem.clone(),
            Self::Workload => format!("{problem}, {loss}"),
        }
    }
}
