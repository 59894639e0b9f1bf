//! Views, joins and splits.

use tch::{Device, Kind, Tensor};

use super::{Rule, operators};
use crate::call::{Call, Out};
use crate::value::{Number, Value};

fn expand(c: &Call) -> Tensor {
    let (x, shape) = (c.tensor(0), c.ints(1));
    let x = if c.shift == 1 && (x.dim() as i64) < shape.len() as i64 + 1 {
        let missing = shape.len() + 1 - x.dim();
        let size = x.size();
        let sizes: Vec<i64> = size[..1]
            .iter()
            .copied()
            .chain(std::iter::repeat_n(1, missing))
            .chain(size[1..].iter().copied())
            .collect();
        x.reshape(sizes)
    } else {
        x
    };
    let shape = if c.shift == 1 { [-1].into_iter().chain(shape).collect() } else { shape };
    x.expand(shape, false)
}

/// Dimensions in another order.
fn permute(c: &Call) -> Tensor {
    let rank = c.rank_of(0);
    let moved = c.ints(1).into_iter().map(|dim| c.dim_of(dim, rank));
    let dims: Vec<i64> = (0..c.shift).chain(moved).collect();
    c.tensor(0).permute(dims)
}

/// Tensors that are to be joined: all must have as many lanes.
fn of_all_lanes(c: &Call, tensors: Vec<Tensor>) -> Vec<Tensor> {
    tensors.into_iter().map(|tensor| c.spread(tensor)).collect()
}

fn cat(c: &Call) -> Tensor {
    let tensors = of_all_lanes(c, c.tensors(0));
    let rank = tensors.iter().map(Tensor::dim).max().unwrap_or(0) as i64 - c.shift;
    // What is empty and has one dimension is left out, as PyTorch does it.
    let tensors: Vec<Tensor> = tensors
        .into_iter()
        .filter(|tensor| tensor.dim() as i64 - c.shift == rank || tensor.numel() > 0)
        .collect();
    Tensor::cat(&tensors, c.dim_of(c.int_or(1, 0), rank))
}

fn stack(c: &Call) -> Tensor {
    let tensors = of_all_lanes(c, c.tensors(0));
    let rank = tensors.first().map_or(0, Tensor::dim) as i64 - c.shift;
    Tensor::stack(&tensors, c.dim_of(c.int_or(1, 0), rank + 1))
}

/// Tensors of unlike shapes, each as large as all together.
fn broadcast(c: &Call) -> Vec<Tensor> {
    let tensors = of_all_lanes(c, c.tensors(0));
    let rank = tensors.iter().map(Tensor::dim).max().unwrap_or(0);
    let same = tensors.into_iter().map(|tensor| {
        if c.shift == 0 {
            return tensor;
        }
        let size = tensor.size();
        let ones = std::iter::repeat_n(1, rank - tensor.dim());
        let sizes: Vec<i64> =
            size[..1].iter().copied().chain(ones).chain(size[1..].iter().copied()).collect();
        tensor.reshape(sizes)
    });
    Tensor::broadcast_tensors(&same.collect::<Vec<_>>())
}

fn slice(c: &Call) -> Tensor {
    let x = c.tensor(0);
    let end = c.has(3).then(|| c.int(3));
    let start = c.has(2).then(|| c.int(2));
    x.slice(c.dim_or(1, 0), start, end, c.int_or(4, 1))
}

/// Padding, the last dimension first.
fn pad(c: &Call) -> Tensor {
    let x = c.tensor(0);
    let value = c.has(3).then(|| c.float(3));
    let mode = if c.text(2).is_empty() { "constant" } else { c.text(2) };
    x.pad(c.ints(1), mode, value)
}

fn split_sizes(c: &Call) -> Vec<Tensor> {
    c.tensor(0).split_with_sizes(c.ints(1), c.dim_or(2, 0))
}

fn squeeze_all(c: &Call) -> Tensor {
    let x = c.tensor(0);
    let size = x.size();
    let kept = size.iter().enumerate().filter(|(dim, size)| (*dim as i64) < c.shift || **size != 1);
    let sizes: Vec<i64> = kept.map(|(_, size)| *size).collect();
    x.reshape(sizes)
}

/// The transpose of the last two dimensions, or a tensor that has fewer.
fn transposed(c: &Call) -> Tensor {
    if c.rank_of(0) < 2 { c.tensor(0) } else { c.tensor(0).transpose(-2, -1) }
}

operators! {
    Rule::Shifted => {
        "aten.view.default self size" c => c.tensor(0).reshape(c.shape(1));
        "aten._unsafe_view.default self size" c => c.tensor(0).reshape(c.shape(1));
        "aten.reshape.default self shape" c => c.tensor(0).reshape(c.shape(1));
        "aten.expand.default self size implicit" c => expand(c);
        "aten.broadcast_to.default self size" c => expand(c);
        "aten.permute.default self dims" c => permute(c);
        "aten.t.default self" c => transposed(c);
        "aten.numpy_T.default self" c => transposed(c);
        "aten.mT.default self" c => transposed(c);
        "aten.movedim.int self source destination" c => c.tensor(0).movedim_int(c.dim(1), c.dim(2));
        "aten.movedim.intlist self source destination" c => c.tensor(0).movedim(c.dims(1), c.dims(2));
        "aten.unsqueeze.default self dim" c => c.tensor(0).unsqueeze(c.dim_of(c.int(1), c.rank_of(0) + 1));
        "aten.squeeze.default self" c => squeeze_all(c);
        "aten.squeeze.dim self dim" c => if c.rank_of(0) == 0 { c.tensor(0) } else { c.tensor(0).squeeze_dim(c.dim(1)) };
        "aten.squeeze.dims self dim" c => if c.rank_of(0) == 0 || c.ints(1).is_empty() { c.tensor(0) } else { squeezed(c) };
        "aten.flatten.using_ints self start_dim end_dim" c => {
            if c.rank_of(0) == 0 { c.tensor(0).unsqueeze(-1) } else { c.tensor(0).flatten(c.dim_or(1, 0), c.dim_or(2, -1)) }
        };
        "aten.unflatten.int self dim sizes" c => c.tensor(0).unflatten(c.dim(1), c.ints(2));
        "aten.ravel.default self" c => c.tensor(0).flatten(c.shift, -1);
        "aten.cat.default tensors dim" c => cat(c);
        "aten.concat.default tensors dim" c => cat(c);
        "aten.stack.default tensors dim" c => stack(c);
        "aten.broadcast_tensors.default tensors" c => broadcast(c);
        "aten.slice.Tensor self dim start end step" c => slice(c);
        "aten.narrow.default self dim start length" c => c.tensor(0).narrow(c.dim(1), c.int(2), c.int(3));
        "aten.select.int self dim index" c => c.tensor(0).select(c.dim(1), c.int(2));
        "aten.chunk.default self chunks dim" c => c.tensor(0).chunk(c.int(1), c.dim_or(2, 0));
        "aten.split.Tensor self split_size dim" c => c.tensor(0).split(c.int(1), c.dim_or(2, 0));
        "aten.split.sizes self split_size dim" c => split_sizes(c);
        "aten.split_with_sizes.default self split_sizes dim" c => split_sizes(c);
        "aten.unbind.int self dim" c => c.tensor(0).unbind(c.dim_or(1, 0));
        "aten.flip.default self dims" c => c.tensor(0).flip(c.dims(1));
        "aten.roll.default self shifts dims" c => {
            let (x, dims) = (c.tensor(0), c.ints(2));
            if dims.is_empty() { x.flatten(c.shift, -1).roll(c.ints(1), c.shift).view_as(&x) } else { x.roll(c.ints(1), c.dims(2)) }
        };
        "aten.repeat.default self repeats" c => {
            let (x, repeats) = (c.tensor(0), c.ints(1));
            let missing = repeats.len() as i64 - c.rank_of(0);
            let x = (0..missing).fold(x, |x, _| x.unsqueeze(c.shift));
            x.repeat((0..c.shift).map(|_| 1).chain(repeats).collect::<Vec<_>>())
        };
        "aten.tile.default self dims" c => {
            let (x, dims) = (c.tensor(0), c.ints(1));
            let missing = dims.len() as i64 - c.rank_of(0);
            let x = (0..missing).fold(x, |x, _| x.unsqueeze(c.shift));
            let ones = (0..c.shift + (c.rank_of(0) - dims.len() as i64).max(0)).map(|_| 1);
            x.repeat(ones.chain(dims).collect::<Vec<_>>())
        };
        "aten.diagonal.default self offset dim1 dim2" c => c.tensor(0).diagonal(c.int_or(1, 0), c.dim_or(2, 0), c.dim_or(3, 1));
        "aten.diag_embed.default self offset dim1 dim2" c => {
            let rank = c.rank_of(0) + 1;
            c.tensor(0).diag_embed(c.int_or(1, 0), c.dim_of(c.int_or(2, -2), rank), c.dim_of(c.int_or(3, -1), rank))
        };
        "aten.tril.default self diagonal" c => c.tensor(0).tril(c.int_or(1, 0));
        "aten.triu.default self diagonal" c => c.tensor(0).triu(c.int_or(1, 0));
        "aten.as_strided.default self size stride storage_offset" c => {
            let places = strided(&c.ints(1), &c.ints(2), c.int_or(3, 0));
            c.tensor(0).flatten(c.shift, -1).index_select(c.shift, &places).reshape(c.shape(1))
        };
        "aten.pixel_shuffle.default self upscale_factor" c => c.tensor(0).pixel_shuffle(c.int(1));
        "aten.pixel_unshuffle.default self downscale_factor" c => c.tensor(0).pixel_unshuffle(c.int(1));
    }
    // A number has no dimension behind that of the lanes: it is called for each lane.
    Rule::ShiftedIf(|c| c.rank_of(0) > 0) => {
        "aten.transpose.int self dim0 dim1" c => c.tensor(0).transpose(c.dim(1), c.dim(2));
        "aten.swapaxes.default self axis0 axis1" c => c.tensor(0).transpose(c.dim(1), c.dim(2));
        "aten.repeat_interleave.self_int self repeats dim output_size" c => {
            let (x, dim) = if c.has(2) { (c.tensor(0), c.dim(2)) } else { (c.tensor(0).flatten(c.shift, -1), c.shift) };
            x.repeat_interleave_self_int(c.int(1), dim, None)
        };
        "aten.unfold.default self dimension size step" c => c.tensor(0).unfold(c.dim(1), c.int(2), c.int(3));
        "aten.as_strided_scatter.default self src size stride storage_offset" c => {
            let places = strided(&c.ints(2), &c.ints(3), c.int_or(4, 0));
            let [x, src] = <[Tensor; 2]>::try_from(of_all_lanes(c, vec![c.tensor(0), c.tensor(1)])).expect("two tensors");
            let src = if src.dim() as i64 == c.shift { src.unsqueeze(-1) } else { src.flatten(c.shift, -1) };
            x.flatten(c.shift, -1).index_copy(c.shift, &places, &src).reshape(x.size())
        };
    }
    // Reflection and replication look at the number of dimensions.
    Rule::ShiftedIf(|c| c.text(2).is_empty() || c.text(2) == "constant") => {
        "aten.pad.default self pad mode value" c => pad(c);
    }
    Rule::Shifted => {
        "aten.constant_pad_nd.default self pad value" c => c.tensor(0).constant_pad_nd(c.ints(1)) + padding(c);
    }
    Rule::Looped => {
        "aten.diag.default self diagonal" c => c.tensor(0).diag(c.int_or(1, 0));
        "aten.fliplr.default self" c => c.tensor(0).fliplr();
        "aten.flipud.default self" c => c.tensor(0).flipud();
        "aten.channel_shuffle.default self groups" c => c.tensor(0).channel_shuffle(c.int(1));
        "aten.dstack.default tensors" c => Tensor::dstack(&c.tensors(0));
        "aten.vander.default x N increasing" c => Tensor::vander(&c.tensor(0), c.has(1).then(|| c.int(1)), c.bool(2));
        "aten.rot90.default self k dims" c => c.tensor(0).rot90(c.int_or(1, 1), if c.has(2) { c.ints(2) } else { vec![0, 1] });
        "aten.meshgrid.indexing tensors indexing" c => Tensor::meshgrid_indexing(&c.tensors(0), c.text(1));
        "aten.meshgrid.default tensors" c => Tensor::meshgrid(&c.tensors(0));
        "aten.cartesian_prod.default tensors" c => Tensor::cartesian_prod(&c.tensors(0));
        "aten.hstack.default tensors" c => Tensor::hstack(&c.tensors(0));
        "aten.vstack.default tensors" c => Tensor::vstack(&c.tensors(0));
        "aten.block_diag.default tensors" c => Tensor::block_diag(&c.tensors(0));
        "aten.atleast_1d.default self" c => c.tensor(0).atleast_1d();
        "aten.atleast_2d.default self" c => c.tensor(0).atleast_2d();
    }
    Rule::Whole => {
        "aten.sym_size.int self dim" c => size(c);
        "aten.sym_numel.default self" c => {
            let lanes = c.lanes_of(0);
            Out::Number(Value::Number(Number::Int(lanes.lane_size().iter().product())))
        };
        "aten.sym_stride.int self dim" c => Out::Number(Value::Number(Number::Int(c.lanes_of(0).lane(0).stride()[c.int(1) as usize])));
    }
}

/// Without those of its dimensions that are 1.
fn squeezed(c: &Call) -> Tensor {
    let mut dims = c.dims(1);
    dims.sort_unstable();
    dims.into_iter().rev().fold(c.tensor(0), |x, dim| x.squeeze_dim(dim))
}

/// The places, in a tensor that is contiguous, of what a view with these strides has.
fn strided(size: &[i64], stride: &[i64], offset: i64) -> Tensor {
    let whole = (Kind::Int64, Device::Cpu);
    let along = size.iter().zip(stride).map(|(size, stride)| Tensor::arange(*size, whole) * *stride);
    along
        .fold(Tensor::full([1], offset, whole), |places, along| (places.unsqueeze(-1) + along).flatten(0, -1))
}

/// What padding with another number than 0 adds.
fn padding(c: &Call) -> Tensor {
    let value = c.float_or(2, 0.0);
    let x = c.tensor(0);
    if value == 0.0 {
        return Tensor::from(0.0).to_kind(x.kind());
    }
    let inside = x.ones_like().constant_pad_nd(c.ints(1));
    inside.eq(0.0).to_kind(x.kind()) * value
}

fn size(c: &Call) -> Value {
    let sizes = c.lanes_of(0).lane_size();
    let dim = c.int(1);
    let dim = if dim < 0 { dim + sizes.len() as i64 } else { dim };
    Value::Number(Number::Int(sizes[dim as usize]))
}
