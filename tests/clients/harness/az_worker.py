"""Runs commands of an unmodified Azure CLI in one process; started with the CLI's own Python.

Reads one JSON list of words per line on stdin, answers with one JSON object per line on stdout.
Starting az costs a second of CPU per command; here it is paid once. Sleeps are cut to half a
second, because az polls an operation every 5 s and a job every 30 s.
"""

import io
import json
import os
import sys
import tempfile
import time
import traceback

_sleep = time.sleep
time.sleep = lambda seconds: _sleep(min(seconds, 0.5))


def main():
    answers = os.fdopen(os.dup(1), "w")
    # Whatever libraries print goes to files of our own; az opens its log on the stderr of its start.
    errors = tempfile.TemporaryFile("w+")
    os.dup2(errors.fileno(), 2)
    os.dup2(2, 1)
    from azure.cli.core import get_default_cli

    for line in sys.stdin:
        begin, output, read_from = time.monotonic(), io.StringIO(), os.lseek(2, 0, os.SEEK_END)
        sys.stdout = output
        try:
            code = get_default_cli().invoke(json.loads(line), out_file=output)
        except SystemExit as exit:
            code = exit.code
        except BaseException:
            traceback.print_exc()
            code = 70
        sys.stdout = sys.__stdout__
        sys.stderr.flush()
        errors.seek(read_from)
        answer = {
            "code": code or 0,
            "out": output.getvalue(),
            "err": errors.read(),
            "seconds": time.monotonic() - begin,
        }
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


main()
