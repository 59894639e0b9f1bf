"""Implementations that aren't ours, in one form: made of parameters and a rate, and stepped.

`make(parameters, rate)` returns a function `step(k, closure)`, which makes step k with the gradients that the
parameters hold, and a function that returns where the answer is (the parameters themselves, mostly).
"""

import functools
import math
import sys

import jax
import jax.numpy as jnp
import numpy as np
import scipy.optimize
import torch
from problems import Stream
from torch.optim.lbfgs import _strong_wolfe

jax.config.update("jax_enable_x64", True)


def call(name, options):
    shown = [f"{key}={getattr(value, '__name__', value)}" for key, value in options.items()]
    return f"{name}({', '.join(shown)})"


class Torch:
    """A class with the interface of torch.optim; `constant`, `rising` and `problems` say what it is compared on. With
    `matrices` it is given tensors of more dimensions as matrices, whose columns are all but the first."""

    def __init__(self, kind, *, closure=False, answer=None, named=None, clip=None, constant=False, problems=None,
                 tolerance=None, graph=False, matrices=False, rising=False, **options):
        self.matrices, self.rising = matrices, rising
        self.kind, self.options, self.closure, self.find, self.clip = kind, options, closure, answer, clip
        self.constant, self.problems, self.tolerance, self.graph = constant, problems, tolerance, graph
        package = kind.__module__.split(".")[0]
        self.label = call(named or f"{'torch.optim' if package == 'torch' else package}.{kind.__name__}", options)

    def make(self, parameters, rate):
        flat = lambda p: torch.nn.Parameter(p.detach().view(p.shape[0], -1)) if self.matrices and p.dim() > 2 else p
        given = [flat(p) for p in parameters]
        optimizer = self.kind(given, lr=rate(0), **self.options)

        if hasattr(optimizer, "train"):
            optimizer.train()

        def step(k, closure):
            for group in getattr(optimizer, "param_groups", []):
                group["lr"] = rate(k)
            if self.clip:
                self.clip(parameters)
            for p, of in zip(parameters, given):
                of.grad = p.grad.view_as(of)
            optimizer.step(closure) if self.closure else optimizer.step()

        return step, lambda: self.find(optimizer, parameters) if self.find else parameters


class Optax:
    """A transformation of optax; `build` takes a schedule, a function of the step. With `extra` it is given the
    loss too, and with `extra="search"` the function."""

    rising = False

    def __init__(self, label, build, *, start=None, extra=False, constant=False, problems=None,
                 tolerance=None):
        self.label, self.build, self.start, self.extra, self.graph = label, build, start, extra, False
        self.constant, self.problems, self.tolerance = constant, problems, tolerance

    def make(self, parameters, rate):
        transformation = self.build(lambda k: rate(k.astype(jnp.float64)))
        now = lambda: [jnp.asarray(p.detach().numpy().copy()) for p in parameters]
        state = transformation.init(now())
        state = self.start(state) if self.start else state
        searched = None

        def search(function):
            """An update whose line search calls the function out of the compiled loop."""
            loss = lambda points: np.float64(function(*(torch.from_numpy(np.array(x)) for x in points)))
            shape = jax.ShapeDtypeStruct((), jnp.float64)
            call = lambda points: jax.pure_callback(loss, shape, points)
            return jax.jit(lambda g, s, p, v: transformation.update(g, s, p, value=v, grad=g, value_fn=call))

        def step(k, closure):
            nonlocal state, searched
            gradients = [jnp.asarray(p.grad.numpy().copy()) for p in parameters]
            more = {"value": jnp.asarray(float(closure()))} if self.extra else {}
            if self.extra == "search":
                searched = searched or search(closure.function)
                updates, state = searched(gradients, state, now(), more["value"])
            else:
                updates, state = transformation.update(gradients, state, now(), **more)
            with torch.no_grad():
                for p, update in zip(parameters, updates):
                    p += torch.from_numpy(np.array(update))

        return step, lambda: parameters


class Scaled:
    """An optimizer at rates of lr/by."""

    def __init__(self, parameters, lr, *, of, by, **options):
        self.optimizer, self.by = of(parameters, lr=lr / by, **options), by
        self.param_groups = [{"lr": lr}]

    def step(self):
        self.optimizer.param_groups[0]["lr"] = self.param_groups[0]["lr"] / self.by
        self.optimizer.step()


class Split:
    """A torch.optim class for the matrices among the parameters, and AdamW for the rest."""

    def __init__(self, parameters, lr, *, of, adamw=None, adamw_lr=1.0, **options):
        matrices, others = ([p for p in parameters if (p.dim() == 2) == two] for two in (True, False))
        self.matrices = of(matrices, lr=lr, **options) if matrices else None
        self.others = torch.optim.AdamW(others, lr=lr, **(adamw or {})) if others else None
        self.param_groups, self.adamw_lr = [{"lr": lr}], adamw_lr

    def step(self):
        lr = self.param_groups[0]["lr"]
        for optimizer, share in ((self.matrices, 1.0), (self.others, self.adamw_lr)):
            if optimizer:
                optimizer.param_groups[0]["lr"] = lr * share
                optimizer.step()


class Searched(torch.optim.LBFGS):
    """L-BFGS, with options of its search."""

    def __init__(self, parameters, lr, *, max_ls, search, **options):
        # The first evaluation of a step isn't the search's.
        super().__init__(parameters, lr=lr, max_iter=1, max_eval=1 + max_ls, line_search_fn="strong_wolfe", **options)
        self.search = search

    def step(self, closure):
        module = sys.modules[torch.optim.LBFGS.__module__]
        module._strong_wolfe = functools.partial(_strong_wolfe, **self.search)
        super().step(closure)
        module._strong_wolfe = _strong_wolfe


class Recursion:
    """A paper's recursion in NumPy: `rule(k, lr, p, g, state, loss)` returns a tensor after step k = 1, 2, …"""

    graph, problems, rising = False, None, False

    def __init__(self, rule, *, constant=False, tolerance=None, **options):
        self.label, self.rule = call("the paper's recursion in NumPy", options), functools.partial(rule, **options)
        self.constant, self.tolerance = constant, tolerance

    def make(self, parameters, rate):
        states = [{} for _ in parameters]

        def step(k, closure):
            loss = float(closure())
            for p, state in zip(parameters, states):
                next = self.rule(k + 1, rate(k), p.detach().numpy().copy(), p.grad.numpy(), state, loss)
                p.data.copy_(torch.from_numpy(next))

        return step, lambda: parameters


def average(state, name, beta, x):
    state[name] = beta * state.get(name, 0.0) + (1 - beta) * x
    return state[name]


def laprop(k, lr, p, g, state, _, beta1=0.9, beta2=0.999, eps=1e-15, weight_decay=0.0):
    root = np.sqrt(average(state, "n", beta2, g * g) / (1 - beta2**k)) + eps
    return (1 - lr * weight_decay) * p - lr * average(state, "m", beta1, g / root) / (1 - beta1**k)


def mars(k, lr, p, g, state, _, beta1=0.95, beta2=0.99, gamma=0.025, eps=1e-8):
    c = g + gamma * beta1 / (1 - beta1) * (g - state.get("g", 0.0))
    c, state["g"] = c / max(1.0, np.linalg.norm(c)), g.copy()
    root = np.sqrt(average(state, "v", beta2, c * c) / (1 - beta2**k)) + eps
    return p - lr * average(state, "m", beta1, c) / (1 - beta1**k) / root


def momo(k, lr, p, g, state, loss, beta=0.9, weight_decay=0.0):
    """The minimizer of max(f̄ + ⟨d, y⟩ − γ, 0) + ‖y − p‖²/(2·lr) + weight_decay·‖y‖²/2, from its dual."""
    beta = beta if k > 1 else 0.0
    d, f = average(state, "d", beta, g), average(state, "f", beta, loss)
    product = average(state, "product", beta, g.ravel() @ p.ravel())
    at = lambda share: (p - lr * share * d) / (1 + lr * weight_decay)
    model = lambda share: f + d.ravel() @ at(share).ravel() - product
    if model(0.0) <= 0 or model(1.0) >= 0:
        return at(float(model(1.0) >= 0))
    return at(scipy.optimize.brentq(model, 0.0, 1.0, xtol=1e-15, rtol=1e-15))


def shampoo(k, lr, p, g, state, _, max_dim, eps=1e-6):
    """Section 5 of the paper: of a side longer than `max_dim` the diagonal."""
    step = g
    for side in range(g.ndim):
        rows = np.moveaxis(g, side, 0).reshape(g.shape[side], -1)
        product = rows @ rows.T if len(rows) <= max_dim else np.diag((rows * rows).sum(1))
        state[side] = state.get(side, eps * np.eye(len(rows))) + product
        values, vectors = np.linalg.eigh(state[side])
        root = (vectors * values ** (-0.5 / g.ndim)) @ vectors.T
        step = np.moveaxis(np.tensordot(root, step, (1, side)), 0, side)
    return p - lr * step


class ConjugateGradients:
    """scipy.optimize.fmin_cg, with another line search in the place of its own, which starts afresh where the
    direction descends too little: all its points at once."""

    graph, problems, constant, rising = False, None, True, False

    def __init__(self, search="torch.optim's strong Wolfe search", tolerance=None, c1=1e-4, c2=0.4, gtol=1e-7, **searched):
        self.label = call("scipy.optimize.fmin_cg", {"c1": c1, "c2": c2} | ({"gtol": gtol} if gtol != 1e-7 else {}))
        self.label += f", {call(search, searched) if searched else search}"
        self.tolerance, self.options, self.gtol, self.searched = tolerance, (c1, c2), gtol, searched

    def make(self, parameters, rate):
        points = []
        sizes = [p.numel() for p in parameters]

        def solve(function):
            def both(x):
                shaped = [part.reshape(p.shape) for part, p in zip(torch.as_tensor(x).split(sizes), parameters)]
                leaves = [part.clone().requires_grad_() for part in shaped]
                loss = function(*leaves)
                return loss.item(), torch.cat([g.reshape(-1) for g in torch.autograd.grad(loss, leaves)])

            def search(f, slope, x, d, g, loss, before, c1, c2, **_):
                x, d, g = (torch.as_tensor(a) for a in (x, d, g))
                if g.dot(d) > -0.01 * g.dot(g):
                    # SciPy's own, in place.
                    d.copy_(-g)
                along = g.dot(d).item()
                # SciPy's first step, times the rate.
                first = 1.01 * 2 * (loss - before) / along
                first = 1.0 if first < 0 else min(1.0, first)
                found, at, t, _ = _strong_wolfe(lambda x, t, d: both(x + t * d), x, rate(0) * first, d, loss, g,
                                                g.dot(d), c1=c1, c2=c2, **self.searched)
                if t == 0:
                    raise scipy.optimize._optimize._LineSearchError
                return float(t), 0, 0, float(found), loss, at.numpy()

            scipy.optimize._optimize._line_search_wolfe12 = search
            start = torch.cat([p.detach().reshape(-1) for p in parameters]).numpy()
            c1, c2 = self.options
            return scipy.optimize.fmin_cg(lambda x: both(x)[0], start, lambda x: both(x)[1].numpy(), gtol=self.gtol,
                                          c1=c1, c2=c2, maxiter=1000, disp=False, retall=True)[1]

        def step(k, closure):
            points.extend([] if points else solve(closure.function))
            now = torch.from_numpy(points[min(k + 1, len(points) - 1)])
            with torch.no_grad():
                for p, part in zip(parameters, now.split(sizes)):
                    p.copy_(part.reshape(p.shape))

        return step, lambda: parameters


def bisected(f, x, d, t, loss, slope, c1=1e-4, c2=0.9, max_evaluations=25):
    """The step along d, and its evaluations, by algorithm 2.6 of Lewis & Overton 2013, "Nonsmooth optimization via
    quasi-Newton methods": `f` gives loss and gradient, `t` is tried first. 0 where no step falls enough."""
    low, high = 0.0, math.inf
    for evaluations in range(1, max_evaluations + 2):
        value, gradient = f(x + t * d)
        if not value <= loss + c1 * t * slope:
            high = t
        elif gradient @ d < c2 * slope:
            low = t
        else:
            return t, evaluations
        # They double; how fast the bracket grows is free.
        t = (low + high) / 2 if high < math.inf else 4 * low
    return low, evaluations


class WeakWolfe:
    """BFGS from the last pairs of steps and gradient changes, its matrix written out, with that search."""

    graph, problems, rising, constant, tolerance = False, None, False, False, None

    def __init__(self, history=100, **search):
        self.label = "the published algorithms in NumPy"
        self.history, self.search = history, search

    def make(self, parameters, rate):
        pairs, last = [], []

        def step(k, closure):
            flat = lambda tensors: np.concatenate([t.detach().numpy().ravel() for t in tensors])

            def both(x):
                parts = torch.from_numpy(x).split([p.numel() for p in parameters])
                leaves = [part.reshape(p.shape).clone().requires_grad_() for part, p in zip(parts, parameters)]
                value = closure.function(*leaves)
                return value.item(), flat(torch.autograd.grad(value, leaves))

            x = flat(parameters)
            loss, g = both(x)
            for s, before in last:
                y = g - before
                if s @ y > 1e-14 * np.linalg.norm(s) * np.linalg.norm(y):
                    pairs.append((s, y))
            d, first = -g, rate(k) / np.linalg.norm(g)
            if pairs:
                s, y = pairs[-1]
                h, one = np.eye(len(x)) * (s @ y) / (y @ y), np.eye(len(x))
                for s, y in pairs[-self.history :]:
                    v = one - np.outer(y, s) / (s @ y)
                    h = v.T @ h @ v + np.outer(s, s) / (s @ y)
                d, first = -h @ g, 1.0
            t, _ = bisected(both, x, d, first, loss, g @ d, **self.search)
            last[:] = [(t * d, g)] if t else []
            with torch.no_grad():
                for p, part in zip(parameters, torch.from_numpy(x + t * d).split([p.numel() for p in parameters])):
                    p.copy_(part.reshape(p.shape))

        return step, lambda: parameters


class Double:
    """torch, for a module that computes something in float32 whatever it is given."""

    float32 = torch.float64

    def __getattr__(self, name):
        return getattr(torch, name)


class Probes(Double):
    """torch for PSGD's module, in float64, with probes of ours."""

    step = index = 0

    def randn_like(self, like, dtype=None):
        numbers = Stream("psgd: probe", self.step, self.index).normals(like.numel())
        self.index += 1
        return torch.from_numpy(numbers).reshape(like.shape)


def probed(kind):
    """An optimizer of PSGD's module whose probes are ours."""

    class Probed(kind):
        def __init__(self, *arguments, precondition_lr=0.1, **options):
            super().__init__(*arguments, **options, precondition_dtype=torch.float64, balance_prob=0.0)
            self.param_groups[0]["precondition_lr"] = precondition_lr
            self.probes = sys.modules[kind.__module__].torch = Probes()

        def step(self, closure=None):
            self.probes.step, self.probes.index = self.probes.step + 1, 0
            return super().step(closure)

    return Probed
