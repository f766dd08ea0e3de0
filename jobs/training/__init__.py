"""Training a generator on an archive's own colour photographs.

A `Training` (settings) is a recipe, a manifest and an output place. `run_training` starts a crew of
workers on Ray; each goes through the recipe's phases with its own share of the photographs
(`learn`), which a `Gallery` finds, in tar shards too. The place keeps checkpoints, so that any may
die and the same command goes on.
"""

from photochrom.jobs.training.settings import Training, load_training

__all__ = ["Training", "load_training"]
