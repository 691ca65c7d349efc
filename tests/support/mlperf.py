"""What firmware with MLPerf Tiny's protocol should say."""

import numpy as np
from pqk_codegen import interpreter
from pqk_codegen.decision import posteriors, scale_of
from pqk_codegen.ir import Network

WORDS = ("down", "go", "left", "no", "off", "on", "right", "stop", "up", "yes")
CLASSES = (*WORDS, "_unknown_", "_silence_")
"""Of a project with the benchmark's words."""
PRINTED = (*WORDS, "_silence_", "_unknown_")
"""The benchmark's order."""
BANNER = b"m-timestamp-mode-performance\r\nm-lap-us-0\r\nm-init-done\r\nm-ready\r\n"


def results(network: Network, clip: np.ndarray) -> str:
    """The line with the results of one clip, of a network with the benchmark's classes."""
    logits = interpreter.logits(network, clip[np.newaxis])[0]
    likely = posteriors(logits, scale_of(network.tensors[network.output].scale))
    millionths = [int(value) * 10**6 // 2**15 for value in likely]
    best = int(logits.argmax())
    if millionths[best] < 10**6:
        millionths[best] += 1
    shown = [millionths[CLASSES.index(name)] for name in PRINTED]
    return f"m-results-[{','.join(f'{value // 10**6}.{value % 10**6:06}' for value in shown)}]"
