"""How much members weigh, and the best blend that takes no more room than there is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from automask.data.dataset import fold_count
from automask.ensembles.ensemble import Ensemble, Member
from automask.ensembles.members import is_head_alone
from automask.errors import UserError
from automask.listener import note
from automask.study.session import Session
from automask.training.backbone_facts import backbone_key
from automask.training.network import build_backbone
from automask.units import format_bytes


def stores_head_alone(file: Path) -> bool:
    """Are a fold's stored tensors those of a head alone, the backbone being the recipe's own?"""
    from safetensors import safe_open

    with safe_open(file, framework="np") as opened:
        return is_head_alone(opened.keys())


def member_files(session: Session, member: Member) -> dict[str, int]:
    """The bytes of a member's networks by what they are: members may share a backbone."""
    store = session.store.trial(member.recipe.hash)
    files = {}
    for fold in range(fold_count(session.folds)):
        file = store.weights(fold)
        files[f"{member.recipe.hash} {fold}"] = file.stat().st_size
    if stores_head_alone(store.weights(0)):
        key = backbone_key(member.recipe, session.weights, session.config.search.seed)
        files[key] = _backbone_bytes(session, member)
    return files


def best_that_fits(
    session: Session,
    members: Sequence[Member],
    size: int,
    blended: Callable[[Sequence[Member]], Ensemble],
) -> Ensemble:
    """The blend with the best nested score among those of members whose networks take `size` bytes.

    Tried are the best members that fit together, and the same of members up to each size: a few large
    ones against many small ones. Raises `UserError` where no member fits.
    """
    files = {one.number: member_files(session, one) for one in members if one.able}
    weights = {number: sum(each.values()) for number, each in files.items()}
    least = min(weights.values())
    if least > size:
        raise UserError(
            f"--size {format_bytes(size)}: the smallest trial takes {format_bytes(least)}; a model of "
            "fewer folds or a smaller network needs another study"
        )
    tried: dict[frozenset[int], Ensemble] = {}
    for most in sorted({weight for weight in weights.values() if weight <= size}):
        chosen = _fill(members, files, weights, most, size)
        if chosen not in tried:
            tried[chosen] = blended([one for one in members if one.number in chosen])
    best = max(tried.values(), key=lambda one: one.nested.value)
    note(
        f"--size {format_bytes(size)}: the blend is made of {len(max(tried, key=len))} trials or fewer "
        f"of {len(weights)}, chosen by their out-of-fold scores"
    )
    return best


def _fill(
    members: Sequence[Member],
    files: dict[int, dict[str, int]],
    weights: dict[int, int],
    most: int,
    size: int,
) -> frozenset[int]:
    """The best members of `most` bytes each that fit together."""
    inside: dict[str, int] = {}
    chosen = set()
    for member in members:
        if weights.get(member.number, size + 1) > most:
            continue
        together = inside | files[member.number]
        if sum(together.values()) <= size:
            inside = together
            chosen.add(member.number)
    return frozenset(chosen)


def _backbone_bytes(session: Session, member: Member) -> int:
    backbone = build_backbone(member.recipe, session.weights, session.config.search.seed)
    return sum(tensor.nbytes for tensor in backbone.state_dict().values())
