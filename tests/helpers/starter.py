"""Commands begun at once: each is forked from a process that has imported what they need.

A real process with its own folder, output and exit code, which saves the seconds that it takes to
import these libraries and to tear them down. It imports automask itself anew. What it shares with
the others are the environment and the seed of hashes.
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import socket
import sys

import numpy as np

#: What a search or an ensemble imports.
LIBRARIES = (
    *("torch", "torchvision", "timm", "albumentations", "pandas", "cleanlab.filter"),
    *("optuna", "alembic.command", "sqlalchemy.orm", "sqlalchemy.dialects.sqlite"),
    *("sklearn.linear_model", "sklearn.metrics", "sklearn.model_selection", "sklearn.neighbors"),
    *("typer", "pydantic", "rich.console", "rich.table", "rich.live"),
)


def serve(link):
    """Begin what is asked for on `link`, one after another, and answer its exit code.

    Returns in each process that is to be such a command.
    """
    while True:
        message, files, *_ = socket.recv_fds(link, 1 << 16, 2)
        if not message:
            os._exit(0)
        child = os.fork()
        if child == 0:
            return become(files, *json.loads(message))
        for file in files:
            os.close(file)
        link.send(str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])).encode())


def become(files, folder, arguments):
    for standard, file in enumerate([os.open(os.devnull, os.O_RDONLY), *files]):
        os.dup2(file, standard)
        os.close(file)
    os.chdir(folder)
    sys.path[0], sys.argv = folder, ["automask", *arguments]
    np.random.seed()


if __name__ == "__main__":
    for library in LIBRARIES:
        importlib.import_module(library)
    gc.freeze()  # what is never looked through isn't copied
    serve(socket.socket(fileno=int(sys.argv[1])))
    try:
        if sys.argv[1:] and sys.argv[1].endswith(".py"):
            del sys.argv[0]
            runpy.run_path(sys.argv[0], run_name="__main__")
        else:
            runpy.run_module("automask", run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(ended.code or 0)
