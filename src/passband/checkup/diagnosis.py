"""Findings, each with its remedy."""

import html
import textwrap
from dataclasses import dataclass
from typing import Literal, final

from typing_extensions import override

Severity = Literal["problem", "warning", "note"]

_ORDER: dict[Severity, int] = {"problem": 0, "warning": 1, "note": 2}


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was found.

    Attributes:
        severity: ``"problem"``: training would fail or not do what is asked; ``"warning"``: it
            may do something else than expected; ``"note"``: worth knowing.
        about: What it is about, in a word or two.
        what: What was measured or seen.
        remedy: What to do.
    """

    severity: Severity
    about: str
    what: str
    remedy: str


@final
@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All findings, the worst first; it prints well.

    Attributes:
        findings: What was found.
        checked: What was looked at, also where nothing was found.
    """

    findings: tuple[Finding, ...]
    checked: tuple[str, ...]

    @classmethod
    def of(cls, findings: list[Finding], checked: list[str]) -> "Diagnosis":
        """Sort findings by severity."""
        worst_first = sorted(findings, key=lambda finding: _ORDER[finding.severity])
        return cls(tuple(worst_first), tuple(checked))

    @property
    def healthy(self) -> bool:
        """Whether no finding is a problem."""
        return all(finding.severity != "problem" for finding in self.findings)

    @override
    def __str__(self) -> str:
        lines = [
            textwrap.fill(
                f"{f.severity}: {f.about}: {f.what} {f.remedy}",
                width=98,
                subsequent_indent="  ",
                break_long_words=False,
            )
            for f in self.findings
        ]
        quiet = "nothing found" if not self.findings else f"{len(self.findings)} finding(s)"
        return "\n".join([*lines, f"{quiet}; looked at {', '.join(self.checked)}"])

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{f.severity}</td><td>{html.escape(f.about)}</td>"
            f"<td style='text-align:left'>{html.escape(f.what)}</td>"
            f"<td style='text-align:left'>{html.escape(f.remedy)}</td></tr>"
            for f in self.findings
        )
        return f"<table>{rows}</table><p>looked at {html.escape(', '.join(self.checked))}</p>"
