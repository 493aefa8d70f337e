"""Norms of all powers of a matrix, by bounding whole ranges of them at once.

Powers are visited as a binary tree: a node is the range ``s ≤ k < s + 2ʲ``. As
``A^{s+i} = Aⁱ Aˢ``, every norm in it is at most ``‖Aˢ‖ h_j`` with ``h_j = max_{i<2ʲ} ‖Aⁱ‖``; and,
summing steps, at most ``‖Aˢ‖ + 2ʲ h_j ‖(A − λI) Aˢ‖`` for any ``|λ| = 1``, which is the sharper
one where powers change slowly. Ranges whose bound is too low are dropped unseen, so the largest
of a million powers costs a few hundred products. A range that starts late has forgotten the
fast modes, and is searched without them.
"""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import scipy.linalg
from numpy import ndarray

from passband._shapes import Num
from passband.transients.dense.matrices import ROUNDING, norm

_GONE = 1e-20  # a mode is dropped when it has decayed to this
_ROUGH = 0.02  # accuracy of the factors h
_SEARCHES = 5  # that may use all their nodes, before all others use none


class Node(NamedTuple):
    """The range ``start ≤ k < start + 2^level``, with ``P = A^start`` and its norm."""

    start: int
    level: int
    P: Num[ndarray, "m n"]
    norm: float


class Tree:
    """The powers of a matrix, as left factors.

    Attributes:
        A: The matrix.
        error: Bound of the norm of what ``A^k`` leaves out of the powers that are meant.
        nodes: How many nodes a search may divide.
        left: How many all searches may divide from now on.
    """

    def __init__(self, A: Num[ndarray, "m m"], *, nodes: int, left: int | None = None) -> None:
        self.A = A
        self.error: float = 0.0
        self.nodes = nodes
        self.left: int = _SEARCHES * nodes if left is None else left
        values = np.linalg.eigvals(A)
        slowest = complex(values[np.abs(values).argmax()])
        turn = slowest / abs(slowest) if slowest else 1.0
        self._drift = A - (turn if np.imag(turn) else np.real(turn)) * np.eye(len(A))
        self._squares = [A]
        self._heights = [1.0]
        self._highest = modes(A).bound(0)

    def square(self, level: int) -> Num[ndarray, "m m"]:
        """Return ``A^(2^level)``."""
        while len(self._squares) <= level:
            self._squares.append(self._squares[-1] @ self._squares[-1])
        return self._squares[level]

    def height(self, level: int) -> float:
        """Return an upper bound of ``‖Aⁱ‖`` for ``i < 2^level``, about 2 % above the largest."""
        while len(self._heights) <= level:
            j = len(self._heights) - 1
            if (1 + _ROUGH) * self._heights[j] >= self._highest:
                self._heights.append(self._highest)
                continue
            P = self.square(j)
            _, ceiling = self.largest(Node(2**j, j, P, norm(P)), self._heights[j], _ROUGH)
            self._heights.append(min(ceiling, self._highest))
        return self._heights[level]

    def bound(self, node: Node, floor: float) -> float:
        """Return an upper bound of all norms in a range, any one if it is not above ``floor``."""
        height = self.height(node.level)
        crude = node.norm * height + self.error
        if not crude > floor:
            return crude
        change = 2**node.level * height * norm(self._drift @ node.P)
        return min(crude, node.norm + change + self.error)

    def largest(self, root: Node, best: float, rtol: float) -> tuple[Node, float]:
        """Return where the largest norm of a range is, and an upper bound of it and ``best``.

        Ranges that cannot exceed the best by more than ``rtol`` are not looked into, nor any
        when the number of nodes is used up; the upper bound knows.
        """
        found, ceiling, stack, left = root, best, [root], self.nodes
        while stack:
            node = stack.pop()
            if node.norm > found.norm:
                found = node
            ceiling = max(ceiling, found.norm)
            floor = max(best, found.norm) * (1 + rtol)
            if node.level == 0:
                continue
            bound = self.bound(node, floor)
            if min(left, self.left) <= 0 or not bound > floor:
                ceiling = max(ceiling, bound)
            else:
                left, self.left = left - 1, self.left - 1
                stack += sorted(self._halves(node), key=lambda half: half.norm)
        return found, ceiling

    def last_above(self, root: Node, eps: float) -> int | None:
        """Return the last k in a range with norm above ``eps``, None if there is none.

        When the number of nodes is used up, an upper bound of it.
        """
        stack, left = [root], self.nodes
        while stack:
            node = stack.pop()
            if node.level == 0:
                if node.norm > eps:
                    return node.start
            elif not self.bound(node, eps) > eps:
                continue
            elif left <= 0:
                return node.start + 2**node.level - 1
            else:
                left -= 1
                stack += self._halves(node)
        return None

    def _halves(self, node: Node) -> Iterator[Node]:
        half = node.level - 1
        yield Node(node.start, half, node.P, node.norm)
        P = self.square(half) @ node.P
        yield Node(node.start + 2**half, half, P, norm(P))


class Alive(NamedTuple):
    """The modes that are still alive: ``Aᵏ = Q Mᵏ F``, M the tree's matrix, Q orthonormal."""

    tree: Tree
    factor: Num[ndarray, "m n"]

    def range(self, level: int) -> Node:
        """Return the range ``2^level ≤ k < 2^(level+1)``."""
        P = self.tree.square(level) @ self.factor
        return Node(2**level, level, P, norm(P))

    def bound(self, level: int) -> float:
        """Return an upper bound of all norms from ``2^level`` on, by the modes."""
        return modes(self.tree.A, self.factor).bound(2**level) + self.tree.error


class Modes(NamedTuple):
    """What the eigenvectors say of all powers: ``‖Mᵏ F‖ ≤ size · radiusᵏ``."""

    size: float
    radius: float

    def bound(self, k: int) -> float:
        """Return an upper bound of all norms from the power k on."""
        return self.size * self.radius**k if self.radius <= 1 else math.inf


def modes(M: Num[ndarray, "m m"], F: Num[ndarray, "m n"] | None = None) -> Modes:
    """Return the bound by ``Mᵏ F = V Λᵏ V⁻¹ F``, every mode scaled alike on both sides of ``Λᵏ``.

    Sharp if all modes decay alike and get in phase: then powers wander, and ranges of them cannot
    be excluded by submultiplicativity.
    """
    values, V = np.linalg.eig(M)
    try:
        W = np.linalg.solve(V, np.eye(len(M)) if F is None else F)
    except np.linalg.LinAlgError:
        return Modes(math.inf, 0.0)
    with np.errstate(over="ignore", invalid="ignore"):
        scale = np.sqrt(np.maximum(np.linalg.norm(W, axis=1), 1e-300))
        size = norm(V * scale) * norm(W / scale[:, None]) if np.isfinite(scale).all() else math.inf
    if not math.isfinite(size):
        return Modes(math.inf, 0.0)
    blur = 10 * len(M) * ROUNDING * size
    radius = float(np.abs(values).max())
    return Modes(size * (1 + blur), radius if radius > 1 + 2 * blur else min(radius + blur, 1.0))


def everything(A: Num[ndarray, "n n"], *, nodes: int) -> Alive:
    """Return all powers of a matrix."""
    return Alive(Tree(A, nodes=nodes), np.eye(len(A)))


def alive_after(previous: Alive, level: int) -> Alive:
    """Return the powers from ``2^level`` on, without the modes that have decayed by then.

    The invariant subspaces are separated by a reordered Schur form and a Sylvester equation; if
    that is too ill-conditioned to be exact to rounding, nothing is dropped.
    """
    tree, factor = previous
    threshold = _GONE ** (0.5**level)
    size = np.abs(np.linalg.eigvals(tree.A))
    if not 0 < (size > threshold).sum() < len(size):
        return previous
    reordered: Any = scipy.linalg.schur(tree.A, output="complex", sort=lambda z: abs(z) > threshold)
    T, Z, m = reordered
    if not 0 < m < len(size):
        return previous
    coupling = scipy.linalg.solve_sylvester(T[:m, :m], -T[m:, m:], T[:m, m:])
    onto = np.hstack([np.eye(m), coupling]) @ Z.conj().T
    kept = Tree(T[:m, :m], nodes=tree.nodes, left=tree.left)
    full = tree.square(level)
    error = norm(full - Z[:, :m] @ kept.square(level) @ onto)
    squared = min(max(1e3, 16 * 2.0**level), 1e9)  # rounding errors of powers add up
    if not error <= squared * len(size) * ROUNDING * norm(full):
        return previous
    kept.error = tree.error + error * norm(factor)
    return Alive(kept, onto @ factor)
