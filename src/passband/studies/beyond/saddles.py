"""Saddles that attract, and limits that are not critical: what a passband of both signs says."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, final

from typing_extensions import override

from passband.studies.beyond.shared import SmallRun, table
from passband.studies.checkpoints import NOWHERE, Checkpoints
from passband.studies.claims import Claim
from passband.studies.exhibits import Exhibit
from passband.studies.methods import Method
from passband.studies.record import Measurement, Record
from passband.studies.study import Run, Study

CURVATURE = -4.0
"""Of the strict saddle of the double well, at the origin."""


@final
@dataclass(frozen=True, kw_only=True)
class Descent(SmallRun):
    """Real optimizers from many starts at once on a function whose critical points are known.

    ``well``: ``x²/2 − 2y² + y⁴``, saddle at 0, minima at ``(0, ±1)``, starts uniform in the
    square ``[−0.2, 0.2]²``. ``quartic``: ``x⁴/4 − x³ + x²/2``, from 1.9 and 2.1.

    Args:
        function: Which one.
        method: The optimizer.
        starts: How many, on the well.
        steps: Of each.
    """

    study: ClassVar[str] = "saddle-leaks"

    function: Literal["well", "quartic"]
    method: Method
    starts: int = 200
    steps: int = 2500

    @property
    @override
    def label(self) -> str:
        return f"{self.function}: {self.method.name}, {self.method.options}"

    @override
    def measure(self, checkpoints: Checkpoints = NOWHERE) -> Measurement:
        from passband.studies.beyond.saddles_measured import measure

        return measure(self)


@final
@dataclass(frozen=True, kw_only=True)
class SaddleLeaks(Study):
    """Where USAM, Two-step and Hessian USAM end with a radius that is too large, and with less.

    Args:
        steps: At the larger radius, where the learning rate is small.
    """

    name: ClassVar[str] = "saddle-leaks"
    title: ClassVar[str] = "Saddles that attract, limits that are not critical"
    source: ClassVar[str] = "docs/theory/passbands.md; the trap of SAM: arXiv 2301.06308"
    question: ClassVar[str] = (
        "A passband has negative parts too. Do optimizers settle at saddles that lie in them, and "
        "where they leave the saddle, is the limit a critical point at all?"
    )

    steps: int = 2500

    @override
    def runs(self) -> tuple[Run, ...]:
        def methods(lr: float, rho: float) -> tuple[Method, ...]:
            return (
                Method(name="USAM", family="usam", lr=lr, rho=rho),
                Method(name="Two-step USAM", family="usam", lr=lr, rho=rho, steps=2),
                Method(name="Hessian USAM", family="hessian-usam", lr=lr, rho=rho),
            )

        return (
            *(Descent(function="well", method=m, steps=self.steps) for m in methods(0.005, 1.0)),
            *(Descent(function="well", method=m, steps=1500) for m in methods(0.02, 0.1)),
            *(Descent(function="quartic", method=m, steps=2000) for m in methods(0.1, 1.0)[:2]),
        )

    @classmethod
    @override
    def claims(cls, records: Sequence[Record]) -> list[Claim]:
        return [claim for record in records for claim in _claims(record)]

    @classmethod
    @override
    def exhibits(cls, records: Sequence[Record]) -> list[Exhibit]:
        if not records:
            return []
        return [
            table(
                records,
                key="saddle-leaks-table",
                title="Where every start ended",
                caption=(
                    "Fractions of the starts. Well: x²/2 − 2y² + y⁴, whose saddle has λ = −4. "
                    "Settled: the last step is below 10⁻⁷. Not critical: settled where "
                    "‖∇f‖ > 10⁻³; only the gradient at the ascended point vanishes there. "
                    "Quartic: x⁴/4 − x³ + x²/2, where x = 2 has slope −2."
                ),
                metrics=(
                    ("at the saddle", "saddle"),
                    ("at a minimum", "minimum"),
                    ("not critical", "not_critical"),
                    ("not settled", "moving"),
                    ("‖∇f‖, largest", "gradient_norm"),
                    ("radius of M(−4)", "radius_at_saddle"),
                ),
                color=lambda record: Method.of(record).name,
            )
        ]


def _claims(record: Record) -> list[Claim]:
    method, label = Method.of(record), str(record.configuration["label"])
    if record.configuration["function"] == "quartic":
        return [
            Claim.near(
                f"{label}: settles at x = 2, where the slope is −2",
                record.metric("slope"),
                expected=-2.0,
                tolerance=1e-6,
            )
        ]
    fate = "minimum"
    if method.rho >= 1:
        fate = "saddle" if CURVATURE in method.filter().passband() else "not_critical"
    words = {
        "minimum": "every start ends at a minimum",
        "saddle": "every start ends at the saddle, which lies in the passband",
        "not_critical": "every start leaves the saddle and ends at a point that is not critical",
    }
    share = record.metric(fate)
    return [Claim.near(f"{label}: {words[fate]}", share, expected=1.0, tolerance=1e-9)]
