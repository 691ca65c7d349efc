"""report.html in headless Chromium at desktop and telephone width: no message on the console, no text cut off."""

import json
import os
import re
import secrets
import shutil
import subprocess
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from support.reports import BOARD, records
from support.seeds import fresh

from pqk.report import assemble, beside, write
from pqk.report.history import Found

WIDTHS = (1280, 768, 400, 320)
SMALLEST_TEXT = 7.5
HOSTILE = (
    '"><script>console.error(1)</script>',
    "日本語のラベル",
    "two\nlines",
    "W" * 40,
    "m" * 16,
    "naïve",
    "l",
    "it's",
)

# Runs in a page around the report, one frame a width: headless Chromium makes no window narrower than 500 pixels.
# A scroll container may hold wide things; all else must fit its own box, the page, or its picture.
PROBE = """<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><body><script>
const box = (element) => element.getBoundingClientRect();
const named = (element) => element.tagName + " " + (element.textContent || "").trim().slice(0, 40);
function findings(page, view) {
  const found = [], root = page.documentElement;
  if (root.scrollWidth > root.clientWidth) found.push("page scrolls sideways: " + root.scrollWidth);
  for (const element of page.body.querySelectorAll("*")) {
    if (element.closest("svg") || !element.getClientRects().length) continue;
    const style = view.getComputedStyle(element);
    if (!element.closest(".scroll") && box(element).right > root.clientWidth + 0.5)
      found.push("beyond the page: " + named(element));
    if (style.display !== "inline" && !element.closest(".scroll")
        && element.scrollWidth > element.clientWidth + 1) found.push("wider than its box: " + named(element));
    if (style.display !== "inline" && element.scrollHeight > element.clientHeight + 1 && style.overflowY !== "visible"
        && !element.classList.contains("scroll")) found.push("cut off below: " + named(element));
    if (element.childElementCount === 0 && element.textContent.trim() && parseFloat(style.fontSize) < SMALLEST)
      found.push("too small: " + named(element));
  }
  for (const picture of page.querySelectorAll("svg")) if (picture.getClientRects().length) {
    const frame = box(picture), level = [];
    for (const text of picture.querySelectorAll("text")) {
      const place = box(text), matrix = text.getScreenCTM(), scale = Math.hypot(matrix.a, matrix.b);
      if (place.left < frame.left - 0.5 || place.right > frame.right + 0.5 || place.top < frame.top - 0.5
          || place.bottom > frame.bottom + 0.5) found.push("outside its picture: " + named(text));
      if (parseFloat(view.getComputedStyle(text).fontSize) * scale < SMALLEST) found.push("too small: " + named(text));
      if (Math.abs(matrix.b) > 0.01) continue;
      for (const other of level)
        if (Math.min(place.right, box(other).right) - Math.max(place.left, box(other).left) > 0.5
            && Math.min(place.bottom, box(other).bottom) - Math.max(place.top, box(other).top) > 0.3 * place.height)
          found.push("on top of each other: " + named(text) + " / " + named(other));
      level.push(text);
    }
  }
  const texts = [...page.querySelectorAll("svg text")].filter((text) => text.getClientRects().length);
  return {found, width: root.clientWidth, texts: texts.length, heading: page.querySelector("h1").textContent};
}
const results = [];
WIDTHS.forEach((width, index) => {
  const frame = document.createElement("iframe");
  frame.style = `display:block;border:0;width:${width}px;height:12000px`;
  frame.onload = () => { results[index] = findings(frame.contentDocument, frame.contentWindow); show(); };
  frame.src = "report.html";
  document.body.append(frame);
});
function show() {
  if (results.filter(Boolean).length < WIDTHS.length) return;
  const output = document.createElement("pre");
  output.id = "findings";
  output.textContent = JSON.stringify(results);
  document.body.append(output);
}
</script></body>"""


def _chromium(folder: Path, page: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert program, "Chromium is missing; install it: sudo apt-get install chromium"
    profile = folder / f"profile-{secrets.token_hex(4)}"
    quiet = "--disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync"
    command = [program, "--headless", "--no-sandbox", "--disable-gpu", *quiet.split(), f"--user-data-dir={profile}"]
    command += ["--allow-file-access-from-files", "--enable-logging=stderr", *arguments, page.as_uri()]
    home = os.environ | {"HOME": str(folder)}
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True, env=home)


def _look(folder: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """What the probe found in `folder`/report.html at each width, and the messages on the console."""
    probe = folder / "probe.html"
    probe.write_text(
        PROBE.replace("WIDTHS", json.dumps(WIDTHS)).replace("SMALLEST", str(SMALLEST_TEXT)), encoding="utf-8"
    )
    done = _chromium(folder, probe, "--window-size=1400,1000", "--virtual-time-budget=5000", "--dump-dom")
    found = re.search(r'<pre id="findings">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found, f"the probe did not report: {done.stderr}"
    return json.loads(unescape(found[1])), re.findall(r"CONSOLE.*", done.stderr)


def _sample(folder: Path, **arguments: Any) -> dict[str, Any]:
    report = assemble(**records(int(fresh("records").integers(2**32)), **arguments))
    write(report, folder)
    return report


def test_page_fits_at_every_width_and_says_nothing_on_the_console(tmp_path: Path) -> None:
    report = _sample(tmp_path)
    results, console = _look(tmp_path)
    assert console == []
    assert [result["width"] for result in results] == list(WIDTHS)
    for result in results:
        assert result["found"] == []
        assert f"{report['accuracy']['device'] * 100:.1f}" in result["heading"]
        assert result["texts"] > 10 * 4


def test_hostile_and_long_labels_fit_too(tmp_path: Path) -> None:
    _sample(tmp_path, words=HOSTILE)
    results, console = _look(tmp_path)
    assert console == []
    assert [result["found"] for result in results] == [[]] * len(WIDTHS)


def test_another_run_beside_it_fits_too(tmp_path: Path) -> None:
    """One of another board, unit, class and layer, with a long name."""
    other = records(4, words=("l", *HOSTILE[:-2], "elsewhere"))
    other["board"] = replace(BOARD, title="Another board", per_second=1e6)
    other["evaluation"]["unit"] = "cycles"
    other["build"]["layers"][2] |= {"name": "conv1-and-more", "kernel": "conv2d_of_another_kind"}
    report = assemble(**records(int(fresh("records").integers(2**32)), words=HOSTILE))
    write(beside(report, Found("/folder" * 20 + "/report.json", assemble(**other))), tmp_path)
    results, console = _look(tmp_path)
    assert console == []
    assert [result["found"] for result in results] == [[]] * len(WIDTHS)


@pytest.mark.parametrize("method", ["prune-quantize-distil", "diffq", "differentiable-quantization", "float"])
def test_the_training_of_every_method_fits(tmp_path: Path, method: str) -> None:
    _sample(tmp_path, method=method)
    results, console = _look(tmp_path)
    assert console == []
    assert [result["found"] for result in results] == [[]] * len(WIDTHS)


@pytest.mark.parametrize("classes", [2, 36])
def test_few_and_many_classes_fit(tmp_path: Path, classes: int) -> None:
    _sample(tmp_path, words=tuple(f"word{index}" for index in range(classes)), clips=9000)
    results, console = _look(tmp_path)
    assert console == []
    assert [result["found"] for result in results] == [[]] * len(WIDTHS)


@pytest.mark.parametrize(
    ("damage", "finding"),
    [
        ("h1 { min-width: 1500px }", "beyond the page"),
        (".figure { width: 20px }", "wider than its box"),
        ("svg text { font-size: 60px !important }", "outside its picture"),
        ("svg text { font-size: 26px !important }", "on top of each other"),
        (".note { font-size: 4px }", "too small"),
        (".lead { height: 10px; overflow: hidden }", "cut off below"),
    ],
)
def test_the_probe_sees_damage(tmp_path: Path, damage: str, finding: str) -> None:
    _sample(tmp_path)
    page = tmp_path / "report.html"
    page.write_text(page.read_text(encoding="utf-8").replace("</style>", f"{damage}</style>"), encoding="utf-8")
    results, _ = _look(tmp_path)
    assert all(any(line.startswith(finding) for line in result["found"]) for result in results)


def test_the_probe_hears_the_console(tmp_path: Path) -> None:
    _sample(tmp_path)
    page = tmp_path / "report.html"
    broken = page.read_text(encoding="utf-8").replace("</main>", "</main><script>nowhere()</script>")
    page.write_text(broken, encoding="utf-8")
    assert any("nowhere is not defined" in line for line in _look(tmp_path)[1])
