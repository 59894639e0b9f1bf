//! The two floats that fused loops run in.

use std::fmt::Debug;
use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub};

/// `f32` or `f64`, with functions that give the same bits on every CPU.
///
/// `sqrt` and the four operations are IEEE operations; the transcendental functions are the `libm`
/// crate's, since the standard library's are the platform's own and differ between systems.
pub trait Float:
    Copy
    + Debug
    + Default
    + PartialOrd
    + Send
    + Sync
    + 'static
    + Add<Output = Self>
    + AddAssign
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
{
    /// The largest finite value.
    const MAX: Self;
    /// libtorch's name of this type.
    const KIND: tch::Kind;

    /// Rounds to this type.
    fn from_f64(value: f64) -> Self;
    /// Widens without loss.
    fn to_f64(self) -> f64;
    /// |x|
    fn abs(self) -> Self;
    /// √x
    fn sqrt(self) -> Self;
    /// eˣ
    fn exp(self) -> Self;
    /// eˣ − 1, exact near 0
    fn exp_m1(self) -> Self;
    /// ln x
    fn ln(self) -> Self;
    /// ln(1 + x), exact near 0
    fn ln_1p(self) -> Self;
    /// tanh x
    fn tanh(self) -> Self;
    /// sin x
    fn sin(self) -> Self;
    /// cos x
    fn cos(self) -> Self;
    /// x to the power of `exponent`
    fn pow(self, exponent: Self) -> Self;

    /// Of a thing made in either precision, makes the one of this type: how generic code reaches
    /// trait objects, whose methods can't be generic.
    fn choose<T: InBoth>(
        single: impl FnOnce() -> T::In<f32>,
        double: impl FnOnce() -> T::In<f64>,
    ) -> T::In<Self>;
}

/// A family of types, one for each float.
pub trait InBoth {
    /// Its member for `F`.
    type In<F: Float>;
}

macro_rules! float {
    ($float:ident, $kind:ident, |$single:ident, $double:ident| $made:ident, $exp:ident, $exp_m1:ident, $ln:ident, $ln_1p:ident, $tanh:ident, $sin:ident, $cos:ident, $pow:ident) => {
        impl Float for $float {
            const MAX: Self = $float::MAX;
            const KIND: tch::Kind = tch::Kind::$kind;

            #[inline(always)]
            fn from_f64(value: f64) -> Self {
                value as $float
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                f64::from(self)
            }
            #[inline(always)]
            fn abs(self) -> Self {
                $float::abs(self)
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                $float::sqrt(self)
            }
            #[inline(always)]
            fn exp(self) -> Self {
                libm::$exp(self)
            }
            #[inline(always)]
            fn exp_m1(self) -> Self {
                libm::$exp_m1(self)
            }
            #[inline(always)]
            fn ln(self) -> Self {
                libm::$ln(self)
            }
            #[inline(always)]
            fn ln_1p(self) -> Self {
                libm::$ln_1p(self)
            }
            #[inline(always)]
            fn tanh(self) -> Self {
                libm::$tanh(self)
            }
            #[inline(always)]
            fn sin(self) -> Self {
                libm::$sin(self)
            }
            #[inline(always)]
            fn cos(self) -> Self {
                libm::$cos(self)
            }
            #[inline(always)]
            fn pow(self, exponent: Self) -> Self {
                libm::$pow(self, exponent)
            }
            fn choose<T: InBoth>(
                $single: impl FnOnce() -> T::In<f32>,
                $double: impl FnOnce() -> T::In<f64>,
            ) -> T::In<Self> {
                $made()
            }
        }
    };
}

float!(f32, Float, |single, _double| single, expf, expm1f, logf, log1pf, tanhf, sinf, cosf, powf);
float!(f64, Double, |_single, double| double, exp, expm1, log, log1p, tanh, sin, cos, pow);
