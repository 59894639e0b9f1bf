//! What options may be. The messages end a sentence that begins with the place in the config.

fn require(holds: bool, name: &str, range: &str, value: f64) -> Result<(), String> {
    if holds { Ok(()) } else { Err(format!("`{name}` must be {range}, and is {value}")) }
}

pub(crate) fn finite(name: &str, value: f64) -> Result<(), String> {
    require(value.is_finite(), name, "finite", value)
}

pub(crate) fn above_zero(name: &str, value: f64) -> Result<(), String> {
    finite(name, value)?;
    require(value > 0.0, name, "above 0", value)
}

pub(crate) fn not_below_zero(name: &str, value: f64) -> Result<(), String> {
    finite(name, value)?;
    require(value >= 0.0, name, "0 or above", value)
}

pub(crate) fn not_zero(name: &str, value: f64) -> Result<(), String> {
    finite(name, value)?;
    require(value != 0.0, name, "other than 0", value)
}

/// A share, the ends included.
pub(crate) fn share(name: &str, value: f64) -> Result<(), String> {
    require((0.0..=1.0).contains(&value), name, "from 0 to 1", value)
}

pub(crate) fn between_0_and_1(name: &str, value: f64) -> Result<(), String> {
    require(value > 0.0 && value < 1.0, name, "between 0 and 1, without the ends", value)
}
