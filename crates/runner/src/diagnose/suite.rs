//! Cases with planted causes, and how often the diagnosis finds them.

use std::path::PathBuf;
use std::process::ExitCode;

use analysis::diagnosis::Cause;
use rayon::prelude::*;

use super::{diagnose, suite_cases};
use crate::cli::{print, wrong};
use crate::config::diagnose::Case;

/// One planted case and what was found.
struct Found {
    name: String,
    planted: Cause,
    /// The main finding, or what went wrong.
    main: Result<Cause, String>,
    others: Vec<Cause>,
    slows: bool,
    baseline: Option<u64>,
    budget: u64,
    best: Option<(String, u64)>,
    seconds: f64,
}

pub(super) fn command(files: &[PathBuf], _json: bool) -> ExitCode {
    let cases = match suite_cases(files) {
        Ok(cases) => cases,
        Err(error) => return wrong(error, 2),
    };
    let found: Vec<Found> = cases.par_iter().map(|(case, folder)| find(case, folder)).collect();
    print(&report(&found));
    ExitCode::SUCCESS
}

fn find(case: &Case, folder: &std::path::Path) -> Found {
    let begun = std::time::Instant::now();
    let answer = diagnose(case, folder, &|_| {});
    let mut found = Found {
        name: case.name.clone(),
        planted: case.planted.unwrap_or(Cause::Healthy),
        main: Err(String::new()),
        others: Vec::new(),
        slows: false,
        baseline: None,
        budget: case.steps,
        best: None,
        seconds: 0.0,
    };
    match answer {
        Ok(answer) => {
            let findings = &answer.diagnosis.findings;
            found.main = Ok(findings[0].cause);
            found.others = findings[1..].iter().map(|finding| finding.cause).collect();
            found.slows = answer.diagnosis.slows_descent;
            found.baseline = answer.probes.evidence.baseline.reached;
            found.best = answer.diagnosis.fixes.first().and_then(|fix| Some((fix.name.clone(), fix.steps?)));
        }
        Err(message) => found.main = Err(message),
    }
    found.seconds = begun.elapsed().as_secs_f64();
    found
}

fn report(found: &[Found]) -> String {
    let mut text = String::new();
    let mut right = 0;
    for case in found {
        let ok = case.main.as_ref() == Ok(&case.planted);
        right += usize::from(ok);
        let main = match &case.main {
            Ok(cause) => cause.code().to_owned(),
            Err(message) => message.clone(),
        };
        let best = case.best.as_ref().map_or("-".into(), |(name, steps)| format!("{name} {steps}"));
        let own = case.baseline.map_or(format!(">{}", case.budget), |steps| steps.to_string());
        text += &format!(
            "{} {:20} {:20} slows {:5} own {own:>7} best {best:24} {:4.1} s  {:?}  [{}]\n",
            if ok { "  " } else { "✗ " },
            case.planted.code(),
            main,
            case.slows,
            case.seconds,
            case.others.iter().map(|cause| cause.code()).collect::<Vec<_>>(),
            case.name
        );
    }
    text + &format!("{right} of {} right\n", found.len())
}
