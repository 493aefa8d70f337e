"""One coupled training at its equilibrium: predict its transient, then watch the real one."""

from dataclasses import dataclass
from typing import ClassVar, Literal, final

from typing_extensions import override

from passband.studies.checkpoints import NOWHERE, Checkpoints
from passband.studies.record import Measurement
from passband.studies.study import Run

TOLERANCE = 0.1
"""By what fraction a watched peak may differ from the predicted one."""

Name = Literal["GAN", "readout", "bilevel"]


@final
@dataclass(frozen=True, kw_only=True)
class PredictionRun(Run):
    """One system at one ratio of learning rates.

    Args:
        system: Which.
        rates: Learning rates of the driving and of the driven player, for training.
        ratio: Factor of the driven player's rate afterwards, at the same equilibrium.
        like: A ratio whose spectral radius this one is given, by one factor for both rates; none
            if 0.
        images: How many.
        side: Pixels a side of MNIST's.
        steps: Of training.
        together: Of training with the step itself.
        directions: Random perturbations to compare with.
        longest: Steps to follow a perturbation at most.
    """

    study: ClassVar[str] = "coupled-networks"

    system: Name
    rates: tuple[float, float]
    ratio: float = 1.0
    like: float = 0.0
    images: int
    side: int = 7
    steps: int
    together: int = 0
    directions: int = 5
    longest: int = 30000

    @property
    @override
    def label(self) -> str:
        first, second = self.rates
        label = f"{self.system}, rates {first:g} and {second * self.ratio:g}"
        return f"{label}, scaled to the radius of {second * self.like:g}" if self.like else label

    @property
    @override
    def cost(self) -> float:
        return 1.0 + self.steps * 2e-3 + self.longest * 4e-3

    @override
    def measure(self, checkpoints: Checkpoints = NOWHERE) -> Measurement:
        from passband.studies.transients.prediction_measured import measure  # torch from here on

        return measure(self)
