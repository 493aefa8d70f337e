"""Answers with their evidence."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal, final

from torch import Tensor
from typing_extensions import override

from passband._shapes import Bool, Float
from passband.spectra.unfinished import Unfinished

Which = Literal["largest", "smallest", "magnitude", "both"]

_TITLES = {
    "largest": "largest eigenvalues",
    "smallest": "smallest eigenvalues",
    "magnitude": "eigenvalues of largest magnitude",
    "both": "eigenvalues at the two ends",
}


@final
@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Spectrum:
    """Some eigenpairs of a symmetric operator, with the error of every value.

    Every interval ``values[i] ± residuals[i]`` holds an eigenvalue of the operator as it was
    computed: that is rigorous. ``errors`` say how far each value may be from the one it is
    called: ``min(r, 4 r² / gap)`` of residual and gap to all that a second look saw. The gap is an
    estimate, so these are too. They are never less than the rounding of the products, which the
    search measures, and large where the second look left it open whether an eigenvalue was
    missed. Without a second look an error is the residual: an
    eigenvalue is that near for certain, but the search may have missed others before it.

    Attributes:
        values: The most wanted first: descending for ``"largest"``, ascending for
            ``"smallest"``, by descending magnitude for ``"magnitude"``; for ``"both"`` the k
            largest, descending, then the k smallest, ascending. Shape ``(k,)``.
        vectors: Unit eigenvectors as rows, shape ``(k, n)``.
        errors: Estimated error of each value, shape ``(k,)``.
        converged: Whether each value reached the accuracy that was asked, shape ``(k,)``; without
            a second look by the estimates from gaps.
        matvecs: Products that were spent, those of the verification included.
        which: Which eigenvalues these are.
        verified: Whether a second search found no further copy and nothing missed.
        evidence: How that was found, in a sentence.
        residuals: Bounds on ``‖A v − λ v‖₂``, shape ``(k,)``.
        seconds: Wall-clock time.
        interrupted: Whether Ctrl-C, `max_seconds` or `max_matvecs` ended it before its time.
        by_user: Whether that was Ctrl-C.
        unfinished: What an interrupted search had built up: given as ``start``, it goes on from
            there. It holds a vector a product; drop it with ``dataclasses.replace``.
        curvature: ``"plain"`` of a `Hessian`, ``"preconditioned"`` of a `PreconditionedHessian`,
            empty where the operator does not say.
    """

    values: Float[Tensor, " k"]
    vectors: Float[Tensor, "k n"]
    errors: Float[Tensor, " k"]
    converged: Bool[Tensor, " k"]
    matvecs: int
    which: Which
    verified: bool
    evidence: str
    residuals: Float[Tensor, " k"]
    seconds: float
    interrupted: bool = False
    by_user: bool = False
    unfinished: Unfinished | None = None
    curvature: str = ""

    def rows(self) -> Sequence[tuple[str, str, str, str]]:
        """Return what is printed: number, value, error and remark of every eigenvalue."""
        converged = self.converged.tolist()
        pairs = zip(self.values.tolist(), self.errors.tolist(), strict=True)
        return [
            (str(i + 1), f"{value:.6g}", f"{error:.1e}", "" if converged[i] else "not converged")
            for i, (value, error) in enumerate(pairs)
        ]

    @property
    def title(self) -> str:
        """What was computed, of what, at what cost."""
        size = self.vectors.shape[1]
        return (
            f"{len(self.values)} {_TITLES[self.which]} of {size:,}: "
            f"{self.matvecs} products, {self.seconds:.2g} s"
        )

    @override
    def __repr__(self) -> str:
        lines = [f"{n:>4} {v:>14}  ± {e:<9} {note}".rstrip() for n, v, e, note in self.rows()]
        return "\n".join([self.title, *lines, self.evidence])

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{n}</td><td>{v}</td><td>± {e}</td><td>{note}</td></tr>"
            for n, v, e, note in self.rows()
        )
        head = "<tr><th></th><th>eigenvalue</th><th>error</th><th></th></tr>"
        return (
            f"<table><caption>{escape(self.title)}</caption>{head}{rows}</table>"
            f"<p>{escape(self.evidence)}</p>"
        )
