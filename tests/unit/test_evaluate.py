"""Evaluation and its journal, against a simulated device."""

import dataclasses
import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
from support import seeds
from support.simulated import INPUT_BYTES, Clock, SimulatedDevice, SimulatedLink, answer

from pqk.device import Device
from pqk.errors import DataError, LinkError, ToolError
from pqk.evaluate import Clips, Unit, evaluate
from pqk.protocol import Frame

UNIT = Unit("emulated instructions", 1.25)
COUNT = 12


def made(count: int = COUNT) -> Clips:
    rng = seeds.fresh("clips")
    inputs = rng.integers(0, 256, (count, INPUT_BYTES), dtype=np.uint8)
    logits = np.array([answer(features.tobytes()) for features in inputs], np.int32).reshape(count, 3)
    names = [f"word/{index}.wav" for index in range(count)]
    return Clips("testing", names, inputs, rng.integers(0, 3, count), logits)


def connecting(simulated: SimulatedDevice, lives: int | None = None) -> Callable[[], AbstractContextManager[Device]]:
    """Devices that fall silent after so many inferences."""

    def silent_after(reply: bytes) -> list[bytes]:
        return [] if lives is not None and len(simulated.runs) > lives else [reply]

    def connect() -> Device:
        clock = Clock()
        link = SimulatedLink(simulated, clock, back=silent_after)
        return Device(link, board="toy", port="line", baud=115200, clock=clock)

    return connect


def quiet(done: int, total: int) -> None:
    assert 0 < done <= total


def part(clips: Clips, chosen: list[int]) -> Clips:
    arrays = {key: getattr(clips, key)[chosen] for key in ("inputs", "labels", "logits")}
    return dataclasses.replace(clips, names=[clips.names[index] for index in chosen], **arrays)


def test_record(tmp_path: Path) -> None:
    clips = made()
    progress: list[tuple[int, int]] = []
    result = evaluate(
        connecting(SimulatedDevice()), clips, UNIT, tmp_path / "journal", lambda *step: progress.append(step)
    )
    result.save(tmp_path / "evaluation.json")
    record = json.loads((tmp_path / "evaluation.json").read_text())
    assert record["schema"] == 1
    assert (record["build_id"], record["split"], record["clips"]) == ("cafe", "testing", COUNT)
    assert record["names"] == clips.names
    assert record["labels"] == clips.labels.tolist()
    assert record["predictions"] == record["reference_predictions"] == clips.logits.argmax(axis=1).tolist()
    assert record["different_logits"] == 0
    assert record["unit"] == "emulated instructions"
    assert record["per_inference"] == [round(70 * 1.25)] * COUNT
    assert record["layers"] == [round(30 * 1.25), round(40 * 1.25)]
    assert record["stack_high_water"] == 512
    assert record["device"]["board"] == "toy"
    assert progress == [(done, COUNT) for done in range(1, COUNT + 1)]


def test_different_logits_are_counted(tmp_path: Path) -> None:
    clips = made()
    clips.logits[3, 1] += 1
    clips.logits[7] += 1
    result = evaluate(connecting(SimulatedDevice()), clips, UNIT, tmp_path / "journal", quiet)
    assert result.different_logits == 2


def test_a_dead_device_keeps_what_is_done_and_the_next_run_goes_on(tmp_path: Path) -> None:
    clips, journal = made(), tmp_path / "journal"
    with pytest.raises(LinkError) as caught:
        evaluate(connecting(SimulatedDevice(), lives=5), clips, UNIT, journal, quiet)
    assert "toy on line does not answer" in caught.value.message
    assert f"5 of {COUNT} clips are done and kept in {journal}" in caught.value.message
    assert "pqk-mcu eval" in caught.value.hint
    revived = SimulatedDevice()
    result = evaluate(connecting(revived), clips, UNIT, journal, quiet)
    assert result.resumed == 5
    assert revived.runs == [features.tobytes() for features in clips.inputs[5:]]
    assert result.record()["predictions"] == clips.logits.argmax(axis=1).tolist()


def test_a_board_that_cannot_be_reset_is_connected_to_again(tmp_path: Path) -> None:
    clips, journal = made(), tmp_path / "journal"
    connections = [connecting(SimulatedDevice()), connecting(SimulatedDevice(), lives=5)]

    def cannot() -> None:
        raise ToolError("openocd is not installed", "sudo apt-get install openocd")

    result = evaluate(lambda: connections.pop()(), clips, UNIT, journal, quiet, cannot)
    assert (result.reconnections, result.different_logits) == (1, 0)


def test_a_device_that_resets_after_every_inference(tmp_path: Path) -> None:
    class Forgetful(SimulatedDevice):
        def _run(self, frame: Frame) -> bytes:
            reply = super()._run(frame)
            self.runs.clear()
            return reply

    clips, journal = made(), tmp_path / "journal"
    with pytest.raises(LinkError, match="resets again and again") as caught:
        evaluate(connecting(Forgetful()), clips, UNIT, journal, quiet)
    assert f"{COUNT} of {COUNT} clips are done" in caught.value.message


def test_another_selection_of_clips_uses_what_is_there(tmp_path: Path) -> None:
    clips, journal = made(), tmp_path / "journal"
    evaluate(connecting(SimulatedDevice()), part(clips, [9, 2, 4]), UNIT, journal, quiet)
    device = SimulatedDevice()
    result = evaluate(connecting(device), clips, UNIT, journal, quiet)
    assert (result.resumed, len(device.runs)) == (3, COUNT - 3)
    result = evaluate(connecting(SimulatedDevice()), part(clips, [1, 0]), UNIT, journal, quiet)
    assert result.record()["predictions"] == clips.logits[[1, 0]].argmax(axis=1).tolist()


def test_changed_features_are_sent_again(tmp_path: Path) -> None:
    clips, journal = made(), tmp_path / "journal"
    evaluate(connecting(SimulatedDevice()), clips, UNIT, journal, quiet)
    clips.inputs[4, 0] ^= 1
    device = SimulatedDevice()
    result = evaluate(connecting(device), clips, UNIT, journal, quiet)
    assert device.runs == [clips.inputs[4].tobytes()]
    assert result.different_logits == 1


def test_nothing_left_to_do_still_measures_the_stack(tmp_path: Path) -> None:
    clips, journal = made(), tmp_path / "journal"
    evaluate(connecting(SimulatedDevice()), clips, UNIT, journal, quiet)
    device = SimulatedDevice()
    result = evaluate(connecting(device), clips, UNIT, journal, quiet)
    assert (result.resumed, len(device.runs)) == (COUNT, 1)


@pytest.mark.parametrize("change", ["build", "split"])
def test_another_build_or_split_begins_anew(tmp_path: Path, change: str) -> None:
    clips, journal = made(), tmp_path / "journal"
    evaluate(connecting(SimulatedDevice()), clips, UNIT, journal, quiet)
    device = SimulatedDevice(build_id="beef" if change == "build" else "cafe")
    again = dataclasses.replace(clips, split="validation") if change == "split" else clips
    assert evaluate(connecting(device), again, UNIT, journal, quiet).resumed == 0
    assert len(device.runs) == COUNT


@pytest.mark.parametrize("damage", [b'{"name": "word/', b"\xff\xfe", b"[]\n", b"7\n", b'{"name": 1}\n'])
def test_a_damaged_end_costs_no_more_than_itself(tmp_path: Path, damage: bytes) -> None:
    clips, journal = made(), tmp_path / "journal"
    evaluate(connecting(SimulatedDevice()), part(clips, [0, 1, 2]), UNIT, journal, quiet)
    journal.write_bytes(journal.read_bytes() + damage)
    expected = 0 if damage == b"\xff\xfe" else 3  # what is not text at all is not trusted
    result = evaluate(connecting(SimulatedDevice()), clips, UNIT, journal, quiet)
    assert result.resumed == expected
    assert evaluate(connecting(SimulatedDevice()), clips, UNIT, journal, quiet).resumed == COUNT


def test_the_same_clip_twice(tmp_path: Path) -> None:
    clips = part(made(), [0, 1, 0])
    device = SimulatedDevice()
    result = evaluate(connecting(device), clips, UNIT, tmp_path / "journal", quiet)
    assert (len(result.inferences), len(device.runs)) == (3, 2)


def test_no_clips(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the testing split has no clips"):
        evaluate(connecting(SimulatedDevice()), made(0), UNIT, tmp_path / "journal", quiet)
    assert not (tmp_path / "journal").exists()


def test_another_number_of_outputs(tmp_path: Path) -> None:
    clips = made()
    wider = dataclasses.replace(clips, logits=np.zeros((COUNT, 5), np.int32))
    with pytest.raises(LinkError, match="3 logits instead of 5"):
        evaluate(connecting(SimulatedDevice()), wider, UNIT, tmp_path / "journal", quiet)
