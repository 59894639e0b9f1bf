//! The losses of `torch.nn.functional`: each value by itself, then the reduction of every lane.

use tch::{Kind, Reduction, Tensor};

use super::{Rule, operators};
use crate::call::Call;

/// The reduction that PyTorch has this number for: none, mean or sum.
fn reduced(c: &Call, values: Tensor, index: usize) -> Tensor {
    let reduction = c.int_or(index, 1);
    if reduction == 0 {
        return values;
    }
    let first = i64::from(c.lane.is_none() && values.dim() > 0 && has_lanes(c));
    let dims: Vec<i64> = (first..values.dim() as i64).collect();
    if dims.is_empty() {
        return values;
    }
    if reduction == 1 {
        values.mean_dim(&dims[..], false, None::<Kind>)
    } else {
        values.sum_dim_intlist(&dims[..], false, None::<Kind>)
    }
}

/// Whether the result has lanes. Where all tensors have none, a call isn't shifted.
fn has_lanes(c: &Call) -> bool {
    (0..c.arguments.len()).any(|index| c.has_lanes(index))
}

/// The first two arguments in one shape: lanes may share either, and a loss of libtorch's needn't broadcast its input.
fn both(c: &Call) -> [Tensor; 2] {
    let own = [c.tensor(0), c.tensor(1)];
    if own[0].size() == own[1].size() {
        return own;
    }
    Tensor::broadcast_tensors(&own).try_into().expect("two went in")
}

fn residual(c: &Call, values: impl Fn(&Tensor, &Tensor) -> Tensor) -> Tensor {
    let [x, y] = both(c);
    reduced(c, values(&x, &y), 2)
}

/// Binary cross-entropy of a logit, stably: max(x, 0) − x y + log(1 + e^−|x|), weighted by `pos_weight` where y is 1.
fn bce_with_logits(c: &Call) -> Tensor {
    let [x, y] = both(c);
    let values = x.binary_cross_entropy_with_logits(&y, None::<Tensor>, c.option(3), Reduction::None);
    let values = c.option(2).map_or(values.shallow_clone(), |weight| values * weight);
    reduced(c, values, 4)
}

fn bce(c: &Call) -> Tensor {
    let [x, y] = both(c);
    // libtorch refuses all lanes for a probability that is none; here it comes to NaN.
    let share = |x: &Tensor| x.ge(0.0).logical_and(&x.le(1.0));
    let possible = share(&x).logical_and(&share(&y));
    let [x, y] = [x, y].map(|x| x.where_self(&possible, &x.full_like(0.5)));
    let values = x.binary_cross_entropy(&y, None::<Tensor>, Reduction::None);
    let values = values.masked_fill(&possible.logical_not(), f64::NAN);
    let values = c.option(2).map_or(values.shallow_clone(), |weight| values * weight);
    reduced(c, values, 3)
}

fn kl_div(c: &Call) -> Tensor {
    let (x, y) = (c.tensor(0), c.tensor(1));
    let values = if c.bool(3) { y.exp() * (&y - &x) } else { y.xlogy(&y) - &y * &x };
    reduced(c, values, 2)
}

fn poisson_nll(c: &Call) -> Tensor {
    let (x, y) = (c.tensor(0), c.tensor(1));
    let (log_input, full, eps) = (c.bool(2), c.bool(3), c.float(4));
    let mut values = if log_input { x.exp() - &y * &x } else { &x - &y * (&x + eps).log() };
    if full {
        let stirling = &y * y.log() - &y + (&y * std::f64::consts::TAU).log() * 0.5;
        values += stirling.where_self(&y.gt(1.0), &y.zeros_like());
    }
    reduced(c, values, 5)
}

fn smooth_l1(c: &Call) -> Tensor {
    let beta = c.float_or(3, 1.0);
    residual(c, |x, y| if beta == 0.0 { (x - y).abs() } else { x.smooth_l1_loss(y, Reduction::None, beta) })
}

/// Logits `[n, classes, …]` and classes `[n, …]`, or shares `[n, classes, …]`; lanes are folded into n.
fn cross_entropy(c: &Call, logits: bool) -> Tensor {
    let (x, y) = (c.tensor(0), c.tensor(1));
    let (weight, ignored) = (c.option(2), c.int_or(4, -100));
    let smoothing = if logits { c.float_or(5, 0.0) } else { 0.0 };
    let lanes = if c.shift == 1 { c.context.lanes as i64 } else { 1 };
    let single = c.rank_of(0) == 1;
    let spread = |tensor: Tensor, single: bool| {
        let tensor = if c.shift == 1 { tensor } else { tensor.unsqueeze(0) };
        let tensor = if single { tensor.unsqueeze(1) } else { tensor };
        let sizes: Vec<i64> = [lanes].into_iter().chain(tensor.size()[1..].iter().copied()).collect();
        tensor.expand(sizes, false)
    };
    let (x, y) = (spread(x, single), spread(y, single));
    let shares = y.is_floating_point();
    let weight = weight.map(|weight| if c.shift == 1 { weight.squeeze_dim(0) } else { weight });
    let (flat_x, flat_y) = (x.flatten(0, 1), y.flatten(0, 1));
    let values = if logits {
        flat_x.cross_entropy_loss(&flat_y, weight.as_ref(), Reduction::None, ignored, smoothing)
    } else {
        flat_x.nll_loss_nd(&flat_y, weight.as_ref(), Reduction::None, ignored)
    };
    let rest = values.size().split_off(1);
    let shape: Vec<i64> = [lanes, y.size()[1]].into_iter().chain(rest).collect();
    let values = values.reshape(shape);
    let own = |tensor: Tensor| if c.shift == 1 { tensor } else { tensor.squeeze_dim(0) };
    let dims: Vec<i64> = (1..values.dim() as i64).collect();
    own(match c.int_or(3, 1) {
        0 => {
            if single {
                values.squeeze_dim(1)
            } else {
                values
            }
        }
        2 => values.sum_dim_intlist(&dims[..], false, None::<Kind>),
        _ if shares => values.mean_dim(&dims[..], false, None::<Kind>),
        _ => {
            let counts = y.ne(ignored);
            let share = match &weight {
                Some(weight) => weight.take(&y.clamp_min(0)) * counts,
                None => counts.to_kind(values.kind()),
            };
            values.sum_dim_intlist(&dims[..], false, None::<Kind>)
                / share.sum_dim_intlist(&dims[..], false, None::<Kind>)
        }
    })
}

fn reduction(c: &Call, index: usize) -> Reduction {
    match c.int_or(index, 1) {
        0 => Reduction::None,
        2 => Reduction::Sum,
        _ => Reduction::Mean,
    }
}

operators! {
    Rule::Broadcast => {
        "aten.mse_loss.default self target reduction" c => residual(c, |x, y| x.mse_loss(y, Reduction::None));
        "aten.l1_loss.default self target reduction" c => residual(c, |x, y| x.l1_loss(y, Reduction::None));
        "aten.smooth_l1_loss.default self target reduction beta" c => smooth_l1(c);
        "aten.huber_loss.default self target reduction delta" c => residual(c, |x, y| x.huber_loss(y, Reduction::None, c.float_or(3, 1.0)));
        "aten.soft_margin_loss.default self target reduction" c => residual(c, |x, y| x.soft_margin_loss(y, Reduction::None));
        "aten.binary_cross_entropy_with_logits.default self target weight pos_weight reduction" c => bce_with_logits(c);
        "aten.binary_cross_entropy.default self target weight reduction" c => bce(c);
        "aten.kl_div.default self target reduction log_target" c => kl_div(c);
        "aten.poisson_nll_loss.default input target log_input full eps reduction" c => poisson_nll(c);
        "aten.hinge_embedding_loss.default self target margin reduction" c => {
            let values = c.tensor(0).hinge_embedding_loss(&c.tensor(1), c.float_or(2, 1.0), Reduction::None);
            reduced(c, values, 3)
        };
        "aten.margin_ranking_loss.default input1 input2 target margin reduction" c => {
            let values = Tensor::margin_ranking_loss(&c.tensor(0), &c.tensor(1), &c.tensor(2), c.float_or(3, 0.0), Reduction::None);
            reduced(c, values, 4)
        };
    }
    Rule::ShiftedIf(|c| !c.has_lanes(2)) => {
        "aten.cross_entropy_loss.default self target weight reduction ignore_index label_smoothing" c => cross_entropy(c, true);
        "aten.nll_loss_nd.default self target weight reduction ignore_index" c => cross_entropy(c, false);
        "aten.nll_loss.default self target weight reduction ignore_index" c => cross_entropy(c, false);
    }
    Rule::Looped => {
        "aten.nll_loss_forward.default self target weight reduction ignore_index" c => {
            let value = c.tensor(0).g_nll_loss(&c.tensor(1), c.option(2), reduction(c, 3), c.int_or(4, -100));
            (value, total_weight(c))
        };
        "aten.nll_loss2d.default self target weight reduction ignore_index" c => c.tensor(0).nll_loss2d(&c.tensor(1), c.option(2), reduction(c, 3), c.int_or(4, -100));
        "aten.multi_margin_loss.default self target p margin weight reduction" c => {
            assert!(c.int_or(2, 1) == 1 && c.float_or(3, 1.0) == 1.0 && !c.has(4), "multi_margin_loss takes p = 1, margin = 1 and no weight here");
            multi_margin(c)
        };
        "aten.multilabel_margin_loss.default self target reduction" c => c.tensor(0).multilabel_margin_loss(&c.tensor(1), reduction(c, 2));
        "aten.triplet_margin_loss.default anchor positive negative margin p eps swap reduction" c => {
            Tensor::triplet_margin_loss(&c.tensor(0), &c.tensor(1), &c.tensor(2), c.float_or(3, 1.0), c.float_or(4, 2.0), c.float_or(5, 1e-6), c.bool(6), reduction(c, 7))
        };
        "aten.cosine_embedding_loss.default input1 input2 target margin reduction" c => {
            Tensor::cosine_embedding_loss(&c.tensor(0), &c.tensor(1), &c.tensor(2), c.float_or(3, 0.0), reduction(c, 4))
        };
        "aten.ctc_loss.IntList log_probs targets input_lengths target_lengths blank reduction zero_infinity" c => {
            Tensor::ctc_loss(&c.tensor(0), &c.tensor(1), c.ints(2), c.ints(3), c.int_or(4, 0), reduction(c, 5), c.bool(6))
        };
        "aten.ctc_loss.Tensor log_probs targets input_lengths target_lengths blank reduction zero_infinity" c => {
            Tensor::ctc_loss_tensor(&c.tensor(0), &c.tensor(1), &c.tensor(2), &c.tensor(3), c.int_or(4, 0), reduction(c, 5), c.bool(6))
        };
    }
}

/// What a mean over the targets is divided by; 0 where there is no mean.
fn total_weight(c: &Call) -> Tensor {
    let (x, y) = (c.tensor(0), c.tensor(1));
    let counts = y.ne(c.int_or(4, -100)).to_kind(x.kind());
    let shares = c.option(2).map_or(counts.shallow_clone(), |weight| weight.take(&y.clamp_min(0)) * &counts);
    let total = shares.sum(None::<Kind>);
    if c.int_or(3, 1) == 0 { total.zeros_like() } else { total }
}

/// Σ over other classes of max(0, 1 − `x_y` + `x_j`), divided by the number of classes.
fn multi_margin(c: &Call) -> Tensor {
    let (x, y) = (c.tensor(0), c.tensor(1));
    let (x, y) = if x.dim() == 1 { (x.unsqueeze(0), y.reshape([1])) } else { (x, y) };
    let classes = x.size()[1];
    let own = x.gather(1, &y.unsqueeze(1), false);
    let others = (x - own + 1.0).clamp_min(0.0).scatter_value(1, &y.unsqueeze(1), 0.0);
    let values = others.sum_dim_intlist(&[1_i64][..], false, None::<Kind>) / classes as f64;
    match c.int_or(5, 1) {
        0 => values,
        2 => values.sum(None::<Kind>),
        _ => values.mean(None::<Kind>),
    }
}
