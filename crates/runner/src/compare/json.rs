//! The comparison for programs.

use analysis::compare::{Axis, Comparison, GroupChange, InputChange, Measure, Names, Reported, RowChange};
use serde_json::{Value, json};

/// One object; numbers that JSON has not (infinite, none) are the texts `"inf"` and `null`.
pub(super) fn json(comparison: &Comparison, names: &Names) -> String {
    let value = json!({
        "left": names.left,
        "right": names.right,
        "alpha": comparison.options.alpha,
        "threshold": comparison.options.threshold,
        "cells": { "left": comparison.cells[0], "right": comparison.cells[1] },
        "regressions": comparison.regressions(),
        "vanished": comparison.vanished(),
        "failed": comparison.failed(),
        "identical": comparison.identical,
        "tested": comparison.tested,
        "alpha_steps": comparison.options.alpha - comparison.spent,
        "seeds_needed": comparison.seeds_needed(),
        "not_comparable": comparison.mismatches.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "inputs_changed": comparison.inputs.iter().map(input).collect::<Vec<_>>(),
        "together": comparison.groups.iter().map(group).collect::<Vec<_>>(),
        "rows": comparison.rows.iter().map(row).collect::<Vec<_>>(),
    });
    serde_json::to_string_pretty(&value).expect("it is plain data") + "\n"
}

fn input(change: &InputChange) -> Value {
    let InputChange { grid, name, digests: [left, right] } = change;
    json!({ "grid": grid, "name": name, "left_sha256": left, "right_sha256": right })
}

/// Rows of an optimizer, or of a workload, that changed alike.
fn group(group: &GroupChange) -> Value {
    let axis = match group.axis {
        Axis::Optimizer => "optimizer",
        Axis::Workload => "workload",
    };
    json!({
        "grid": group.grid,
        "axis": axis,
        "name": group.name,
        "change": group.verdict.as_str(),
        "regression": group.verdict.is_regression(),
        "rows": group.rows,
        "ratio": number(group.ratio),
        "interval": group.interval.map(|ends| ends.map(number)),
        "p": group.p,
    })
}

fn row(row: &RowChange) -> Value {
    let [problem, loss, optimizer, schedule] = &row.labels;
    let target = if let Measure::Steps(target) = row.measure { json!(target) } else { Value::Null };
    let outcome = |(before, now, cells): &(_, _, u64)| -> Value {
        let (before, now): (&records::Outcome, &records::Outcome) = (before, now);
        json!({ "left": before.as_str(), "right": now.as_str(), "cells": cells })
    };
    json!({
        "grid": row.grid,
        "problem": problem,
        "loss": loss,
        "optimizer": optimizer,
        "schedule": schedule,
        "change": row.verdict.as_str(),
        "regression": row.verdict.is_regression(),
        "measure": if target.is_null() { "final_error" } else { "steps_to_target" },
        "target": target,
        "left": row.left.as_ref().map(reported),
        "right": row.right.as_ref().map(reported),
        "pairs": row.pairs,
        "ratio": number(row.ratio),
        "interval": row.interval.map(|ends| ends.map(number)),
        "p": row.p,
        "cells_changed": row.changed,
        "outcomes_changed": row.outcomes.iter().map(outcome).collect::<Vec<_>>(),
    })
}

fn reported(reported: &Reported) -> Value {
    json!({
        "lr": reported.lr,
        "seeds": reported.seeds,
        "reached": reported.reached,
        "median": number(reported.typical),
        "diverged": reported.diverged,
        "failed": reported.failed,
    })
}

pub(super) fn number(value: f64) -> Value {
    if value.is_infinite() { json!(if value > 0.0 { "inf" } else { "-inf" }) } else { json!(value) }
}
