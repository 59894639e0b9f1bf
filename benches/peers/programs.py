"""What is exported for optbench and trained by PyTorch: losses, models and training steps, written as a person would."""

import torch
import torch.nn.functional as F
from torch import nn

# Data of the networks: rows, and how many of them are held out, trained on in a step, and tested on every ten steps.
ROWS, HELD_OUT, IMAGE_BATCH, TEXT_BATCH, TEST_PERIOD = 1024, 64, 64, 16, 10
VOCABULARY, CONTEXT = 65, 64


def plateau(prediction, target):
    d = (prediction - target).abs()
    return torch.where(d <= 0.5, d, 0.001 * d + 0.4995).mean()


def row_softmax(prediction, target):
    """The cross entropy of rows of eight."""
    told = target.reshape(-1, 8).softmax(1)
    return -(told * prediction.reshape(-1, 8).log_softmax(1)).sum(1).mean()


def correlation(prediction, target):
    p, t = prediction - prediction.mean(), target - target.mean()
    return 1 - (p * t).sum() / (p.square().sum() * t.square().sum()).sqrt()


class Mlp(nn.Sequential):
    """Digits: 64-32-10."""

    def __init__(self):
        super().__init__(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))


class ConvNet(nn.Module):
    """Images of 28 × 28 to ten classes: two convolutions, two layers."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 8, 3, padding=1), nn.Conv2d(8, 16, 3, padding=1)
        self.hidden, self.last = nn.Linear(16 * 7 * 7, 64), nn.Linear(64, 10)

    def logits(self, x):
        x = F.max_pool2d(F.relu(self.first(x.unsqueeze(1))), 2)
        x = F.max_pool2d(F.relu(self.second(x)), 2)
        return self.last(F.relu(self.hidden(x.flatten(1))))

    def forward(self, x, y):
        return F.cross_entropy(self.logits(x), y)


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.queries, self.back = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        n, length, width = x.shape
        q, k, v = self.queries(self.before(x)).split(width, 2)
        q, k, v = (part.view(n, length, self.heads, -1).transpose(1, 2) for part in (q, k, v))
        seen = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.back(seen.transpose(1, 2).reshape(n, length, width))
        return x + self.down(F.gelu(self.up(self.between(x))))


class Gpt(nn.Module):
    """Two blocks of width 64: about 108,000 parameters."""

    def __init__(self, width=64, heads=4, blocks=2):
        super().__init__()
        self.tokens, self.places = nn.Embedding(VOCABULARY, width), nn.Embedding(CONTEXT, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(blocks))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, VOCABULARY)

    def forward(self, x, y):
        h = self.tokens(x) + self.places.weight
        for block in self.blocks:
            h = block(h)
        return F.cross_entropy(self.head(self.norm(h)).flatten(0, 1), y.flatten())


LOSSES = {"plateau": plateau, "row_softmax": row_softmax, "correlation": correlation}
NETWORKS = {"conv_net": (ConvNet, IMAGE_BATCH), "gpt": (Gpt, TEXT_BATCH)}


def data(network):
    """Rows of the columns x and y."""
    generator = torch.Generator().manual_seed(0)
    if network == "conv_net":
        x = torch.rand(ROWS, 28, 28, generator=generator)
        return x, torch.randint(10, (ROWS,), generator=generator)
    x = torch.randint(VOCABULARY, (ROWS, CONTEXT), generator=generator)
    return x, x.roll(-1, 1)


if __name__ == "__main__":
    import pathlib
    import sys

    import numpy

    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "python"))
    import shapes

    from optbench import export

    folder = pathlib.Path(sys.argv[1])

    def write(name, file, *words, source=__file__):
        export.main([f"{source}:{name}", str(folder / file), *words])

    vector = ["--input", "prediction=float[64]", "--input", "target=float[64]"]
    for name in LOSSES:
        write(name, f"{name}.pt2", *([] if name == "plateau" else vector))
    images, classes = shapes.digits()
    numpy.savez(folder / "digits.npz", x=images, y=classes.astype(numpy.int64))
    write("Mlp", "mlp.pt2", "--model", "--input", "input=float[n,64]")
    for name, (network, _) in NETWORKS.items():
        x, y = data(name)
        numpy.savez(folder / f"{name}.npz", x=x.numpy(), y=y.numpy())
        write(network.__name__, f"{name}.pt2", "--objective", "--data", str(folder / f"{name}.npz"))
    root = pathlib.Path(__file__).resolve().parents[2]
    write("Adam", "adam.pt2", "--optimizer", source=root / "scripts/golden/my_optimizers.py")
