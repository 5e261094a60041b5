"""The terminal of a local command: its lines, its exit status, and its end by a signal or a full disk.

Standard output carries the command's result alone. No traceback reaches the user for a problem of this machine.
"""

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

from generate_image.errors import GenerateImageError

USAGE, FAILURE, INTERRUPTED = 2, 1, 130
"""Exit statuses. 130 is the shell's convention for Ctrl-C."""


class CommandError(Exception):
    """The command cannot run. The message is a sentence for the user."""

    def __init__(self, message: str, status: int = USAGE) -> None:
        super().__init__(message)
        self.status = status


def report(line: str) -> None:
    """Write a line to standard error."""
    print(line, file=sys.stderr, flush=True)


def run_command(main: Callable[[], int]) -> NoReturn:
    """End the process with the status that ``main`` returns. SIGTERM has the effect of Ctrl-C."""
    signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGTERM, _interrupt)
    os._exit(status_of(main))  # not sys.exit: threads that wait for the provider would keep the process alive


def status_of(main: Callable[[], int]) -> int:
    """Return the exit status of a command, and report its error in a line."""
    try:
        status = main()
        sys.stdout.flush()
    except CommandError as error:
        report(str(error))
        return error.status
    except GenerateImageError as error:
        wait = f" Retry in {error.retry_after:.0f} s." if error.retry_after else ""
        report(f"{error.code}: {error}{wait}")
        return FAILURE
    except KeyboardInterrupt:
        report("Interrupted.")
        return INTERRUPTED
    except BrokenPipeError:
        report("Standard output was closed before the result was written. The pictures are saved.")
        return FAILURE
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        report(f"{place}{error.strerror or error}.")
        return FAILURE
    return status


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
