"""Spectrum × filter → verdict: which modes of a model its optimizer lets through."""

from passband.verdict.inspection import inspect
from passband.verdict.judge import Mode, Verdict, judge

__all__ = ["Mode", "Verdict", "inspect", "judge"]
