"""The problems that trajectories of optimizers are taken on."""

import torch


def tensor(values):
    return torch.tensor(values, dtype=torch.float64)


def quadratic(w):
    """Condition number 300, a matrix of parameters."""
    curvature = tensor([[1.0, 3.0, 10.0], [30.0, 100.0, 300.0]])
    minimizer = tensor([[0.5, -0.5, 1.0], [-1.0, 0.25, 0.0]])
    return 0.5 * (curvature * (w - minimizer) ** 2).sum()


def rosenbrock(p):
    return (1 - p[0]) ** 2 + 100 * (p[1] - p[0] ** 2) ** 2


def logistic(w, b):
    """Logistic regression on eight points that no line separates."""
    x = tensor([[-2.0, 1.0], [-1.5, -0.5], [-1.0, 2.0], [-0.5, 0.5], [0.5, -1.0], [1.0, 1.5], [1.5, -2.0], [2.0, 0.0]])
    y = tensor([0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 1.0])
    return torch.nn.functional.binary_cross_entropy_with_logits(x @ w + b, y)


def network(w, b, v):
    """Five points through three hidden units: a matrix and two vectors."""
    x = tensor([[-1.0, 0.5], [0.5, 1.0], [1.0, -1.0], [-0.5, -1.0], [2.0, 0.5]])
    y = tensor([0.5, -1.0, 0.25, 1.0, -0.5])
    return ((torch.tanh(x @ w.T + b) @ v - y) ** 2).mean()


def separable(w, b):
    """Every parameter by itself, so that the Hessian is diagonal: a matrix and a vector."""
    p = torch.cat([w.reshape(-1), b])
    return (torch.arange(1.0, 8.0) * (0.5 * (p - 1) ** 2 + 0.25 * p**4)).sum()


def convolution(w, b):
    """Three kernels of 2 × 1 over an image of two channels and 3 × 2 pixels: a tensor of four dimensions and a vector."""
    x = torch.tensor([(7 * k % 11 - 5) / 4 for k in range(12)]).reshape(1, 2, 3, 2)
    y = torch.tensor([(5 * k % 7 - 3) / 4 for k in range(12)]).reshape(1, 3, 2, 2)
    return ((torch.tanh(torch.nn.functional.conv2d(x, w, b)) - y) ** 2).mean()


KERNELS = [[[[-0.375], [0.0]], [[0.375], [-0.125]]], [[[0.25], [-0.25]], [[0.125], [-0.375]]], [[[0.0], [0.375]], [[-0.125], [0.25]]]]

# Name: the function, and where it starts.
PROBLEMS = {
    "quadratic": (quadratic, [[[1.0, -1.0, 2.0], [-2.0, 0.5, 3.0]]]),
    "rosenbrock": (rosenbrock, [[-1.2, 1.0]]),
    "logistic": (logistic, [[0.3, -0.2], 0.1]),
    "separable": (separable, [[[2.0, -1.0], [0.5, 1.5]], [-2.0, 0.1, 3.0]]),
    "network": (network, [[[0.5, -0.3], [0.2, 0.8], [-0.6, 0.1]], [0.1, -0.2, 0.3], [0.7, -0.5, 0.4]]),
    "convolution": (convolution, [KERNELS, [0.1, -0.2, 0.0]]),
}
