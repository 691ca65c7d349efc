"""Files of rows, and everything that is wrong with one before anything is trained."""

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from pqk.compare.rows import Comparison, of_file, of_methods
from pqk.errors import ProjectError
from pqk.pipeline import check_training
from pqk.project import CompressionConfig, Project, TrainingConfig, load, overridden
from pqk.train.methods import METHODS

CHECKOUT = Path(__file__).parents[2]

TEXT = """
[compare]
seeds = 2
control = "half"

[training]
phase1_epochs = 5

[[row]]
name = "as it is"

[[row]]
name = "half"
seeds = 4
network.arch = "res8-tiny"
compression.sparsity = 0.5
"""
ROW = '[[row]]\nname = "a"\n'


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path, "made-up", ("yes", "no"), training=TrainingConfig(seed=7))


def read(project: Project, text: str, seeds: int | None = None) -> Comparison:
    path = project.root / "compare.toml"
    path.write_text(text)
    return of_file(project, path, seeds)


def test_rows_are_the_project_with_their_settings(project: Project) -> None:
    comparison = read(project, TEXT)
    assert comparison.control == "half"
    plain, half = comparison.rows
    assert (plain.name, plain.seeds, half.name, half.seeds) == ("as it is", 2, "half", 4)
    assert plain.project.compression == CompressionConfig()
    assert plain.project.network == project.network
    assert (half.project.network.arch, half.project.compression.sparsity) == ("res8-tiny", 0.5)
    assert {row.project.training for row in comparison.rows} == {TrainingConfig(phase1_epochs=5, seed=7)}


def test_seeds_begin_at_the_projects(project: Project) -> None:
    runs = list(read(project, TEXT).rows[0].runs())
    assert [run.training for run in runs] == [TrainingConfig(phase1_epochs=5, seed=seed) for seed in (7, 8)]


def test_a_number_of_seeds_goes_for_all_rows(project: Project) -> None:
    assert [row.seeds for row in read(project, TEXT, seeds=1).rows] == [1, 1]


def test_methods_are_rows_at_the_projects_settings(project: Project) -> None:
    comparison = of_methods(project, ["pqk", "pqk-phase1", "quantize"], 5)
    assert comparison.control == "pqk-phase1"
    pqk, phase1, quantize = comparison.rows
    assert (pqk.name, pqk.seeds) == ("pqk", 5)
    assert pqk.project == replace(project, compression=CompressionConfig(method="pqk"))
    assert phase1.project.compression == CompressionConfig(method="pqk-phase1")
    assert quantize.project.compression == CompressionConfig(method="quantize", sparsity=0.0)


def test_a_method_that_sets_bits_itself_is_compared_without_a_lane_budget(project: Project) -> None:
    assert project.compression.lane_budget
    (row,) = of_methods(project, ["diffq"]).rows
    assert row.project.compression == CompressionConfig(method="diffq", sparsity=0.0, lane_budget=0)


def test_methods_without_the_control(project: Project) -> None:
    assert of_methods(project, ["pqk"]).control is None


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("", "there are no rows", "[[row]]"),
        ("x = ", "not valid TOML", ""),
        ("compare = 3", "[compare] must be a table", "[compare]"),
        ("row = 3", "row must be a list", "[[row]]"),
        ("[row]\nname = 3", "row must be a list", "[[row]]"),
        ("[rows]", "unknown key 'rows' in the file", "row"),
        ("[compare]\nseed = 3", "unknown key 'seed' in [compare]", "seeds"),
        ("[compare]\nseeds = 0\n" + ROW, "seeds = 0 must be a whole number", ""),
        ("[compare]\nseeds = true\n" + ROW, "seeds = True must be a whole number", ""),
        ("[[row]]\nseeds = 3", "a row has no name", "name"),
        (ROW + ROW, "named twice: a", "name of its own"),
        (ROW + "seeds = 2.5", "row 'a': seeds = 2.5", ""),
        (ROW + "arch = 'res8'", "row 'a': unknown key 'arch' in the row", ""),
        (ROW + "training.phase1_epochs = 99", "row 'a': a row cannot have [training]", "above the rows"),
        (ROW + "network = 'res8'", "row 'a': [network] must be a table", ""),
        (ROW + "network.arch = 8", "row 'a': network.arch = 8 is not of type str", ""),
        (ROW + "network.arch = 'res8-narow'", "row 'a': network.arch = 'res8-narow' is not known", "res8-narrow"),
        (ROW + "compression.metod = 'pqk'", "row 'a': unknown key 'metod' in [compression]", "method"),
        (ROW + "compression.method = 'pqc'", "row 'a': compression.method = 'pqc' is not known", "pqk"),
        (ROW + "compression.method = 'quantize'", "row 'a': compression.sparsity = 0.91: method 'quantize'", "0.0"),
        (ROW + "compression.weight_bits = 9", "row 'a': compression.weight_bits = 9", ""),
        ("[training]\nphase1_epochs = 0\n" + ROW, "training.phase1_epochs = 0", ""),
        ("[compare]\ncontrol = 'b'\n" + ROW, "control = 'b' is none of the rows", "a"),
    ],
)
def test_what_is_wrong_is_said(project: Project, text: str, message: str, hint: str) -> None:
    with pytest.raises(ProjectError) as caught:
        read(project, text)
    assert str(project.root / "compare.toml") in caught.value.message
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_a_missing_file(project: Project) -> None:
    with pytest.raises(ProjectError, match="cannot be read: No such file") as caught:
        of_file(project, project.root / "compare.toml")
    assert "--methods" in caught.value.hint


@pytest.mark.parametrize(
    ("methods", "message"), [(["pqk", "pqc"], "'pqc' is not known"), (["pqk", "pqk"], "named twice: pqk")]
)
def test_wrong_methods(project: Project, methods: list[str], message: str) -> None:
    with pytest.raises(ProjectError, match=message):
        of_methods(project, methods)


def test_the_projects_own_table_has_every_method() -> None:
    table = tomllib.loads((CHECKOUT / "benchmarks" / "compare.toml").read_text())
    demo = load(CHECKOUT / "demo" / "speech-commands")
    settings = {
        row["name"]: overridden(demo, {key: row[key] for key in ("network", "compression")}) for row in table["row"]
    }
    assert len(settings) == len(table["row"])
    assert set(METHODS) <= {project.compression.method for project in settings.values()}
    assert table["compare"]["control"] in settings
    seeds = {row["name"]: row.get("seeds", table["compare"]["seeds"]) for row in table["row"]}
    assert min(seeds.values()) == 3
    assert {seeds[name] for name in ("float", "pqk-phase1", "pqk")} == {5}
    for project in settings.values():
        if project.compression.method in METHODS:
            check_training(project)
