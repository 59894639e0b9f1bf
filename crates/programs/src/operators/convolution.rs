//! Convolutions, pooling and interpolation.

use tch::Tensor;

use super::{Rule, operators};
use crate::call::Call;

/// A list of integers for so many dimensions, from one for all of them or none at all.
fn list(c: &Call, index: usize, dims: usize, default: i64) -> Vec<i64> {
    match &c.ints(index)[..] {
        [] => vec![default; dims],
        [one] => vec![*one; dims],
        all => all.to_vec(),
    }
}

/// The stride of a pool is its size, unless another is asked for.
fn stride(c: &Call, index: usize, dims: usize) -> Vec<i64> {
    let given = c.ints(index);
    if given.is_empty() { list(c, 1, dims, 1) } else { list(c, index, dims, 1) }
}

fn convolution(c: &Call, dims: usize) -> Tensor {
    let (x, weight, bias) = (c.tensor(0), c.tensor(1), c.option(2));
    let (stride, padding, dilation) = (list(c, 3, dims, 1), list(c, 4, dims, 0), list(c, 5, dims, 1));
    let groups = c.int_or(6, 1);
    match dims {
        1 => x.conv1d(&weight, bias, stride, padding, dilation, groups),
        2 => x.conv2d(&weight, bias, stride, padding, dilation, groups),
        _ => x.conv3d(&weight, bias, stride, padding, dilation, groups),
    }
}

fn padded(c: &Call, dims: usize) -> Tensor {
    let (x, weight, bias) = (c.tensor(0), c.tensor(1), c.option(2));
    let (stride, padding, dilation) = (list(c, 3, dims, 1), c.text(4), list(c, 5, dims, 1));
    let padding = if padding.is_empty() { "valid" } else { padding };
    let groups = c.int_or(6, 1);
    if dims == 1 {
        x.conv1d_padding(&weight, bias, stride, padding, dilation, groups)
    } else {
        x.conv2d_padding(&weight, bias, stride, padding, dilation, groups)
    }
}

fn transposed(c: &Call, dims: usize) -> Tensor {
    let (x, weight, bias) = (c.tensor(0), c.tensor(1), c.option(2));
    let (stride, padding, output) = (list(c, 3, dims, 1), list(c, 4, dims, 0), list(c, 5, dims, 0));
    let (groups, dilation) = (c.int_or(6, 1), list(c, 7, dims, 1));
    if dims == 1 {
        x.conv_transpose1d(&weight, bias, stride, padding, output, groups, dilation)
    } else {
        x.conv_transpose2d(&weight, bias, stride, padding, output, groups, dilation)
    }
}

/// Factors, where sizes aren't given.
fn scales(c: &Call, index: usize, dims: usize) -> Vec<Option<f64>> {
    c.floats(index).map_or_else(|| vec![None; dims], |all| all.into_iter().map(Some).collect())
}

/// The size of an interpolation: what is asked for, or what the factors make of the size before.
fn size(c: &Call, sizes: usize, factors: usize, dims: usize) -> Vec<i64> {
    let given = c.ints(sizes);
    if !given.is_empty() {
        return given;
    }
    let x = c.tensor(0).size();
    let own = &x[x.len() - dims..];
    let factors = c.floats(factors).unwrap_or_else(|| vec![1.0; dims]);
    own.iter().zip(factors).map(|(size, factor)| (*size as f64 * factor).floor() as i64).collect()
}

/// Values at the places of a grid; NaN where a place isn't finite, at which libtorch would write outside its memory.
fn grid_sampler(c: &Call) -> Tensor {
    let (x, grid) = (c.tensor(0), c.tensor(1));
    let finite = grid.isfinite();
    let places = grid.where_self(&finite, &grid.zeros_like());
    let values = x.grid_sampler(&places, c.int(2), c.int(3), c.bool(4));
    values.masked_fill(&finite.all_dim(-1, false).logical_not().unsqueeze(1), f64::NAN)
}

operators! {
    Rule::Folded(3) => {
        "aten.conv1d.default input weight bias stride padding dilation groups" c => convolution(c, 1);
        "aten.conv1d.padding input weight bias stride padding dilation groups" c => padded(c, 1);
        "aten.conv_transpose1d.default input weight bias stride padding output_padding groups dilation" c => transposed(c, 1);
        "aten.max_pool1d.default self kernel_size stride padding dilation ceil_mode" c => c.tensor(0).max_pool1d(c.ints(1), stride(c, 2, 1), list(c, 3, 1, 0), list(c, 4, 1, 1), c.bool(5));
        "aten.avg_pool1d.default self kernel_size stride padding ceil_mode count_include_pad" c => c.tensor(0).avg_pool1d(c.ints(1), stride(c, 2, 1), list(c, 3, 1, 0), c.bool(4), c.bool_or(5, true));
        "aten.adaptive_avg_pool1d.default self output_size" c => c.tensor(0).adaptive_avg_pool1d(c.ints(1));
        "aten.adaptive_max_pool1d.default self output_size" c => c.tensor(0).adaptive_max_pool1d(c.ints(1));
        "aten.upsample_nearest1d.vec input output_size scale_factors" c => c.tensor(0).upsample_nearest1d(size(c, 1, 2, 1), scales(c, 2, 1)[0]);
        "aten.upsample_linear1d.vec input output_size align_corners scale_factors" c => c.tensor(0).upsample_linear1d(size(c, 1, 3, 1), c.bool(2), scales(c, 3, 1)[0]);
    }
    Rule::Folded(4) => {
        "aten.conv2d.default input weight bias stride padding dilation groups" c => convolution(c, 2);
        "aten.conv2d.padding input weight bias stride padding dilation groups" c => padded(c, 2);
        "aten.conv_transpose2d.input input weight bias stride padding output_padding groups dilation" c => transposed(c, 2);
        "aten.max_pool2d.default self kernel_size stride padding dilation ceil_mode" c => c.tensor(0).max_pool2d(list(c, 1, 2, 1), stride(c, 2, 2), list(c, 3, 2, 0), list(c, 4, 2, 1), c.bool(5));
        "aten.max_pool2d_with_indices.default self kernel_size stride padding dilation ceil_mode" c => c.tensor(0).max_pool2d_with_indices(list(c, 1, 2, 1), stride(c, 2, 2), list(c, 3, 2, 0), list(c, 4, 2, 1), c.bool(5));
        "aten.avg_pool2d.default self kernel_size stride padding ceil_mode count_include_pad divisor_override" c => c.tensor(0).avg_pool2d(list(c, 1, 2, 1), stride(c, 2, 2), list(c, 3, 2, 0), c.bool(4), c.bool_or(5, true), c.has(6).then(|| c.int(6)));
        "aten.adaptive_avg_pool2d.default self output_size" c => c.tensor(0).adaptive_avg_pool2d(list(c, 1, 2, 1));
        "aten.adaptive_max_pool2d.default self output_size" c => c.tensor(0).adaptive_max_pool2d(list(c, 1, 2, 1));
        "aten.upsample_nearest2d.vec input output_size scale_factors" c => { let scales = scales(c, 2, 2); c.tensor(0).upsample_nearest2d(size(c, 1, 2, 2), scales[0], scales[1]) };
        "aten.upsample_bilinear2d.vec input output_size align_corners scale_factors" c => { let scales = scales(c, 3, 2); c.tensor(0).upsample_bilinear2d(size(c, 1, 3, 2), c.bool(2), scales[0], scales[1]) };
        "aten.upsample_bicubic2d.vec input output_size align_corners scale_factors" c => { let scales = scales(c, 3, 2); c.tensor(0).upsample_bicubic2d(size(c, 1, 3, 2), c.bool(2), scales[0], scales[1]) };
        "aten._upsample_bilinear2d_aa.vec input output_size align_corners scale_factors" c => { let scales = scales(c, 3, 2); c.tensor(0).internal_upsample_bilinear2d_aa(size(c, 1, 3, 2), c.bool(2), scales[0], scales[1]) };
        "aten._upsample_nearest_exact2d.vec input output_size scale_factors" c => { let scales = scales(c, 2, 2); c.tensor(0).internal_upsample_nearest_exact2d(size(c, 1, 2, 2), scales[0], scales[1]) };
        "aten.im2col.default self kernel_size dilation padding stride" c => c.tensor(0).im2col(list(c, 1, 2, 1), list(c, 2, 2, 1), list(c, 3, 2, 0), list(c, 4, 2, 1));
    }
    Rule::Folded(5) => {
        "aten.avg_pool3d.default self kernel_size stride padding ceil_mode count_include_pad divisor_override" c => c.tensor(0).avg_pool3d(list(c, 1, 3, 1), stride(c, 2, 3), list(c, 3, 3, 0), c.bool(4), c.bool_or(5, true), c.has(6).then(|| c.int(6)));
        "aten.max_pool3d.default self kernel_size stride padding dilation ceil_mode" c => c.tensor(0).max_pool3d(list(c, 1, 3, 1), stride(c, 2, 3), list(c, 3, 3, 0), list(c, 4, 3, 1), c.bool(5));
        "aten.adaptive_max_pool3d.default self output_size" c => c.tensor(0).adaptive_max_pool3d(list(c, 1, 3, 1));
        "aten.upsample_trilinear3d.vec input output_size align_corners scale_factors" c => { let scales = scales(c, 3, 3); c.tensor(0).upsample_trilinear3d(size(c, 1, 3, 3), c.bool(2), scales[0], scales[1], scales[2]) };
        "aten.conv_transpose3d.input input weight bias stride padding output_padding groups dilation" c => c.tensor(0).conv_transpose3d(&c.tensor(1), c.option(2), list(c, 3, 3, 1), list(c, 4, 3, 0), list(c, 5, 3, 0), c.int_or(6, 1), list(c, 7, 3, 1));
        "aten.adaptive_avg_pool3d.default self output_size" c => c.tensor(0).adaptive_avg_pool3d(list(c, 1, 3, 1));
        "aten.conv3d.default input weight bias stride padding dilation groups" c => convolution(c, 3);
    }
    Rule::Looped => {
        "aten.affine_grid_generator.default theta size align_corners" c => Tensor::affine_grid_generator(&c.tensor(0), c.ints(1), c.bool(2));
        "aten.grid_sampler.default input grid interpolation_mode padding_mode align_corners" c => grid_sampler(c);
        "aten.max_unpool2d.default self indices output_size" c => c.tensor(0).max_unpool2d(&c.tensor(1), c.ints(2));
    }
    Rule::Folded(3) => {
        "aten.col2im.default self output_size kernel_size dilation padding stride" c => c.tensor(0).col2im(list(c, 1, 2, 1), list(c, 2, 2, 1), list(c, 3, 2, 1), list(c, 4, 2, 0), list(c, 5, 2, 1));
    }
}
