"""The transient of a training step, with its evidence."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from torch import Tensor
from typing_extensions import override

from passband._shapes import Float
from passband.transients.blocks import Comparison
from passband.transients.dense import Kreiss
from passband.transients.matrix_free.parts import Share

_SHOWN = 3  # tensors of a part


@final
@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Transient:
    """How far perturbations of a training step go before they settle, or that they do not.

    Attributes:
        radius: Largest modulus of an eigenvalue of J: the factor a step, once transients are over.
        radius_error: Estimated error of it. Another eigenvalue further out may have been missed,
            but none beyond `radius_bound`.
        radius_bound: The least ``‖Jᵏ‖^(1/k)`` that was seen, an upper bound as far as the norms
            have converged.
        peak: The largest ``‖Jᵏ‖`` among the powers up to `horizon`: attained, so a lower bound.
        peak_error: Estimated distance to the true one.
        step: When it is reached, k.
        horizon: The largest power that was looked at.
        settled: Whether no power after the horizon is larger: because that at the horizon is below
            0.9, or, where `exact`, because the largest of all lies within ``steps``.
        settling: Steps after which ``‖Jᵏ‖`` stays below 1e-3. Proved where `exact`; else about,
            from the curve, and beyond the horizon as the radius has it.
        curve: Lower bounds of ``‖Jᵏ‖`` for k = 0, 1, …, near `step` and at powers of two close
            to the norms, shape ``(horizon + 1,)``, float64.
        direction: The unit perturbation that is amplified most, shape ``(n,)``.
        response: What becomes of it at the peak, of norm `peak`, shape ``(n,)``.
        kreiss: The Kreiss constant between a lower bound and an upper one. The upper one is an
            estimate, unless the operator was small enough to be made dense: block norms and the
            peak come from below.
        exact: Whether the operator was made dense, and everything is exact to rounding.
        parts: Shares of the parts in the worst perturbation, before and at the peak.
        leaves: Those of all tensors of the state.
        blocks: Comparison matrix of the parts, if their norms were measured.
        movement: ``‖F(s) − s‖`` of the step: away from an equilibrium J says what happens
            next only while J stays what it is.
        products: Products with J and its adjoint.
        seconds: Wall-clock time.
        notes: What to know, in sentences.
    """

    radius: float
    radius_error: float
    radius_bound: float
    peak: float
    peak_error: float
    step: int
    horizon: int
    settled: bool
    settling: float
    curve: Float[Tensor, " m"]
    direction: Float[Tensor, " n"]
    response: Float[Tensor, " n"]
    kreiss: Kreiss
    exact: bool
    parts: tuple[Share, ...]
    leaves: tuple[Share, ...]
    blocks: Comparison | None
    movement: float | None
    products: int
    seconds: float
    notes: tuple[str, ...]

    @property
    def stable(self) -> bool:
        """Whether the radius is below one, by more than its error."""
        return self.radius + self.radius_error < 1

    @property
    def unstable(self) -> bool:
        """Whether the radius is above one, by more than its error."""
        return self.radius - self.radius_error > 1

    @property
    def trust(self) -> float:
        """``1 / peak²``: the factor by which transients shrink the basin of an equilibrium."""
        return 1 / self.peak**2

    @override
    def __repr__(self) -> str:
        return "\n".join([*self._summary(), *self._table(), *self.notes])

    def _summary(self) -> Sequence[str]:
        kind = "stable" if self.stable else "unstable" if self.unstable else "not told from 1"
        known = self.exact or self.radius_bound >= 1
        bound = "" if known else f", at most {self.radius_bound:.6g} by powers"
        lines = [
            (
                f"transient of a step with {len(self.direction):,} entries: {self.products:,} "
                f"products, {self.seconds:.2g} s"
            ),
            f"  spectral radius   {self.radius:.6g} ± {self.radius_error:.1e}, {kind}{bound}",
            (
                f"  growth            {self.peak:.6g} ± {self.peak_error:.1e} times, at step "
                f"{self.step:,} of {self.horizon:,}"
            ),
        ]
        if math.isinf(self.kreiss.lower):
            lines.append("  Kreiss constant   infinite: unstable")
        else:
            side = "≤" if self.exact else "≲"
            z = self.kreiss.z
            real = z is not None and abs(z.imag) < 5e-4 * abs(z)  # below the last digit printed
            where = "" if z is None else f", at z = {z.real if real else z:.4g}"
            upper = "unknown" if math.isinf(self.kreiss.upper) else f"{self.kreiss.upper:.4g}"
            lines.append(f"  Kreiss constant   {self.kreiss.lower:.4g} ≤ K {side} {upper}{where}")
        if math.isfinite(self.settling):
            about = "" if self.exact else "about "
            lines.append(f"  below 1e-3 after  {about}{self.settling:,.0f} steps")
        if self.movement:
            lines.append(f"  the step itself moves the state by {self.movement:.2g}")
        return lines

    def _table(self) -> Sequence[str]:
        if not self.parts:
            return ()
        width = max(len(name) for name, _, _ in [*self.parts, *self.leaves]) + 2
        lines = [f"  {'worst perturbation':<{width + 2}}{'start':>8}{'peak':>8}"]
        for name, start, peak in self.parts:
            lines.append(f"    {name:<{width}}{start:>8.1%}{peak:>8.1%}")
            inside = [leaf for leaf in self.leaves if leaf.name.startswith(f"{name}.")]
            inside.sort(key=lambda leaf: -leaf.peak - leaf.start)
            if len(inside) > 1:
                lines += [
                    f"      {leaf.name:<{width - 2}}{leaf.start:>8.1%}{leaf.peak:>8.1%}"
                    for leaf in inside[:_SHOWN]
                ]
        return lines
