//! A libtorch tensor as a [`Real`]: every operation is recorded by autograd.

use std::ops::{Add, Div, Mul, Neg, Sub};

use tch::{Kind, Tensor};

use crate::Real;

/// A tensor that formulas compute with. Cloning shares the storage.
///
/// Shapes broadcast as in PyTorch. Errors of libtorch (shapes that don't fit, memory) panic; the
/// engines turn the panic into the outcome *failed*.
#[derive(Debug)]
pub struct AutogradTensor(pub Tensor);

impl Clone for AutogradTensor {
    fn clone(&self) -> Self {
        Self(self.0.shallow_clone())
    }
}

macro_rules! operators {
    ($($operator:ident $method:ident $with_tensor:ident $with_scalar:ident),*) => {$(
        impl $operator for AutogradTensor {
            type Output = Self;
            fn $method(self, other: Self) -> Self {
                Self(self.0.$with_tensor(&other.0))
            }
        }
        impl $operator<f64> for AutogradTensor {
            type Output = Self;
            fn $method(self, constant: f64) -> Self {
                Self(self.0.$with_scalar(constant))
            }
        }
    )*};
}
operators!(Add add g_add g_add_scalar, Sub sub g_sub g_sub_scalar, Mul mul g_mul g_mul_scalar, Div div g_div g_div_scalar);

impl Neg for AutogradTensor {
    type Output = Self;
    fn neg(self) -> Self {
        Self(self.0.neg())
    }
}

impl Real for AutogradTensor {
    type Mask = Tensor;

    fn below(&self, bound: f64) -> Tensor {
        self.0.lt(bound)
    }
    fn at_most(&self, bound: f64) -> Tensor {
        self.0.le(bound)
    }
    fn select(mask: &Tensor, yes: Self, no: Self) -> Self {
        Self(yes.0.where_self(mask, &no.0))
    }
    fn constant(&self, value: f64) -> Self {
        Self(Tensor::full([] as [i64; 0], value, (self.kind(), self.0.device())))
    }
    fn abs(self) -> Self {
        Self(self.0.abs())
    }
    fn sqrt(self) -> Self {
        Self(self.0.sqrt())
    }
    fn pow(self, exponent: f64) -> Self {
        Self(self.0.pow_tensor_scalar(exponent))
    }
    fn exp(self) -> Self {
        Self(self.0.exp())
    }
    fn exp_m1(self) -> Self {
        Self(self.0.expm1())
    }
    fn ln(self) -> Self {
        Self(self.0.log())
    }
    fn ln_1p(self) -> Self {
        Self(self.0.log1p())
    }
    fn sin(self) -> Self {
        Self(self.0.sin())
    }
    fn tanh(self) -> Self {
        Self(self.0.tanh())
    }
    fn softplus(self) -> Self {
        // `Tensor::softplus` switches to the identity above 20; this form is exact everywhere.
        Self(self.0.neg().log_sigmoid().neg())
    }
}

impl AutogradTensor {
    fn kind(&self) -> Kind {
        self.0.kind()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Dual;

    /// Value and slope by autograd.
    fn traced(f: impl Fn(AutogradTensor) -> AutogradTensor, x: f64) -> (f64, f64) {
        let leaf = Tensor::from_slice(&[x]).set_requires_grad(true);
        let value = f(AutogradTensor(leaf.shallow_clone())).0;
        value.sum(Kind::Double).backward();
        (value.double_value(&[0]), leaf.grad().double_value(&[0]))
    }

    fn agree(
        name: &str,
        x: f64,
        dual: fn(Dual<f64>) -> Dual<f64>,
        tensor: fn(AutogradTensor) -> AutogradTensor,
    ) {
        let exact = dual(Dual::variable(x));
        let (value, slope) = traced(tensor, x);
        for (ours, theirs) in [(exact.value, value), (exact.derivative, slope)] {
            let near =
                (ours - theirs).abs() <= 1e-12 * theirs.abs().max(1.0) || ours.is_nan() && theirs.is_nan();
            assert!(near, "{name}({x}): dual {ours}, libtorch {theirs}");
        }
    }

    #[test]
    #[expect(clippy::clone_on_copy, reason = "each formula is compiled for tensors too, which aren't Copy")]
    #[expect(
        clippy::redundant_closure_for_method_calls,
        reason = "a closure fits both types, a path doesn't"
    )]
    fn dual_numbers_and_autograd_agree() {
        macro_rules! check {
            ($($name:literal: $formula:expr),* $(,)?) => {
                for x in [-100.0, -2.5, -1.0, -1e-9, 0.0, 1e-9, 0.5, 1.0, 3.0, 100.0] {
                    $(agree($name, x, $formula, $formula);)*
                }
            };
        }
        check! {
            "abs": |x| x.abs(),
            "sign": |x| x.clone().sign() * x,
            "softplus": |x| x.softplus(),
            "sin": |x| x.sin(),
            "tanh": |x| x.tanh(),
            "exp_m1": |x| (x * 0.1).exp_m1(),
            "ln_1p": |x| x.square().ln_1p(),
            "pow": |x| (x.square() + 1.0).pow(1.7),
            "sqrt": |x| (x.square() + 1.0).sqrt(),
            "quotient": |x| x.clone() / (x.square() + 0.5),
            "select": |x| {
                let mask = x.clone().abs().at_most(1.0);
                Real::select(&mask, x.clone().square(), x * 3.0 - 2.0)
            },
            "maximum": |x| x.clone().maximum(x * 2.0 - 1.0),
        }
    }

    #[test]
    fn constants_keep_the_dtype() {
        let x = AutogradTensor(Tensor::from_slice(&[1.0_f32]));
        assert_eq!((x.clone() * 0.1 + 0.2).kind(), Kind::Float);
        assert_eq!(Real::select(&x.below(0.0), x.clone(), x.constant(0.1)).kind(), Kind::Float);
    }
}
