//! Sums, means, extremes, sorting and what runs along a dimension.

use tch::{Kind, Tensor};

use super::{Rule, operators};
use crate::call::{Call, Out};

/// A reduction over dimensions; over none where a number is left.
fn over(c: &Call, dims: &[i64], reduce: impl Fn(&Tensor, &[i64]) -> Tensor) -> Tensor {
    let x = c.tensor(0);
    if dims.is_empty() {
        // A number a lane: each is its own sum.
        let whole = x.unsqueeze(-1);
        let last = [whole.dim() as i64 - 1];
        return reduce(&whole, &last).reshape(x.size());
    }
    reduce(&x, dims)
}

/// All dimensions but that of the lanes, as one.
fn all(c: &Call) -> Tensor {
    let x = c.tensor(0);
    if c.shift == 1 && x.dim() == 1 { x.unsqueeze(-1) } else { x.flatten(c.shift, -1) }
}

/// The extreme of everything, whose gradient is shared among all that have it.
fn extreme(c: &Call, of: fn(&Tensor, &[i64]) -> Tensor) -> Tensor {
    let x = all(c);
    of(&x, &[x.dim() as i64 - 1])
}

fn keep(c: &Call, dims: usize, keepdim: usize) -> (Vec<i64>, bool) {
    (c.dims(dims), c.bool(keepdim))
}

fn var(c: &Call, dims: usize, correction: f64, keepdim: bool) -> Tensor {
    over(c, &c.dims(dims), |x, dims| x.var_correction(dims, correction, keepdim))
}

fn std(c: &Call, dims: usize, correction: f64, keepdim: bool) -> Tensor {
    over(c, &c.dims(dims), |x, dims| x.std_correction(dims, correction, keepdim))
}

/// 1 where an estimate without bias is asked for, as it is by default.
fn unbiased(c: &Call, index: usize) -> f64 {
    f64::from(u8::from(c.bool_or(index, true)))
}

/// Differences of neighbors, of the order n.
fn diff(c: &Call) -> Tensor {
    let dim = c.dim_or(2, -1);
    let parts: Vec<Tensor> =
        [3, 0, 4].into_iter().filter_map(|index| c.option(index)).map(|x| c.spread(x)).collect();
    Tensor::cat(&parts, dim).diff(c.int_or(1, 1), dim, None::<Tensor>, None::<Tensor>)
}

/// Areas so far below the lines between neighbors at a distance dx.
fn cumulative_trapezoid(c: &Call) -> Tensor {
    let (y, dim) = (c.tensor(0), c.dim_or(2, -1));
    let last = y.size()[dim as usize] - 1;
    let sums = y.narrow(dim, 0, last) + y.narrow(dim, 1, last);
    sums.cumsum(dim, None::<Kind>) * (c.float_or(1, 1.0) / 2.0)
}

/// Slopes along dimensions at a distance of neighbors: central ones, and one-sided at the ends.
fn gradients(c: &Call) -> Vec<Tensor> {
    assert!(c.int_or(3, 1) == 1, "gradient takes edge_order = 1 here");
    let (x, spacing) = (c.tensor(0), c.float(1));
    let along = |dim: i64| {
        let dim = if dim < 0 { dim + x.dim() as i64 } else { dim };
        let last = x.size()[dim as usize] - 1;
        let between = |from: i64, to: i64, count: i64| x.narrow(dim, to, count) - x.narrow(dim, from, count);
        let central = between(0, 2, last - 1) / (2.0 * spacing);
        let [first, end] =
            [between(0, 1, 1), between(last - 1, last, 1)].map(|difference| difference / spacing);
        Tensor::cat(&[first, central, end], dim)
    };
    c.ints(2).into_iter().map(along).collect()
}

fn norm(c: &Call, p: f64, dims: usize, keepdim: usize) -> Tensor {
    let (dims, keepdim) = keep(c, dims, keepdim);
    over(c, &dims, |x, dims| x.norm_scalaropt_dim(p, dims, keepdim))
}

/// How many numbers aren't 0, of all or along dimensions.
fn counted(c: &Call) -> Tensor {
    over(c, &c.dims(1), |x, dims| x.count_nonzero_dim_intlist(dims))
}

/// How many numbers there are in each of some bins of equal width from min to max, or from the least to the largest.
fn histogram(c: &Call) -> Tensor {
    let (x, bins) = (c.tensor(0).detach(), c.int_or(1, 100));
    let (low, high) = (c.float_or(2, 0.0), c.float_or(3, 0.0));
    if low == high {
        let finite = bool::try_from(x.isfinite().all()).unwrap_or(false);
        return if finite { x.histc(bins) } else { Tensor::full([bins], f64::NAN, (x.kind(), x.device())) };
    }
    // The two ends, which make it the range, are taken off again.
    let inside = x.masked_select(&x.ge(low).logical_and(&x.le(high)));
    let ends = Tensor::from_slice(&[low, high]).to_kind(x.kind());
    Tensor::cat(&[inside, ends.shallow_clone()], 0).histc(bins) - ends.histc(bins)
}

operators! {
    Rule::Shifted => {
        "aten.sum.default self dtype" c => all(c).sum_dim_intlist(&[-1_i64][..], false, c.kind(1));
        "aten.sum.dim_IntList self dim keepdim dtype" c => {
            let (dims, keepdim) = keep(c, 1, 2);
            over(c, &dims, |x, dims| x.sum_dim_intlist(dims, keepdim, c.kind(3)))
        };
        "aten.mean.default self dtype" c => all(c).mean_dim(&[-1_i64][..], false, c.kind(1));
        "aten.mean.dim self dim keepdim dtype" c => {
            let (dims, keepdim) = keep(c, 1, 2);
            over(c, &dims, |x, dims| x.mean_dim(dims, keepdim, c.kind(3)))
        };
        "aten.nansum.default self dim keepdim dtype" c => {
            let (dims, keepdim) = keep(c, 1, 2);
            over(c, &dims, |x, dims| x.nansum(dims, keepdim, c.kind(3)))
        };
        "aten.prod.default self dtype" c => all(c).prod_dim_int(-1, false, c.kind(1));
        "aten.logsumexp.default self dim keepdim" c => {
            let (dims, keepdim) = keep(c, 1, 2);
            over(c, &dims, |x, dims| x.logsumexp(dims, keepdim))
        };
        "aten.var.default self unbiased" c => all(c).var_correction(&[-1_i64][..], unbiased(c, 1), false);
        "aten.var.dim self dim unbiased keepdim" c => var(c, 1, unbiased(c, 2), c.bool(3));
        "aten.var.correction self dim correction keepdim" c => var(c, 1, c.float_or(2, 1.0), c.bool(3));
        "aten.std.default self unbiased" c => all(c).std_correction(&[-1_i64][..], unbiased(c, 1), false);
        "aten.std.dim self dim unbiased keepdim" c => std(c, 1, unbiased(c, 2), c.bool(3));
        "aten.std.correction self dim correction keepdim" c => std(c, 1, c.float_or(2, 1.0), c.bool(3));
        "aten.var_mean.correction self dim correction keepdim" c => {
            let (dims, keepdim) = keep(c, 1, 3);
            let mean = over(c, &dims, |x, dims| x.mean_dim(dims, keepdim, None::<Kind>));
            (var(c, 1, c.float_or(2, 1.0), keepdim), mean)
        };
        "aten.std_mean.correction self dim correction keepdim" c => {
            let (dims, keepdim) = keep(c, 1, 3);
            let mean = over(c, &dims, |x, dims| x.mean_dim(dims, keepdim, None::<Kind>));
            (std(c, 1, c.float_or(2, 1.0), keepdim), mean)
        };
        "aten.var_mean.dim self dim unbiased keepdim" c => {
            let (dims, keepdim) = keep(c, 1, 3);
            let mean = over(c, &dims, |x, dims| x.mean_dim(dims, keepdim, None::<Kind>));
            (var(c, 1, unbiased(c, 2), keepdim), mean)
        };
        "aten.norm.Scalar self p" c => all(c).norm_scalaropt_dim(c.float_or(1, 2.0), &[-1_i64][..], false);
        "aten.norm.ScalarOpt_dim self p dim keepdim" c => norm(c, c.float_or(1, 2.0), 2, 3);
        "aten.linalg_vector_norm.default self ord dim keepdim dtype" c => norm(c, c.float_or(1, 2.0), 2, 3);
        "aten.max.default self" c => extreme(c, |x, dims| x.amax(dims, false));
        "aten.min.default self" c => extreme(c, |x, dims| x.amin(dims, false));
        "aten.amax.default self dim keepdim" c => {
            let (dims, keepdim) = keep(c, 1, 2);
            over(c, &dims, |x, dims| x.amax(dims, keepdim))
        };
        "aten.amin.default self dim keepdim" c => {
            let (dims, keepdim) = keep(c, 1, 2);
            over(c, &dims, |x, dims| x.amin(dims, keepdim))
        };
        "aten.median.default self" c => { let (value, _) = all(c).median_dim(-1, false); value };
        "aten.all.default self" c => all(c).all_dim(-1, false);
        "aten.any.default self" c => all(c).any_dim(-1, false);
        "aten.count_nonzero.default self dim" c => counted(c);
        "aten.count_nonzero.dim_IntList self dim" c => counted(c);
        "aten.diff.default self n dim prepend append" c => diff(c);
    }
    // A number has no dimension behind that of the lanes: it is called for each lane.
    Rule::ShiftedIf(|c| c.rank_of(0) > 0) => {
        "aten.prod.dim_int self dim keepdim dtype" c => c.tensor(0).prod_dim_int(c.dim(1), c.bool(2), c.kind(3));
        "aten.max.dim self dim keepdim" c => c.tensor(0).max_dim(c.dim(1), c.bool(2));
        "aten.min.dim self dim keepdim" c => c.tensor(0).min_dim(c.dim(1), c.bool(2));
        "aten.median.dim self dim keepdim" c => c.tensor(0).median_dim(c.dim(1), c.bool(2));
        "aten.quantile.scalar self q dim keepdim interpolation" c => {
            let (x, dim) = if c.has(2) { (c.tensor(0), c.dim(2)) } else { (all(c), c.shift) };
            x.quantile_scalar(c.float(1), dim, c.bool(3), if c.text(4).is_empty() { "linear" } else { c.text(4) })
        };
        "aten.argmax.default self dim keepdim" c => if c.has(1) { c.tensor(0).argmax(c.dim(1), c.bool(2)) } else { all(c).argmax(-1, false) };
        "aten.argmin.default self dim keepdim" c => if c.has(1) { c.tensor(0).argmin(c.dim(1), c.bool(2)) } else { all(c).argmin(-1, false) };
        "aten.all.dim self dim keepdim" c => c.tensor(0).all_dim(c.dim(1), c.bool(2));
        "aten.any.dim self dim keepdim" c => c.tensor(0).any_dim(c.dim(1), c.bool(2));
        "aten.softmax.int self dim dtype" c => c.tensor(0).softmax(c.dim(1), c.kind(2));
        "aten._softmax.default self dim half_to_float" c => c.tensor(0).softmax(c.dim(1), None::<Kind>);
        "aten.log_softmax.int self dim dtype" c => c.tensor(0).log_softmax(c.dim(1), c.kind(2));
        "aten._log_softmax.default self dim half_to_float" c => c.tensor(0).log_softmax(c.dim(1), None::<Kind>);
        "aten.cumsum.default self dim dtype" c => c.tensor(0).cumsum(c.dim(1), c.kind(2));
        "aten.cumprod.default self dim dtype" c => c.tensor(0).cumprod(c.dim(1), c.kind(2));
        "aten.logcumsumexp.default self dim" c => c.tensor(0).logcumsumexp(c.dim(1));
        "aten.cummax.default self dim" c => c.tensor(0).cummax(c.dim(1));
        "aten.cummin.default self dim" c => c.tensor(0).cummin(c.dim(1));
        "aten.sort.default self dim descending" c => c.tensor(0).sort(c.dim_or(1, -1), c.bool(2));
        "aten.sort.stable self stable dim descending" c => c.tensor(0).sort_stable(c.bool_or(1, true), c.dim_or(2, -1), c.bool(3));
        "aten.argsort.default self dim descending" c => c.tensor(0).argsort(c.dim_or(1, -1), c.bool(2));
        "aten.argsort.stable self stable dim descending" c => c.tensor(0).argsort_stable(c.bool_or(1, true), c.dim_or(2, -1), c.bool(3));
        "aten.topk.default self k dim largest sorted" c => c.tensor(0).topk(c.int(1), c.dim_or(2, -1), c.bool_or(3, true), c.bool_or(4, true));
        "aten.kthvalue.default self k dim keepdim" c => c.tensor(0).kthvalue(c.int(1), c.dim_or(2, -1), c.bool(3));
    }
    Rule::Looped => {
        "aten.histc.default self bins min max" c => histogram(c);
        "aten.bincount.default self weights minlength" c => c.tensor(0).bincount(c.option(1), c.int_or(2, 0));
        "aten.unique_dim.default self dim sorted return_inverse return_counts" c => Out::from(c.tensor(0).unique_dim(c.int(1), c.bool_or(2, true), c.bool(3), c.bool(4)));
        "aten._unique2.default self sorted return_inverse return_counts" c => Out::from(c.tensor(0).internal_unique2(c.bool_or(1, true), c.bool(2), c.bool(3)));
        "aten.trapezoid.dx y dx dim" c => Tensor::trapz_dx(&c.tensor(0), c.float_or(1, 1.0), c.int_or(2, -1));
        "aten.cumulative_trapezoid.dx y dx dim" c => cumulative_trapezoid(c);
        "aten.aminmax.default self dim keepdim" c => c.tensor(0).aminmax(c.has(1).then(|| c.int(1)), c.bool(2));
        "aten.nanmedian.default self" c => c.tensor(0).nanmedian();
        "aten.msort.default self" c => c.tensor(0).msort();
        "aten.quantile.default self q dim keepdim interpolation" c => {
            let interpolation = if c.text(4).is_empty() { "linear" } else { c.text(4) };
            c.tensor(0).quantile(&c.tensor(1), c.has(2).then(|| c.int(2)), c.bool(3), interpolation)
        };
        "aten.dist.default self other p" c => (c.tensor(0) - c.tensor(1)).norm_scalaropt_dim(c.float_or(2, 2.0), &[][..] as &[i64], false);
        "aten.gradient.scalararray self spacing dim edge_order" c => gradients(c);
        "aten.nanmean.default self dim keepdim dtype" c => c.tensor(0).nanmean(if c.has(1) { Some(c.ints(1)) } else { None }, c.bool(2), c.kind(3));
        "aten.trapezoid.x y x dim" c => Tensor::trapezoid_x(&c.tensor(0), &c.tensor(1), c.int_or(2, -1));
        "aten.equal.default self other" c => Tensor::from(c.tensor(0).equal(&c.tensor(1)));
    }
}
