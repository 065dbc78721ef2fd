"""Prefect flows around the package: discovery, re-evaluation, the bundled seed, and deployments."""
