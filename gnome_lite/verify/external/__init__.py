"""Calculators that live in another Python interpreter."""
