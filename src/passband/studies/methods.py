"""The optimizers under study, in plain numbers: what records keep and filters are made of."""

from dataclasses import dataclass
from functools import cache
from typing import Literal, final

from passband import filters
from passband.studies.record import Record

Family = Literal["sgd", "usam", "hessian-usam", "derivative", "extrapolated", "secant"]

_ONE_GRADIENT: dict[Family, type[filters.Filter]] = {
    "derivative": filters.DerivativeAction,
    "extrapolated": filters.ExtrapolatedNesterov,
    "secant": filters.Secant,
}


@final
@dataclass(frozen=True, kw_only=True)
class Method:
    """An optimizer by its options, in plain numbers, so that it can be kept in a record.

    Args:
        name: What it is called in tables and figures.
        family: Which optimizer it is.
        lr: Learning rate.
        momentum: Momentum factor.
        nesterov: Look ahead along the buffer.
        rho: Ascent radius of the USAM family.
        steps: Ascents a step; only for USAM.
        edge: Wanted edge of a one-gradient optimizer, which decides its strength.
        weight_decay: Coupled, as in ``torch.optim.SGD``.

    Example:
        >>> method = Method(name="heavy ball", family="sgd", lr=0.05, momentum=0.5)
        >>> round(method.filter().edge, 3)
        60.0
    """

    name: str
    family: Family
    lr: float
    momentum: float = 0.0
    nesterov: bool = False
    rho: float = 0.0
    steps: int = 1
    edge: float = 0.0
    weight_decay: float = 0.0

    @classmethod
    def of(cls, record: Record) -> "Method":
        """Return the method that a record was made with."""
        return cls(**record.configuration["method"])

    def filter(self) -> filters.Filter:
        """Return what this optimizer does to a curvature; found once."""
        return _filter(self)

    @property
    def options(self) -> str:
        """The options that matter, to be read: ``"lr 0.05, momentum 0.5"``."""
        parts = [f"lr {self.lr:g}"]
        parts += [f"momentum {self.momentum:g}"] if self.momentum else []
        parts += [f"ρ {self.rho:g}"] if "usam" in self.family else []
        parts += [f"made for edge {self.edge:.4g}"] if self.family in _ONE_GRADIENT else []
        parts += [f"weight decay {self.weight_decay:g}"] if self.weight_decay else []
        return ", ".join(parts)


@cache
def _filter(method: Method) -> filters.Filter:
    if method.family == "sgd":
        return filters.SGD(
            lr=method.lr,
            momentum=method.momentum,
            nesterov=method.nesterov,
            weight_decay=method.weight_decay,
        )
    if method.family == "usam":
        return filters.USAM(
            lr=method.lr,
            rho=method.rho,
            steps=method.steps,
            momentum=method.momentum,
            nesterov=method.nesterov,
            weight_decay=method.weight_decay,
        )
    if method.family == "hessian-usam":
        return filters.HessianUSAM(
            lr=method.lr,
            rho=method.rho,
            momentum=method.momentum,
            nesterov=method.nesterov,
            weight_decay=method.weight_decay,
        )
    return filters.design(
        _ONE_GRADIENT[method.family],
        edge=method.edge,
        lr=method.lr,
        momentum=method.momentum,
        weight_decay=method.weight_decay,
    )
