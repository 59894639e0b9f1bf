"""Losses of regression, in the style of public code.

ENTRIES: (name, class or function, options, inputs[, settings]). The first input is what the generator trains,
with the parameters of the loss; `settings` may set the learning rate (`lr`).
"""

import math

import torch
import torch.nn.functional as F
from torch import nn


def mse(prediction, target):
    return F.mse_loss(prediction, target, reduction="none")


def mae_sum(prediction, target):
    return F.l1_loss(prediction, target, reduction="sum") / prediction.shape[0]


def smooth_l1(prediction, target, beta=0.5):
    return F.smooth_l1_loss(prediction, target, beta=beta)


def huber(prediction, target, delta=0.8):
    return F.huber_loss(prediction, target, reduction="none", delta=delta)


def log_cosh(prediction, target):
    difference = prediction - target
    return torch.mean(difference + F.softplus(-2.0 * difference) - math.log(2.0))


class PinballLoss(nn.Module):
    """Quantile loss of several quantiles at once: prediction [n, q], target [n]."""

    def __init__(self, quantiles=(0.1, 0.5, 0.9)):
        super().__init__()
        self.register_buffer("quantiles", torch.tensor(quantiles))

    def forward(self, prediction, target):
        error = target.unsqueeze(-1) - prediction
        return torch.maximum(self.quantiles * error, (self.quantiles - 1) * error).sum(dim=-1).mean()


def expectile(prediction, target, tau=0.3):
    error = target - prediction
    weight = torch.where(error > 0, tau, 1 - tau)
    return weight * error.pow(2)


class Charbonnier(nn.Module):
    def __init__(self, eps=1e-3):
        super().__init__()
        self.eps = eps

    def forward(self, prediction, target):
        return torch.sqrt((prediction - target) ** 2 + self.eps**2).mean()


def poisson(prediction, target):
    return F.poisson_nll_loss(prediction, target, log_input=True, full=True)


def gaussian(prediction, target):
    mean, raw = prediction.unbind(dim=-1)
    return F.gaussian_nll_loss(mean, target, F.softplus(raw) + 1e-4, full=True)


class StudentT(nn.Module):
    """Negative log-likelihood of a Student t with learned scale and degrees of freedom."""

    def __init__(self):
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros(()))
        self.raw_dof = nn.Parameter(torch.tensor(1.0))

    def forward(self, prediction, target):
        dof = 2.0 + F.softplus(self.raw_dof)
        z = (target - prediction) * torch.exp(-self.log_scale)
        norm = torch.lgamma((dof + 1) / 2) - torch.lgamma(dof / 2) - 0.5 * torch.log(math.pi * dof) - self.log_scale
        return (0.5 * (dof + 1) * torch.log1p(z.square() / dof) - norm).mean()


def tweedie(prediction, target, power=1.5):
    mean = torch.exp(prediction)
    first = target * torch.pow(mean, 1 - power) / (1 - power)
    return torch.mean(torch.pow(mean, 2 - power) / (2 - power) - first)


def gamma_deviance(prediction, target):
    mean = F.softplus(prediction).clamp_min(1e-6)
    ratio = target / mean
    return 2 * (ratio - 1 - ratio.log()).mean()


def msle(prediction, target):
    return F.mse_loss(torch.log1p(prediction.clamp(min=0.0)), torch.log1p(target))


class TukeyBiweight(nn.Module):
    """Residuals scaled by their median absolute deviation, then Tukey's biweight."""

    def __init__(self, c=4.685):
        super().__init__()
        self.c = c

    def forward(self, prediction, target):
        residual = target - prediction
        with torch.no_grad():
            mad = (residual - residual.median()).abs().median() * 1.4826
        z = residual / (mad + 1e-6)
        inside = torch.abs(z) <= self.c
        rho = (1 - (1 - (z / self.c) ** 2) ** 3) * self.c**2 / 6
        return torch.where(inside, rho, torch.full_like(rho, self.c**2 / 6)).mean()


class AdaptiveRobust(nn.Module):
    """Barron's general robust loss with learned shape and scale."""

    def __init__(self):
        super().__init__()
        self.latent_alpha = nn.Parameter(torch.zeros(1))
        self.latent_scale = nn.Parameter(torch.zeros(1))

    def forward(self, prediction, target):
        alpha = torch.sigmoid(self.latent_alpha) * 1.9 + 0.05
        scale = F.softplus(self.latent_scale) + 1e-5
        squared = ((prediction - target) / scale).square()
        beta = torch.abs(alpha - 2)
        rho = beta / alpha * ((squared / beta + 1).pow(alpha / 2) - 1)
        return torch.mean(rho + torch.log(scale))


def geman_mcclure(prediction, target, c=1.0):
    squared = (prediction - target).square()
    return squared / (squared + c)


class WeightedMaskedMSE(nn.Module):
    """Sample weights and a mask of what was observed."""

    def forward(self, prediction, target, weight, mask):
        squared = (prediction - target).pow(2).masked_fill(~mask, 0.0)
        per_row = squared.sum(1) / mask.sum(1).clamp(min=1)
        return (per_row * weight).sum() / weight.sum()


class WingLoss(nn.Module):
    def __init__(self, width=0.5, curvature=0.2):
        super().__init__()
        self.width, self.curvature = width, curvature
        self.offset = width - width * math.log(1 + width / curvature)

    def forward(self, prediction, target):
        delta = (target - prediction).abs()
        near = self.width * torch.log(1 + delta / self.curvature)
        return torch.where(delta < self.width, near, delta - self.offset).mean()


def concordance(prediction, target):
    """1 − Lin's concordance correlation coefficient of each column."""
    mean_p, mean_t = prediction.mean(0), target.mean(0)
    var_p, var_t = prediction.var(0, unbiased=False), target.var(0, unbiased=False)
    covariance = ((prediction - mean_p) * (target - mean_t)).mean(0)
    return (1 - 2 * covariance / (var_p + var_t + (mean_p - mean_t) ** 2 + 1e-8)).mean()


def pearson(prediction, target):
    p, t = prediction - prediction.mean(), target - target.mean()
    return 1 - torch.sum(p * t) / (torch.linalg.vector_norm(p) * torch.linalg.vector_norm(t) + 1e-8)


def explained_variance(prediction, target):
    std, mean = torch.std_mean(target)
    return ((target - prediction) / std).var() + ((prediction.mean() - mean) / std) ** 2


class HomoscedasticTasks(nn.Module):
    """Several tasks weighted by learned uncertainties; returns its terms, too."""

    def __init__(self, tasks=3):
        super().__init__()
        self.log_vars = nn.Parameter(torch.zeros(tasks))

    def forward(self, prediction, target):
        terms = {}
        total = 0.0
        for i, log_var in enumerate(self.log_vars):
            error = F.mse_loss(prediction[:, i], target[:, i])
            terms[f"task{i}"] = error
            total = total + torch.exp(-log_var) * error + log_var
        return {"loss": 0.5 * total, "terms": terms}


class TrimmedMSE(nn.Module):
    def __init__(self, keep=0.7):
        super().__init__()
        self.keep = keep

    def forward(self, prediction, target):
        squared = (prediction - target).square().flatten()
        count = int(self.keep * squared.shape[0])
        return torch.topk(squared, count, largest=False, sorted=False).values.mean()


def beta_nll(prediction, target, beta=0.5):
    mean, log_var = prediction.chunk(2, dim=1)
    nll = 0.5 * (log_var + (target - mean).square() / log_var.exp())
    return (nll * log_var.exp().detach() ** beta).sum(1)


def relative_lp(prediction, target, p=2):
    """Relative Lp error a sample, as operator learning uses it."""
    n = prediction.size(0)
    difference = torch.norm(prediction.reshape(n, -1) - target.reshape(n, -1), p, 1)
    return torch.mean(difference / torch.norm(target.reshape(n, -1), p, 1))


def quantile_clipped(prediction, target, q=0.8):
    """Errors clipped at a quantile of their own that isn't differentiated."""
    error = (prediction - target).abs()
    bound = torch.quantile(error.detach(), q)
    return torch.minimum(error, bound).mean()


def nan_mse(prediction, target):
    """Missing targets are NaN."""
    seen = torch.where(target > 1.0, torch.full_like(target, float("nan")), target)
    return torch.nanmean((prediction - torch.nan_to_num(seen, nan=0.0)) ** 2 * torch.isfinite(seen))


def smape(prediction, target):
    scale = (prediction.abs() + target.abs()).div(2).add(1e-3)
    return torch.div(torch.abs(prediction - target), scale).mean()


def periodic(prediction, target):
    """Angles: the difference wrapped into (−π, π]."""
    wrapped = torch.remainder(prediction - target + math.pi, 2 * math.pi) - math.pi
    return wrapped.square() + (1 - torch.cos(prediction - target))


def angle_from_vector(prediction, target):
    """Prediction [n, 2] as a direction, target an angle."""
    angle = torch.atan2(prediction[..., 1], prediction[..., 0])
    error = torch.atan2(torch.sin(angle - target), torch.cos(angle - target))
    return error.abs().mean() + 0.1 * (torch.hypot(prediction[:, 0], prediction[:, 1]) - 1).square().mean()


N = ("float", [8])
N3 = ("float", [8, 3])
PAIR = {"prediction": N, "target": N}
PAIR3 = {"prediction": N3, "target": N3}
ENTRIES = [
    ("mse", mse, {}, PAIR3),
    ("mae_sum", mae_sum, {}, PAIR3),
    ("smooth_l1", smooth_l1, {"beta": 0.5}, PAIR3),
    ("huber", huber, {"delta": 0.8}, PAIR3),
    ("log_cosh", log_cosh, {}, PAIR),
    ("pinball", PinballLoss, {}, {"prediction": N3, "target": N}),
    ("expectile", expectile, {"tau": 0.3}, PAIR),
    ("charbonnier", Charbonnier, {}, PAIR3),
    ("poisson", poisson, {}, {"prediction": N, "target": ("count", [8], 5)}),
    ("gaussian", gaussian, {}, {"prediction": ("float", [8, 2]), "target": N}),
    ("student_t", StudentT, {}, PAIR),
    ("tweedie", tweedie, {"power": 1.5}, {"prediction": N, "target": ("positive", [8])}),
    ("gamma_deviance", gamma_deviance, {}, {"prediction": N, "target": ("positive", [8])}),
    ("msle", msle, {}, {"prediction": ("positive", [8]), "target": ("positive", [8])}),
    ("tukey", TukeyBiweight, {}, PAIR),
    ("adaptive_robust", AdaptiveRobust, {}, PAIR3),
    ("geman_mcclure", geman_mcclure, {"c": 1.0}, PAIR),
    ("weighted_masked_mse", WeightedMaskedMSE, {}, {**PAIR3, "weight": ("positive", [8]), "mask": ("mask", [8, 3])}),
    ("wing", WingLoss, {}, {"prediction": ("float", [4, 5, 2]), "target": ("float", [4, 5, 2])}),
    ("concordance", concordance, {}, PAIR3),
    ("pearson", pearson, {}, PAIR),
    ("explained_variance", explained_variance, {}, PAIR),
    ("homoscedastic_tasks", HomoscedasticTasks, {}, PAIR3),
    ("trimmed_mse", TrimmedMSE, {}, {"prediction": ("float", [10]), "target": ("float", [10])}),
    ("beta_nll", beta_nll, {}, {"prediction": ("float", [8, 4]), "target": ("float", [8, 2])}),
    ("relative_lp", relative_lp, {}, {"prediction": ("float", [4, 2, 6]), "target": ("float", [4, 2, 6])}),
    ("quantile_clipped", quantile_clipped, {}, PAIR),
    ("nan_mse", nan_mse, {}, PAIR3),
    ("smape", smape, {}, PAIR),
    ("periodic", periodic, {}, PAIR),
    ("angle_from_vector", angle_from_vector, {}, {"prediction": ("float", [8, 2]), "target": N}),
]
