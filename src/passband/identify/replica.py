"""A copy of an optimizer that trains scalar quadratics instead of a model."""

import copy
import inspect
import math
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, final

import numpy as np
import torch
from numpy import ndarray
from torch import Tensor, nn
from torch.optim import Optimizer

from passband._shapes import Float

_LONGEST_CYCLE = 10
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
        self.optimizer = _twin(optimizer, group, self.x)
        self.frozen = frozen
        self.evaluations = 0
        self.steps = 0
        self._target = torch.zeros_like(self.lam)
        self._takes_closure = "closure" in inspect.signature(self.optimizer.step).parameters
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
        for number, optimizer in enumerate(_optimizers(self.optimizer)):
            for key, value in optimizer.state.get(self.x, {}).items():
                entries[f"{number}/state/{key}"] = value
            for key, value in optimizer.param_groups[0].items():
                if key != "params":
                    entries[f"{number}/group/{key}"] = value
        return entries

    def remember(self, path: str, value: Any) -> None:
        """Set one entry of `memory`."""
        number, where, key = path.split("/", 2)
        optimizer = _optimizers(self.optimizer)[int(number)]
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


def _twin(optimizer: Optimizer, group: int, x: nn.Parameter) -> Optimizer:
    """Return a copy without state, or at rest if its class makes its state when it is made."""
    if any(source.state for source in _optimizers(optimizer)):
        trial = _transplant(optimizer, group, nn.Parameter(torch.zeros_like(x)))
        (p,) = trial.param_groups[0]["params"]
        p.grad = torch.zeros_like(p)
        try:
            for _ in range(_LONGEST_CYCLE):
                trial.step(lambda: 0.0)
        except Exception:
            return _transplant(optimizer, group, x, at_rest=True)
    return _transplant(optimizer, group, x)


def _at_rest(state: dict[str, Any], p: Tensor, x: Tensor) -> dict[str, Any]:
    """Return a state with zeros for all that is as large as the parameter."""
    return {
        key: torch.zeros_like(x)
        if isinstance(value, Tensor) and value.shape == p.shape and value.numel() == p.numel()
        else copy.deepcopy(value)
        for key, value in state.items()
    }


def _transplant(
    optimizer: Optimizer, group: int, x: nn.Parameter, *, at_rest: bool = False
) -> Optimizer:
    """Return a copy of an optimizer that holds ``x`` alone, in one group.

    Without state, or with that of the group's first parameter at rest.

    ``copy.deepcopy`` would lose every attribute that `Optimizer` does not pickle, and keep a
    scheduler's wrapper of ``step``, which steps the original.
    """
    sources = _optimizers(optimizer)
    twins = [object.__new__(type(source)) for source in sources]
    memo: dict[int, Any] = {id(s): twin for s, twin in zip(sources, twins, strict=True)}
    for source in sources:
        memo[id(source.state)] = defaultdict(dict)
        memo |= {id(p): x for options in source.param_groups for p in options["params"]}
    for source, twin in zip(sources, twins, strict=True):
        own = {name: value for name, value in vars(source).items() if name != "step"}
        vars(twin).update({name: copy.deepcopy(value, memo) for name, value in own.items()})
    emptied: set[int] = set()
    for twin in twins:
        if id(twin.param_groups) not in emptied:
            twin.param_groups[:] = [twin.param_groups[group]]
            emptied.add(id(twin.param_groups))
        twin.param_groups[0]["params"] = [x]
        for value in vars(twin).values():
            if isinstance(value, dict) and x in value:  # a state of the optimizer's own
                value.clear()
            if isinstance(value, list) and value and all(item is x for item in value):
                value[:] = [x]  # its own list of the parameters
    if at_rest:
        for source, twin in zip(sources, twins, strict=True):
            p = source.param_groups[group]["params"][0]
            twin.state[x] = _at_rest(source.state.get(p, {}), p, x)
    return twins[0]


def _optimizers(optimizer: Optimizer) -> list[Optimizer]:
    """Return an optimizer and those it holds as attributes, outermost first."""
    found: list[Optimizer] = []

    def visit(part: Any) -> Iterator[Any]:
        if isinstance(part, Optimizer) and not any(part is seen for seen in found):
            found.append(part)
            for value in vars(part).values():
                yield from visit(value)

    list(visit(optimizer))
    return found
