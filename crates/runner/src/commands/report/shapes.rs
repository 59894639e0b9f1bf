//! The losses of a grid and their gradients, over the prediction.

use losses::{Loss, TargetKind};
use numeric::{LANES, Row, rows};
use report::NAMED;
use report::figures::{Axis, Figure, Line, Panel};

const POINTS: usize = 401;
/// As far from the target as is shown.
const REACH: f64 = 2.0;

/// Value and gradient of each loss of one prediction; `None` where there is no such loss.
pub(super) fn figure(losses: &[&Loss]) -> Option<Figure> {
    let of_values = |loss: &&&Loss| loss.targets() == TargetKind::Values && loss.kernel::<f64>().is_some();
    let losses: Vec<&Loss> = losses.iter().filter(of_values).copied().collect();
    if losses.is_empty() {
        return None;
    }
    let profiles: Vec<(String, Vec<[f64; 3]>)> =
        losses.iter().filter_map(|loss| Some((loss.label(), profile(loss)?))).collect();
    let panel = |name: &str, column: usize| Panel {
        x: Axis { label: "prediction, where the target is 0".into(), log: false },
        y: Axis { label: name.into(), log: false },
        lines: profiles
            .iter()
            .enumerate()
            .map(|(place, (label, rows))| Line {
                label: label.clone(),
                points: rows.iter().map(|row| (row[0], row[column])).collect(),
                faint: place >= NAMED,
                ..Line::default()
            })
            .collect(),
        ..Panel::default()
    };
    let count = profiles.len();
    let note = if count > NAMED {
        format!("the first {NAMED} of {count} losses named, in the order of the config")
    } else {
        String::new()
    };
    Some(Figure {
        title: "The losses and their gradients".into(),
        note,
        panels: vec![panel("loss", 1), panel("gradient", 2)],
    })
}

/// Prediction, value and gradient.
fn profile(loss: &Loss) -> Option<Vec<[f64; 3]>> {
    let kernel = loss.kernel::<f64>()?;
    let at = |k: usize| REACH * (2.0 * k as f64 / (POINTS - 1) as f64 - 1.0);
    let chunks = rows::chunks(POINTS);
    let mut prediction: Vec<Row<f64>> = vec![rows::zero(); chunks];
    for k in 0..POINTS {
        prediction[k / LANES][k % LANES] = at(k);
    }
    let target: Vec<Row<f64>> = vec![rows::zero(); chunks];
    let [mut slope, mut value] = [(); 2].map(|()| vec![rows::zero::<f64>(); chunks]);
    kernel.mean(1, &prediction, &target, &mut slope, &mut value);
    Some((0..POINTS).map(|k| [at(k), value[k / LANES][k % LANES], slope[k / LANES][k % LANES]]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plateau_is_flat_where_it_says() {
        let rows = profile(&Loss::named("plateau").unwrap()).unwrap();
        let at = |x: f64| rows.iter().find(|row| (row[0] - x).abs() < 1e-9).unwrap();
        assert_eq!((at(-1.0)[1], at(-1.0)[2]), (0.5005, -0.001));
        assert_eq!((at(0.25)[1], at(0.25)[2]), (0.25, 1.0));
    }
}
