"""Secrets and personal data are masked before anything is stored. Pure: knows neither Django nor our rows.

What is found is a table (patterns.toml) and arithmetic (cards.py). Known limits: what is split over several messages,
encoded (base64, reversed, spelt out), in another script's digits, or a password without a digit that no URL holds.
"""

from .bodies import Redactor, redactor
from .text import Policy

__all__ = ["STRICTEST", "Policy", "Redactor", "redactor"]

STRICTEST = Policy(secrets=True, cards=True, emails=True, phones=True)
