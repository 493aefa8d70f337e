"""Optimizers that look uphill before they step: USAM, Hessian USAM, and SAM when frozen."""

from dataclasses import dataclass
from typing import final

from typing_extensions import override

from passband.filters.checks import check_count, check_nonnegative, check_positive
from passband.filters.climbing_oracles import Ascent, HessianAscent
from passband.filters.response import Response
from passband.filters.uphill import Uphill


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class USAM(Uphill):
    r"""The filter of `passband.optim.USAM`: unnormalized SAM with ``k`` ascent steps.

    .. math::
        h(\lambda) = \lambda\,(1 + \rho\lambda)^k, \qquad
        \text{admissible} \iff 0 \le h(\lambda) \le 2\,(1 + \beta) / \alpha
        \quad\text{(heavy ball, no decay).}

    Args:
        lr: Learning rate ``α > 0``.
        rho: Ascent step ``ρ``, in 1/curvature. Negative is extragradient.
        steps: Ascent steps ``k ≥ 1``; 2 is Two-step USAM. A step costs ``k + 1`` gradients.
        momentum: Heavy ball outside the perturbation.
        nesterov: Nesterov momentum instead.
        weight_decay: ``ω ≥ 0``, placed by ``decay``.
        decay: ``"coupled"`` adds ``ω θ`` after the ascent, as a base SGD does; ``"loss"`` has it
            in the loss, where it is climbed too; ``"decoupled"`` shrinks the weights, as AdamW.

    Example:
        USAM also admits saddles: curvatures below ``-1/ρ``.

        >>> print(USAM(lr=0.04, rho=0.03).passband())
        [-60.7625, -33.3333] ∪ [0, 27.4292]

    References:
        Andriushchenko, Flammarion 2022; Bolte, Le, Pauwels, arXiv 2510.09034.
    """

    steps: int = 1

    @override
    def __post_init__(self) -> None:
        super(USAM, self).__post_init__()
        check_count(steps=self.steps)

    @property
    @override
    def climb(self) -> Response:
        return Ascent(self.rho, self.steps)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class HessianUSAM(Uphill):
    r"""The filter of `passband.optim.HessianUSAM`, which climbs along ``H ∇f``.

    .. math::
        h(\lambda) = \lambda\,(1 + \rho\lambda^2)

    For ``ρ ≥ 0`` it admits exactly ``[0, L]``: no saddle leak. A step costs two gradients and a
    Hessian-vector product. Other arguments as in `USAM`.

    Args:
        rho: Ascent step ``ρ``, in 1/curvature².

    Example:
        >>> print(HessianUSAM(lr=0.04, rho=0.03, momentum=0.8).passband())
        [0, 13.6529]

    References:
        Bolte, Le, Pauwels, arXiv 2510.09034.
    """

    @property
    @override
    def climb(self) -> Response:
        return HessianAscent(self.rho)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class SAM(Uphill):
    r"""SAM while the gradient norm stays at ``gradient_norm``: USAM with ``ρ / ‖∇f‖``.

    Normalized SAM has no ``M(λ)`` at a minimum: as ``‖∇f‖ → 0`` this edge falls to zero like
    ``sqrt(C ‖∇f‖ / ρ)``, where ``C = 2 (1 + β) / α`` is that of heavy ball, and the iteration
    circles instead of settling. At a given norm the formula is that of Long and Bartlett. Other
    arguments as in `USAM`.

    Args:
        rho: Length of the ascent step, ``ρ ≥ 0``, in units of the weights.
        gradient_norm: ``‖∇f‖ > 0`` at which the filter is frozen.

    Example:
        >>> round(SAM(lr=0.04, rho=0.03, gradient_norm=0.5, momentum=0.8).edge, 6)
        31.282881

    References:
        Foret et al. 2021; Long, Bartlett, arXiv 2309.12488.
    """

    gradient_norm: float

    @override
    def __post_init__(self) -> None:
        super(SAM, self).__post_init__()
        check_nonnegative(rho=self.rho)
        check_positive(gradient_norm=self.gradient_norm)

    @property
    @override
    def climb(self) -> Response:
        return Ascent(self.rho / self.gradient_norm)
