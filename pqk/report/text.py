"""How numbers and labels are written on the page."""

import math
import unicodedata

THIN = "\u202f"  # narrow no-break space: keeps a number and its unit on one line
MINUS = "−"
MINUTE = 60
ONE = 32768  # of a posterior, as in pqk_codegen.decision, which loads numpy


def percent(share: float) -> str:
    """0.9134 -> "91.3 %"; never rounds up to 100 % or down to 0 % what is not."""
    value = math.floor(share * 1000) / 10 if share >= 0.9995 else round(share * 100, 1)
    if 0 < share < 0.001:
        return f"<{THIN}0.1{THIN}%"
    return f"{value:.0f}{THIN}%" if value in (0, 100) else f"{value:.1f}{THIN}%"


def count(value: float) -> str:
    """12345 -> "12,345"; a fraction keeps one digit."""
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"


def times(ratio: float) -> str:
    """8.71 -> "8.7 ×"; small ratios keep three digits, large ones none behind the point."""
    digits = 0 if ratio >= 99.95 else 1 if ratio >= 0.995 else 2
    return f"{ratio:,.{digits}f}{THIN}×"


def short_count(value: float) -> str:
    """3214567 -> "3.21 M", for headlines; below 10,000 the whole number."""
    for least, unit_size, unit in ((999.5e6, 1e9, "G"), (999.5e3, 1e6, "M"), (1e4, 1e3, "k")):
        if value >= least:
            return f"{value / unit_size:.3g}{THIN}{unit}"
    return count(value)


def size(value: int) -> str:
    """Bytes as "512 bytes", "41.2 KiB" or "4 MiB"."""
    if value < 1024:
        return f"{value:,}{THIN}bytes"
    kib = value / 1024
    if kib >= 1024:
        return f"{kib / 1024:.4g}{THIN}MiB"
    return f"{kib:.0f}{THIN}KiB" if kib == int(kib) or kib >= 100 else f"{kib:.1f}{THIN}KiB"


def duration(seconds: float) -> str:
    """Host time as "48 s", "9 min" or "2 h 5 min"."""
    if seconds < 100:
        return f"{seconds:.0f}{THIN}s"
    minutes = round(seconds / MINUTE)
    if minutes < 100:
        return f"{minutes}{THIN}min"
    return f"{minutes // MINUTE}{THIN}h {minutes % MINUTE}{THIN}min"


def seconds(value: float | None) -> str:
    """0.3149 -> "0.31 s"; a dash where there is none."""
    return "–" if value is None else f"{value:.2f}{THIN}s".replace("-", MINUS)


def threshold(value: int) -> str:
    """A threshold in 1/32768 as "0.85", with as many digits as tell it from 1; "never" above 1."""
    if value > ONE:
        return "never"
    share = value / ONE
    digits = 2 if value == ONE else max(2, math.ceil(-math.log10(1 - share)))
    return f"{share:.{digits}f}"


def method_name(method: str) -> str:
    """A method of compression in prose: PQK as its paper writes it, the others as in `pqk.toml`."""
    return "PQK" if method == "pqk" else method


def visible(label: str) -> str:
    """`label` with line breaks, control and direction characters written as escapes, so they cannot act."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in label)


def shortened(label: str, ems: float) -> str:
    """`label` cut with an ellipsis so that `width_in_ems` of it is at most `ems`."""
    if width_in_ems(label) <= ems:
        return label
    kept = label
    while kept and width_in_ems(kept + "…") > ems:
        kept = kept[:-1]
    return kept + "…"


def width_in_ems(text: str) -> float:
    """An upper estimate of how wide a line of text is in any usual sans-serif font, in ems.

    matplotlib measures with its own font, the reader's browser draws with another one.
    """
    return sum(_width(character) for character in text)


def _width(character: str) -> float:
    if unicodedata.east_asian_width(character) in "WF":
        return 1.05
    if character in "MWmw%@…—":
        return 1.0
    if character.isupper():
        return 0.85
    return 0.6
