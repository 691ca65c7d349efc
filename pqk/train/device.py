"""Where training runs. Delivered networks are integers and are judged on the CPU, where their sums are exact."""

from contextlib import AbstractContextManager

import torch

from pqk.errors import ProjectError

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


def mixed_precision(device: torch.device) -> AbstractContextManager[None]:
    """Convolutions in bfloat16 where the hardware multiplies it: about twice as fast."""
    return torch.autocast(device.type, torch.bfloat16, enabled=_fast_bfloat16(device))


def _fast_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("amx_bf16") or capabilities.get("avx512_bf16"))
