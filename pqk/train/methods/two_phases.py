"""What the methods share that teach a network in a second phase, when it is small already."""

from abc import abstractmethod

from torch import Tensor

from pqk.train.methods.compressed import WITHOUT_TEACHER, Compressed


class TwoPhases(Compressed):
    """Phase 1 prunes and quantises. In phase 2 the mask is frozen, and the network has a teacher."""

    rate = WITHOUT_TEACHER
    shares_phase1 = True

    @property
    def phase(self) -> int:
        """1 or 2."""
        return 2 if self.frozen else 1

    def begin_epoch(self, epoch: int) -> None:
        """Choose the phase."""
        self.frozen = epoch >= self.schedule.phase1_epochs
        if epoch == self.schedule.phase1_epochs:
            self.begin_phase2()

    def begin_phase2(self) -> None:
        """Called once, before phase 2."""

    def loss(self, x: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Cross-entropy of the student; in phase 2 also what `teaching` says."""
        loss, student = super().loss(x, labels)
        if self.frozen:
            loss = loss + self.teaching(x, labels, student)
        return loss, student

    @abstractmethod
    def teaching(self, x: Tensor, labels: Tensor, student: Tensor) -> Tensor:
        """The part of phase 2's loss that the teacher adds. `student`: logits for `x`."""

    def facts(self) -> dict[str, float]:
        """Phase and sparsity."""
        return {"phase": self.phase, **super().facts()}
