"""Files appear whole or not at all."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pqk import files
from pqk.errors import BusyError


def test_a_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    files.atomic_write_text(path, "old")
    files.atomic_write_bytes(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(path.parent.iterdir()) == [path]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    files.atomic_write_text(path, "old")
    with pytest.raises(TypeError):
        files.atomic_write_bytes(path, "not bytes")  # type: ignore[arg-type]
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_directory_is_replaced_whole(tmp_path: Path) -> None:
    target = tmp_path / "out"
    for content in ("first", "second"):
        with files.atomic_directory(target) as folder:
            (folder / content).write_text(content)
    assert [path.name for path in target.iterdir()] == ["second"]


def test_a_failed_directory_leaves_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "out"
    with files.atomic_directory(target) as folder:
        (folder / "old").write_text("old")
    with pytest.raises(FileNotFoundError), files.atomic_directory(target) as folder:
        (folder / "no folder" / "half").write_text("half")
    assert [path.name for path in target.iterdir()] == ["old"]
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("fails", [1, 2])
def test_a_directory_that_cannot_be_replaced_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: int) -> None:
    """Ctrl-C comes instead of the first or the second of two renames."""
    target = tmp_path / "out"
    with files.atomic_directory(target) as folder:
        (folder / "old").write_text("old")
    rename, renames = Path.rename, []

    def interrupted(path: Path, new: Path) -> Path:
        renames.append(new)
        if len(renames) == fails:
            raise KeyboardInterrupt
        return rename(path, new)

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt), files.atomic_directory(target) as folder:
        (folder / "new").write_text("new")
    assert [path.name for path in target.iterdir()] == ["old"]
    assert list(tmp_path.iterdir()) == [target]


def test_directories_replaced_at_once_are_whole(tmp_path: Path) -> None:
    def replace(content: str) -> None:
        for _ in range(50):
            with files.atomic_directory(tmp_path / "out") as folder:
                for name in "ab":
                    (folder / name).write_text(content)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(replace, "1234"))
    assert len({path.read_text() for path in (tmp_path / "out").iterdir()}) == 1
    assert len(list((tmp_path / "out").iterdir())) == 2
    assert list(tmp_path.iterdir()) == [tmp_path / "out"]


def test_only_one_at_a_time(tmp_path: Path) -> None:
    order = []

    def enter(number: int) -> None:
        with files.exclusive(tmp_path / "deep" / "file", wait=True):
            order.append(number)
            time.sleep(0.01)
            order.append(number)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(enter, range(4)))
    assert order[::2] == order[1::2]
    path = tmp_path / "file"
    with files.exclusive(path), pytest.raises(BusyError, match="another process"), files.exclusive(path):
        pass


def test_digest_knows_where_a_part_ends() -> None:
    assert files.digest(["ab", "c"]) != files.digest(["a", "bc"])
    assert files.digest(["ab"]) == files.digest([b"ab"])


def test_digest_of_a_tree(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("1")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.py").write_text("2")
    first = files.digest_tree(tmp_path, ["**/*.py"])
    (tmp_path / "note.txt").write_text("not of interest")
    assert files.digest_tree(tmp_path, ["**/*.py"]) == first
    (tmp_path / "sub" / "b.py").rename(tmp_path / "sub" / "c.py")
    assert files.digest_tree(tmp_path, ["**/*.py"]) != first
