"""Update orders and remedies side by side."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import final

import numpy as np
import torch
from numpy import ndarray
from typing_extensions import override

from passband._shapes import Float, Int
from passband.errors import ConvergenceError
from passband.operators import UpdateJacobian
from passband.transients.coupled.implicit import competitive, proximal
from passband.transients.coupled.players import Player, check_players
from passband.transients.coupled.ratio import Recommendation, recommend_ratio
from passband.transients.coupled.update import Update, lookahead
from passband.transients.coupled.updates import (
    alternating,
    consensus,
    extragradient,
    optimistic,
    simultaneous,
    symplectic,
)
from passband.transients.matrix_free import Transient, transient
from passband.transients.matrix_free.singular import largest_singular
from passband.transients.matrix_free.small import SMALL, norms_of_powers

_SHARE = 0.1  # that a remedy adds to the field


@final
@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One update in a comparison.

    Attributes:
        update: The update.
        transient: What was measured of its step.
        peak: The largest growth of the variables alone, from a state in which buffers rest and
            memories agree with the variables: what a user sees. That of the whole state for more
            than 64 entries.
        steps: Steps until the whole state is below 1e-3.
        gradients: Gradient evaluations until then.
    """

    update: Update
    transient: Transient
    peak: float
    steps: float
    gradients: float


@final
@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Comparisons:
    """A table of updates, and the ratio of time scales that is recommended.

    Attributes:
        rows: One for each update.
        recommendation: For two players that contract by themselves; None otherwise.
        two_players: Whether a ratio was asked for.
        variables_alone: Whether the peaks are those of the variables alone.
    """

    rows: tuple[Row, ...]
    recommendation: Recommendation | None
    two_players: bool
    variables_alone: bool

    @property
    def best(self) -> Row:
        """The row that settles for the fewest gradients; the first if none does."""
        return min(self.rows, key=lambda row: row.gradients)

    @override
    def __repr__(self) -> str:
        width = max(len(row.update.name) for row in self.rows) + 2
        seen = "variables" if self.variables_alone else "whole state"
        titles = f"{'radius':>10}{'peak':>9}{'Kreiss':>9}{'steps':>9}{'gradients':>11}"
        lines = [f"{'update':<{width}}{titles}"]
        for row in self.rows:
            t = row.transient
            peak = math.inf if t.unstable else row.peak
            lines.append(
                f"{row.update.name:<{width}}{t.radius:>10.5f}{_brief(peak):>9}"
                f"{_brief(t.kreiss.lower):>9}{_brief(row.steps):>9}{_brief(row.gradients):>11}"
            )
        lines.append(f"peak: of the {seen}; steps until 1e-3; gradients until then")
        lines.append("radius and steps are of whole updates: lookahead's are several steps long")
        if self.recommendation is not None:
            lines.append(str(self.recommendation))
        elif self.two_players:
            lines.append(
                "no ratio of rates follows: by their norms alone the blocks may be unstable"
            )
        return "\n".join(lines)


def compare(
    players: Mapping[str, Player],
    *,
    updates: Sequence[Update] | None = None,
    strength: float | None = None,
    repeats: int = 5,
    steps: int = 1000,
    seed: int = 0,
) -> Comparisons:
    """Return orders of moving and remedies side by side: radius, peak, Kreiss constant, cost.

    Classical remedies fight rotation, imaginary eigenvalues of games. Shear, the transient of a
    one-way coupling, is left nearly as it is by alternating, extragradient, optimistic, lookahead,
    proximal and competitive steps; consensus and symplectic damp it, for two to three times as
    many steps. It yields to time scales. The table shows which of the two a system suffers from.

    Costs one `passband.transient` for each update.

    Args:
        players: By name, where they are; `placed` puts them where training has led.
        updates: What to compare, further than simultaneous descent. The defaults: alternating,
            ``repeats`` steps of the last player, extragradient, optimistic, consensus, symplectic,
            lookahead, proximal and competitive; of these two those that can solve their equations.
        strength: Of consensus and symplectic, zero or above; ``0.1 / ‖G‖``, if not given.
        repeats: Steps of the last player in a turn, 1 or more.
        steps: Horizon of the growth, 1 or more.
        seed: Of random directions.

    Returns:
        The table; it prints. With two players also a recommended ratio of learning rates.

    Raises:
        TypeError: If ``players`` is not a dict of players.
        ValueError: If a number is out of range.
    """
    known = check_players(players, rule="compare")
    plain = simultaneous(known)
    if updates is None:
        if strength is None:
            strength = _SHARE / _field_norm(plain, known, seed)
        updates = _usual(known, strength, repeats)
        updates = [update for update in updates if _solvable(update)]
    rows = [_row(update, steps=steps, seed=seed) for update in [plain, *updates]]
    ratio = recommend_ratio(known, steps=steps, seed=seed) if len(known) == 2 else None
    alone = all(len(row.transient.direction) <= SMALL for row in rows)
    return Comparisons(tuple(rows), ratio, len(known) == 2, alone)


def _usual(players: Mapping[str, Player], strength: float, repeats: int) -> list[Update]:
    last = list(players)[-1]
    updates = [
        alternating(players),
        alternating(players, repeats={last: repeats}),
        extragradient(players),
        optimistic(players),
        consensus(players, strength=strength),
        symplectic(players, strength=strength),
        lookahead(simultaneous(players)),
        proximal(players),
    ]
    return [*updates, competitive(players)] if len(players) > 1 else updates[2:]


def _solvable(update: Update) -> bool:
    """Return whether a step can be taken here: some are solutions of an equation."""
    try:
        update.after(1)
    except ConvergenceError:
        return False
    return True


def _field_norm(plain: Update, players: Mapping[str, Player], seed: int) -> float:
    """Return about ``‖G‖``, from ``I − J = ΛG`` at the largest rate."""
    moves = plain.jacobian().shift(-1.0)
    generator = torch.Generator().manual_seed(seed)
    start = torch.randn(moves.size, generator=generator, dtype=moves.dtype).to(moves.device)
    found = largest_singular(
        moves.multiply, partial(moves.multiply, adjoint=True), start, rtol=0.05, most=8
    )
    return found.value / max(player.lr for player in players.values()) or 1.0


def _row(update: Update, *, steps: int, seed: int) -> Row:
    J = update.jacobian()
    found = transient(J, steps=steps, seed=seed)
    peak = found.peak
    if J.size <= SMALL and found.curve.numel() > 1:
        peak = _seen_peak(J, horizon=found.curve.numel())
    return Row(update, found, peak, found.settling, found.settling * update.gradients)


def _seen_peak(J: UpdateJacobian, *, horizon: int) -> float:
    """Return ``max_k ‖C Jᵏ B‖``: C reads the variables, B begins with them."""
    begin, read = _ends(J)
    A = J.dense().double().cpu().numpy()
    return float(norms_of_powers(A, steps=horizon, begin=begin, read=read).max())


def _ends(J: UpdateJacobian) -> tuple[Float[ndarray, "n m"], Int[ndarray, " m"]]:
    """Return how a perturbation of the variables begins, and where the variables are."""
    places = {leaf.name: np.arange(leaf.start, leaf.stop) for leaf in J.leaves}
    own = [leaf for leaf in J.leaves if leaf.name.startswith(f"{leaf.part}.variables")]
    read = np.concatenate([places[leaf.name] for leaf in own])
    begin = np.zeros((J.size, len(read)))
    begin[read, np.arange(len(read))] = 1
    for leaf in own:
        rest = leaf.name.removeprefix(f"{leaf.part}.variables")
        for memory in ("previous", "average"):
            twin = places.get(f"{leaf.part}.{memory}{rest}")
            if twin is not None:
                begin[twin, np.searchsorted(read, places[leaf.name])] = 1
    return begin, read


def _brief(value: float) -> str:
    return "∞" if math.isinf(value) else f"{value:.4g}" if value < 1e4 else f"{value:.2g}"
