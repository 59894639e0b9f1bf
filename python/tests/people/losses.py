"""Losses as people write them: forward(prediction, target)."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


class Plain(nn.Module):
    """A module with an option, as a tutorial has it."""

    def __init__(self, delta=1.0):
        super().__init__()
        self.delta = delta

    def forward(self, prediction, target):
        d = (prediction - target).abs()
        return torch.where(d < self.delta, 0.5 * d * d, self.delta * (d - 0.5 * self.delta)).mean()


def log_cosh(prediction, target):
    """A function."""
    d = prediction - target
    return (d + F.softplus(-2 * d) - math.log(2)).mean()


class IfOnValue(nn.Module):
    """Another loss where the first is small."""

    def forward(self, prediction, target):
        loss = F.mse_loss(prediction, target)
        if loss < 0.1:
            return F.l1_loss(prediction, target) * 0.3
        return loss


class ItemWeight(nn.Module):
    """A weight from the value itself, by .item()."""

    def forward(self, prediction, target):
        loss = (prediction - target) ** 2
        weight = 1.0 / (1.0 + loss.max().item())
        return (weight * loss).mean()


class Clamped(torch.autograd.Function):
    """Clamps, and lets gradients through that lead back."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(-1, 1)

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        return torch.where(x.abs() <= 1, gradient, 0.1 * gradient)


class CustomBackward(nn.Module):
    """A loss through an autograd.Function of the old style."""

    def forward(self, prediction, target):
        return Clamped.apply(prediction - target).square().mean()


class NumpyThreshold(nn.Module):
    """A threshold computed by numpy, without a gradient."""

    def forward(self, prediction, target):
        d = prediction - target
        threshold = float(np.quantile(np.abs(d.detach().numpy()), 0.8))
        return torch.where(d.abs() < threshold, d**2, 2 * threshold * d.abs() - threshold**2).mean()


class NumpyWithBackward(torch.autograd.Function):
    """A value by numpy with a gradient by hand."""

    @staticmethod
    def forward(ctx, prediction, target):
        d = prediction.detach().numpy() - target.detach().numpy()
        ctx.save_for_backward(torch.as_tensor(np.tanh(d)))
        return torch.as_tensor(np.log(np.cosh(d)).mean(), dtype=prediction.dtype)

    @staticmethod
    def backward(ctx, gradient):
        (slope,) = ctx.saved_tensors
        return gradient * slope / slope.numel(), None


def numpy_log_cosh(prediction, target):
    return NumpyWithBackward.apply(prediction, target)


class NumpyOnly(nn.Module):
    """Computed by numpy altogether: it has no gradient."""

    def forward(self, prediction, target):
        return torch.tensor(float(np.mean((prediction.detach().numpy() - target.numpy()) ** 2)))


class PythonLoop(nn.Module):
    """A loop over the elements."""

    def forward(self, prediction, target):
        total = 0.0
        for p, t in zip(prediction, target):
            total = total + (p - t) ** 2 if p > t else total + 3 * (p - t) ** 2
        return total / len(prediction)


class Balanced(nn.Module):
    """Terms balanced by running means that are plain attributes."""

    def __init__(self):
        super().__init__()
        self.scale = None

    def forward(self, prediction, target):
        fit, rough = F.mse_loss(prediction, target), prediction.diff().abs().mean()
        if self.training:
            now = fit.item() / (rough.item() + 1e-8)
            self.scale = now if self.scale is None else 0.9 * self.scale + 0.1 * now
        return {"loss": fit + 0.1 * (self.scale or 1.0) * rough, "terms": {"fit": fit, "rough": rough}}


class LearnedWeights(nn.Module):
    """Uncertainty weights that are trained along, with a branch."""

    def __init__(self):
        super().__init__()
        self.log_variance = nn.Parameter(torch.zeros(2))

    def forward(self, prediction, target):
        parts = torch.stack([F.mse_loss(prediction, target), F.l1_loss(prediction, target)])
        if parts.max().item() > 100.0:
            parts = parts / 10
        return (torch.exp(-self.log_variance) * parts + self.log_variance).sum()


class Noisy(nn.Module):
    """Label noise, drawn by numpy and by torch."""

    def forward(self, prediction, target):
        noise = torch.randn_like(target) * np.random.uniform(0.05, 0.1)
        return ((prediction - target - noise) ** 2).mean()


class FocalWithClasses(nn.Module):
    """Focal loss of classes that leaves out easy examples."""

    def forward(self, prediction, target):
        log_p = F.log_softmax(prediction, 1).gather(1, target[:, None])[:, 0]
        loss = -((1 - log_p.exp()) ** 2) * log_p
        hard = loss > loss.mean()
        return loss[hard].mean() if hard.any() else loss.mean()


class Broken(nn.Module):
    """Raises for some values only."""

    def forward(self, prediction, target):
        if (prediction - target).abs().max().item() < 1e6:
            raise ValueError("the weights of the bands don't sum to 1")
        return F.mse_loss(prediction, target)


class ThreeInputs(nn.Module):
    """Wants a weight besides, which a loss here hasn't."""

    def forward(self, prediction, target, weight):
        return (weight * (prediction - target) ** 2).mean()
