"""Optimizers as trainers hand them out: wrapped in a class that passes every step on."""

from typing import Any

# by name, because none of these packages need be installed
_PASS_ON = {"AcceleratedOptimizer", "LightningOptimizer", "_FabricOptimizer"}


def unwrapped(optimizer: Any) -> Any:
    """Return the optimizer inside the wrapper of Accelerate, Lightning or Fabric.

    Wrappers know when to step, and for the rest forward; a copy of one would take its trainer
    along, and its class is in no list of known filters. Anything else is returned as it is.
    """
    while _PASS_ON & {kind.__name__ for kind in type(optimizer).__mro__}:
        optimizer = optimizer.optimizer
    return optimizer
