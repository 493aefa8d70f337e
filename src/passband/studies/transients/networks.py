"""Predictions of `passband.transient` for real coupled trainings, against those trainings."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar, final

from typing_extensions import override

from passband.studies.claims import Claim
from passband.studies.exhibits import Exhibit
from passband.studies.record import Record
from passband.studies.study import Run, Study
from passband.studies.transients.networks_exhibits import networks_exhibits
from passband.studies.transients.prediction import TOLERANCE, PredictionRun

_TWICE = 2.0
_EQUAL = 1e-6


@final
@dataclass(frozen=True, kw_only=True)
class CoupledNetworks(Study):
    """Three coupled trainings, perturbed where they have come to rest.

    Args:
        gan: Training rates of generator and discriminator.
        gan_ratios: Factors of the discriminator's rate; all get the radius of the first.
        readout: Training rates of autoencoder and readout.
        readout_ratios: Factors of the readout's rate.
        bilevel: Rates of weight decays and weights.
        images: How many, of each problem.
        sides: Pixels a side of MNIST's, for the readout and the bilevel problem.
        steps: Of training, of each problem.
        together: Steps of the bilevel problem after its weights are trained.
        seeds: Initial weights.
    """

    name: ClassVar[str] = "coupled-networks"
    title: ClassVar[str] = "Transients of real coupled training, predicted and watched"
    source: ClassVar[str] = "protocol of this package; the question is that of arXiv 2606.04031"
    question: ClassVar[str] = (
        "A generator and a discriminator, features and their reader, weights and their decays: at "
        "rest, how far does a small perturbation go, when, in which direction, and does the "
        "nonlinear training do what its Jacobian says?"
    )

    gan: tuple[float, float] = (0.2, 0.4)
    gan_ratios: tuple[float, ...] = (0.05, 1.0)
    readout: tuple[float, float] = (0.2, 0.5)
    readout_ratios: tuple[float, ...] = (0.5, 5.0)
    bilevel: tuple[float, float] = (0.2, 0.4)
    images: tuple[int, int, int] = (256, 300, 200)
    sides: tuple[int, int] = (7, 4)
    steps: tuple[int, int, int] = (20000, 12000, 12000)
    together: int = 100
    seeds: int = 1

    @override
    def runs(self) -> tuple[Run, ...]:
        runs: list[Run] = []
        for seed in range(self.seeds):
            runs += [
                PredictionRun(
                    system="GAN",
                    rates=self.gan,
                    ratio=ratio,
                    like=like,
                    images=self.images[0],
                    steps=self.steps[0],
                    seed=seed,
                )
                for ratio, like in zip(self.gan_ratios, [0.0, *self.gan_ratios], strict=False)
            ]
            runs += [
                PredictionRun(
                    system="readout",
                    rates=self.readout,
                    ratio=ratio,
                    images=self.images[1],
                    side=self.sides[0],
                    steps=self.steps[1],
                    seed=seed,
                )
                for ratio in self.readout_ratios
            ]
            runs.append(
                PredictionRun(
                    system="bilevel",
                    rates=self.bilevel,
                    images=self.images[2],
                    side=self.sides[1],
                    steps=self.steps[2],
                    together=self.together,
                    seed=seed,
                )
            )
        return tuple(runs)

    @classmethod
    @override
    def claims(cls, records: Sequence[Record]) -> list[Claim]:
        return [claim for record in records for claim in _claims_of(record)] + _pairs(records)

    @classmethod
    @override
    def exhibits(cls, records: Sequence[Record]) -> list[Exhibit]:
        return networks_exhibits(records) if records else []


def _claims_of(record: Record) -> list[Claim]:
    label = str(record.configuration["label"])
    missing = " ".join(record.measured.notes) or "not measured"
    number = record.metric
    peak, random = number("peak"), number("largest random")
    settling, linear = number("measured settling"), number("linear settling")
    known = math.isfinite(random)
    return [
        Claim.near(
            f"{label}: the predicted peak is met within {TOLERANCE:.0%}",
            number("measured peak"),
            expected=peak,
            tolerance=TOLERANCE * peak,
            missing=missing,
        ),
        Claim(
            f"{label}: the predicted peak is the largest power of the matrix, within 1 %",
            abs(peak / number("peak of the matrix") - 1) <= 0.01 if known else None,
            f"{peak:.5g} by {number('products'):.0f} products, "
            f"{number('peak of the matrix'):.5g} by the matrix"
            if known
            else missing,
        ),
        Claim(
            f"{label}: no random perturbation grows as far",
            random <= peak * (1 + 1e-6) if known else None,
            f"up to {random:.3g}, against {peak:.3g}" if known else missing,
        ),
        Claim(
            f"{label}: it settles when predicted, within {TOLERANCE:.0%}",
            abs(settling / linear - 1) <= TOLERANCE if math.isfinite(settling * linear) else None,
            f"after {settling:.0f} steps; {linear:.0f} by the Jacobian in this direction, "
            f"{number('settling'):.0f} predicted for the worst one"
            if math.isfinite(settling * linear)
            else missing
            if not known
            else "longer than it was followed",
        ),
    ]


def _pairs(records: Sequence[Record]) -> list[Claim]:
    """Claim that equal radii do not mean equal transients, where radii are equal."""
    claims: list[Claim] = []
    for system in dict.fromkeys(str(record.configuration["system"]) for record in records):
        group = [
            record
            for record in records
            if record.configuration["system"] == system
            and math.isfinite(record.metric("measured peak"))
        ]
        for first, second in combinations(group, 2):
            if first.configuration["seed"] != second.configuration["seed"]:
                continue
            radii = [record.metric("radius") for record in (first, second)]
            peaks = [record.metric("measured peak") for record in (first, second)]
            if abs(radii[0] - radii[1]) > _EQUAL * (1 - min(radii)) + 1e-12:
                continue
            claims.append(
                Claim(
                    f"{system}: of two settings with the same radius one grows twice as far",
                    max(peaks) >= _TWICE * min(peaks),
                    f"{max(peaks):.3g} against {min(peaks):.3g} times, measured, at radius "
                    f"{radii[0]:.7f}",
                )
            )
    return claims
