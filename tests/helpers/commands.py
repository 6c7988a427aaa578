"""The command line run as a user runs it."""

import functools
import json
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path


def automask(folder, *arguments, **environment):
    """Run the command line in `folder`; the finished process with its output as text.

    It is forked by `starter.py`, or with an environment of its own begun as `python -m automask`.
    """
    arguments = list(map(str, arguments))
    if not environment:
        return begun(os.path.abspath(folder), arguments)
    return subprocess.run(
        [sys.executable, "-m", "automask", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, "COLUMNS": "200", **environment},
    )


def script(folder, file):
    """Run a Python file in `folder`, forked as well."""
    return begun(os.path.abspath(folder), [str(file)])


def begun(folder, arguments):
    asked = json.dumps([folder, arguments]).encode()
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        try:
            link = starter()
            socket.send_fds(link, [asked], [out.fileno(), err.fileno()])
            code = int(link.recv(16))
        except BaseException:
            starter.cache_clear()  # its next answer would be that of this command
            raise
        for file in (out, err):
            file.seek(0)
        return subprocess.CompletedProcess(arguments, code, out.read(), err.read())


@functools.cache
def starter():
    """The near end of a link to a process of `starter.py`, which ends with this one."""
    near, far = socket.socketpair()
    near.settimeout(600)
    with far:
        subprocess.Popen(
            [sys.executable, Path(__file__).with_name("starter.py"), str(far.fileno())],
            pass_fds=[far.fileno()],
            env={**os.environ, "COLUMNS": "200"},
        )
    return near


def refused(process, *words):
    """Assert that a command ended as it must for a user's mistake, and said these words."""
    assert process.returncode == 2, process.stdout + process.stderr
    assert "Traceback" not in process.stderr
    for word in words:
        assert word in process.stderr, process.stderr
