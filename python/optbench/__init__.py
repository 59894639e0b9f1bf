"""Why is my custom loss function decreasing slowly, and what makes it fast?

import optbench

optbench.diagnose(MyLoss(), prediction, target, optimizer=optimizer)       # a loss and examples
optbench.diagnose(MyLoss(), model=model, batch=(inputs, targets))          # with your model
optbench.diagnose(step=training_step, model=model, batch=batch)            # training_step(model, batch) -> loss
optbench.run("configs/grid.toml")                                          # a grid; or a dict that says the same
optbench.compare("results/before", "results/after")
optbench.map("configs/map.toml")
"""

from ._binary import Error
from ._diagnose import Diagnosis, Finding, Fix, diagnose
from ._grid import Comparison, Map, Page, Results, compare, load, map, run

__all__ = [
    "Comparison", "Diagnosis", "Error", "Finding", "Fix", "Map", "Page", "Results",
    "compare", "diagnose", "load", "map", "run",
]  # fmt: skip
