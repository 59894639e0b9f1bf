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

/// The |u| from which a [`Residual`] is far: its square is finite in single precision up to 1.8e19.
pub(crate) const FAR: f64 = 1e18;

/// A residual d in units of a scale, u = d/scale, in two ranges, since u² overflows where many losses are still small.
///
/// Each range is a number that does no harm where the residual is in the other one. NaN is near.
pub(crate) struct Residual<R: Real> {
    /// Whether |u| is above [`FAR`].
    pub is_far: R::Mask,
    /// |d|
    pub size: R,
    /// u, and 0 where that is far.
    pub near: R,
    /// |u|/[`FAR`], which never overflows, and 1 where u is near.
    pub far: R,
}

impl<R: Real> Residual<R> {
    #[inline(always)]
    pub(crate) fn new(d: R, scale: f64) -> Self {
        Self::with_knee(d, scale, scale)
    }

    /// With another scale for what is far: |d| above knee·[`FAR`], of which `far` is the ratio.
    #[inline(always)]
    pub(crate) fn with_knee(d: R, scale: f64, knee: f64) -> Self {
        let size = d.clone().abs();
        let is_far = (-size.clone()).below(-knee * FAR);
        let (zero, one) = (d.constant(0.0), d.constant(1.0));
        let near = R::select(&is_far, zero, d) / scale;
        let far = R::select(&is_far, size.clone() / (knee * FAR), one);
        Self { is_far, size, near, far }
    }

    /// ln(1 + u²), given u²; where u is far that is 2·ln|u|.
    #[inline(always)]
    pub(crate) fn ln_1p_square(&self, squared: R) -> R {
        // One logarithm for both ranges, since it takes most of the time.
        let logarithm = R::select(&self.is_far, self.far.clone() - 1.0, squared).ln_1p();
        R::select(&self.is_far, (logarithm.clone() + libm::log(FAR)) * 2.0, logarithm)
    }
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
