"""A physics-informed net: it learns how a damped spring moves from the equation, without any measurement."""

import torch
from torch import nn


class Spring(nn.Module):
    def __init__(self, width=16, stiffness=4.0, friction=0.4):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(1, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 1))
        self.stiffness, self.friction = stiffness, friction

    def u(self, t):
        return self.net(t.unsqueeze(1) / 3 - 1).squeeze(1)

    def forward(self, t, solution):
        # u″ + friction·u′ + stiffness·u = 0
        t = t.clone().requires_grad_()
        u = self.u(t)
        (u_t,) = torch.autograd.grad(u.sum(), t, create_graph=True)
        (u_tt,) = torch.autograd.grad(u_t.sum(), t, create_graph=True)
        equation = (u_tt + self.friction * u_t + self.stiffness * u).square().mean()

        # u(0) = 1 and u′(0) = 0
        start = torch.zeros(1).requires_grad_()
        u_0 = self.u(start)
        (u_t0,) = torch.autograd.grad(u_0.sum(), start, create_graph=True)
        start = (u_0 - 1).square().mean() + u_t0.square().mean()

        error = (u - solution).square().mean().sqrt()
        return {"loss": equation + 10 * start, "terms": {"equation": equation, "start": 10 * start}, "error": error}
