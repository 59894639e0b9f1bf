//! From findings and remedies that were run to a verdict.

use documented::DocumentedFields;
use records::evidence::Evidence;
use serde::Serialize;

use crate::causes::healthy::healthy;
use crate::{Cause, Finding};

/// How much faster a fix must be, for its cause to be what slows the run.
const GAIN: f64 = 3.0;

/// A run in the smallest model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, DocumentedFields)]
pub struct LineFit {
    /// Its steps; `null` where it doesn't arrive.
    pub steps: Option<u64>,
}

/// A remedy, and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, DocumentedFields)]
pub struct FixResult {
    /// What to call it.
    pub name: String,
    /// What to do.
    pub change: String,
    /// Its steps to the tolerance; `null` where it doesn't arrive.
    pub steps: Option<u64>,
    /// The steps of the author's run; `null` where it doesn't arrive.
    pub baseline_steps: Option<u64>,
    /// The author's steps over its own; of a run that didn't arrive, its budget counts.
    pub speedup: Option<f64>,
    /// Whether it reached the tolerance on the error.
    pub reached: bool,
    /// The same in a line fit; `null` where that wasn't run.
    pub line_fit: Option<LineFit>,
    /// Which causes it is a remedy for.
    #[serde(skip)]
    pub addresses: Vec<Cause>,
}

impl FixResult {
    /// Its place in the table: what arrives in a model, too, goes before what only a free fit likes.
    #[must_use]
    pub fn rank(&self) -> (bool, bool, Option<u64>) {
        let flattered = self.line_fit.is_some_and(|line| line.steps.is_none());
        (self.steps.is_none(), flattered, self.steps)
    }
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Serialize, DocumentedFields)]
pub struct Diagnosis {
    /// The answer in a sentence.
    pub verdict: String,
    /// Whether the main finding is what makes the author's run slow.
    pub slows_descent: bool,
    /// The causes that were found, the main one first.
    pub findings: Vec<Finding>,
    /// The remedies that were run, the best one first.
    pub fixes: Vec<FixResult>,
    /// What was probed, and what wasn't.
    pub region: String,
}

/// Puts the causes that slow the run first, and says so.
#[must_use]
pub fn verdict(
    evidence: &Evidence,
    findings: Vec<Finding>,
    mut fixes: Vec<FixResult>,
    region: String,
) -> Diagnosis {
    fixes.sort_by_key(FixResult::rank);
    let (slowing, others): (Vec<Finding>, Vec<Finding>) =
        findings.into_iter().partition(|finding| slows(evidence, finding.cause, &fixes));
    let slows_descent = !slowing.is_empty();
    let mut findings: Vec<Finding> = slowing.into_iter().chain(others).collect();
    if findings.is_empty() {
        findings.push(Finding::new(Cause::Healthy, healthy(evidence)));
    }
    let verdict = sentence(evidence, &findings[0], slows_descent, fixes.first());
    Diagnosis { verdict, slows_descent, findings, fixes, region }
}

/// A cause slows the run if the run doesn't arrive, or a remedy for that cause makes it several times faster.
fn slows(evidence: &Evidence, cause: Cause, fixes: &[FixResult]) -> bool {
    let Some(steps) = evidence.baseline.reached else { return cause != Cause::Asymmetry };
    if steps <= 50 {
        return false;
    }
    fixes.iter().any(|fix| {
        fix.addresses.contains(&cause)
            && fix.steps.is_some_and(|own| steps as f64 >= GAIN * own.max(1) as f64)
    })
}

fn sentence(evidence: &Evidence, main: &Finding, slows: bool, best: Option<&FixResult>) -> String {
    let mut sentence = main.evidence.clone();
    if let Some(first) = sentence.get(..1) {
        sentence = first.to_uppercase() + &sentence[1..];
    }
    let run = match evidence.baseline.reached {
        Some(steps) => format!("Your run needs {steps} steps"),
        None => format!("Your run doesn't arrive within {} steps", evidence.baseline.budget),
    };
    match (main.cause, slows, best) {
        (Cause::Healthy, ..) if evidence.baseline.reached.is_none() => {
            format!("No cause was found: {}.", main.evidence)
        }
        (Cause::Healthy, ..) => format!("Healthy: {}.", main.evidence),
        (cause, true, Some(best)) if best.reached => format!(
            "Slow by {}: {}. {run}; {} needs {}.",
            cause.name(),
            sentence,
            best.name,
            best.steps.unwrap_or(0)
        ),
        (cause, true, _) => {
            format!("Slow by {}: {}. {run}, and no fix that was tried does better.", cause.name(), sentence)
        }
        (cause, false, _) => {
            format!("Flagged, but not what slows you: {}. {}. {run}.", cause.name(), sentence)
        }
    }
}
