"""Losses that visit what the others leave out: pointwise functions, indexing, layouts, reductions, linear algebra.

Made for coverage, unlike those of the other files. ENTRIES as in regression.py.
"""

import torch
import torch.nn.functional as F
from torch import nn


def boolean_mask(prediction, target):
    """As many people mask: a selection whose size depends on the data."""
    mask = target > -0.5
    return F.mse_loss(prediction[mask], target[mask])


def masked_select(prediction, target, mask):
    return torch.masked_select((prediction - target).abs(), mask).mean()


def pointwise(prediction, target):
    x, y = prediction, target
    u = torch.tanh(0.3 * x).clip(-0.9, 0.9)
    total = torch.expm1(0.2 * x) + torch.sinh(0.3 * x) + torch.cosh(0.3 * y) + torch.asinh(x) + torch.atanh(u)
    total = total + torch.acosh(1.5 + u) + torch.asin(u) + torch.atan(x) + torch.tan(u) + torch.sinc(x)
    total = total + torch.erf(x) + torch.erfc(y) + torch.erfinv(u) + torch.special.ndtr(x) + torch.logit(torch.sigmoid(x))
    total = total + torch.exp2(0.3 * x) + torch.log2(2 + u) + torch.logaddexp(x, y) + torch.logaddexp2(x, y)
    total = total + torch.hypot(x, y) + torch.fmod(x, 0.7) + torch.remainder(y, 0.7) + torch.frac(x) * 0.1
    total = total + torch.copysign(x, y) + torch.heaviside(y, torch.zeros_like(y)) + torch.polygamma(1, 2 + u)
    total = total + torch.special.entr(u.abs() + 0.1) + torch.special.xlog1py(x, 0.5 * u) + torch.float_power(1.5 + u, 2).to(x.dtype)
    total = total + torch.special.i0(x) + torch.special.i1(u) + torch.rad2deg(u) * 0.01 + torch.deg2rad(x)
    total = total + torch.reciprocal(2 + u) + torch.rsqrt(2 + u) + torch.absolute(x) + torch.positive(x) + torch.fmax(x, y)
    return total + torch.fmin(x, y) + torch.true_divide(x, 2) + torch.ldexp(x, torch.ones_like(y).int()) + torch.mvlgamma(4 + u, 2)


class Quantized(nn.Module):
    """Rounding with straight-through gradients, floors, truncations, signs, and comparisons."""

    def forward(self, prediction, target):
        scaled = prediction * 4
        rounded = scaled + (torch.round(scaled) - scaled).detach()
        floored = scaled + (torch.floor(scaled) - torch.ceil(scaled) + torch.trunc(scaled)).detach() * 0.1
        same = torch.isclose(prediction, target, atol=0.3) | torch.logical_xor(prediction > 0, target > 0)
        far = torch.ge(prediction, 1.0) & torch.le(target, 0.5) | torch.ne(torch.sgn(prediction), torch.sgn(target))
        weight = 1.0 + same.to(prediction.dtype) + far.type_as(prediction) + torch.logical_or(same, far).int()
        whole = torch.div(prediction.detach(), 0.5, rounding_mode="floor") + (target // 1) + target % 0.4
        error = (rounded / 4 - target).square() + 0.1 * (floored / 4 - target).abs()
        error = error + torch.where(torch.isnan(error), 0.0, 0.01 * prediction * whole)
        worst = (error.detach() > error.detach().mean()).all(dim=1).any()
        return (weight * error).mean() + worst.to(prediction.dtype) * 0.1


class Reductions(nn.Module):
    def forward(self, prediction, target):
        e = prediction - target
        var, mean = torch.var_mean(e, dim=1)
        low, high = torch.aminmax(prediction, dim=1)
        middle = e.median(dim=1).values + torch.kthvalue(e, 2, dim=1).values + torch.nanmedian(e)
        running = torch.cummax(prediction, dim=1).values - torch.cummin(prediction, dim=1)[0]
        total = torch.prod(1 + 0.1 * e) + torch.prod(1 + 0.1 * e, 1).sum() + e.std() + e.std(dim=0, correction=0).sum()
        total = total + torch.nansum(e.square()) + torch.logsumexp(e, (0, 1)) + torch.dist(prediction, target, 2)
        total = total + torch.norm(e, p=1) + torch.linalg.norm(e) + torch.linalg.vector_norm(e, ord=3, dim=1).sum()
        total = total + prediction.max() - prediction.min() + torch.amin(prediction, 0).sum() + torch.count_nonzero(e > 0)
        total = total + torch.quantile(e, torch.tensor([0.25, 0.75], dtype=e.dtype), dim=1).sum() + running.mean()
        total = total + torch.renorm(e, 2, 0, 1.0).sum() + e.argmin(dim=1).sum() * 0.01 + torch.msort(e)[0].sum()
        return (var + mean.square() + 0.1 * (high - low) + middle.square()).mean() + 0.05 * total.square()


class Indexing(nn.Module):
    """Selections and writes, by number, range, mask, and index."""

    def __init__(self):
        super().__init__()
        self.register_buffer("order", torch.tensor([3, 0, 2, 1]))
        self.register_buffer("table", torch.linspace(-1, 1, 6))

    def forward(self, prediction, target, index):
        n = prediction.shape[0]
        written = torch.zeros_like(prediction).index_copy(1, self.order, prediction)
        written = written.index_fill(1, self.order[:1], 0.5)
        counted = torch.zeros(4, dtype=prediction.dtype).index_put((index,), prediction[:, 0], accumulate=True)
        copied = prediction.clone()
        copied[:, 0] = target[:, 0]
        copied[..., -1:] *= 2
        copied[prediction < -1] = 0.0
        copied[:, 1:3].add_(0.1)
        mixed = prediction.masked_scatter(target > 0, target) + torch.take(target, index).unsqueeze(1)
        diagonal = torch.diagonal_scatter(copied[:4, :4], target[:4, 0]) + torch.select_scatter(copied[:4], target[:4, 1], 1, 2)
        part = prediction.narrow(1, 1, 2) + prediction.take_along_dim(index[:, None] % 2, 1)
        bins = torch.searchsorted(self.table, target.contiguous()) + torch.bucketize(target, self.table, right=True)
        picked = prediction[:, [2, 0]] + prediction[:, None, 1] + prediction[::2].sum() + prediction[torch.arange(n), index][:, None]
        ranked = torch.argsort(target, dim=1, stable=True)
        sorted_by = torch.gather(prediction, 1, ranked)
        total = (written - target).square().mean() + counted.square().sum() / n + (copied * mixed).mean() + diagonal.square().mean()
        return total + part.square().mean() + (sorted_by - 0.1 * bins).square().mean() + picked.square().mean()


class Layouts(nn.Module):
    """Shapes turned, joined, repeated, split, and padded."""

    def forward(self, prediction, target):
        x, y = prediction, target
        n = x.shape[0]
        turned = torch.rot90(x, 1, (1, 2)) + x.fliplr().transpose(1, 2) + x.swapaxes(1, 2) + torch.movedim(y, 1, 2)
        joined = torch.hstack((x, y)).sum() + torch.vstack((x, y)).mean() + torch.dstack((x, y)).square().mean()
        parts = torch.tensor_split(x, 2, dim=1)[0] + torch.chunk(y, 2, dim=1)[1] + x.unfold(1, 2, 2).sum(-1)
        repeated = x.repeat(1, 2, 1) + torch.tile(y, (1, 2, 1)) + y.repeat_interleave(2, dim=1)
        shapes = x.unflatten(2, (2, 2)).flatten(1, 2) + y.view(n, -1).reshape(n, 8, 2) + x.view_as(y).reshape(n, 8, 2)
        wide = torch.broadcast_to(x.mean((1, 2), keepdim=True), (n, 4, 4)) + y.mean(0, keepdim=True).expand_as(x)
        upper = x.tril(-1) + y.triu(1) + torch.tril(torch.ones(4, 4)) + torch.block_diag(torch.ones(2, 2), torch.eye(2))
        padded = F.pad(x, (1, 2)) + F.pad(y, (1, 2), mode="reflect") + F.pad(x, (2, 1), mode="replicate") + F.pad(y, (0, 3), value=0.5)
        strided = torch.as_strided(torch.linspace(0, 1, 6), (4, 3), (1, 1)).sum(1) + torch.vander(torch.arange(4.0), 4)[1]
        atleast = torch.atleast_2d(x[:, 0, 0]).squeeze() + torch.ravel(y[:, 0, 0]) + torch.squeeze(x[:, :1, 1], dim=1)
        grid = torch.cartesian_prod(torch.arange(2.0), torch.arange(2.0)).sum(1) + torch.logspace(0, 1, 4)
        total = turned.square().mean() + 0.1 * joined + parts.square().mean() + repeated.square().mean() + shapes.square().mean()
        return total + wide.square().mean() + (upper * strided * grid).mean() + padded.square().mean() + atleast.square().mean()


class LinearAlgebra(nn.Module):
    """Factorizations and products that the other files don't have."""

    def forward(self, prediction, target):
        n = prediction.shape[-1]
        eye = torch.eye(n, dtype=prediction.dtype)
        a = 0.3 * prediction + 2 * eye
        spd = a @ a.mT + eye
        q, r = torch.linalg.qr(a)
        factor = torch.linalg.cholesky_ex(spd).L
        inverse = torch.cholesky_inverse(factor) + torch.linalg.pinv(a) + torch.linalg.inv_ex(spd).inverse
        power = torch.linalg.matrix_power(0.3 * prediction, 3) + torch.matrix_exp(0.1 * prediction)
        solved = torch.linalg.solve(a, target, left=False) + torch.linalg.solve_ex(spd, target).result
        triangular = torch.linalg.solve_triangular(r, target, upper=True) + torch.linalg.lu_solve(*torch.linalg.lu_factor(a), target)
        u, s, vh = torch.linalg.svd(a, full_matrices=False)
        low = (u[..., :1] * s[..., None, :1]) @ vh[..., :1, :]
        kron = torch.kron(prediction[0, :2, :2], target[0, :2, :2]).square().mean()
        dots = torch.tensordot(prediction, target, dims=([1, 2], [1, 2]))
        norms = torch.linalg.matrix_norm(a, ord="nuc").mean() + torch.linalg.norm(a, ord=1, dim=(-2, -1)).mean()
        sums = (q - target).square().mean() + (inverse - target).square().mean() + (power - target).square().mean()
        sums = sums + (solved - target).square().mean() + 0.1 * triangular.square().mean() + (low - target).square().mean()
        products = torch.addbmm(target[0], prediction, target).mean() + torch.addmv(target[0, 0], prediction[0], target[0, 0]).mean()
        products = products + torch.mv(prediction[0], target[0, 0]).sum() + torch.addr(target[0], prediction[0, 0], target[0, 0]).mean()
        products = products + torch.linalg.vecdot(prediction, target).mean() + torch.vdot(prediction[0, 0], target[0, 0])
        return sums + 0.1 * kron + 0.01 * dots.square().mean() + 0.01 * norms + 0.05 * products.square() + torch.logdet(spd).mean() * 0.1


class ImageTour(nn.Module):
    """Fold, shuffles, unpooling, and interpolations of images."""

    def forward(self, prediction, target):
        n = prediction.shape[0]
        columns = F.unfold(prediction, (2, 2), stride=2)
        folded = F.fold(columns, (4, 4), (2, 2), stride=2)
        pooled, where = F.max_pool2d(prediction, 2, return_indices=True)
        unpooled = F.max_unpool2d(pooled, where, 2)
        shuffled = F.pixel_unshuffle(prediction, 2).sum(1) + F.channel_shuffle(prediction, 2).mean((1, 2, 3))[:, None, None]
        up = F.interpolate(pooled, scale_factor=2, mode="bicubic", align_corners=False)
        up = up + F.interpolate(pooled, size=(4, 4), mode="nearest-exact") + F.interpolate(pooled, (4, 4), mode="bilinear", align_corners=True)
        up = up + F.interpolate(F.interpolate(prediction, (2, 2), mode="area"), (4, 4), mode="bilinear", antialias=True)
        line = prediction.flatten(2)
        lines = F.lp_pool1d(line.abs() + 0.1, 2, 2) + F.adaptive_avg_pool1d(line, 8) + F.adaptive_max_pool1d(line, 8)
        lines = lines + F.interpolate(F.conv_transpose1d(line, torch.ones(2, 1, 2), groups=2), size=8, mode="linear")
        cube = prediction.view(n, 1, 2, 4, 4)
        cubes = F.adaptive_avg_pool3d(cube, 2) + F.adaptive_max_pool3d(cube, (2, 2, 2)) + F.interpolate(cube, (2, 2, 2), mode="trilinear")
        cubes = cubes + F.conv_transpose3d(cube, torch.ones(1, 1, 1, 1, 1))[..., :2, :2] + F.pad(cube, (1, 1, 1, 1, 1, 1), mode="reflect")[:, :, :2, :2, :2]
        image = F.local_response_norm(folded, 2) + unpooled + 0.3 * up
        return (image - target).square().mean() + shuffled.square().mean() + 0.1 * lines.mean() + 0.1 * cubes.square().mean()


ROWS = {"prediction": ("float", [6, 4]), "target": ("float", [6, 4])}
MATRICES = {"prediction": ("float", [3, 4, 4]), "target": ("float", [3, 4, 4])}
ENTRIES = [
    ("boolean_mask", boolean_mask, {}, ROWS),
    ("masked_select", masked_select, {}, {**ROWS, "mask": ("mask", [6, 4])}),
    ("pointwise", pointwise, {}, ROWS, {"lr": 0.01}),
    ("quantized", Quantized, {}, ROWS),
    ("reductions", Reductions, {}, ROWS, {"lr": 0.001}),
    ("indexing", Indexing, {}, {**ROWS, "index": ("int", [6], 4)}, {"static": True}),
    ("layouts", Layouts, {}, MATRICES),
    ("linear_algebra", LinearAlgebra, {}, MATRICES, {"static": True}),
    ("image_tour", ImageTour, {}, {"prediction": ("float", [2, 2, 4, 4]), "target": ("float", [2, 2, 4, 4])}),
]
