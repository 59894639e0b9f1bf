"""Optimizers as people write them."""

import torch
from torch import nn  # noqa: F401


class MyAdam(torch.optim.Optimizer):
    """Groups, options and a state dict, as in the tutorials."""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, amsgrad=False):
        if lr < 0:
            raise ValueError(f"invalid learning rate {lr}")
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "amsgrad": amsgrad})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if not state:
                    state["step"], state["m"], state["v"] = 0, torch.zeros_like(p), torch.zeros_like(p)
                state["step"] += 1
                state["m"].mul_(beta1).add_(p.grad, alpha=1 - beta1)
                state["v"].mul_(beta2).addcmul_(p.grad, p.grad, value=1 - beta2)
                m = state["m"] / (1 - beta1 ** state["step"])
                v = state["v"] / (1 - beta2 ** state["step"])
                p.addcdiv_(m, v.sqrt().add_(group["eps"]), value=-group["lr"])


class Sam(torch.optim.Optimizer):
    """Sharpness-aware: it calls its closure at another place."""

    def __init__(self, params, lr=0.1, rho=0.05):
        super().__init__(params, {"lr": lr, "rho": rho})
        self.base = torch.optim.SGD(self.param_groups, lr=lr)
        self.param_groups = self.base.param_groups

    def step(self, closure=None):
        assert closure is not None, "SAM needs a closure"
        closure = torch.enable_grad()(closure)
        closure()
        with torch.no_grad():
            everything = [p for group in self.param_groups for p in group["params"]]
            norm = torch.stack([p.grad.norm() for p in everything]).norm() + 1e-12
            moves = [p.grad * (self.param_groups[0]["rho"] / norm) for p in everything]
            for p, move in zip(everything, moves):
                p.add_(move)
        closure()
        with torch.no_grad():
            for p, move in zip(everything, moves):
                p.sub_(move)
        self.base.step()


class NeedsClosure(torch.optim.Optimizer):
    """Halves its rate where the loss grew: the closure is needed."""

    def __init__(self, params, lr=0.1):
        super().__init__(params, {"lr": lr})
        self.before, self.factor = None, 1.0

    def step(self, closure):
        with torch.enable_grad():
            loss = closure().item()
        if self.before is not None and loss > self.before:
            self.factor *= 0.5
        self.before = loss
        with torch.no_grad():
            for group in self.param_groups:
                for p in group["params"]:
                    p.add_(p.grad, alpha=-group["lr"] * self.factor)
        return loss


def per_group(params, lr=0.01, decay=0.1):
    """A function that makes torch's own, with options of its own for a group."""
    params = list(params)
    groups = [{"params": params[:1], "weight_decay": decay}, {"params": params[1:], "lr": lr / 10}]
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=lr)


def update(parameter, gradient, momentum, lr, beta=0.9):
    """A rule with a branch, which can't be exported."""
    momentum = beta * momentum + gradient
    if momentum.norm() > 1.0:
        momentum = momentum / momentum.norm()
    return parameter - lr * momentum, momentum


class SignInNumpy(torch.optim.Optimizer):
    """Steps by numpy, and draws."""

    def __init__(self, params, lr=0.01):
        super().__init__(params, {"lr": lr})

    def step(self, closure=None):
        import numpy as np

        for group in self.param_groups:
            for p in group["params"]:
                p.data -= torch.from_numpy(np.sign(p.grad.numpy())) * group["lr"] * np.random.uniform(0.9, 1.1)
