"""Files appear whole or not at all."""

from pathlib import Path

import pytest

from pqk import files


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


def test_a_file_that_is_there_is_not_created_again(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    files.create_text(path, "first")
    with pytest.raises(FileExistsError):
        files.create_text(path, "second")
    assert path.read_text() == "first"
    with pytest.raises(UnicodeEncodeError):
        files.create_text(tmp_path / "deep" / "other", "\udcff")
    assert list(path.parent.iterdir()) == [path]


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
