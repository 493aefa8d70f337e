"""The density of all eigenvalues, smoothed, with its sampling error."""

import math
import time
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from typing_extensions import override

from passband._shapes import Float
from passband.operators import LinearOperator
from passband.spectra.krylov import Krylov
from passband.spectra.ritz import Locked
from passband.spectra.start import random_direction, symmetric_operator, watched

_MARGIN = 3.0  # widths of the smoothing shown beyond the outermost nodes


@final
@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Density:
    """The distribution of the eigenvalues of a symmetric operator, with integral one.

    Each random probe gives a quadrature rule: nodes and weights. Their mean estimates the
    density; how much they differ gives its standard error. Everything is float64 on the CPU.

    Attributes:
        x: Where the density is given, shape ``(points,)``.
        values: The density there, smoothed by a Gaussian of ``width``, shape ``(points,)``.
        errors: Standard errors of the values, over the probes, shape ``(points,)``.
        nodes: Quadrature nodes, shape ``(probes, steps)``.
        weights: Their weights, each row sums to 1, shape ``(probes, steps)``.
        width: Standard deviation of the smoothing, in units of curvature.
        size: Number of eigenvalues.
        matvecs: Products that were spent.
        seconds: Wall-clock time.
    """

    x: Float[Tensor, " points"]
    values: Float[Tensor, " points"]
    errors: Float[Tensor, " points"]
    nodes: Float[Tensor, "probes steps"]
    weights: Float[Tensor, "probes steps"]
    width: float
    size: int
    matvecs: int
    seconds: float

    def at(
        self, x: Float[Tensor, " points"], *, width: float | None = None
    ) -> tuple[Float[Tensor, " points"], Float[Tensor, " points"]]:
        """Return the density and its standard error elsewhere, or smoothed by another width."""
        return _smoothed(x.double().cpu(), self.nodes, self.weights, width or self.width)

    def share(self, lower: float, upper: float) -> tuple[float, float]:
        """Return the share of eigenvalues in ``[lower, upper]`` and its standard error."""
        inside = (self.nodes >= lower) & (self.nodes <= upper)
        return _mean((self.weights * inside).sum(1))

    @override
    def __repr__(self) -> str:
        below, doubt = self.share(-math.inf, -self.width)
        negative = (
            f"{100 * below:.2g} ± {100 * doubt:.1g} % below {-self.width:.2g}, the resolution"
            if bool((self.nodes < -self.width).any())
            else f"negative curvature is not resolved at width {self.width:.2g}, the resolution"
        )
        return (
            f"density of {self.size:,} eigenvalues from {float(self.nodes.min()):.4g} to "
            f"{float(self.nodes.max()):.4g}: {len(self.nodes)} probes, {self.matvecs} products, "
            f"{self.seconds:.2g} s\n"
            f"{negative}"
        )


def density(
    H: LinearOperator,
    *,
    probes: int = 5,
    steps: int = 30,
    width: float | None = None,
    points: int = 400,
    seed: int = 0,
) -> Density:
    """Return the density of the eigenvalues of a symmetric operator, with its standard error.

    Stochastic Lanczos quadrature with full orthogonalization, so no node is a ghost: for a
    random unit vector ``v`` the measure ``Σ (vᵢᵀ v)² δ(λ − λᵢ)`` is replaced by its Gauss rule,
    whose ``steps`` nodes give the first ``2 steps`` moments exactly. Isolated outer eigenvalues
    are weighted by chance; take them from `eigenvalues`.

    Costs ``probes * steps`` products, and ``steps`` vectors of memory.

    Args:
        H: The operator.
        probes: Random vectors, at least 2; the error falls with their square root, and with that
            of the size.
        steps: Nodes a probe: the resolution is a fraction ``1 / steps`` of the range.
        width: Standard deviation of the smoothing; the range over ``steps`` if not given.
        points: Where to give the density.
        seed: Seeds the probes.

    Raises:
        ValueError: An operator that is not symmetric, or too few probes or steps.

    Example:
        >>> from passband.operators import MatrixOperator
        >>> found = density(MatrixOperator(torch.diag(torch.tensor([0.0, 0.0, 0.0, 8.0]))))
        >>> round(float(torch.trapezoid(found.values, found.x)), 2)
        1.0

    References:
        Ghorbani, Krishnan and Xiao, *An investigation into neural net optimization via Hessian
        eigenvalue density*, ICML 2019, algorithm 1.
    """
    symmetric_operator(H, name="density")
    for name, value, least in (("probes", probes, 2), ("steps", steps, 1), ("points", points, 2)):
        if not value >= least:
            raise ValueError(f"`{name}` must be at least {least}; got {value!r}.")
    if width is not None and not 0 < width < math.inf:
        raise ValueError(f"`width` must be positive and finite; got {width!r}.")
    began, generator = time.perf_counter(), torch.Generator().manual_seed(seed)
    steps = min(steps, H.size)
    multiply = watched(H)
    nodes, weights = torch.zeros(2, probes, steps, dtype=torch.float64)
    for probe in range(probes):
        start = random_direction(H, generator)
        none = Locked.none(start).vectors
        space = Krylov(multiply, start, locked=none, generator=generator)
        while space.size < steps:
            space.expand()
        nodes[probe], vectors = torch.linalg.eigh(space.projected[:steps, :steps])
        weights[probe] = vectors[0] ** 2
    low, high = float(nodes.min()), float(nodes.max())
    scale = max(abs(low), abs(high), 1e-300)
    width = width or max((high - low) / steps, 1e-6 * scale)
    x = torch.linspace(low - _MARGIN * width, high + _MARGIN * width, points, dtype=torch.float64)
    values, errors = _smoothed(x, nodes, weights, width)
    return Density(
        x=x,
        values=values,
        errors=errors,
        nodes=nodes,
        weights=weights,
        width=width,
        size=H.size,
        matvecs=probes * steps,
        seconds=time.perf_counter() - began,
    )


def _smoothed(x: Tensor, nodes: Tensor, weights: Tensor, width: float) -> tuple[Tensor, Tensor]:
    z = (x[:, None, None] - nodes) / width
    bumps = torch.exp(-(z**2) / 2) / (width * math.sqrt(2 * math.pi))
    each = (bumps * weights).sum(-1)  # (points, probes)
    return each.mean(1), each.std(1) / math.sqrt(nodes.shape[0])


def _mean(each: Tensor) -> tuple[float, float]:
    return float(each.mean()), float(each.std()) / math.sqrt(len(each))
