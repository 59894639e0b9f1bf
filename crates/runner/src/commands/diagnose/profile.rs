//! What a diagnosis shows: the loss and its gradient over predictions, and descents.

use diagnosis::{Answer, Profile};
use records::PROFILE_COLUMNS;
use report::figures::{Axis, Figure, Line, Mark, Panel};

use crate::sparkline::bars;

pub(super) fn csv(profile: &Profile) -> String {
    let row = |[place, value, slope, curvature]: &[f64; 4]| format!("{place},{value},{slope},{curvature}\n");
    format!("{},{}\n", profile.column, PROFILE_COLUMNS.map(|(column, _)| column).join(","))
        + &profile.rows.iter().map(row).collect::<String>()
}

pub(super) fn figure(profile: &Profile, name: &str) -> Figure {
    let panel = |label: &str, column: usize| Panel {
        x: Axis { label: profile.label.into(), log: false },
        y: Axis { label: label.into(), log: false },
        lines: vec![Line {
            label: label.into(),
            points: profile.rows.iter().map(|row| (row[0], row[column])).collect(),
            ..Line::default()
        }],
        marks: vec![Mark::Vertical(profile.start, "start".into())],
        ..Panel::default()
    };
    Figure {
        title: format!("{name}: the loss and its gradient"),
        note: String::new(),
        panels: vec![panel("loss", 1), panel("gradient", 2)],
    }
}

/// Value and size of the gradient, in characters.
pub(super) fn sketch(profile: &Profile) -> String {
    const COLUMNS: usize = 64;
    let pick = |c: usize| &profile.rows[c * (profile.rows.len() - 1) / (COLUMNS - 1)];
    let drawn = |value: &dyn Fn(&[f64; 4]) -> f64| {
        let values: Vec<f64> = (0..COLUMNS).map(|c| value(pick(c))).collect();
        let finite = || values.iter().copied().filter(|v| v.is_finite());
        let (low, high) =
            (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max));
        let number = |v: f64| if v.abs() < 1e6 { format!("{v:.3}") } else { format!("{v:.2e}") };
        let ends =
            if low <= high { format!("{} … {}", number(low), number(high)) } else { "not finite".into() };
        (bars(&values), ends)
    };
    let (value, values) = drawn(&|row| row[1]);
    let (slope, slopes) = drawn(&|row| row[2].abs());
    let (first, last) = (profile.rows[0][0], profile.rows[profile.rows.len() - 1][0]);
    let ends = [format!("{first:.3}"), format!("{last:.3}")];
    let gap = COLUMNS.saturating_sub(ends[0].chars().count() + ends[1].chars().count());
    let middle = profile.column;
    let left = gap.saturating_sub(middle.len()) / 2;
    let right = gap.saturating_sub(middle.len() + left);
    format!(
        "loss        {value}  {values}\n|gradient|  {slope}  {slopes}\n            {}{:left$}{middle}{:right$}{}\n",
        ends[0], "", "", ends[1]
    )
}

/// The descent of the author's run and of the best fixes.
pub(super) fn descent(name: &str, answer: &Answer) -> Figure {
    let line = |(label, curve): &(String, Vec<engine::CurvePoint>)| Line {
        label: label.clone(),
        // Step 0 has no place on a logarithmic axis.
        points: curve.iter().map(|moment| ((moment.step + 1) as f64, moment.error)).collect(),
        ..Line::default()
    };
    let panel = Panel {
        x: Axis { label: "1 + step".into(), log: true },
        y: Axis { label: "error".into(), log: true },
        lines: answer.descents.iter().take(7).map(line).collect(),
        marks: vec![Mark::Horizontal(answer.tolerance, "tolerance".into())],
        ..Panel::default()
    };
    Figure { title: format!("{name}: your run and the fixes"), note: String::new(), panels: vec![panel] }
}
