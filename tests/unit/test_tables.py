"""The tables of the command line: every figure of the record is there, and says what it is."""

from dataclasses import replace

from support.reports import records, stream_record

from pqk import boards, tables

BOARD = boards.load("mps2-an386")


def test_sizes_show_estimates_and_which_layers_are_plain_c() -> None:
    record = records(3)["build"]
    printed = tables.sizes(record, BOARD)
    rows = {line.split()[0]: line for line in printed.splitlines() if line.strip()}
    for layer in record["layers"]:
        row = rows[layer["name"]]
        assert row.endswith(f" {layer['estimate']['instructions']:,}")
        assert f" {layer['flash']:,} " in row
        assert ("(plain C)" in row) == (layer["kernel"] in ("conv2d_sparse4", "fully_connected_dense"))
    assert max(map(len, printed.splitlines())) <= 100


def test_sizes_say_what_a_stream_reuses() -> None:
    record = records(3)["build"]
    text = "in a stream, every 100 ms, about 322,000 instructions for what is new; 9,392 B of RAM for the rest"
    assert tables.sizes(record, BOARD).splitlines()[-1] == text
    assert "in a stream" not in tables.sizes(record | {"stream": {"reuse": False}}, BOARD)


def test_cycles_are_shown_where_the_model_applies_only() -> None:
    record = records(3)["build"]
    instructions, cycles = (
        sum(layer["estimate"][key] for layer in record["layers"]) for key in ("instructions", "cycles")
    )
    assert f"about {instructions:,} instructions per inference, estimated; {cycles:,} modelled cycles" in tables.sizes(
        record, BOARD
    )
    elsewhere = tables.sizes(record, replace(BOARD, cpu="cortex-m7"))
    assert f"{instructions:,} instructions per inference, estimated\n" in elsewhere
    assert "cycles" not in elsewhere


def test_tuning_lists_costs_and_changes() -> None:
    record = {
        "unit": "emulated instructions",
        "measured": [
            {"layer": "conv1", "kernel": "conv2d_sparse4", "cost": 9000.0},
            {"layer": "conv1", "kernel": "conv2d_lanes", "cost": 1200.0},
        ],
        "changed": [],
    }
    printed = tables.tuning(record)
    assert "emulated instructions" in printed
    assert [line.split()[1:] for line in printed.splitlines()[1:3]] == [
        ["conv2d_lanes", "1,200"],
        ["conv2d_sparse4", "9,000"],
    ]
    assert printed.endswith("the measurement changes no choice")
    changed = record | {"changed": [{"layer": "conv1", "before": "conv2d_sparse4", "after": "conv2d_lanes"}]}
    assert tables.tuning(changed).endswith("conv1: conv2d_sparse4 -> conv2d_lanes")


def test_what_streams_gave() -> None:
    record = stream_record(1)
    never = record["conditions"][1]["operating"][1]
    never["thresholds"] = [65535] * 8
    never["testing"] |= {"false_rejects": 1.0, "hits": 0, "latency": {"0.5": None, "0.9": None}}
    lines = [" ".join(line.split()) for line in tables.streaming(record).splitlines()]
    clean, _, _, _, last, configured = lines[1:7]
    assert clean.startswith("clean 1 /h one for each word ")
    result = record["conditions"][0]["operating"][0]["testing"]
    assert f"({520 - result['hits']} of 520)" in clean
    assert clean.endswith(" 0.27 s 0.40 s")
    assert last.startswith("10 dB 0.5 /h never 100.0 % (520 of 520) ")
    assert last.endswith(" - -")
    assert configured.startswith("10 dB - 0.8 (pqk.toml) ")
    assert (
        "each: 1 h of testing audio with 520 words of the list and 508 others, "
        "30 min of validation, which chose the thresholds" in lines
    )
    assert any("2 min through the device: 0 of 17 detections and 0 of 291 inferences differ" in line for line in lines)
    assert lines[-2] == "100 ms 10 /s 1,400,000 12,345,670 13,745,670"
    assert "through the device" not in tables.streaming(stream_record(1, device=False))


def test_an_evaluation_tells_what_it_got_over() -> None:
    result = {
        "clips": 4,
        "split": "testing",
        "labels": [0, 1, 2, 0],
        "predictions": [0, 1, 1, 0],
        "different_logits": 0,
        "unit": "emulated instructions",
        "per_inference": [7, 5, 6, 5],
        "dropped_frames": 0,
        "resets": 0,
        "reconnections": 0,
    }
    lines = tables.evaluation(result).splitlines()
    assert lines[0] == "3 of 4 testing clips right on the device (75.00 %)"
    assert len(lines) == 3
    troubled = tables.evaluation(result | {"dropped_frames": 3, "reconnections": 1}).splitlines()
    assert troubled[:3] == lines
    assert troubled[3] == "got over on the way: 3 dropped frames, 1 reconnections"
