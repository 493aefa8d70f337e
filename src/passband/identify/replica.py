"""A copy of an optimizer that trains scalar quadratics instead of a model."""

import copy
import math
from typing import Any, final

import numpy as np
import torch
from numpy import ndarray
from torch import Tensor, nn
from torch.optim import Optimizer

from passband._shapes import Float
from passband.identify.transplant import calls_closure, optimizers_of, transplanted

_LATE = 10**15  # steps after which a counter has reached its limit to rounding, if it has one


@final
class Replica:
    """One parameter group of an optimizer, on ``½ Σᵢ λᵢ (xᵢ − targetᵢ)²``.

    The optimizer is copied with everything in it but the model's tensors, also the optimizers
    it wraps. Neither it nor the model is touched.

    Args:
        optimizer: The instance to imitate.
        group: Index of the parameter group.
        lam: Curvatures, one scalar problem each.
        frozen: Values that are put back before every step, or None.
    """

    lam: Tensor
    x: nn.Parameter
    optimizer: Optimizer
    evaluations: int
    steps: int

    def __init__(
        self,
        optimizer: Optimizer,
        group: int,
        lam: Float[ndarray, " m"],
        *,
        frozen: "Frozen | None" = None,
    ) -> None:
        self.lam = torch.from_numpy(np.ascontiguousarray(lam, dtype=np.float64))
        self.x = nn.Parameter(torch.zeros_like(self.lam))
        self.optimizer = transplanted(optimizer, group, self.x)
        self.frozen = frozen
        self.evaluations = 0
        self.steps = 0
        self._target = torch.zeros_like(self.lam)
        self._takes_closure = calls_closure(
            transplanted(optimizer, group, nn.Parameter(self.x.clone()))
        )
        mode = getattr(self.optimizer, "train", None)
        if callable(mode):  # optimizers that keep two versions of the weights
            mode()
        if frozen is not None:  # a step without gradient makes the state that is to be held
            self.frozen = None
            self.step(np.zeros(len(lam)))
            self.frozen, self.evaluations, self.steps = frozen, 0, 0

    def run(self, targets: Float[ndarray, "steps m"]) -> Float[ndarray, "steps m"]:
        """Step once for every row of targets; return the iterates after each step."""
        return np.stack([self.step(target) for target in targets])

    def step(self, target: Float[ndarray, " m"]) -> Float[ndarray, " m"]:
        """Step once and return the iterate."""
        self._target = torch.from_numpy(np.ascontiguousarray(target))
        if self.frozen is not None:
            self.frozen.restore(self)
        with torch.enable_grad():
            if self._takes_closure:
                self.optimizer.step(self._closure)  # pyright: ignore[reportCallIssue, reportArgumentType]
            else:
                self._closure()
                self.optimizer.step()
        self.steps += 1
        return self.x.detach().numpy().copy()

    def _closure(self) -> Tensor:
        self.optimizer.zero_grad()
        self.evaluations += 1
        with torch.enable_grad():
            loss = 0.5 * (self.lam * (self.x - self._target) ** 2).sum()
            loss.backward()
        return loss

    def memory(self) -> dict[str, Any]:
        """Return everything the optimizer remembers: state and group entries, by path."""
        entries: dict[str, Any] = {}
        for number, optimizer in enumerate(optimizers_of(self.optimizer)):
            for key, value in optimizer.state.get(self.x, {}).items():
                entries[f"{number}/state/{key}"] = value
            for key, value in optimizer.param_groups[0].items():
                if key != "params":
                    entries[f"{number}/group/{key}"] = value
        return entries

    def remember(self, path: str, value: Any) -> None:
        """Set one entry of `memory`."""
        number, where, key = path.split("/", 2)
        optimizer = optimizers_of(self.optimizer)[int(number)]
        holder = optimizer.state[self.x] if where == "state" else optimizer.param_groups[0]
        if isinstance(holder[key], Tensor):
            with torch.no_grad():
                holder[key].fill_(value)
        else:
            holder[key] = value


@final
class Frozen:
    """What an adaptive or counting optimizer is held at, so that it becomes linear.

    Entries that are even in the gradient, such as second moments, are held where they are one
    after the step's own decay. Numbers that count are held at their value after 10¹⁵ steps.
    """

    scalars: dict[str, float]
    moments: dict[str, float]

    def __init__(self, optimizer: Optimizer, group: int) -> None:
        self.scalars, self._slopes = _settled(optimizer, group)
        self.moments = _moments(optimizer, group, self.scalars)

    def later(self) -> "Frozen":
        """Return the same with every counter at twice its value."""
        twin = copy.copy(self)
        twin.scalars = {
            path: _like(value, value + _LATE * self._slopes.get(path, 0.0))
            for path, value in self.scalars.items()
        }
        return twin

    def restore(self, replica: Replica) -> None:
        """Put the held values back."""
        for path, value in {**self.scalars, **self.moments}.items():
            replica.remember(path, value)

    def __bool__(self) -> bool:
        return bool(self.scalars or self.moments)


def _numbers(memory: dict[str, Any]) -> dict[str, float]:
    """Return the entries that are one number, except flags."""
    return {
        path: float(value)
        for path, value in memory.items()
        if (isinstance(value, int | float) and not isinstance(value, bool))
        or (isinstance(value, Tensor) and value.ndim == 0)
    }


def _settled(optimizer: Optimizer, group: int) -> tuple[dict[str, float], dict[str, float]]:
    """Return the numbers that change with the steps, after many of them, and their slopes."""
    replica = Replica(optimizer, group, np.ones(1))
    history: list[dict[str, float]] = []
    for _ in range(6):
        replica.step(np.zeros(1))
        history.append(_numbers(replica.memory()))
    changing = {
        path
        for path in history[-1]
        if all(path in seen for seen in history) and len({seen[path] for seen in history}) > 1
    }
    slopes: dict[str, float] = {}
    for path in changing:
        increments = np.diff([seen[path] for seen in history[1:]])
        if increments[0] != 0 and np.allclose(increments, increments[0], rtol=1e-9):
            slopes[path] = float(increments[0])
    for path, slope in slopes.items():
        late = history[-1][path] + _LATE * slope
        replica.remember(path, _like(replica.memory()[path], late))
    for _ in range(200):  # products of momenta and the like decay to their limits
        replica.step(np.zeros(1))
    memory = replica.memory()
    numbers = _numbers(memory)
    return {path: _like(memory[path], numbers[path]) for path in sorted(changing)}, slopes


def _like(old: Any, value: float) -> Any:
    return round(value) if isinstance(old, int) else value


def _moments(optimizer: Optimizer, group: int, scalars: dict[str, float]) -> dict[str, float]:
    """Return the entries that are even in the gradient, at the value that a step takes to one."""
    remembered: list[dict[str, Any]] = []
    for sign in (1.0, -1.0):
        replica = Replica(optimizer, group, np.ones(4))
        for scale in (0.3, 0.7, 0.2):
            replica.step(sign * scale * np.arange(1.0, 5.0))
        remembered.append(replica.memory())
    even = [
        path
        for path, value in remembered[0].items()
        if isinstance(value, Tensor)
        and value.shape == (4,)
        and bool(value.any())
        and torch.equal(value, remembered[1].get(path, torch.empty(0)))
    ]
    if not even:
        return {}
    replica = Replica(optimizer, group, np.full(1, 1e-12))
    replica.step(np.zeros(1))
    for path, value in {**scalars, **dict.fromkeys(even, 1.0)}.items():
        replica.remember(path, value)
    replica.step(np.zeros(1))
    after = replica.memory()
    kept = {path: float(after[path].item()) for path in even}
    return {path: 1 / value for path, value in kept.items() if value > 0 and math.isfinite(value)}
