"""Transients of coupled systems from radii and norms of their blocks, in closed form. No torch."""

from passband.transients.blocks.comparison import (
    Comparison,
)
from passband.transients.blocks.feedback import (
    CriticalFeedback,
    critical_feedback,
    feedback_bound,
)
from passband.transients.blocks.instance import (
    KreissBounds,
    instance_bounds,
)
from passband.transients.blocks.products import (
    any_order,
    product_bounds,
)
from passband.transients.blocks.ratio import (
    balanced_ratio,
)
from passband.transients.blocks.spectra import (
    kreiss_of_spectra,
)
from passband.transients.blocks.two import (
    BestRatio,
    Blocks,
)

__all__ = [
    "BestRatio",
    "Blocks",
    "Comparison",
    "CriticalFeedback",
    "KreissBounds",
    "any_order",
    "balanced_ratio",
    "critical_feedback",
    "feedback_bound",
    "instance_bounds",
    "kreiss_of_spectra",
    "product_bounds",
]
