"""The plugins that automask ships, in flat modules named for their kinds."""

import importlib
import pkgutil

if __name__ != "automask.plugins":
    raise ImportError(
        "these plugins are the package automask.plugins; imported as 'plugins' they would all "
        "register twice"
    )

for _module in pkgutil.iter_modules(__path__):
    if _module.name.startswith("_"):
        continue
    importlib.import_module(f"{__name__}.{_module.name}")
