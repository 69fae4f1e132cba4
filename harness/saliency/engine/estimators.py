"""Straight-through estimators: gradients through a binarization."""

from __future__ import annotations

STE_CHOICES = ("own", "ste_sign", "ste_identity", "approx_sign", "swish_sign")
