//! What a cause consists of, and what several of them need.

use records::evidence::Evidence;

use crate::Cause;
use crate::found::Found;

/// What every file of a cause begins with.
pub(crate) mod prelude {
    pub(crate) use records::evidence::{Evidence, Path};

    pub(crate) use super::{BROKEN, Rule, Threshold, is_quick, thresholds};
    pub(crate) use crate::Cause;
    pub(crate) use crate::found::{Found, say};
}

/// A cause: what it is, when it is found, and what removes it.
#[derive(Debug)]
pub struct Rule {
    /// What a sentence calls it.
    pub name: &'static str,
    /// What it is, in one line.
    pub what: &'static str,
    /// The evidence that it is judged by.
    pub reads: &'static str,
    /// What that evidence is compared with.
    pub thresholds: &'static [Threshold],
    /// Causes that, found before, invalidate that evidence.
    pub unless: &'static [&'static [Cause]],
    /// What removes it.
    pub remedies: &'static str,
    pub(crate) find: fn(&Evidence) -> Option<Found>,
}

/// A number that evidence is compared with.
#[derive(Debug)]
pub struct Threshold {
    /// The name of its constant.
    pub name: &'static str,
    /// The number.
    pub value: f64,
    /// What it is, and why it is that number.
    pub reason: &'static str,
}

/// Constants, and `THRESHOLDS`, the list of them with their docs as reasons.
macro_rules! thresholds {
    ($($(#[doc = $reason:literal])+ $name:ident = $value:expr;)*) => {
        $($(#[doc = $reason])+ pub const $name: f64 = $value;)*
        const THRESHOLDS: &[Threshold] = &[
            $(Threshold { name: stringify!($name), value: $name, reason: concat!($($reason),+) }),*
        ];
    };
}
pub(crate) use thresholds;

/// A run of so few steps is not slow, whatever could be faster.
const FEW_STEPS: u64 = 500;

/// Whether the author's run gets there in so few steps that nothing needs to be explained.
pub(crate) fn is_quick(e: &Evidence) -> bool {
    e.baseline.reached.is_some_and(|steps| steps <= FEW_STEPS)
}

/// Causes that make every path look hilly or flat.
pub(crate) const BROKEN: &[Cause] = &[
    Cause::NonFinite,
    Cause::DetachedGradient,
    Cause::Jump,
    Cause::UnboundedBelow,
    Cause::PrecisionFloor,
    Cause::SaddlePoint,
    Cause::SaturatedActivation,
];
