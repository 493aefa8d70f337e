"""The verdict: what a filter does to every measured mode, and whether it applies there."""

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from torch import Tensor
from typing_extensions import override

from passband.filters import Filter, Passband
from passband.filters.sheet import call
from passband.problem.explain import brief
from passband.spectra import Spectrum
from passband.verdict.mode import Mode, explained, state_of

_NEAR = 0.01  # of the weights' norm: a critical point this close counts as reached


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a filter does to every measured mode, and whether it applies there.

    A verdict is necessary, not sufficient: the optimizer can settle only where every mode is
    admitted; that it will is not said.

    Attributes:
        filter: The filter that judged.
        modes: Measured modes, largest curvature first.
        edge: Upper end of the admissible interval that holds 0+.
        passband: The whole admissible set.
        gradient_norm: ``‖∇f‖`` of the objective that the optimizer sees, weight decay included,
            or None if it was not given. The filter describes the neighbourhood of a point where
            it is zero.
        weighed_norm: ``‖P⁻¹∇f‖``, where curvatures are preconditioned by P, or None.
        weights_norm: ``‖θ‖``, or None.
        loss: Mean loss at θ, or None.
        matvecs: Hessian-vector products spent on the spectrum.
        preconditioned: Whether curvatures include step sizes of single parameters.
        notes: What a reader should know, a sentence each.
    """

    filter: Filter
    modes: tuple[Mode, ...]
    edge: float
    passband: Passband
    gradient_norm: float | None = None
    weighed_norm: float | None = None
    weights_norm: float | None = None
    loss: float | None = None
    matvecs: int = 0
    preconditioned: bool = False
    notes: tuple[str, ...] = ()

    @property
    def sharpness(self) -> float:
        """Largest algebraic Hessian eigenvalue."""
        return self.modes[0].curvature

    @property
    def sharpness_error(self) -> float:
        """Error bar of the sharpness."""
        return self.modes[0].error

    @property
    def ratio(self) -> float:
        """Sharpness over edge: above one, the sharpest mode is not let through."""
        return self.sharpness / self.edge if self.edge else math.inf

    @property
    def ratio_error(self) -> float:
        """Error bar of the ratio."""
        return self.sharpness_error / self.edge if self.edge else math.inf

    @property
    def distance(self) -> float | None:
        """Estimated distance to a critical point along the sharpest direction.

        ``‖∇f‖ / λ``; where λ is preconditioned by P, ``‖P⁻¹∇f‖ / λ``, which is in units of the
        weights too: both are the length of the Newton step if that goes along one mode. None
        where the norm is not known.
        """
        norm = self.weighed_norm if self.preconditioned else self.gradient_norm
        if norm is None:
            return None
        if norm == 0:
            return 0.0
        return norm / self.sharpness if self.sharpness > 0 else math.inf

    @property
    def applies(self) -> bool | None:
        """Whether a critical point is near: within 1 % of ``‖θ‖``. None if that is not known."""
        if self.distance == 0:
            return True
        if self.distance is None or self.weights_norm is None:
            return None
        return bool(self.distance <= _NEAR * self.weights_norm)

    @property
    def admissible(self) -> bool | None:
        """Whether every measured mode is let through; None if an error bar leaves it open."""
        states = {mode.state for mode in self.modes}
        if states & {"above the edge", "escaping"}:
            return False
        return None if "undecided" in states else True

    @override
    def __str__(self) -> str:
        rows = [
            ("λ", "±", "factor a step", ""),
            *(
                (f"{m.curvature:.6g}", f"{m.error:.1g}", f"{m.radius:.6f}", explained(m))
                for m in self.modes
            ),
        ]
        widths = [max(len(row[i]) for row in rows) for i in range(4)]
        table = [
            "  "
            + "  ".join(f"{cell:>{w}}" for cell, w in zip(row[:3], widths[:3], strict=True))
            + f"  {row[3]}"
            for row in rows
        ]
        return "\n".join([*self._headline(), "", *(line.rstrip() for line in table), *self._tail()])

    def _repr_html_(self) -> str:
        cells = "".join(
            f"<tr><td>{m.curvature:.6g}</td><td>{m.error:.1g}</td><td>{m.radius:.6f}</td>"
            f"<td style='text-align:left'>{html.escape(explained(m))}</td></tr>"
            for m in self.modes
        )
        head = "<br>".join(map(html.escape, self._headline()))
        tail = "<br>".join(html.escape(line) for line in self._tail() if line)
        return (
            f"<p>{head}</p><table><thead><tr><th>λ</th><th>±</th><th>factor a step</th><th></th>"
            f"</tr></thead><tbody>{cells}</tbody></table><p>{tail}</p>"
        )

    def _headline(self) -> list[str]:
        edge = f"{self.edge:.6g}"
        lines = [
            (
                f"sharpness {self.sharpness:.6g} ± {self.sharpness_error:.1g}   edge {edge}   "
                f"ratio {self.ratio:.4f} ± {self.ratio_error:.1g}"
            ),
            self._sentence(),
        ]
        if self.gradient_norm is not None:
            lines.append(self._critical())
        return lines

    def _sentence(self) -> str:
        states = [mode.state for mode in self.modes]
        above, left = states.count("above the edge"), states.count("escaping")
        if left and not above:
            return (
                f"not at rest: {left} of {len(states)} measured directions have negative "
                "curvature, which training still leaves; nothing is above the edge"
            )
        return _SENTENCES[self.admissible].format(
            above=above, undecided=states.count("undecided"), all=len(states)
        )

    def _critical(self) -> str:
        line = f"‖∇f‖ {self.gradient_norm:.3g}"
        if self.loss is not None:
            line = f"loss {self.loss:.6g}   {line}"
        if self.distance is None:
            return line
        if not math.isfinite(self.distance):
            return f"{line}: no positive curvature, so no minimum is near and no filter applies"
        line += f": about {self.distance:.2g} from a critical point along the sharpest direction"
        if self.weights_norm:
            line += f", {self.distance / self.weights_norm:.2%} of ‖θ‖"
        if self.applies is False:
            line += "; far for a linear filter, so read the factors as local, not as a limit"
        return line

    def _tail(self) -> list[str]:
        lines = [
            "",
            f"admitted λ: {self.passband}",
            (
                f"{call(self.filter)}: {self.filter.gradients_per_step:g} gradient(s) a step; "
                f"{self.matvecs} Hessian products spent"
            ),
        ]
        return [*lines, *(f"note: {note}" for note in self.notes)]


_SENTENCES: dict[bool | None, str] = {
    True: "let through: all {all} measured directions",
    False: "above the edge: {above} of {all} measured directions grow, so the optimizer cannot "
    "settle here",
    None: "undecided: error bars of {undecided} of {all} measured directions hold a boundary of "
    "the passband",
}


def judge(
    spectrum: Spectrum,
    filter: Filter,
    *,
    gradient_norm: float | None = None,
    weighed_norm: float | None = None,
    weights_norm: float | None = None,
    loss: float | None = None,
    preconditioned: bool = False,
    notes: Sequence[str] = (),
) -> Verdict:
    """Return what ``filter`` does to every mode of ``spectrum``, error bars included.

    Args:
        spectrum: Eigenvalues with error bars, of the Hessian that the optimizer sees.
        filter: The filter of the optimizer.
        gradient_norm: ``‖∇f‖`` where the spectrum was taken, weight decay included. Filters
            describe the neighbourhood of critical points; without it nobody knows if one is near.
        weighed_norm: ``‖P⁻¹∇f‖`` instead, where curvatures are preconditioned by P.
        weights_norm: ``‖θ‖``, which makes the distance to a critical point relative.
        loss: Mean loss, shown beside the gradient norm.
        preconditioned: Whether the spectrum includes step sizes of single parameters, so that
            plain lengths of gradients cannot be compared with it. One of a
            `PreconditionedHessian` does, without being told.
        notes: Sentences to show with the verdict.

    Returns:
        The verdict; it prints well, in a notebook too.

    Example:
        >>> import torch
        >>> from passband import MatrixOperator, eigenvalues, filters
        >>> H = MatrixOperator(torch.diag(torch.tensor([30.0, 5.0, 1.0]).double()))
        >>> verdict = judge(eigenvalues(H, k=2), filters.SGD(lr=0.1), gradient_norm=0.0)
        >>> verdict.admissible, round(verdict.ratio, 6)
        (False, 1.5)

    References:
        Bolte, Le, Pauwels, arXiv 2510.09034.
    """
    norms = {
        "gradient_norm": gradient_norm,
        "weighed_norm": weighed_norm,
        "weights_norm": weights_norm,
    }
    for name, value in norms.items():
        if value is not None and not (value >= 0 and math.isfinite(value)):
            raise ValueError(f"`{name}` must be finite and not negative; got {value!r}.")
    if not isinstance(spectrum, Spectrum) or not isinstance(filter, Filter):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(
            f"`judge` takes a spectrum and a filter, in this order; got {brief(spectrum)} and "
            f"{brief(filter)}. For an optimizer, `passband.filter_of` has the filter."
        )
    check_same_curvature(filter, spectrum)
    curvatures, errors = _numbers(spectrum.values), _numbers(spectrum.errors)
    if not len(curvatures):
        raise ValueError("`judge` needs at least one eigenvalue; got an empty spectrum.")
    passband = filter.passband()
    modes = [
        Mode(lam, error, radius, state_of(lam, error, passband))
        for lam, error, radius in zip(
            curvatures, errors, filter.radius(curvatures).tolist(), strict=True
        )
    ]
    return Verdict(
        filter=filter,
        modes=tuple(sorted(modes, key=lambda mode: -mode.curvature)),
        edge=passband.edge,
        passband=passband,
        gradient_norm=gradient_norm,
        weighed_norm=weighed_norm,
        weights_norm=weights_norm,
        loss=loss,
        matvecs=spectrum.matvecs,
        preconditioned=preconditioned or spectrum.curvature == "preconditioned",
        notes=tuple(notes),
    )


def check_same_curvature(filter: Filter, spectrum: Spectrum) -> None:
    """Refuse to hold eigenvalues of the Hessian against an edge in preconditioned curvature."""
    if spectrum.curvature == "plain" and filter.curvature == "preconditioned":
        raise ValueError(
            f"the spectrum is one of the Hessian, and the edge of {type(filter).__name__} one of "
            "preconditioned curvature, P^(-1/2) H P^(-1/2). Take the eigenvalues of "
            "`PreconditionedHessian(objective, optimizer)`, or call `inspect` with the optimizer."
        )


def _numbers(tensor: Tensor) -> list[float]:
    return tensor.detach().double().cpu().tolist()
