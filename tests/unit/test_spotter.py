"""The reference spotter: pieces of a stream give what the whole gives, and windows are clips of their own."""

import numpy as np
from pqk_codegen import decision, interpreter, spotter
from support import seeds
from support.networks import Builder

from pqk.frontend import FrontEnd
from pqk.project import FrontEndConfig

CONFIG = FrontEndConfig()
CLASSES = ("a", "b", "_unknown_")


def network(rng: np.random.Generator, front_end: FrontEnd):  # type: ignore[no-untyped-def]
    builder = Builder(rng, (1, front_end.frames, CONFIG.bands))
    builder.conv(2, pool=(4, 4))
    return builder.finish(CLASSES)


def test_pieces_give_what_the_whole_gives() -> None:
    rng, front_end = seeds.fresh("pieces"), FrontEnd(CONFIG)
    pcm = rng.normal(0, 3000, 40_000).astype(np.int16)
    read, net = spotter.reader(pcm), network(rng, front_end)
    for stride in (1, 3, 10):
        count = spotter.inferences_in(front_end, len(pcm), stride)
        whole = spotter.infer(net, front_end, read, stride=stride, count=count)
        cut = int(rng.integers(1, count))
        parts = [
            spotter.infer(net, front_end, read, stride=stride, first=first, count=n)
            for first, n in ((0, cut), (cut, count - cut))
        ]
        assert np.array_equal(np.concatenate([part.logits for part in parts]), whole.logits)
        assert np.array_equal(np.concatenate([part.samples for part in parts]), whole.samples)
        assert len(whole.logits) == count


def test_a_window_inside_the_stream_is_that_stretch_of_frames() -> None:
    rng, front_end = seeds.fresh("windows"), FrontEnd(CONFIG)
    pcm = rng.normal(0, 3000, 40_000).astype(np.int16)
    net = network(rng, front_end)
    frames = front_end.encode(front_end.energies(pcm[np.newaxis]))[0, 0]
    found = spotter.infer(net, front_end, spotter.reader(pcm), stride=5, count=9)
    for index, (logits, samples) in enumerate(zip(found.logits, found.samples, strict=True)):
        last = front_end.frames - 1 + 5 * index
        window = frames[last + 1 - front_end.frames : last + 1][np.newaxis, np.newaxis]
        assert np.array_equal(interpreter.logits(net, window)[0], logits)
        assert samples == last * 160 + 240


def test_a_frame_is_whole_with_its_last_sample() -> None:
    front_end = FrontEnd(CONFIG)
    assert [spotter.whole_frames(front_end, n) for n in (0, 239, 240, 399, 400)] == [0, 0, 1, 1, 2]
    needed = 100 * 160 + 240
    assert [spotter.inferences_in(front_end, n, 10) for n in (0, needed - 1, needed, needed + 1599)] == [0, 0, 1, 1]
    assert spotter.inferences_in(front_end, needed + 1600, 10) == 2


def test_frames_that_start_at_their_sample() -> None:
    rng, front_end = seeds.fresh("not centred"), FrontEnd(FrontEndConfig(center=False))
    assert [spotter.whole_frames(front_end, n) for n in (479, 480, 639, 640)] == [0, 1, 1, 2]
    pcm = rng.normal(0, 3000, 20_000).astype(np.int16)
    frames = front_end.encode(front_end.energies(pcm[np.newaxis]))[0, 0]
    assert np.array_equal(spotter.features(front_end, spotter.reader(pcm), 7, 50), frames[7:57])
    net = network(rng, front_end)
    found = spotter.infer(net, front_end, spotter.reader(pcm), stride=2, count=3)
    assert found.samples.tolist() == [(front_end.frames - 1 + 2 * index) * 160 + 480 for index in range(3)]
    window = frames[2 : 2 + front_end.frames][np.newaxis, np.newaxis]
    assert np.array_equal(interpreter.logits(net, window)[0], found.logits[1])


def test_no_inference_yet() -> None:
    rng, front_end = seeds.fresh("short"), FrontEnd(CONFIG)
    found = spotter.infer(network(rng, front_end), front_end, spotter.reader(np.zeros(9, np.int16)), stride=1, count=0)
    settings = decision.Settings((0, 0, 0), 1, 1, 0)
    assert found.logits.shape == (0, 3)
    assert spotter.decide(found, decision.scale_of(1.0), (True, True, False), settings) == []


def test_decisions_follow_from_logits() -> None:
    logits = np.array([[0, 0, 0], [900, 0, 0], [900, 0, 0], [0, 900, 0]])
    inferences = spotter.Inferences(logits, 1000 + 1600 * np.arange(4))
    settings = decision.Settings((30000, 10000, 0), 2, 10, 1600)
    found = spotter.decide(inferences, decision.scale_of(0.1), (True, True, False), settings)
    # a: (10923 + 32768) // 2 stays below its threshold, then the mean is 1; b: the mean of 0 and 1
    assert found == [decision.Detection(0, 32768, 4200), decision.Detection(1, 16384, 5800)]


def test_samples_outside_are_zeros() -> None:
    read = spotter.reader(np.array([1, 2, 3], np.int16))
    assert read(-2, 2).tolist() == [0, 0, 1, 2]
    assert read(2, 5).tolist() == [3, 0, 0]
    assert read(-5, -2).tolist() == [0, 0, 0]
    assert read(7, 9).tolist() == [0, 0]
