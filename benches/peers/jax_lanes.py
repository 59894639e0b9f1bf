"""The peer of our engines in JAX: `jit(vmap(scan))` over lanes, with optax's optimizers.

Every lane keeps what a row of our cells.csv holds: final and best loss and error, and the first step at
which each of three targets was reached. Compile time is not counted, and neither is drawing the starts.
Left out, in JAX's favor: divergence is not looked for.

Each work comes twice: as `jit(vmap(scan))`, and under `/fastest` as the fastest of the forms that a
careful user might write, found while warming up.
"""

import time
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax

import shapes
from shapes import DIMS, PERIOD, RATES, SEEDS, STEPS, TARGETS

LOSSES = {
    "plateau": lambda p, t: jnp.where(jnp.abs(p - t) <= 0.5, jnp.abs(p - t), 0.001 * jnp.abs(p - t) + 0.4995),
    "asymmetric": lambda p, t: jnp.where(p - t > 0, 5.0 * jnp.square(p - t), jnp.square(p - t)),
    "poorly_conditioned": lambda p, t: 0.01 * jnp.square(p - t) + (p - t),
}
OPTIMIZERS = {
    "sgd": optax.sgd,
    "heavy_ball": partial(optax.sgd, momentum=0.9),
    "adam": optax.adam,
}


def draw(dim):
    """Starts, targets and learning rates of 256 lanes: 16 rates x 16 seeds."""
    generator = np.random.default_rng(0)
    target = generator.normal(size=(SEEDS, dim))
    start = target + generator.normal(size=(SEEDS, dim))
    lanes = [np.tile(x, (len(RATES), 1)).astype(np.float32) for x in (start, target)]
    return *map(jnp.asarray, lanes), jnp.asarray(np.repeat(RATES, SEEDS), jnp.float32)


class Books:
    """Best loss, best error and steps to the targets of one lane. Errors may come squared."""

    def __init__(self, targets):
        self.targets = jnp.asarray(targets, jnp.float32)

    def open(self):
        infinite = jnp.float32(jnp.inf)
        return infinite, infinite, jnp.full(self.targets.shape, -1, jnp.int32)

    def note(self, books, step, loss, error):
        best_loss, best_error, hits = books
        hits = jnp.where((hits < 0) & (error <= self.targets), step, hits)
        return jnp.minimum(best_loss, loss), jnp.minimum(best_error, error), hits


def direct_fit(loss, optimizer, unroll=1):
    """One loss and one optimizer: a function of a lane's start, target and learning rate."""
    books = Books(np.square(TARGETS))

    def evaluate(p, target):
        return jnp.mean(LOSSES[loss](p, target))

    def square_error(p, target):
        return jnp.mean(jnp.square(p - target))

    def lane(start, target, lr):
        rule = OPTIMIZERS[optimizer](lr)

        def step(carry, i):
            p, state, kept = carry
            value, gradient = jax.value_and_grad(evaluate)(p, target)
            kept = books.note(kept, i, value, square_error(p, target))
            update, state = rule.update(gradient, state, p)
            return (optax.apply_updates(p, update), state, kept), None

        carry = start, rule.init(start), books.open()
        (p, _, kept), _ = jax.lax.scan(step, carry, jnp.arange(STEPS), unroll=unroll)
        value, error = evaluate(p, target), square_error(p, target)
        best_loss, best_error, hits = books.note(kept, STEPS, value, error)
        return value, best_loss, jnp.sqrt(error), jnp.sqrt(best_error), hits

    return lane


def nine(unroll):
    """The nine grids, a compiled program each; XLA runs them side by side where it has cores."""
    programs = [jax.jit(jax.vmap(direct_fit(l, o, unroll))) for l in LOSSES for o in OPTIMIZERS]
    return lambda inputs: [program(*inputs) for program in programs]


def nine_in_one(unroll):
    """The nine grids in one program."""
    lanes = [jax.vmap(direct_fit(l, o, unroll)) for l in LOSSES for o in OPTIMIZERS]
    return jax.jit(lambda inputs: [lane(*inputs) for lane in lanes])


def compiled(make, inputs):
    """A form, compiled and run once, and its best time of three."""
    form = make()
    times = []
    for _ in range(4):
        begin = time.perf_counter()
        jax.block_until_ready(form(inputs))
        times.append(time.perf_counter() - begin)
    return min(times[1:]), form


def prepare(forms, inputs):
    """Compiles the forms, keeps the fastest, and returns the function to time."""
    found = {name: compiled(make, inputs) for name, make in forms.items()}
    name = min(found, key=lambda name: found[name][0])
    form = found[name][1]

    def run():
        results = jax.block_until_ready(form(inputs))
        hits = np.concatenate([np.asarray(result[-1]) for result in results])
        return {"form": name, "reached": [float(share) for share in (hits >= 0).mean(axis=0)]}

    return run


FIT_FORMS = {
    "jit(vmap(scan))": partial(nine, 1),
    "jit(vmap(scan)), unroll=8": partial(nine, 8),
    "nine grids in one jit": partial(nine_in_one, 1),
    "nine grids in one jit, unroll=8": partial(nine_in_one, 8),
}


def pixel(unroll):
    """One run of the map: a function of its start."""
    books = Books([2 * shapes.MAP_TARGET**2])
    minimizers = jnp.asarray(shapes.MINIMIZERS, jnp.float32)
    rule = optax.sgd(shapes.MAP_LR, momentum=shapes.MAP_MOMENTUM)

    def evaluate(p):
        x, y = p
        return jnp.square(x * x + y - 11) + jnp.square(x + y * y - 7)

    def square_error(p):
        return jnp.min(jnp.sum(jnp.square(minimizers - p), axis=1))

    def run(start):
        def step(carry, i):
            p, state, kept = carry
            value, gradient = jax.value_and_grad(evaluate)(p)
            kept = books.note(kept, i, value, square_error(p))
            update, state = rule.update(gradient, state, p)
            return (optax.apply_updates(p, update), state, kept), None

        carry = start, rule.init(start), books.open()
        (p, _, kept), _ = jax.lax.scan(step, carry, jnp.arange(shapes.MAP_STEPS), unroll=unroll)
        _, _, hits = books.note(kept, shapes.MAP_STEPS, evaluate(p), square_error(p))
        nearest = jnp.argmin(jnp.sum(jnp.square(minimizers - p), axis=1))
        return jnp.sqrt(square_error(p) / 2), nearest, hits

    return run


def whole_map(unroll):
    program = jax.jit(jax.vmap(pixel(unroll)))
    return lambda inputs: [program(inputs)]


def map_in_blocks(lanes, unroll):
    """Blocks of lanes that fit the cache, one after the other."""
    run = jax.vmap(pixel(unroll))

    def blocks(inputs):
        results = jax.lax.map(run, inputs.reshape(-1, lanes, 2))
        return [jax.tree.map(lambda result: result.reshape(-1, *result.shape[2:]), results)]

    return jax.jit(blocks)


MAP_FORMS = {
    "jit(vmap(scan))": partial(whole_map, 1),
    "jit(vmap(scan)), unroll=8": partial(whole_map, 8),
    "blocks of 1024": partial(map_in_blocks, 1024, 1),
    "blocks of 1024, unroll=8": partial(map_in_blocks, 1024, 8),
    "blocks of 8192": partial(map_in_blocks, 8192, 1),
}


def map_starts():
    middles = ((np.arange(shapes.MAP_PIXELS) + 0.5) / shapes.MAP_PIXELS * 2 - 1) * shapes.MAP_SIDE
    return jnp.asarray(np.stack(np.meshgrid(middles, middles), axis=-1).reshape(-1, 2), jnp.float32)


def mlp_start():
    generator = np.random.default_rng(2)
    hidden, classes = shapes.HIDDEN, shapes.CLASSES
    layers = [(64, (64, hidden)), (64, (hidden,)), (hidden, (hidden, classes)), (hidden, (classes,))]
    return [generator.uniform(-1, 1, shape).astype(np.float32) / np.sqrt(np.float32(n)) for n, shape in layers]


def mlp(scan_outside):
    """All lanes: a function of start, learning rates, minibatches and data.

    `scan_outside` writes scan(vmap) instead of vmap(scan), which is the same arithmetic.
    """
    books = Books(shapes.MLP_TARGETS)

    def logits(parameters, images):
        w1, b1, w2, b2 = parameters
        return jax.nn.relu(images @ w1 + b1) @ w2 + b2

    def evaluate(parameters, images, classes):
        scores = logits(parameters, images)
        return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(scores, classes))

    def error_rate(parameters, images, classes):
        return jnp.mean(jnp.argmax(logits(parameters, images), axis=1) != classes)

    def step(carry, lr, i, images, classes):
        parameters, state, kept, _ = carry
        value, gradient = jax.value_and_grad(evaluate)(parameters, images, classes)
        best_loss, best_error, hits = kept
        update, state = optax.adam(lr).update(gradient, state)
        kept = jnp.minimum(best_loss, value), best_error, hits
        return optax.apply_updates(parameters, update), state, kept, value

    def test(carry, i, images, classes):
        parameters, state, kept, value = carry
        return parameters, state, books.note(kept, i, value, error_rate(parameters, images, classes)), value

    def begin(start, lr):
        return start, optax.adam(lr).init(start), books.open(), jnp.float32(jnp.inf)

    def result(carry):
        _, _, (best_loss, best_error, hits), value = carry
        return value, best_loss, best_error, hits

    def train(start, lr, order, data, lift):
        """`lift` is vmap over lanes where the scan is outside, else nothing."""
        images, classes, test_images, test_classes = data
        train_step = lift(step, (0, 0, None, None, None))
        train_test = lift(test, (0, None, None, None))

        def period(carry, block):
            i, order = block
            carry = train_test(carry, i, test_images, test_classes)
            inner = lambda carry, rows: (train_step(carry, lr, i, images[rows], classes[rows]), None)
            return jax.lax.scan(inner, carry, order)[0], None

        blocks = jnp.arange(shapes.MLP_STEPS // PERIOD) * PERIOD, order.reshape(-1, PERIOD, shapes.BATCH)
        carry, _ = jax.lax.scan(period, lift(begin, (None, 0))(start, lr), blocks)
        return lift(result, (0,))(train_test(carry, shapes.MLP_STEPS, test_images, test_classes))

    if scan_outside:
        return jax.jit(lambda inputs: [train(*inputs, jax.vmap)])
    alone = partial(train, lift=lambda function, axes: function)
    return jax.jit(lambda inputs: [jax.vmap(alone, (None, 0, None, None))(*inputs)])


MLP_FORMS = {"jit(vmap(scan))": partial(mlp, False), "jit(scan(vmap))": partial(mlp, True)}


def prepare_mlp(forms):
    images, classes = shapes.digits()
    test = shapes.TEST
    data = images[test:], classes[test:], images[:test], classes[:test]
    order = shapes.minibatches(len(images) - test, shapes.MLP_STEPS)
    inputs = jax.tree.map(jnp.asarray, (mlp_start(), shapes.MLP_RATES.astype(np.float32), order, data))
    return prepare(forms, inputs)


def first(forms):
    """Only the form that is written first."""
    return dict(list(forms.items())[:1])


def works():
    """Every work as it is commonly written, and in its fastest form."""
    fits = len(LOSSES) * len(OPTIMIZERS) * len(RATES) * SEEDS * STEPS
    mlps = len(shapes.MLP_RATES) * shapes.MLP_STEPS
    found = {}
    for suffix, pick in (("", first), ("/fastest", lambda forms: forms)):
        for dim in DIMS:
            found[f"direct_fit/{dim}{suffix}"] = lambda dim=dim, pick=pick: prepare(pick(FIT_FORMS), draw(dim)), fits
        pixels = shapes.MAP_PIXELS**2 * shapes.MAP_STEPS
        found[f"map{suffix}"] = lambda pick=pick: prepare(pick(MAP_FORMS), map_starts()), pixels
        found[f"digits_mlp{suffix}"] = lambda pick=pick: prepare_mlp(pick(MLP_FORMS)), mlps
    return found


if __name__ == "__main__":
    from worker import serve

    serve(works(), {"jax": jax.__version__, "optax": optax.__version__})
