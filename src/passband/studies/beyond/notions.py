"""Three notions of sharpness of SAM at a minimum: worst, ascent and average direction."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, final

from typing_extensions import override

from passband.studies.beyond.shared import SmallRun, table
from passband.studies.checkpoints import NOWHERE, Checkpoints
from passband.studies.claims import Claim
from passband.studies.exhibits import Exhibit
from passband.studies.record import Measurement, Record
from passband.studies.study import Run, Study

_NOTIONS = ("worst", "ascent", "average")
_ZERO = 1e-6  # of the largest eigenvalue: flatter directions are flat


@final
@dataclass(frozen=True, kw_only=True)
class AtAMinimum(SmallRun):
    """A tanh network that fits a few points exactly, in double precision.

    Its minimum is found by Gauss–Newton steps; there the rise of the loss within a radius is
    measured: the largest, by ascent on the sphere; the least one that a gradient points to,
    approaching the minimum along each curved direction; the mean over random directions.

    Args:
        points: Number of them; fewer than weights.
        hidden: Units.
        rho: The radius.
        samples: Random directions.
    """

    study: ClassVar[str] = "sharpness-notions"

    points: int = 6
    hidden: int = 6
    rho: float = 1e-3
    samples: int = 4000

    @property
    @override
    def label(self) -> str:
        return f"radius {self.rho:g}, seed {self.seed}"

    @override
    def measure(self, checkpoints: Checkpoints = NOWHERE) -> Measurement:
        import torch

        from passband.studies.training import one_thread

        generator = torch.Generator().manual_seed(self.seed)

        def normal(*shape: int) -> Any:
            return torch.randn(*shape, generator=generator, dtype=torch.float64)

        h, x, y = self.hidden, normal(self.points, 2), normal(self.points)

        def residuals(w: Any) -> Any:
            """Of one vector of weights, or of rows of them."""
            first, second = w[..., : 3 * h].unflatten(-1, (h, 3)), w[..., 3 * h :]
            inner = torch.einsum("pi,...hi->...ph", x, first[..., :2]) + first[..., None, :, 2]
            return (torch.tanh(inner) * second[..., None, :]).sum(-1) - y

        def loss(w: Any) -> Any:
            return residuals(w).square().mean(-1) / 2

        def gradient(w: Any) -> Any:
            w = w.detach().requires_grad_()
            return torch.autograd.grad(loss(w), w)[0]

        jacobian, hessian = torch.autograd.functional.jacobian, torch.autograd.functional.hessian
        with one_thread():
            w = normal(4 * h)
            for step in range(200):  # damped Gauss–Newton, the damping falls
                J, r = jacobian(residuals, w), residuals(w)
                damping = 10.0 ** max(-step / 4, -14) * torch.eye(self.points, dtype=w.dtype)
                w = w - J.T @ torch.linalg.solve(J @ J.T + damping, r)
            values, vectors = torch.linalg.eigh(hessian(loss, w))
            curved = values > _ZERO * values[-1]
            directions = normal(self.samples, len(w))
            directions *= self.rho / directions.norm(dim=1, keepdim=True)
            rise = loss(w + directions)
            best = directions[rise.argmax()]
            for _ in range(100):  # ascent on the sphere
                g = gradient(w + best)
                best = self.rho * g / g.norm()
            along = [gradient(w + 1e-2 * self.rho * v) for v in vectors.T[curved]]
            ascended = [float(loss(w + self.rho * g / g.norm())) for g in along]
        half = self.rho**2 / 2
        at = float(loss(w))
        return Measurement(
            metrics={
                "loss": at,
                "worst": float(loss(w + best)) - at,
                "worst_predicted": half * float(values[-1]),
                "ascent": min(ascended) - at,
                "ascent_predicted": half * float(values[curved].min()),
                "average": float(rise.mean()) - at,
                "average_predicted": half * float(values.sum()) / len(w),
            }
        )


@final
@dataclass(frozen=True, kw_only=True)
class SharpnessNotions(Study):
    """What SAM penalizes depends on how it looks uphill.

    Args:
        seeds: Networks.
    """

    name: ClassVar[str] = "sharpness-notions"
    title: ClassVar[str] = "Which sharpness SAM means"
    source: ClassVar[str] = "Wen, Ma, Li, arXiv 2211.05729"
    question: ClassVar[str] = (
        "Within a small radius of a minimum the loss rises by ρ²λ₁/2 in the worst direction, by "
        "ρ²tr H/(2D) on average; and by ρ²λ/2 of the least positive eigenvalue where the gradient "
        "points least steeply. Does a real network agree?"
    )
    tolerance: ClassVar[float] = 0.05
    """Relative: third derivatives at this radius, and 4,000 directions."""

    seeds: int = 3

    @override
    def runs(self) -> tuple[Run, ...]:
        return tuple(AtAMinimum(seed=seed) for seed in range(self.seeds))

    @classmethod
    @override
    def claims(cls, records: Sequence[Record]) -> list[Claim]:
        return [
            Claim.near(
                f"{record.configuration['label']}: {notion} direction rises as predicted",
                record.metric(notion) / record.metric(f"{notion}_predicted"),
                expected=1.0,
                tolerance=cls.tolerance,
            )
            for record in records
            for notion in _NOTIONS
        ]

    @classmethod
    @override
    def exhibits(cls, records: Sequence[Record]) -> list[Exhibit]:
        if not records:
            return []
        return [
            table(
                records,
                key="sharpness-notions-table",
                title="Rise of the loss within a radius, measured and predicted",
                caption=(
                    "A tanh network of 24 weights at an exact fit of 6 points, double precision. "
                    "Predictions from the eigenvalues of its Hessian."
                ),
                metrics=tuple(
                    (f"{notion}{', predicted' if end else ''}", f"{notion}{end}")
                    for notion in _NOTIONS
                    for end in ("", "_predicted")
                ),
            )
        ]
