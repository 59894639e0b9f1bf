"""Optimizers in the style of public ones, one parameter tensor at a time.

    init(parameter) -> tuple of state tensors
    update(parameter, gradient, *state, lr, step, option=default, ...) -> (parameter, *state)

`lr`, `step` (from 1), and the options are tensors of no dimension; an option's default is its value in the example.
What changes the graph (a switch, a count of iterations) is an option of the constructor.

ENTRIES: (name, class, options, inputs[, settings]): least squares |a w − b|² / rows, from w. `settings`: `lr`, and
`options` of the update that aren't the default.
"""

import torch


class SGDMomentum:
    def __init__(self, nesterov=False):
        self.nesterov = nesterov

    def init(self, parameter):
        return (torch.zeros_like(parameter),)

    def update(self, parameter, gradient, buffer, lr, step, momentum=0.9, weight_decay=1e-3):
        gradient = gradient + weight_decay * parameter
        buffer = momentum * buffer + gradient
        direction = gradient + momentum * buffer if self.nesterov else buffer
        return parameter - lr * direction, buffer


class Adam:
    def init(self, parameter):
        return torch.zeros_like(parameter), torch.zeros_like(parameter)

    def update(self, parameter, gradient, m, v, lr, step, beta1=0.9, beta2=0.999, eps=1e-8):
        m = beta1 * m + (1 - beta1) * gradient
        v = beta2 * v + (1 - beta2) * gradient * gradient
        m_hat = m / (1 - beta1**step)
        v_hat = v / (1 - beta2**step)
        return parameter - lr * m_hat / (v_hat.sqrt() + eps), m, v


class AMSGradW:
    """Adam with the largest second moment so far and decoupled weight decay, by fused calls."""

    def init(self, parameter):
        return torch.zeros_like(parameter), torch.zeros_like(parameter), torch.zeros_like(parameter)

    def update(self, parameter, gradient, m, v, largest, lr, step, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.01):
        m = torch.lerp(m, gradient, 1 - beta1)
        v = torch.lerp(v, gradient.square(), 1 - beta2)
        largest = torch.maximum(largest, v)
        scale = torch.sqrt(1 - torch.pow(beta2, step)) / (1 - torch.pow(beta1, step))
        parameter = parameter.mul(1 - lr * weight_decay)
        return torch.addcdiv(parameter, -lr * scale * m, largest.sqrt().add(eps)), m, v, largest


class Lion:
    def init(self, parameter):
        return (torch.zeros_like(parameter),)

    def update(self, parameter, gradient, m, lr, step, beta1=0.9, beta2=0.99, weight_decay=0.0):
        direction = torch.sign(beta1 * m + (1 - beta1) * gradient)
        return parameter - lr * (direction + weight_decay * parameter), torch.lerp(gradient, m, beta2)


class CenteredRMSprop:
    def init(self, parameter):
        return torch.zeros_like(parameter), torch.zeros_like(parameter), torch.zeros_like(parameter)

    def update(self, parameter, gradient, square, mean, buffer, lr, step, alpha=0.95, eps=1e-6, momentum=0.5):
        square = alpha * square + (1 - alpha) * gradient.square()
        mean = alpha * mean + (1 - alpha) * gradient
        deviation = torch.addcmul(square, mean, mean, value=-1).clamp(min=0).add(eps).sqrt()
        buffer = momentum * buffer + gradient / deviation
        return parameter - lr * buffer, square, mean, buffer


class Adan:
    """Moments of the gradient and of its change, with a decoupled decay."""

    def init(self, parameter):
        return tuple(torch.zeros_like(parameter) for _ in range(4))

    def update(
        self, parameter, gradient, m, v, n, previous, lr, step, beta1=0.98, beta2=0.92, beta3=0.99, eps=1e-8, weight_decay=0.02
    ):
        change = torch.where(step > 1, gradient - previous, torch.zeros_like(gradient))
        m = torch.lerp(m, gradient, 1 - beta1)
        v = torch.lerp(v, change, 1 - beta2)
        mixed = gradient + beta2 * change
        n = beta3 * n + (1 - beta3) * mixed.pow(2)
        top = m / (1 - beta1**step) + beta2 * v / (1 - beta2**step)
        bottom = torch.sqrt(n / (1 - beta3**step)) + eps
        return (parameter - lr * top / bottom) / (1 + lr * weight_decay), m, v, n, gradient.clone()


class AdaBelief:
    """The variance of the gradient around its mean, rectified in the first steps."""

    def init(self, parameter):
        return torch.zeros_like(parameter), torch.zeros_like(parameter)

    def update(self, parameter, gradient, m, s, lr, step, beta1=0.9, beta2=0.999, eps=1e-12):
        m = beta1 * m + (1 - beta1) * gradient
        s = beta2 * s + (1 - beta2) * (gradient - m) ** 2 + eps
        m_hat = m / (1 - torch.pow(beta1, step))
        power = torch.pow(beta2, step)
        longest = 2 / (1 - beta2) - 1
        length = longest - 2 * step * power / (1 - power)
        ratio = (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
        adaptive = torch.sqrt(ratio.clamp(min=0)) * m_hat / (torch.sqrt(s / (1 - power)) + eps)
        return parameter - lr * torch.where(length > 5, adaptive, 0.1 * m_hat), m, s


class Muon:
    """Momentum made orthogonal by Newton and Schulz's iteration; a matrix at a time."""

    def __init__(self, iterations=4):
        self.iterations = iterations

    def init(self, parameter):
        return (torch.zeros_like(parameter),)

    def update(self, parameter, gradient, buffer, lr, step, momentum=0.9):
        buffer = momentum * buffer + gradient
        x = buffer / (buffer.norm() + 1e-7)
        tall = x.shape[0] > x.shape[1]
        x = x.mT if tall else x
        for _ in range(self.iterations):
            a = x @ x.mT
            x = 3.4445 * x + (-4.775 * a + 2.0315 * a @ a) @ x
        x = x.mT if tall else x
        return parameter - lr * x, buffer


class FactoredClipped:
    """Row and column statistics in place of a full second moment, with a clipped update; a matrix at a time."""

    def init(self, parameter):
        return torch.zeros_like(parameter[:, 0]), torch.zeros_like(parameter[0])

    def update(self, parameter, gradient, rows, columns, lr, step, decay=0.8, clip=1.0):
        beta = 1 - step ** (-decay)
        squared = gradient.square() + 1e-30
        rows = beta * rows + (1 - beta) * squared.mean(dim=1)
        columns = beta * columns + (1 - beta) * squared.mean(dim=0)
        update = gradient * torch.outer((rows / rows.mean()).rsqrt(), columns.rsqrt())
        rms = update.pow(2).mean().sqrt()
        return parameter - lr * update / torch.clamp(rms / clip, min=1.0), rows, columns


INPUTS = {"a": ("float", [12, 4]), "b": ("float", [12, 3]), "w": ("float", [4, 3])}
ENTRIES = [
    ("sgd_momentum", SGDMomentum, {}, INPUTS, {"lr": 0.02}),
    ("sgd_nesterov", SGDMomentum, {"nesterov": True}, INPUTS, {"lr": 0.02, "options": {"momentum": 0.8}}),
    ("adam", Adam, {}, INPUTS),
    ("amsgrad_w", AMSGradW, {}, INPUTS),
    ("lion", Lion, {}, INPUTS, {"lr": 0.03}),
    ("centered_rmsprop", CenteredRMSprop, {}, INPUTS, {"lr": 0.02}),
    ("adan", Adan, {}, INPUTS),
    ("adabelief", AdaBelief, {}, INPUTS),
    ("muon", Muon, {}, INPUTS),
    ("factored_clipped", FactoredClipped, {}, INPUTS),
]
