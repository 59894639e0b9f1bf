//! Which causes the evidence shows.

use documented::DocumentedFields;
use records::evidence::Evidence;
use serde::{Serialize, Serializer};

use crate::causes::{Cause, biased_minimizer, saturated_activation, term_conflict};
use crate::found::{Found, Value};

/// A cause that was found, and why.
#[derive(Clone, Debug, PartialEq, Serialize, DocumentedFields)]
pub struct Finding {
    /// Its code: docs/diagnosis.md has all.
    pub cause: Cause,
    /// What was measured, in a sentence.
    pub evidence: String,
    /// The values that the sentence shows, by name.
    #[serde(serialize_with = "by_name")]
    pub values: Vec<(&'static str, Value)>,
}

fn by_name<S: Serializer>(values: &[(&str, Value)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(values.iter().map(|(name, value)| (name, value)))
}

impl Finding {
    pub(crate) fn new(cause: Cause, Found { sentence, values }: Found) -> Self {
        Self { cause, evidence: sentence, values }
    }
}

/// What it finds, what it isn't run after, and how it judges.
type Test = (Cause, &'static [&'static [Cause]], fn(&Evidence) -> Option<Found>);

/// Two causes have a second test, which comes before that of another: it would be found instead.
fn second_test(before: Cause) -> Option<Test> {
    match before {
        Cause::DetachedGradient => Some((Cause::SaturatedActivation, &[], saturated_activation::dead_layer)),
        Cause::BiasedMinimizer => {
            Some((Cause::TermConflict, biased_minimizer::RULE.unless, term_conflict::between_goals))
        }
        _ => None,
    }
}

/// What was found, in the order of the tests.
#[must_use]
pub fn find_all(evidence: &Evidence) -> Vec<Finding> {
    let own = |cause: Cause| (cause, cause.rule().unless, cause.rule().find);
    let tests = Cause::ALL.iter().flat_map(|cause| second_test(*cause).into_iter().chain([own(*cause)]));
    let mut findings: Vec<Finding> = Vec::new();
    for (cause, unless, test) in tests {
        let is_found = |cause: &Cause| findings.iter().any(|finding| finding.cause == *cause);
        if unless.iter().copied().flatten().any(is_found) {
            continue;
        }
        findings.extend(test(evidence).map(|found| Finding::new(cause, found)));
        // One frozen draw of a loss isn't the loss: its minimum and its shape say nothing more.
        if evidence.random && findings.last().is_some_and(|last| last.cause == Cause::NoisyGradient) {
            break;
        }
    }
    findings
}
