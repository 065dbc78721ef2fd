"""Relaxation of candidates by a calculator, in child processes, between gates."""
