//! Random numbers, from streams that follow from seed, step and node.

use tch::{Kind, Tensor};

use super::{Rule, operators};
use crate::call::{Call, Out};
use crate::draws::Distribution;
use crate::lanes::Lanes;
use crate::value::Value;

/// Numbers of a shape, changed for every lane by itself.
fn drawn(
    c: &Call,
    shape: &[i64],
    distribution: Distribution,
    kind: Kind,
    change: impl Fn(usize, Tensor) -> Tensor,
) -> Out {
    if let Some(recorded) = c.context.draws.recorded(c.name) {
        return Out::Values(vec![recorded.into()]);
    }
    let all = c.context.draws.draw(c.name, shape, distribution, kind);
    let differ = all.len() > 1 || c.arguments.iter().enumerate().any(|(index, _)| c.has_lanes(index));
    if !differ {
        return Out::Values(vec![change(0, all[0].shallow_clone()).into()]);
    }
    let of = |lane: usize| change(lane, all[lane.min(all.len() - 1)].shallow_clone());
    Out::Values(vec![Value::Tensor(Lanes::of((0..c.context.lanes).map(of).collect()))])
}

fn plain(c: &Call, distribution: Distribution, dtype: usize) -> Out {
    drawn(c, &c.ints(0), distribution, c.float_kind(dtype), |_, numbers| numbers)
}

/// As many as the first argument has, of its type.
fn like(c: &Call, distribution: Distribution) -> Out {
    let x = c.lanes_of(0);
    let kind = x.any().kind();
    drawn(c, &x.lane_size(), distribution, kind, |_, numbers| numbers)
}

fn between(numbers: &Tensor, low: f64, high: f64, kind: Kind) -> Tensor {
    (numbers.to_kind(Kind::Double) * (high - low) + low).floor().to_kind(kind)
}

/// A mask that keeps an element with probability 1 − p, and what is kept divided by that.
fn dropout(c: &Call) -> Out {
    let (x, p, training) = (c.lanes_of(0), c.float(1), c.bool_or(2, true));
    if !training || p == 0.0 {
        let mask = Tensor::ones(x.lane_size(), (Kind::Bool, tch::Device::Cpu));
        return Out::Values(vec![Value::Tensor(x.clone()), mask.into()]);
    }
    let masks = if let Some(mask) = c.context.draws.recorded(c.name) {
        vec![mask]
    } else {
        let all = c.context.draws.draw(c.name, &x.lane_size(), Distribution::Uniform, Kind::Double);
        all.iter().map(|numbers| numbers.ge(p)).collect::<Vec<_>>()
    };
    let mask = if masks.len() == 1 { Lanes::Shared(masks[0].shallow_clone()) } else { Lanes::of(masks) };
    let scale = if p < 1.0 { 1.0 / (1.0 - p) } else { 0.0 };
    let dropped = match (x, &mask) {
        (Lanes::Shared(x), Lanes::Shared(mask)) => Lanes::Shared(x * mask * scale),
        (Lanes::Together(x) | Lanes::Shared(x), Lanes::Together(mask) | Lanes::Shared(mask)) => {
            Lanes::Together(x * mask * scale)
        }
        _ => Lanes::of((0..c.context.lanes).map(|lane| x.lane(lane) * mask.lane(lane) * scale).collect()),
    };
    Out::Values(vec![Value::Tensor(dropped), Value::Tensor(mask)])
}

fn bernoulli(c: &Call, p: impl Fn(usize) -> Tensor) -> Out {
    let x = c.lanes_of(0);
    let kind = x.any().kind();
    drawn(c, &x.lane_size(), Distribution::Uniform, Kind::Double, |lane, numbers| {
        numbers.lt_tensor(&p(lane).to_kind(Kind::Double)).to_kind(kind)
    })
}

operators! {
    Rule::Whole => {
        "aten.rand.default size dtype layout device pin_memory" c => plain(c, Distribution::Uniform, 1);
        "aten.randn.default size dtype layout device pin_memory" c => plain(c, Distribution::Normal, 1);
        "aten.rand_like.default self dtype layout device pin_memory memory_format" c => like(c, Distribution::Uniform);
        "aten.randn_like.default self dtype layout device pin_memory memory_format" c => like(c, Distribution::Normal);
        "aten.randint.default high size dtype layout device pin_memory" c => {
            let kind = c.kind(2).unwrap_or(Kind::Int64);
            drawn(c, &c.ints(1), Distribution::Uniform, Kind::Double, |_, numbers| between(&numbers, 0.0, c.float(0), kind))
        };
        "aten.randint.low low high size dtype layout device pin_memory" c => {
            let kind = c.kind(3).unwrap_or(Kind::Int64);
            drawn(c, &c.ints(2), Distribution::Uniform, Kind::Double, |_, numbers| between(&numbers, c.float(0), c.float(1), kind))
        };
        "aten.randperm.default n dtype layout device pin_memory" c => {
            drawn(c, &[c.int(0)], Distribution::Uniform, Kind::Double, |_, numbers| numbers.argsort(0, false))
        };
        "aten.bernoulli.default self generator" c => bernoulli(c, |lane| c.lanes_of(0).lane(lane));
        "aten.bernoulli.p self p generator" c => bernoulli(c, |_| Tensor::from(c.float(1)));
        "aten.uniform.default self from to generator" c => {
            let x = c.lanes_of(0);
            let (low, high) = (c.float_or(1, 0.0), c.float_or(2, 1.0));
            drawn(c, &x.lane_size(), Distribution::Uniform, x.any().kind(), |_, numbers| numbers * (high - low) + low)
        };
        "aten.normal_functional.default self mean std generator" c => {
            let x = c.lanes_of(0);
            let (mean, std) = (c.float_or(1, 0.0), c.float_or(2, 1.0));
            drawn(c, &x.lane_size(), Distribution::Normal, x.any().kind(), |_, numbers| numbers * std + mean)
        };
        "aten.exponential.default self lambd generator" c => {
            let (x, rate) = (c.lanes_of(0), c.float_or(1, 1.0));
            drawn(c, &x.lane_size(), Distribution::Uniform, x.any().kind(), |_, numbers| (-numbers).log1p() / -rate)
        };
        "aten.normal.float_float mean std size generator dtype layout device pin_memory" c => {
            let (mean, std) = (c.float(0), c.float(1));
            drawn(c, &c.ints(2), Distribution::Normal, c.float_kind(4), |_, numbers| numbers * std + mean)
        };
        "aten.normal.Tensor_Tensor mean std generator" c => {
            let (mean, std) = (c.lanes_of(0), c.lanes_of(1));
            drawn(c, &mean.lane_size(), Distribution::Normal, mean.any().kind(), |lane, numbers| numbers * std.lane(lane) + mean.lane(lane))
        };
        "aten.native_dropout.default input p train" c => dropout(c);
        "aten.dropout.default input p train" c => dropout(c);
    }
}
