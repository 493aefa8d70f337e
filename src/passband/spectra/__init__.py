"""What an operator looks like: its outer eigenvalues, with their errors."""

from passband.spectra.extremes import eigenvalues
from passband.spectra.progress import Step
from passband.spectra.results import Spectrum

__all__ = ["Spectrum", "Step", "eigenvalues"]
