"""The same digits on every x86-64 processor, at a price: kernels of numerical libraries that all of them have.

Libraries choose kernels by the processor that they find, and each kernel rounds in its own way; relaxations and
trainings carry a last digit up to the choice of what is verified. GNOME_LITE_ANY_PROCESSOR=1 has every library choose
as on a processor with AVX2 and FMA alone (all since 2015), and Intel's MKL, which distrusts other makers' processors,
take code that is the same on all. Only the standard library is imported here: the choice must come before theirs.
"""

from __future__ import annotations

import os
import sys

SWITCH = "GNOME_LITE_ANY_PROCESSOR"

COMMON_KERNELS = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "MKL_CBWR": "COMPATIBLE",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "OPENBLAS_CORETYPE": "Haswell",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL AVX512_SPR",
}
"""What each library reads when it is loaded; children inherit it."""


def choose_kernels() -> None:
    """Have libraries that are not loaded yet take the common kernels, where the environment asks for them.

    Raises:
        ImportError: if NumPy or PyTorch was loaded before, with other kernels.
    """
    if os.environ.get(SWITCH, "0") in ("", "0") or COMMON_KERNELS.items() <= os.environ.items():
        return
    loaded = [name for name in ("numpy", "torch") if name in sys.modules]
    if loaded:
        raise ImportError(f"{SWITCH} is set, but {loaded[0]} was imported first: import gnome_lite before it")
    os.environ.update(COMMON_KERNELS)
