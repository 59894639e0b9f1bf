//! Cases with planted causes, and how often the diagnosis finds them.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread::available_parallelism;

use analysis::diagnosis::Cause;
use rayon::prelude::*;

use super::{diagnose, suite_cases};
use crate::config::diagnose::Case;
use crate::terminal::{print, wrong};
use crate::threads::pool;

/// A planted case, and what was found.
struct Found {
    file: String,
    name: String,
    planted: Cause,
    /// The main finding, or what went wrong.
    main: Result<Cause, String>,
    others: Vec<Cause>,
    slows: bool,
    /// The author's steps, or the budget where the run doesn't arrive.
    own: u64,
    /// The steps of the fix that is listed first.
    best: Option<u64>,
    /// The fewest steps of any fix.
    fastest: Option<u64>,
}

/// Runs every case and prints the matrix in Markdown, which docs/diagnosis.md holds.
pub(super) fn command(files: &[PathBuf]) -> ExitCode {
    let cases = match suite_cases(files) {
        Ok(cases) => cases,
        Err(error) => return wrong(error, 2),
    };
    let pool = match pool(available_parallelism().map_or(1, NonZero::get)) {
        Ok(pool) => pool,
        Err(error) => return wrong(error, 1),
    };
    let found: Vec<Found> = pool.install(|| cases.par_iter().map(|(case, file)| find(case, file)).collect());
    print(&report(&found));
    ExitCode::SUCCESS
}

fn find(case: &Case, file: &Path) -> Found {
    let answer = diagnose(case, file.parent().unwrap_or(Path::new(".")), &|_| {});
    let mut found = Found {
        file: file.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        name: case.name.clone(),
        planted: case.planted.unwrap_or(Cause::Healthy),
        main: Err(String::new()),
        others: Vec::new(),
        slows: false,
        own: case.steps,
        best: None,
        fastest: None,
    };
    match answer {
        Ok(answer) => {
            let diagnosis = &answer.diagnosis;
            let causes: Vec<Cause> = diagnosis.findings.iter().map(|finding| finding.cause).collect();
            found.main = Ok(causes[0]);
            found.others = causes[1..].to_vec();
            found.slows = diagnosis.slows_descent;
            found.own = answer.probes.evidence.baseline.reached.unwrap_or(case.steps);
            found.best = diagnosis.fixes.first().and_then(|fix| fix.steps);
            found.fastest = diagnosis.fixes.iter().filter_map(|fix| fix.steps).min();
        }
        Err(message) => found.main = Err(message),
    }
    found
}

impl Found {
    fn is_right(&self) -> bool {
        self.main.as_ref() == Ok(&self.planted)
    }

    fn main_code(&self) -> &str {
        self.main.as_ref().map_or("error", |cause| cause.code())
    }

    fn is_mended(&self) -> bool {
        self.fastest.is_some_and(|steps| 5 * steps <= self.own)
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
    let slow: Vec<&&Found> =
        cases.iter().filter(|case| case.planted != Cause::Healthy && case.slows).collect();
    let mended = slow.iter().filter(|case| case.is_mended()).count();
    let first = slow.iter().filter(|case| case.best.is_some_and(|steps| 5 * steps <= case.own)).count();
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
        let others: Vec<&str> = case.others.iter().map(|cause| cause.code()).collect();
        let also = if others.is_empty() { String::new() } else { format!("; also {}", others.join(", ")) };
        let message = case.main.as_ref().err().map(|message| format!(" ({message})")).unwrap_or_default();
        format!("- {}: {} instead of {}{message}{also}\n", case.name, case.main_code(), case.planted.code())
    };
    let misses: String = cases.iter().filter(|case| !case.is_right()).map(details).collect();
    let unmended = |case: &&&Found| format!("- {}: no fix in a fifth of {} steps\n", case.name, case.own);
    let unmended: String = slow.iter().filter(|case| !case.is_mended()).map(unmended).collect();
    text + "\n" + &misses + &unmended + if misses.is_empty() && unmended.is_empty() { "" } else { "\n" }
}
