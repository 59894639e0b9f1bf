//! Expressions that several losses need, in forms that lose no digits.

use numeric::Real;

/// f of a value, and 0 with slope 0 where the value is 0.
#[inline(always)]
pub(crate) fn guarded<R: Real>(value: R, f: impl FnOnce(R) -> R) -> R {
    let is_zero = value.clone().abs().at_most(0.0);
    let (zero, one) = (value.constant(0.0), value.constant(1.0));
    R::select(&is_zero, zero, f(R::select(&is_zero, one, value)))
}

/// The positive part of a value: 0 with slope 0 up to 0.
#[inline(always)]
pub(crate) fn positive_part<R: Real>(value: R) -> R {
    R::select(&value.at_most(0.0), value.constant(0.0), value)
}

/// The |u| up to which the series of [`exp_series`] has all digits.
pub(crate) const SERIES: f64 = 0.5;

/// eᵘ − 1 − u = u²/2! + u³/3! + …, for |u| up to [`SERIES`].
#[inline(always)]
pub(crate) fn exp_series<R: Real>(u: R) -> R {
    let mut sum = u.constant(1.0 / 14.0) * u.clone() + 1.0;
    for k in (3..14).rev() {
        sum = sum * u.clone() / f64::from(k) + 1.0;
    }
    sum * u.square() * 0.5
}

/// eᵘ − 1 − u, with all digits near 0.
#[inline(always)]
pub(crate) fn exp_minus_line<R: Real>(u: R) -> R {
    let near = u.clone().abs().at_most(SERIES);
    let small = R::select(&near, u.clone(), u.constant(0.0));
    R::select(&near, exp_series(small), u.clone().exp_m1() - u)
}
