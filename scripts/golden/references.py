"""Implementations that aren't ours, in one form: made of parameters and a rate, and stepped.

`make(parameters, rate)` returns a function `step(k, closure)`, which makes step k with the gradients that the
parameters hold, and a function that returns where the answer is (the parameters themselves, mostly).
"""

import jax
import jax.numpy as jnp
import numpy as np
import torch

jax.config.update("jax_enable_x64", True)


def call(name, options):
    shown = [f"{key}={getattr(value, '__name__', value)}" for key, value in options.items()]
    return f"{name}({', '.join(shown)})"


class Torch:
    """A class with the interface of torch.optim; `constant` and `problems` say what it can be compared on."""

    def __init__(self, kind, *, closure=False, answer=None, named=None, clip=None, constant=False, problems=None,
                 tolerance=None, graph=False, **options):
        self.kind, self.options, self.closure, self.find, self.clip = kind, options, closure, answer, clip
        self.constant, self.problems, self.tolerance, self.graph = constant, problems, tolerance, graph
        package = kind.__module__.split(".")[0]
        self.label = call(named or f"{'torch.optim' if package == 'torch' else package}.{kind.__name__}", options)

    def make(self, parameters, rate):
        optimizer = self.kind(parameters, lr=rate(0), **self.options)

        if hasattr(optimizer, "train"):
            optimizer.train()

        def step(k, closure):
            for group in getattr(optimizer, "param_groups", []):
                group["lr"] = rate(k)
            if self.clip:
                self.clip(parameters)
            optimizer.step(closure) if self.closure else optimizer.step()

        return step, lambda: self.find(optimizer, parameters) if self.find else parameters


class Optax:
    """A transformation of optax; `build` takes a schedule, a function of the step. With `extra` it is given the
    loss too, and with `extra="search"` the function."""

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


class Double:
    """torch, for a module that computes something in float32 whatever it is given."""

    float32 = torch.float64

    def __getattr__(self, name):
        return getattr(torch, name)
