"""Writes crates/optimizers/tests/golden/*.json: trajectories of published implementations.

Run with any environment that has what scripts/golden/requirements.txt lists:

    python scripts/golden/optimizers.py [NAME ...]

Every case is 100 steps in float64 on the CPU, with the rate lr * (1 - k/200) at step k (lr at every step, if it
says `constant`, and lr * (k + 1)/100, if it says `rising`); every tenth point is kept. Points that a file already has
stay as they are, since another CPU changes last digits: to have all of them anew, remove the file.
"""

import json
import sys
import warnings
from importlib.metadata import version
from pathlib import Path

import dadaptation
import dog
import jax.numpy as jnp
import optax
import prodigyopt
import pytorch_optimizer as po
import schedulefree
import torch
from known import known, written
from pytorch_optimizer.optimizer.psgd import precondition_update_prob_schedule
from references import ConjugateGradients, Double, Optax, Recursion, Scaled, Searched, Split, Torch, WeakWolfe
from references import laprop, mars, momo, probed, shampoo
from small_problems import PROBLEMS, tensor
from torch import optim
from torch.nn.utils import clip_grad_norm_, clip_grad_value_

PACKAGES = ("torch", "optax", "scipy", "pytorch_optimizer", "schedulefree", "prodigyopt", "dadaptation", "dog-optimizer")
STEPS, EVERY = 100, 10
FOLDER = Path(__file__).resolve().parents[2] / "crates/optimizers/tests/golden"


def rates(quadratic, rosenbrock, logistic, network, separable=None, convolution=None):
    """Rates for each problem; one without any is left out."""
    named = {"quadratic": quadratic, "rosenbrock": rosenbrock, "logistic": logistic, "network": network}
    return {**named, "separable": separable, "convolution": convolution}


def shaped(of, convolution):
    """The same, and rates for the tensor of four dimensions, which matters where shapes do."""
    return {**of, "convolution": convolution}


# Rates for methods that go along the gradient, that go about lr a step, and Adagrad's.
SGD = rates((1e-3, 4e-4), (1e-4, 2e-4), (1.0, 0.3), (0.2, 0.05))
ADAM = rates((0.02, 0.05), (0.01, 0.03), (0.02, 0.1), (0.02, 0.05))
ADAGRAD = rates((0.5, 0.1), (0.3, 0.1), (0.5, 0.1), (0.5, 0.1))
# Rates that no gradient comes near to 0 with, where its sign decides.
SIGN = rates((0.0113, 0.0071), (0.0113, 0.0071), (0.0113, 0.0171), (0.0113, 0.0071))
MULTIPLIER = rates((1.0, 0.3), (0.3, 0.1), (1.0, 0.3), (1.0, 0.3))


def clipping(value=None, norm=None):
    def clip(parameters):
        if value is not None:
            clip_grad_value_(parameters, value)
        if norm is not None:
            clip_grad_norm_(parameters, norm)

    return clip


def optaxed(name, make, **options):
    """The optax function of this name."""
    shown = ", ".join(f"{key}={value}" for key, value in options.items())
    return Optax(f"optax.{name}({shown})", lambda rate: make(rate, **options))


def signs(momentum, weight_decay=0.0):
    chain = lambda rate: optax.chain(
        optax.ema(momentum, debias=False), optax.scale_by_sign(), optax.add_decayed_weights(weight_decay),
        optax.scale_by_learning_rate(rate))
    return Optax(f"optax.ema({momentum}), scale_by_sign, add_decayed_weights({weight_decay})", chain)


def yogi(weight_decay=0.0, **options):
    """With its first moment started at 0."""
    chain = lambda rate: optax.chain(
        optax.scale_by_yogi(**options), optax.add_decayed_weights(weight_decay), optax.scale_by_learning_rate(rate))
    zero = lambda state: (state[0]._replace(mu=optax.tree.zeros_like(state[0].mu)), *state[1:])
    return Optax(f"optax.scale_by_yogi({options}), weight_decay={weight_decay}", chain, start=zero)


class Shrunk(po.Adan):
    """Adan with the paper's decay: the new parameters over 1 + lr*weight_decay."""

    def __init__(self, parameters, lr, shrink, **options):
        super().__init__(parameters, lr=lr, **options)
        self.shrink = shrink

    def step(self, closure=None):
        super().step(closure)
        with torch.no_grad():
            for group in self.param_groups:
                for p in group["params"]:
                    p /= 1 + group["lr"] * self.shrink


def backtracking(c1, shrink, most):
    """From the rate itself at every step."""
    def chain(rate):
        search = optax.scale_by_backtracking_linesearch(
            most, c1, shrink, increase_factor=jnp.inf, max_learning_rate=rate(jnp.zeros(())))
        return optax.chain(optax.sgd(1.0), search)
    return Optax(f"optax.scale_by_backtracking_linesearch({most}, {c1}, {shrink})", chain, extra="search", constant=True,
                 tolerance=1e-6)


class Ahead:
    """Lookahead around an optimizer that it is given made."""

    def __init__(self, parameters, lr, *, of, k=5, alpha=0.5, **options):
        self.lookahead = po.Lookahead(of(parameters, lr=lr, **options), k=k, alpha=alpha)
        self.param_groups, self.step = self.lookahead.param_groups, self.lookahead.step


def slow(optimizer, parameters):
    return [optimizer.lookahead.state[p]["slow_params"] for p in parameters]


def evaluated(optimizer, parameters):
    """The x of a schedule-free method."""
    return [optimizer.state[p].get("x", p) for p in parameters]


def average(optimizer, parameters):
    return [optimizer.state[p]["ax"] if p in optimizer.state else p for p in parameters]


# Muon's iteration runs in bfloat16 there, and SOAP's QR and SAM's norm in float32.
torch.Tensor.bfloat16 = lambda self: self.clone()
to_float = torch.Tensor.float
torch.Tensor.float = lambda self: self if self.dtype == torch.float64 else to_float(self)
sys.modules["pytorch_optimizer.optimizer.soap"].torch = Double()

# Our name: the rates, and for each set of our options the reference.
OPTIMIZERS = {
    "sgd": (SGD, [
        ({}, Torch(optim.SGD)),
        ({"l2": 0.1}, Torch(optim.SGD, weight_decay=0.1)),
        ({"momentum": 0.9}, Torch(optim.SGD, momentum=0.9)),
        ({"momentum": 0.8, "dampening": 0.3, "l2": 0.01},
         Torch(optim.SGD, momentum=0.8, dampening=0.3, weight_decay=0.01)),
        ({"momentum": 0.9, "nesterov": True, "l2": 0.01},
         Torch(optim.SGD, momentum=0.9, nesterov=True, weight_decay=0.01)),
    ]),
    "heavy_ball": (SGD, [
        ({}, Torch(optim.SGD, momentum=0.9)),
        ({"momentum": 0.5, "l2": 0.01}, Torch(optim.SGD, momentum=0.5, weight_decay=0.01)),
    ]),
    "nesterov": (SGD, [
        ({}, Torch(optim.SGD, momentum=0.9, nesterov=True)),
        ({"momentum": 0.5, "l2": 0.01}, Torch(optim.SGD, momentum=0.5, nesterov=True, weight_decay=0.01)),
    ]),
    "adagrad": (ADAGRAD, [
        ({}, Torch(optim.Adagrad)),
        ({"lr_decay": 0.01, "initial_accumulator_value": 0.5, "eps": 1e-3, "l2": 0.01},
         Torch(optim.Adagrad, lr_decay=0.01, initial_accumulator_value=0.5, eps=1e-3, weight_decay=0.01)),
    ]),
    "adadelta": (MULTIPLIER, [
        ({}, Torch(optim.Adadelta)),
        ({"rho": 0.8, "eps": 1e-7, "l2": 0.01}, Torch(optim.Adadelta, rho=0.8, eps=1e-7, weight_decay=0.01)),
    ]),
    "rprop": (SIGN, [
        ({}, Torch(optim.Rprop)),
        ({"eta_minus": 0.3, "eta_plus": 1.5, "step_size_min": 1e-3, "step_size_max": 0.05},
         Torch(optim.Rprop, etas=(0.3, 1.5), step_sizes=(1e-3, 0.05))),
    ]),
    "rmsprop": (ADAM, [
        ({}, Torch(optim.RMSprop)),
        ({"momentum": 0.5}, Torch(optim.RMSprop, momentum=0.5)),
        ({"centered": True, "eps": 1e-3}, Torch(optim.RMSprop, centered=True, eps=1e-3)),
        ({"alpha": 0.95, "eps": 0.1, "momentum": 0.5, "centered": True, "l2": 0.01},
         Torch(optim.RMSprop, alpha=0.95, eps=0.1, momentum=0.5, centered=True, weight_decay=0.01)),
    ]),
    "adam": (ADAM, [
        ({}, Torch(optim.Adam)),
        ({"beta1": 0.8, "beta2": 0.95, "eps": 1e-3, "l2": 0.01},
         Torch(optim.Adam, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.01)),
    ]),
    "amsgrad": (ADAM, [
        ({}, Torch(optim.Adam, amsgrad=True)),
        ({"beta1": 0.8, "beta2": 0.9, "eps": 1e-3, "l2": 0.01},
         Torch(optim.Adam, amsgrad=True, betas=(0.8, 0.9), eps=1e-3, weight_decay=0.01)),
    ]),
    "adamw": (ADAM, [
        ({}, Torch(optim.AdamW)),
        ({"beta1": 0.8, "beta2": 0.95, "eps": 1e-3, "weight_decay": 0.3},
         Torch(optim.AdamW, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.3)),
        ({"beta2": 0.9, "weight_decay": 0.1, "amsgrad": True},
         Torch(optim.AdamW, betas=(0.9, 0.9), weight_decay=0.1, amsgrad=True)),
    ]),
    "adamax": (ADAM, [
        ({}, Torch(optim.Adamax)),
        ({"beta1": 0.8, "beta2": 0.9, "eps": 1e-3, "l2": 0.01},
         Torch(optim.Adamax, betas=(0.8, 0.9), eps=1e-3, weight_decay=0.01)),
    ]),
    "nadam": (rates((0.02, 0.05), (0.01, 0.03), (0.02, 0.05), (0.02, 0.05)), [
        ({}, Torch(optim.NAdam)),
        ({"beta1": 0.8, "beta2": 0.95, "eps": 1e-3, "momentum_decay": 0.1, "l2": 0.01},
         Torch(optim.NAdam, betas=(0.8, 0.95), eps=1e-3, momentum_decay=0.1, weight_decay=0.01)),
    ]),
    "radam": (rates((1e-3, 4e-4), (1e-4, 2e-4), (0.1, 0.3), (0.05, 0.02)), [
        ({}, Torch(optim.RAdam)),
        ({"beta1": 0.8, "beta2": 0.9, "eps": 1e-3, "l2": 0.01},
         Torch(optim.RAdam, betas=(0.8, 0.9), eps=1e-3, weight_decay=0.01)),
    ]),
    "adabelief": (ADAM, [
        ({}, optaxed("adabelief", optax.adabelief)),
        ({"beta1": 0.8, "beta2": 0.9, "eps": 1e-3, "weight_decay": 0.1}, Optax(
            "optax.scale_by_belief(b1=0.8, b2=0.9, eps=1e-3, eps_root=1e-3), add_decayed_weights(0.1)",
            lambda rate: optax.chain(optax.scale_by_belief(0.8, 0.9, 1e-3, 1e-3), optax.add_decayed_weights(0.1),
                                     optax.scale_by_learning_rate(rate)))),
    ]),
    "yogi": (ADAM, [
        ({}, yogi()),
        ({"beta1": 0.8, "beta2": 0.9, "eps": 1e-4, "initial_accumulator_value": 0.1, "weight_decay": 0.1},
         yogi(0.1, b1=0.8, b2=0.9, eps=1e-4, initial_accumulator_value=0.1)),
    ]),
    "laprop": (ADAM, [
        ({}, Torch(po.LaProp, foreach=False, constant=True)),
        ({"beta1": 0.8, "beta2": 0.95}, Torch(po.LaProp, betas=(0.8, 0.95), foreach=False, constant=True)),
    ]),
    "adan": (ADAM, [
        ({}, Torch(po.Adan)),
        ({"beta1": 0.9, "beta2": 0.8, "beta3": 0.95, "eps": 1e-3, "weight_decay": 0.1},
         Torch(Shrunk, named="pytorch_optimizer.Adan, with the paper's decay", betas=(0.9, 0.8, 0.95), eps=1e-3,
               shrink=0.1)),
    ]),
    "ademamix": (ADAM, [
        ({}, Torch(po.AdEMAMix)),
        ({"beta1": 0.8, "beta2": 0.95, "beta3": 0.99, "alpha": 3.0, "warmup": 60, "eps": 1e-3, "weight_decay": 0.1},
         Torch(po.AdEMAMix, betas=(0.8, 0.95, 0.99), alpha=3.0, t_alpha_beta3=60, eps=1e-3, weight_decay=0.1,
               weight_decouple=True)),
    ]),
    "adopt": (ADAM, [
        ({}, optaxed("contrib.adopt", optax.contrib.adopt)),
        ({"beta1": 0.8, "beta2": 0.95, "eps": 1e-3, "clip": False},
         optaxed("contrib.adopt", optax.contrib.adopt, b1=0.8, b2=0.95, eps=1e-3, use_clipping=False)),
        ({"beta2": 0.99, "weight_decay": 0.1}, Optax(
            "optax.contrib.scale_by_adopt(b2=0.99), add_decayed_weights(0.1)",
            lambda rate: optax.chain(optax.contrib.scale_by_adopt(b2=0.99), optax.add_decayed_weights(0.1),
                                     optax.scale_by_learning_rate(rate)))),
    ]),
    "lion": (SIGN, [
        ({}, optaxed("lion", optax.lion, weight_decay=0.0)),
        ({"beta1": 0.8, "beta2": 0.95, "weight_decay": 0.1},
         optaxed("lion", optax.lion, b1=0.8, b2=0.95, weight_decay=0.1)),
    ]),
    "signsgd": (SIGN, [({}, signs(0.0)), ({"weight_decay": 0.1}, signs(0.0, 0.1))]),
    "signum": (SIGN, [({}, signs(0.9)), ({"momentum": 0.7, "weight_decay": 0.1}, signs(0.7, 0.1))]),
    "asgd": (SGD, [
        ({}, Torch(optim.ASGD, t0=-1, answer=average, constant=True)),
        ({"lambd": 0.1, "alpha": 0.5, "t0": 30, "l2": 0.01},
         Torch(optim.ASGD, lambd=0.1, alpha=0.5, t0=29, weight_decay=0.01, answer=average, constant=True)),
    ]),
    "novograd": (shaped(ADAM, (0.02, 0.05)), [
        ({}, optaxed("novograd", optax.novograd, b1=0.95, b2=0.98, eps=1e-8)),
        ({"beta1": 0.8, "beta2": 0.9, "eps": 1e-3, "weight_decay": 0.1},
         optaxed("novograd", optax.novograd, b1=0.8, b2=0.9, eps=1e-3, weight_decay=0.1)),
    ]),
    "mars": (ADAM, [
        ({}, Torch(po.MARS, optimize_1d=True, foreach=False, tolerance=1e-3)),
        ({"beta1": 0.9, "beta2": 0.95, "gamma": 0.1, "eps": 1e-12, "weight_decay": 0.1},
         Torch(po.MARS, optimize_1d=True, foreach=False, betas=(0.9, 0.95), gamma=0.1, eps=1e-12, weight_decay=0.1,
               tolerance=1e-7)),
    ]),
    "lars": (shaped(rates((10.0, 3.0), (1.0, 3.0), (10.0, 3.0), (10.0, 3.0)), (10.0, 3.0)), [
        ({}, optaxed("lars", optax.lars)),
        ({"momentum": 0.5, "trust_coefficient": 0.002},
         optaxed("lars", optax.lars, momentum=0.5, trust_coefficient=0.002)),
        ({"momentum": 0.8, "trust_coefficient": 0.002, "weight_decay": 0.1},
         Torch(po.LARS, momentum=0.8, trust_coefficient=0.002, weight_decay=0.1, nesterov=False, foreach=False,
               constant=True, problems=["quadratic"])),
    ]),
    "lamb": (shaped(rates((0.02, 0.05), (0.01, 0.02), (0.02, 0.05), (0.02, 0.05)), (0.02, 0.05)), [
        ({}, optaxed("lamb", optax.lamb)),
        ({"beta1": 0.8, "beta2": 0.95, "eps": 1e-3, "weight_decay": 0.1},
         optaxed("lamb", optax.lamb, b1=0.8, b2=0.95, eps=1e-3, weight_decay=0.1)),
    ]),
    "adafactor": (shaped(rates((0.02, 0.3), (0.02, 0.05), (0.02, 0.1), (0.02, 0.1)), (0.02, 0.1)), [
        ({}, Torch(optim.Adafactor, tolerance=1e-8)),
        ({"beta2_decay": -0.5, "eps1": 1e-3, "eps2": 0.01, "d": 1.5, "weight_decay": 0.1},
         Torch(optim.Adafactor, beta2_decay=-0.5, eps=(1e-3, 0.01), d=1.5, weight_decay=0.1, tolerance=1e-7)),
    ]),
    "muon": (shaped(rates((0.02, 0.05), (0.01, 0.03), (0.02, 0.1), (0.02, 0.01)), (0.02, 0.01)), [
        ({}, Torch(Split, named="torch.optim.Muon and AdamW", of=optim.Muon, matrices=True)),
        ({"momentum": 0.8, "nesterov": False, "weight_decay": 0.3, "ns_steps": 3, "adjust": "match_rms_adamw",
          "adamw_lr": 0.5, "adamw": {"beta1": 0.8, "weight_decay": 0.0}},
         Torch(Split, named="torch.optim.Muon and AdamW", of=optim.Muon, matrices=True, momentum=0.8, nesterov=False,
               weight_decay=0.3, ns_steps=3, adjust_lr_fn="match_rms_adamw", adamw_lr=0.5,
               adamw={"betas": (0.8, 0.999), "weight_decay": 0.0})),
    ]),
    "shampoo": (shaped(rates((0.3, 0.1), (0.1, 0.05), None, (0.1, 0.05)), (0.1, 0.05)), [
        ({}, Torch(po.Shampoo, matrices=True)),
        ({"eps": 0.01}, Torch(po.Shampoo, matrix_eps=0.01, matrices=True)),
    ]),
    "soap": (shaped(ADAM, (0.02, 0.05)), [
        ({}, Torch(po.SOAP, matrices=True, tolerance=1e-8, problems=["rosenbrock", "logistic", "network", "convolution"])),
        # Rounding is a larger share of its smallest eigenvalues.
        ({}, Torch(po.SOAP, matrices=True, tolerance=1e-3, problems=["quadratic"])),
        ({"beta1": 0.8, "beta2": 0.9, "eps": 1e-3, "weight_decay": 0.1, "every": 3},
         Torch(po.SOAP, betas=(0.8, 0.9), eps=1e-3, weight_decay=0.1, precondition_frequency=3, matrices=True)),
    ]),
    "psgd_kron": (shaped(rates((0.01, 0.03), (0.01, 0.003), (0.03, 0.1), (0.03, 0.01)), (0.03, 0.01)), [
        ({}, Torch(probed(po.Kron), named="pytorch_optimizer.Kron, our probes", matrices=True, tolerance=1e-7)),
        ({"momentum": 0.5, "weight_decay": 0.1, "flat": 20, "decay": 0.05, "least": 0.1},
         Torch(probed(po.Kron), named="pytorch_optimizer.Kron, our probes", matrices=True, momentum=0.5, weight_decay=0.1,
               pre_conditioner_update_probability=precondition_update_prob_schedule(1.0, 0.1, 0.05, 20))),
        ({"max_dim": 2}, Torch(probed(po.Kron), named="pytorch_optimizer.Kron, our probes", matrices=True,
                               max_size_triangular=2)),
    ]),
    "schedule_free_sgd": (SGD, [
        ({}, Torch(schedulefree.SGDScheduleFreeReference, answer=evaluated)),
        ({"momentum": 0.7, "l2": 0.01, "r": 1.0, "weight_lr_power": 1.0},
         Torch(schedulefree.SGDScheduleFreeReference, momentum=0.7, weight_decay=0.01, r=1.0, weight_lr_power=1.0,
               answer=evaluated)),
    ]),
    "schedule_free_adamw": (ADAM, [
        ({}, Torch(schedulefree.AdamWScheduleFreeReference, answer=evaluated)),
        ({"beta1": 0.8, "beta2": 0.95, "eps": 1e-3, "weight_decay": 0.1, "r": 1.0, "weight_lr_power": 1.0},
         Torch(schedulefree.AdamWScheduleFreeReference, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.1, r=1.0,
               weight_lr_power=1.0, answer=evaluated)),
    ]),
    "prodigy": (MULTIPLIER, [
        ({}, Torch(prodigyopt.Prodigy)),
        ({"beta1": 0.8, "beta2": 0.95, "beta3": 0.9, "eps": 1e-4, "weight_decay": 0.01, "d0": 1e-3, "d_coef": 0.5,
          "growth_rate": 1.1},
         Torch(prodigyopt.Prodigy, betas=(0.8, 0.95), beta3=0.9, eps=1e-4, weight_decay=0.01, d0=1e-3, d_coef=0.5,
               growth_rate=1.1)),
    ]),
    "d_adaptation": (MULTIPLIER, [
        ({}, Torch(dadaptation.DAdaptAdam, decouple=True)),
        ({"beta1": 0.8, "beta2": 0.95, "eps": 1e-4, "weight_decay": 0.01, "d0": 1e-3, "growth_rate": 1.1},
         Torch(dadaptation.DAdaptAdam, decouple=True, betas=(0.8, 0.95), eps=1e-4, weight_decay=0.01, d0=1e-3,
               growth_rate=1.1)),
    ]),
    "dog": (MULTIPLIER, [
        ({}, Torch(dog.DoG)),
        ({"reps_rel": 1e-3, "eps": 0.1, "l2": 0.01}, Torch(dog.DoG, reps_rel=1e-3, eps=0.1, weight_decay=0.01)),
    ]),
    "dowg": (MULTIPLIER, [
        ({}, optaxed("contrib.dowg", optax.contrib.dowg)),
        ({"initial_distance": 0.1, "eps": 0.01}, Optax(
            "optax.contrib.dowg(init_estim_sq_dist=0.01, eps=0.01)",
            lambda rate: optax.contrib.dowg(rate, init_estim_sq_dist=0.1 * 0.1, eps=0.01))),
    ]),
    "cocob": (rates((1.0,), (1.0,), (1.0,), (1.0,)), [
        ({}, Optax("optax.contrib.cocob()", lambda rate: optax.contrib.cocob(1.0), constant=True)),
        ({"alpha": 20.0, "eps": 1e-3},
         Optax("optax.contrib.cocob(alpha=20.0, eps=1e-3)", lambda rate: optax.contrib.cocob(1.0, 20.0, 1e-3),
               constant=True)),
    ]),
    "polyak": (rates((0.005, 0.002), (0.0005, 0.0002), (0.5, 0.3), (0.2, 0.05)), [
        ({}, Optax("optax.polyak_sgd", lambda rate: optax.polyak_sgd(rate(jnp.zeros(()))), extra=True, constant=True)),
        ({"f_min": -0.5, "c": 2.0}, Optax(
            "optax.polyak_sgd(f_min=-0.5, scaling=2), half the maximum",
            lambda rate: optax.polyak_sgd(0.5 * rate(jnp.zeros(())), scaling=2.0, f_min=-0.5), extra=True,
            constant=True)),
    ]),
    "momo": (rates((0.005, 0.002), (0.0005, 0.0002), (1.0, 0.3), (0.2, 0.05)), [
        ({}, Optax("optax.contrib.momo()", lambda rate: optax.contrib.momo(rate), extra=True)),
        ({"beta": 0.5, "lower_bound": -0.5}, Optax(
            "optax.contrib.momo(beta=0.5, lower_bound=-0.5)",
            lambda rate: optax.contrib.momo(rate, beta=0.5, lower_bound=-0.5), extra=True)),
    ]),
    "adahessian": (rates((0.1, 0.3), None, None, None, (0.1, 0.3)), [
        ({}, Torch(po.AdaHessian, eps=1e-8, foreach=False, graph=True)),
        ({"beta1": 0.8, "beta2": 0.95, "eps": 1e-3, "weight_decay": 0.1, "hessian_power": 0.5, "every": 3},
         Torch(po.AdaHessian, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.1, hessian_power=0.5, update_period=3,
               foreach=False, graph=True)),
    ]),
    "sophia": (rates((0.02, 0.05), None, None, None, (0.02, 0.05)), [
        ({}, Torch(Scaled, named="pytorch_optimizer.SophiaH", of=po.SophiaH, by=0.01, p=0.01, eps=1e-10,
                   hessian_distribution="rademacher", foreach=False, graph=True)),
        ({"beta1": 0.8, "beta2": 0.9, "eps": 1e-3, "gamma": 0.1, "every": 3},
         Torch(Scaled, named="pytorch_optimizer.SophiaH", of=po.SophiaH, by=0.1, betas=(0.8, 0.9), p=0.1, eps=1e-2,
               update_period=3, hessian_distribution="rademacher", foreach=False, graph=True)),
    ]),
    "backtracking_gd": (rates((1.0, 0.05), (1.0, 0.01), (10.0, 1.0), (10.0, 1.0)), [
        ({}, backtracking(1e-4, 0.5, 29)),
        ({"c1": 0.1, "shrink": 0.8, "max_evaluations": 100}, backtracking(0.1, 0.8, 99)),
    ]),
    "lbfgs": (rates((1.0, 0.3), (1.0, 0.3), (1.0, 0.3), (1.0, 0.3), (1.0, 0.3)), [
        ({}, Torch(optim.LBFGS, closure=True, max_iter=1, max_eval=100, line_search_fn="strong_wolfe")),
        ({"history": 2}, Torch(optim.LBFGS, closure=True, max_iter=1, max_eval=100, line_search_fn="strong_wolfe",
                               history_size=2, tolerance=1e-4, problems=["quadratic", "separable", "network"])),
    ]),
    "nonlinear_cg": (rates((1.0, 0.3), (1.0, 0.3), (1.0, 0.3), (1.0, 0.3), (1.0, 0.3)), [
        ({}, ConjugateGradients(tolerance=1e-4)),
        ({"c1": 0.01, "c2": 0.1}, ConjugateGradients(tolerance=1e-4, c1=0.01, c2=0.1)),
    ]),
    "mechanic": (rates((0.1, 0.03), (0.03, 0.01), (1.0, 0.3), (1.0, 0.3)), [
        ({}, Optax("optax.contrib.mechanize(optax.sgd)", lambda rate: optax.contrib.mechanize(optax.sgd(rate)),
                   tolerance=1e-4)),
        ({"optimizer": "adam", "weight_decay": 0.1, "eps": 1e-6, "s_init": 1e-3}, Optax(
            "optax.contrib.mechanize(optax.adam, weight_decay=0.1, eps=1e-6, s_init=1e-3)",
            lambda rate: optax.contrib.mechanize(optax.adam(rate), weight_decay=0.1, eps=1e-6, s_init=1e-3),
            tolerance=1e-4)),
    ]),
    "sam": (SGD, [
        ({}, Torch(po.SAM, base_optimizer=optim.SGD, closure=True)),
        ({"optimizer": {"adam": {"eps": 1e-3}}, "rho": 0.2, "adaptive": True},
         Torch(po.SAM, base_optimizer=optim.Adam, eps=1e-3, rho=0.2, adaptive=True, closure=True)),
    ]),
    "lookahead": (ADAM, [
        ({}, Torch(Ahead, named="pytorch_optimizer.Lookahead", of=optim.Adam, answer=slow)),
        ({"optimizer": "nesterov", "k": 3, "alpha": 0.8},
         Torch(Ahead, named="pytorch_optimizer.Lookahead", of=optim.SGD, momentum=0.9, nesterov=True, k=3, alpha=0.8,
               answer=slow, problems=["logistic", "network"])),
    ]),
    "cautious": (ADAM, [
        ({}, Torch(po.AdEMAMix, alpha=0.0, cautious=True, foreach=False)),
        ({"optimizer": {"lion": {"beta1": 0.8}}},
         Torch(po.Lion, betas=(0.8, 0.99), weight_decay=0.0, cautious=True, foreach=False)),
    ]),
    "clipped": (SGD, [
        ({}, Torch(optim.SGD, clip=clipping(norm=1.0))),
        ({"norm": 2.0, "value": 0.2, "optimizer": "heavy_ball"},
         Torch(optim.SGD, clip=clipping(0.2, 2.0), momentum=0.9)),
        ({"value": 0.1, "optimizer": {"adam": {"eps": 1e-3}}}, Torch(optim.Adam, clip=clipping(0.1), eps=1e-3)),
    ]),
}


def renamed(make, *first, names={}, betas=(), **fixed):
    """A reference for any of our options, which have other `names` there; `betas` are the defaults of a tuple there."""
    def reference(**ours):
        moments = {f"beta{i}": beta for i, beta in enumerate(betas, 1)}
        theirs = {names.get(key, key): value for key, value in ours.items() if key not in moments}
        if moments.keys() & ours.keys():
            theirs["betas"] = tuple((moments | ours)[key] for key in moments)
        return make(*first, **fixed | theirs)

    return reference


def each(*_, **options):
    """Sets of one option."""
    return [{key: value} for key, value in options.items()]


def belief(beta1=0.9, beta2=0.999, eps=1e-16, weight_decay=0.0):
    return Optax(
        f"optax.scale_by_belief({beta1}, {beta2}, {eps}, {eps}), add_decayed_weights({weight_decay})",
        lambda rate: optax.chain(optax.scale_by_belief(beta1, beta2, eps, eps), optax.add_decayed_weights(weight_decay),
                                 optax.scale_by_learning_rate(rate)))


def mechanized(optimizer="sgd", **options):
    shown = "".join(f", {key}={value}" for key, value in options.items())
    return Optax(f"optax.contrib.mechanize(optax.{optimizer}{shown})",
                 lambda rate: optax.contrib.mechanize(getattr(optax, optimizer)(rate), **options), tolerance=1e-4)


def lbfgs(tolerance=1e-7, max_evaluations=25, **search):
    return Torch(Searched, named="torch.optim.LBFGS", closure=True, tolerance_grad=tolerance, max_ls=max_evaluations,
                 search=search)


def kinked(line_search):
    assert line_search == "weak_wolfe"
    return WeakWolfe()


def conjugate(tolerance=1e-7, max_evaluations=25, **search):
    return ConjugateGradients(tolerance=1e-4, gtol=tolerance, max_ls=max_evaluations, **search)


def inner(optimizer):
    """torch.optim's class of one of ours, and its options."""
    return {"sgd": (optim.SGD, {}), "adam": (optim.Adam, {}), "adamax": (optim.Adamax, {}), "heavy_ball": (optim.SGD, {"momentum": 0.9})}[optimizer]


def clipped(optimizer="sgd", norm=None, value=None):
    kind, options = inner(optimizer)
    return Torch(kind, clip=clipping(value, norm or (None if value else 1.0)), **options)


def ahead(optimizer="adam", **options):
    kind, more = inner(optimizer)
    return Torch(Ahead, named="pytorch_optimizer.Lookahead", of=kind, answer=slow, **more, **options)


def sharpness(optimizer="sgd", **options):
    kind, more = inner(optimizer)
    return Torch(po.SAM, base_optimizer=kind, closure=True, **more, **options)


L2, OPTAX = {"l2": "weight_decay"}, {"beta1": "b1", "beta2": "b2"}
KRON = {"named": "pytorch_optimizer.Kron, our probes", "matrices": True}

# Our name, a problem (and a rate, if it isn't the first above), a reference for any of our options, and sets of options: each
# is another one, from here or above, but for a single option, so that what this option does is seen by itself.
ALONE = [
    ("sgd", "rosenbrock", renamed(Torch, optim.SGD, names=L2),
     [{"momentum": 0.9, "dampening": 0.3}, {"momentum": 0.9, "nesterov": True}]),
    ("heavy_ball", "rosenbrock", renamed(Torch, optim.SGD, names=L2, momentum=0.9), each(momentum=0.5, l2=0.1)),
    ("nesterov", "rosenbrock", renamed(Torch, optim.SGD, names=L2, nesterov=True, momentum=0.9),
     each(momentum=0.5, l2=0.1)),
    ("adagrad", "rosenbrock", renamed(Torch, optim.Adagrad, names=L2),
     each(lr_decay=0.01, initial_accumulator_value=0.5, eps=0.1, l2=0.1)),
    ("adadelta", "rosenbrock", renamed(Torch, optim.Adadelta, names=L2), each(rho=0.8, eps=1e-4, l2=0.1)),
    ("rprop", "rosenbrock",
     lambda eta_minus=0.5, eta_plus=1.2, step_size_min=1e-6, step_size_max=50.0:
        Torch(optim.Rprop, etas=(eta_minus, eta_plus), step_sizes=(step_size_min, step_size_max)),
     each(eta_minus=0.3, eta_plus=1.5, step_size_min=5e-3, step_size_max=0.012)),
    ("rmsprop", "rosenbrock", renamed(Torch, optim.RMSprop, names=L2), each(alpha=0.95, eps=1e-3, l2=0.1)),
    ("adam", "rosenbrock", renamed(Torch, optim.Adam, names=L2, betas=(0.9, 0.999)),
     each(beta1=0.8, beta2=0.95, eps=0.1, l2=0.1)),
    ("amsgrad", "rosenbrock", renamed(Torch, optim.Adam, names=L2, betas=(0.9, 0.999), amsgrad=True),
     each(beta1=0.8, beta2=0.9, eps=0.1, l2=0.1)),
    ("adamw", "rosenbrock", renamed(Torch, optim.AdamW, betas=(0.9, 0.999)),
     each(beta1=0.8, beta2=0.95, eps=0.1, weight_decay=0.3, amsgrad=True)),
    ("adamax", "rosenbrock", renamed(Torch, optim.Adamax, names=L2, betas=(0.9, 0.999)),
     each(beta1=0.8, beta2=0.9, eps=0.1, l2=0.1)),
    ("nadam", "rosenbrock", renamed(Torch, optim.NAdam, names=L2, betas=(0.9, 0.999)),
     each(beta1=0.8, beta2=0.95, eps=0.1, momentum_decay=0.1, l2=0.1)),
    ("radam", "rosenbrock", renamed(Torch, optim.RAdam, names=L2, betas=(0.9, 0.999)),
     each(beta1=0.8, beta2=0.9, eps=0.1, l2=0.1)),
    ("adabelief", "rosenbrock", belief, each(beta1=0.8, beta2=0.9, eps=1e-3, weight_decay=0.1)),
    ("yogi", "rosenbrock", renamed(yogi, names=OPTAX),
     each(beta1=0.8, beta2=0.9, eps=0.1, initial_accumulator_value=1.0, weight_decay=0.1)),
    ("laprop", "rosenbrock", renamed(Torch, po.LaProp, betas=(0.9, 0.999), foreach=False, constant=True),
     each(beta1=0.8, beta2=0.95)),
    # That implementation adds eps before the correction, and decays after the step.
    ("laprop", "rosenbrock", renamed(Recursion, laprop, constant=True), each(eps=0.1, weight_decay=0.1)),
    ("adan", "rosenbrock",
     renamed(Torch, Shrunk, named="pytorch_optimizer.Adan, with the paper's decay", betas=(0.98, 0.92, 0.99),
             names={"weight_decay": "shrink"}, shrink=0.0),
     each(beta1=0.9, beta2=0.8, beta3=0.95, eps=0.1, weight_decay=0.1)),
    ("ademamix", "rosenbrock",
     renamed(Torch, po.AdEMAMix, betas=(0.9, 0.999, 0.9999), names={"warmup": "t_alpha_beta3"}, weight_decouple=True),
     each(beta1=0.8, beta2=0.95, beta3=0.99, alpha=3.0, warmup=60, eps=0.1, weight_decay=0.1)),
    ("adopt", "rosenbrock", renamed(optaxed, "contrib.adopt", optax.contrib.adopt, names=OPTAX | {"clip": "use_clipping"}),
     each(beta1=0.8, beta2=0.95, eps=100.0)),
    # Gradients that grow at once.
    ("adopt", ("quadratic", 1.0),
     renamed(optaxed, "contrib.adopt", optax.contrib.adopt, names=OPTAX | {"clip": "use_clipping"}),
     [{"beta1": 0.0}, {"beta1": 0.0, "clip": False}]),
    ("adopt", "rosenbrock", lambda weight_decay: Optax(
        f"optax.contrib.scale_by_adopt(), add_decayed_weights({weight_decay})",
        lambda rate: optax.chain(optax.contrib.scale_by_adopt(), optax.add_decayed_weights(weight_decay),
                                 optax.scale_by_learning_rate(rate))), each(weight_decay=0.1)),
    ("lion", "rosenbrock", renamed(optaxed, "lion", optax.lion, names=OPTAX, weight_decay=0.0),
     each(beta1=0.8, beta2=0.95, weight_decay=0.1)),
    ("signum", "rosenbrock", renamed(signs, 0.9), each(weight_decay=0.1)),
    ("signum", "rosenbrock", signs, each(momentum=0.7)),
    ("asgd", "rosenbrock", lambda lambd=1e-4, alpha=0.75, t0=0, l2=0.0: Torch(
        optim.ASGD, lambd=lambd, alpha=alpha, t0=t0 - 1, weight_decay=l2, answer=average, constant=True),
     each(lambd=1.0, t0=30, l2=0.1) + [{"lambd": 1.0, "alpha": 0.5}]),
    ("novograd", "rosenbrock", renamed(optaxed, "novograd", optax.novograd, names=OPTAX, b1=0.95, b2=0.98, eps=1e-8),
     each(beta1=0.8, beta2=0.9, eps=0.1, weight_decay=0.1)),
    ("mars", "rosenbrock",
     renamed(Torch, po.MARS, betas=(0.95, 0.99), optimize_1d=True, foreach=False, tolerance=1e-7),
     [{"eps": 1e-12}] + [{"eps": 1e-12} | one for one in each(beta1=0.9, beta2=0.95, gamma=0.1, weight_decay=0.1)]),
    # That implementation adds eps before the correction.
    ("mars", "rosenbrock", renamed(Recursion, mars), [{}, {"eps": 0.1}]),
    ("lars", "rosenbrock", renamed(optaxed, "lars", optax.lars), each(momentum=0.5, trust_coefficient=0.002)),
    ("lars", "quadratic",
     renamed(Torch, po.LARS, nesterov=False, foreach=False, constant=True), [{"momentum": 0.8, "trust_coefficient": 0.002}]),
    ("lamb", "rosenbrock", renamed(optaxed, "lamb", optax.lamb, names=OPTAX),
     each(beta1=0.8, beta2=0.95, eps=0.1, weight_decay=0.1)),
    ("adafactor", "network", lambda eps1=None, eps2=1e-3, **options: Torch(
        optim.Adafactor, eps=(eps1, eps2), tolerance=1e-8, **options),
     each(beta2_decay=-0.5, eps1=0.1, eps2=1.0, weight_decay=0.1)),
    ("adafactor", "quadratic", renamed(Torch, optim.Adafactor, tolerance=1e-8), each(d=1.5)),
    ("muon", "network", lambda adamw=None, **options: renamed(
        Torch, Split, named="torch.optim.Muon and AdamW", of=optim.Muon, matrices=True, names={"adjust": "adjust_lr_fn"})(
            **options, **({"adamw": {"betas": (adamw["beta1"], 0.999)}} if adamw else {})),
     each(nesterov=False, weight_decay=0.3, ns_steps=3, eps=10.0, adjust="match_rms_adamw", adamw_lr=0.5,
          adamw={"beta1": 0.8})),
    ("muon", ("network", 0.01),
     renamed(Torch, Split, named="torch.optim.Muon and AdamW", of=optim.Muon, matrices=True), each(momentum=0.8)),
    ("shampoo", "network", renamed(Recursion, shampoo), each(max_dim=2)),
    ("soap", "network",
     renamed(Torch, po.SOAP, betas=(0.95, 0.95), names={"every": "precondition_frequency", "max_dim": "max_precondition_dim"},
             matrices=True, tolerance=1e-8),
     each(beta1=0.8, beta2=0.8, eps=0.01, weight_decay=0.1, every=3, max_dim=2)),
    ("psgd_kron", "network", renamed(Torch, probed(po.Kron), **KRON),
     each(momentum=0.5, weight_decay=0.1, precondition_lr=0.3)),
    ("psgd_kron", "network", lambda flat, decay=0.001, least=0.03: Torch(
        probed(po.Kron), **KRON,
        pre_conditioner_update_probability=precondition_update_prob_schedule(1.0, least, decay, flat)),
     [{"flat": 20}, {"flat": 20, "decay": 0.1}, {"flat": 20, "decay": 0.1, "least": 0.3}]),
    ("schedule_free_sgd", "rosenbrock", renamed(Torch, schedulefree.SGDScheduleFreeReference, names=L2, answer=evaluated),
     each(momentum=0.7, l2=0.1, r=1.0)),
    # The weights are powers of the largest rate so far.
    ("schedule_free_sgd", "rosenbrock",
     renamed(Torch, schedulefree.SGDScheduleFreeReference, answer=evaluated, rising=True), [{}, {"weight_lr_power": 1.0}]),
    ("schedule_free_adamw", "rosenbrock",
     renamed(Torch, schedulefree.AdamWScheduleFreeReference, betas=(0.9, 0.999), answer=evaluated),
     each(beta1=0.8, beta2=0.95, eps=0.1, weight_decay=0.1, r=1.0)),
    ("schedule_free_adamw", "rosenbrock",
     renamed(Torch, schedulefree.AdamWScheduleFreeReference, answer=evaluated, rising=True), [{}, {"weight_lr_power": 1.0}]),
    ("prodigy", "rosenbrock", renamed(Torch, prodigyopt.Prodigy, betas=(0.9, 0.999)),
     each(beta1=0.8, beta2=0.95, beta3=0.9, eps=1e-3, weight_decay=0.1, d0=1e-3, d_coef=0.5, growth_rate=1.1)),
    ("d_adaptation", "rosenbrock", renamed(Torch, dadaptation.DAdaptAdam, betas=(0.9, 0.999), decouple=True),
     each(beta1=0.8, beta2=0.95, eps=1e-3, weight_decay=0.1, d0=1e-3, growth_rate=1.1)),
    ("dog", "rosenbrock", renamed(Torch, dog.DoG, names=L2), each(reps_rel=1e-3, eps=10.0, l2=0.1)),
    ("dowg", "rosenbrock", lambda initial_distance=0.01, eps=1e-4: optaxed(
        "contrib.dowg", optax.contrib.dowg, init_estim_sq_dist=initial_distance**2, eps=eps),
     each(initial_distance=0.1, eps=0.01)),
    ("cocob", "rosenbrock", lambda alpha=100.0, eps=1e-8: Optax(
        f"optax.contrib.cocob(alpha={alpha}, eps={eps})", lambda rate: optax.contrib.cocob(1.0, alpha, eps), constant=True),
     each(alpha=20.0, eps=1000.0)),
    ("polyak", "rosenbrock", lambda f_min=0.0, c=1.0: Optax(
        f"optax.polyak_sgd(lr/{c}, f_min={f_min}, scaling={c})",
        lambda rate: optax.polyak_sgd(rate(jnp.zeros(())) / c, scaling=c, f_min=f_min), extra=True, constant=True),
     each(f_min=-10.0, c=2.0)),
    ("momo", "rosenbrock", lambda **options: Optax(
        f"optax.contrib.momo({options})", lambda rate: optax.contrib.momo(rate, **options), extra=True),
     each(beta=0.5, lower_bound=-10.0)),
    # That implementation doesn't divide all of the step by 1 + lr*weight_decay.
    ("momo", "rosenbrock", renamed(Recursion, momo), each(weight_decay=1.0)),
    ("adahessian", "separable",
     renamed(Torch, po.AdaHessian, betas=(0.9, 0.999), names={"every": "update_period"}, eps=1e-8, foreach=False, graph=True),
     each(beta1=0.8, beta2=0.95, eps=0.1, weight_decay=0.1, hessian_power=0.5, every=3)),
    ("sophia", "separable",
     lambda beta1=0.96, beta2=0.99, eps=1e-12, weight_decay=0.0, gamma=0.01, every=10: Torch(
         Scaled, named="pytorch_optimizer.SophiaH", of=po.SophiaH, by=gamma, betas=(beta1, beta2), p=gamma, eps=eps / gamma,
         weight_decay=weight_decay * gamma, update_period=every, hessian_distribution="rademacher", foreach=False,
         graph=True),
     each(beta1=0.8, beta2=0.9, eps=1.0, weight_decay=0.1, gamma=0.1, every=3)),
    ("backtracking_gd", ("rosenbrock", 0.01), lambda c1=1e-4, shrink=0.5, max_evaluations=30: backtracking(
        c1, shrink, max_evaluations - 1), each(c1=0.5, shrink=0.8)),
    ("backtracking_gd", ("network", 2.0), lambda max_evaluations=30: backtracking(1e-4, 0.5, max_evaluations - 1),
     [{}, {"max_evaluations": 2}]),
    ("lbfgs", "rosenbrock", lbfgs, each(c1=0.4, tolerance=1.0)),
    ("lbfgs", "rosenbrock", kinked, each(line_search="weak_wolfe")),
    ("lbfgs", "network", lbfgs, [{"c2": 0.1}, {"c2": 0.1, "max_evaluations": 1}]),
    ("nonlinear_cg", "rosenbrock", conjugate, each(c2=0.2, tolerance=1.0)),
    ("nonlinear_cg", "network", conjugate, [{"c2": 0.9}, {"c1": 0.5, "c2": 0.9}]),
    ("nonlinear_cg", "separable", conjugate, each(max_evaluations=1)),
    ("mechanic", "logistic", mechanized, each(optimizer="adam", weight_decay=5.0, eps=1.0, s_init=1e-3)),
    ("sam", "rosenbrock", sharpness, each(optimizer="heavy_ball", rho=0.1, adaptive=True)),
    ("lookahead", "rosenbrock", ahead, each(optimizer="adamax", k=3, alpha=0.8)),
    ("clipped", "rosenbrock", clipped, each(optimizer="heavy_ball", norm=2.0, value=0.2)),
]


def trajectory(problem, lr, reference):
    function, start = PROBLEMS[problem]
    parameters = [torch.nn.Parameter(tensor(values)) for values in start]
    falling = lambda k: lr * (1 - k / (2 * STEPS))
    rate = (lambda k: lr) if reference.constant else (lambda k: lr * (k + 1) / STEPS) if reference.rising else falling
    step, answer = reference.make(parameters, rate)

    def closure():
        with torch.enable_grad():
            for p in parameters:
                p.grad = None
            loss = function(*parameters)
            loss.backward(create_graph=reference.graph)
        return loss.detach()

    closure.function = function
    points = []
    for k in range(STEPS + 1):
        if k % EVERY == 0:
            points.append([float(x) for p in answer() for x in p.detach().reshape(-1)])
        closure()
        step(k, closure)
    return points


def cases(name, there):
    """The cases of an optimizer, with the points that are there already."""
    rates, variants = OPTIMIZERS[name]
    # Both rates at the defaults; the second one shows nothing more for other options.
    of_all = [
        (problem, ours, reference, lr)
        for problem in PROBLEMS
        for ours, reference in variants
        if not reference.problems or problem in reference.problems
        for lr in (rates[problem] or ())[: 1 if ours else 2]
    ]
    alone = [
        (problem, ours, make(**ours), lr[0] if lr else rates[problem][0])
        for entry, place, make, sets in ALONE
        for problem, *lr in [(place,) if isinstance(place, str) else place]
        if entry == name
        for ours in sets
    ]
    for problem, ours, reference, lr in of_all + alone:
        case = {"options": ours, "reference": reference.label, "problem": problem, "lr": lr}
        for rate in ("constant", "rising"):
            if getattr(reference, rate):
                case[rate] = True
        if reference.tolerance:
            case["tolerance"] = reference.tolerance
        same = there.get(of(case))
        yield {**case, "points": same["points"] if same else trajectory(problem, lr, reference)}


def of(case):
    """What the points of a case depend on."""
    return json.dumps({key: value for key, value in case.items() if key not in ("points", "tolerance")})


def main():
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    warnings.simplefilter("ignore")
    FOLDER.mkdir(parents=True, exist_ok=True)
    versions = " ".join(f"{package} {version(package)}" for package in PACKAGES)
    for name in sys.argv[1:] or OPTIMIZERS:
        file = FOLDER / f"{name}.json"
        golden = {"generator": "scripts/golden/optimizers.py", "versions": versions, "steps": STEPS, "every": EVERY}
        file.write_text(written({**golden, "cases": list(cases(name, known(file, of)))}))


if __name__ == "__main__":
    main()
