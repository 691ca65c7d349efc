"""A made-up /proc."""

from pathlib import Path


def table(folder: Path, running: dict[int, tuple[str, list[Path]]]) -> Path:
    """A table of processes: for each id the program's name and the files it has open."""
    for pid, (name, files) in running.items():
        process = folder / str(pid)
        (process / "fd").mkdir(parents=True)
        (process / "comm").write_text(f"{name}\n")
        for number, path in enumerate(files):
            (process / "fd" / str(number)).symlink_to(path)
    (folder / "meminfo").write_text("not a process\n")
    return folder
