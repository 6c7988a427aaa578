"""Combinations that make no sense, which are never sampled."""

from __future__ import annotations

from automask import never

# Not norm_and_head: random convolutions whose norms train learn well (Frankle et al., 2021).
for _freeze in ("head_only", "last_stages", "lora"):
    never(
        {"freeze": _freeze, "training.pretrained": False},
        because="layers from random weights that stay frozen have learnt nothing",
    )
for _freeze in ("gradual", "probe_then_tune"):
    never(
        {"freeze": _freeze, "training.pretrained": False},
        because="layers from random weights have nothing that a random head's first steps could harm",
    )
for _mix in ("cutmix", "vertical_cutmix"):
    never(
        {"mix": _mix, "freeze": "head_only"},
        because="a head alone trains on cached features, and what is cut and pasted are pixels",
    )
