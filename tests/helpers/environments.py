"""An environment of its own for automask as it is installed: from a wheel or an sdist.

`python -m tests.helpers.environments FOLDER FILE` makes one by hand.
"""

import os
import subprocess
import sys
import venv
from pathlib import Path


def install(folder, file):
    """Make a virtual environment with what `file` installs; its folder of commands.

    Other packages it has from the environment that runs this, whose own automask it doesn't see: that is
    installed by a file that is read in that environment only.
    """
    venv.create(folder, symlinks=os.name != "nt")
    commands = Path(folder) / ("Scripts" if os.name == "nt" else "bin")
    python = commands / "python"
    where = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = subprocess.run(where, check=True, capture_output=True, text=True).stdout.strip()
    others = [path for path in sys.path if Path(path).name == "site-packages"]
    Path(packages, "others.pth").write_text("\n".join(others))
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--quiet",
        "--disable-pip-version-check",
        "--python",
        python,
    ]
    options = ["--no-index", "--no-deps", "--no-build-isolation", "--ignore-installed"]
    subprocess.run([*pip, "install", *options, file], check=True)
    return commands


if __name__ == "__main__":
    install(*sys.argv[1:])
