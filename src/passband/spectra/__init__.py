"""What an operator looks like: its outer eigenvalues, their density, its trace, with errors."""

from passband.spectra.density import Density, density
from passband.spectra.extremes import eigenvalues
from passband.spectra.layers import layer_traces
from passband.spectra.multipliers import multipliers
from passband.spectra.norms import effective_rank, frobenius_norm
from passband.spectra.plane import Multipliers
from passband.spectra.progress import Step
from passband.spectra.results import Spectrum
from passband.spectra.sampling import Estimate
from passband.spectra.trace import trace

__all__ = [
    "Density",
    "Estimate",
    "Multipliers",
    "Spectrum",
    "Step",
    "density",
    "effective_rank",
    "eigenvalues",
    "frobenius_norm",
    "layer_traces",
    "multipliers",
    "trace",
]
