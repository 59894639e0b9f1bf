"""The peer of our engines in PyTorch: the eager loop, one run after the other, as it is usually written.

It is measured on fewer steps and compared per lane-step: one step takes as long as the next. Left out
of the direct fit, in PyTorch's favor: best values, the error and steps to targets. The MLP computes the
error every ten steps, as ours does, and keeps nothing.

Every work is timed with torch's default number of threads and with one, and with the default and the
fused optimizer; the fastest is the one that is compared.
"""

import itertools
import time

import numpy as np
import torch
from torch import nn

import shapes

DEFAULT_THREADS = torch.get_num_threads()
FIT_STEPS, MLP_STEPS = 200, 200


def plateau(p, t):
    d = (p - t).abs()
    return torch.where(d <= 0.5, d, 0.001 * d + 0.4995).mean()


def asymmetric(p, t):
    d = p - t
    return torch.where(d > 0, 5.0 * d.square(), d.square()).mean()


def poorly_conditioned(p, t):
    d = p - t
    return (0.01 * d.square() + d).mean()


LOSSES = [plateau, asymmetric, poorly_conditioned]
OPTIMIZERS = {
    "sgd": lambda p, fused: torch.optim.SGD(p, lr=0.01, fused=fused),
    "heavy_ball": lambda p, fused: torch.optim.SGD(p, lr=0.01, momentum=0.9, fused=fused),
    "adam": lambda p, fused: torch.optim.Adam(p, lr=0.01, fused=fused),
}


def direct_fit(dim, fused):
    """The nine combinations, one lane each."""
    for loss, make in itertools.product(LOSSES, OPTIMIZERS.values()):
        target = torch.randn(dim)
        p = (target + torch.randn(dim)).requires_grad_()
        optimizer = make([p], fused)
        for _ in range(FIT_STEPS):
            optimizer.zero_grad()
            loss(p, target).backward()
            optimizer.step()


def digits_mlp(data, order, fused):
    """One lane of Adam."""
    images, classes, test_images, test_classes = data
    model = nn.Sequential(nn.Linear(64, shapes.HIDDEN), nn.ReLU(), nn.Linear(shapes.HIDDEN, shapes.CLASSES))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.003, fused=fused)
    criterion = nn.CrossEntropyLoss()
    for step in range(MLP_STEPS):
        if step % shapes.PERIOD == 0:
            with torch.no_grad():
                (model(test_images).argmax(1) != test_classes).double().mean().item()
        rows = order[step]
        optimizer.zero_grad()
        criterion(model(images[rows]), classes[rows]).backward()
        optimizer.step()


def fastest(work):
    """The fastest way to run `work(fused)`, found while warming up."""
    best = None
    for threads, fused in itertools.product({1, DEFAULT_THREADS}, (False, True)):

        def run(threads=threads, fused=fused):
            torch.set_num_threads(threads)
            work(fused)
            return {"form": f"{threads} thread{'s' * (threads > 1)}, {'fused' if fused else 'default'} optimizer"}

        run()
        begin = time.perf_counter()
        run()
        took = time.perf_counter() - begin
        if best is None or took < best[0]:
            best = took, run
    return best[1]


def prepare_direct_fit(dim):
    return fastest(lambda fused: direct_fit(dim, fused))


def prepare_mlp():
    images, classes = shapes.digits()
    images, classes = torch.from_numpy(images), torch.from_numpy(classes.astype(np.int64))
    test = shapes.TEST
    data = images[test:], classes[test:], images[:test], classes[:test]
    order = torch.from_numpy(shapes.minibatches(len(images) - test, MLP_STEPS).astype(np.int64))
    return fastest(lambda fused: digits_mlp(data, order, fused))


if __name__ == "__main__":
    from functools import partial

    from worker import serve

    fits = len(LOSSES) * len(OPTIMIZERS) * FIT_STEPS
    works = {f"direct_fit/{dim}": (partial(prepare_direct_fit, dim), fits) for dim in (1, 64)}
    works["digits_mlp"] = prepare_mlp, MLP_STEPS
    serve(works, {"torch": torch.__version__})
