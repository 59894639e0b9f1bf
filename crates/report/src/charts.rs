//! The numbers behind the page's charts.

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::gallery::shares;
use super::{NAMED, Results};
use crate::figures::{COLORS, DASHES};
use analysis::table::basin;
use records::text::plain;

/// So many numbers of curves go into a page, about 8 MB; a large grid's curves have fewer points.
const MOST_NUMBERS: usize = 1_000_000;
/// A curve has at most so many points, and at least.
const POINTS: (usize, usize) = (6, 80);
/// Places at which profiles are shown.
const MOST_PLACES: usize = 300;

/// A number to four digits; what isn't finite is `null`.
struct Number(f64);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !self.0.is_finite() {
            return serializer.serialize_none();
        }
        let value: f64 = format!("{:.3e}", self.0).parse().expect("a number just written");
        if value.abs() < 1e6 && value.fract() == 0.0 {
            serializer.serialize_i64(value as i64)
        } else {
            serializer.serialize_f64(value)
        }
    }
}

#[derive(Serialize)]
struct Row {
    solver: usize,
    lr: f64,
    edge: &'static str,
    basin: (f64, f64),
    steps: Vec<u64>,
    error: [Vec<Number>; 3],
    loss: [Vec<Number>; 3],
    rates: Vec<f64>,
    rate_error: Vec<Number>,
    ert: Vec<Number>,
}

#[derive(Serialize)]
struct Workload {
    name: String,
    target: Option<f64>,
    rows: Vec<Row>,
}

fn numbers(values: impl IntoIterator<Item = f64>) -> Vec<Number> {
    values.into_iter().map(Number).collect()
}

/// As JSON in which no text ends the element that it stands in.
pub(super) fn json(results: &Results) -> String {
    let most = (MOST_NUMBERS / (6 * results.table.rows.len().max(1))).clamp(POINTS.0, POINTS.1);
    let workloads: Vec<Workload> =
        results.workloads().iter().map(|one| workload(results, one, most)).collect();
    let style = |solver: &analysis::scores::Solver| {
        let name = solver.name();
        let style = results.palette.style(&name);
        json!({ "name": plain(&name), "color": style.color, "dash": style.dash })
    };
    let hex = |[r, g, b]: [u8; 3]| format!("#{r:02x}{g:02x}{b:02x}");
    let all = json!({
        "named": NAMED,
        "colors": COLORS.map(|both| both.map(hex)),
        "dashes": DASHES,
        "solvers": results.scores.solvers.iter().map(style).collect::<Vec<_>>(),
        "workloads": workloads,
        "order": results.compared(),
        "profile": profile(results),
        "ecdf": ecdf(results),
    });
    // Within strings only, and the same text for whoever reads JSON.
    all.to_string().replace('<', "\\u003c")
}

fn workload(results: &Results, workload: &super::Workload, most: usize) -> Workload {
    let row = |&place: &usize| {
        let (row, grid) = (results.row(place), &results.grids[place]);
        let curve = results.curves[place].thinned(most);
        Row {
            solver: results.scores.rows[place].solver,
            lr: row.lr,
            edge: row.edge.into(),
            basin: basin(grid),
            steps: curve.steps,
            error: curve.error.map(numbers),
            loss: curve.loss.map(numbers),
            rates: grid.iter().map(|rate| rate.lr).collect(),
            rate_error: numbers(grid.iter().map(|rate| rate.error)),
            ert: numbers(grid.iter().map(|rate| rate.ert)),
        }
    };
    let target = workload.rows.iter().filter_map(|place| results.row(*place).target).min_by(f64::total_cmp);
    Workload {
        target,
        rows: workload.rows.iter().map(row).collect(),
        name: plain(&workload.name).into_owned(),
    }
}

fn profile(results: &Results) -> Value {
    let solvers = &results.scores.solvers;
    let compared = results.compared();
    let ratios = compared.iter().flat_map(|&place| solvers[place].profile.ratios());
    let mut places: Vec<f64> = ratios.copied().collect();
    places.push(1.0);
    places.retain(|ratio| ratio.is_finite());
    places.sort_unstable_by(f64::total_cmp);
    places.dedup();
    if places.len() > MOST_PLACES {
        let last = places.len() - 1;
        places = (0..MOST_PLACES).map(|k| places[k * last / (MOST_PLACES - 1)]).collect();
    }
    let shares =
        |solver: &analysis::scores::Solver| numbers(places.iter().map(|tau| solver.profile.share(*tau)));
    json!({ "x": numbers(places.iter().copied()), "y": solvers.iter().map(shares).collect::<Vec<_>>() })
}

fn ecdf(results: &Results) -> Value {
    let places: Vec<f64> = shares().collect();
    let of =
        |solver: &analysis::scores::Solver| numbers(places.iter().map(|share| solver.ecdf.share(*share)));
    let y: Vec<_> = results.scores.solvers.iter().map(of).collect();
    json!({ "x": numbers(places.iter().copied()), "y": y })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let texts = [0.0, -25.0, 0.123_456, 1.0 / 3.0 * 1e-7, 123_456.0, 1e300, f64::INFINITY, f64::NAN]
            .map(|value| serde_json::to_string(&Number(value)).unwrap());
        assert_eq!(texts, ["0", "-25", "0.1235", "3.333e-8", "123500", "1e+300", "null", "null"]);
    }
}
