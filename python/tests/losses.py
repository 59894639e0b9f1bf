"""The losses of the question, as its author wrote them."""

import torch
from torch import nn


class PlateauLoss(nn.Module):
    def forward(self, predicted, target):
        diff = torch.abs(predicted - target)
        loss = torch.where(diff <= 0.5, diff, 0.001 * diff + 0.4995)
        return loss.mean()


class AsymmetricLoss(nn.Module):
    def __init__(self, scale=5.0):
        super().__init__()
        self.scale = scale

    def forward(self, predicted, target):
        diff = predicted - target
        loss = torch.where(diff > 0, (diff**2) * self.scale, diff**2)
        return loss.mean()


class PoorlyConditionedLoss(nn.Module):
    def forward(self, predicted, target):
        diff = predicted - target
        loss = (diff**2) * 0.01 + (diff * 1)
        return loss.mean()
