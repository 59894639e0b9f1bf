//! What criterion saved in two folders: changes of throughput, with their intervals.
//!
//! ```text
//! ratio = time(right) / time(left)
//! interval = exp(ln ratio ± 1.96·√(se_l²/time_l² + se_r²/time_r²))
//! ```
//! Times are criterion's point estimates (of the slope where there is one, else of the mean) with their
//! standard errors. They are of one machine at one moment, so a change is shown and never a regression.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use analysis::text_table::{Column, TextTable};
use serde::Deserialize;
use serde_json::json;

use super::error::CompareError;
use crate::args::Format;

/// `estimates.json`, as far as it is read.
#[derive(Deserialize)]
struct Estimates {
    mean: Estimate,
    slope: Option<Estimate>,
}

#[derive(Clone, Copy, Deserialize)]
struct Estimate {
    point_estimate: f64,
    standard_error: f64,
}

/// `benchmark.json`, as far as it is read.
#[derive(Deserialize)]
struct Named {
    full_id: String,
}

/// A benchmark that both sides have.
struct Change {
    name: String,
    /// Nanoseconds an iteration.
    times: [f64; 2],
    ratio: f64,
    interval: [f64; 2],
}

/// Compares two folders such as `target/criterion`.
pub(super) fn compare(left: &Path, right: &Path, format: Format) -> Result<String, CompareError> {
    let (before, now) = (read(left)?, read(right)?);
    let mut changes: Vec<Change> =
        before.iter().filter_map(|(name, left)| Some(change(name, *left, *now.get(name)?))).collect();
    changes.sort_by(|a, b| b.ratio.ln().abs().total_cmp(&a.ratio.ln().abs()));
    let only = |these: &BTreeMap<String, Estimate>, those: &BTreeMap<String, Estimate>| -> Vec<String> {
        these.keys().filter(|name| !those.contains_key(*name)).cloned().collect()
    };
    let (vanished, appeared) = (only(&before, &now), only(&now, &before));
    if format == Format::Json {
        let rows: Vec<_> = changes
            .iter()
            .map(|change| {
                json!({ "bench": change.name, "left_ns": change.times[0], "right_ns": change.times[1],
                        "ratio": change.ratio, "interval": change.interval })
            })
            .collect();
        let value = json!({ "rows": rows, "vanished": vanished, "appeared": appeared });
        return Ok(serde_json::to_string_pretty(&value).expect("it is plain data") + "\n");
    }
    let mut table = TextTable::new([
        ("change", Column::Mark),
        ("time ratio", Column::Number),
        ("95 % interval", Column::Number),
        ("ns an iteration", Column::Number),
        ("bench", Column::Label),
    ]);
    for change in &changes {
        let [low, high] = change.interval;
        let mark = if low > 1.0 {
            "slower"
        } else if high < 1.0 {
            "faster"
        } else {
            "no clear change"
        };
        let [left, right] = change.times;
        let ratio = format!("{:.3}", change.ratio);
        let times = format!("{left:.1} → {right:.1}");
        table.row([mark.to_owned(), ratio, format!("{low:.3}..{high:.3}"), times, change.name.clone()]);
    }
    let mut lines = if format == Format::Markdown { table.markdown() } else { table.lines() };
    lines.push(String::new());
    for (what, names) in [("vanished", &vanished), ("appeared", &appeared)] {
        if !names.is_empty() {
            lines.push(format!("{what}: {}", names.join(", ")));
        }
    }
    lines.push(
        "Times are of the machines that made them: run both sides on one, with nothing else on it.".into(),
    );
    Ok(lines.join("\n") + "\n")
}

fn change(name: &str, left: Estimate, right: Estimate) -> Change {
    let ratio = right.point_estimate / left.point_estimate;
    let relative = |estimate: Estimate| estimate.standard_error / estimate.point_estimate;
    let half = 1.96 * relative(left).hypot(relative(right));
    let interval = [(-half).exp() * ratio, half.exp() * ratio];
    Change { name: name.to_owned(), times: [left.point_estimate, right.point_estimate], ratio, interval }
}

/// The estimates of a folder, by the benchmark's name.
fn read(folder: &Path) -> Result<BTreeMap<String, Estimate>, CompareError> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        let entries =
            fs::read_dir(&next).map_err(|source| CompareError::Io { path: next.clone(), source })?;
        for entry in entries.flatten() {
            let path = entry.path();
            // A link could lead round in a circle.
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(path.clone());
                let estimates = path.join("estimates.json");
                if path.ends_with("new") && estimates.is_file() {
                    let (name, estimate) = estimate(&path, estimates)?;
                    found.insert(name, estimate);
                }
            }
        }
    }
    if found.is_empty() {
        return Err(CompareError::NoBenches { path: folder.to_owned() });
    }
    Ok(found)
}

fn estimate(folder: &Path, path: PathBuf) -> Result<(String, Estimate), CompareError> {
    let named: Named = parse(folder.join("benchmark.json"))?;
    let Estimates { mean, slope } = parse(path.clone())?;
    let estimate = slope.unwrap_or(mean);
    let sane = estimate.point_estimate > 0.0 && estimate.standard_error >= 0.0;
    if !(sane && estimate.point_estimate.is_finite()) {
        return Err(CompareError::Estimates { path, problem: "a time that is not above 0".into() });
    }
    Ok((named.full_id, estimate))
}

fn parse<T: for<'a> Deserialize<'a>>(path: PathBuf) -> Result<T, CompareError> {
    let text = fs::read_to_string(&path).map_err(|source| CompareError::Io { path: path.clone(), source })?;
    serde_json::from_str(&text).map_err(|error| CompareError::Estimates { path, problem: error.to_string() })
}
