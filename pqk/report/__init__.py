"""The report on one build: `report.json` for other tools and `report.html` for people."""

import json
from pathlib import Path
from typing import Any

from pqk.files import atomic_write_text
from pqk.report import against
from pqk.report.document import BoardFacts, assemble
from pqk.report.history import Found

__all__ = ["BoardFacts", "assemble", "beside", "write"]


def beside(report: dict[str, Any], other: Found) -> dict[str, Any]:
    """`report` (see `assemble`) with a part `against` in which it stands beside another one; see `against.compare`."""
    comparison = against.compare(report, other)
    return {**report, "against": comparison, "measured": [*report["measured"], against.measured(comparison)]}


def write(report: dict[str, Any], directory: Path) -> tuple[Path, Path]:
    """Write `report` (see `assemble`, `beside`) as report.json and report.html into `directory`; return both paths.

    The page is made before either file is touched, so a failure leaves the old pair as it was.
    """
    from pqk.report.page import render  # matplotlib and jinja2 are slow to import and needed only here

    page = render(report)
    document = json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    json_path, html_path = directory / "report.json", directory / "report.html"
    atomic_write_text(json_path, document)
    atomic_write_text(html_path, page)
    return json_path, html_path
