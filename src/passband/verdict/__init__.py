"""Spectrum × filter → verdict: which modes of a model its optimizer lets through."""

from passband.verdict.inspection import inspect
from passband.verdict.judge import Mode, Verdict, judge
from passband.verdict.spherical import Sphere, Spheres, spherical
from passband.verdict.suggest import Change, Suggestion, suggest

__all__ = [
    "Change",
    "Mode",
    "Sphere",
    "Spheres",
    "Suggestion",
    "Verdict",
    "inspect",
    "judge",
    "spherical",
    "suggest",
]
