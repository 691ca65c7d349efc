"""Phase 1 of PQK for all epochs, the control that its phase 2 is judged by: no teacher, and the mask stays dynamic."""

from pqk.train.methods.compressed import WITHOUT_TEACHER, Compressed


class PqkPhase1(Compressed):
    """Pruning and quantization-aware training together."""

    name = "pqk-phase1"
    rate = WITHOUT_TEACHER
    shares_phase1 = True
