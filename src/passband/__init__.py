"""Which minima your optimizer lets through, and where your model stands.

Near an equilibrium an optimizer is a linear filter of curvature. ``filters`` says what an
optimizer does to an eigenvalue, ``Hessian`` and ``eigenvalues`` say which eigenvalues a model
has, ``inspect`` puts both together, and ``optim`` has optimizers with lower edges.

Names are loaded on first use, so ``import passband`` costs milliseconds.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from passband import errors, filters, optim, transients
    from passband.checkup import Diagnosis, doctor
    from passband.identify import filter_of
    from passband.monitor import Monitor
    from passband.operators import (
        BlockDiagonal,
        Distributed,
        GaussNewton,
        Hessian,
        Identity,
        LinearOperator,
        MatrixOperator,
        PreconditionedHessian,
        UpdateJacobian,
    )
    from passband.problem import Objective
    from passband.spectra import (
        Spectrum,
        density,
        effective_rank,
        eigenvalues,
        frobenius_norm,
        layer_traces,
        multipliers,
        trace,
    )
    from passband.transients.matrix_free import Transient, transient
    from passband.verdict import Suggestion, Verdict, inspect, judge, spherical, suggest

__version__ = "0.1.0"

_HOMES = {
    "errors": "passband.errors",
    "filters": "passband.filters",
    "optim": "passband.optim",
    "transients": "passband.transients",
    "Diagnosis": "passband.checkup",
    "doctor": "passband.checkup",
    "filter_of": "passband.identify",
    "BlockDiagonal": "passband.operators",
    "Distributed": "passband.operators",
    "GaussNewton": "passband.operators",
    "Hessian": "passband.operators",
    "Identity": "passband.operators",
    "LinearOperator": "passband.operators",
    "MatrixOperator": "passband.operators",
    "PreconditionedHessian": "passband.operators",
    "UpdateJacobian": "passband.operators",
    "Monitor": "passband.monitor",
    "Objective": "passband.problem",
    "Spectrum": "passband.spectra",
    "density": "passband.spectra",
    "effective_rank": "passband.spectra",
    "eigenvalues": "passband.spectra",
    "frobenius_norm": "passband.spectra",
    "layer_traces": "passband.spectra",
    "multipliers": "passband.spectra",
    "trace": "passband.spectra",
    "Transient": "passband.transients.matrix_free",
    "transient": "passband.transients.matrix_free",
    "Suggestion": "passband.verdict",
    "Verdict": "passband.verdict",
    "inspect": "passband.verdict",
    "judge": "passband.verdict",
    "spherical": "passband.verdict",
    "suggest": "passband.verdict",
}

__all__ = [
    "BlockDiagonal",
    "Diagnosis",
    "Distributed",
    "GaussNewton",
    "Hessian",
    "Identity",
    "LinearOperator",
    "MatrixOperator",
    "Monitor",
    "Objective",
    "PreconditionedHessian",
    "Spectrum",
    "Suggestion",
    "Transient",
    "UpdateJacobian",
    "Verdict",
    "density",
    "doctor",
    "effective_rank",
    "eigenvalues",
    "errors",
    "filter_of",
    "filters",
    "frobenius_norm",
    "inspect",
    "judge",
    "layer_traces",
    "multipliers",
    "optim",
    "spherical",
    "suggest",
    "trace",
    "transient",
    "transients",
]


def __getattr__(name: str) -> Any:
    """Load a public name from its home, once."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'passband' has no attribute {name!r}. Known: {__all__}.")
    module = importlib.import_module(home)
    value = module if home == f"passband.{name}" else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
