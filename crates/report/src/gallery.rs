//! The figures of a grid.

use std::collections::HashMap;

use super::pairs::{APART, groups};
use super::{Curve, NAMED, Results, Workload};
use crate::figures::{Axis, Drawing, Figure, HeatMap, Line, Mark, Panel, RankDiagram, Ranked, Spot};
use analysis::scores::R_MAX;
use analysis::table::{Edge, basin};
use records::number::short;

/// Of a grid with more workloads, only the first have figures of their own.
const MOST_WORKLOADS: usize = 60;
/// Places at which a distribution is drawn.
const PLACES: usize = 121;

/// A figure and the name of its files.
pub type Named = (String, Drawing);

impl Results {
    /// Every figure that the results have numbers for: of each workload the convergence, the sensitivity to the learning
    /// rate, and a map of optimizers and learning rates; and of all of them profiles and ranks.
    #[must_use]
    pub fn gallery(&self) -> Vec<Named> {
        let mut gallery = Vec::new();
        let mut taken = HashMap::new();
        for workload in self.workloads().iter().take(MOST_WORKLOADS) {
            let name = file_name(&workload.name, &mut taken);
            if let Some(figure) = self.convergence(workload) {
                gallery.push((format!("curves-{name}"), Drawing::Figure(figure)));
            }
            if workload.rows.iter().any(|row| self.grids[*row].len() > 1) {
                gallery.push((format!("rates-{name}"), Drawing::Figure(self.sensitivity(workload))));
                gallery.push((format!("heat-{name}"), Drawing::HeatMap(self.heat(workload))));
            }
        }
        gallery.push(("profiles".to_owned(), Drawing::Figure(self.profiles())));
        gallery.extend(self.ranks().map(|ranks| ("ranks".to_owned(), Drawing::Ranks(ranks))));
        gallery
    }

    /// A line for each row, the best named, the others faint.
    fn lines(&self, workload: &Workload, line: impl Fn(usize) -> Line) -> Vec<Line> {
        let with_style = |(place, row): (usize, &usize)| {
            let solver = self.solver(*row);
            let faint = place >= NAMED;
            let line = line(*row);
            let band = if faint { Vec::new() } else { line.band };
            Line { style: Some(self.palette.style(&solver)), label: solver, faint, band, ..line }
        };
        workload.rows.iter().enumerate().map(with_style).collect()
    }

    /// Error and loss by step; `None` where no curves were recorded.
    #[must_use]
    pub fn convergence(&self, workload: &Workload) -> Option<Figure> {
        let curves = || workload.rows.iter().map(|row| &self.curves[*row]);
        if curves().all(|curve| curve.steps.len() < 2) {
            return None;
        }
        let panel = |name: &str, values: fn(&Curve) -> &[Vec<f64>; 3]| {
            let finite = || curves().flat_map(|curve| &values(curve)[1]).filter(|value| value.is_finite());
            // A loss below 0 has no logarithm.
            let log = finite().all(|value| *value >= 0.0) && finite().any(|value| *value > 0.0);
            let line = |row: usize| {
                let curve = &self.curves[row];
                let [low, median, high] = values(curve);
                let steps = curve.steps.iter().map(|step| (step + 1) as f64);
                Line {
                    points: steps.zip(median.iter().copied()).collect(),
                    band: low.iter().copied().zip(high.iter().copied()).collect(),
                    ..Line::default()
                }
            };
            let mut lines = self.lines(workload, line);
            for line in &mut lines {
                // What is 0 on a logarithmic axis, or infinite, ends the line; it mustn't stretch the band.
                line.band.iter_mut().zip(&line.points).for_each(|(band, point)| {
                    if !point.1.is_finite() {
                        *band = (f64::NAN, f64::NAN);
                    }
                });
            }
            let (x, y) = (axis("1 + step", true), axis(name, log));
            Panel { x, y, lines, ..Panel::default() }
        };
        let mut error = panel("error", |curve| &curve.error);
        let target = workload.rows.iter().filter_map(|row| self.row(*row).target).min_by(f64::total_cmp);
        error
            .marks
            .extend(target.map(|target| Mark::Horizontal(target, format!("target {}", short(target)))));
        let seeds = workload.rows.iter().map(|row| self.row(*row).seeds).max().unwrap_or(0);
        let what =
            format!("median and quartiles over {seeds} seeds, each at the learning rate chosen for it");
        Some(Figure {
            title: format!("{}: convergence", workload.name),
            note: noted(&what, workload.rows.len()),
            panels: vec![error, panel("loss", |curve| &curve.loss)],
        })
    }

    /// Error at the end, and steps to the target where somebody reached it, by learning rate.
    #[must_use]
    pub fn sensitivity(&self, workload: &Workload) -> Figure {
        let panel = |name: &str, value: fn(&analysis::table::Rate) -> f64, with_basin: bool| {
            let line = |row: usize| {
                let (grid, row) = (&self.grids[row], self.row(row));
                let points: Vec<(f64, f64)> = grid.iter().map(|rate| (rate.lr, value(rate))).collect();
                let chosen = points.iter().find(|point| point.0.total_cmp(&row.lr).is_eq());
                let spot = match row.edge {
                    Edge::Inside => Spot::Ring,
                    Edge::Low => Spot::Left,
                    Edge::High => Spot::Right,
                };
                let (low, high) = basin(grid);
                Line {
                    spots: chosen.map(|point| (*point, spot)).into_iter().collect(),
                    thick: (with_basin && low < high).then_some((low, high)),
                    points,
                    ..Line::default()
                }
            };
            let (x, y) = (axis("learning rate", true), axis(name, true));
            Panel { x, y, lines: self.lines(workload, line), ..Panel::default() }
        };
        let mut panels = vec![panel("median error at the end", |rate| rate.error, true)];
        if workload.rows.iter().any(|row| self.grids[*row].iter().any(|rate| rate.ert.is_finite())) {
            panels.push(panel("steps spent per success (ERT)", |rate| rate.ert, false));
        }
        let what =
            "ring: chosen; triangle: chosen at the edge of its grid; thick: within twice the least error";
        Figure {
            title: format!("{}: sensitivity to the learning rate", workload.name),
            note: noted(what, workload.rows.len()),
            panels,
        }
    }

    /// Error at the end by optimizer and learning rate.
    #[must_use]
    pub fn heat(&self, workload: &Workload) -> HeatMap {
        let grids = || workload.rows.iter().map(|row| &self.grids[*row]);
        let mut columns: Vec<f64> = grids().flatten().map(|rate| rate.lr).collect();
        columns.sort_unstable_by(f64::total_cmp);
        columns.dedup();
        let place = |lr: f64| columns.binary_search_by(|other| other.total_cmp(&lr)).ok();
        let values = |grid: &Vec<analysis::table::Rate>| {
            let mut values = vec![f64::NAN; columns.len()];
            for rate in grid {
                if let Some(place) = place(rate.lr) {
                    values[place] = rate.error;
                }
            }
            values
        };
        HeatMap {
            title: format!("{}: error by optimizer and learning rate", workload.name),
            note: "median error at the end over the seeds that the rate is chosen on (ring: chosen); the best first"
                .to_owned(),
            rows: workload.rows.iter().map(|row| self.solver(*row)).collect(),
            x: "learning rate".to_owned(),
            value: "error at the end".to_owned(),
            values: grids().map(values).collect(),
            chosen: workload.rows.iter().map(|row| place(self.row(*row).lr)).collect(),
            columns,
        }
    }

    /// The performance profile, and the share of targets reached by budget, of the most solvers that ran on the same
    /// workloads.
    #[must_use]
    pub fn profiles(&self) -> Figure {
        let order = self.compared();
        let largest = order.iter().flat_map(|place| self.scores.solvers[*place].profile.ratios());
        let largest = largest.copied().filter(|ratio| ratio.is_finite()).fold(R_MAX, f64::max);
        let lines = |points: &dyn Fn(usize) -> Vec<(f64, f64)>| {
            let line = |(rank, place): (usize, &usize)| {
                let label = self.scores.solvers[*place].name();
                let style = Some(self.palette.style(&label));
                Line { label, style, points: points(*place), faint: rank >= NAMED, ..Line::default() }
            };
            order.iter().enumerate().map(line).collect()
        };
        let profile = |place: usize| {
            let profile = &self.scores.solvers[place].profile;
            let mut places: Vec<f64> =
                [1.0, largest].into_iter().chain(profile.ratios().iter().copied()).collect();
            places.retain(|ratio| ratio.is_finite());
            places.sort_unstable_by(f64::total_cmp);
            places.dedup();
            stairs(places.into_iter().map(|tau| (tau, profile.share(tau))))
        };
        let ecdf = |place: usize| {
            let ecdf = &self.scores.solvers[place].ecdf;
            shares().map(|share| (share, ecdf.share(share))).collect()
        };
        let panel = |x: &str, y: &str, lines: Vec<Line>| Panel {
            x: axis(x, true),
            y: axis(y, false),
            lines,
            marks: vec![Mark::Horizontal(1.0, "all".to_owned())],
            ..Panel::default()
        };
        let mut first = panel("times the steps of the fastest", "share of workloads", lines(&profile));
        if first.lines.iter().any(|line| !line.points.is_empty()) {
            first.marks.push(Mark::Vertical(R_MAX, format!("scores count up to {R_MAX}")));
        }
        let workloads = self.common().words();
        Figure {
            title: "Who is fast on how much of the grid".to_owned(),
            note: noted(
                &format!(
                    "performance profile over {workloads}; share of all targets reached within a share of the budget"
                ),
                order.len(),
            ),
            panels: vec![first, panel("share of the budget", "share of targets", lines(&ecdf))],
        }
    }

    /// Mean ranks of the most solvers that ran on the same workloads; `None` for less than two of either.
    #[must_use]
    pub fn ranks(&self) -> Option<RankDiagram> {
        let (solvers, common) = (&self.scores.solvers, self.common());
        let mut order = common.solvers.clone();
        if common.workloads < 2 || order.len() < 2 {
            return None;
        }
        order.sort_by(|&a, &b| solvers[a].mean_rank.total_cmp(&solvers[b].mean_rank));
        let groups = groups(&order, &self.scores.pairs);
        let bars = if groups.is_some() {
            format!("bars: no two are apart (signed-rank tests, Holm's correction, p < {APART})")
        } else {
            "too many solvers to test every two: no bars".to_owned()
        };
        let ranked = order.iter().map(|&place| {
            let name = solvers[place].name();
            Ranked { style: self.palette.style(&name), name, rank: solvers[place].mean_rank }
        });
        Some(RankDiagram {
            title: "Mean ranks by steps to the target".to_owned(),
            note: format!("over {}; {bars}", common.words()),
            ranked: ranked.collect(),
            groups: groups.unwrap_or_default(),
        })
    }
}

/// Shares of the budget, even in their logarithm.
pub(super) fn shares() -> impl Iterator<Item = f64> {
    (0..PLACES).map(|k| libm::pow(10.0, 3.0 * (k as f64 / (PLACES - 1) as f64 - 1.0)))
}

fn axis(label: &str, log: bool) -> Axis {
    Axis { label: label.to_owned(), log }
}

fn noted(what: &str, lines: usize) -> String {
    if lines > NAMED { format!("{what}; the best {NAMED} of {lines} named") } else { what.to_owned() }
}

/// A line that stays until the next point.
fn stairs(points: impl Iterator<Item = (f64, f64)>) -> Vec<(f64, f64)> {
    let mut stairs: Vec<(f64, f64)> = Vec::new();
    for (x, y) in points.filter(|point| point.1.is_finite()) {
        if let Some(last) = stairs.last().copied() {
            stairs.push((x, last.1));
        }
        stairs.push((x, y));
    }
    stairs
}

/// A name that is a file's on every system; the second of the same has a number.
fn file_name(name: &str, taken: &mut HashMap<String, usize>) -> String {
    let mut plain = String::new();
    for character in name.chars() {
        if character.is_ascii_alphanumeric() || "_.=".contains(character) {
            plain.push(character.to_ascii_lowercase());
        } else if !plain.ends_with('-') {
            plain.push('-');
        }
    }
    let plain: String = plain.trim_matches(['-', '.']).chars().take(60).collect();
    let count = taken.entry(plain.clone()).or_insert(0);
    *count += 1;
    if *count == 1 { plain } else { format!("{plain}-{count}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_are_plain_and_differ() {
        let mut taken = HashMap::new();
        let mut name = |text| file_name(text, &mut taken);
        assert_eq!(name("line_fit · huber(delta=0.5)"), "line_fit-huber-delta=0.5");
        assert_eq!(name("line_fit · huber(delta=0.5 )"), "line_fit-huber-delta=0.5-2");
        assert_eq!(name("../../x"), "x");
        assert_eq!(name("日本"), "");
    }

    #[test]
    fn stairs_stay() {
        let points = [(1.0, 0.5), (2.0, 1.0), (3.0, f64::NAN)];
        assert_eq!(stairs(points.into_iter()), [(1.0, 0.5), (2.0, 0.5), (2.0, 1.0)]);
    }
}
