"""Losses of physics, geometry, and linear algebra, in the style of public code. ENTRIES as in regression.py."""

import math

import torch
import torch.nn.functional as F
from torch import nn


class HeatResidual(nn.Module):
    """Residual of the heat equation on a grid u[n, t, x], by finite differences, with an initial condition."""

    def __init__(self, dt=0.1, dx=0.5, diffusivity=0.3):
        super().__init__()
        self.dt, self.dx, self.diffusivity = dt, dx, diffusivity

    def forward(self, u, initial):
        u_t = (u[:, 1:, 1:-1] - u[:, :-1, 1:-1]) / self.dt
        u_xx = (u[:, :-1, 2:] - 2 * u[:, :-1, 1:-1] + u[:, :-1, :-2]) / self.dx**2
        residual = (u_t - self.diffusivity * u_xx).square().mean()
        start = F.mse_loss(u[:, 0], initial)
        walls = u[:, :, 0].square().mean() + u[:, :, -1].square().mean()
        return {"loss": 0.01 * residual + start + walls, "terms": {"residual": residual, "initial": start, "walls": walls}}


class PoissonPeriodic(nn.Module):
    """−Δu = f on a torus, by a convolution with circular padding."""

    def __init__(self):
        super().__init__()
        self.register_buffer("stencil", torch.tensor([[[[0.0, 1, 0], [1, -4, 1], [0, 1, 0]]]]))

    def forward(self, u, f):
        laplacian = F.conv2d(F.pad(u, (1, 1, 1, 1), mode="circular"), self.stencil)
        return 0.1 * (laplacian + f).square().mean((1, 2, 3)) + u.mean((1, 2, 3)).square()


class SpectralDerivative(nn.Module):
    """A KdV-like residual with derivatives by FFT."""

    def forward(self, u, target):
        n = u.shape[-1]
        k = 2 * math.pi * torch.fft.rfftfreq(n, 1.0 / n)
        hat = torch.fft.rfft(u)
        u_x = torch.fft.irfft(1j * 0.1 * k * hat, n=n)
        u_xxx = torch.fft.irfft((1j * 0.1 * k) ** 3 * hat, n=n)
        return (u - target + 0.1 * (6 * u * u_x + u_xxx)).square().mean()


class DivergenceFree(nn.Module):
    """Velocity fit with a divergence penalty (rolled central differences) and vorticity."""

    def forward(self, velocity, target):
        u, v = velocity[:, 0], velocity[:, 1]
        div = (torch.roll(u, -1, dims=2) - u.roll(1, 2) + torch.roll(v, -1, dims=1) - v.roll(1, 1)) / 2
        curl = (torch.roll(v, -1, 2) - v.roll(1, 2) - torch.roll(u, -1, 1) + u.roll(1, 1)) / 2
        return F.mse_loss(velocity, target) + 0.5 * div.pow(2).mean() + 0.01 * curl.pow(2).mean()


class NeoHookean(nn.Module):
    """Stored energy of deformation gradients: determinants and invariants."""

    def forward(self, displacement_gradient, stress):
        eye = torch.eye(3, dtype=displacement_gradient.dtype)
        f = eye + 0.1 * displacement_gradient
        j = torch.linalg.det(f).clamp(min=1e-3)
        i1 = torch.einsum("nij,nij->n", f, f)
        energy = 0.5 * (i1 - 3) - j.log() + 0.5 * j.log().square()
        transposed_inverse = torch.inverse(f).transpose(-1, -2)
        piola = f - transposed_inverse + j.log()[:, None, None] * transposed_inverse
        return energy + 0.1 * (piola - stress).square().sum((-2, -1))


class RayleighQuotient(nn.Module):
    """The ground state of a Hamiltonian on a grid, with a norm penalty."""

    def __init__(self, points=6):
        super().__init__()
        x = torch.linspace(-2, 2, points)
        kinetic = torch.diag(torch.full((points,), 2.0)) - torch.diag(torch.ones(points - 1), 1)
        kinetic = kinetic - torch.diag(torch.ones(points - 1), -1)
        self.register_buffer("hamiltonian", kinetic + torch.diag(0.5 * x.square()))

    def forward(self, state, bias):
        psi = state + bias
        norm = torch.einsum("ni,ni->n", psi, psi)
        energy = torch.einsum("ni,ij,nj->n", psi, self.hamiltonian, psi) / norm
        return energy.mean() + 0.1 * (norm - 1).square().mean()


class NuclearNorm(nn.Module):
    """Matrix completion: observed entries, low rank by singular values."""

    def forward(self, prediction, target, observed):
        data = torch.where(observed, prediction - target, torch.zeros_like(prediction)).square().sum((-2, -1))
        return data + 0.1 * torch.linalg.svdvals(prediction).sum(-1)


class OrthogonalRegularizer(nn.Module):
    """Spectral norm, orthogonality, condition number; weights of a layer."""

    def forward(self, weight, target):
        gram = weight @ weight.T
        orthogonal = torch.linalg.matrix_norm(gram - torch.eye(weight.shape[0]), ord="fro")
        spectral = torch.linalg.matrix_norm(weight, ord=2)
        return orthogonal + 0.1 * spectral + F.mse_loss(weight, target)


class ImplicitLayer(nn.Module):
    """The solution of a linear system that the prediction parametrizes, compared with a target."""

    def forward(self, prediction, right, target):
        n = prediction.shape[-1]
        a = 0.2 * prediction + 2 * torch.eye(n, dtype=prediction.dtype)
        x = torch.linalg.solve(a, right)
        return F.mse_loss(x, target) + 0.01 * torch.linalg.matrix_exp(0.1 * prediction).diagonal(dim1=-2, dim2=-1).sum(-1).mean()


class OdeTrapezoid(nn.Module):
    """An integral equation by the trapezoid rule, discounted by a cumulative product."""

    def forward(self, rate, target):
        dt = 0.1
        growth = torch.cumprod(1 + dt * torch.tanh(rate), dim=1)
        area = torch.cumulative_trapezoid(growth, dx=dt, dim=1)
        return (area - target[:, 1:]).square().mean() + 0.1 * torch.trapezoid(growth, dx=dt).sub(1).square().mean()


class LennardJones(nn.Module):
    """Energies of point clouds by pair distances below the diagonal."""

    def forward(self, positions, energy):
        n = positions.shape[1]
        i, j = torch.tril_indices(n, n, -1)
        r2 = (3 * (positions[:, i] - positions[:, j])).square().sum(-1) + 0.8
        inverse6 = r2.reciprocal().pow(3)
        total = (4 * (inverse6.square() - inverse6)).sum(-1)
        return F.smooth_l1_loss(total, energy)


class RotationGeodesic(nn.Module):
    """Six-number rotations by Gram-Schmidt, compared by the angle between."""

    def rotation(self, raw):
        x = F.normalize(raw[:, :3], dim=-1)
        z = F.normalize(torch.cross(x, raw[:, 3:], dim=-1), dim=-1)
        y = torch.linalg.cross(z, x)
        return torch.stack((x, y, z), dim=-1)

    def forward(self, prediction, target):
        relative = torch.bmm(self.rotation(prediction), self.rotation(target).transpose(1, 2))
        cosine = (relative.diagonal(dim1=1, dim2=2).sum(-1) - 1) / 2
        return torch.acos(cosine.clamp(-1 + 1e-6, 1 - 1e-6))


class Kabsch(nn.Module):
    """Root mean square deviation after the best rotation, by SVD."""

    def forward(self, prediction, target):
        p = prediction - prediction.mean(1, keepdim=True)
        t = target - target.mean(1, keepdim=True)
        with torch.no_grad():
            u, _, vh = torch.linalg.svd(p.transpose(1, 2) @ t)
            sign = torch.sign(torch.det(u @ vh))
            scale = torch.stack((torch.ones_like(sign), torch.ones_like(sign), sign), dim=-1)
            rotation = u @ torch.diag_embed(scale) @ vh
        return ((p @ rotation - t).square().sum(-1).mean(-1) + 1e-8).sqrt().mean()


class GraphSmoothness(nn.Module):
    """Differences over the edges of a graph, summed at nodes by index_add and scatter_reduce."""

    def forward(self, values, target, source, sink):
        difference = values[source] - values[sink]
        at_nodes = torch.zeros_like(values).index_add(0, sink, difference.square())
        largest = torch.zeros_like(values).scatter_reduce(
            0, sink.unsqueeze(-1).expand_as(difference), difference.abs(), reduce="amax", include_self=True
        )
        return F.mse_loss(values, target) + 0.1 * at_nodes.mean() + 0.05 * largest.mean()


class SymplecticStep(nn.Module):
    """Conservation of energy over leapfrog steps of a pendulum, from predicted states [n, 2]."""

    def forward(self, state, energy):
        q, p = torch.chunk(state, 2, dim=-1)
        for _ in range(3):
            p = p - 0.05 * torch.sin(q)
            q = q + 0.1 * p
            p = p - 0.05 * torch.sin(q)
        hamiltonian = (0.5 * p**2 - torch.cos(q)).squeeze(-1)
        return torch.addcmul(torch.zeros_like(energy), hamiltonian - energy, hamiltonian - energy)


class Eikonal(nn.Module):
    """A signed distance's gradient has norm 1: torch.gradient on a grid, with an IGR-like far-field term."""

    def forward(self, field, inside):
        gx, gy = torch.gradient(field, spacing=0.5, dim=(1, 2))
        norm = torch.sqrt(gx.square() + gy.square() + 1e-8)
        sign = torch.where(inside, -1.0, 1.0)
        return (norm - 1).abs().mean() + F.softplus(-5 * field * sign).mean() / 5


class QuantumFidelity(nn.Module):
    """Complex amplitudes: overlap with a state after a unitary."""

    def __init__(self, width=4):
        super().__init__()
        k = torch.arange(width).float()
        self.register_buffer("unitary", torch.exp(2j * math.pi * torch.outer(k, k) / width) / math.sqrt(width))

    def forward(self, prediction, target):
        state = torch.view_as_complex(prediction)
        state = state / torch.linalg.vector_norm(state, dim=-1, keepdim=True)
        goal = torch.view_as_complex(target)
        goal = goal / torch.linalg.vector_norm(goal, dim=-1, keepdim=True)
        overlap = torch.sum(torch.conj(goal) * (state @ self.unitary), dim=-1)
        return 1 - (overlap.real.square() + overlap.imag.square()).mean()


GRID = ("float", [2, 6, 6])
POINTS = ("float", [2, 5, 3])
ENTRIES = [
    ("heat_residual", HeatResidual, {}, {"u": ("float", [2, 4, 6]), "initial": ("float", [2, 6])}),
    ("poisson_periodic", PoissonPeriodic, {}, {"u": ("float", [2, 1, 5, 5]), "f": ("float", [2, 1, 5, 5])}),
    ("spectral_derivative", SpectralDerivative, {}, {"u": ("float", [2, 8]), "target": ("float", [2, 8])}),
    ("divergence_free", DivergenceFree, {}, {"velocity": ("float", [2, 2, 5, 5]), "target": ("float", [2, 2, 5, 5])}),
    ("neo_hookean", NeoHookean, {}, {"displacement_gradient": ("float", [4, 3, 3]), "stress": ("float", [4, 3, 3])}),
    ("rayleigh", RayleighQuotient, {}, {"state": ("float", [3, 6]), "bias": ("prob", [3, 6])}, {"static": True}),
    ("nuclear_norm", NuclearNorm, {}, {"prediction": ("float", [2, 4, 3]), "target": ("float", [2, 4, 3]), "observed": ("mask", [2, 4, 3])}),
    ("orthogonal", OrthogonalRegularizer, {}, {"weight": ("float", [3, 4]), "target": ("float", [3, 4])}, {"static": True}),
    ("implicit_layer", ImplicitLayer, {}, {"prediction": ("float", [2, 3, 3]), "right": ("float", [2, 3, 2]), "target": ("float", [2, 3, 2])}),
    ("ode_trapezoid", OdeTrapezoid, {}, {"rate": ("float", [3, 6]), "target": ("float", [3, 6])}),
    ("lennard_jones", LennardJones, {}, {"positions": POINTS, "energy": ("float", [2])}, {"lr": 0.005}),
    ("rotation_geodesic", RotationGeodesic, {}, {"prediction": ("float", [4, 6]), "target": ("float", [4, 6])}),
    ("kabsch", Kabsch, {}, {"prediction": POINTS, "target": POINTS}),
    (
        "graph_smoothness",
        GraphSmoothness,
        {},
        {"values": ("float", [6, 2]), "target": ("float", [6, 2]), "source": ("int", [9], 6), "sink": ("int", [9], 6)},
    ),
    ("symplectic", SymplecticStep, {}, {"state": ("float", [6, 2]), "energy": ("float", [6])}),
    ("eikonal", Eikonal, {}, {"field": GRID, "inside": ("mask", [2, 6, 6])}, {"static": True}),
    ("quantum_fidelity", QuantumFidelity, {}, {"prediction": ("float", [3, 4, 2]), "target": ("float", [3, 4, 2])}),
]
