"""The answer of `multipliers`, with its evidence."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import final

from torch import Tensor
from typing_extensions import override

from passband._shapes import Bool, Complex, Float


@final
@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Multipliers:
    """Some eigenvalues in the complex plane, with the error of every one.

    Every ``values[i]`` with its vector is an exact eigenpair of an operator that differs by
    ``residuals[i]`` in norm: that is rigorous, for the operator as it was computed. How far it
    is from an eigenvalue of this one depends on the condition number, ``1 / |yᴴx|`` of unit right
    and left vectors: to first order ``residual · condition``, of which ``errors`` are four times,
    and more where values cannot be told apart.

    Attributes:
        values: By descending modulus, conjugates side by side, shape ``(k,)``, complex.
        vectors: Unit right eigenvectors as rows, complex, shape ``(k, n)``.
        residuals: Bounds on ``‖A x − λ x‖₂``, shape ``(k,)``.
        errors: Estimated error of each value, shape ``(k,)``. Infinite where no left vector was
            found; without left vectors at all the residuals, and ``evidence`` says so.
        conditions: Condition number of each value, 1 for a normal operator, shape ``(k,)``.
            Without left vectors as it looks within the space that was searched: too small.
        converged: Whether each value reached the accuracy that was asked, shape ``(k,)``.
        matvecs: Products that were spent, those with the adjoint included.
        verified: Whether a second search found no further copy and nothing missed.
        evidence: How all that was found, in a sentence or two.
        seconds: Wall-clock time.
        interrupted: Whether Ctrl-C or `max_matvecs` ended it before its time.
    """

    values: Complex[Tensor, " k"]
    vectors: Complex[Tensor, "k n"]
    residuals: Float[Tensor, " k"]
    errors: Float[Tensor, " k"]
    conditions: Float[Tensor, " k"]
    converged: Bool[Tensor, " k"]
    matvecs: int
    verified: bool
    evidence: str
    seconds: float
    interrupted: bool = False

    def rows(self) -> Sequence[tuple[str, ...]]:
        """Return what is printed: number, value, modulus, error, condition, remark."""
        columns = (self.values, self.errors, self.conditions, self.converged)
        return [
            (
                str(i + 1),
                f"{value.real:.6g}" + (f"{value.imag:+.6g}i" if value.imag else ""),
                f"{abs(value):.6g}",
                f"{error:.1e}",
                f"{condition:.3g}",
                "" if converged else "not converged",
            )
            for i, (value, error, condition, converged) in enumerate(
                zip(*(column.tolist() for column in columns), strict=True)
            )
        ]

    @property
    def title(self) -> str:
        """What was computed, of what, at what cost."""
        return (
            f"{len(self.values)} eigenvalues of largest modulus of {self.vectors.shape[1]:,}: "
            f"{self.matvecs} products, {self.seconds:.2g} s"
        )

    @override
    def __repr__(self) -> str:
        lines = [
            f"{n:>4} {v:>24}  |.| {m:<9} ± {e:<9} condition {c:<8} {note}".rstrip()
            for n, v, m, e, c, note in self.rows()
        ]
        return "\n".join([self.title, *lines, self.evidence])

    def _repr_html_(self) -> str:
        rows = "".join(
            "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
            for cells in self.rows()
        )
        names = ("", "eigenvalue", "modulus", "error", "condition", "")
        head = "<tr>" + "".join(f"<th>{name}</th>" for name in names) + "</tr>"
        return (
            f"<table><caption>{escape(self.title)}</caption>{head}{rows}</table>"
            f"<p>{escape(self.evidence)}</p>"
        )
