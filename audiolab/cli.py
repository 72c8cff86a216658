"""The command line: ``audiolab lab · doctor · start · check · hint · solution · reset · progress · data · train`` …

Teachers use ``nbgrader``.
"""

import argparse
import os
import re
import subprocess
import sys


def main(argv=None):
    """Run one command.

    Parameters
    ----------
    argv : list of str, optional
        Arguments instead of the process's own.

    Returns
    -------
    int
        0 when all is well, 1 when an answer does not pass or something is missing, 2 when the
        request makes no sense.
    """
    for stream in (sys.stdout, sys.stderr):     # ticks and arrows, on a console that has none
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    arguments = _parser().parse_args(argv)
    try:
        return arguments.run(arguments)
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130
    except BrokenPipeError:                     # piped into `head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _parser():
    parser = argparse.ArgumentParser(prog="audiolab", description="Exercises and tools of the course, from a terminal.")
    commands = parser.add_subparsers(metavar="command", required=True)

    def command(run, name, help, *which):
        one = commands.add_parser(name, help=help, description=help)
        for words in which:
            one.add_argument("which", help=words)
        one.set_defaults(run=run)
        return one

    exercise, either = "an exercise, such as 01.3", "a chapter, such as 01, or an exercise, such as 01.3"
    command(_lab, "lab", "open the course in JupyterLab")
    works = command(_doctor, "doctor", "say what works on this machine, and how to get what does not")
    works.add_argument("--all", action="store_true", help="look also for what only authors use")
    command(_start, "start", "put new exercises into work/, never over an edited one")
    check = command(_check, "check", "check the answers in your notebook", either)
    check.add_argument("--notebook", help="read this file instead of your copy in work/")
    command(_hint, "hint", "show the next hint", exercise)
    command(_solution, "solution", "show the solution, after an attempt", exercise)
    command(_reset, "reset", "put an exercise or a notebook back as it was, keeping a backup", either)
    command(_progress, "progress", "show how far you are")
    trained = command(_train, "train", "make checkpoints of the course by their recipes")
    trained.add_argument("names", nargs="*", metavar="name", help="which (none: list them)")
    trained.add_argument("--all", action="store_true", help="every one")
    trained.add_argument("--check", action="store_true", help="train nothing: measure what is kept against its card")
    written = command(_export_c, "export-c", "write a keyword spotter as a C program, in whole numbers")
    written.add_argument("name", nargs="?", default="keywords-dscnn-digits", help="of its checkpoint")
    written.add_argument("folder", nargs="?", help="for the program, made when missing (work/c/NAME)")
    marked = command(_nbgrader, "nbgrader", "put a chapter into an nbgrader course", "a chapter, such as 01")
    marked.add_argument("folder", help="of that course, made when missing")
    pipeline = commands.add_parser("pipeline", help="go from forty clips to a detector, by a plan").add_subparsers(
        metavar="command", required=True)
    for run, name, help in (
        (_pipeline_new, "new", "write a plan with all settings"),
        (_pipeline_run, "run", "follow a plan; what is done already is kept"),
        (_pipeline_show, "show", "the report card of what is done"),
        (_pipeline_compare, "compare", "what another plan is worth, about the same clips"),
        (_pipeline_listen, "listen", "list the alerts in a recording of any length"),
        (_pipeline_serve, "serve", "answer recordings that are sent to this machine"),
        (_pipeline_clear, "clear", "remove what the runs of a plan have kept"),
    ):
        one = pipeline.add_parser(name, help=help, description=help)
        one.add_argument("file", help="of the plan, such as plan.yaml")
        one.set_defaults(run=_piped, work=run)
        if name == "run":
            one.add_argument("--until", metavar="stage", help="the last stage to do")
        if name == "compare":
            one.add_argument("other", help="of the plan after a change, such as changed.yaml")
        if name == "listen":
            one.add_argument("sound", help="a recording, such as evening.wav")
            one.add_argument("--events", metavar="table", help="count against what really sounded: a table in CSV, "
                             "with the columns onset and offset, in seconds")
        if name == "serve":
            one.add_argument("--port", type=int, default=0, help="any that is free when not given")
    data = commands.add_parser("data", help="list, make, fetch, check corpora").add_subparsers(
        metavar="command", required=True)
    for run, name, help in (
        (_data_list, "list", "what there is, and what is on this disk"),
        (_data_get, "make", "make embedded corpora (all of them when none is named)"),
        (_data_get, "fetch", "download a published corpus"),
        (_data_check, "check", "read every file of a corpus, and name what is wrong"),
        (_data_info, "info", "what a corpus is and holds"),
    ):
        one = data.add_parser(name, help=help, description=help)
        one.set_defaults(run=run, name=name)
        if name != "list":
            one.add_argument("corpora", nargs="*" if name == "make" else "+", metavar="name")
    return parser


def _lab(arguments):
    from . import paths
    from .checks import start

    print(_typed(start()))
    root, first = paths.course(), paths.work("chapters", "00_start_here.ipynb")
    if not first.is_relative_to(root):                      # work/ was moved elsewhere
        root = paths.work()
    options = [
        "--ServerApp.ip=127.0.0.1", f"--ServerApp.root_dir={root}", "--ServerApp.answer_yes=True",
        f"--LabApp.default_url=/lab/tree/{first.relative_to(root).as_posix()}",
        "--ServerApp.tornado_settings={'websocket_max_message_size': 268435456}",   # bytes: room for an upload
    ]
    if getattr(os, "geteuid", lambda: 1)() == 0:
        options.append("--allow-root")                      # a container, where root is the only user
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        options.append("--no-browser")
    print("Starting JupyterLab. When no browser opens, open the address below that begins with http://127.0.0.1. "
          "Ctrl+C ends it.", flush=True)
    here = os.path.dirname(sys.executable)                  # so that `audiolab check 01` works in its terminal
    # For this JupyterLab alone: without the teachers' menus that nbgrader adds, and without news from the network.
    learners = os.path.join(os.path.dirname(os.path.abspath(__file__)), "etc")
    environment = os.environ | {
        name: os.pathsep.join(filter(None, [first, os.environ.get(name)]))
        for name, first in (("PATH", here), ("JUPYTER_CONFIG_PATH", learners))}
    server = subprocess.Popen([sys.executable, "-m", "jupyterlab", *options], env=environment)
    while True:
        try:
            return server.wait()
        except KeyboardInterrupt:                           # the server hears it too, and ends its kernels first
            continue


def _doctor(arguments):
    from .checkup import doctor

    report = doctor(everything=arguments.all)
    print(report)
    return 0 if report.ok else 1


def _check(arguments):
    from .checks import ExerciseError, check_notebook

    states = []
    try:
        for outcome in check_notebook(arguments.which, arguments.notebook):
            print(_typed(outcome), end="\n\n", flush=True)
            states.append(outcome.state)
    except ExerciseError as error:
        return _refused(error)
    print(f"{states.count('passed')} of {len(states)} right")
    return 0 if all(state == "passed" for state in states) else 1


def _refused(error):
    print(f"audiolab: {_typed(error)}", file=sys.stderr)
    return 2


def _start(arguments):
    from .checks import start

    return _shown(start())


def _hint(arguments):
    from .checks import hint

    return _shown(hint(arguments.which))


def _solution(arguments):
    from .checks import solution

    return _shown(solution(arguments.which))


def _reset(arguments):
    from .checks import reset

    return _shown(reset(arguments.which))


def _progress(arguments):
    from .checks import progress

    return _shown(progress())


def _train(arguments):
    from . import recipes

    names = list(recipes.RECIPES) if arguments.all else arguments.names
    try:
        for name in names:
            if arguments.check:
                print(f"{name}: {_in_words(recipes.evaluate(name, _jobs()))}", flush=True)
            else:
                card = recipes.train(name, _jobs())
                print(f"{name}: {_in_words(card['metrics']['test'])}; {card['parameters']:,} parameters, "
                      f"{card['seconds']} s", flush=True)
    except (ValueError, ArithmeticError, OSError) as error:     # of a name, a corpus, the training, the disk
        return _refused(error)
    if not names:
        for name, recipe in recipes.RECIPES.items():
            print(f"{name:28} {recipe.title}")
    return 0


def _in_words(found):
    return ", ".join(f"{key} {value:.4g}" for key, value in found.items())


def _jobs():
    return min(2, os.cpu_count() or 1)


def _export_c(arguments):
    from . import embedded

    try:
        spotter, folder = embedded.export(arguments.name, arguments.folder, _jobs())
    except (ValueError, OSError) as error:                      # of a name, a corpus, the folder, the network
        return _refused(error)
    print(f"{folder}: {', '.join(embedded.program.FILES)}")
    try:
        program, takes = embedded.build(folder), embedded.sizes(spotter, folder)
        flash, ram = (" + ".join(f"{name} {takes[name]:,}" for name in part) for part in
                      (("weights", "tables", "code"), ("buffers", "stack", "clip")))
        print(f"Compiled as {program.name}. Bytes of flash: {flash}. Of RAM: {ram}.")
    except embedded.CompilerError as error:
        print(error)
    return 0


def _piped(arguments):
    try:
        return arguments.work(arguments)
    except (ValueError, ArithmeticError, OSError) as error:     # of a plan, a corpus, a sound, the training, the disk
        if os.environ.get("RANK", "0") == "0":                  # of several processes one says it
            _refused(" ".join(str(error).split()))
        return 2


def _pipeline_new(arguments):
    from . import pipeline

    file = pipeline.write(arguments.file)
    print(f"{file}: change what you like, then audiolab pipeline run {file}")
    return 0


def _pipeline_run(arguments):
    from . import pipeline

    done = pipeline.run(arguments.file, arguments.until, say=lambda line: print(line, flush=True))
    if os.environ.get("RANK", "0") == "0":
        print(str(done).splitlines()[-1], f"Report: {pipeline.folder(done.plan) / 'report.html'}")
    return 0 if done.ok else 1


def _pipeline_show(arguments):
    from . import pipeline

    done = pipeline.shown(arguments.file)
    print(done)
    return 0 if done.ok and not done.missing else 1


def _pipeline_compare(arguments):
    from . import pipeline

    gain, low, high, p = pipeline.compared(arguments.file, arguments.other)
    print(f"macro-F1 {gain:+.3f}, 95 % interval {low:+.3f} to {high:+.3f}, McNemar's p {p:.3f}.")
    return 0


def _pipeline_listen(arguments):
    from .audio import info
    from .pipeline import listen
    from .pipeline.serve import Detector

    detector = Detector(arguments.file)
    events = None if arguments.events is None else listen.events(arguments.events)
    found = detector.alerts(arguments.sound)
    for first, last, most in found:
        print(f"{first:8.1f} s to {last:8.1f} s  {detector.labels[0]} {most:.2f}")
    print(f"{len(found)} alerts from a probability of {detector.plan.threshold:g} on (threshold in {arguments.file}).")
    if events is not None:
        print(listen.account([one[:2] for one in found], events, detector.plan.seconds,
                             info(arguments.sound).duration))
    return 0


def _pipeline_serve(arguments):
    from .pipeline.serve import server

    http, address = server(arguments.file, arguments.port)
    print(f"{address}\nOpen it for the report, or send a recording: curl --data-binary @clip.wav '{address}'. "
          "Ctrl+C ends it.", flush=True)
    try:
        http.serve_forever()
    finally:
        http.server_close()
    return 0


def _pipeline_clear(arguments):
    from . import pipeline

    print(f"Removed {pipeline.clear(arguments.file)}.")
    return 0


def _nbgrader(arguments):
    from . import classroom
    from .checks import ExerciseError

    try:
        notebook, points = classroom.nbgrader(arguments.which, arguments.folder)
    except (ExerciseError, OSError) as error:
        return _refused(error)
    print(f"{notebook}: {points} points. Next, in {arguments.folder}: nbgrader generate_assignment {notebook.stem}")
    return 0


def _data_list(arguments):
    from .corpora import catalogue

    for name, entry in catalogue.entries().items():
        size = f"{entry.size / 1e6:,.0f} MB to download" if entry.size else "no network needed"
        print(f"{name:28} {entry.title} ({size}; {entry.licence})")
    print("On this disk:", ", ".join(folder.name for folder in catalogue.here()) or "none yet")
    return 0


def _data_get(arguments):
    from .corpora import catalogue

    known = catalogue.entries()
    names = arguments.corpora or [name for name, entry in known.items() if not entry.size]
    for name in names:
        try:
            print(f"{name}: {catalogue.find(name).get(_jobs())}", flush=True)
        except (ValueError, OSError) as error:          # of a corpus, a sound, the disk, the network
            return _refused(error)
    return 0


def _data_check(arguments):
    from .corpora import catalogue, remote

    for name in arguments.corpora:
        try:
            if name in remote.DATASETS:
                remote.check(name)
            else:
                catalogue.find(name).get(1).check()
        except (ValueError, OSError) as error:
            return _refused(error)
        print(f"{name}: every file is there and can be read.")
    return 0


def _data_info(arguments):
    from .corpora import catalogue

    for name in arguments.corpora:
        try:
            entry = catalogue.find(name)
        except ValueError as error:
            return _refused(error)
        print(f"{name}: {entry.title}. Licence: {entry.licence}.")
        for folder in catalogue.here():
            if folder.name == name or folder.name.startswith(f"{name}-"):
                print(f"  on this disk: {catalogue.Corpus(folder)}")
    return 0


def _shown(note):
    """Print a note; 0 when it is what was asked for."""
    if note.refused:
        return _refused(note)
    print(_typed(note))
    return 0


def _typed(text):
    """Words with ``al.hint("01.3")`` as it is typed here: ``audiolab hint 01.3``."""
    return re.sub(r'al\.(\w+)\("([\d.]+)"\)', r"audiolab \1 \2", str(text))


if __name__ == "__main__":
    sys.exit(main())
