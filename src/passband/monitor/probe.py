"""One look at where training stood."""

import dataclasses
import math
from dataclasses import dataclass
from typing import final


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """Where training stood after a step.

    Attributes:
        step: Steps of the optimizer before it.
        loss: Mean loss over the probe set.
        gradient_norm: ``‖∇f + ωθ‖``, weight decay included; ``‖∇f + ωPθ‖`` where it is decoupled
            from a preconditioner P.
        distance: Estimated distance to a critical point, ``‖∇f‖ / sharpness``, over ``‖θ‖``; the
            gradient divided by P where the sharpness is.
        sharpness: Largest eigenvalue, of what the optimizer feels: the Hessian, or the
            preconditioned one for Adam and its kin; NaN while their state cannot be read, as
            before the first step.
        error: Its error bar.
        edge: Edge of the optimizer as it was then; NaN without a filter.
        ratio: Sharpness over edge.
        above: Measured modes above the edge by more than their error bar.
        smallest: Smallest eigenvalue, or NaN where it was not asked for.
        smallest_error: Its error bar, wide where more may lie below.
        alignment: ``|⟨∇f, v₁⟩| / ‖∇f‖``, the share of the gradient along the sharpest mode.
        batch_sharpness: Mean over batches of ``gᵦᵀ Hᵦ gᵦ / ‖gᵦ‖²``, or NaN.
        mean_square_ratio: Curvature along the sharpest mode over the edge that holds for batches
            whose curvature scatters as these do, `Filter.mean_square_edge`, or NaN.
        spherical_ratio: Largest curvature on the spheres of scale-invariant weights, over what
            the optimizer holds there (`passband.spherical`), or NaN.
        effective_lr: ``α / ((1 − αω) r²)`` of every scale-invariant weight, by name.
        layers: Share of every parameter in the sharpest mode, by name, the largest five.
        lr: Learning rate of the first group.
        moved_share: Share of the weights that the ascent moves after rounding, or NaN.
        matvecs: Hessian products spent.
        verified: Whether a second search found that nothing was missed, at either end where the
            smallest was asked for; the error bars say at which.
        seconds: What the probe took.
        note: What a reader should know, or nothing.
    """

    step: int
    loss: float = math.nan
    gradient_norm: float = math.nan
    distance: float = math.nan
    sharpness: float = math.nan
    error: float = math.nan
    edge: float = math.nan
    ratio: float = math.nan
    above: int = 0
    smallest: float = math.nan
    smallest_error: float = math.nan
    alignment: float = math.nan
    batch_sharpness: float = math.nan
    mean_square_ratio: float = math.nan
    spherical_ratio: float = math.nan
    effective_lr: dict[str, float] = dataclasses.field(default_factory=dict[str, float])
    layers: dict[str, float] = dataclasses.field(default_factory=dict[str, float])
    lr: float = math.nan
    moved_share: float = math.nan
    matvecs: int = 0
    verified: bool = False
    seconds: float = 0.0
    note: str = ""
