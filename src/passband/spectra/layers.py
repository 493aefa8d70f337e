"""How curvature is shared out among the layers of a network."""

import time
from collections.abc import Mapping

import torch

from passband.operators import GaussNewton, Hessian, PreconditionedHessian
from passband.spectra.sampling import Estimate, half_width, mean_and_spread, signs
from passband.spectra.start import watched


def layer_traces(
    H: Hessian | GaussNewton | PreconditionedHessian,
    *,
    max_matvecs: int = 60,
    confidence: float = 0.95,
    seed: int = 0,
) -> Mapping[str, Estimate]:
    """Return the trace of every parameter's diagonal block, each with a confidence interval.

    One product serves all layers: ``E g_l (A g)_l = tr A_ll`` for random signs ``g``. Their sum is
    the trace; where one layer is all that is asked, ``Objective(..., parameters="layer.*")`` has
    its block alone, with less noise from the others.

    Costs ``max_matvecs`` products, whatever the number of layers.

    Args:
        H: An operator of an objective.
        max_matvecs: Products to spend, at least 2.
        confidence: Of each interval, in (0, 1).
        seed: Seeds the samples.

    Returns:
        By the names of the parameters, in the model's order.

    Raises:
        TypeError: An operator without an objective.
        ValueError: An option out of range.

    Example:
        >>> x, y = torch.tensor([[1.0], [3.0]]), torch.zeros(2, 1)
        >>> from passband.problem import Objective
        >>> model = torch.nn.Linear(1, 1, bias=False)
        >>> H = Hessian(Objective(model, torch.nn.functional.mse_loss, (x, y)))
        >>> {name: part.value for name, part in layer_traces(H).items()}
        {'weight': 10.0}

    References:
        Yao, Gholami, Keutzer and Mahoney, *PyHessian*, 2020, section 3, trace by blocks.
    """
    objective = getattr(H, "objective", None)
    if objective is None:
        raise TypeError(
            f"`layer_traces` needs an operator of an objective; got {H}. Use `Hessian(objective)`."
        )
    if not max_matvecs >= 2:
        raise ValueError(f"`max_matvecs` must be at least 2; got {max_matvecs!r}.")
    if not 0 < confidence < 1:
        raise ValueError(f"`confidence` must lie in (0, 1); got {confidence!r}.")
    began, generator = time.perf_counter(), torch.Generator().manual_seed(seed)
    multiply = watched(H)
    samples: dict[str, list[float]] = {name: [] for name in objective.names}
    for _ in range(max_matvecs):
        g = signs(H, generator)
        for name, part in objective.split(g * multiply(g)).items():
            samples[name].append(float(part.sum()))
    seconds, found = time.perf_counter() - began, dict[str, Estimate]()
    for name, values in samples.items():
        mean, spread = mean_and_spread(values)
        half = half_width(spread, len(values), confidence)
        found[name] = Estimate(mean, half, confidence, max_matvecs, seconds)
    return found
