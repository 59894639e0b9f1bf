//! Picking elements, and putting them.

use tch::Tensor;

use super::{Rule, operators};
use crate::arg::Arg;
use crate::call::Call;

fn gather(c: &Call) -> Tensor {
    let (x, index, dim) = (c.spread(c.tensor(0)), c.spread(c.tensor(2)), c.dim(1));
    if x.dim() as i64 == c.shift {
        return x.unsqueeze(-1).gather(c.shift, &index.unsqueeze(-1), false).squeeze_dim(-1);
    }
    x.gather(dim, &index, false)
}

/// The elements at indices along a dimension, or along all as one; other dimensions are broadcast.
fn along(c: &Call) -> Tensor {
    let (x, index) = (c.tensor(0), c.tensor(1));
    if c.has(2) {
        return x.take_along_dim(&index, c.dim(2));
    }
    let [x, index] = [x, index].map(|x| if x.dim() == 0 { x } else { x.flatten(c.shift, -1) });
    if x.dim() == 0 { x.take_along_dim(&index, None::<i64>) } else { x.take_along_dim(&index, c.shift) }
}

fn scatter(c: &Call, put: impl Fn(&Tensor, &Tensor) -> Tensor) -> Tensor {
    put(&c.spread(c.tensor(0)), &c.spread(c.tensor(2)))
}

/// Whether only the tensor has lanes, and the indices stand beside each other: then the result has the lanes first.
fn is_plain(c: &Call) -> bool {
    let Arg::Slots(slots) = &c.arguments[1] else { return false };
    let given: Vec<bool> = slots.iter().map(Option::is_some).collect();
    let beside = given.iter().skip_while(|is| !**is).skip_while(|is| **is).all(|is| !*is);
    let shared = slots.iter().flatten().all(
        |slot| matches!(&c.values[*slot], Some(crate::value::Value::Tensor(lanes)) if lanes.is_shared()),
    );
    beside && shared
}

/// Indices for a tensor whose first dimension is that of the lanes.
fn behind_lanes(c: &Call) -> Vec<Option<Tensor>> {
    let shift = usize::from(c.shift == 1);
    let own = c
        .options(1)
        .into_iter()
        .map(|index| index.map(|index| if shift == 1 { index.squeeze_dim(0) } else { index }));
    (0..shift).map(|_| None).chain(own).collect()
}

fn put(c: &Call) -> Tensor {
    let (x, indices) = (c.spread(c.tensor(0)), behind_lanes(c));
    let values = c.tensor(2).to_kind(x.kind());
    // Values of fewer dimensions are broadcast behind the lanes.
    let rank = if c.shift == 1 { x.detach().index(&indices).dim() } else { 0 };
    let values = (values.dim()..rank).fold(values, |values, _| values.unsqueeze(1));
    x.index_put(&indices, &values, c.bool(3))
}

/// Sums, means, products or extremes of the values that one index has, along a dimension.
fn scatter_reduce(c: &Call) -> Tensor {
    let (x, dim, index, values) = (c.tensor(0), c.int(1), c.tensor(2), c.tensor(3));
    let include = c.bool_or(5, true);
    let touched = || x.zeros_like().scatter_value(dim, &index, 1.0).gt(0.0);
    let begin = |neutral: f64| {
        if include {
            x.shallow_clone()
        } else {
            x.where_self(&touched().logical_not(), &x.full_like(neutral))
        }
    };
    match c.text(4) {
        "sum" => begin(0.0).scatter_add(dim, &index, &values),
        "mean" => {
            let counts = begin(0.0).zeros_like().scatter_add(dim, &index, &values.ones_like());
            let counts = if include { counts + 1.0 } else { counts.clamp_min(1.0) };
            begin(0.0).scatter_add(dim, &index, &values) / counts
        }
        "prod" => begin(1.0).scatter_reduce(dim, &index, &values, "multiply"),
        which => {
            // Among equal extremes the gradient is shared, as PyTorch does it.
            let (lowest, sign) =
                if which == "amax" { (f64::NEG_INFINITY, 1.0) } else { (f64::INFINITY, -1.0) };
            let fixed = begin(lowest).detach();
            let mut best = fixed.copy();
            {
                // Not `no_grad`, which a panic would leave on.
                let _guard = tch::no_grad_guard();
                let order = (values.detach() * sign).argsort(dim, false);
                let (sorted, places) =
                    (values.detach().gather(dim, &order, false), index.gather(dim, &order, false));
                // One by one in rising order: the last that is put is the largest.
                for position in 0..sorted.size()
                    [if dim < 0 { (dim + sorted.dim() as i64) as usize } else { dim as usize }]
                {
                    let (value, place) = (sorted.narrow(dim, position, 1), places.narrow(dim, position, 1));
                    let before = best.gather(dim, &place, false);
                    let better = if sign > 0.0 { value.maximum(&before) } else { value.minimum(&before) };
                    best = best.scatter(dim, &place, &better);
                }
            }
            let chosen = values.eq_tensor(&best.gather(dim, &index, false)).to_kind(values.kind());
            let own = begin(lowest);
            let kept = own.eq_tensor(&best).to_kind(values.kind());
            let counts = kept.scatter_add(dim, &index, &chosen).clamp_min(1.0);
            let finite = own.where_self(&kept.gt(0.0), &own.zeros_like());
            (&finite * &kept).scatter_add(dim, &index, &(&values * &chosen)) / counts
        }
    }
}

/// A tensor with a slice of it replaced.
fn slice_scatter(c: &Call) -> Tensor {
    let (x, src) = (c.spread(c.tensor(0)), c.spread(c.tensor(1)));
    let start = c.has(3).then(|| c.int(3));
    let end = c.has(4).then(|| c.int(4));
    let (dim, step) = (c.dim_or(2, 0), c.int_or(5, 1));
    if !x.is_complex() {
        return x.slice_scatter(&src, dim, start, end, step);
    }
    // libtorch has no derivative of it for complex numbers: they are pairs of real ones.
    x.resolve_conj()
        .view_as_real()
        .slice_scatter(&src.resolve_conj().view_as_real(), dim, start, end, step)
        .view_as_complex()
}

/// A vector for each index: `[…]` of a table `[rows, size]`.
fn embedding(c: &Call) -> Tensor {
    Tensor::embedding(&c.tensor(0), &c.tensor(1), c.int_or(2, -1), c.bool(3), false)
}

operators! {
    Rule::Shifted => {
        "aten.gather.default self dim index sparse_grad" c => gather(c);
        "aten.select_scatter.default self src dim index" c => c.spread(c.tensor(0)).select_scatter(&c.spread(c.tensor(1)), c.dim(2), c.int(3));
        "aten.slice_scatter.default self src dim start end step" c => slice_scatter(c);
        "aten.one_hot.default self num_classes" c => c.tensor(0).one_hot(c.int_or(1, -1));
    }
    // A number has no dimension behind that of the lanes: it is called for each lane.
    Rule::ShiftedIf(|c| c.rank_of(0) > 0 && c.rank_of(0) == c.rank_of(if c.arguments.len() > 3 { 2 } else { 1 })) => {
        "aten.take_along_dim.default self indices dim" c => along(c);
        "aten.scatter.src self dim index src" c => scatter(c, |x, index| x.scatter(c.dim(1), index, &c.spread(c.tensor(3))));
        "aten.scatter.value self dim index value" c => scatter(c, |x, index| x.scatter_value(c.dim(1), index, c.number(3)));
        "aten.scatter_add.default self dim index src" c => scatter(c, |x, index| x.scatter_add(c.dim(1), index, &c.spread(c.tensor(3))));
    }
    Rule::ShiftedIf(|c| !c.has_lanes(1)) => {
        "aten.bucketize.Tensor self boundaries out_int32 right" c => {
            let boundaries = if c.shift == 1 { c.tensor(1).squeeze_dim(0) } else { c.tensor(1) };
            c.tensor(0).bucketize(&boundaries, c.bool(2), c.bool(3))
        };
    }
    Rule::ShiftedIf(|c| !c.has_lanes(2) && c.rank_of(0) > 0) => {
        "aten.index_select.default self dim index" c => {
            let index = if c.shift == 1 { c.tensor(2).squeeze_dim(0) } else { c.tensor(2) };
            c.tensor(0).index_select(c.dim(1), &index)
        };
    }
    Rule::ShiftedIf(is_plain) => {
        "aten.index.Tensor self indices" c => c.tensor(0).index(&behind_lanes(c));
        "aten.index_put.default self indices values accumulate" c => put(c);
        "aten._unsafe_index.Tensor self indices" c => c.tensor(0).index(&behind_lanes(c));
    }
    Rule::Looped => {
        "aten.embedding.default weight indices padding_idx scale_grad_by_freq sparse" c => embedding(c);
        "aten.diagonal_scatter.default self src offset dim1 dim2" c => c.tensor(0).diagonal_scatter(&c.tensor(1), c.int_or(2, 0), c.int_or(3, 0), c.int_or(4, 1));
        "aten.select_backward.default grad_output input_sizes dim index" c => Tensor::select_backward(&c.tensor(0), c.ints(1), c.int(2), c.int(3));
        "aten.index_add.default self dim index source alpha" c => c.tensor(0).index_add(c.int(1), &c.tensor(2), &(c.tensor(3) * c.float_or(4, 1.0)));
        "aten.index_copy.default self dim index source" c => c.tensor(0).index_copy(c.int(1), &c.tensor(2), &c.tensor(3));
        "aten.index_fill.int_Scalar self dim index value" c => {
            let (x, dim, index) = (c.tensor(0), c.int(1), c.tensor(2));
            if c.is_tensor(3) { x.index_fill_int_tensor(dim, &index, &c.tensor(3)) } else { x.index_fill(dim, &index, c.number(3)) }
        };
        "aten.scatter_reduce.two self dim index src reduce include_self" c => {
            scatter_reduce(c)
        };
        "aten.embedding_bag.padding_idx weight indices offsets scale_grad_by_freq mode sparse per_sample_weights include_last_offset padding_idx" c => {
            let padding = c.has(8).then(|| c.int(8));
            let (bags, of, sizes, most) = Tensor::embedding_bag_padding_idx(&c.tensor(0), &c.tensor(1), &c.tensor(2), c.bool(3), c.int_or(4, 0), false, c.option(6), c.bool(7), padding);
            vec![bags, of, sizes, most]
        };
        "aten.masked_select.default self mask" c => c.tensor(0).masked_select(&c.tensor(1));
        "aten.masked_scatter.default self mask source" c => c.tensor(0).masked_scatter(&c.tensor(1), &c.tensor(2));
        "aten.take.default self index" c => c.tensor(0).take(&c.tensor(1));
        "aten.nonzero.default self" c => c.tensor(0).nonzero();
        "aten.nonzero_numpy.default self" c => c.tensor(0).nonzero_numpy();
        "aten.searchsorted.Tensor sorted_sequence self out_int32 right side sorter" c => {
            let side = if c.text(4).is_empty() { if c.bool(3) { "right" } else { "left" } } else { c.text(4) };
            c.tensor(1).searchsorted(&c.tensor(0), c.bool(2), side == "right", side, c.option(5))
        };
    }
}
