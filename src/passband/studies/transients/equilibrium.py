"""Equilibria of training steps, to rounding."""

from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from passband._shapes import Float
from passband.studies.transients.systems import Problem, descend
from passband.transients.coupled import Update, placed

_ROUNDS, _FAR, _STILL = 6, 0.01, 1e-11


class Equilibrium(NamedTuple):
    """A step where it no longer moves.

    Attributes:
        update: Started there.
        trained: ``‖F(s) − s‖`` where training ended.
        movement: The same after Newton's method.
        corrected: How far that went.
    """

    update: Update
    trained: float
    movement: float
    corrected: float


def equilibrium(problem: Problem, *, steps: int, together: int = 0) -> Equilibrium:
    """Return the equilibrium next to where training leads.

    Training is plain descent; Newton's method, with the Jacobian of the step made dense, then
    takes away what is left. That far from an equilibrium it would find anything: its way is
    part of the answer.

    Args:
        problem: What is trained.
        steps: Of plain descent, of the players that are trained first.
        together: Of the step itself, afterwards.
    """
    w = descend(problem.players, problem.first, steps=steps)
    state = {name: {"variables": own} for name, own in w.items()}
    update = problem.update(placed(problem.players, state)).after(together)
    began = flat(update.state)
    left = trained = float(torch.linalg.vector_norm(moved(update)))
    for _ in range(_ROUNDS):
        if not left > _STILL or not left < _FAR:
            break
        J = update.jacobian(check=False)
        A = torch.eye(J.size, dtype=J.dtype) - J.dense()
        change = torch.linalg.solve(A, moved(update))
        added: Any = J.as_state(change)
        update = replace(update, state=pytree.tree_map(torch.add, update.state, added))
        left = float(torch.linalg.vector_norm(moved(update)))
    corrected = float(torch.linalg.vector_norm(flat(update.state) - began))
    return Equilibrium(update, trained, left, corrected)


def moved(update: Update) -> Float[Tensor, " n"]:
    """Return ``F(s) − s``."""
    return flat(update.step(update.state)) - flat(update.state)


def flat(state: Any) -> Float[Tensor, " n"]:
    """Return a state as one vector, in the order of `UpdateJacobian`."""
    return torch.cat([t.detach().reshape(-1) for t in pytree.tree_leaves(state)])
