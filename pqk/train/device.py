"""Where training runs. Delivered networks are integers and are judged on the CPU, where their sums are exact."""

import ctypes
import sys
from contextlib import AbstractContextManager

import torch

from pqk.errors import ProjectError

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # mallopt(3)

CHOICES = ("auto", "cpu", "cuda")


def choose(name: str) -> torch.device:
    """The device of that name; "auto" is a GPU where there is one. Raises ProjectError when it is not there."""
    if name not in CHOICES:
        raise ProjectError(f"device {name!r} is not known", f"choose: {', '.join(CHOICES)}")
    found = torch.cuda.is_available()
    if name == "cuda" and not found:
        raise ProjectError("torch finds no GPU", "use --device cpu, or install a torch that knows your GPU's driver")
    return torch.device("cuda" if found and name != "cpu" else "cpu")


def make_deterministic(device: torch.device) -> None:
    """Equal inputs give equal bits on a CPU; on a GPU as far as torch can."""
    torch.use_deterministic_algorithms(True, warn_only=device.type != "cpu")
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # nobody reads it


def keep_freed_memory() -> None:
    """Have the C library keep what is freed, as allocators of other systems do.

    A step of training on a CPU frees and allocates the same buffers of a megabyte again and again; by default glibc
    gives each back to the system, which then has to clear it.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, 32 << 20)  # the largest that glibc takes
        mallopt(M_TRIM_THRESHOLD, 1 << 30)


def mixed_precision(device: torch.device) -> AbstractContextManager[None]:
    """Convolutions in bfloat16 where the hardware multiplies it: about twice as fast."""
    return torch.autocast(device.type, torch.bfloat16, enabled=_fast_bfloat16(device))


def _fast_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("amx_bf16") or capabilities.get("avx512_bf16"))
