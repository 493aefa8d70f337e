"""Methods that have no filter ``M(λ)``, why, and what can be said instead."""

from collections.abc import Mapping
from types import MappingProxyType

_STEPS_OF_FIXED_LENGTH = (
    "its steps do not shrink with the gradient, so near a minimum it circles at a distance set by "
    "lr instead of settling, whatever the curvature. Ask which curvature makes the step too long "
    "in its own norm, or let lr decay and judge what it approaches."
)

WITHOUT_FILTER: Mapping[str, str] = MappingProxyType(
    {
        "normalized SAM": (
            "the ascent is divided by the gradient norm, so it is not linear near a minimum: on a "
            "quadratic it ends in a cycle of amplitude αλρ / (2 − αλ), and strict saddles attract "
            "within ρ. Freeze it at a gradient norm, `filters.SAM(gradient_norm=...)`, or use "
            "USAM, which does not normalize."
        ),
        "normalized gradient descent": _STEPS_OF_FIXED_LENGTH,
        "signSGD": _STEPS_OF_FIXED_LENGTH,
        "Lion": _STEPS_OF_FIXED_LENGTH,
        "Muon": _STEPS_OF_FIXED_LENGTH,
        "Polyak step size": (
            "the step adapts to the loss and is homogeneous: the map has no derivative at the "
            "minimum, and adapting the step removes the filter."
        ),
        "line search": (
            "the step is chosen to fit the curvature met, so no curvature is excluded. Judge one "
            "accepted step length at a time with `filters.SGD`."
        ),
        "LBFGS": (
            "its step follows the curvature it meets, so no curvature is excluded. With a line "
            "search even less: each accepted step is as long as the curvature allows."
        ),
        "Barzilai-Borwein": "the step follows the last curvature met, so no curvature is excluded.",
        "Adam while its second moments move": (
            "P is part of the state and depends on squares of gradients, which have no linear part "
            "at a minimum. `filters.Adam` freezes P: a snapshot, in preconditioned curvature."
        ),
        "clipping at a quantile of recent norms": (
            "it rescales with the gradients themselves. To first approximation lr is multiplied "
            "by E min(1, threshold / ‖∇f‖). Clipping at an absolute norm changes nothing near a "
            "minimum."
        ),
        "a warm-up or a decay of lr": (
            "it is not periodic. The last constant phase decides: take its filter."
        ),
    }
)
"""Why an optimizer has no linear filter near a minimum, and what to do, by its name."""
