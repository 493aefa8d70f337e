"""Saved records into tables on a terminal and one self-contained page; nothing is measured here."""

from passband.report.gather import Report, Section, gather
from passband.report.page import page, write_page
from passband.report.terminal import show

__all__ = ["Report", "Section", "gather", "page", "show", "write_page"]
