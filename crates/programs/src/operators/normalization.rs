//! Normalizations.

use tch::{Kind, Tensor};

use super::{Rule, operators};
use crate::call::Call;

/// Over the last dimensions, then scaled and moved.
fn layer_norm(c: &Call, eps: usize) -> (Tensor, Option<Tensor>, Option<Tensor>) {
    let shape = c.ints(1);
    let x = c.tensor(0).layer_norm(shape, None::<Tensor>, None::<Tensor>, c.float_or(eps, 1e-5), false);
    (x, c.option(2), c.option(3))
}

/// A weight of the last dimensions, beside a tensor of lanes that has more of them.
fn beside(c: &Call, weight: Tensor, rank: usize) -> Tensor {
    if c.shift == 0 { weight } else { (weight.dim()..rank).fold(weight, |weight, _| weight.unsqueeze(1)) }
}

fn scaled(c: &Call, (x, weight, bias): (Tensor, Option<Tensor>, Option<Tensor>)) -> Tensor {
    let rank = x.dim();
    let x = weight.map_or(x.shallow_clone(), |weight| x * beside(c, weight, rank));
    bias.map_or(x.shallow_clone(), |bias| x + beside(c, bias, rank))
}

fn rms_norm(c: &Call) -> Tensor {
    let (x, count) = (c.tensor(0), c.ints(1).len() as i64);
    let eps = if c.has(3) {
        c.float(3)
    } else if x.kind() == Kind::Double {
        f64::EPSILON
    } else {
        f64::from(f32::EPSILON)
    };
    let dims: Vec<i64> = (1..=count).map(|dim| -dim).collect();
    let normed = &x * (x.square().mean_dim(&dims[..], true, None::<Kind>) + eps).rsqrt();
    scaled(c, (normed, c.option(2), None))
}

/// Statistics over everything but the channels, the new running ones among what is returned.
fn batch_norm_functional(c: &Call) -> Vec<Tensor> {
    let (a, mean, inverse, running_mean, running_var) =
        c.tensor(0).internal_native_batch_norm_legit_functional(
            c.option(1),
            c.option(2),
            &c.tensor(3),
            &c.tensor(4),
            c.bool(5),
            c.float(6),
            c.float(7),
        );
    vec![a, mean, inverse, running_mean, running_var]
}

operators! {
    Rule::Shifted => {
        "aten.layer_norm.default input normalized_shape weight bias eps cudnn_enable" c => scaled(c, layer_norm(c, 4));
        "aten.native_layer_norm.default input normalized_shape weight bias eps" c => {
            let dims: Vec<i64> = (1..=c.ints(1).len() as i64).map(|dim| -dim).collect();
            // PyTorch takes no gradients of the statistics.
            let x = c.spread(c.tensor(0).detach());
            let mean = x.mean_dim(&dims[..], true, None::<Kind>);
            let variance = x.var_correction(&dims[..], 0, true);
            (scaled(c, layer_norm(c, 4)), mean, (variance + c.float_or(4, 1e-5)).rsqrt())
        };
        "aten.rms_norm.default input normalized_shape weight eps" c => rms_norm(c);
    }
    Rule::Looped => {
        "aten.group_norm.default input num_groups weight bias eps cudnn_enabled" c => {
            c.tensor(0).group_norm(c.int(1), c.option(2), c.option(3), c.float_or(4, 1e-5), false)
        };
        "aten.instance_norm.default input weight bias running_mean running_var use_input_stats momentum eps cudnn_enabled" c => {
            Tensor::instance_norm(&c.tensor(0), c.option(1), c.option(2), c.option(3), c.option(4), c.bool(5), c.float(6), c.float(7), false)
        };
        "aten.batch_norm.default input weight bias running_mean running_var training momentum eps cudnn_enabled" c => {
            // The graph that is written functional has the new statistics among its results, and these stay as they are.
            let [mean, var] = [3, 4].map(|index| c.option(index).map(|tensor| tensor.copy()));
            c.tensor(0).batch_norm(c.option(1), c.option(2), mean, var, c.bool(5), c.float(6), c.float(7), false)
        };
        "aten._native_batch_norm_legit_functional.default input weight bias running_mean running_var training momentum eps" c => batch_norm_functional(c);
        "aten._native_batch_norm_legit_no_training.default input weight bias running_mean running_var momentum eps" c => {
            c.tensor(0).internal_native_batch_norm_legit_no_training(c.option(1), c.option(2), &c.tensor(3), &c.tensor(4), c.float(5), c.float(6))
        };
        "aten._native_batch_norm_legit.no_stats input weight bias training momentum eps" c => {
            c.tensor(0).internal_native_batch_norm_legit_no_stats(c.option(1), c.option(2), c.bool(3), c.float(4), c.float(5))
        };
        "aten.renorm.default self p dim maxnorm" c => c.tensor(0).renorm(c.number(1), c.int(2), c.number(3));
        "aten._weight_norm.default v g dim" c => Tensor::internal_weight_norm(&c.tensor(0), &c.tensor(1), c.int_or(2, 0));
        "aten._weight_norm_interface.default v g dim" c => {
            let normed = Tensor::internal_weight_norm(&c.tensor(0), &c.tensor(1), c.int_or(2, 0));
            (normed, Tensor::norm_except_dim(&c.tensor(0), 2, c.int_or(2, 0)).detach())
        };
    }
}
