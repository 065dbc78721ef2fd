"""The stock CHGNet in double precision: what its forces are without rounding. For comparisons; it is slow."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from chgnet.graph import converter
from chgnet.model import CHGNet, model
from chgnet.model.dynamics import CHGNetCalculator


class ExactCHGNet(CHGNetCalculator):
    """The stock calculator, all of whose numbers have 64 bits: weights, coordinates, graph and network."""

    def __init__(self) -> None:
        stock = CHGNet.load(use_device="cpu", verbose=False).double()
        # The one conversion to single precision that no setting changes is taken back.
        to_single = stock.composition_model.fc
        assert isinstance(to_single, torch.nn.Module)
        to_single.register_forward_pre_hook(lambda _, inputs: (inputs[0].double(),))
        super().__init__(model=stock, use_device="cpu", on_isolated_atoms="ignore")

    def calculate(self, *asked: Any, **options: Any) -> None:
        with _in_double():
            super().calculate(*asked, **options)


@contextlib.contextmanager
def _in_double() -> Iterator[None]:
    before = torch.get_default_dtype(), converter.TORCH_DTYPE, model.TORCH_DTYPE
    torch.set_default_dtype(torch.float64)
    converter.TORCH_DTYPE = model.TORCH_DTYPE = torch.float64
    try:
        yield
    finally:
        torch.set_default_dtype(before[0])
        converter.TORCH_DTYPE, model.TORCH_DTYPE = before[1:]
