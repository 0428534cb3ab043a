"""The engine: trains one recipe, epoch by epoch; the only room that knows torch, and it knows no trials or folders."""

from study.engine.check import check
from study.engine.train import train

__all__ = ["check", "train"]
