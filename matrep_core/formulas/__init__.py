"""Formulas: their shape, reading, checking, demo data and splits."""
