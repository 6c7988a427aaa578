"""A loss of mine; try it with: automask plugins check plugins/my_loss.py"""

from automask import Float, loss


@loss(q=Float(0.1, 0.9), per_row=True)
def my_loss(logits, target, class_counts, *, q=0.7):
    """Generalised cross entropy, which gives up on rows that are never learnt (Zhang and Sabuncu, 2018).

    When to use: labels some of which are wrong. Cross entropy as q goes to 0, the absolute error at 1.
    """
    # exp(q log p) is p ** q, with a gradient also where p is almost 0.
    power = (q * logits.log_softmax(-1)).exp()
    return (target * (1 - power) / q).sum(-1)
