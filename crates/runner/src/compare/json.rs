//! The comparison for programs.

use analysis::compare::{Comparison, InputChange, Measure, Names, Reported, RowChange};
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
        "seeds_needed": comparison.seeds_needed(),
        "not_comparable": comparison.mismatches.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "inputs_changed": comparison.inputs.iter().map(input).collect::<Vec<_>>(),
        "rows": comparison.rows.iter().map(row).collect::<Vec<_>>(),
    });
    serde_json::to_string_pretty(&value).expect("it is plain data") + "\n"
}

fn input(change: &InputChange) -> Value {
    let InputChange { grid, name, digests: [left, right] } = change;
    json!({ "grid": grid, "name": name, "left_sha256": left, "right_sha256": right })
}

fn row(row: &RowChange) -> Value {
    let [problem, loss, optimizer, schedule] = &row.labels;
    let target = if let Measure::Steps(target) = row.measure { json!(target) } else { Value::Null };
    let outcome = |(before, now, cells): &(_, _, u64)| -> Value {
        let (before, now): (&analysis::records::Outcome, &analysis::records::Outcome) = (before, now);
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
        "p_holm": row.p_holm,
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
