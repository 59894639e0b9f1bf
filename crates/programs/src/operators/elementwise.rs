//! Operators that take every element by itself.

use tch::{Kind, Scalar, Tensor};

use super::{Rule, operators};
use crate::call::{Call, Out};
use crate::value::Value;

/// An operator of two arguments, the second of which may be a number.
fn two(c: &Call, tensors: fn(&Tensor, &Tensor) -> Tensor, number: fn(&Tensor, Scalar) -> Tensor) -> Tensor {
    if c.is_tensor(1) { tensors(&c.tensor(0), &c.tensor(1)) } else { number(&c.tensor(0), c.number(1)) }
}

/// The first where the condition holds, and the second elsewhere.
fn select(condition: &Tensor, first: &Tensor, second: &Tensor) -> Tensor {
    first.where_self(&condition.to_kind(Kind::Bool), second)
}

/// An argument times `alpha`.
fn scaled(c: &Call, index: usize, alpha: usize) -> Tensor {
    let other = c.tensor(index);
    if c.has(alpha) && c.float(alpha) != 1.0 { other.g_mul_scalar(c.number(alpha)) } else { other }
}

fn rsub(c: &Call) -> Tensor {
    c.tensor(1).g_sub(&scaled(c, 0, 2))
}

fn add(c: &Call) -> Tensor {
    if c.is_tensor(1) || c.has(2) {
        c.tensor(0).g_add(&scaled(c, 1, 2))
    } else {
        c.tensor(0).g_add_scalar(c.number(1))
    }
}

fn sub(c: &Call) -> Tensor {
    if c.is_tensor(1) || c.has(2) {
        c.tensor(0).g_sub(&scaled(c, 1, 2))
    } else {
        c.tensor(0).g_sub_scalar(c.number(1))
    }
}

fn div_mode(c: &Call) -> Tensor {
    let mode = (!c.text(2).is_empty()).then(|| c.text(2));
    match mode {
        Some(mode) => c.tensor(0).divide_tensor_mode(&c.tensor(1), mode),
        None => two(c, Tensor::g_div, Tensor::g_div_scalar),
    }
}

fn clamp(c: &Call) -> Tensor {
    let x = c.tensor(0);
    match (c.has(1), c.has(2)) {
        (true, true) => x.clamp(c.number(1), c.number(2)),
        (true, false) => x.clamp_min(c.number(1)),
        (false, true) => x.clamp_max(c.number(2)),
        (false, false) => x,
    }
}

/// A copy in another type.
fn to(c: &Call, kind: Option<Kind>) -> Tensor {
    let x = c.tensor(0);
    match kind {
        Some(kind) if kind != x.kind() => x.to_kind(kind),
        _ => x,
    }
}

fn prelu(c: &Call) -> Tensor {
    let (x, weight) = (c.tensor(0), c.tensor(1));
    let channels = weight.numel() as i64;
    let weight = if channels > 1 && x.dim() > 2 {
        let sizes: Vec<i64> = [1, channels].into_iter().chain(std::iter::repeat_n(1, x.dim() - 2)).collect();
        weight.reshape(sizes)
    } else {
        weight
    };
    select(&x.ge(0.0), &x, &(&weight * &x))
}

/// What lies between two bounds; at a bound the derivative is 0, unlike that of `clamp`.
fn bounded(x: &Tensor, low: f64, high: f64) -> Tensor {
    select(&x.gt(low).logical_and(&x.lt(high)), x, &x.detach().clamp(low, high))
}

fn tanh_backward(c: &Call) -> Tensor {
    let (gradient, y) = (c.tensor(0), c.tensor(1));
    gradient * (1.0 - &y * &y)
}

fn sigmoid_backward(c: &Call) -> Tensor {
    let (gradient, y) = (c.tensor(0), c.tensor(1));
    gradient * (1.0 - &y) * &y
}

fn threshold_backward(c: &Call) -> Tensor {
    let (gradient, x) = (c.tensor(0), c.tensor(1));
    &gradient * x.gt(c.number(2)).to_kind(gradient.kind())
}

fn silu_backward(c: &Call) -> Tensor {
    let (gradient, x) = (c.tensor(0), c.tensor(1));
    let s = x.sigmoid();
    gradient * &s * (1.0 + &x * (1.0 - &s))
}

fn glu(c: &Call) -> Tensor {
    c.tensor(0).glu(c.dim_or(1, -1))
}

operators! {
    Rule::Broadcast => {
        "aten.add.Tensor self other alpha" c => add(c);
        "aten.add.Scalar self other alpha" c => add(c);
        "aten.sub.Tensor self other alpha" c => sub(c);
        "aten.sub.Scalar self other alpha" c => sub(c);
        "aten.rsub.Scalar self other alpha" c => rsub(c);
        "aten.rsub.Tensor self other alpha" c => rsub(c);
        "aten.mul.Tensor self other" c => two(c, Tensor::g_mul, Tensor::g_mul_scalar);
        "aten.mul.Scalar self other" c => two(c, Tensor::g_mul, Tensor::g_mul_scalar);
        "aten.div.Tensor self other" c => two(c, Tensor::g_div, Tensor::g_div_scalar);
        "aten.div.Scalar self other" c => two(c, Tensor::g_div, Tensor::g_div_scalar);
        "aten.true_divide.Tensor self other" c => two(c, Tensor::g_div, Tensor::g_div_scalar);
        "aten.div.Tensor_mode self other rounding_mode" c => div_mode(c);
        "aten.div.Scalar_mode self other rounding_mode" c => div_mode(c);
        "aten.floor_divide.default self other" c => c.tensor(0).floor_divide(&c.tensor(1));
        "aten.remainder.Tensor self other" c => c.tensor(0).remainder_tensor(&c.tensor(1));
        "aten.remainder.Scalar self other" c => c.tensor(0).remainder(c.number(1));
        "aten.fmod.Tensor self other" c => c.tensor(0).fmod_tensor(&c.tensor(1));
        "aten.fmod.Scalar self other" c => c.tensor(0).fmod(c.number(1));
        "aten.pow.Tensor_Scalar self exponent" c => c.tensor(0).pow_tensor_scalar(c.number(1));
        "aten.pow.Tensor_Tensor self exponent" c => c.tensor(0).pow(&c.tensor(1));
        "aten.pow.Scalar self exponent" c => Tensor::pow_scalar(c.number(0), &c.tensor(1));
        "aten.float_power.Tensor_Scalar self exponent" c => c.tensor(0).float_power_tensor_scalar(c.number(1));
        "aten.square.default self" c => c.tensor(0).square();
        "aten.neg.default self" c => c.tensor(0).neg();
        "aten.negative.default self" c => c.tensor(0).neg();
        "aten.positive.default self" c => c.tensor(0);
        "aten.abs.default self" c => c.tensor(0).abs();
        "aten.absolute.default self" c => c.tensor(0).abs();
        "aten.sign.default self" c => c.tensor(0).sign();
        "aten.sgn.default self" c => c.tensor(0).sgn();
        "aten.reciprocal.default self" c => c.tensor(0).reciprocal();
        "aten.sqrt.default self" c => c.tensor(0).sqrt();
        "aten.rsqrt.default self" c => c.tensor(0).rsqrt();
        "aten.exp.default self" c => c.tensor(0).exp();
        "aten.exp2.default self" c => c.tensor(0).exp2();
        "aten.expm1.default self" c => c.tensor(0).expm1();
        "aten.log.default self" c => c.tensor(0).log();
        "aten.log2.default self" c => c.tensor(0).log2();
        "aten.log10.default self" c => c.tensor(0).log10();
        "aten.log1p.default self" c => c.tensor(0).log1p();
        "aten.xlogy.Tensor self other" c => c.tensor(0).xlogy(&c.tensor(1));
        "aten.logaddexp.default self other" c => c.tensor(0).logaddexp(&c.tensor(1));
        "aten.sin.default self" c => c.tensor(0).sin();
        "aten.cos.default self" c => c.tensor(0).cos();
        "aten.tan.default self" c => c.tensor(0).tan();
        "aten.asin.default self" c => c.tensor(0).asin();
        "aten.acos.default self" c => c.tensor(0).acos();
        "aten.arccos.default self" c => c.tensor(0).acos();
        "aten.atan.default self" c => c.tensor(0).atan();
        "aten.atan2.default self other" c => c.tensor(0).atan2(&c.tensor(1));
        "aten.sinh.default self" c => c.tensor(0).sinh();
        "aten.cosh.default self" c => c.tensor(0).cosh();
        "aten.tanh.default self" c => c.tensor(0).tanh();
        "aten.asinh.default self" c => c.tensor(0).asinh();
        "aten.acosh.default self" c => c.tensor(0).acosh();
        "aten.atanh.default self" c => c.tensor(0).atanh();
        "aten.sigmoid.default self" c => c.tensor(0).sigmoid();
        "aten.logit.default self eps" c => c.tensor(0).logit(c.has(1).then(|| c.float(1)));
        "aten.erf.default self" c => c.tensor(0).erf();
        "aten.erfc.default self" c => c.tensor(0).erfc();
        "aten.erfinv.default self" c => c.tensor(0).erfinv();
        "aten.lgamma.default self" c => c.tensor(0).lgamma();
        "aten.digamma.default self" c => c.tensor(0).digamma();
        "aten.polygamma.default n self" c => c.tensor(1).polygamma(c.int(0));
        "aten.sinc.default self" c => c.tensor(0).sinc();
        "aten.special_i0e.default self" c => c.tensor(0).special_i0e();
        "aten.i0.default self" c => c.tensor(0).i0();
        "aten.special_log_ndtr.default self" c => c.tensor(0).special_log_ndtr();
        "aten.special_i0.default self" c => c.tensor(0).special_i0();
        "aten.special_i1.default self" c => c.tensor(0).special_i1();
        "aten.special_xlog1py.default self other" c => c.tensor(0).special_xlog1py(&c.tensor(1));
        "aten.mvlgamma.default self p" c => c.tensor(0).mvlgamma(c.int(1));
        "aten.logaddexp2.default self other" c => c.tensor(0).logaddexp2(&c.tensor(1));
        "aten.copysign.Tensor self other" c => c.tensor(0).copysign(&c.tensor(1));
        "aten.ldexp.Tensor self other" c => c.tensor(0).ldexp(&c.tensor(1));
        "aten.rad2deg.default self" c => c.tensor(0).rad2deg();
        "aten.special_ndtr.default self" c => c.tensor(0).special_ndtr();
        "aten.special_entr.default self" c => c.tensor(0).special_entr();
        "aten.floor.default self" c => c.tensor(0).floor();
        "aten.ceil.default self" c => c.tensor(0).ceil();
        "aten.round.default self" c => c.tensor(0).round();
        "aten.trunc.default self" c => c.tensor(0).trunc();
        "aten.frac.default self" c => c.tensor(0).frac();
        "aten.hypot.default self other" c => c.tensor(0).hypot(&c.tensor(1));
        "aten.heaviside.default self values" c => c.tensor(0).heaviside(&c.tensor(1));
        "aten.maximum.default self other" c => c.tensor(0).maximum(&c.tensor(1));
        "aten.minimum.default self other" c => c.tensor(0).minimum(&c.tensor(1));
        "aten.max.other self other" c => c.tensor(0).maximum(&c.tensor(1));
        "aten.min.other self other" c => c.tensor(0).minimum(&c.tensor(1));
        "aten.fmax.default self other" c => c.tensor(0).fmax(&c.tensor(1));
        "aten.fmin.default self other" c => c.tensor(0).fmin(&c.tensor(1));
        "aten.clamp.default self min max" c => clamp(c);
        "aten.clip.default self min max" c => clamp(c);
        "aten.clamp.Tensor self min max" c => c.tensor(0).clamp_tensor(c.option(1), c.option(2));
        "aten.clamp_min.default self min" c => c.tensor(0).clamp_min(c.number(1));
        "aten.clamp_min.Tensor self min" c => c.tensor(0).clamp_min_tensor(&c.tensor(1));
        "aten.clamp_max.default self max" c => c.tensor(0).clamp_max(c.number(1));
        "aten.clamp_max.Tensor self max" c => c.tensor(0).clamp_max_tensor(&c.tensor(1));
        "aten.where.self condition self other" c => select(&c.tensor(0), &c.tensor(1), &c.tensor(2));
        "aten.where.ScalarSelf condition self other" c => Tensor::where_scalarself(&c.tensor(0), c.number(1), &c.tensor(2));
        "aten.where.ScalarOther condition self other" c => c.tensor(1).where_scalarother(&c.tensor(0), c.number(2));
        "aten.where.Scalar condition self other" c => Tensor::where_scalar(&c.tensor(0), c.number(1), c.number(2)).to_kind(c.context.kind);
        "aten.masked_fill.Scalar self mask value" c => c.tensor(0).masked_fill(&c.tensor(1), c.number(2));
        "aten.masked_fill.Tensor self mask value" c => select(&c.tensor(1), &c.tensor(2).to_kind(c.tensor(0).kind()), &c.tensor(0));
        "aten.lerp.Scalar self end weight" c => c.tensor(0).lerp(&c.tensor(1), c.number(2));
        "aten.lerp.Tensor self end weight" c => c.tensor(0).lerp_tensor(&c.tensor(1), &c.tensor(2));
        "aten.addcmul.default self tensor1 tensor2 value" c => c.tensor(0) + c.tensor(1) * c.tensor(2) * c.float_or(3, 1.0);
        "aten.addcdiv.default self tensor1 tensor2 value" c => c.tensor(0) + c.tensor(1) / c.tensor(2) * c.float_or(3, 1.0);
        "aten.nan_to_num.default self nan posinf neginf" c => {
            let number = |index: usize| c.has(index).then(|| c.float(index));
            c.tensor(0).nan_to_num(number(1), number(2), number(3))
        };
        "aten.eq.Tensor self other" c => two(c, Tensor::eq_tensor, Tensor::eq);
        "aten.eq.Scalar self other" c => two(c, Tensor::eq_tensor, Tensor::eq);
        "aten.ne.Tensor self other" c => two(c, Tensor::ne_tensor, Tensor::ne);
        "aten.ne.Scalar self other" c => two(c, Tensor::ne_tensor, Tensor::ne);
        "aten.lt.Tensor self other" c => two(c, Tensor::lt_tensor, Tensor::lt);
        "aten.lt.Scalar self other" c => two(c, Tensor::lt_tensor, Tensor::lt);
        "aten.le.Tensor self other" c => two(c, Tensor::le_tensor, Tensor::le);
        "aten.le.Scalar self other" c => two(c, Tensor::le_tensor, Tensor::le);
        "aten.gt.Tensor self other" c => two(c, Tensor::gt_tensor, Tensor::gt);
        "aten.gt.Scalar self other" c => two(c, Tensor::gt_tensor, Tensor::gt);
        "aten.ge.Tensor self other" c => two(c, Tensor::ge_tensor, Tensor::ge);
        "aten.ge.Scalar self other" c => two(c, Tensor::ge_tensor, Tensor::ge);
        "aten.isnan.default self" c => c.tensor(0).isnan();
        "aten.isinf.default self" c => c.tensor(0).isinf();
        "aten.isfinite.default self" c => c.tensor(0).isfinite();
        "aten.isclose.default self other rtol atol equal_nan" c => c.tensor(0).isclose(&c.tensor(1), c.float_or(2, 1e-5), c.float_or(3, 1e-8), c.bool(4));
        "aten.logical_and.default self other" c => c.tensor(0).logical_and(&c.tensor(1));
        "aten.logical_or.default self other" c => c.tensor(0).logical_or(&c.tensor(1));
        "aten.logical_xor.default self other" c => c.tensor(0).logical_xor(&c.tensor(1));
        "aten.logical_not.default self" c => c.tensor(0).logical_not();
        "aten.bitwise_and.Tensor self other" c => c.tensor(0).bitwise_and_tensor(&c.tensor(1));
        "aten.bitwise_or.Tensor self other" c => c.tensor(0).bitwise_or_tensor(&c.tensor(1));
        "aten.bitwise_xor.Tensor self other" c => c.tensor(0).bitwise_xor_tensor(&c.tensor(1));
        "aten.bitwise_not.default self" c => c.tensor(0).bitwise_not();
        "aten.__and__.Tensor self other" c => c.tensor(0).bitwise_and_tensor(&c.tensor(1));
        "aten.__or__.Tensor self other" c => c.tensor(0).bitwise_or_tensor(&c.tensor(1));
        "aten.relu.default self" c => c.tensor(0).relu();
        "aten.relu6.default self" c => bounded(&c.tensor(0), 0.0, 6.0);
        "aten.leaky_relu.default self negative_slope" c => {
            let (x, slope) = (c.tensor(0), c.float_or(1, 0.01));
            select(&x.gt(0.0), &x, &(&x * slope))
        };
        "aten.rrelu.default self lower upper training" c => {
            let (x, slope) = (c.tensor(0), f64::midpoint(c.float_or(1, 1.0 / 8.0), c.float_or(2, 1.0 / 3.0)));
            assert!(!c.bool(3), "rrelu draws random slopes in training: call eval() on it");
            select(&x.ge(0.0), &x, &(&x * slope))
        };
        "aten.elu.default self alpha scale input_scale" c => {
            let (x, alpha) = (c.tensor(0), c.float_or(1, 1.0));
            let (scale, inner) = (c.float_or(2, 1.0), c.float_or(3, 1.0));
            if alpha == 1.0 && scale == 1.0 && inner == 1.0 {
                x.elu()
            } else {
                select(&x.gt(0.0), &(&x * scale), &((x.clamp_max(0.0) * inner).expm1() * (alpha * scale)))
            }
        };
        "aten.selu.default self" c => c.tensor(0).selu();
        "aten.celu.default self alpha" c => {
            let (x, alpha) = (c.tensor(0), c.float_or(1, 1.0));
            select(&x.gt(0.0), &x, &((x.clamp_max(0.0) / alpha).expm1() * alpha))
        };
        "aten.gelu.default self approximate" c => c.tensor(0).gelu(if c.text(1).is_empty() { "none" } else { c.text(1) });
        "aten.silu.default self" c => c.tensor(0).silu();
        "aten.mish.default self" c => c.tensor(0).mish();
        "aten.hardtanh.default self min_val max_val" c => bounded(&c.tensor(0), c.float_or(1, -1.0), c.float_or(2, 1.0));
        "aten.hardsigmoid.default self" c => c.tensor(0).hardsigmoid();
        "aten.hardswish.default self" c => c.tensor(0).hardswish();
        "aten.softplus.default self beta threshold" c => softplus(c);
        "aten.log_sigmoid.default self" c => c.tensor(0).log_sigmoid();
        "aten.softshrink.default self lambd" c => {
            let (x, lambda) = (c.tensor(0), c.float_or(1, 0.5));
            select(&x.gt(lambda), &(&x - lambda), &select(&x.lt(-lambda), &(&x + lambda), &(&x * 0.0)))
        };
        "aten.hardshrink.default self lambd" c => {
            let (x, lambda) = (c.tensor(0), c.float_or(1, 0.5));
            select(&x.abs().gt(lambda), &x, &(&x * 0.0))
        };
        "aten.threshold.default self threshold value" c => c.tensor(0).threshold(c.number(1), c.number(2));
        "aten.detach.default self" c => c.tensor(0).detach();
        "aten.detach_.default self" c => c.tensor(0).detach();
        "aten.alias.default self" c => c.tensor(0);
        "aten.lift_fresh_copy.default self" c => c.tensor(0);
        "aten.clone.default self memory_format" c => c.tensor(0);
        "aten.contiguous.default self memory_format" c => c.tensor(0);
        "aten.to.dtype self dtype non_blocking copy memory_format" c => to(c, c.kind(1));
        "aten.to.dtype_layout self dtype layout device pin_memory non_blocking copy memory_format" c => to(c, c.kind(1));
        "aten.to.device self device dtype non_blocking copy memory_format" c => to(c, c.kind(2));
        "aten._to_copy.default self dtype layout device pin_memory non_blocking memory_format" c => to(c, c.kind(1));
        "aten.fill.Scalar self value" c => c.tensor(0).fill(c.number(1));
        "aten.fill.Tensor self value" c => { let x = c.tensor(0); (x.zeros_like() + c.tensor(1)).to_kind(x.kind()) };
        "aten.copy.default self src non_blocking" c => { let x = c.tensor(0); (x.zeros_like() + c.tensor(1)).to_kind(x.kind()) };
        "aten.zeros_like.default self dtype layout device pin_memory memory_format" c => to(c, c.kind(1)).zeros_like();
        "aten.ones_like.default self dtype layout device pin_memory memory_format" c => to(c, c.kind(1)).ones_like();
        "aten.empty_like.default self dtype layout device pin_memory memory_format" c => to(c, c.kind(1)).zeros_like();
        "aten.full_like.default self fill_value dtype layout device pin_memory memory_format" c => to(c, c.kind(2)).full_like(c.number(1));
        "aten.complex.default real imag" c => Tensor::complex(&c.tensor(0), &c.tensor(1));
        "aten.polar.default abs angle" c => Tensor::polar(&c.tensor(0), &c.tensor(1));
        "aten.real.default self" c => c.tensor(0).real();
        "aten.imag.default self" c => c.tensor(0).imag();
        "aten.angle.default self" c => c.tensor(0).angle();
        "aten.conj.default self" c => c.tensor(0).conj().resolve_conj();
        "aten._conj.default self" c => c.tensor(0).conj().resolve_conj();
        "aten.resolve_conj.default self" c => c.tensor(0).resolve_conj();
        "aten.resolve_neg.default self" c => c.tensor(0).resolve_neg();
        "aten.deg2rad.default self" c => c.tensor(0).deg2rad();
    }
    Rule::ShiftedIf(|c| !c.has_lanes(1)) => {
        "aten.glu.default self dim" c => glu(c);
    }
    Rule::Whole => {
        // What it is, of the type of another, whose lanes it doesn't take on.
        "aten.type_as.default self other" c => {
            let kind = c.lanes_of(1).any().kind();
            Out::Number(Value::Tensor(c.lanes_of(0).map(|x| x.to_kind(kind))))
        };
    }
    Rule::Broadcast => {
        // Derivatives that are written out, as where a program differentiates inside.
        "aten.tanh_backward.default grad_output output" c => tanh_backward(c);
        "aten.sigmoid_backward.default grad_output output" c => sigmoid_backward(c);
        "aten.threshold_backward.default grad_output self threshold" c => threshold_backward(c);
        "aten.silu_backward.default grad_output self" c => silu_backward(c);
        "aten.softplus_backward.default grad_output self beta threshold" c => {
            let (gradient, inner) = (c.tensor(0), c.tensor(1) * c.float(2));
            select(&inner.gt(c.float(3)), &gradient, &(&gradient * inner.sigmoid()))
        };
    }
    Rule::Looped => {
        "aten.prelu.default self weight" c => prelu(c);
        "aten._prelu_kernel.default self weight" c => prelu(c);
    }
    Rule::Shifted => {
        "aten.view_as_real.default self" c => c.tensor(0).view_as_real();
        "aten.view_as_complex.default self" c => c.tensor(0).contiguous().view_as_complex();
    }
}

/// log(1 + exp(β x)) / β, and x itself where β x is beyond the threshold.
fn softplus(c: &Call) -> Tensor {
    let (x, beta, threshold) = (c.tensor(0), c.float_or(1, 1.0), c.float_or(2, 20.0));
    if beta == 1.0 && threshold == 20.0 {
        return x.softplus();
    }
    let inner = &x * beta;
    select(&inner.gt(threshold), &x, &(inner.clamp_max(threshold).exp().log1p() / beta))
}
