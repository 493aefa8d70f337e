"""What would go wrong in training, found before it does."""

from passband.checkup.diagnosis import Diagnosis, Finding, Severity
from passband.checkup.examination import doctor

__all__ = ["Diagnosis", "Finding", "Severity", "doctor"]
