"""How numbers and labels are written."""

import pytest

from pqk.report import text


@pytest.mark.parametrize(
    ("share", "written"),
    [(0.9134, "91.3 %"), (1.0, "100 %"), (0.99996, "99.9 %"), (0.9995, "99.9 %"), (0.0, "0 %"), (0.0004, "< 0.1 %")],
)
def test_percent_never_rounds_to_all_or_nothing(share: float, written: str) -> None:
    assert text.percent(share).replace(text.THIN, " ") == written


@pytest.mark.parametrize(
    ("value", "written"),
    [(3214567, "3.21 M"), (41000, "41 k"), (999999, "1 M"), (999_600_000, "1 G"), (9999, "9,999"), (12.5, "12.5")],
)
def test_short_count(value: float, written: str) -> None:
    assert text.short_count(value).replace(text.THIN, " ") == written


@pytest.mark.parametrize(
    ("ratio", "written"),
    [(8.71, "8.7 ×"), (123.4, "123 ×"), (99.96, "100 ×"), (1.0, "1.0 ×"), (0.993, "0.99 ×"), (4321.0, "4,321 ×")],
)
def test_times(ratio: float, written: str) -> None:
    assert text.times(ratio).replace(text.THIN, " ") == written


@pytest.mark.parametrize(
    ("value", "written"),
    [(512, "512 bytes"), (1024, "1 KiB"), (42189, "41.2 KiB"), (4 << 20, "4 MiB"), (131072, "128 KiB")],
)
def test_size_is_in_binary_units(value: int, written: str) -> None:
    assert text.size(value).replace(text.THIN, " ") == written


@pytest.mark.parametrize(("value", "written"), [(48.4, "48 s"), (540, "9 min"), (7500, "2 h 5 min")])
def test_duration(value: float, written: str) -> None:
    assert text.duration(value).replace(text.THIN, " ") == written


def test_visible_escapes_what_could_act() -> None:
    assert text.visible("a\nb\tc\u202ed\x00") == "a\\nb\\tc\\u202ed\\x00"
    assert text.visible('"<naïve>" 日本') == '"<naïve>" 日本'


def test_shortened_fits_and_keeps_what_fits() -> None:
    assert text.shortened("yes", 4) == "yes"
    for label in ("m" * 60, "日" * 60):
        cut = text.shortened(label, 10)
        assert cut.endswith("…")
        assert 8 < text.width_in_ems(cut) <= 10
