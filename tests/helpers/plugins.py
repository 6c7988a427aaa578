"""Plugins as a user writes them."""

FOCAL = '''"""My plugins. Drop this file in ./plugins, then run `automask plugins`."""
from automask import Float, loss


@loss(gamma=Float(0.5, 5.0))
def focal(logits, target, class_counts, *, gamma=2.0):
    """Cross entropy that fades out the easy examples (Lin et al., 2017)."""
    nll = -(target * logits.log_softmax(-1)).sum(-1)
    return (1 - (-nll).exp()) ** gamma * nll
'''
