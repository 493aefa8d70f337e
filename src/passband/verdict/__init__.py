"""Spectrum × filter → verdict: which modes of a model its optimizer lets through."""

from passband.verdict.inspection import inspect
from passband.verdict.judge import Mode, Verdict, judge
from passband.verdict.suggest import Change, Suggestion, suggest

__all__ = ["Change", "Mode", "Suggestion", "Verdict", "inspect", "judge", "suggest"]
