"""In which order results are printed for MLPerf Tiny's runner."""

from pqk_codegen.generate_mlperf import mlperf_files, order
from support import mlperf, seeds
from support.networks import res8


def test_the_runners_order_for_its_own_classes() -> None:
    shuffled = [str(name) for name in seeds.fresh("classes").permutation(mlperf.CLASSES)]
    assert [shuffled[index] for index in order(shuffled)] == list(mlperf.PRINTED)


def test_other_classes_stay_in_order() -> None:
    for classes in (mlperf.CLASSES[:-1], (*mlperf.CLASSES, "yeah"), ("on", "off"), ("on", "_on_", *mlperf.CLASSES[2:])):
        assert order(classes) == tuple(range(len(classes)))


def test_the_header_names_the_outputs() -> None:
    network = res8(seeds.fresh("network"), 2, classes=3)
    (text,) = mlperf_files(network).values()
    assert "#define PQK_MLPERF_ORDER {0, 1, 2}" in text
    assert '#define PQK_MLPERF_MODEL "kws01"' in text
    assert all(f'"{name}"' in text for name in network.classes)
