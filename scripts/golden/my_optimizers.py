"""Optimizers as people write them, for `optimizer_programs.py`, which exports them."""

import torch


class Adam:
    def init(self, parameter):
        return torch.zeros_like(parameter), torch.zeros_like(parameter)

    def update(self, parameter, gradient, first, second, lr, step, beta1=0.9, beta2=0.999, eps=1e-8):
        first = beta1 * first + (1 - beta1) * gradient
        second = beta2 * second + (1 - beta2) * gradient**2
        first_hat, second_hat = first / (1 - beta1**step), second / (1 - beta2**step)
        return parameter - lr * first_hat / (second_hat.sqrt() + eps), first, second


class Lion:
    """Without an init: the state starts from zeros."""

    def update(self, parameter, gradient, mean, lr, beta1=0.9, beta2=0.99, weight_decay=0.0):
        direction = torch.sign(torch.lerp(gradient, mean, beta1))
        return parameter - lr * (direction + weight_decay * parameter), torch.lerp(gradient, mean, beta2)


class Muon:
    """Momentum whose singular values are made alike by Newton and Schulz's iteration, a matrix at a time."""

    def __init__(self, iterations=5):
        self.iterations = iterations

    def update(self, parameter, gradient, buffer, lr, step, momentum=0.95):
        buffer = momentum * buffer + gradient
        x = (gradient + momentum * buffer).mT
        x = x / (x.norm() + 1e-7)
        for _ in range(self.iterations):
            a = x @ x.mT
            x = 3.4445 * x + (-4.775 * a + 2.0315 * a @ a) @ x
        return parameter - lr * x.mT, buffer


class Shampoo:
    """The gradient of all parameters by the inverse root of its averaged products with itself."""

    def init(self, parameter):
        return (torch.eye(parameter.numel(), dtype=parameter.dtype),)

    def update(self, parameter, gradient, total, lr, decay=0.9, eps=1e-3):
        total = decay * total + (1 - decay) * torch.outer(gradient, gradient)
        values, vectors = torch.linalg.eigh(total)
        root = vectors @ torch.diag((values.clamp(min=0) + eps).rsqrt()) @ vectors.mT
        return parameter - lr * root @ gradient, total


class Plain:
    """Without a state and without options."""

    def update(self, parameter, gradient, lr):
        return parameter - lr * gradient


class Noisy:
    def update(self, parameter, gradient, lr, scale=0.1):
        return parameter - lr * (gradient + scale * torch.randn_like(gradient))


class Reduced:
    """Returns a number where the parameter should be."""

    def update(self, parameter, gradient, lr):
        return (parameter - lr * gradient).mean()
