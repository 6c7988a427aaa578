"""A network of a few kilobytes, so that its weights can lie in a repository."""

from automask import Categorical, backbone


@backbone(width=Categorical(6, 8))
def small(image_size, pretrained, *, width=8):
    """Two convolutions; the pretrained ones are the same every time."""
    import torch
    from torch import nn

    with torch.random.fork_rng():
        if pretrained:
            torch.manual_seed(7)
        net = nn.Sequential(
            nn.Conv2d(3, width, 3, 2, 1),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, 2 * width, 3, 2, 1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
    net.D, net.mean, net.std = 2 * width, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
    names = [name for name, _ in net.named_parameters()]
    net.stages = (tuple(names[:4]), tuple(names[4:]))
    return net
