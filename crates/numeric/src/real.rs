//! The trait that formulas are written over, and plain floats as its simplest case.

use std::ops::{Add, Div, Mul, Neg, Sub};

use crate::Float;

/// A number that a loss or an update rule computes with: a float, a dual number, or a tensor.
///
/// Constants are `f64` and are rounded to the number's own type once, as PyTorch does with Python
/// scalars. Where a function has no derivative, PyTorch's convention holds: `abs'(0) = 0`, and
/// [`select`](Real::select) differentiates the branch that was taken.
///
/// On tensors both branches of a `select` are computed, so neither may produce an infinite slope
/// where it is not taken: write `x.abs().sqrt()` guarded by a clamped argument, not by the mask.
pub trait Real:
    Clone
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + Add<f64, Output = Self>
    + Sub<f64, Output = Self>
    + Mul<f64, Output = Self>
    + Div<f64, Output = Self>
{
    /// Truth values of a comparison, one for each element.
    type Mask;

    /// `self < bound`; false for NaN.
    fn below(&self, bound: f64) -> Self::Mask;
    /// `self <= bound`; false for NaN.
    fn at_most(&self, bound: f64) -> Self::Mask;
    /// `yes` where the mask is true, `no` elsewhere.
    fn select(mask: &Self::Mask, yes: Self, no: Self) -> Self;
    /// A constant of the same type and device.
    fn constant(&self, value: f64) -> Self;

    /// |x|, with slope 0 at 0.
    fn abs(self) -> Self;
    /// √x
    fn sqrt(self) -> Self;
    /// x to a constant power; NaN for a negative x, unless the power is whole.
    fn pow(self, exponent: f64) -> Self;
    /// eˣ
    fn exp(self) -> Self;
    /// eˣ − 1, exact near 0.
    fn exp_m1(self) -> Self;
    /// ln x
    fn ln(self) -> Self;
    /// ln(1 + x), exact near 0.
    fn ln_1p(self) -> Self;
    /// sin x, of radians
    fn sin(self) -> Self;
    /// tanh x
    fn tanh(self) -> Self;
    /// ln(1 + eˣ), without overflow; its slope is the logistic function, at 0 too.
    fn softplus(self) -> Self;

    /// x²
    #[inline(always)]
    fn square(self) -> Self {
        self.clone() * self
    }
    /// The larger of the two; `self` where they are equal, `other` where either is NaN.
    #[inline(always)]
    fn maximum(self, other: Self) -> Self {
        let mask = (other.clone() - self.clone()).at_most(0.0);
        Self::select(&mask, self, other)
    }
    /// −1, 0 or 1.
    #[inline(always)]
    fn sign(self) -> Self {
        let (one, zero) = (self.constant(1.0), self.constant(0.0));
        let positive = (-self.clone()).below(0.0);
        let upper = Self::select(&positive, one.clone(), zero);
        Self::select(&self.below(0.0), -one, upper)
    }
}

/// A float as a [`Real`]: what update rules compute with in fused loops.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Plain<F>(pub F);

macro_rules! operators {
    ($($operator:ident $method:ident),*) => {$(
        impl<F: Float> $operator for Plain<F> {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                Self($operator::$method(self.0, other.0))
            }
        }
        impl<F: Float> $operator<f64> for Plain<F> {
            type Output = Self;
            #[inline(always)]
            fn $method(self, constant: f64) -> Self {
                Self($operator::$method(self.0, F::from_f64(constant)))
            }
        }
    )*};
}
operators!(Add add, Sub sub, Mul mul, Div div);

impl<F: Float> Neg for Plain<F> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        Self(-self.0)
    }
}

/// ln(1 + eˣ) without overflow.
#[inline(always)]
pub(crate) fn softplus<F: Float>(x: F) -> F {
    let positive = if x > F::default() { x } else { F::default() };
    // NaN must stay NaN, and `positive` alone would turn it into 0.
    positive + (-x.abs()).exp().ln_1p()
}

impl<F: Float> Real for Plain<F> {
    type Mask = bool;

    #[inline(always)]
    fn below(&self, bound: f64) -> bool {
        self.0 < F::from_f64(bound)
    }
    #[inline(always)]
    fn at_most(&self, bound: f64) -> bool {
        self.0 <= F::from_f64(bound)
    }
    #[inline(always)]
    fn select(mask: &bool, yes: Self, no: Self) -> Self {
        if *mask { yes } else { no }
    }
    #[inline(always)]
    fn constant(&self, value: f64) -> Self {
        Self(F::from_f64(value))
    }
    #[inline(always)]
    fn abs(self) -> Self {
        Self(self.0.abs())
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        Self(self.0.sqrt())
    }
    #[inline(always)]
    fn pow(self, exponent: f64) -> Self {
        Self(self.0.pow(F::from_f64(exponent)))
    }
    #[inline(always)]
    fn exp(self) -> Self {
        Self(self.0.exp())
    }
    #[inline(always)]
    fn exp_m1(self) -> Self {
        Self(self.0.exp_m1())
    }
    #[inline(always)]
    fn ln(self) -> Self {
        Self(self.0.ln())
    }
    #[inline(always)]
    fn ln_1p(self) -> Self {
        Self(self.0.ln_1p())
    }
    #[inline(always)]
    fn sin(self) -> Self {
        Self(self.0.sin())
    }
    #[inline(always)]
    fn tanh(self) -> Self {
        Self(self.0.tanh())
    }
    #[inline(always)]
    fn softplus(self) -> Self {
        Self(softplus(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maximum_and_sign_follow_their_definitions() {
        assert_eq!(Plain(2.0_f32).maximum(Plain(-1.0)).0, 2.0);
        assert_eq!(Plain(-3.0_f64).maximum(Plain(-1.0)).0, -1.0);
        assert_eq!([-2.5, 0.0, 0.1].map(|x: f64| Plain(x).sign().0), [-1.0, 0.0, 1.0]);
    }

    #[test]
    fn softplus_is_stable_and_keeps_nan() {
        assert_eq!(Plain(1000.0_f32).softplus().0, 1000.0);
        assert_eq!(Plain(-1000.0_f32).softplus().0, 0.0);
        assert!((Plain(0.0_f64).softplus().0 - std::f64::consts::LN_2).abs() < 1e-15);
        assert!(Plain(f64::NAN).softplus().0.is_nan());
    }
}
