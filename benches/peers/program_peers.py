"""The peers of our programs: PyTorch's eager loop, and the best compiled form that we found.

Losses: one lane after another; and every lane in one compiled function that takes value, gradient and the optimizer's
step, torch.compile over vmap(grad_and_value). Networks: eight seeds, one after another on all cores (eager); and the
fastest of a process a core (eager or compiled) and of all cores on one compiled seed after another.
"""

import multiprocessing
import os
import time

import torch
from torch.func import grad_and_value, vmap

import programs
from eager import fastest

CORES = len(os.sched_getaffinity(0))
STEPS, FEW, SEEDS, NETWORK_STEPS = 1000, 200, 8, 20
OPTIMIZERS = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}


def eager_losses(name, fused):
    """One lane with each optimizer."""
    for make in OPTIMIZERS.values():
        target = torch.randn(64)
        p = (target + torch.randn(64)).requires_grad_()
        optimizer = make([p], lr=0.01, fused=fused)
        for _ in range(FEW):
            optimizer.zero_grad()
            programs.LOSSES[name](p, target).backward()
            optimizer.step()


def compiled_losses(name, lanes):
    """All lanes of each optimizer in one compiled step."""
    of_lanes = vmap(grad_and_value(programs.LOSSES[name]))

    @torch.compile
    def sgd(p, target, lr):
        gradient, value = of_lanes(p, target)
        return p - lr * gradient, value

    @torch.compile
    def adam(p, target, first, second, lr, step):
        gradient, value = of_lanes(p, target)
        first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
        hats = first / (1 - 0.9**step), second / (1 - 0.999**step)
        return p - lr * hats[0] / (hats[1].sqrt() + 1e-8), first, second, value

    def run():
        lr = torch.logspace(-3, -1, lanes).unsqueeze(1)
        target = torch.randn(lanes, 64)
        start = target + torch.randn(lanes, 64)
        with torch.no_grad():
            p = start
            for _ in range(STEPS):
                p, _ = sgd(p, target, lr)
            p, first, second = start, torch.zeros_like(start), torch.zeros_like(start)
            step = torch.zeros(())
            for _ in range(STEPS):
                step += 1
                p, first, second, _ = adam(p, target, first, second, lr, step)

    forms = []
    for threads in {1, CORES}:
        torch.set_num_threads(threads)
        run()
        begin = time.perf_counter()
        run()
        forms.append((time.perf_counter() - begin, threads))
    torch.set_num_threads(min(forms)[1])
    return run


def one_network(name, seed, compiled, steps):
    """A seed: training on minibatches of the rows that aren't held out, tested every ten steps."""
    network, batch = programs.NETWORKS[name]
    torch.manual_seed(seed)
    model = network()
    x, y = programs.data(name)
    held_out, rows = slice(programs.HELD_OUT), len(x) - programs.HELD_OUT
    order = torch.randperm(rows) + programs.HELD_OUT
    optimizer = torch.optim.Adam(model.parameters(), lr=0.003, fused=True)
    loss_of = torch.compile(model) if compiled else model

    def once():
        for step in range(steps):
            if step % programs.TEST_PERIOD == 0:
                with torch.no_grad():
                    loss_of(x[held_out], y[held_out]).item()
            at = step * batch % (rows - batch + 1)
            picked = order[at : at + batch]
            optimizer.zero_grad()
            loss_of(x[picked], y[picked]).backward()
            optimizer.step()

    return once


def in_turn(name, compiled):
    """Seed after seed, on all cores."""
    torch.set_num_threads(CORES)
    runs = [one_network(name, seed, compiled, NETWORK_STEPS) for seed in range(SEEDS)]

    def once():
        for run in runs:
            run()

    return once


def of_a_core(pipe, name, seeds, compiled):
    torch.set_num_threads(1)
    runs = [one_network(name, seed, compiled, NETWORK_STEPS) for seed in seeds]
    while pipe.recv():
        for run in runs:
            run()
        pipe.send(True)


def beside_each_other(name, compiled):
    """A process a core, each with its share of the seeds."""
    context = multiprocessing.get_context("spawn")
    pipes = []
    for core in range(CORES):
        ours, theirs = context.Pipe()
        seeds = range(core, SEEDS, CORES)
        context.Process(target=of_a_core, args=(theirs, name, seeds, compiled), daemon=True).start()
        pipes.append(ours)

    def once():
        for pipe in pipes:
            pipe.send(True)
        for pipe in pipes:
            pipe.recv()

    return once


def best_network(name):
    """The fastest of the other forms, found while warming up."""
    best = None
    for form, make in (("a process a core", beside_each_other), ("seed after seed", in_turn)):
        for compiled in (False, True):
            run = make(name, compiled)
            run()
            begin = time.perf_counter()
            run()
            took = time.perf_counter() - begin
            if best is None or took < best[0]:
                best = took, run, f"{'compiled' if compiled else 'eager'}, {form}"

    def once():
        best[1]()
        return {"form": best[2]}

    return once


if __name__ == "__main__":
    from functools import partial

    from worker import serve

    works = {}
    for name in programs.LOSSES:
        works[f"{name}/eager"] = partial(fastest, partial(eager_losses, name)), 2 * FEW
        for lanes in (1, 256):
            works[f"{name}/{lanes}/compiled"] = partial(compiled_losses, name, lanes), 2 * STEPS * lanes
    for name in programs.NETWORKS:
        works[f"{name}/eager"] = partial(in_turn, name, False), SEEDS * NETWORK_STEPS
        works[f"{name}/best"] = partial(best_network, name), SEEDS * NETWORK_STEPS
    serve(works, {"torch": torch.__version__})
