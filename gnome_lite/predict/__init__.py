"""Cheap judgement: graphs of crystals, a structural network, its ensemble, and how they are trained and kept.

Importing this package is light; `predictor` and what it uses bring torch and torch_geometric with them.
"""
