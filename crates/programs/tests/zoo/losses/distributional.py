"""Losses between distributions and of densities, in the style of public code. ENTRIES as in regression.py."""

import math

import torch
import torch.nn.functional as F
from torch import nn
from torch.distributions import Beta, Categorical, Normal, kl_divergence


def wasserstein_1d(prediction, target):
    return (torch.sort(prediction, dim=1).values - torch.sort(target, dim=1).values).abs().mean()


def earth_mover(prediction, target):
    """Ordered classes: the distance of cumulative distributions."""
    p = torch.cumsum(F.softmax(prediction, dim=-1), dim=-1)
    t = torch.cumsum(target, dim=-1)
    return torch.sqrt((p - t).square().mean(-1) + 1e-12).mean()


def energy_distance(prediction, target):
    cross = torch.cdist(prediction, target).mean()
    return 2 * cross - torch.cdist(prediction, prediction).mean() - torch.cdist(target, target).mean()


class MMD(nn.Module):
    """Maximum mean discrepancy with several RBF kernels."""

    def __init__(self, widths=(0.5, 1.0, 2.0)):
        super().__init__()
        self.register_buffer("widths", torch.tensor(widths).view(-1, 1, 1))

    def forward(self, x, y):
        both = torch.cat([x, y])
        squared = (both[None, :] - both[:, None]).pow(2).sum(-1)
        kernel = torch.exp(-squared / (2 * self.widths.square())).sum(0)
        n = x.size(0)
        return kernel[:n, :n].mean() + kernel[n:, n:].mean() - 2 * kernel[:n, n:].mean()


class Sinkhorn(nn.Module):
    """Entropic optimal transport in the log domain."""

    def __init__(self, eps=0.5, iterations=4):
        super().__init__()
        self.eps, self.iterations = eps, iterations

    def forward(self, x, y):
        cost = (x.unsqueeze(1) - y.unsqueeze(0)).pow(2).sum(-1)
        mu = torch.full((x.shape[0],), 1.0, dtype=x.dtype) / x.shape[0]
        nu = torch.full((y.shape[0],), 1.0, dtype=x.dtype) / y.shape[0]
        u, v = torch.zeros_like(mu), torch.zeros_like(nu)
        for _ in range(self.iterations):
            u = self.eps * (mu.log() - torch.logsumexp((v[None] - cost) / self.eps, dim=1))
            v = self.eps * (nu.log() - torch.logsumexp((u[:, None] - cost) / self.eps, dim=0))
        plan = torch.exp((u[:, None] + v[None] - cost) / self.eps)
        return (plan * cost).sum()


def gaussian_kl(mean, log_var, beta=0.5):
    """The KL term of a VAE."""
    return beta * -0.5 * torch.sum(1 + log_var - mean.pow(2) - log_var.exp(), dim=1)


class FullGaussian(nn.Module):
    """Negative log-likelihood with a predicted Cholesky factor."""

    def __init__(self, width=3):
        super().__init__()
        rows, columns = torch.tril_indices(width, width)
        self.register_buffer("rows", rows)
        self.register_buffer("columns", columns)
        self.width = width

    def forward(self, prediction, target):
        mean, entries = prediction[:, : self.width], prediction[:, self.width :]
        factor = torch.zeros(prediction.shape[0], self.width, self.width, dtype=prediction.dtype)
        factor[:, self.rows, self.columns] = entries
        diagonal = F.softplus(factor.diagonal(dim1=-2, dim2=-1)) + 1e-3
        factor = factor.tril(-1) + torch.diag_embed(diagonal)
        z = torch.linalg.solve_triangular(factor, (target - mean).unsqueeze(-1), upper=False).squeeze(-1)
        return 0.5 * z.square().sum(-1) + diagonal.log().sum(-1) + 0.5 * self.width * math.log(2 * math.pi)


def gaussian_process(prediction, x, target):
    """Negative log marginal likelihood; prediction: log length, log amplitude, log noise."""
    length, amplitude, noise = torch.exp(prediction)
    squared = (x.unsqueeze(0) - x.unsqueeze(1)).square()
    kernel = amplitude.square() * torch.exp(-0.5 * squared / length.square())
    kernel = kernel + (noise.square() + 1e-4) * torch.eye(x.shape[0], dtype=x.dtype)
    factor = torch.linalg.cholesky(kernel)
    alpha = torch.cholesky_solve(target.unsqueeze(-1), factor).squeeze(-1)
    return (0.5 * target @ alpha + factor.diagonal().log().sum()) / x.shape[0]


class Frechet(nn.Module):
    """Fréchet distance of Gaussians fitted to two samples: matrix roots by eigh."""

    def root(self, matrix):
        values, vectors = torch.linalg.eigh(matrix)
        return vectors @ torch.diag(values.clamp(min=1e-6).sqrt()) @ vectors.T

    def moments(self, x):
        centered = x - x.mean(0)
        width = x.shape[1]
        return x.mean(0), centered.T @ centered / (x.shape[0] - 1) + 1e-3 * torch.diag(torch.arange(1.0, width + 1))

    def forward(self, x, y):
        mx, cx = self.moments(x)
        my, cy = self.moments(y)
        root = self.root(cx)
        middle = torch.linalg.eigvalsh(root @ cy @ root).clamp(min=1e-9).sqrt()
        return (mx - my).square().sum() + torch.trace(cx) + torch.trace(cy) - 2 * middle.sum()


def coral(source, target):
    """Domain adaptation: the distance of covariances."""
    d = source.shape[1]

    def covariance(x):
        n = x.shape[0]
        sums = torch.ones(1, n) @ x
        return (x.t() @ x - (sums.t() @ sums) / n) / (n - 1)

    return (covariance(source) - covariance(target)).pow(2).sum() / (4 * d * d)


def crps_gaussian(prediction, target):
    mean, sigma = prediction[:, 0], F.softplus(prediction[:, 1]) + 1e-3
    z = (target - mean) / sigma
    pdf = torch.exp(-0.5 * z**2) / math.sqrt(2 * math.pi)
    cdf = 0.5 * (1 + torch.erf(z / math.sqrt(2)))
    return sigma * (z * (2 * cdf - 1) + 2 * pdf - 1 / math.sqrt(math.pi))


def crps_ensemble(prediction, target):
    error = (prediction - target.unsqueeze(-1)).abs().mean(-1)
    spread = (prediction.unsqueeze(-1) - prediction.unsqueeze(-2)).abs().mean((-2, -1))
    return (error - 0.5 * spread).mean()


class MixtureDensity(nn.Module):
    def __init__(self, components=3):
        super().__init__()
        self.components = components

    def forward(self, prediction, target):
        logits, mean, log_sigma = torch.split(prediction, self.components, dim=1)
        z = (target.unsqueeze(1) - mean) * torch.exp(-log_sigma)
        log_p = -0.5 * z.square() - log_sigma - 0.5 * math.log(2 * math.pi)
        return -torch.logsumexp(F.log_softmax(logits, 1) + log_p, dim=1).mean()


class QuantileHuber(nn.Module):
    """Quantile regression of returns: every pair of predicted and target quantiles."""

    def __init__(self, quantiles=4, kappa=1.0):
        super().__init__()
        self.register_buffer("tau", (torch.arange(quantiles) + 0.5) / quantiles)
        self.kappa = kappa

    def forward(self, prediction, target):
        delta = target.unsqueeze(1) - prediction.unsqueeze(2)
        huber = torch.where(delta.abs() <= self.kappa, 0.5 * delta.pow(2), self.kappa * (delta.abs() - 0.5 * self.kappa))
        weight = torch.abs(self.tau.view(1, -1, 1) - (delta.detach() < 0).float())
        return (weight * huber / self.kappa).mean(dim=2).sum(dim=1).mean()


class CategoricalProjection(nn.Module):
    """A shifted distribution projected on fixed atoms (floor, ceil, scatter), then cross-entropy."""

    def __init__(self, atoms=6, low=-2.0, high=2.0, discount=0.9):
        super().__init__()
        self.register_buffer("support", torch.linspace(low, high, atoms))
        self.low, self.high, self.discount = low, high, discount
        self.delta = (high - low) / (atoms - 1)

    def forward(self, prediction, following, reward):
        with torch.no_grad():
            tz = (reward.unsqueeze(1) + self.discount * self.support).clamp(self.low, self.high)
            b = (tz - self.low) / self.delta
            below, above = b.floor().long(), b.ceil().long()
            share = (above == below).float()
            mass = torch.zeros_like(following)
            mass.scatter_add_(1, below, following * (above - b + share))
            mass.scatter_add_(1, above, following * (b - below))
        return -(mass * prediction.log_softmax(1)).sum(1).mean()


class LinearFlow(nn.Module):
    """A normalizing flow of one invertible matrix and a planar layer: slogdet and a log-derivative."""

    def __init__(self, width=3):
        super().__init__()
        self.matrix = nn.Parameter(torch.eye(width) + 0.1 * torch.ones(width, width).triu(1))
        self.u = nn.Parameter(torch.full((width,), 0.3))
        self.w = nn.Parameter(torch.linspace(-0.5, 0.5, width))

    def forward(self, x):
        z = x @ self.matrix.T
        _, log_det = torch.linalg.slogdet(self.matrix)
        h = torch.tanh(z @ self.w)
        z = z + torch.outer(h, self.u)
        planar = torch.log(torch.abs(1 + (1 - h.square()) * torch.dot(self.u, self.w)) + 1e-6)
        return (0.5 * z.square().sum(1) - log_det - planar).mean()


class SlicedWasserstein(nn.Module):
    def __init__(self, width=3, slices=5):
        super().__init__()
        angles = torch.cos(torch.arange(width * slices).float()).view(width, slices)
        self.register_buffer("directions", F.normalize(angles, dim=0))

    def forward(self, x, y):
        a, _ = torch.sort(torch.matmul(x, self.directions), 0)
        b, _ = torch.sort(torch.matmul(y, self.directions), 0)
        return (a - b).pow(2).mean().sqrt()


def gan_hinge(real, fake):
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


def relativistic_gan(real, fake):
    return F.binary_cross_entropy_with_logits(real - fake.mean(0, keepdim=True), torch.ones_like(real)) + F.softplus(
        fake - real.mean(0, keepdim=True)
    ).mean()


class ScoreMatching(nn.Module):
    """Denoising score matching and a diffusion step with a cosine schedule: epsilon weighted by its SNR."""

    def forward(self, prediction, x, noise, t):
        alpha = torch.cos(t * math.pi / 2).pow(2).clamp(0.05, 0.95)[:, None]
        noisy = alpha.sqrt() * x + (1 - alpha).sqrt() * noise
        score = (noisy - prediction) * torch.rsqrt(1 - alpha)
        weight = torch.minimum(alpha / (1 - alpha), torch.full_like(alpha, 5.0))
        return (weight * (score - noise).square()).mean(dim=tuple(range(1, x.ndim)))


def von_mises(prediction, target):
    """Directional: concentration by softplus, the normalizer by a Bessel function."""
    mean, raw = prediction.unbind(-1)
    kappa = F.softplus(raw) + 1e-3
    return (torch.log(torch.special.i0e(kappa)) + kappa - kappa * torch.cos(target - mean)).mean()


def normal_with_prior(prediction, target):
    """By torch.distributions: a likelihood and a KL divergence to a prior."""
    likelihood = Normal(prediction[:, 0], F.softplus(prediction[:, 1]) + 1e-2, validate_args=False)
    prior = Normal(torch.zeros_like(target), torch.ones_like(target), validate_args=False)
    return (-likelihood.log_prob(target) + 0.1 * kl_divergence(likelihood, prior)).mean()


def beta_regression(prediction, target):
    a, b = F.softplus(prediction).add(0.1).unbind(1)
    return -Beta(a, b, validate_args=False).log_prob(target.clamp(0.01, 0.99)).mean()


def policy_gradient(prediction, action, advantage):
    """REINFORCE with an entropy bonus."""
    policy = Categorical(logits=prediction, validate_args=False)
    return -(policy.log_prob(action) * advantage).mean() - 0.01 * policy.entropy().mean()


def negative_binomial(prediction, target):
    """Zero-inflated counts, as single-cell models use them."""
    mean, theta = F.softplus(prediction[:, 0]) + 1e-4, F.softplus(prediction[:, 1]) + 1e-4
    gate = prediction[:, 2]
    log_theta = torch.log(theta) - torch.log(theta + mean)
    zero = F.softplus(theta * log_theta - gate) - F.softplus(-gate)
    count = (
        -F.softplus(-gate)
        - gate
        + theta * log_theta
        + target * (torch.log(mean) - torch.log(theta + mean))
        + torch.lgamma(target + theta)
        - torch.lgamma(theta)
        - torch.lgamma(target + 1)
    )
    return -torch.where(target < 0.5, zero, count).mean()


def probit(prediction, target):
    """Binary probit by the normal's logarithmic distribution function."""
    return -torch.special.log_ndtr(prediction * target).mean()


S = ("float", [6, 3])
SAMPLES = {"x": S, "y": S}
ENTRIES = [
    ("wasserstein_1d", wasserstein_1d, {}, {"prediction": ("float", [3, 6]), "target": ("float", [3, 6])}),
    ("earth_mover", earth_mover, {}, {"prediction": ("float", [4, 5]), "target": ("simplex", [4, 5])}),
    ("energy_distance", energy_distance, {}, {"prediction": S, "target": S}),
    ("mmd", MMD, {}, SAMPLES),
    ("sinkhorn", Sinkhorn, {}, SAMPLES),
    ("gaussian_kl", gaussian_kl, {}, {"mean": S, "log_var": S}, {"trained": ["mean", "log_var"]}),
    ("full_gaussian", FullGaussian, {}, {"prediction": ("float", [6, 9]), "target": S}),
    (
        "gaussian_process",
        gaussian_process,
        {},
        {"prediction": ("float", [3]), "x": ("float", [6]), "target": ("float", [6])},
        {"lr": 0.02, "open": ["x", "target"]},
    ),
    ("frechet", Frechet, {}, SAMPLES),
    ("coral", coral, {}, {"source": S, "target": S}),
    ("crps_gaussian", crps_gaussian, {}, {"prediction": ("float", [6, 2]), "target": ("float", [6])}),
    ("crps_ensemble", crps_ensemble, {}, {"prediction": ("float", [6, 4]), "target": ("float", [6])}),
    ("mixture_density", MixtureDensity, {}, {"prediction": ("float", [6, 9]), "target": ("float", [6])}),
    ("quantile_huber", QuantileHuber, {}, {"prediction": ("float", [6, 4]), "target": ("float", [6, 4])}),
    (
        "categorical_projection",
        CategoricalProjection,
        {},
        {"prediction": ("float", [4, 6]), "following": ("simplex", [4, 6]), "reward": ("float", [4])},
    ),
    ("linear_flow", LinearFlow, {}, {"x": S}),
    ("sliced_wasserstein", SlicedWasserstein, {}, SAMPLES),
    ("gan_hinge", gan_hinge, {}, {"real": ("float", [6, 1]), "fake": ("float", [6, 1])}, {"trained": ["real", "fake"]}),
    ("relativistic_gan", relativistic_gan, {}, {"real": ("float", [6, 1]), "fake": ("float", [6, 1])}),
    ("score_matching", ScoreMatching, {}, {"prediction": S, "x": S, "noise": S, "t": ("prob", [6])}),
    ("von_mises", von_mises, {}, {"prediction": ("float", [6, 2]), "target": ("float", [6])}),
    ("normal_with_prior", normal_with_prior, {}, {"prediction": ("float", [6, 2]), "target": ("float", [6])}),
    ("beta_regression", beta_regression, {}, {"prediction": ("float", [6, 2]), "target": ("prob", [6])}),
    (
        "policy_gradient",
        policy_gradient,
        {},
        {"prediction": ("float", [6, 3]), "action": ("int", [6], 3), "advantage": ("float", [6])},
    ),
    ("negative_binomial", negative_binomial, {}, {"prediction": ("float", [6, 3]), "target": ("count", [6], 4)}),
    ("probit", probit, {}, {"prediction": ("float", [6]), "target": ("sign", [6])}),
]
