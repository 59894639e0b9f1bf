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
    return f"{name}({', '.join(f'{key}={value}' for key, value in options.items())})"


class Torch:
    """A class with the interface of torch.optim."""

    def __init__(self, kind, *, closure=False, answer=None, named=None, clip=None, **options):
        self.kind, self.options, self.closure, self.find, self.clip = kind, options, closure, answer, clip
        package = kind.__module__.split(".")[0]
        self.label = call(named or f"{'torch.optim' if package == 'torch' else package}.{kind.__name__}", options)

    def make(self, parameters, rate):
        optimizer = self.kind(parameters, lr=rate(0), **self.options)

        def step(k, closure):
            for group in optimizer.param_groups:
                group["lr"] = rate(k)
            if self.clip:
                self.clip(parameters)
            optimizer.step(closure) if self.closure else optimizer.step()

        return step, lambda: self.find(optimizer, parameters) if self.find else parameters


class Optax:
    """A transformation of optax; `build` takes a schedule, a function of the step."""

    def __init__(self, label, build, *, start=None, extra=False):
        self.label, self.build, self.start, self.extra = label, build, start, extra

    def make(self, parameters, rate):
        transformation = self.build(lambda k: rate(k.astype(jnp.float64)))
        now = lambda: [jnp.asarray(p.detach().numpy().copy()) for p in parameters]
        state = transformation.init(now())
        state = self.start(state) if self.start else state

        def step(k, closure):
            nonlocal state
            gradients = [jnp.asarray(p.grad.numpy().copy()) for p in parameters]
            more = {"value": jnp.asarray(float(closure()))} if self.extra else {}
            updates, state = transformation.update(gradients, state, now(), **more)
            with torch.no_grad():
                for p, update in zip(parameters, updates):
                    p += torch.from_numpy(np.array(update))

        return step, lambda: parameters
