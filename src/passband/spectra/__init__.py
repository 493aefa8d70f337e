"""What an operator looks like: its outer eigenvalues, their density, its trace, with errors."""

from passband.spectra.density import Density, density
from passband.spectra.extremes import eigenvalues
from passband.spectra.multipliers import multipliers
from passband.spectra.plane import Multipliers
from passband.spectra.progress import Step
from passband.spectra.results import Spectrum
from passband.spectra.trace import Estimate, trace

__all__ = [
    "Density",
    "Estimate",
    "Multipliers",
    "Spectrum",
    "Step",
    "density",
    "eigenvalues",
    "multipliers",
    "trace",
]
