"""The report as one HTML file that needs nothing else: no script, no font, no picture from elsewhere."""

from pathlib import Path
from typing import Any

from pqk.report import differences, figures, text

HERE = Path(__file__).parent
COLUMNS = (
    ("float", "Float", "uncompressed, PyTorch"),
    ("fake_quant", "Fake-quantised", "compressed, PyTorch"),
    ("integer", "Integer reference", "compressed, numpy"),
    ("device", "Device", "firmware, over serial"),
)
NO_BREAK_HYPHEN = "\u2011"
WORST = 4
"""How many of the most frequent confusions are put into words."""


def render(report: dict[str, Any]) -> str:
    """The page for `report` (see `pqk.report.document.assemble`). Same report, same bytes."""
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "percent": text.percent,
        "count": text.count,
        "size": text.size,
        "short": text.short_count,
        "duration": text.duration,
        "times": text.times,
        "visible": text.visible,
        "seconds": text.seconds,
        "threshold": text.threshold,
    }
    pictures = {name: Markup(picture) for name, picture in _pictures(report).items()}
    style = Markup((HERE / "page.css").read_text(encoding="utf-8"))
    view = {
        "headline": _headline(report),
        "lead": _lead(report),
        "columns": _columns(report),
        "scale": _scale(report),
        "parity": _parity(report),
        "against": _against(report["against"]) if "against" in report else None,
        "worst": _worst(report),
        "unseen": _unseen(report),
        "layers": _layers(report),
        "gain": _gain(report),
        "memories": _memories(report),
        "epochs": _epochs(report),
        "stream": _stream(report["stream"]) if "stream" in report else None,
    }
    return environment.get_template("page.html.j2").render(report=report, style=style, pictures=pictures, **view)


def _pictures(report: dict[str, Any]) -> dict[str, str]:
    pictures = {"confusion": figures.confusion(report["project"]["classes"], report["confusion"])}
    for wide in (True, False):
        suffix = "wide" if wide else "narrow"
        if "stream" in report:
            pictures[f"trade_off_{suffix}"] = figures.trade_off(report["stream"]["conditions"], wide=wide)
        pictures[f"training_{suffix}"] = figures.training(report["history"], wide=wide)
        for name, parts in _parts(report).items():
            board = report["memory"]["board"][name.lower()]
            pictures[f"{name.lower()}_{suffix}"] = figures.memory(name, parts, board, wide=wide)
    return pictures


def _headline(report: dict[str, Any]) -> str:
    board, split = report["board"], report["data"]["split"]
    core = board["cpu"].replace("cortex-m", "Cortex-M")
    clips = {"testing": "test", "training": "training"}.get(split, split)
    return (
        f"{text.percent(report['accuracy']['device'])} of {text.count(report['parity']['clips'])} {clips} clips right "
        f"on {'an emulated' if board['emulated'] else 'a'} {core}"
    )


def _lead(report: dict[str, Any]) -> str:
    cost, memory, model = report["cost"], report["memory"], report["model"]
    gain, known = report["kernels"]["gain"], "" if report["kernels"]["plain_measured"] else "an estimated "
    compared = f" ({known}{text.times(gain)} as many in plain C)" if gain else ""
    lasting = f", {cost['milliseconds']['median']:,.2f} ms" if "milliseconds" in cost else ""
    return (
        f"{text.short_count(cost['per_inference']['median'])} {cost['kind']} per inference{compared}{lasting}, "
        f"{text.size(memory['flash']['total'])} of flash, {text.size(memory['ram']['total'])} of RAM. "
        f"{model['arch'].replace('-', NO_BREAK_HYPHEN)} with {text.percent(model['sparsity'])} of its "
        f"{text.count(model['weights'])} weights zero and the rest in at most {model['weight_bits']} bits each."
    )


def _gain(report: dict[str, Any]) -> str:
    """What the kernels bring in all."""
    kernels, kind = report["kernels"], report["cost"]["kind"]
    if kernels["gain"] is None:
        return f"What plain C costs in {kind} is not known for every layer."
    return (
        f"The best plain-C kernels take {text.times(kernels['gain'])} as many {kind} for all layers: "
        f"{text.count(kernels['plain_total'])} instead of {text.count(kernels['total'])}."
    )


def _epochs(report: dict[str, Any]) -> str:
    """How long the trainings took, and why there is only one where the method is post-training quantisation."""
    training = report["training"]
    epochs, method = training["epochs"], training["method"]
    times = " and ".join(text.duration(seconds) for seconds in training["seconds"].values())
    host = "on the computer that trained"
    if method == "float":
        return (
            f"Float: {text.count(epochs[method])} epochs, {times} {host}. The device's network has no curve: it is "
            "this one, quantised after its training."
        )
    uncompressed, compressed = epochs["float"], epochs[method]
    both = f"both got {compressed} epochs" if uncompressed == compressed else f"{uncompressed} and {compressed} epochs"
    return f"Float and {text.method_name(method)}: {both}, {times} {host}."


def _scale(report: dict[str, Any]) -> float:
    """Where the four interval bars, which end at 1, begin: a multiple of 5 % below all intervals."""
    return min(0.95, int(min(low for low, _ in report["confidence"].values()) * 20) / 20)


def _columns(report: dict[str, Any]) -> list[dict[str, Any]]:
    start = _scale(report)

    def place(share: float) -> float:
        return round(100 * (share - start) / (1 - start), 2)

    columns = []
    for key, title, note in COLUMNS:
        value, (low, high) = report["accuracy"][key], report["confidence"][key]
        track = {"left": place(low), "width": round(place(high) - place(low), 2), "dot": place(value)}
        columns.append({"key": key, "title": title, "note": note, "value": value, "low": low, "high": high, **track})
    return columns


def _parity(report: dict[str, Any]) -> dict[str, Any]:
    parity = report["parity"]
    clips = text.count(parity["clips"])
    good = parity["different_logits"] == 0 and parity["different_features"] == 0
    if good:
        heard = "" if "front_end" not in report["cost"] else "from their audio "
        line = (
            f"On every one of the {clips} clips the device computed {heard}exactly the integer reference's features "
            "and outputs, bit for bit."
        )
    elif parity["different_features"]:
        line = (
            f"From {text.count(parity['different_features'])} of {clips} clips the device made other features than the "
            "integer reference: its front end is not the one that was trained with."
        )
    else:
        logits, answers = text.count(parity["different_logits"]), text.count(parity["different_predictions"])
        line = (
            f"On {logits} of {clips} clips the device's outputs differ from the integer reference's, on {answers} "
            "its answer too: the firmware does not compute what was exported."
        )
    return {"good": good, "line": line, "fake_quant": _fake_quant_line(parity)}


def _fake_quant_line(parity: dict[str, Any]) -> str:
    different = parity["fake_quant_different_predictions"]
    if different is None:
        return ""
    trained = "PyTorch's fake-quantised network and the integer reference"
    if different == 0:
        return f"{trained} give the same answer on all of them."
    return f"{trained} answer differently on {text.count(different)} of them."


def _against(comparison: dict[str, Any]) -> dict[str, Any]:
    """Another run: which one, sentences and tables."""
    lines = {"headline": differences.headline(comparison), "remarks": differences.remarks(comparison)}
    return lines | {"sheets": differences.sheets(comparison)}


def _worst(report: dict[str, Any]) -> list[dict[str, Any]]:
    """The most frequent wrong answers, by share of the true class's clips."""
    classes, matrix = report["project"]["classes"], report["confusion"]
    wrong = [
        {"true": classes[i], "answer": classes[j], "clips": value, "of": sum(row), "share": value / sum(row)}
        for i, row in enumerate(matrix)
        for j, value in enumerate(row)
        if i != j and value
    ]
    return sorted(wrong, key=lambda entry: (-entry["share"], -entry["clips"]))[:WORST]


def _unseen(report: dict[str, Any]) -> str:
    """How words do that were left out of training, if any were."""
    recall = report.get("unseen_unknown_recall")
    if recall is None:
        return ""
    return (
        "Of words left out of training the network, as PyTorch computes it, takes "
        f"{text.percent(recall['fake_quant'])} for unknown; the float network {text.percent(recall['float'])}."
    )


def _layers(report: dict[str, Any]) -> dict[str, Any]:
    """The table's rows with each layer's share of the instructions, and its sums."""
    layers = report["layers"]
    total = sum(layer["instructions"] for layer in layers)
    rows = [layer | {"share": layer["instructions"] / total if total else 0.0} for layer in layers]
    keys = ("macs", "nonzeros", "weights", "flash", "instructions")
    return {
        "rows": rows,
        "sums": {key: sum(layer[key] for layer in layers) for key in keys},
        "plain": _how_plain_is_known(layers),
        "largest": max((row["share"] for row in rows), default=1.0) or 1.0,
        "kind": report["cost"]["kind"].capitalize(),
    }


def _how_plain_is_known(layers: list[dict[str, Any]]) -> str:
    flags = {layer["plain"]["measured"] for layer in layers if layer["plain"]}
    return "partly measured" if len(flags) == 2 else "measured" if True in flags else "estimated"


def _stream(stream: dict[str, Any]) -> dict[str, Any]:
    """Rows of the tables on continuous audio, and sentences."""
    rows = [
        {"name": condition["name"], "point": point, "testing": point["testing"]}
        for condition in stream["conditions"]
        for point in condition["operating"]
    ]
    testing = stream["conditions"][0]["testing"]
    settings = stream["settings"]
    return {
        "rows": rows,
        "audio": (
            f"{text.duration(testing['seconds'])} each with {text.count(testing['words'])} words of the list and "
            f"{text.count(testing['others'])} others"
        ),
        "settings": (
            f"An inference every {settings['hop_ms']:g} ms, posteriors at temperature {settings['temperature']:g} "
            f"averaged over {settings['smoothing_ms']:g} ms, "
            f"{settings['refractory_ms']:g} ms of rest after a detection"
        ),
        "parity": _stream_parity(stream["device"]["parity"]) if stream["device"] else None,
        "costs": stream["device"]["costs"] if stream["device"] else [],
        "unit": stream["device"]["unit"] if stream["device"] else "",
    }


def _stream_parity(parity: dict[str, Any]) -> dict[str, Any]:
    length = text.duration(parity["seconds"])
    good = not (parity["different"] or parity["different_inferences"])
    if good:
        line = (
            f"{length} of this audio went through the device: all {text.count(parity['detections'])} detections, and "
            f"{text.count(parity['inferences'])} posteriors one by one, are exactly the integer reference's."
        )
    else:
        line = (
            f"In {length} of this audio {text.count(parity['different'])} detections, and "
            f"{text.count(parity['different_inferences'])} of {text.count(parity['inferences'])} posteriors, differ "
            "from the integer reference's: the firmware does not decide as it was measured."
        )
    return {"good": good, "line": line}


def _parts(report: dict[str, Any]) -> dict[str, list[figures.Part]]:
    flash, ram = report["memory"]["flash"], report["memory"]["ram"]
    used_stack = min(ram["stack_high_water"], ram["stack"])
    return {
        "Flash": [
            figures.Part("weights", flash["weights"], figures.BLUE),
            figures.Part("code", flash["code"], figures.ORANGE),
            figures.Part("other constants", flash["total"] - flash["weights"] - flash["code"], figures.GREY),
        ],
        "RAM": [
            figures.Part("activations (arena)", ram["arena"], figures.BLUE),
            figures.Part("other static data", ram["total"] - ram["arena"] - ram["stack"], figures.GREY),
            figures.Part("stack, deepest use measured", used_stack, figures.ORANGE),
            figures.Part("stack, reserved and not used", ram["stack"] - used_stack, "#ecc9ae"),
        ],
    }


def _memories(report: dict[str, Any]) -> list[dict[str, Any]]:
    memory = report["memory"]
    return [
        {
            "name": name,
            "key": name.lower(),
            "used": memory[name.lower()]["total"],
            "board": memory["board"][name.lower()],
            "share": memory[name.lower()]["total"] / memory["board"][name.lower()],
            "parts": parts,
        }
        for name, parts in _parts(report).items()
    ]
