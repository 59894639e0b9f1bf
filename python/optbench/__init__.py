"""optbench: benchmarks optimizers, and diagnoses losses that decrease slowly."""
