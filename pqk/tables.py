"""The tables that the command line prints."""

import io
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pqk import boards as board_files
from pqk import ports as serial_ports
from pqk.boards import Board
from pqk.compare import table as comparisons
from pqk.report import differences
from pqk.report.checks import Check
from pqk.report.history import Entry
from pqk.report.key_figures import key_figures
from pqk.report.text import ONE

WIDTH = 160


def boards() -> str:
    """All boards: name, processor, flash, RAM, and whether firmware has ever run on each."""
    table = Table("board", "processor", "flash", "RAM", "kind", "status", "what it is", box=None)
    for name in board_files.names():
        board = board_files.load(name)
        kind = "emulated" if board.emulated else "real"
        flash, ram = (_kib(part.size) for part in (board.memory.flash, board.memory.ram))
        table.add_row(board.name, board.cpu, flash, ram, kind, board.status, board.title)
    return _text(table)


def ports() -> str:
    """All serial ports: name, USB ids, serial number, what the system calls them, and the boards with these ids."""
    known = [board_files.load(name) for name in board_files.names()]
    table = Table("port", "USB", "serial number", "boards", "what it is", box=None)
    found = serial_ports.found()
    for port in found:
        could_be = ", ".join(serial_ports.could_be(port, known))
        table.add_row(*map(escape, (port.name, port.usb, port.serial_number, could_be, port.what)))
    return _text(table) if found else "there are no serial ports"


def sizes(record: dict[str, Any], board: Board) -> str:
    """Size of a build, by layer and by part, and what the generator expects it to cost."""
    table = Table("layer", "kernel", box=None)
    for column in ("nonzeros", "of weights", "MACs left", "flash", "instructions"):
        table.add_column(column, justify="right")
    for layer in record["layers"]:
        counts = [layer[key] for key in ("nonzeros", "weights", "nonzero_macs", "flash")]
        counts.append(layer["estimate"]["instructions"])
        kernel = layer["kernel"] + (" (plain C)" if layer.get("in_plain_c") else "")
        table.add_row(layer["name"], kernel, *(f"{count:,}" for count in counts))
    model, memory = record["model"], record["memory"]
    cost = {key: sum(layer["estimate"][key] for layer in record["layers"]) for key in ("instructions", "cycles")}
    flash, ram = memory["flash"], memory["ram"]
    lines = [
        f"{model['arch']}: {model['nonzero']:,} of {model['weights']:,} weights left"
        f" ({100 * model['sparsity']:.1f} % zeros), {model['weight_bits']} bits",
        f"about {cost['instructions']:,} instructions per inference, estimated"
        + (f"; {cost['cycles']:,} modelled cycles" if board.modelled else ""),
        f"flash {flash['total']:,} B of {board.memory.flash.size:,} B:"
        f" weights {flash['weights']:,}, code {flash['code']:,}",
        f"RAM   {ram['total']:,} B of {board.memory.ram.size:,} B: arena {ram['arena']:,}, stack {ram['stack']:,}",
    ]
    if record["stream"]["reuse"]:
        stream = record["stream"]
        lines.append(
            f"in a stream, every {stream['hop_ms']} ms, about {stream['estimate']:,} instructions for what is new;"
            f" {stream['state']:,} B of RAM for the rest"
        )
    return _text(table) + "\n" + "\n".join(lines)


def tuning(record: dict[str, Any]) -> str:
    """What every kernel costs, and which choices that changes."""
    table = Table("layer", "kernel", box=None)
    table.add_column(record["unit"], justify="right")
    for entry in sorted(record["measured"], key=lambda entry: (entry["layer"], entry["cost"])):
        table.add_row(entry["layer"], entry["kernel"], f"{entry['cost']:,.0f}")
    changes = [f"{change['layer']}: {change['before']} -> {change['after']}" for change in record["changed"]]
    return _text(table) + "\n" + ("\n".join(changes) or "the measurement changes no choice")


def evaluation(result: dict[str, Any]) -> str:
    """Outcome of an evaluation."""
    clips = result["clips"]
    right = sum(a == b for a, b in zip(result["labels"], result["predictions"], strict=True))
    cost = sorted(result["per_inference"])
    troubles = [f"{result[key]} {key}" for key in ("dropped_frames", "resets", "reconnections") if result[key]]
    return "\n".join(
        [
            f"{right} of {clips} {result['split']} clips right on the device ({100 * right / clips:.2f} %)",
            f"{result['different_logits']} clips with logits that differ from the integer reference",
            f"{cost[len(cost) // 2]:,.0f} {result['unit']} per inference (median), {cost[0]:,.0f} to {cost[-1]:,.0f}",
            *([f"got over on the way: {', '.join(troubles).replace('_', ' ')}"] if troubles else []),
        ]
    )


def streaming(record: dict[str, Any]) -> str:
    """What `pqk-mcu eval --stream` measured."""
    table = Table("audio", "allowed", "threshold", box=None)
    for column in ("false rejects", "false accepts", "rejects on the curve", "latency", "90 %"):
        table.add_column(column, justify="right")
    for condition in record["conditions"]:
        name = condition["name"]
        for point in condition["operating"]:
            kind = "one for each word" if point["per_word"] else _q15(point["thresholds"][0])
            rejects = _share(point["on_curve"]["false_rejects"])
            table.add_row(name, f"{point['limit']:g} /h", kind, *_measures(point["testing"], rejects))
        kind = f"{record['settings']['threshold']:g} (pqk.toml)"
        table.add_row(name, "-", kind, *_measures(condition["configured"], "-"))
    first = record["conditions"][0]
    lines = [_text(table)]
    testing, validation = first["testing"], first["validation"]
    lines.append(
        f"each: {_duration(testing['seconds'])} of testing audio with {testing['words']:,} words of the list and"
        f" {testing['others']:,} others, {_duration(validation['seconds'])} of validation, which"
        " chose the thresholds"
    )
    if record["device"]:
        lines += ["", *_on_device(record["device"])]
    return "\n".join(lines)


def recording(record: dict[str, Any]) -> str:
    """What a user's own recording gave."""
    table = Table("threshold", box=None)
    for column in ("false rejects", "false accepts", "repeated", "latency", "90 %"):
        table.add_column(column, justify="right")
    rows = [(f"{record['settings']['threshold']:g} (pqk.toml)", record["configured"])]
    rows += [(f"{_q15(p['threshold'])}, best for {p['limit']:g} /h here", p) for p in record["on_curve"]]
    for name, result in rows:
        accepts = f"{result['per_hour']:.2f} /h ({result['false_accepts']:,})"
        table.add_row(name, _misses(result), accepts, f"{result['repeated']:,}", *_latencies(result))
    facts = f"{record['audio']}: {_duration(record['seconds'])}, {record['words']:,} labelled words"
    return _text(table) + "\n" + facts


def _on_device(device: dict[str, Any]) -> list[str]:
    """Parity with the reference, and the cost of each hop."""
    parity = device["parity"]
    table = Table("hop", box=None)
    for column in ("inferences", "front end", "network", f"{device['unit']} a second of audio"):
        table.add_column(column, justify="right")
    for row in device["costs"]:
        parts = [row["front_end"], row["network"], row["front_end"] + row["network"]]
        table.add_row(f"{row['hop_ms']} ms", f"{row['inferences']:.4g} /s", *(f"{part:,}" for part in parts))
    compared = f"{parity['different_inferences']:,} of {parity['inferences']:,} inferences"
    return [
        f"{_duration(parity['seconds'])} through the device: {parity['different']:,} of {parity['detections']:,}"
        f" detections and {compared} differ from the reference",
        _text(table),
    ]


def _measures(result: dict[str, Any], on_curve: str) -> tuple[str, ...]:
    return _misses(result), f"{result['per_hour']:.2f} /h", on_curve, *_latencies(result)


def _misses(result: dict[str, Any]) -> str:
    return f"{_share(result['false_rejects'])} ({result['words'] - result['hits']:,} of {result['words']:,})"


def _latencies(result: dict[str, Any]) -> tuple[str, str]:
    median, late = (result["latency"][share] for share in ("0.5", "0.9"))
    return _seconds(median), _seconds(late)


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f} s"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"


def _q15(threshold: int) -> str:
    """A threshold as a share with the digits that tell it from 1; above 1 it is never reached."""
    return "never" if threshold > ONE else f"{threshold / ONE:.5g}"


def _duration(seconds: float) -> str:
    return (
        f"{seconds / 3600:.3g} h"
        if seconds >= 3600
        else f"{seconds / 60:.3g} min"
        if seconds >= 60
        else f"{seconds:.3g} s"
    )


def history(entries: Sequence[Entry]) -> str:
    """Reports that were kept, oldest first. Flash and RAM are in bytes."""
    table = Table("number", "made", "board", "build", "split", box=None)
    for column in ("clips", "accuracy", "an inference", "flash", "RAM"):
        table.add_column(column, justify="right")
    table.add_column("method")
    for entry in entries:
        report = entry.report
        figures = {figure.title: figure for figure in key_figures(report)}
        cost = figures.get("an inference, time", figures["an inference"])
        table.add_row(
            str(entry.number),
            differences.minute(report["time"]),
            report["board"]["name"],
            report["build"]["id"],
            report["data"]["split"],
            f"{report['parity']['clips']:,}",
            figures["accuracy"].text,
            cost.text,
            *(f"{figures[part].value:,}" for part in ("flash", "RAM")),
            report["training"]["method"],
        )
    return _text(table) if entries else "no report was kept yet; first: pqk-mcu report"


def against(comparison: dict[str, Any]) -> str:
    """One run beside another; see `pqk.report.against`."""
    lines = [f"against {differences.headline(comparison)}", *differences.remarks(comparison)]
    for sheet in differences.sheets(comparison):
        table = Table(box=None)
        for index, head in enumerate(sheet.heads):
            table.add_column(head, justify="left" if index < sheet.left else "right")
        for row in sheet.rows:
            table.add_row(*map(escape, row))
        lines += ["", _text(table)]
    return "\n".join([*lines, ""])


def checks(made: Sequence[Check]) -> str:
    """Every check with what came of it."""
    table = Table("check", "outcome", "found", box=None)
    for check in made:
        table.add_row(escape(check.title), "passed" if check.passed else "FAILED", escape(check.found))
    return _text(table)


def bench(rows: Sequence[dict[str, Any]]) -> str:
    """Rows of the benchmark; see `pqk.bench.record`."""
    table = Table("core", "board", "network", box=None)
    for column in ("bits", "zeros", "instructions", "modelled cycles", "flash", "RAM", "exact"):
        table.add_column(column, justify="right")
    for row in rows:
        cycles = row["modelled_cycles"]
        table.add_row(
            *(row[key] for key in ("core", "board", "network")),
            str(row["weight_bits"]),
            f"{100 * row['sparsity']:.4g} %",
            f"{row['instructions']:,}",
            "-" if cycles is None else f"{cycles:,}",
            f"{row['flash']:,}",
            f"{row['ram']:,}",
            "yes" if row["exact"] else "NO",
        )
    return _text(table)


def comparison(record: dict[str, Any]) -> str:
    """The rows of a comparison, and what the columns are; see `pqk.compare.record`."""
    heads, rows = comparisons.cells(record)
    table = Table(box=None)
    for index, head in enumerate(heads):
        table.add_column(head, justify="left" if index < comparisons.LEFT else "right", no_wrap=index == 0)
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    return _text(table) + "\n" + "\n".join(comparisons.notes(record))


def _kib(size: int) -> str:
    return f"{size / 1024:,.0f} KiB"


def _text(table: Table) -> str:
    stream = io.StringIO()
    Console(file=stream, width=WIDTH).print(table)
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines())
