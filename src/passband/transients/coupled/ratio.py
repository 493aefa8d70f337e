"""The ratio of time scales that the measured blocks of a coupled system ask for."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import final

import numpy as np
import torch
from numpy import ndarray
from typing_extensions import override

from passband._shapes import Float
from passband.operators import LinearOperator
from passband.transients.blocks import Blocks
from passband.transients.coupled.players import Player, check_players, with_ratio
from passband.transients.coupled.updates import simultaneous
from passband.transients.matrix_free import Transient, transient
from passband.transients.matrix_free.parts import block_norms

_SLOWEST = 1e-3
_SHARE = 0.9  # of the largest stable step
_TINY = 1e-300
_TRIED = 200


@final
@dataclass(frozen=True, slots=True, eq=False)
class Recommendation:
    """A proposed factor of one player's learning rate, and what was measured there.

    Attributes:
        player: Whose rate: the one that is driven.
        ratio: The factor.
        blocks: The block model at the present rates, as measured: driver first.
        expected: The block model at the proposal.
        measured: The transient of the step itself at the proposal.
    """

    player: str
    ratio: float
    blocks: Blocks
    expected: Blocks
    measured: Transient

    @override
    def __str__(self) -> str:
        lr = f"multiply the learning rate of {self.player!r} by {self.ratio:.3g}"
        return (
            f"{lr}: Kreiss constant up to {self.blocks.kreiss:.4g} before, "
            f"{self.expected.kreiss:.4g} after; measured there: radius {self.measured.radius:.6g}, "
            f"growth {self.measured.peak:.4g} times"
        )


def recommend_ratio(
    players: Mapping[str, Player],
    *,
    eps: float = 1e-3,
    max_kreiss: float = math.inf,
    slack: float = 0.1,
    steps: int = 1000,
    seed: int = 0,
) -> Recommendation | None:
    """Return the factor of the driven player's rate after which transients are over first.

    The norms of the four blocks of simultaneous descent are measured, the player that is
    driven more strongly counts as second, and `Blocks.best_ratio` is asked; then the step itself
    is measured at the proposal. Where a block alone does not contract there is no model and None
    is returned, and also where the proposal turns out unstable.

    Args:
        players: Two, by name. Momentum is left out of the model.
        eps: The norm at which a transient counts as over, above zero.
        max_kreiss: The largest Kreiss constant to accept, at least 1.
        slack: How much longer it may take for a smaller transient: of the factors whose time is
            within this share of the best, the smallest is taken.
        steps: The horizon of the measurement.
        seed: Of random directions.

    Raises:
        TypeError: If ``players`` is not a dict of players.
        ValueError: If they are not two, or ``slack`` is negative.
    """
    known = check_players(players, rule="recommend_ratio")
    if not slack >= 0:
        raise ValueError(f"`slack` must not be negative; got {slack!r}.")
    if len(known) != 2:
        raise ValueError(f"`recommend_ratio` needs two players; got {len(known)}.")
    plain = {
        name: replace(player, momentum=0.0, dampening=0.0, nesterov=False)
        for name, player in known.items()
    }
    J = simultaneous(plain).jacobian()
    first, second = known
    norms, moves = _norms(J, J.parts, seed), _norms(J.shift(-1.0), J.parts, seed)
    if norms[0, 1] > norms[1, 0]:  # the second player drives
        first, second, norms, moves = second, first, norms[::-1, ::-1], moves[::-1, ::-1]
    (a, e), (c, b) = norms.tolist()
    blocks = Blocks(a=a, b=b, c=c, e=e)
    if not blocks.stable:
        return None
    largest = min(2 * _SHARE / max(float(moves[1, 1]), _TINY), 1 / (1 - b))
    try:
        limits = (_SLOWEST, max(largest, 2 * _SLOWEST))
        best = blocks.best_ratio(eps=eps, max_kreiss=max_kreiss, limits=limits)
    except ValueError:  # nothing within the limits
        return None
    slower = np.geomspace(limits[0], best.ratio, _TRIED).tolist()
    enough = (1 + slack) * best.cost
    ratio = next(tau for tau in slower if blocks.at_ratio(tau).steps(eps) <= enough)
    proposal = simultaneous(with_ratio(known, second, ratio))
    measured = transient(proposal.jacobian(check=False), steps=steps, seed=seed)
    if measured.unstable:
        return None
    return Recommendation(second, ratio, blocks, blocks.at_ratio(ratio), measured)


def _norms(J: LinearOperator, parts: Mapping[str, slice], seed: int) -> Float[ndarray, "m m"]:
    like = torch.zeros(J.size, dtype=J.dtype, device=J.device)
    return block_norms(J.multiply, parts, like, seed=seed)
