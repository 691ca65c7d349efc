"""Rows of the benchmark from the command line to the emulated board and back."""

import json
import re
import subprocess
from pathlib import Path

import numpy as np
from pqk_codegen import store
from support.command import Outcome, pqk_mcu
from support.networks import random_network

from pqk import pipeline, project

BOARD = "mps2-an386"


def bench(cwd: Path, *arguments: str) -> Outcome:
    return pqk_mcu("bench", "--core", "cortex-m4", "--inputs", "2", "--workers", "1", *arguments, cwd=cwd)


def symbols_of_generated_code(elf: Path) -> int:
    """Bytes of code and constants whose source, as the debug information has it, lies in the network's folder."""
    listing = subprocess.run(["arm-none-eabi-nm", "-S", "-l", str(elf)], capture_output=True, text=True, check=True)
    found = re.findall(r"^[0-9a-f]+ ([0-9a-f]+) [tTrRdD] \S+\t(?:\S+/)?network/", listing.stdout, re.MULTILINE)
    return sum(int(size, 16) for size in found)


def test_a_row_is_exact_and_measured_once(tmp_path: Path) -> None:
    arguments = ("--network", "res8-narrow", "--sparsity", "0.9", "--bits", "4")
    outcome = bench(tmp_path, *arguments)
    assert outcome.code == 0, outcome.err
    path = tmp_path / "build" / "bench" / "bench.json"
    (row,) = json.loads(path.read_text())["rows"]
    assert (row["network"], row["core"], row["board"]) == ("res8-narrow", "cortex-m4", BOARD)
    assert (row["sparsity"], row["weight_bits"], row["inputs"], row["exact"]) == (0.9, 4, 2, True)
    layers = row["layers"]
    names = [layer["name"] for layer in layers if not layer["name"].startswith("make_")]  # conversions aside
    assert names[:4] == ["conv0", "conv1", "conv2", "add1"]
    assert sum(layer["nonzeros"] for layer in layers) == 1990
    # Taking the input is counted, and takes at least an instruction for each of its words.
    assert row["instructions"] > sum(layer["instructions"] for layer in layers) + 101 * 40 / 4
    firmware = tmp_path / "build" / "bench" / "rows" / "res8-narrow-90-4bit-mps2-an386" / "firmware"
    total = (firmware / "firmware.bin").stat().st_size
    assert sum(layer["flash"] for layer in layers) < row["flash"] < total - 3000  # of startup and protocol
    labels = 200  # of the classes: strings have no symbols
    assert symbols_of_generated_code(firmware / "firmware.elf") <= row["flash"]
    assert row["flash"] < symbols_of_generated_code(firmware / "firmware.elf") + labels
    assert row["ram"] == json.loads((firmware / "sizes.json").read_text())["ram"]["arena"]
    for text in ("res8-narrow", "90 %", f"{row['instructions']:,}", f"{row['flash']:,}", "yes", "bench.json"):
        assert text in outcome.out
    # Nothing is left to do: a run that had to start the emulator would find no emulator.
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "qemu-system-arm").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "bin" / "qemu-system-arm").chmod(0o755)
    path_without = {"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin"}
    options = ("bench", "--core", "cortex-m4", "--inputs", "2", "--workers", "1", *arguments)
    again = pqk_mcu(*options, cwd=tmp_path, env=path_without)
    assert (again.code, json.loads(path.read_text())["rows"]) == (0, [row]), again.err
    more = pqk_mcu(*options, "--inputs", "3", cwd=tmp_path, env=path_without)
    assert more.code == 7, more.err
    assert "rows failed" in more.err
    assert json.loads(path.read_text())["rows"] == [row]


def test_a_projects_network_and_its_nonzeros(tmp_path: Path) -> None:
    project.create(tmp_path / "lights", "lights", ["yes", "no"], BOARD, None)
    network = random_network(np.random.default_rng(9))
    build = tmp_path / "lights" / "build" / BOARD
    store.save(network, build / "network")
    (build / pipeline.RECORD).write_text("{}")
    outcome = pqk_mcu("--project", "lights", "bench", "--core", "cortex-m4", "--network", "lights", cwd=tmp_path)
    assert outcome.code == 0, outcome.err
    (row,) = json.loads((tmp_path / "build" / "bench" / "bench.json").read_text())["rows"]
    assert (row["network"], row["exact"], row["weight_bits"]) == ("lights", True, network.weight_bits)
    assert row["sparsity"] == round(1 - network.nonzeros / network.weights, 4)
    assert sum(layer["nonzeros"] for layer in row["layers"]) == network.nonzeros
