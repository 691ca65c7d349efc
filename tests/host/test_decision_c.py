"""The decision's C alone, under sanitizers, against its definition: logits and scales that no network of a test has."""

import struct
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pqk_codegen.decision import MOST_SMOOTHING, Settings, detections, posteriors, scale_of, smooth
from pqk_codegen.generate_spotter import RUNTIME, generate_spotter
from support import seeds, spotting
from support.host import SANITIZED, STRICT
from support.spotting import CLASSES, KEYWORDS, StandIn

MAIN = """
#include "pqk_decision.c"

#include <stdio.h>

static int take(void *to, size_t count) {
    return fread(to, 1, count, stdin) == count;
}

int main(void) {
    pqk_settings settings = {.stride = 1};
    pqk_detection found;
    int32_t logits[PQK_OUTPUTS];
    uint64_t samples;
    uint16_t row[PQK_OUTPUTS];
    const pqk_logit_scale scale = PQK_LOGIT_SCALE;
    take(settings.thresholds, sizeof settings.thresholds);
    take(&settings.smoothing, sizeof settings.smoothing);
    take(&settings.refractory, sizeof settings.refractory);
    pqk_decision_reset();
    while (take(&samples, sizeof samples) && take(logits, sizeof logits)) {
        pqk_probabilities(logits, scale, row);
        for (uint32_t i = 0; i < PQK_OUTPUTS; i++) {
            printf("%d ", row[i]);
        }
        if (pqk_decide(&settings, logits, samples, &found)) {
            printf("%u %u %llu", (unsigned)found.word, (unsigned)found.score, (unsigned long long)found.samples);
        }
        printf("\\n");
    }
    return 0;
}
"""
SCALES = [1e-12, 1e-9, 3e-7, 1e-5, 0.01, 0.7, 20.0, 1000.0, 1e6]
BOTTOM, TOP = -(2**31), 2**31 - 1


@dataclass(frozen=True)
class Built:
    program: Path
    scale: float


@pytest.fixture(scope="module", params=SCALES)
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("decision")
    front_end, rng = StandIn(20, 10, 4, 4, True), seeds.fresh("network")
    network = spotting.random_network(rng, front_end)
    output = replace(network.tensors[network.output], scale=request.param)
    network = replace(network, tensors={**network.tensors, network.output: output})
    files = generate_spotter(spotting.spec(Settings((0,) * len(CLASSES), 1, 1, 0)), network)
    files = {name: text for name, text in files.items() if name not in RUNTIME or "decision" in name}
    files |= {"network.h": f"#define PQK_OUTPUTS {len(CLASSES)}u\n", "main.c": MAIN}
    for name, text in files.items():
        (folder / name).write_text(text)
    program = folder / "program"
    subprocess.run(["gcc", *STRICT, *SANITIZED, str(folder / "main.c"), "-o", str(program)], check=True)
    return Built(program, request.param)


def check(built: Built, chosen: Settings, logits: np.ndarray, samples: np.ndarray) -> None:
    """Posteriors, detections and their scores, for logits [n, k] at `samples` [n]."""
    head = struct.pack(f"<{len(CLASSES)}HHI", *chosen.thresholds, chosen.smoothing, chosen.refractory)
    rows = [struct.pack(f"<Q{len(CLASSES)}i", int(at), *map(int, row)) for at, row in zip(samples, logits, strict=True)]
    done = subprocess.run([built.program], input=head + b"".join(rows), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    lines = [list(map(int, line.split())) for line in done.stdout.decode().splitlines()]
    expected = posteriors(logits, scale_of(built.scale))
    assert [line[: len(CLASSES)] for line in lines] == expected.tolist()
    smoothed = smooth(expected, chosen.smoothing)
    found = detections(smoothed, samples, chosen.thresholds, KEYWORDS, chosen.refractory)
    assert [tuple(line[len(CLASSES) :]) for line in lines if line[len(CLASSES) :]] == [
        (one.word, one.score, one.samples) for one in found
    ]


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32 - 1))
def test_decisions(built: Built, seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 200))
    spread = min(2.0**31, float(rng.choice([1, 4, 30])) / built.scale + 1)
    logits = np.clip(rng.normal(0, spread, (count, len(CLASSES))), BOTTOM, TOP).astype(np.int64)
    logits[rng.random(count) < 0.05] = 5  # all equal
    smoothing = int(rng.choice([1, 2, 3, 10, MOST_SMOOTHING]))
    thresholds = tuple(int(value) for value in rng.integers(0, 20000, len(CLASSES)))
    chosen = Settings(thresholds, smoothing, 1, int(rng.choice([0, 159, 160, 161, 1000])))
    check(built, chosen, logits, int(rng.integers(2**40)) + 160 * np.arange(count))


def test_extreme_logits(built: Built) -> None:
    values = [BOTTOM, BOTTOM + 1, -1, 0, 1, TOP - 1, TOP]
    rows = np.array([np.roll(np.resize(values, len(CLASSES) + 1), i)[: len(CLASSES)] for i in range(7)], np.int64)
    rows = np.concatenate([rows, np.full((1, len(CLASSES)), BOTTOM), np.full((1, len(CLASSES)), TOP)])
    check(built, Settings((1,) * len(CLASSES), 1, 1, 0), rows, 160 * np.arange(len(rows)))


def test_the_first_detection_needs_no_rest(built: Built) -> None:
    rows = np.zeros((3, len(CLASSES)), np.int64)
    check(built, Settings((0,) * len(CLASSES), 1, 1, 2**32 - 1), rows, np.array([0, 2**32 - 2, 2**32 - 1]))
