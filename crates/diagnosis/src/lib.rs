//! Why a loss decreases slowly: a case becomes an objective, probes measure it and fill the evidence, causes are judged
//! by that, and remedies for them are trained by the engine.

mod fit;
mod fixes;
mod line;
mod probe;
mod profile;
mod run;
mod setup;
mod spectrum;

use causes::{Diagnosis, LineFit, find_all, verdict};
use config::diagnose::Case;
use engine::CurvePoint;
use records::evidence::Evidence;
use records::number::short;

pub use profile::Profile;

/// A diagnosis with all that it rests on.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The verdict, the causes that were found, and the fixes that were run.
    pub diagnosis: Diagnosis,
    /// What was measured.
    pub evidence: Evidence,
    /// The error that is good enough.
    pub tolerance: f64,
    /// The author's steps in a line fit, where that was run.
    pub line_fit: Option<LineFit>,
    /// The loss along a line.
    pub profile: Profile,
    /// The author's run, and those of the fixes with their names, the best first.
    pub descents: Vec<(String, Vec<CurvePoint>)>,
}

/// Finds out why a case is slow; `progress` is told what is being probed.
///
/// # Errors
/// If the numbers of the case don't fit together, or its loss can't be computed at the start: why.
pub fn diagnose(case: &Case, progress: &dyn Fn(&str)) -> Result<Answer, String> {
    progress("the minimum");
    let setup = setup::set_up(case)?;
    let probes = probe::probe(case, &setup, progress);
    let findings = find_all(&probes.evidence);
    let mut outcomes = fixes::try_all(case, &setup, &probes, &findings, progress);
    outcomes.sort_by_key(|outcome| outcome.tried.rank());
    let mut descents = vec![("yours".to_owned(), probes.baseline.curve)];
    let mut tried = Vec::new();
    for fixes::Outcome { tried: fix, run } in outcomes {
        descents.extend(run.filter(|run| !run.curve.is_empty()).map(|run| (fix.name.clone(), run.curve)));
        tried.push(fix);
    }
    let diagnosis = verdict(&probes.evidence, findings, tried, region(case, &setup));
    let (evidence, line_fit, profile) = (probes.evidence, probes.line_fit, profile::profile(&setup));
    Ok(Answer { diagnosis, evidence, tolerance: setup.tolerance, line_fit, profile, descents })
}

/// What was probed, in words.
fn region(case: &Case, setup: &setup::Setup) -> String {
    let count = setup.exact.size();
    let notes = setup.notes.iter().fold(String::new(), |text, note| text + &format!(" Found out: {note}."));
    format!(
        "Probed: {count} parameter{} in {}, from the minimum to the start (typically {} apart) and 10⁵ times as far \
         along descent directions; errors from {} to the tolerance of {}; {} gradient evaluations. Not probed: other \
         starts, data and seeds.{notes}",
        if count == 1 { "" } else { "s" },
        case.dtype,
        short(setup.length_scale),
        short(setup.start_error),
        short(setup.tolerance),
        setup.exact.evaluations.get() + setup.model.evaluations.get()
    )
}
