"""Linear-quadratic games whose blocks have the radii and the coupling one asks for.

Two players with quadratic losses, both by gradient descent: ``J = [[A, E], [C, B]]`` with
symmetric A and B. The second player's gradient reads the first one; ``c = ‖C‖``.
"""

from typing import NamedTuple, final

import numpy as np
from numpy import ndarray

from passband._shapes import Float, Num


@final
class Instance(NamedTuple):
    """Blocks of one game, and the unit vectors that its radii belong to.

    Attributes:
        A: Of the driving player, largest eigenvalue γ, the others in [0, γ).
        B: Of the driven player, likewise.
        C: The coupling.
        x: The slowest direction of A.
        y: The slowest direction of B.
    """

    A: Float[ndarray, "n n"]
    B: Float[ndarray, "m m"]
    C: Float[ndarray, "m n"]
    x: Float[ndarray, " n"]
    y: Float[ndarray, " m"]

    @property
    def matrix(self) -> Float[ndarray, "k k"]:
        """The Jacobian of a step, without feedback."""
        return np.block([[self.A, np.zeros_like(self.C.T)], [self.C, self.B]])

    def with_feedback(self, E: Num[ndarray, "n m"]) -> Num[ndarray, "k k"]:
        """Return the Jacobian of a step that also drives back."""
        return np.block([[self.A, E], [self.C, self.B]])

    def extremal(self) -> "Instance":
        """Return the worst coupling of the same norm: slowest into slowest direction."""
        c = float(np.linalg.norm(self.C, 2))
        return self._replace(C=c * np.outer(self.y, self.x))


def instance(
    *, radius: float, coupling: float, size: int, rng: np.random.Generator, driven: float = -1.0
) -> Instance:
    """Return a random game.

    Args:
        radius: Spectral radius of the blocks.
        coupling: ``‖C‖``.
        size: Variables of each player.
        rng: Draws eigenvalues, eigenvectors and the coupling.
        driven: Spectral radius of the driven block; the same, if negative.
    """
    A, x = _block(radius, size, rng)
    B, y = _block(driven if driven >= 0 else radius, size, rng)
    C = rng.standard_normal((size, size))
    return Instance(A, B, coupling * C / np.linalg.norm(C, 2), x, y)


def _block(
    radius: float, size: int, rng: np.random.Generator
) -> tuple[Float[ndarray, "n n"], Float[ndarray, " n"]]:
    values = radius * np.concatenate([[1.0], rng.uniform(0, 1, size - 1)])
    Q = np.linalg.qr(rng.standard_normal((size, size)))[0]
    return (Q * values) @ Q.T, Q[:, 0]
