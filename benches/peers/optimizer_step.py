"""The peer of our fused optimizer step: `torch.optim` with `fused=True`, one thread."""

from functools import partial

import torch

SIZES = 1_000_000, 10_000_000
OPTIMIZERS = {
    "sgd": partial(torch.optim.SGD, lr=1e-3, fused=True),
    "momentum": partial(torch.optim.SGD, lr=1e-3, momentum=0.9, fused=True),
    "adam": partial(torch.optim.Adam, lr=1e-3, fused=True),
}


def prepare(name, size):
    torch.set_num_threads(1)
    p = torch.randn(size, requires_grad=True)
    p.grad = torch.randn(size)
    optimizer = OPTIMIZERS[name]([p])
    return lambda: optimizer.step() and None


if __name__ == "__main__":
    from worker import serve

    works = {f"step/{name}/{size}": (partial(prepare, name, size), size) for name in OPTIMIZERS for size in SIZES}
    serve(works, {"torch": torch.__version__})
