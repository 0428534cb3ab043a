"""The samplers and pruners that `--sampler` and `--pruner` offer; a new one is a function and a row here."""

from __future__ import annotations

from study.choices import Choice

SAMPLER, PRUNER = "tpe", "median"  # of a new search that names none

# Each factory takes the sampler's seed.
SAMPLERS = {
    "tpe": Choice("tree-structured Parzen estimator", "study.sampling.samplers:tpe"),
    "random": Choice("independent draws", "study.sampling.samplers:random"),
    "gp": Choice("Gaussian process", "study.sampling.samplers:gp"),
}

# Each factory takes no arguments.
PRUNERS = {
    "median": Choice("below the median at the same epoch", "study.sampling.pruning:median"),
    "percentile": Choice("not in the best third at the same epoch", "study.sampling.pruning:percentile"),
    "asha": Choice("asynchronous successive halving", "study.sampling.rungs:HalvingPruner"),
    "hyperband": Choice("several brackets of successive halving", "study.sampling.rungs:HyperbandPruner"),
    "promotion": Choice("pause, and promote the best third", "study.sampling.promotion:PromotionPruner"),
    "noise": Choice("a gap that seeds do not explain", "study.sampling.pruning:NoisePruner"),
    "none": Choice("no pruning", "study.sampling.pruning:none"),
}
