//! Dual numbers: a value and its derivative, computed in one pass.

use std::ops::{Add, Div, Mul, Neg, Sub};

use crate::real::softplus;
use crate::{Float, Real};

/// A value and its derivative with respect to one variable (forward-mode differentiation).
///
/// ```
/// use numeric::{Dual, Real};
/// let x = Dual::variable(3.0_f64);
/// let y = x.square() * 2.0 + 1.0;
/// assert_eq!((y.value, y.derivative), (19.0, 12.0));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dual<F> {
    /// f(x)
    pub value: F,
    /// f'(x)
    pub derivative: F,
}

impl<F: Float> Dual<F> {
    /// The variable to differentiate by: derivative 1.
    #[inline(always)]
    pub fn variable(value: F) -> Self {
        Self { value, derivative: F::from_f64(1.0) }
    }

    /// A number that does not depend on the variable: derivative 0.
    #[inline(always)]
    pub fn fixed(value: F) -> Self {
        Self { value, derivative: F::default() }
    }

    /// Chain rule: f(self), where f' at this value is `derivative`.
    #[inline(always)]
    fn chain(self, value: F, derivative: F) -> Self {
        Self { value, derivative: self.derivative * derivative }
    }
}

impl<F: Float> Add for Dual<F> {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self { value: self.value + other.value, derivative: self.derivative + other.derivative }
    }
}
impl<F: Float> Sub for Dual<F> {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self { value: self.value - other.value, derivative: self.derivative - other.derivative }
    }
}
impl<F: Float> Mul for Dual<F> {
    type Output = Self;
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        Self {
            value: self.value * other.value,
            derivative: self.derivative * other.value + self.value * other.derivative,
        }
    }
}
impl<F: Float> Div for Dual<F> {
    type Output = Self;
    #[inline(always)]
    fn div(self, other: Self) -> Self {
        let value = self.value / other.value;
        Self { value, derivative: (self.derivative - value * other.derivative) / other.value }
    }
}
impl<F: Float> Neg for Dual<F> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        Self { value: -self.value, derivative: -self.derivative }
    }
}
impl<F: Float> Add<f64> for Dual<F> {
    type Output = Self;
    #[inline(always)]
    fn add(self, constant: f64) -> Self {
        Self { value: self.value + F::from_f64(constant), derivative: self.derivative }
    }
}
impl<F: Float> Sub<f64> for Dual<F> {
    type Output = Self;
    #[inline(always)]
    fn sub(self, constant: f64) -> Self {
        Self { value: self.value - F::from_f64(constant), derivative: self.derivative }
    }
}
impl<F: Float> Mul<f64> for Dual<F> {
    type Output = Self;
    #[inline(always)]
    fn mul(self, constant: f64) -> Self {
        let constant = F::from_f64(constant);
        Self { value: self.value * constant, derivative: self.derivative * constant }
    }
}
impl<F: Float> Div<f64> for Dual<F> {
    type Output = Self;
    #[inline(always)]
    fn div(self, constant: f64) -> Self {
        let constant = F::from_f64(constant);
        Self { value: self.value / constant, derivative: self.derivative / constant }
    }
}

impl<F: Float> Real for Dual<F> {
    type Mask = bool;

    #[inline(always)]
    fn below(&self, bound: f64) -> bool {
        self.value < F::from_f64(bound)
    }
    #[inline(always)]
    fn at_most(&self, bound: f64) -> bool {
        self.value <= F::from_f64(bound)
    }
    #[inline(always)]
    fn select(mask: &bool, yes: Self, no: Self) -> Self {
        // Field by field, so that it compiles to blends and the loop around it vectorizes.
        Self {
            value: if *mask { yes.value } else { no.value },
            derivative: if *mask { yes.derivative } else { no.derivative },
        }
    }
    #[inline(always)]
    fn constant(&self, value: f64) -> Self {
        Self::fixed(F::from_f64(value))
    }
    #[inline(always)]
    fn abs(self) -> Self {
        let (zero, x) = (F::default(), self.value);
        let derivative = if x > zero { self.derivative } else { -self.derivative };
        Self { value: x.abs(), derivative: if x == zero { zero } else { derivative } }
    }
    #[inline(always)]
    fn pow(self, exponent: f64) -> Self {
        let power = |exponent: f64| self.value.pow(F::from_f64(exponent));
        self.chain(power(exponent), power(exponent - 1.0) * F::from_f64(exponent))
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        let root = self.value.sqrt();
        Self { value: root, derivative: self.derivative / (root + root) }
    }
    #[inline(always)]
    fn exp(self) -> Self {
        let value = self.value.exp();
        self.chain(value, value)
    }
    #[inline(always)]
    fn exp_m1(self) -> Self {
        let value = self.value.exp_m1();
        self.chain(value, value + F::from_f64(1.0))
    }
    #[inline(always)]
    fn ln(self) -> Self {
        Self { value: self.value.ln(), derivative: self.derivative / self.value }
    }
    #[inline(always)]
    fn ln_1p(self) -> Self {
        Self { value: self.value.ln_1p(), derivative: self.derivative / (self.value + F::from_f64(1.0)) }
    }
    #[inline(always)]
    fn sin(self) -> Self {
        self.chain(self.value.sin(), self.value.cos())
    }
    #[inline(always)]
    fn tanh(self) -> Self {
        let value = self.value.tanh();
        self.chain(value, F::from_f64(1.0) - value * value)
    }
    #[inline(always)]
    fn softplus(self) -> Self {
        let (one, small) = (F::from_f64(1.0), (-self.value.abs()).exp());
        let logistic = if self.value < F::default() { small / (one + small) } else { one / (one + small) };
        self.chain(softplus(self.value), logistic)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Function = fn(Dual<f64>) -> Dual<f64>;

    /// Central difference of `f` at `x`.
    fn difference(f: impl Fn(Dual<f64>) -> Dual<f64>, x: f64) -> f64 {
        let h = 1e-6 * x.abs().max(1.0);
        (f(Dual::fixed(x + h)).value - f(Dual::fixed(x - h)).value) / (2.0 * h)
    }

    proptest! {
        #[test]
        fn derivatives_match_central_differences(x in -4.0..4.0_f64) {
            prop_assume!(x.abs() > 1e-3);
            let functions: [(&str, Function); 14] = [
                ("abs", Dual::abs),
                ("pow", |x| (x.square() + 0.5).pow(1.7)),
                ("sqrt", |x| (x.square() + 0.5).sqrt()),
                ("exp", Dual::exp),
                ("exp_m1", Dual::exp_m1),
                ("ln", |x| (x.square() + 0.5).ln()),
                ("ln_1p", |x| x.square().ln_1p()),
                ("sin", Dual::sin),
                ("tanh", Dual::tanh),
                ("softplus", Dual::softplus),
                ("product", |x| x * x.exp()),
                ("quotient", |x| x / (x.square() + 1.0)),
                ("constants", |x| ((x * 3.0 - 1.0) / 7.0 + 2.0).square()),
                ("maximum", |x| x.maximum(-x * 2.0)),
            ];
            for (name, f) in functions {
                let (exact, estimate) = (f(Dual::variable(x)).derivative, difference(f, x));
                let scale = exact.abs().max(1.0);
                prop_assert!((exact - estimate).abs() < 1e-6 * scale, "{name}'({x}): {exact} against {estimate}");
            }
        }
    }

    #[test]
    fn kinks_follow_pytorch() {
        assert_eq!(Dual::variable(0.0_f32).abs().derivative, 0.0);
        assert_eq!(Dual::variable(-0.0_f32).abs().derivative, 0.0);
        assert_eq!(Dual::variable(0.0_f64).softplus().derivative, 0.5);
    }
}
