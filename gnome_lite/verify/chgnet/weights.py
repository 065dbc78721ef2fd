"""Fine-tuned CHGNet weights as one safetensors file: no pickle, so that a file from elsewhere can be opened.

A calculator of such a file is of the level "chgnet-" and the start of the file's SHA-256.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chgnet.model.model import CHGNet

from gnome_lite.core.errors import CalculatorError
from gnome_lite.core.limited import open_limited

FORMAT = "gnome_lite.chgnet.1"
MAX_BYTES = 100_000_000


def save_tuned(path: Path, model: CHGNet, base: str, card: Mapping[str, Any]) -> None:
    """Write weights; the file appears whole or not at all.

    Args:
        path: file to write.
        model: network with the weights.
        base: the shipped version whose architecture they are of, "0.3.0" or "r2scan".
        card: training set and errors.
    """
    from safetensors.torch import save_file

    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in model.state_dict().items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        save_file(tensors, partial, metadata={"format": FORMAT, "base": base, "card": json.dumps(dict(card))})
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def load_tuned(path: Path) -> CHGNet:
    """Return a frozen CHGNet with the weights of `save_tuned`.

    Raises:
        CalculatorError: if the file is missing, damaged, foreign, or does not fit the architecture it names.
    """
    from safetensors import SafetensorError, safe_open
    from safetensors.torch import load_file

    from gnome_lite.verify.chgnet.calculator import CHECKPOINTS, load_model

    if not path.is_file():
        raise CalculatorError(
            f"there is no CHGNet {path}: choose from {', '.join(CHECKPOINTS)}, or name a file of `gnome-lite finetune`"
        )
    try:
        # The library maps the file: what it is and its size are made sure of first.
        with open_limited(path, MAX_BYTES), safe_open(path, framework="pt") as file:
            about = file.metadata() or {}
        if about.get("format") != FORMAT or about.get("base") not in CHECKPOINTS:
            raise CalculatorError(f"{path} holds no CHGNet of this version of gnome_lite: fine-tune it again")
        model = load_model(about["base"])
        model.load_state_dict(load_file(path))
    except (SafetensorError, OSError, RuntimeError) as error:
        raise CalculatorError(f"{path} is damaged ({str(error).splitlines()[0][:100]}): fine-tune it again") from error
    return model
