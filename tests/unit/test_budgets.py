"""Budgets from pqk.toml to the trained network: what the generator plans for it keeps to them, roughly as estimated."""

from dataclasses import replace

import pytest
from support import recordings
from support.planned import planned

from pqk import boards, build, pipeline
from pqk.errors import ProjectError
from pqk.pipeline import Reporter
from pqk.project import CompressionConfig, DataConfig, FrontEndConfig, NetworkConfig, Project, TrainingConfig

SILENT = Reporter(note=lambda _: None, extracting=lambda *_: None, training=lambda _: None)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Project:
    root = tmp_path_factory.mktemp("budgets")
    recordings.write(root / "recordings", ["yes", "no", "marvin"])
    return Project(
        root=root,
        name="budgets",
        words=("yes", "no"),
        data=DataConfig(source="recordings"),
        front_end=FrontEndConfig(hop_ms=50),
        network=NetworkConfig("res8-tiny"),
        training=TrainingConfig(phase1_epochs=2, phase2_epochs=1, batch_size=16),
    )


@pytest.mark.parametrize(
    ("key", "network"),
    [
        ("budget_instructions", NetworkConfig("res8-tiny")),
        # The bytes of res8-tiny are largely those of its first convolution, which double where it changes its kernel.
        ("budget_bytes", NetworkConfig("res8-coarse", 16)),
        ("budget_nonzeros", NetworkConfig("res8-tiny")),
    ],
)
def test_a_trained_network_keeps_to_its_budget(key: str, network: NetworkConfig, base: Project) -> None:
    base = replace(base, network=network)
    dense = _counts(replace(base, compression=CompressionConfig(sparsity=0.5)))
    budget = round(0.7 * dense[key])
    kept = _counts(replace(base, compression=CompressionConfig(**{key: budget})))
    # Nonzeros are counted exactly, the others estimated from random weights; in bytes a kernel's change is a jump.
    tolerance = {"budget_instructions": 0.1, "budget_bytes": 0.25, "budget_nonzeros": 0}[key]
    assert 0.6 * budget < kept[key] <= (1 + tolerance) * budget


def test_a_budget_that_cannot_be_met_is_refused_before_training(base: Project) -> None:
    project = replace(base, compression=CompressionConfig(budget_instructions=1000))
    with pytest.raises(ProjectError, match=r"compression\.budget_instructions = 1,000: what cannot be pruned costs"):
        pipeline.check_training(project)


def _counts(project: Project) -> dict[str, float]:
    inputs = pipeline.extracted(project, pipeline.scan_data(project, None), SILENT)
    network = pipeline.read_network(pipeline.trained(project, inputs, SILENT, "cpu") / "network")
    board = boards.load(project.board)
    instructions, size = planned(network, board.cpu, build.objective(project.build, board, {}))
    return {"budget_instructions": instructions, "budget_bytes": size, "budget_nonzeros": network.nonzeros}
