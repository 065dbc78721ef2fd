"""Every figure of the README beside its peer, in one run: `python -m benchmarks [NAME ...] --json FILE`."""
