"""Novelty of crystals: the same or new, their prototypes, and objections to them."""
