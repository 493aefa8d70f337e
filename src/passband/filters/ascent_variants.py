"""Relatives of USAM: other climbs, other prices, sometimes the same filter."""

from dataclasses import dataclass
from typing import final

from typing_extensions import override

from passband.filters.checks import check_positive
from passband.filters.climbing_oracles import Ascent, NaturalAscent, NestedAscent
from passband.filters.response import Response
from passband.filters.uphill import Uphill


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class NestedUSAM(Uphill):
    r"""Gradient at ``θ + ρ ∇f(θ + ρ ∇f(θ))``: the climb is itself taken uphill.

    .. math::
        h(\lambda) = \lambda\,(1 + \rho\lambda + \rho^2\lambda^2)

    Not Two-step USAM: ``h`` is monotone, so exactly ``[0, L]`` is admitted, with either sign of
    ρ. Three gradients a step. Arguments as in `USAM`.

    Example:
        >>> print(NestedUSAM(lr=0.04, rho=0.03, momentum=0.8).passband())
        [0, 31.6079]
    """

    @property
    @override
    def climb(self) -> Response:
        return NestedAscent(self.rho)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class GradientPenalty(Uphill):
    r"""SGD on ``f + (ρ/2) ‖∇f‖²``: the filter of USAM, leak included.

    .. math::
        h(\lambda) = \lambda\,(1 + \rho\lambda)

    A step costs a gradient and a Hessian-vector product. Other arguments as in `USAM`.

    Args:
        rho: Penalty ``ρ``, in 1/curvature.

    Example:
        >>> from passband.filters import USAM
        >>> GradientPenalty(lr=0.04, rho=0.03).edge == USAM(lr=0.04, rho=0.03).edge
        True

    References:
        Dauphin, Agarwala, Mobahi, arXiv 2401.10809.
    """

    @property
    @override
    def climb(self) -> Response:
        return Ascent(self.rho)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class UphillLoss(Uphill):
    r"""SGD on ``f(θ + ρ ∇f(θ))``, differentiated through the climb.

    .. math::
        h(\lambda) = \lambda\,(1 + \rho\lambda)^2

    The response of Two-step USAM at another price: two gradients and a Hessian-vector product.
    Arguments as in `USAM`.

    Example:
        >>> print(UphillLoss(lr=0.04, rho=0.03, momentum=0.8).passband())
        {-33.3333} ∪ [0, 27.2476]
    """

    @property
    @override
    def climb(self) -> Response:
        return Ascent(self.rho, 2)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ASAM(Uphill):
    r"""Adaptive SAM without its normalization, its scaling frozen: climbs along ``T² ∇f``.

    .. math::
        h(\lambda) = \lambda\,(1 + \rho\,\tau^2 \lambda)

    Exact where T is τ throughout a mode. Otherwise modes mix: take the eigenvalues of
    ``H + ρ H T² H`` and ask the filter of SGD. Other arguments as in `USAM`.

    Args:
        scale: ``τ > 0``, the size of the scaling T along the mode.

    Example:
        >>> from passband.filters import USAM
        >>> ASAM(lr=0.04, rho=0.03, scale=1.0).edge == USAM(lr=0.04, rho=0.03).edge
        True

    References:
        Kwon et al., *ASAM*, ICML 2021.
    """

    scale: float

    @override
    def __post_init__(self) -> None:
        super(ASAM, self).__post_init__()
        check_positive(scale=self.scale)

    @property
    @override
    def climb(self) -> Response:
        return Ascent(self.rho * self.scale**2)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class FisherSAM(Uphill):
    r"""Fisher SAM without its normalization: climbs along ``F⁻¹ ∇f``, with F the Hessian.

    .. math::
        h(\lambda) = (1 + \rho)\,\lambda

    Every curvature is raised by the same factor: like a larger learning rate, it does not
    select. Two gradients a step, and F. Other arguments as in `USAM`.

    Args:
        rho: Ascent step ``ρ``, a pure number.

    Example:
        >>> round(FisherSAM(lr=0.1, rho=0.25).edge, 9)
        16.0

    References:
        Kim et al., *Fisher SAM*, ICML 2022.
    """

    @property
    @override
    def climb(self) -> Response:
        return NaturalAscent(self.rho)
