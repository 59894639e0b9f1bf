"""Calls of operators that PyTorch's own samples don't reach: (operator, function, arguments, settings).

`arguments` makes (args, kwargs) anew with other numbers each time. Settings: `dynamic` leaves the first sizes open, so that
numbers are computed from them; `whole` = False keeps what only programs of torch.export.save have.
"""

import math

import torch
from torch.nn import functional as F

aten = torch.ops.aten
DYNAMIC, RAW = {"dynamic": True}, {"whole": False}


def f(*shape):
    return torch.randn(shape)


def p(*shape):
    return torch.rand(shape) + 0.25


def whole(high, *shape):
    return torch.randint(high, shape)


def truth(*shape):
    return torch.rand(shape) < 0.5


def distinct(*shape):
    """Indices of rows, each of which occurs once."""
    return torch.randperm(shape[0])


def positive_definite(*batch, n=3):
    a = torch.randn(*batch, n, n)
    return a @ a.mT + n * torch.eye(n)


def op(name, *variants):
    """An operator by its name, called directly with each of these arguments."""
    packet, _, overload = name.removeprefix("aten.").rpartition(".")
    function = getattr(getattr(aten, packet), overload)
    return [(name, function, made(variant), {}) for variant in variants]


def made(variant):
    def make():
        arguments = variant()
        args, kwargs = arguments if isinstance(arguments[-1], dict) and isinstance(arguments[0], tuple) else (arguments, {})
        return tuple(args), kwargs

    return make


def number(name, function, *variants):
    """What a number computed from sizes does: function(x) → x times a number."""
    return [(name, function, made(variant), DYNAMIC) for variant in variants or [lambda: (f(6, 2),)]]


def branch(x, y):
    return torch.cond(x.sum() > 0, lambda x, y: (x * y, x - y), lambda x, y: (y.sin(), x + y), (x, y))


def undifferentiated(x, y):
    with torch.no_grad():
        scale = x.abs().amax() + y
    return x * scale


def checked(x):
    n = torch.ones_like(x).nonzero().shape[0]
    torch._check(n < 9)
    return x * n


def asserted(x):
    torch._assert_async(x.sum() < 1e9, "large")
    return x.double() * 2


def sequence(network, weights, *state):
    """A call of a recurrent network of one layer: input [4, 2, 3], 2 numbers of state."""
    return lambda: (
        (f(4, 2, 3), *state_of(state), [f(weights * 2, 3), f(weights * 2, 2), f(weights * 2), f(weights * 2)],
         True, 1, 0.0, False, False, False)
    )  # fmt: skip


def state_of(state):
    return [[f(*s) for s in state]] if len(state) > 1 else [f(*s) for s in state]


def both_ways(weights, *state):
    """Two layers in both directions, the batch first, without biases."""
    each = [(weights * 2, 3), (weights * 2, 2)] * 2 + [(weights * 2, 4), (weights * 2, 2)] * 2
    return lambda: ((f(2, 4, 3), *state_of(state), [f(*s) for s in each], False, 2, 0.0, False, True, True))


def cell(weights, *state):
    return lambda: (f(2, 3), *state_of(state), f(weights * 2, 3), f(weights * 2, 2), f(weights * 2), f(weights * 2))


CALLS = [
    *number("aten.sym_size.int", lambda x: x.sum(0) / x.shape[0]),
    *number("aten.sym_numel.default", lambda x: x.sum() / x.numel()),
    *number("_operator.add", lambda x: x * (x.shape[0] + 3)),
    *number("_operator.sub", lambda x: x * (x.shape[0] - 1)),
    *number("_operator.mul", lambda x: x * (x.shape[0] * 2)),
    *number("_operator.floordiv", lambda x: x * (x.shape[0] // 4), lambda: (f(7, 2),)),
    *number("_operator.mod", lambda x: x * (x.shape[0] % 4), lambda: (f(7, 2),)),
    *number("_operator.truediv", lambda x: x * (x.shape[0] / 4)),
    *number("_operator.pow", lambda x: x * x.shape[0] ** 2),
    *number("_operator.neg", lambda x: x * -x.shape[0]),
    *number("torch.sym_max", lambda x: x * torch.sym_max(x.shape[0], 4)),
    *number("torch.sym_min", lambda x: x * torch.sym_min(x.shape[0], 4)),
    *number("torch.sym_float", lambda x: x * torch.sym_float(x.shape[0])),
    *number("torch.sym_ite", lambda x: x * torch.sym_ite(x.shape[0] > 4, x.shape[0], 2 * x.shape[0])),
    *number("torch.sym_not", lambda x: x * torch.sym_ite(torch.sym_not(x.shape[0] > 4), x.shape[0], 2 * x.shape[0])),
    *number("math.trunc", lambda x: x * math.trunc(x.shape[0] / 4)),
    *number("torch._sym_sqrt", lambda x: x / torch.sym_sqrt(x.shape[0])),
    *(
        number(f"_operator.{name}", lambda x, holds=holds: x * torch.sym_ite(holds(x.shape[0]), x.shape[0], 2 * x.shape[0]))[0]
        for name, holds in {
            "eq": lambda n: n == 6, "ne": lambda n: n != 6, "lt": lambda n: n < 6, "le": lambda n: n <= 6,
            "gt": lambda n: n > 6, "ge": lambda n: n >= 6, "and_": lambda n: (n > 2) & (n < 9),
            "or_": lambda n: (n < 2) | (n > 9),
        }.items()
    ),
    ("aten.item.default", lambda x, y: x * y.item(), made(lambda: (f(3), torch.tensor(2.5))), {}),
    ("aten._local_scalar_dense.default", lambda x, y: x * aten._local_scalar_dense(y), made(lambda: (f(3), torch.tensor(3))), {}),
    ("higher_order.cond", branch, made(lambda: (f(3), f(3))), {}),
    ("higher_order.wrap_with_set_grad_enabled", undifferentiated, made(lambda: (f(3), f(3))), RAW),
    ("aten._assert_scalar.default", checked, made(lambda: (f(4),)), RAW),
    ("aten._assert_async.msg", asserted, made(lambda: (f(4),)), RAW),
    ("aten._assert_tensor_metadata.default", asserted, made(lambda: (f(4),)), RAW),
    ("aten.detach_.default", lambda x: x.sin() * (x * 2).detach_(), made(lambda: (f(3),)), RAW),
    ("aten.detach.default", lambda x: x.sin() * x.detach(), made(lambda: (f(3),)), {}),
    ("aten.zeros.default", lambda x: x + torch.zeros(2, 1), made(lambda: (f(2, 3),)), {}),
    ("aten.ones.default", lambda x: x + torch.ones(2, 1), made(lambda: (f(2, 3),)), {}),
    ("aten.full.default", lambda x: x + torch.full((2, 1), 2.5), made(lambda: (f(2, 3),)), {}),
    ("aten.full.default", lambda x: x * torch.full((2, 1), 3), made(lambda: (f(2, 3),)), {}),
    ("aten.full.default", lambda x: x.where(torch.full((2, 1), True), 0.0), made(lambda: (f(2, 3),)), {}),
    ("aten.empty.memory_format", lambda x: x + torch.empty(2, 1).fill_(2.0), made(lambda: (f(2, 3),)), {}),
    ("aten.arange.default", lambda x: x * torch.arange(3), made(lambda: (f(2, 3),)), {}),
    ("aten.arange.default", lambda x: x * torch.arange(2.5), made(lambda: (f(2, 3),)), {}),
    ("aten.arange.start", lambda x: x * torch.arange(2, 2), made(lambda: (f(2, 3),)), {}),
    ("aten.arange.start_step", lambda x: x * torch.arange(0.5, 2.0, 0.5), made(lambda: (f(2, 3),)), {}),
    ("aten.arange.start_step", lambda x: x * torch.arange(6, 0, -2), made(lambda: (f(2, 3),)), {}),
    ("aten.linspace.default", lambda x: x * torch.linspace(-1, 2, 3), made(lambda: (f(2, 3),)), {}),
    ("aten.logspace.default", lambda x: x * torch.logspace(-1, 2, 3), made(lambda: (f(2, 3),)), {}),
    ("aten.eye.default", lambda x: x * torch.eye(3), made(lambda: (f(3, 3),)), {}),
    ("aten.eye.m", lambda x: x + torch.eye(2, 3), made(lambda: (f(2, 3),)), {}),
    ("aten.scalar_tensor.default", lambda x: x * aten.scalar_tensor(2.5), made(lambda: (f(2, 3),)), {}),
    ("aten.tril_indices.default", lambda x: x[tuple(torch.tril_indices(3, 3, -1))], made(lambda: (f(3, 3),)), {}),
    ("aten.triu_indices.default", lambda x: x[tuple(torch.triu_indices(3, 3, 1))], made(lambda: (f(3, 3),)), {}),
    ("aten.hann_window.default", lambda x: x * torch.hann_window(5), made(lambda: (f(5),)), {}),
    ("aten.hann_window.periodic", lambda x: x * torch.hann_window(5, False), made(lambda: (f(5),)), {}),
    ("aten.hamming_window.default", lambda x: x * torch.hamming_window(5), made(lambda: (f(5),)), {}),
    ("aten.fft_fftfreq.default", lambda x: x * torch.fft.fftfreq(5, 0.5), made(lambda: (f(5),)), {}),
    ("aten.fft_rfftfreq.default", lambda x: x * torch.fft.rfftfreq(5), made(lambda: (f(3),)), {}),
    *op("aten.lstm.input", sequence("lstm", 4, (1, 2, 2), (1, 2, 2)), both_ways(4, (4, 2, 2), (4, 2, 2))),
    *op("aten.gru.input", sequence("gru", 3, (1, 2, 2)), both_ways(3, (4, 2, 2))),
    *op("aten.rnn_tanh.input", sequence("rnn", 1, (1, 2, 2)), both_ways(1, (4, 2, 2))),
    *op("aten.rnn_relu.input", sequence("rnn", 1, (1, 2, 2)), both_ways(1, (4, 2, 2))),
    *op("aten.lstm_cell.default", cell(4, (2, 2), (2, 2))),
    *op("aten.gru_cell.default", cell(3, (2, 2))),
    *op("aten.rnn_tanh_cell.default", cell(1, (2, 2))),
    *op("aten.rnn_relu_cell.default", cell(1, (2, 2))),
    *op("aten.add.Scalar", lambda: (f(2, 3), 1.5), lambda: (f(2, 3), 1.5, 2.0)),
    *op("aten.sub.Scalar", lambda: (f(2, 3), 1.5), lambda: (f(2, 3), 1.5, 2.0)),
    *op("aten.mul.Scalar", lambda: (f(2, 3), 1.5), lambda: (f(2, 3), True)),
    *op("aten.div.Scalar", lambda: (f(2, 3), 1.5), lambda: (whole(5, 3), 2)),
    *op("aten.div.Scalar_mode", lambda: ((f(2, 3), 0.7), {"rounding_mode": "floor"}), lambda: ((f(2, 3), 0.7), {"rounding_mode": "trunc"})),
    *op("aten.rsub.Scalar", lambda: (f(2, 3), 1.5), lambda: (f(2, 3), 1.5, 2.0)),
    *op("aten.rsub.Tensor", lambda: (f(2, 3), f(3)), lambda: ((f(2, 3), f(3)), {"alpha": 2.0})),
    *op("aten.float_power.Tensor_Scalar", lambda: (p(2, 3), 2.5)),
    *op("aten.fmod.Scalar", lambda: (f(2, 3) * 3, 0.7)),
    *op("aten.remainder.Scalar", lambda: (f(2, 3) * 3, 0.7), lambda: (whole(9, 3) - 4, 3)),
    *op("aten.pow.Scalar", lambda: (2.5, f(2, 3))),
    *op("aten.pow.Tensor_Scalar", lambda: (f(2, 3), 3), lambda: (p(2, 3), -0.5), lambda: (f(2, 3), 0)),
    *[
        call
        for name in ("eq", "ne", "lt", "le", "gt", "ge")
        for call in op(f"aten.{name}.Scalar", lambda: (whole(3, 2, 3), 1), lambda: (f(2, 3), 0.25))
    ],
    *op("aten.__and__.Tensor", lambda: (truth(2, 3), truth(3))),
    *op("aten.__or__.Tensor", lambda: (truth(2, 3), truth(3))),
    *op("aten.where.Scalar", lambda: (truth(2, 3), 1.5, -1.0)),
    *op("aten.where.ScalarSelf", lambda: (truth(2, 3), 1.5, f(3))),
    *op("aten.where.ScalarOther", lambda: (truth(2, 3), f(3), -1.0)),
    *op("aten.lerp.Scalar", lambda: (f(2, 3), f(3), 0.3)),
    *op("aten.fill.Scalar", lambda: (f(2, 3), 1.5)),
    *op("aten.fill.Tensor", lambda: (f(2, 3), f())),
    *op("aten.copy.default", lambda: (f(2, 3), f(3))),
    *op("aten.type_as.default", lambda: (whole(5, 3), f(2)), lambda: (f(3), whole(5, 2))),
    *op("aten.alias.default", lambda: (f(2, 3),)),
    *op("aten.lift_fresh_copy.default", lambda: (f(2, 3),)),
    *op("aten._to_copy.default", lambda: ((f(2, 3) * 3,), {"dtype": torch.int64}), lambda: ((whole(5, 3),), {"dtype": torch.float32})),
    *op("aten.to.dtype", lambda: (f(2, 3) * 3, torch.int64), lambda: (truth(3), torch.float32)),
    *op("aten.to.dtype_layout", lambda: ((whole(5, 3),), {"dtype": torch.float32})),
    *op("aten.to.device", lambda: (whole(5, 3), "cpu", torch.float32)),
    *op("aten.special_i0.default", lambda: (f(2, 3),)),
    *op("aten.ldexp.Tensor", lambda: (f(2, 3), whole(4, 3))),
    *op("aten.tanh_backward.default", lambda: (f(2, 3), f(2, 3).tanh())),
    *op("aten.sigmoid_backward.default", lambda: (f(2, 3), f(2, 3).sigmoid())),
    *op("aten.threshold_backward.default", lambda: (f(2, 3), f(2, 3), 0.25)),
    *op("aten.silu_backward.default", lambda: (f(2, 3), f(2, 3))),
    *op("aten.softplus_backward.default", lambda: (f(2, 3), f(2, 3), 2.0, 1.5)),
    *op("aten._prelu_kernel.default", lambda: (f(2, 3), p(1, 3))),
    *op("aten._softmax.default", lambda: (f(2, 3), 0, False), lambda: (f(2, 3), -1, False)),
    *op("aten._log_softmax.default", lambda: (f(2, 3), 0, False), lambda: (f(2, 3), -1, False)),
    *op("aten.argsort.stable", lambda: ((whole(3, 2, 6),), {"stable": True, "dim": 1, "descending": True})),
    *op("aten.sort.stable", lambda: ((f(2, 2),), {"stable": True, "dim": 0, "descending": True})),
    *op("aten._unique2.default", lambda: (whole(3, 5), True, True, True)),
    *op("aten.unique_dim.default", lambda: (whole(2, 4, 2), 0, True, True, True)),
    *op("aten.norm.Scalar", lambda: (f(2, 3), 3)),
    *op("aten.norm.ScalarOpt_dim", lambda: (f(2, 3), 3, [1], True), lambda: (f(2, 3), None, [0])),
    *op("aten.all.dim", lambda: (truth(2, 3), 1, True), lambda: (f(2, 3), 0)),
    *op("aten.any.dim", lambda: (truth(2, 3), 1, True), lambda: (f(2, 3), 0)),
    *op("aten.trapezoid.dx", lambda: ((f(2, 4),), {"dx": 0.5, "dim": 0})),
    *op("aten.trapezoid.x", lambda: (f(2, 4), torch.arange(4.0))),
    *op("aten.cumulative_trapezoid.dx", lambda: ((f(3, 4),), {"dx": 0.5, "dim": 0})),
    *op("aten.gradient.scalararray", lambda: ((f(4, 5),), {"spacing": 0.5, "dim": [0, 1]})),
    *op("aten.histc.default", lambda: (f(8), 4), lambda: (f(8), 4, -1, 1)),
    *op("aten.bincount.default", lambda: (whole(4, 6),), lambda: (whole(4, 6), p(6), 5)),
    *op("aten.quantile.scalar", lambda: (f(2, 2), 0.3), lambda: ((f(2, 2), 0.3, 1), {"keepdim": True, "interpolation": "lower"})),
    *op("aten.quantile.default", lambda: (f(2, 2), torch.tensor([0.3, 0.8]), 1)),
    *op("aten.numpy_T.default", lambda: (f(2, 3),)),
    *op("aten._unsafe_view.default", lambda: (f(2, 6), [3, 4]), lambda: (f(2, 6), [-1])),
    *op("aten.flatten.using_ints", lambda: (f(2, 3, 2), 1), lambda: (f(2, 3, 2),), lambda: (f(),)),
    *op("aten.movedim.int", lambda: (f(2, 3, 4), 0, -1)),
    *op("aten.split.sizes", lambda: (f(2, 2), [2, 3], 1)),
    *op("aten.as_strided.default", lambda: (f(2, 6), [3, 2], [2, 1], 1)),
    *op("aten.select_backward.default", lambda: (f(3), [2, 3], 0, 1)),
    *op("aten._new_zeros_with_same_feature_meta.default", lambda: (f(3), f(2, 3))),
    *op("aten.index.Tensor", lambda: (f(4, 3), [None, whole(3, 2)]), lambda: (f(4, 3), [whole(4, 2, 1), whole(3, 3)]), lambda: (f(4, 3), [truth(4)])),
    *op("aten._unsafe_index.Tensor", lambda: (f(4, 3), [None, whole(3, 2)])),
    *op("aten.repeat_interleave.self_int", lambda: (f(2, 3), 2), lambda: (f(2, 3), 2, 1)),
    *op("aten.nonzero_numpy.default", lambda: (truth(3, 2),)),
    *op("aten.bucketize.Tensor", lambda: (f(2, 3), torch.tensor([-1.0, 0.0, 1.0])), lambda: ((f(2, 3), torch.tensor([-1.0, 0.0, 1.0])), {"right": True})),
    *op("aten.searchsorted.Tensor", lambda: (f(2, 4).sort()[0], f(2, 3)), lambda: ((f(4).sort()[0], f(2, 3)), {"right": True})),
    *op("aten.embedding_bag.padding_idx", lambda: (f(5, 3), whole(5, 6), torch.tensor([0, 2, 3]), False, 1, False, None, False, 1)),
    *op("aten.linalg_matrix_exp.default", lambda: (f(2, 3, 3),)),
    *op("aten.linalg_matrix_norm.str_ord", lambda: (f(2, 3), "nuc"), lambda: (f(2, 3), "fro", [-2, -1], True)),
    *op("aten.linalg_pinv.atol_rtol_tensor", lambda: ((f(3, 2),), {"atol": torch.tensor(1e-4), "rtol": torch.tensor(1e-4)})),
    *op("aten.linalg_lu_solve.default", lambda: (*torch.linalg.lu_factor(positive_definite()), f(3, 2))),
    *op("aten.nll_loss_nd.default", lambda: (f(4, 3).log_softmax(1), whole(3, 4)), lambda: (f(2, 3, 4).log_softmax(1), whole(3, 2, 4), p(3), 2, 1)),
    *op("aten.nll_loss.default", lambda: (f(4, 3).log_softmax(1), whole(3, 4)), lambda: (f(4, 3).log_softmax(1), whole(3, 4), p(3), 1, 1)),
    *op("aten.nll_loss2d.default", lambda: (f(2, 3, 2, 2).log_softmax(1), whole(3, 2, 2, 2)), lambda: (f(2, 3, 2, 2).log_softmax(1), whole(3, 2, 2, 2), p(3), 2, 1)),
    *op("aten.nll_loss_forward.default", lambda: (f(4, 3).log_softmax(1), whole(3, 4), None, 1, -100), lambda: (f(4, 3).log_softmax(1), whole(3, 4), p(3), 1, 1)),
    *op("aten.cross_entropy_loss.default", lambda: (f(4, 3), whole(3, 4), p(3), 1, 1, 0.1), lambda: (f(3), whole(3, 1)[0]), lambda: (f(4, 3), f(4, 3).softmax(1), p(3), 1, -100, 0.1), lambda: (f(2, 3, 4), whole(3, 2, 4), None, 0, 1)),
    *op("aten.batch_norm.default", lambda: (f(4, 3), p(3), f(3), f(3), p(3), False, 0.1, 1e-5, False), lambda: (f(4, 3, 2), p(3), f(3), None, None, True, 0.1, 1e-5, False)),
    *op("aten._native_batch_norm_legit_functional.default", lambda: (f(4, 3), p(3), f(3), f(3), p(3), True, 0.1, 1e-5), lambda: (f(4, 3, 2), None, None, f(3), p(3), True, 0.3, 1e-3)),
    *op("aten._native_batch_norm_legit_no_training.default", lambda: (f(4, 3), p(3), f(3), f(3), p(3), 0.1, 1e-5)),
    *op("aten._native_batch_norm_legit.no_stats", lambda: (f(4, 3), p(3), f(3), True, 0.1, 1e-5)),
    *op("aten._weight_norm.default", lambda: (f(3, 4), p(3, 1), 0), lambda: (f(3, 4), p(1, 4), 1)),
    *op("aten._weight_norm_interface.default", lambda: (f(3, 4), p(3, 1), 0)),
    *op("aten.conv1d.padding", lambda: (f(2, 2, 6), f(3, 2, 3), f(3), [1], "same"), lambda: (f(2, 2, 6), f(3, 2, 3), None, [2], "valid")),
    *op("aten.conv2d.padding", lambda: (f(2, 2, 4, 5), f(3, 2, 3, 3), f(3), [1, 1], "same"), lambda: (f(2, 4, 4, 5), f(4, 2, 3, 3), None, [2, 1], "valid", [1, 1], 2)),
    *op("aten.conv_transpose2d.input", lambda: (f(2, 2, 3, 3), f(2, 3, 2, 2), f(3), [2, 1], [1, 0], [1, 0])),
    *op("aten.conv_transpose3d.input", lambda: (f(1, 2, 2, 3, 2), f(2, 2, 2, 2, 2), f(2), [2, 1, 1])),
    *op("aten.max_pool2d_with_indices.default", lambda: (f(2, 2, 4, 5), [2, 2]), lambda: (f(2, 2, 5, 5), [3, 2], [1, 2], [1, 0], [1, 1], True)),
    *op("aten.upsample_nearest1d.vec", lambda: (f(2, 2, 4), [7], None), lambda: (f(2, 2, 4), None, [1.7])),
    *op("aten.upsample_linear1d.vec", lambda: (f(2, 2, 4), [7], True, None), lambda: (f(2, 2, 4), None, False, [1.7])),
    *op("aten.upsample_nearest2d.vec", lambda: (f(2, 2, 3, 4), [5, 6], None), lambda: (f(2, 2, 3, 4), None, [1.7, 2.0])),
    *op("aten.upsample_bilinear2d.vec", lambda: (f(2, 2, 3, 4), [5, 6], True, None), lambda: (f(2, 2, 3, 4), None, False, [1.7, 2.0])),
    *op("aten.upsample_bicubic2d.vec", lambda: (f(2, 2, 3, 4), [5, 6], True, None), lambda: (f(2, 2, 3, 4), None, False, [1.7, 2.0])),
    *op("aten.upsample_trilinear3d.vec", lambda: (f(1, 2, 2, 3, 2), [3, 4, 3], True, None), lambda: (f(1, 2, 2, 3, 2), None, False, [2.0, 1.5, 2.0])),
    *op("aten._upsample_nearest_exact2d.vec", lambda: (f(2, 2, 3, 4), [5, 6], None), lambda: (f(2, 2, 3, 4), None, [1.7, 2.0])),
    *op("aten._upsample_bilinear2d_aa.vec", lambda: (f(2, 2, 5, 6), [3, 4], False, None), lambda: (f(2, 2, 5, 6), None, True, [0.6, 0.5])),
    *op("aten.grid_sampler.default", lambda: (f(2, 2, 4, 5), f(2, 3, 3, 2).tanh(), 0, 0, False), lambda: (f(1, 2, 4, 5), f(1, 3, 3, 2), 1, 1, True)),
    *op("aten.affine_grid_generator.default", lambda: (f(2, 2, 3), [2, 3, 4, 5], False), lambda: (f(2, 2, 3), [2, 3, 4, 5], True)),
    *op("aten.im2col.default", lambda: (f(2, 2, 4, 5), [2, 3], [1, 1], [0, 1], [2, 1])),
    *op("aten.col2im.default", lambda: (f(2, 8, 6), [3, 4], [2, 2], [1, 1], [0, 0], [1, 1])),
    *op("aten.dropout.default", lambda: (f(2, 3), 0.5, False)),
    *op("aten.native_dropout.default", lambda: (f(2, 3), 0.5, False)),
    *op("aten.rrelu.default", lambda: (f(2, 3), 0.1, 0.3, False)),
    *op("aten.count_nonzero.dim_IntList", lambda: (whole(2, 3, 4), [0])),
    *op("aten.addr.default", lambda: ((f(2, 3), f(2), f(3)), {"beta": 0, "alpha": 2})),
    *op("aten.vdot.default", lambda: (torch.complex(f(3), f(3)), torch.complex(f(3), f(3)))),
    *[call for name in ("absolute", "negative", "positive", "ravel", "contiguous", "resolve_conj", "resolve_neg", "mT",
                        "hardshrink", "softshrink", "atleast_1d", "atleast_2d") for call in op(f"aten.{name}.default", lambda: (f(2, 3),))],
    *[call for name in ("real", "imag", "conj", "resolve_conj") for call in op(f"aten.{name}.default", lambda: (torch.complex(f(3), f(3)),))],
    *op("aten.hardshrink.default", lambda: (f(2, 3), 0.3)),
    *op("aten.softshrink.default", lambda: (f(2, 3), 0.3)),
    *op("aten.arccos.default", lambda: (f(2, 3).tanh(),)),
    *op("aten.atleast_2d.default", lambda: (f(3),)),
    *op("aten.atleast_1d.default", lambda: (f(),)),
    *op("aten.broadcast_to.default", lambda: (f(3), [2, 3]), lambda: (f(2, 1), [4, 2, 3])),
    *op("aten.cartesian_prod.default", lambda: ([f(2), f(3)],)),
    *op("aten.channel_shuffle.default", lambda: (f(1, 4, 2, 2), 2)),
    *op("aten.chunk.default", lambda: (f(5, 2), 2), lambda: (f(2, 5), 3, 1)),
    *op("aten.clamp.default", lambda: (f(2, 3), -0.5, 0.5), lambda: (f(2, 3), None, 0.5), lambda: (f(2, 3), 0.25)),
    *op("aten.clip.default", lambda: (f(2, 3), -0.5, 0.5)),
    *op("aten.clamp_max.default", lambda: (f(2, 3), 0.5)),
    *op("aten.clamp_min.default", lambda: (f(2, 3), 0.5)),
    *op("aten.concat.default", lambda: ([f(2, 3), f(1, 3)],), lambda: ([f(2, 3), f(2, 1)], 1)),
    *op("aten.det.default", lambda: (positive_definite(2),)),
    *op("aten.inverse.default", lambda: (positive_definite(2),)),
    *op("aten.slogdet.default", lambda: (positive_definite(2),)),
    *op("aten.logdet.default", lambda: (positive_definite(2),)),
    *op("aten.linalg_pinv.default", lambda: (f(3, 2), 1e-12)),
    *op("aten.ger.default", lambda: (f(2), f(3))),
    *op("aten.kron.default", lambda: (f(2, 3), f(3, 2))),
    *op("aten.meshgrid.default", lambda: ([f(2), f(3)],)),
    *op("aten.movedim.intlist", lambda: (f(2, 3, 4), [0, 1], [-1, 0])),
    *op("aten.multi_margin_loss.default", lambda: (f(4, 3), whole(3, 4)), lambda: (f(4, 3), whole(3, 4), 1, 1.0, None, 0)),
    *op("aten.narrow.default", lambda: (f(2, 5), 1, 1, 3)),
    *op("aten.reshape.default", lambda: (f(2, 6), [3, -1])),
    *op("aten.scatter.value", lambda: (f(3, 4), 1, whole(4, 3, 2), 1.5)),
    *op("aten.slice_scatter.default", lambda: (f(4, 3), f(2, 3), 0, 1, 3), lambda: (f(4, 5), f(4, 2), 1, 0, 4, 2)),
    *op("aten.swapaxes.default", lambda: (f(2, 3, 4), 0, -1)),
    *op("aten.unflatten.int", lambda: (f(2, 6), 1, [2, 3])),
    *op("aten.vander.default", lambda: (f(4), 3), lambda: ((f(3),), {"increasing": True})),
    *op("aten.equal.default", lambda: (f(3), f(3))),
]
