"""The ``phi3`` command: a table of names, each imported only when it is called."""

from __future__ import annotations

import difflib
import importlib
import logging
import os
import sys
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import click

# heading -> command -> (where it lives, what it does); shown without importing any of it
COMMANDS: dict[str, dict[str, tuple[str, str]]] = {
    "This machine": {
        "up": ("bot.cli.up:command", "Start the whole product on this machine."),
        "down": ("bot.cli.down:command", "Stop it; returns when every process has ended."),
        "status": ("bot.cli.status:command", "Show each part, its state and where it answers."),
        "doctor": ("bot.cli.doctor:command", "Check every part and say what to do."),
    },
    "Answers": {
        "ask": ("bot.cli.ask:command", "Ask a question; the answer names its sources."),
        "search": ("bot.cli.search:command", "Show the passages that a question finds."),
    },
    "Documents": {
        "ingest": ("bot.cli.ingest:command", "Add files, folders or web pages."),
        "sources": ("bot.cli.sources:command", "List what is known."),
        "forget": ("bot.cli.forget:command", "Take a document away, at once."),
        "watch": ("bot.cli.watch:command", "Keep a folder in step."),
        "reembed": (
            "bot.cli.reembed:command",
            "Move to another embedding model without downtime.",
        ),
    },
    "Learning": {
        "pairs": ("bot.cli.pairs:command", "List, import, export, approve or reject Q&A pairs."),
        "refresh": ("bot.cli.refresh:command", "Run the nightly refresh, or see what it would do."),
        "adapters": ("bot.cli.adapters:command", "List, show or roll back adapters."),
        "evaluate": ("bot.cli.evaluate:command", "Score the four arms on held-out pairs, now."),
    },
}

WRONG = 2  # exit status where the command line or a setting is at fault

_log = logging.getLogger("phi3.cli")


class LazyGroup(click.Group):
    """Knows its commands by name and one line of help; imports the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every name, in the order of the table."""
        return [name for group in COMMANDS.values() for name in group]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the command, or none where there is no such name."""
        for group in COMMANDS.values():
            if cmd_name in group:
                module, _, attribute = group[cmd_name][0].partition(":")
                loaded: click.Command = getattr(importlib.import_module(module), attribute)
                return loaded
        return None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, but a name that we do not have gets a sentence and a suggestion."""
        name = args[0]
        if not name.startswith("-") and name not in self.list_commands(ctx):
            close = difflib.get_close_matches(name, self.list_commands(ctx), n=1, cutoff=0.5)
            meant = f" Did you mean “phi3 {close[0]}”?" if close else ""
            raise click.UsageError(f"There is no command “{name}”.{meant}", ctx=ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table, section by section."""
        width = max(map(len, self.list_commands(ctx)))
        for heading, group in COMMANDS.items():
            with formatter.section(heading):
                formatter.write_dl([(name.ljust(width), line) for name, (_, line) in group.items()])


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="phi3-expert", prog_name="phi3", message="%(prog)s %(version)s")
@click.option("--debug", is_flag=True, help="Show the cause of an error, with its traceback.")
@click.pass_context
def cli(ctx: click.Context, debug: bool) -> None:
    """A Slack bot that becomes the expert of your industry."""
    ctx.obj = {"debug": debug}
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def main() -> None:
    """The console script."""
    # A library's warning is no sentence for the person; without a handler it would go to stderr.
    if "--debug" not in sys.argv:
        logging.getLogger().addHandler(logging.NullHandler())
    sys.exit(run(sys.argv[1:]))


def run(args: Sequence[str]) -> int:
    """Run one command line and return its exit status; whatever happens becomes a sentence.

    0 it worked; 1 it did not; 2 the command line was wrong or nothing is running; 130 Ctrl-C.
    """
    debug = "--debug" in args[: _command_position(args)]
    if sys.stdout is None:  # closed by the shell (>&-): what is printed goes nowhere
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    try:
        result: Any = cli.main(args=list(args), prog_name="phi3", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("Stopped.", err=True)
        return 130
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except BrokenPipeError:
        # Whoever read our output has seen enough; what is still buffered must not raise at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        return _report(error, debug=debug)
    return result if isinstance(result, int) else 0


def _command_position(args: Sequence[str]) -> int:
    return next((i for i, word in enumerate(args) if not word.startswith("-")), len(args))


def _report(error: Exception, *, debug: bool) -> int:
    from bot.cli.mishaps import explain

    sentence, status = explain(error)
    error_id = uuid4().hex[:8]
    handler, where = _log_handler(debug=debug)
    _log.addHandler(handler)
    _log.propagate = False
    # A wrong setting's exception quotes its value, which may be a secret; the sentence says enough.
    _log.error("%s %s", error_id, sentence, exc_info=None if status == WRONG else error)
    _log.removeHandler(handler)
    handler.close()
    click.echo(f"{sentence} ({error_id}{where})", err=True)
    return status


def _log_handler(*, debug: bool) -> tuple[logging.Handler, str]:
    """Where the cause goes, stderr or a file under PHI3_HOME, and how to say so."""
    from logging.handlers import RotatingFileHandler

    handler: logging.Handler = logging.StreamHandler()
    where = ""
    if not debug:
        from models.settings import Home

        try:
            folder = Home().home / "log"
            folder.mkdir(parents=True, exist_ok=True)
            handler = RotatingFileHandler(folder / "cli.log", maxBytes=1_000_000, backupCount=2)
            where = f"; the cause is in {folder / 'cli.log'}"
        except (OSError, ValueError):  # no home to write to: the cause goes where it can be seen
            where = "; --debug shows the cause"
            handler = logging.NullHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    return handler, where
