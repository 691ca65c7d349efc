"""report.html as text: self-contained, deterministic, safe against labels, and honest about what it shows."""

import os
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import matplotlib
import pytest
import support
from support.reports import FACTS, records

from pqk.report import assemble
from pqk.report.figures import visible_widths
from pqk.report.page import render

HOSTILE = (
    '"><script>alert(1)</script>',
    'it\'s "quoted" & <b>bold</b>',
    "line\nbreak",
    "$x^2$ \\alpha",
    "{{ 7 * 7 }}",
    "naïve-Ωμέγα",
    "日本語のラベル",
    "\u202egnitset",
    'id="axes_1" url(#a)',
    "w" * 80,
)


class Page(HTMLParser):
    """Tags with attributes in order, and the text outside style elements."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._style = False
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._style = tag == "style"

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002
        self._style = False

    def handle_data(self, data: str) -> None:
        self.text += "" if self._style else data


@pytest.fixture(scope="module")
def source() -> str:
    return render(assemble(**records(3)))


def test_needs_nothing_from_elsewhere(source: str) -> None:
    for tag, attributes in Page(source).tags:
        assert tag not in {"script", "link", "iframe", "img", "object", "embed"} or attributes["href"] == "data:,"
        for key, value in attributes.items():
            if key.removeprefix("xlink:") in {"href", "src", "srcset"}:
                assert value is not None
                assert value.startswith(("#", "data:,"))
            assert not key.startswith("on")
    assert set(re.findall(r"url\((.)", source)) <= {"#"}
    assert "@import" not in source
    assert "@font-face" not in source
    assert set(re.findall(r"https?://[^\"'\s<]*", source)) <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }


def test_ids_are_unique_and_references_resolve(source: str) -> None:
    tags = Page(source).tags
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in tags:
        assert set((attributes.get("aria-labelledby") or "").split()) <= set(ids)
        for key, value in attributes.items():
            for name in re.findall(r"url\(#([^)]*)\)", value or ""):
                assert name in ids
            if key == "xlink:href":
                assert (value or "")[1:] in ids


def test_pictures_and_tables_can_be_read_aloud(source: str) -> None:
    tags = Page(source).tags
    pictures = [attributes for tag, attributes in tags if tag == "svg"]
    assert len(pictures) == 7
    assert all(picture["role"] == "img" and picture["aria-labelledby"] for picture in pictures)
    headers = [attributes for tag, attributes in tags if tag == "th"]
    assert headers
    assert all(header.get("scope") in {"row", "col"} for header in headers)
    assert [tag for tag, _ in tags].count("h1") == 1


def test_shows_the_measured_figures(source: str) -> None:
    report = assemble(**records(3))
    text = Page(source).text.replace("\u202f", " ")
    assert f"{report['accuracy']['device'] * 100:.1f} % of 913 test clips right on an emulated Cortex-M4" in text
    assert f"{report['cost']['per_inference']['median']:,}" in text
    assert f"{report['memory']['ram']['stack_high_water']} bytes" in text
    assert "On every one of the 913 clips" in text
    for layer in report["layers"]:
        assert layer["name"] in text
        assert f"{layer['instructions']:,}" in text
        assert layer["kernel"] in text
        assert layer["plain"] is None or f"{layer['plain']['cost']:,}" in text
    for entry in report["measured"]:
        assert entry["how"] in text
    assert "1 file skipped" in text
    assert "0a2b400e_nohash_3.wav" in text


def test_shows_how_words_left_out_of_training_do(source: str) -> None:
    assert "left out of training" not in Page(source).text
    made = records(3)
    made["training"]["unseen_unknown_recall"] = {"float": 0.714, "fake_quant": 0.683}
    text = Page(render(assemble(**made))).text.replace("\u202f", " ")
    assert "takes 68.3 % for unknown; the float network 71.4 %" in text


def test_says_what_the_kernels_bring_and_how_that_is_known() -> None:
    inputs = records(3)
    kernels = assemble(**inputs)["kernels"]
    text = Page(render(assemble(**inputs))).text.replace("\u202f", " ")
    assert kernels["gain"] > 2
    assert (
        f"The best plain-C kernels take {kernels['gain']:.1f} × as many emulated instructions for all layers: "
        f"{kernels['plain_total']:,} instead of {kernels['total']:,}. Plain C is estimated"
    ) in text
    assert f"(an estimated {kernels['gain']:.1f} × as many in plain C)" in text
    assert f"not measured: {kernels['modelled_cycles']:,}." in text
    own = [layer for layer in inputs["build"]["layers"] if layer.get("in_plain_c")]
    assert [text.count(f"{layer['name']}{layer['kernel']}plain C") for layer in own] == [1, 1]
    operations = [layer for layer in inputs["build"]["layers"] if layer["op"] != "convert"]
    operations[0]["plain"]["measured"] = True
    assert "estimated where it was not measured" in Page(render(assemble(**inputs))).text
    for layer in operations:
        layer["plain"]["measured"] = True
    text = Page(render(assemble(**inputs))).text
    assert "Plain C was measured on this device by pqk-mcu tune." in text
    assert "estimated" not in text


def test_without_a_comparison_and_without_a_model_the_page_names_no_number() -> None:
    inputs = records(3)
    inputs["board"] = replace(inputs["board"], modelled=False, per_second=1e6)
    inputs["evaluation"]["unit"] = "cycles"
    text = Page(render(assemble(**inputs))).text
    assert "What plain C costs in cycles is not known for every layer." in text
    assert "×" not in text
    assert "odelled" not in text


def test_a_physical_board_s_time_is_in_the_lead() -> None:
    inputs = records(3)
    inputs["board"] = replace(inputs["board"], per_second=1e6)
    inputs["evaluation"]["unit"] = "cycles"
    report = assemble(**inputs)
    assert f"{report['cost']['per_inference']['median'] / 1000:,.2f} ms, " in Page(render(report)).text


def test_a_difference_is_said_plainly() -> None:
    inputs = records(3)
    inputs["evaluation"]["different_logits"] = 4
    inputs["evaluation"]["predictions"][0] = 9
    text = Page(render(assemble(**inputs))).text
    assert "On 4 of 913 clips the device's outputs differ" in text
    assert "On every one" not in text


def test_other_features_are_said_plainly() -> None:
    inputs = records(3)
    inputs["evaluation"]["different_features"] = 7
    text = Page(render(assemble(**inputs))).text
    assert "From 7 of 913 clips the device made other features" in text
    assert "On every one" not in text


def test_the_front_end_is_told_apart_where_audio_was_sent() -> None:
    inputs = records(4)
    report = assemble(**inputs)
    text = Page(render(report)).text
    assert f"{report['cost']['front_end']['median']:,.0f} for a clip of one second" in text
    assert f"{report['cost']['per_second_of_audio']['median']:,.0f} from a second of audio" in text
    inputs["evaluation"]["sent"] = "features"
    report = assemble(**inputs)
    assert set(report["cost"]) == {"kind", "per_inference", "network"}
    assert "That is the network" not in Page(render(report)).text


def test_hostile_labels_are_shown_and_do_nothing() -> None:
    inputs = records(5, words=HOSTILE)
    source = render(assemble(**inputs))
    page = Page(source)
    assert "script" not in [tag for tag, _ in page.tags]
    assert "<b>bold" not in source
    for label in HOSTILE:
        shown = label.replace("\n", "\\n").replace("\u202e", "\\u202e")
        assert shown in page.text, f"{label!r} is not on the page"
    assert "\u202e" not in source
    assert "\n49\n" not in page.text
    svg_text = re.findall(r"<text[^>]*>([^<]*)</text>", source)
    assert "$x^2$ \\alpha" in svg_text, "dollar signs are no mathematics"
    assert "日本語のラベル" in svg_text


def test_same_report_same_bytes_whatever_the_machine_is_set_to(source: str, tmp_path: Path) -> None:
    (tmp_path / "matplotlibrc").write_text("font.size: 31\naxes.facecolor: red\nsvg.fonttype: path\n", encoding="utf-8")
    program = (
        "import sys; from support.reports import records; from pqk.report import assemble; "
        "from pqk.report.page import render; sys.stdout.buffer.write(render(assemble(**records(3))).encode())"
    )
    root, tests = Path(__file__).parents[2], Path(support.__file__).parents[1]
    environment = os.environ | {
        "MATPLOTLIBRC": str(tmp_path),
        "PYTHONHASHSEED": "77",
        "PYTHONPATH": os.pathsep.join((str(root), str(tests))),
        "SOURCE_DATE_EPOCH": "1",
        "LC_ALL": "C",
    }
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, check=True)
    assert done.stdout.decode() == source


def test_leaves_matplotlib_as_it_was(source: str) -> None:
    before = dict(matplotlib.rcParams)
    with matplotlib.rc_context({"font.size": 29, "svg.hashsalt": "other"}):
        assert render(assemble(**records(3))) == source
        assert matplotlib.rcParams["font.size"] == 29
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize("sizes", [[1, 10**6, 0, 5], [0, 0], [7], [3, 3, 3]])
def test_bars_keep_small_parts_visible_and_add_up(sizes: list[int]) -> None:
    widths = visible_widths(sizes, 300.0, 4.0)
    assert all((width >= 4.0) == (size > 0) for size, width in zip(sizes, widths, strict=True))
    assert sum(widths) == pytest.approx(300.0 if any(sizes) else 0.0)


def test_report_does_not_import_matplotlib_before_it_draws() -> None:
    program = "import sys, pqk.report; assert not {'matplotlib', 'numpy', 'jinja2'} & set(sys.modules), 'heavy'"
    subprocess.run([sys.executable, "-c", program], cwd=Path(__file__).parents[2], check=True)


def training_picture(method: str = "pqk", **last: float) -> str:
    """The wide picture of the training; `last` replaces values in the last epoch of each curve."""
    inputs = records(3, method=method)
    for epochs in inputs["training"]["history"].values():
        epochs[-1] |= last
    source = render(assemble(**inputs))
    return source[source.index('aria-labelledby="training-wide-title') :].split("</svg>")[0]


def words_of(picture: str) -> list[str]:
    """All texts that are drawn, in their order."""
    return re.findall(r"<text[^>]*>([^<]*)</text>", picture)


def test_curves_are_named_after_the_method_and_have_what_it_records() -> None:
    drawn = {method: words_of(training_picture(method)) for method in FACTS}
    phased = {method for method, words in drawn.items() if any(word.startswith("phase ") for word in words)}
    assert phased == {"pqk"}
    assert {method for method in drawn if "share of weights pruned away" in drawn[method]} == {
        "pqk",
        "prune-quantize-distil",
    }
    assert {method for method in drawn if "mean bits of a weight" in drawn[method]} == {"diffq"}
    names = {
        "pqk": ["PQK"],
        "prune-quantize-distil": ["prune-quantize-", "distil"],
        "diffq": ["diffq"],
        "differentiable-quantization": ["differentiable-", "quantization"],
        "float": [],
    }
    for method, words in drawn.items():
        assert {"accuracy", "epoch", "float"} <= set(words)
        known = {part for parts in names.values() for part in parts}
        assert [word for word in words if word in known] == names[method]


@pytest.mark.parametrize("method", FACTS)
def test_the_page_says_what_was_trained(method: str) -> None:
    report = assemble(**records(3, method=method))
    text = Page(render(report)).text
    known = {"pqk": "Float and PQK: both got 30 epochs", "float": "Float: 30 epochs"}
    assert known.get(method, f"Float and {method}: both got 30 epochs") in text
    assert ("has no curve: it is this one, quantised after its training." in text) == (method == "float")
    assert ("PQK" in text) == (method == "pqk")


def test_a_method_that_was_to_prune_nothing_has_no_picture_of_it() -> None:
    inputs = records(3)
    for entry in inputs["training"]["history"]["pqk"]:
        entry["sparsity"] = 0.0
    source = render(assemble(**inputs))
    assert "pruned away" not in source
    assert "phase 1: quantise" in source


@pytest.mark.parametrize("method", ["pqk", "prune-quantize-distil"])
def test_names_of_curves_that_end_together_keep_apart_and_within_the_picture(method: str) -> None:
    picture = training_picture(method, validation_accuracy=1.0)
    ends = [float(y) for y in re.findall(r'translate\([\d.]+ ([-\d.]+)\)">100\u202f%<', picture)]
    upper = [y for y in ends if y < 262]
    first = [float(y) for y in re.findall(r'translate\([\d.]+ ([-\d.]+)\)">float<', picture)]
    assert min(first) > 11, "the first line's top is in the picture"
    assert max(upper) - min(upper) > 30, "two lines or three of 13 pixels"


def test_few_epochs_and_one_phase_can_be_drawn() -> None:
    inputs: dict[str, Any] = records(3)
    history = inputs["training"]["history"]
    inputs["training"]["history"] = {"float": history["float"][:1], "pqk": history["pqk"][:1]}
    assert "phase 1" in render(assemble(**inputs))
