"""A sampling of mine; try it with: automask plugins check plugins/my_sampling.py"""

from automask import Float, sampling


@sampling(share=Float(0.2, 1.0), reads_features=False, target="any")
def my_sampling(labels, features, rng, *, share=0.5):
    """A share of the rows in each epoch, drawn anew.

    When to use: very many rows, of which a few epochs would be all that there is time for.
    """
    return rng.permutation(len(labels))[: max(1, round(share * len(labels)))]
