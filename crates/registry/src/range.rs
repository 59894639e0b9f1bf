//! What numbers an option takes.

use std::fmt::Display;
use std::ops::Bound::{self, Excluded, Included, Unbounded};
use std::ops::{RangeBounds, RangeInclusive};

/// Between 0 and 1, without either.
pub const INSIDE_0_1: (Bound<f64>, Bound<f64>) = (Excluded(0.0), Excluded(1.0));

/// A number of steps. The most is a thousand times the longest budget, and so few that sums and powers of two of them
/// fit 64 bits.
pub const STEPS: RangeInclusive<u64> = 1..=1_000_000_000_000;

/// Above `least`.
#[must_use]
pub const fn above(least: f64) -> (Bound<f64>, Bound<f64>) {
    (Excluded(least), Unbounded)
}

/// Above 0, and at most `most`.
#[must_use]
pub const fn up_to(most: f64) -> (Bound<f64>, Bound<f64>) {
    (Excluded(0.0), Included(most))
}

/// A number that has a range: all but NaN and the infinities.
pub trait Number: PartialOrd + Copy + Display {
    /// Whether it is neither NaN nor infinite.
    fn is_finite(self) -> bool {
        true
    }
    /// As a message says it.
    fn text(self) -> String {
        self.to_string()
    }
}

impl Number for u64 {}
impl Number for usize {}
impl Number for i64 {}
impl Number for u32 {}

impl Number for f64 {
    fn is_finite(self) -> bool {
        self.is_finite()
    }
    fn text(self) -> String {
        let plain = self == 0.0 || !self.is_finite() || (1e-4..1e15).contains(&self.abs());
        if plain { self.to_string() } else { format!("{self:e}") }
    }
}

/// What can be the type of an option with a range: a number, or a number that may be left out.
pub trait Ranged: Copy {
    /// The type of the number.
    type Number: Number;
    /// The number, if one is given.
    fn number(&self) -> Option<Self::Number>;
}

impl<N: Number> Ranged for N {
    type Number = N;
    fn number(&self) -> Option<N> {
        Some(*self)
    }
}

impl<N: Number> Ranged for Option<N> {
    type Number = N;
    fn number(&self) -> Option<N> {
        *self
    }
}

/// Whether an option is finite and in its range.
///
/// # Errors
/// The name of the option, the range, and the number.
pub fn check<R: Ranged>(name: &str, option: R, range: &impl RangeBounds<R::Number>) -> Result<(), String> {
    let Some(number) = option.number() else { return Ok(()) };
    if number.is_finite() && range.contains(&number) {
        return Ok(());
    }
    let is_open = range.start_bound() == Unbounded || range.end_bound() == Unbounded;
    let range = if is_open && !number.is_finite() { "finite".into() } else { text(option, range) };
    Err(format!("`{name}` must be {range}, and is {}", number.text()))
}

/// What numbers a range holds, of which `_option` only tells the type: `from 0, and below 1`.
pub fn text<R: Ranged>(_option: R, range: &impl RangeBounds<R::Number>) -> String {
    match (range.start_bound(), range.end_bound()) {
        (Included(least), Included(most)) => format!("from {} to {}", least.text(), most.text()),
        (Included(least), Excluded(end)) => format!("from {}, and below {}", least.text(), end.text()),
        (Excluded(least), Included(most)) => format!("above {}, and at most {}", least.text(), most.text()),
        (Excluded(least), Excluded(end)) => format!("above {}, and below {}", least.text(), end.text()),
        (Included(least), Unbounded) => format!("{} or above", least.text()),
        (Excluded(least), Unbounded) => format!("above {}", least.text()),
        (Unbounded, Included(most)) => format!("{} or below", most.text()),
        (Unbounded, Excluded(end)) => format!("below {}", end.text()),
        (Unbounded, Unbounded) => "finite".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_where_the_messages_say() {
        let said = |message: Result<(), String>| message.unwrap_err();
        assert_eq!(said(check("x", 1.0, &(0.0..1.0))), "`x` must be from 0, and below 1, and is 1");
        assert!(check("x", 0.0, &(0.0..1.0)).is_ok() && check("x", -0.1, &(0.0..1.0)).is_err());
        assert_eq!(said(check("x", 1.1, &(0.0..=1.0))), "`x` must be from 0 to 1, and is 1.1");
        assert!(check("x", 1.0, &(0.0..=1.0)).is_ok());
        assert_eq!(said(check("x", 0.0, &above(0.0))), "`x` must be above 0, and is 0");
        assert!(check("x", 1e-300, &above(0.0)).is_ok());
        assert_eq!(said(check("x", 1.0, &INSIDE_0_1)), "`x` must be above 0, and below 1, and is 1");
        assert_eq!(said(check("x", 3.0, &up_to(2.0))), "`x` must be above 0, and at most 2, and is 3");
        assert!(check("x", 2.0, &up_to(2.0)).is_ok() && check("x", 0.0, &up_to(2.0)).is_err());
        assert_eq!(said(check("x", -1e-8, &(0.0..))), "`x` must be 0 or above, and is -1e-8");
        assert_eq!(said(check("x", 0.5, &(..=0.0))), "`x` must be 0 or below, and is 0.5");
        assert_eq!(said(check("x", 0.0, &(..0.0))), "`x` must be below 0, and is 0");
        assert_eq!(said(check("n", Some(0), &STEPS)), "`n` must be from 1 to 1000000000000, and is 0");
        assert!(check("n", Some(u64::MAX), &STEPS).is_err() && check("n", None::<u64>, &STEPS).is_ok());
    }

    #[test]
    fn no_range_holds_what_is_not_finite() {
        for (bad, name) in [(f64::NAN, "NaN"), (f64::INFINITY, "inf"), (f64::NEG_INFINITY, "-inf")] {
            assert_eq!(check("x", bad, &(..)).unwrap_err(), format!("`x` must be finite, and is {name}"));
            assert_eq!(
                check("x", bad, &above(0.0)).unwrap_err(),
                format!("`x` must be finite, and is {name}")
            );
            assert!(check("x", bad, &(0.0..=1.0)).unwrap_err().starts_with("`x` must be from 0 to 1"));
        }
    }
}
