//! Cases with planted causes, and how often the diagnosis finds them.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;

use causes::{Cause, Diagnosis};
use rayon::prelude::*;
use serde_json::json;

use crate::config::diagnose::{Case, read_suite};
use crate::exit::CommandError;
use crate::terminal::{print, print_json};
use crate::threads::pool;
use diagnosis::diagnose;

/// A planted case, and what was found.
struct Found {
    file: String,
    name: String,
    planted: Cause,
    /// The answer, or what went wrong.
    answer: Result<Diagnosis, String>,
    /// The author's steps, or the budget where the run doesn't arrive.
    own: u64,
}

/// Runs the cases with one of these texts in their name, or all where there is none, and prints the matrix in Markdown,
/// which docs/src/diagnosis.md holds; with `json`, every answer too.
pub(super) fn run(files: &[PathBuf], names: &[String], json: bool) -> Result<(), CommandError> {
    let causes: Vec<&str> = Cause::ALL.iter().map(|cause| cause.code()).collect();
    let mut cases = Vec::new();
    for file in files {
        let wanted =
            |case: &Case| names.is_empty() || names.iter().any(|text| case.name.contains(text.as_str()));
        cases.extend(read_suite(file, &causes)?.into_iter().filter(wanted).map(|case| (case, file)));
    }
    let pool = pool(available_parallelism().map_or(1, NonZero::get))?;
    let found: Vec<Found> = pool.install(|| cases.par_iter().map(|(case, file)| find(case, file)).collect());
    if json {
        let case = |found: &Found| {
            let (diagnosis, error) = (found.answer.as_ref().ok(), found.answer.as_ref().err());
            json!({
                "suite": found.file, "name": found.name, "planted": found.planted.code(), "steps": found.own,
                "diagnosis": diagnosis, "error": error,
            })
        };
        let all = json!({ "matrix": report(&found), "cases": found.iter().map(case).collect::<Vec<_>>() });
        print_json(&format!("{all:#}\n"));
    } else {
        print(&report(&found));
    }
    Ok(())
}

fn find(case: &Case, file: &Path) -> Found {
    let answer = diagnose(case, &|_| {});
    let reached = answer.as_ref().ok().and_then(|answer| answer.evidence.baseline.reached);
    Found {
        file: file.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        name: case.name.clone(),
        planted: case.planted.as_deref().and_then(Cause::named).unwrap_or(Cause::Healthy),
        own: reached.unwrap_or(case.steps),
        answer: answer.map(|answer| answer.diagnosis),
    }
}

impl Found {
    /// The main finding.
    fn main(&self) -> Option<Cause> {
        self.answer.as_ref().ok().map(|answer| answer.findings[0].cause)
    }

    fn is_right(&self) -> bool {
        self.main() == Some(self.planted)
    }

    fn main_code(&self) -> &str {
        self.main().map_or("error", |cause| cause.code())
    }

    fn is_slow(&self) -> bool {
        self.planted != Cause::Healthy && self.answer.as_ref().is_ok_and(|answer| answer.slows_descent)
    }

    /// Whether the fix that is listed first, or any, takes a fifth of the author's steps at most.
    fn is_mended(&self, first: bool) -> bool {
        let fixes = self.answer.iter().flat_map(|answer| &answer.fixes);
        let steps = fixes.take(if first { 1 } else { usize::MAX }).filter_map(|fix| fix.steps).min();
        steps.is_some_and(|steps| 5 * steps <= self.own)
    }
}

fn report(found: &[Found]) -> String {
    let mut files: Vec<&str> = found.iter().map(|case| case.file.as_str()).collect();
    files.dedup();
    files
        .into_iter()
        .map(|file| matrix(file, &found.iter().filter(|case| case.file == file).collect::<Vec<_>>()))
        .collect()
}

fn matrix(file: &str, cases: &[&Found]) -> String {
    let right = cases.iter().filter(|case| case.is_right()).count();
    let healthy: Vec<&&Found> = cases.iter().filter(|case| case.planted == Cause::Healthy).collect();
    let alarms = healthy.iter().filter(|case| !case.is_right()).count();
    let slow: Vec<&&Found> = cases.iter().filter(|case| case.is_slow()).collect();
    let mended = slow.iter().filter(|case| case.is_mended(false)).count();
    let first = slow.iter().filter(|case| case.is_mended(true)).count();
    let mut rows: BTreeMap<Cause, BTreeMap<&str, usize>> = BTreeMap::new();
    for case in cases {
        *rows.entry(case.planted).or_default().entry(case.main_code()).or_default() += 1;
    }
    let line = |(planted, found): (&Cause, &BTreeMap<&str, usize>)| {
        let cells: Vec<String> = found.iter().map(|(code, count)| format!("{code} {count}")).collect();
        format!("| {} | {} | {} |\n", planted.code(), found.values().sum::<usize>(), cells.join(", "))
    };
    let mut text = format!(
        "### {file}\n\n{right} of {} main causes right; {alarms} false alarms on {} healthy cases. Of {} slow cases, a \
         fix takes at most a fifth of the author's steps in {mended}; the one listed first does in {first}.\n\n\
         | planted | cases | found as the main cause |\n| --- | ---: | --- |\n",
        cases.len(),
        healthy.len(),
        slow.len()
    );
    text += &rows.iter().map(line).collect::<String>();
    let details = |case: &&Found| {
        let findings = case.answer.iter().flat_map(|answer| &answer.findings);
        let others: Vec<&str> = findings.skip(1).map(|finding| finding.cause.code()).collect();
        let also = if others.is_empty() { String::new() } else { format!("; also {}", others.join(", ")) };
        let message = case.answer.as_ref().err().map(|message| format!(" ({message})")).unwrap_or_default();
        format!("- {}: {} instead of {}{message}{also}\n", case.name, case.main_code(), case.planted.code())
    };
    let misses: String = cases.iter().filter(|case| !case.is_right()).map(details).collect();
    let unmended = |case: &&&Found| format!("- {}: no fix in a fifth of {} steps\n", case.name, case.own);
    let unmended: String = slow.iter().filter(|case| !case.is_mended(false)).map(unmended).collect();
    text + "\n" + &misses + &unmended + if misses.is_empty() && unmended.is_empty() { "" } else { "\n" }
}
