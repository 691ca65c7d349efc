"""The command `pqk-mcu`. Commands import what they need when they run, so that `--help` is instant."""

import os
import shlex
import sys
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pqk import __version__
from pqk.errors import BoardError, LinkError, PqkError
from pqk.place import Place
from pqk.project import DEFAULT_BOARD, FILE_NAME, Project

if TYPE_CHECKING:
    from pqk.boards import Board
    from pqk.pipeline import Build
    from pqk.sources import Source

INTERRUPTED = 130  # what shells report for Ctrl-C
PLACE = "pqk.place"  # in a context's meta: what the command is about


class _Program(click.Group):
    """Hints tell commands about the project and the board of the one that failed."""

    def invoke(self, ctx: click.Context) -> Any:
        """See click.Group."""
        try:
            return super().invoke(ctx)
        except PqkError as error:
            error.hint = _here(error.hint)
            raise


@click.group(cls=_Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="pqk-mcu")
@click.option(
    "--project",
    "root",
    type=click.Path(path_type=Path),
    default=Path(),
    help=f"Folder of the project, where {FILE_NAME} lies.  [default: this folder]",
)
@click.pass_context
def cli(context: click.Context, root: Path) -> None:
    """From recordings of a few words to a keyword spotter running on a Cortex-M board, measured on it.

    In a project folder: build, flash, eval, report.
    """
    context.obj = root
    context.meta[PLACE] = Place(root)


@cli.command()
@click.argument("name", type=click.Path(path_type=Path))
@click.option("--words", required=True, help="Words to tell apart, separated by commas: yes,no,stop,go")
@click.option("--board", default=DEFAULT_BOARD, show_default=True, help="See pqk-mcu boards.")
@click.option("--data", type=click.Path(path_type=Path), help="Folder with one folder of recordings per word.")
def new(name: Path, words: str, board: str, data: Path | None) -> None:
    """Make a project: a folder NAME with a commented pqk.toml."""
    from pqk import boards, project

    boards.load(board)
    board = boards.from_anywhere(board)
    source = str(data.resolve()) if data else None
    path = project.create(name, name.resolve().name, [word.strip() for word in words.split(",")], board, source)
    click.echo(f"wrote {path}")
    click.echo(f"next: {Place(name).told('pqk-mcu build')}")


def board_option(command: Any) -> Any:
    """`--board`, for commands that work on one board."""
    text = "Board, instead of the one in pqk.toml."
    return click.option("--board", "board_name", help=text)(command)


def flashed_board_option(command: Any) -> Any:
    """`--board`, for commands that look at a board with firmware on it."""
    text = "Board, instead of the one that was flashed last."
    return click.option("--board", "board_name", help=text)(command)


def port_option(command: Any) -> Any:
    """`--port`, for commands that talk to a device."""
    text = "Serial port or pySerial URL of the device; an emulated board needs none."
    return click.option("--port", help=text)(command)


def data_option(command: Any) -> Any:
    """`--data`, for commands that read recordings."""
    text = "Folder of recordings, instead of the one in pqk.toml."
    return click.option("--data", type=click.Path(path_type=Path), help=text)(command)


def device_option(command: Any) -> Any:
    """`--device`, for commands that train."""
    choice = click.Choice(["auto", "cpu", "cuda"])
    text = "Where to train; auto takes a GPU if there is one."
    return click.option("--device", type=choice, default="auto", show_default=True, help=text)(command)


@cli.command()
@data_option
@device_option
@click.pass_obj
def train(root: Path, data: Path | None, device: str) -> None:
    """Train what build would train. On several GPUs or machines: torchrun ... --no-python pqk-mcu train."""
    from pqk import pipeline, project
    from pqk.console import reporter

    opened = project.load(root)
    with reporter() as report:
        click.echo(f"trained {pipeline.train(opened, data=data, report=report, device=device)}")


@cli.command()
@board_option
@data_option
@device_option
@click.pass_obj
def build(root: Path, board_name: str | None, data: Path | None, device: str) -> None:
    """Train if needed, generate C, compile: build/BOARD/firmware/firmware.elf, .hex, .bin and .map."""
    project, board = _open(root, board_name)
    _offer_download(project, data)
    from pqk import pipeline, tables
    from pqk.console import reporter

    with reporter() as report:
        built = pipeline.build(project, board, data=data, report=report, device=device)
    click.echo(tables.sizes(built.record, board))
    state = "built" if built.fresh else "up to date:"
    click.echo(f"{state} {built.elf} (build {built.record['id']})")


@cli.command()
@board_option
@port_option
@click.option("--runner", "kind", help="How, instead of the first [[runner]] in the board's file.")
@click.option("--probe", help="Serial number of the debug probe, where there are several.")
@click.option("--dry-run", "rehearsed", is_flag=True, help="Only print the commands that would run.")
@click.pass_obj
def flash(
    root: Path, board_name: str | None, port: str | None, kind: str | None, probe: str | None, rehearsed: bool
) -> None:
    """Put the firmware on the board and wait until it says hello."""
    project, board = _open(root, board_name)
    from pqk import flashed, pipeline, runners

    built = pipeline.load_build(project, board.name)
    where = board, built.elf, built.directory
    if rehearsed:
        for argv in runners.rehearse(*where, kind=kind, probe=probe, port=port):
            click.echo(shlex.join(argv))
        return
    expected = built.record["id"]
    try:
        hello = runners.flash(*where, expected_build=expected, kind=kind, probe=probe, port=port, tell=click.echo)
    except LinkError:  # it is on the board, or another one is: monitor can show what comes from there
        flashed.remember(project, board_name)
        raise
    flashed.remember(project, board_name)
    click.echo(f"{board.title} runs build {hello.build_id}")
    elsewhere = f" --port {shlex.quote(port)}" if port else ""
    click.echo(f"next: {_here('pqk-mcu eval')}{elsewhere}")


@cli.command(name="eval")
@flashed_board_option
@port_option
@click.option("--split", type=click.Choice(["testing", "validation", "training"]), default="testing", show_default=True)
@click.option("--limit", type=click.IntRange(min=1), help="Only so many clips, spread over the split.")
@click.option("--features", "send_features", is_flag=True, help="Send features computed here instead of audio.")
@data_option
@click.option("--stream", is_flag=True, help="Measure on continuous audio instead: false accepts per hour and more.")
@click.option(
    "--hours", type=click.FloatRange(min=0.01), default=1.0, show_default=True, help="With --stream: of each."
)
@click.option("--device-minutes", type=click.FloatRange(min=0), default=2.0, show_default=True, help="With --stream.")
@click.option("--audio", type=click.Path(path_type=Path), help="With --stream: your own WAV or FLAC recording.")
@click.option(
    "--labels", type=click.Path(path_type=Path), help="Its words: lines of start, end (seconds), word by tabs."
)
@click.pass_obj
def evaluate(
    root: Path,
    board_name: str | None,
    port: str | None,
    split: str,
    limit: int | None,
    send_features: bool,
    data: Path | None,
    stream: bool,
    hours: float,
    device_minutes: float,
    audio: Path | None,
    labels: Path | None,
) -> None:
    """Send the audio of every clip of a split through the device and compare with the integer reference.

    With --stream: mix recordings into hours of audio, clean and with noise, and measure false rejects, false accepts
    per hour and latency, at thresholds chosen on the validation split; minutes of it go through the device.
    """
    project, board = _open_flashed(root, board_name)
    if (audio or labels) and not stream:
        raise click.UsageError("--audio and --labels go with --stream")
    if (audio is None) != (labels is None):
        raise click.UsageError("--audio and --labels go together")
    if stream:
        _evaluate_stream(project, board, port, data, hours, device_minutes, audio, labels)
        return
    from pqk import measure, tables
    from pqk.console import bars

    with bars() as shown:
        result = measure.run_evaluation(
            project,
            board,
            split=split,
            limit=limit,
            port=port,
            progress=lambda done, total: shown.update("clips on the device", done, total),
            send_features=send_features,
            data=data,
        )
    click.echo(tables.evaluation(result))


@cli.command()
@click.argument("source", required=False)
@flashed_board_option
@port_option
@click.option("--fast", is_flag=True, help="Send a file as fast as it goes, not at the pace at which it was spoken.")
@click.option("--record", type=click.Path(path_type=Path, file_okay=False), help="Keep what was heard at detections.")
@click.option(
    "--threshold", "limits", multiple=True, help="Averaged posterior at which words are heard: 0.8, or yes=0.9 for one."
)
@click.option("--smoothing-ms", type=click.FloatRange(min=0), help="Posteriors are averaged over so much time.")
@click.option("--hop-ms", type=click.FloatRange(min=1), help="From one inference to the next.")
@click.option("--refractory-ms", type=click.FloatRange(min=0), help="After a detection there is no other for so long.")
@click.pass_obj
def listen(
    root: Path,
    source: str | None,
    board_name: str | None,
    port: str | None,
    fast: bool,
    record: Path | None,
    limits: tuple[str, ...],
    smoothing_ms: float | None,
    hop_ms: float | None,
    refractory_ms: float | None,
) -> None:
    """Send live audio to the device and show which words it hears.

    SOURCE is a WAV or FLAC file, - for raw samples (16 bits, mono) from standard input, or left out: the microphone.
    The settings that options give go to the device over serial; the others stay as they are there.
    """
    project, board = _open_flashed(root, board_name)
    import time

    from pqk import listen as listening
    from pqk import pipeline, runners
    from pqk.stream import run

    built = pipeline.load_build(project, board.name)
    found = run.load_spotter(project, built)
    classes = found.network.classes
    words = [name if keyword else None for name, keyword in zip(classes, found.keywords, strict=True)]
    thresholds = listening.thresholds(limits, project.words)
    wishes = listening.Wishes(thresholds, smoothing_ms, hop_ms, refractory_ms)
    keep = listening.Keeper(record, classes, time.strftime("%Y%m%d-%H%M%S")) if record else None
    lines = listening.Lines(lambda text: click.echo(text, nl=False), classes, meter=sys.stdout.isatty())
    with (
        _source(source) as audio,
        runners.connect(board, built.directory, expected_build=built.record["id"], port=port) as device,
    ):
        hop = found.front_end.hop
        settings = device.set_settings(listening.wished(device.settings(), wishes, words, hop))
        click.echo(f"listening to {audio.title}; {listening.told(settings, words, hop)}; Ctrl-C ends it", err=True)
        summary = listening.listen(device, audio, lines, fast=fast, keep=keep)
    lines.clear()
    click.echo(summary.line())


@cli.command()
@board_option
@port_option
@click.pass_obj
def tune(root: Path, board_name: str | None, port: str | None) -> None:
    """Measure every kernel that can run a layer on the device; later builds choose by that."""
    project, board = _open(root, board_name)
    from pqk import measure, tables
    from pqk.console import bars

    with bars() as shown:
        record = measure.run_tuning(
            project, board, port=port, progress=lambda done, total: shown.update("builds measured", done, total)
        )
    click.echo(tables.tuning(record))
    if record["changed"]:
        click.echo(f"next: {_here('pqk-mcu build')}")


@cli.command()
@flashed_board_option
@port_option
@click.option("--export", "folder", type=click.Path(path_type=Path), help="Write the testing clips for the runner.")
@click.option("--accuracy", is_flag=True, help="Send the testing clips, as the runner does.")
@click.option("--performance", is_flag=True, help="Measure an inference, as the runner does.")
@click.option("--limit", type=click.IntRange(min=1), help="Only so many clips, spread over the split.")
@click.pass_obj
def mlperf(
    root: Path,
    board_name: str | None,
    port: str | None,
    folder: Path | None,
    accuracy: bool,
    performance: bool,
    limit: int | None,
) -> None:
    """Give the public runner of MLPerf Tiny a port to an emulated board, or measure as it does.

    The runner opens a real board's own port by itself. The firmware must be built with mlperf = true.
    """
    project, board = _open_flashed(root, board_name)
    if sum((folder is not None, accuracy, performance)) > 1:
        raise click.UsageError("one of --export, --accuracy and --performance at a time")
    if limit and not (folder or accuracy):
        raise click.UsageError("--limit goes with --export or --accuracy")
    from pqk import pipeline
    from pqk.mlperf import client, export, run

    built = pipeline.load_build(project, board.name)
    if folder:
        click.echo(f"wrote {export.write(export.testing(project, built, limit), folder)}")
        return
    if not (accuracy or performance):
        _serve(board, built, port)
        return
    from pqk.console import bars

    clips = export.testing(project, built, limit if accuracy else 1)
    with run.started(board, built, port) as (link, where), bars() as shown:
        device = client.Client(link, where)
        if accuracy:
            done = run.accuracy(device, clips, lambda done, total: shown.update("clips on the device", done, total))
            text = run.accuracy_line(done)
        else:
            data = clips.inputs[0].tobytes()
            measured = run.performance(device, data, lambda done, total: shown.update("windows", done, total))
            text = run.performance_line(measured, board)
    click.echo("\n".join([text, *run.caveats(board, built)]))


@cli.command()
@flashed_board_option
@click.option("--output", type=click.Path(path_type=Path), help="Folder for report.json and report.html.")
@click.option("--open", "show", is_flag=True, help="Show the page in a browser, where there is a screen.")
@click.option("--against", help="Compare: a number of pqk-mcu history, a build id in it, or the path of a report.json.")
@click.option("--fail-under", "under", multiple=True, metavar="NAME=LEAST", help="Fail below it: accuracy=0.9.")
@click.option("--fail-over", "over", multiple=True, metavar="NAME=MOST", help="Fail above it: flash=64k.")
@click.option(
    "--fail-worse", "worse", multiple=True, metavar="NAME=BY", help="With --against: accuracy=0.01, flash=2%."
)
@click.option(
    "--junit", type=click.Path(path_type=Path, dir_okay=False), help="File for these checks, and parity, as JUnit XML."
)
@click.pass_obj
def report(
    root: Path,
    board_name: str | None,
    output: Path | None,
    show: bool,
    against: str | None,
    under: tuple[str, ...],
    over: tuple[str, ...],
    worse: tuple[str, ...],
    junit: Path | None,
) -> None:
    """Write report.json and a single-file report.html, and keep the report in the project's history.

    The --fail options may be given several times. Figures are accuracy, flash, ram, stack, what the board counts for
    an inference (instructions; or cycles, and milliseconds), front_end, second_of_audio, different_features,
    different_logits and unseen_unknown_recall. All checks are made and told, and the report is written; if one fails,
    the command does. With any of them, or --junit, the device must be equal to the integer reference, too.
    """
    project, board = _open_flashed(root, board_name)
    from datetime import datetime

    from pqk import files, measure, tables
    from pqk.report import checks

    now = datetime.now().astimezone()
    limits = checks.Limits(under, over, worse) if under or over or worse or junit else None
    made = measure.write_report(project, board, output, now, against=against, limits=limits)
    if against:
        click.echo(tables.against(made.document["against"]))
    if made.checks:
        click.echo(tables.checks(made.checks))
    if junit:
        files.atomic_write_text(junit, checks.junit(made.checks, made.document, now))
    click.echo(f"report: {made.page} (number {made.kept.number} of pqk-mcu history)")
    if show and _has_screen():
        click.launch(str(made.page))
    checks.raise_failures(made.checks)


@cli.command()
@click.pass_obj
def history(root: Path) -> None:
    """List the reports that were made, of all boards: history/ in the project, where each is kept."""
    from pqk import project, tables
    from pqk.report import history

    click.echo(tables.history(history.entries(project.load(root).root)))


@cli.command()
def boards() -> None:
    """List the boards: emulated or real, and whether each has ever been run."""
    from pqk import tables

    click.echo(tables.boards())


@cli.command()
def ports() -> None:
    """List the serial ports of this computer, and which boards they could be."""
    from pqk import tables

    click.echo(tables.ports())


@cli.command()
@flashed_board_option
@port_option
@click.pass_obj
def doctor(root: Path, board_name: str | None, port: str | None) -> None:
    """Find what stands between you and a running board, from the compiler to what the board answers.

    Outside a project it looks at --board, or at the default board. Nothing is changed, but opening a port may reset
    what is on it. Ends with 1 if there is a problem.
    """
    from pqk import doctor as doctors
    from pqk.doctor.finding import Level

    project, board = _look(root, board_name)
    fixes = []
    for finding in doctors.examine(doctors.patient(board, port, project)):
        click.echo(_here(finding.line()))
        fixes += [finding.fix] if finding.level is Level.PROBLEM else []
    if fixes:
        raise PqkError(f"{len(fixes)} problem(s) stand between you and a running {board.name}", fixes[0])


@cli.command()
@flashed_board_option
@port_option
@click.option("--hello", is_flag=True, help="Ask the device for its HELLO first, until it answers.")
@click.pass_obj
def monitor(root: Path, board_name: str | None, port: str | None, hello: bool) -> None:
    """Show what comes over the serial line until Ctrl-C: frames in words, and anything else as text.

    A port that goes away is waited for. Opening it may reset the board.
    """
    from pqk import monitor as monitors
    from pqk import pipeline

    project, board = _look(root, board_name)
    state_dir = pipeline.board_directory(project, board.name) if project else None
    monitors.run(board, port, state_dir, monitors.stamped(click.echo), hello=hello)


@cli.command()
@click.option("--network", "networks", multiple=True, help="res8-narrow, res8, ds-cnn, or the project's name.")
@click.option("--sparsity", "sparsities", multiple=True, type=click.FloatRange(0, 0.99), help="Share of zeros.")
@click.option("--bits", multiple=True, type=click.IntRange(2, 8), help="Bits of the weights.")
@click.option("--core", "cores", multiple=True, help="A core, on the board that stands for it: cortex-m4 and so on.")
@click.option("--board", "board_names", multiple=True, help="An emulated board.")
@click.option("--inputs", type=click.IntRange(min=1), default=3, show_default=True, help="Random inputs for each row.")
@click.option("--quick", is_flag=True, help="90 % zeros, 4 bits and one input only.")
@click.option("--workers", type=click.IntRange(min=1), help="Rows at a time.  [default: number of processors]")
@click.option(
    "--output", type=click.Path(path_type=Path), default=Path("build/bench"), show_default=True, help="Folder to fill."
)
@click.pass_obj
def bench(
    root: Path,
    networks: tuple[str, ...],
    sparsities: tuple[float, ...],
    bits: tuple[int, ...],
    cores: tuple[str, ...],
    board_names: tuple[str, ...],
    inputs: int,
    quick: bool,
    workers: int | None,
    output: Path,
) -> None:
    """Measure networks of several sparsities on the emulated boards: OUTPUT/bench.json and a table.

    Every option that narrows down may be given several times. The networks have random weights; a project that was
    built adds its trained network. An interrupted run goes on where it stopped.
    """
    from pqk import tables
    from pqk.bench import cases, run
    from pqk.console import bars

    if quick:
        sparsities, bits, inputs = sparsities or cases.QUICK[0], bits or cases.QUICK[1], 1
    selection = cases.Selection(networks, sparsities, bits, cores, board_names)
    chosen = cases.cases(selection, run.trained_network(root))
    with bars() as shown:
        outcome = run.run(
            chosen,
            output,
            inputs=inputs,
            workers=workers or os.cpu_count() or 1,
            report=shown.row,
        )
    click.echo(tables.bench(outcome.rows))
    for text in outcome.too_large:
        click.echo(text)
    click.echo(f"wrote {outcome.path}")
    run.raise_failures(outcome)


@cli.command()
@click.option(
    "--rows", "rows_file", type=click.Path(path_type=Path), help="File of rows.  [default: compare.toml of the project]"
)
@click.option("--methods", help="Instead of a file: methods, separated by commas, at the project's own settings.")
@click.option("--seeds", type=click.IntRange(1, 1000), help="Trainings of every row, instead of the file's; else 3.")
@board_option
@data_option
@click.option("--workers", type=click.IntRange(min=1), help="Trainings at a time.  [default: number of processors]")
@device_option
@click.option("--measure", is_flag=True, help="Compile every network and run it on the emulated board, too.")
@click.option(
    "--clips", type=click.IntRange(min=1), default=20, show_default=True, help="With --measure: clips for each network."
)
@click.option("--json", "copy", type=click.Path(path_type=Path), help="Another file for what compare.json says.")
@click.pass_obj
def compare(
    root: Path,
    rows_file: Path | None,
    methods: str | None,
    seeds: int | None,
    board_name: str | None,
    data: Path | None,
    workers: int | None,
    device: str,
    measure: bool,
    clips: int,
    copy: Path | None,
) -> None:
    """Train methods or settings with several seeds, all for as many epochs, and compare them.

    Fills build/compare: compare.json, compare.md (the table) and compare.svg. What is trained is kept: an interrupted
    comparison goes on where it stopped, and build finds what it needs.
    """
    project, board = _open(root, board_name)
    if rows_file and methods:
        raise click.UsageError("--rows or --methods, not both")
    from pqk.compare import rows

    if methods is None:
        comparison = rows.of_file(project, rows_file or root / rows.FILE, seeds)
    else:
        comparison = rows.of_methods(project, [method.strip() for method in methods.split(",")], seeds)
    from pqk import tables
    from pqk.compare import run, score
    from pqk.console import comparing

    folder = project.build_dir / "compare"
    scorer = score.Scorer(folder, board, project.build, clips if measure else 0)
    _offer_download(project, data)
    with comparing() as tell:
        processes = workers or os.cpu_count() or 1
        outcome = run.run(comparison, scorer, data=data, processes=processes, tell=tell, device=device)
    click.echo(tables.comparison(outcome.record))
    click.echo(f"wrote {folder / run.FILE}, and beside it {run.TABLE} and {run.PICTURE}")
    if copy:
        run.write_record(copy, outcome.record)
    run.raise_failures(outcome)


@cli.command()
@click.argument("which", type=click.Choice(["mini", "full"]))
def download(which: str) -> None:
    """Fetch Speech Commands: the mini set (182 MB, 8 words) or the full one (2.3 GB, 35 words)."""
    _download(which)


def _source(name: str | None) -> "AbstractContextManager[Source]":
    """What `listen` listens to."""
    if name is None:
        from pqk.sources.microphone import Microphone

        return Microphone()
    if name == "-":
        from pqk.sources.raw import RawAudio

        return nullcontext(RawAudio(sys.stdin.buffer))
    from pqk.sources.file import AudioFile

    return AudioFile(Path(name))


def _serve(board: "Board", built: "Build", port: str | None) -> None:
    """Until Ctrl-C."""
    from pqk.mlperf import run, serve

    if not board.emulated:
        raise BoardError(f"{board.name} is no emulated board", "give the runner the board's own port: pqk-mcu ports")
    with run.started(board, built, port) as (link, _), serve.terminal() as (ours, path):
        for line in run.caveats(board, built):
            click.echo(line, err=True)
        click.echo(f"{path} is the port of {board.name}; Ctrl-C ends it")
        with suppress(KeyboardInterrupt):
            serve.forward(link, ours)


def _evaluate_stream(
    project: Project,
    board: "Board",
    port: str | None,
    data: Path | None,
    hours: float,
    device_minutes: float,
    audio: Path | None,
    labels: Path | None,
) -> None:
    from pqk import pipeline, tables
    from pqk.console import bars
    from pqk.stream import run
    from pqk.stream.hardware import Hardware

    built = pipeline.load_build(project, board.name)
    with bars() as shown:
        if audio and labels:
            text = tables.recording(run.run_recording(project, built, audio, labels, shown.update))
        else:
            effort = run.Effort(hours, device_minutes)
            hardware = Hardware(project, board, built, port)
            text = tables.streaming(run.run(project, built, effort, hardware, shown.update, data))
    click.echo(text)


def _here(text: str) -> str:
    """`text` with commands that are about what this one is about."""
    place: Place = click.get_current_context().meta[PLACE]
    return place.told(text)


def _open(root: Path, board_name: str | None) -> "tuple[Project, Board]":
    """The project, and its board or the one that is named."""
    from pqk import project

    opened = project.load(root)
    return opened, _board_of(opened, root, board_name)


def _board_of(opened: Project, root: Path, board_name: str | None) -> "Board":
    """The board that is named, which the next commands must name, too, or else the project's own."""
    from pqk import boards

    click.get_current_context().meta[PLACE] = Place(root, board_name)
    return boards.load(board_name) if board_name else boards.load(opened.board, opened.root)


def _open_flashed(root: Path, board_name: str | None) -> "tuple[Project, Board]":
    """The project, and the board that is named, else the one that was flashed last, else its own."""
    from pqk import boards, flashed, project

    opened = project.load(root)
    last = flashed.last(opened)
    if last and not board_name:
        own = shlex.quote(boards.from_anywhere(opened.board, opened.root))
        click.echo(f"on {last}, which was flashed last; on the project's own board: --board {own}", err=True)
    return opened, _board_of(opened, root, board_name or last)


def _look(root: Path, board_name: str | None) -> "tuple[Project | None, Board]":
    """The same for commands that also work where no project is, on the default board if none is named."""
    from pqk import boards

    if root != Path() or (root / FILE_NAME).is_file():
        return _open_flashed(root, board_name)
    return None, boards.load(board_name or DEFAULT_BOARD)


def _offer_download(project: Project, data: Path | None) -> None:
    """Where no recordings are found and somebody is there to ask, offer to fetch some."""
    from pqk.data import source

    if source.is_there(project, data) or not sys.stdin.isatty():
        return
    if click.confirm("No recordings found. Download the mini Speech Commands set (182 MB, 8 words)?"):
        _download("mini")


def _download(which: str) -> None:
    from pqk.console import bars
    from pqk.data import download, source

    fetch = {"mini": download.download_mini, "full": download.download_full}[which]
    with bars() as shown:
        path = fetch(source.cache_directory(), progress=lambda done, total: shown.update("downloading", done, total))
    click.echo(f"recordings: {path}")


def _has_screen() -> bool:
    return sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def main() -> None:
    """Run the command line; the one place where errors are printed and become exit codes."""
    try:
        sys.exit(cli.main(standalone_mode=False) or 0)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted; finished steps are kept, the same command goes on from there", err=True)
        sys.exit(INTERRUPTED)
    except OSError as error:  # a folder that cannot be written, a full disk
        where = f"{error.filename}: " if error.filename else ""
        click.echo(f"pqk-mcu: {where}{error.strerror or error}", err=True)
        sys.exit(PqkError.exit_code)
    except PqkError as error:
        click.echo(f"pqk-mcu: {error.message}", err=True)
        if error.hint:
            click.echo(f"         {error.hint}", err=True)
        sys.exit(error.exit_code)
