//! Signs and bounds that keep a NaN in sight.

use numeric::Real;

/// −1, 0 or 1, and NaN for NaN, as in PyTorch.
#[inline(always)]
pub(crate) fn sign<R: Real>(x: R) -> R {
    let number = x.at_most(f64::INFINITY);
    R::select(&number, x.clone().sign(), x)
}

/// `x`, but at least `low` and at most `high`.
#[inline(always)]
pub(crate) fn clamp<R: Real>(x: R, low: f64, high: f64) -> R {
    let x = R::select(&x.below(low), x.constant(low), x);
    R::select(&(-x.clone()).below(-high), x.constant(high), x)
}

#[cfg(test)]
mod tests {
    use numeric::Plain;

    use super::*;

    #[test]
    fn nan_passes_through() {
        assert!(sign(Plain(f64::NAN)).0.is_nan() && clamp(Plain(f64::NAN), -1.0, 1.0).0.is_nan());
        assert_eq!([-2.0, 0.0, f64::INFINITY].map(|x| sign(Plain(x)).0), [-1.0, 0.0, 1.0]);
        assert_eq!([-2.0, 0.5, f64::INFINITY].map(|x| clamp(Plain(x), -1.0, 1.0).0), [-1.0, 0.5, 1.0]);
    }
}
