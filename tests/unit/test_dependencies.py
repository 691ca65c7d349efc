"""What is trained does not depend on the generator's kernels: to change one trains nothing again."""

import re
from pathlib import Path

import pqk_codegen

import pqk

TRAINER = Path(pqk.__file__).parent / "train"
CODEGEN = Path(pqk_codegen.__file__).parent
KERNELS = re.compile(r"pqk_codegen(\.| import .*)kernels")


def test_the_trainer_does_without_kernels() -> None:
    used = [CODEGEN / name for name in ("fold.py", "lane_limits.py", "prune_channels.py")]
    files = [*TRAINER.rglob("*.py"), *(CODEGEN / "ops").glob("*.py"), *used]
    assert len(files) > 10
    assert not [path.name for path in files if KERNELS.search(path.read_text(encoding="utf-8"))]
