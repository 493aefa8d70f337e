"""The optimizers that are exported, for tests that must not forget one."""

from torch.optim import Optimizer

from passband import optim


def of_ours() -> set[type[Optimizer]]:
    exported = {value for value in vars(optim).values() if isinstance(value, type)}
    return {kind for kind in exported if issubclass(kind, Optimizer)}
