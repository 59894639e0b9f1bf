"""An optimizer to copy: Adam, with longer steps where the gradient agrees with its average.

    python scripts/export.py configs/programs/my_optimizer.py:update configs/programs/my_optimizer.pt2 --optimizer
"""

import torch


def init(parameter):
    """The state before the first step; zeros for every state without this function."""
    return torch.zeros_like(parameter), torch.zeros_like(parameter)


def update(parameter, gradient, first, second, lr, step, beta1=0.9, beta2=0.999, boost=0.5, eps=1e-8):
    first = beta1 * first + (1 - beta1) * gradient
    second = beta2 * second + (1 - beta2) * gradient**2
    first_hat, second_hat = first / (1 - beta1**step), second / (1 - beta2**step)
    agreement = torch.sign(first * gradient)  # 1 where both go the same way, else −1
    return parameter - lr * (1 + boost * agreement) * first_hat / (second_hat.sqrt() + eps), first, second
