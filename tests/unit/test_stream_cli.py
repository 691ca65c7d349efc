"""`pqk-mcu eval --stream` as a command, with a device that computes with the reference."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner, Result
from support import seeds, streaming

from pqk import cli, runners
from pqk.device import StreamReply
from pqk.errors import DataError, LinkError, ProjectError
from pqk.frontend import RATE


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, object]:
    network = streaming.network(seeds.fresh("project"))
    folder = tmp_path_factory.mktemp("cli") / "demo"
    streaming.built_project(folder, network)
    return folder, network


def command(root, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Result:  # type: ignore[no-untyped-def]
    folder, network = root
    asked: list[dict[str, object]] = []

    def connect(*_, **options):  # type: ignore[no-untyped-def]
        asked.append(options)
        return streaming.connecting(streaming.ReferenceDevice(network))

    monkeypatch.setattr(runners, "connect", connect)
    result = CliRunner().invoke(cli.cli, ["--project", str(folder), "eval", *arguments])
    assert all(options["expected_build"] == "cafe" for options in asked)
    return result


def test_synthetic_hours(root, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    result = command(root, monkeypatch, "--stream", "--hours", "0.02", "--device-minutes", "0.05")
    assert result.exception is None, result.output
    record = json.loads((root[0] / "build" / "mps2-an386" / "stream.json").read_text())
    for condition in record["conditions"]:
        for point in condition["operating"]:
            result_on = point["testing"]
            assert f"({result_on['words'] - result_on['hits']} of {result_on['words']})" in result.output
    assert "3 s through the device: 0 of " in result.output
    assert "1.2 min of testing audio" in result.output


def test_ones_own_recording(root, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    soundfile.write(tmp_path / "a.wav", seeds.fresh("own").normal(0, 0.1, 3 * RATE), RATE)
    (tmp_path / "a.txt").write_text("1\t1.5\tyes\n")
    monkeypatch.delenv("PQK_DATA", raising=False)
    result = command(
        root, monkeypatch, "--stream", "--audio", str(tmp_path / "a.wav"), "--labels", str(tmp_path / "a.txt")
    )
    assert result.exception is None, result.output
    assert "a.wav: 3 s, 1 labelled words" in result.output
    assert "best for 0.5 /h here" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--audio", "a.wav", "--labels", "a.txt"], "go with --stream"),
        (["--stream", "--audio", "a.wav"], "--audio and --labels go together"),
        (["--stream", "--labels", "a.txt"], "--audio and --labels go together"),
        (["--stream", "--hours", "0"], "0.0 is not in the range"),
    ],
)
def test_options_that_do_not_fit(  # type: ignore[no-untyped-def]
    root, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    result = command(root, monkeypatch, *arguments)
    assert result.exit_code == 2
    assert message in result.output


def test_wrong_audio_is_refused(root, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    soundfile.write(tmp_path / "a.wav", np.zeros(10, np.int16), 8000)
    (tmp_path / "a.txt").write_text("")
    result = command(
        root, monkeypatch, "--stream", "--audio", str(tmp_path / "a.wav"), "--labels", str(tmp_path / "a.txt")
    )
    assert isinstance(result.exception, DataError)
    assert "8000 Hz" in result.exception.message


def test_the_reference_is_kept_when_the_device_is_gone(  # type: ignore[no-untyped-def]
    root, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Gone(streaming.ReferenceDevice):
        def stream_push(self, _: np.ndarray) -> StreamReply:
            raise LinkError("the device is gone", "flash it")

    folder, network = root
    monkeypatch.setattr(runners, "connect", lambda *_, **__: streaming.connecting(Gone(network)))
    arguments = ["--project", str(folder), "eval", "--stream", "--hours", "0.03", "--device-minutes", "0.05"]
    result = CliRunner().invoke(cli.cli, arguments)
    assert isinstance(result.exception, LinkError)
    kept = {path: path.stat().st_mtime_ns for path in folder.glob("build/*/stream/*/*.npy")}
    again = command(root, monkeypatch, *arguments[3:])
    assert again.exception is None, again.output
    assert {path: path.stat().st_mtime_ns for path in folder.glob("build/*/stream/*/*.npy")} == kept


def test_nothing_was_built(tmp_path: Path) -> None:
    (tmp_path / "pqk.toml").write_text(streaming.TOML)
    for arguments in (["eval", "--stream"], ["listen", "a.wav"]):
        result = CliRunner().invoke(cli.cli, ["--project", str(tmp_path), *arguments])
        assert isinstance(result.exception, ProjectError)
        assert "has not been built" in result.exception.message
