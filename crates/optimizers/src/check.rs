//! Messages about options out of range.

/// A rate of decay: 0 ≤ value < 1.
pub(crate) fn decay(name: &str, value: f64) -> Result<(), String> {
    match value {
        0.0..1.0 => Ok(()),
        _ => Err(format!("`{name}` must be from 0 up to, but not including, 1, and is {value}")),
    }
}

/// 0 ≤ value < ∞
pub(crate) fn not_negative(name: &str, value: f64) -> Result<(), String> {
    if value >= 0.0 && value.is_finite() {
        return Ok(());
    }
    Err(format!("`{name}` must be 0 or more, and is {value}"))
}

/// 0 < value < ∞
pub(crate) fn positive(name: &str, value: f64) -> Result<(), String> {
    if value > 0.0 && value.is_finite() {
        return Ok(());
    }
    Err(format!("`{name}` must be more than 0, and is {value}"))
}

/// 0 ≤ value ≤ 1
pub(crate) fn share(name: &str, value: f64) -> Result<(), String> {
    match value {
        0.0..=1.0 => Ok(()),
        _ => Err(format!("`{name}` must be from 0 to 1, and is {value}")),
    }
}

/// Anything but NaN and the infinities.
pub(crate) fn finite(name: &str, value: f64) -> Result<(), String> {
    if value.is_finite() { Ok(()) } else { Err(format!("`{name}` must be finite, and is {value}")) }
}

/// The most steps that an option may name: a thousand times the longest budget, and so few that sums and powers of
/// two of them fit 64 bits.
const MOST_STEPS: u64 = 1_000_000_000_000;

/// A number of steps, if it is given: 1 or more.
pub(crate) fn at_least_one(name: &str, value: Option<u64>) -> Result<(), String> {
    if value == Some(0) {
        return Err(format!("`{name}` must be 1 or more, and is 0"));
    }
    value.map_or(Ok(()), |value| at_most(name, value, MOST_STEPS))
}

/// A count that memory or time depends on.
pub(crate) fn at_most(name: &str, value: u64, most: u64) -> Result<(), String> {
    if value <= most { Ok(()) } else { Err(format!("`{name}` must be at most {most}, and is {value}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_where_the_messages_say() {
        assert_eq!(
            decay("beta1", 1.5).unwrap_err(),
            "`beta1` must be from 0 up to, but not including, 1, and is 1.5"
        );
        assert!(decay("beta1", 0.0).is_ok() && decay("beta1", 1.0).is_err() && decay("beta1", -0.1).is_err());
        assert!(not_negative("eps", 0.0).is_ok() && not_negative("eps", -1e-300).is_err());
        assert!(positive("norm", 1e-300).is_ok() && positive("norm", 0.0).is_err());
        assert!(share("end_factor", 1.0).is_ok() && share("end_factor", 1.1).is_err());
        assert!(at_least_one("steps", None).is_ok() && at_least_one("steps", Some(0)).is_err());
        assert!(at_least_one("steps", Some(MOST_STEPS)).is_ok());
        assert_eq!(
            at_least_one("steps", Some(u64::MAX)).unwrap_err(),
            "`steps` must be at most 1000000000000, and is 18446744073709551615"
        );
        for check in [decay, not_negative, positive, share, finite] {
            assert_eq!(check("x", f64::NAN).unwrap_err().rsplit(' ').next(), Some("NaN"));
            assert!(check("x", f64::INFINITY).is_err());
        }
    }
}
