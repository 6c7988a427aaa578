"""A backbone of mine; try it with: automask plugins check plugins/my_backbone.py"""

from automask import Int, backbone, never


@backbone(width=Int(8, 64))
def my_backbone(image_size, pretrained, *, width=16):
    """Three convolutions, each at half the size of the one before: no weights to fetch, and quick.

    When to use: small images of simple things, or to measure what a pretrained network is worth.
    """
    from torch import nn

    from automask import Backbone

    def block(inputs, outputs):
        return nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride=2, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()
        )

    blocks = [block(3, width), block(width, 2 * width), block(2 * width, 4 * width)]
    net = nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    # Every parameter once, from the stem up, so that a freeze strategy can tell early from late.
    stages = [
        [f"{k}.{name}" for name, _ in block.named_parameters()] for k, block in enumerate(blocks)
    ]
    # Images come as 0 to 1, and the network sees (image - mean) / std.
    return Backbone(net, D=4 * width, stages=stages, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))


never({"backbone": "my_backbone", "training.pretrained": True}, because="it has no weights")
