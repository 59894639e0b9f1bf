"""Training steps as people write them: forward(columns of the data, step)."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


class Weighted(nn.Module):
    """Three inputs, and a weight that depends on how the batch does."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))

    def forward(self, x, y, weight):
        d = self.net(x).squeeze(1) - y
        worst = d.abs().max().item()
        return {"loss": (weight * d**2).mean() / max(worst, 0.1), "error": d.abs().mean()}


class Lstm(nn.Module):
    """An LSTM that is truncated where its state grows."""

    def __init__(self):
        super().__init__()
        self.lstm, self.head = nn.LSTM(3, 4, batch_first=True), nn.Linear(4, 1)

    def forward(self, x, y):
        out, (h, _) = self.lstm(x.unsqueeze(1))
        prediction = self.head(out[:, -1]).squeeze(1)
        loss = F.mse_loss(prediction, y)
        return loss if h.norm() < 1.0 else loss + 1e-3 * h.norm()


class Vae(nn.Module):
    """A VAE with free bits by a branch."""

    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = nn.Linear(3, 4), nn.Linear(2, 3)

    def forward(self, x, step):
        mean, log_variance = self.encoder(x).chunk(2, 1)
        z = mean + torch.randn_like(mean) * (0.5 * log_variance).exp() if self.training else mean
        fit = F.mse_loss(self.decoder(z), x)
        divergence = -0.5 * (1 + log_variance - mean**2 - log_variance.exp()).mean()
        if divergence < 0.05:
            divergence = divergence.detach()
        beta = min(int(step) / 100, 1.0)
        return {"loss": fit + beta * divergence, "terms": {"fit": fit, "divergence": divergence}, "error": fit}


class Pinn(nn.Module):
    """u'' = -u by collocation points, with a penalty that switches on."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1))

    def forward(self, y):
        t = y.detach().clone().reshape(-1, 1).requires_grad_()
        u = self.net(t)
        (slope,) = torch.autograd.grad(u.sum(), t, create_graph=True)
        (curvature,) = torch.autograd.grad(slope.sum(), t, create_graph=True)
        residual = ((curvature + u) ** 2).mean()
        start = (self.net(torch.zeros(1, 1)) - 1).square().mean()
        return residual + start if residual.item() < 10 else start


class BatchNorm(nn.Module):
    """Buffers that move, with a branch."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(3, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 1))

    def forward(self, x, y):
        loss = F.smooth_l1_loss(self.net(x).squeeze(1), y)
        return loss * 2 if float(loss) > 5 else loss


class Mined(nn.Module):
    """The hardest half of the batch, sorted by numpy."""

    def __init__(self):
        super().__init__()
        self.net = nn.Linear(3, 1)

    def forward(self, x, y):
        losses = (self.net(x).squeeze(1) - y) ** 2
        hardest = np.argsort(-losses.detach().numpy())[: len(losses) // 2].copy()
        return losses[torch.as_tensor(hardest)].mean()


class Exportable(nn.Module):
    """Nothing that can't be exported."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))

    def forward(self, x, y):
        return F.mse_loss(self.net(x).squeeze(1), y)
