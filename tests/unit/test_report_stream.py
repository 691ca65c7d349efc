"""The report's part on continuous audio: there when it was measured on this build, and only then."""

import json
from pathlib import Path
from typing import Any

import pytest
from support.reports import records, stream_record
from support.seeds import fresh

from pqk.errors import PqkError
from pqk.report import assemble, text, write
from pqk.report.page import render


@pytest.fixture
def inputs() -> dict[str, Any]:
    seed = int(fresh("records").integers(2**32))
    return records(seed) | {"stream": stream_record(seed)}


def page(inputs: dict[str, Any]) -> str:
    return render(assemble(**inputs)).replace("\u202f", " ").replace("&#8239;", " ")


def test_absent_where_it_was_not_measured(inputs: dict[str, Any]) -> None:
    without = [inputs | {"stream": stream} for stream in ({}, None, stream_record(1, build_id="another"))]
    for made in without:
        report = assemble(**made)
        assert "stream" not in report
        assert "Continuous audio" not in render(report)
        assert not any(entry["key"].startswith("stream") for entry in report["measured"])


def test_json_has_the_measures(inputs: dict[str, Any], tmp_path: Path) -> None:
    path, _ = write(assemble(**inputs), tmp_path)
    found, given = json.loads(path.read_text())["stream"], inputs["stream"]
    assert found["settings"] == given["settings"]
    for condition, source in zip(found["conditions"], given["conditions"], strict=True):
        for point, original in zip(condition["operating"], source["operating"], strict=True):
            for key in ("limit", "per_word", "thresholds"):
                assert point[key] == original[key]
            assert point["testing"]["false_rejects"] == original["testing"]["false_rejects"]
            assert point["testing"]["per_hour"] == original["testing"]["per_hour"]
        assert condition["curve"] == source["curve"]
    for row, source in zip(found["device"]["costs"], given["device"]["costs"], strict=True):
        assert row == source | {"total": source["front_end"] + source["network"]}
    assert found["device"]["parity"] == given["device"]["parity"]


def test_the_page_shows_them(inputs: dict[str, Any]) -> None:
    shown = page(inputs)
    for condition in inputs["stream"]["conditions"]:
        for point in condition["operating"]:
            result = point["testing"]
            assert text.percent(result["false_rejects"]).replace("\u202f", " ") in shown
            assert f"{result['words'] - result['hits']} of 520" in shown
    assert "0.92 – 0.98" in shown  # the lowest and the highest of eight
    for row in inputs["stream"]["device"]["costs"]:
        assert f"{row['front_end'] + row['network']:,}" in shown
    assert "all 17 detections, and 291 posteriors one by one, are exactly" in shown
    assert "Emulated instructions<br>per second of audio" in shown
    assert "40 seconds of which are different" in shown
    assert shown.count("trade-off-wide-title") == 2  # an id, and what names it


def test_a_device_that_differs_is_not_good(inputs: dict[str, Any]) -> None:
    inputs["stream"]["device"]["parity"] |= {"different": 2, "different_inferences": 5}
    shown = page(inputs)
    assert "2 detections, and 5 of 291 posteriors, differ" in shown
    assert '<p class="parity bad">' in shown


def test_without_a_device_there_is_neither_parity_nor_cost(inputs: dict[str, Any]) -> None:
    inputs["stream"] = stream_record(3, device=False)
    shown = page(inputs)
    assert "Continuous audio" in shown
    assert "went through the device: all" not in shown
    assert "per second of audio" not in shown


def test_no_hit_has_no_latency(inputs: dict[str, Any]) -> None:
    for condition in inputs["stream"]["conditions"]:
        for point in condition["operating"]:
            point["testing"] |= {
                "false_rejects": 1.0,
                "hits": 0,
                "latency": dict.fromkeys(("0.05", "0.5", "0.9", "0.95")),
            }
    assert '<td class="number">–</td>' in page(inputs)


@pytest.mark.parametrize("key", ["settings", "conditions", "tolerance_s", "keywords"])
def test_what_is_missing_is_named(key: str, inputs: dict[str, Any]) -> None:
    del inputs["stream"][key]
    with pytest.raises(PqkError, match=f"stream record: '{key}' is missing") as caught:
        assemble(**inputs)
    assert "pqk-mcu eval --stream" in caught.value.hint


def test_latency_must_be_told(inputs: dict[str, Any]) -> None:
    del inputs["stream"]["conditions"][0]["operating"][0]["testing"]["latency"]["0.9"]
    with pytest.raises(PqkError, match=r"'0\.9' is missing"):
        assemble(**inputs)


def test_how_thresholds_and_times_are_written() -> None:
    assert [text.threshold(value) for value in (16384, 26214, 32440, 32760, 32767, 32768, 65535)] == [
        "0.50",
        "0.80",
        "0.99",
        "0.9998",
        "0.99997",
        "1.00",
        "never",
    ]
    assert [text.seconds(value) for value in (0.3149, -0.05, None)] == ["0.31\u202fs", "−0.05\u202fs", "–"]
