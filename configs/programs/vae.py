"""A variational autoencoder of handwritten digits, whose KL term is let in over the first steps."""

import torch
import torch.nn.functional as F
from torch import nn


class VAE(nn.Module):
    def __init__(self, width=12, codes=3, annealing=100):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(64, width), nn.Tanh())
        self.mean, self.log_variance = nn.Linear(width, codes), nn.Linear(width, codes)
        self.decoder = nn.Sequential(nn.Linear(codes, width), nn.Tanh(), nn.Linear(width, 64))
        self.annealing = annealing

    def forward(self, images, step):
        x = images.flatten(1).float() / 16
        h = self.encoder(x)
        mean, log_variance = self.mean(h), self.log_variance(h)
        z = mean
        if self.training:
            z = mean + torch.exp(log_variance / 2) * torch.randn_like(mean)
        logits = self.decoder(z)

        reconstruction = F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1).mean()
        kl = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(1).mean()
        beta = torch.clamp(step / self.annealing, max=1.0)
        error = (logits.sigmoid() - x).square().mean().sqrt()
        return {
            "loss": reconstruction + beta * kl,
            "terms": {"reconstruction": reconstruction, "kl": beta * kl},
            "error": error,
        }
