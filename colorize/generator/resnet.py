"""The ResNet encoders that DeOldify looks at photographs with, cut off before their classifier.

Names follow the released ImageNet networks, so that checkpoints load strictly. Source: He et al.,
Deep Residual Learning for Image Recognition, 2016; the stride sits in a bottleneck's 3x3.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

STEM = 64
TAPS = (2, 4, 5, 6)  # children whose features the decoder joins: at 1/2, 1/4, 1/8, 1/16


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut."""

    expansion = 1

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = shortcut(channels, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Return features (n, width, h / stride, w / stride) of x (n, c, h, w)."""
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class Bottleneck(nn.Module):
    """Narrow, filter, widen, and a shortcut."""

    expansion = 4

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        wide = width * self.expansion
        self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, wide, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(wide)
        self.downsample = shortcut(channels, wide, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Return features (n, 4 width, h / stride, w / stride) of x (n, c, h, w)."""
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class Encoder(nn.Sequential):
    """Stem, pooling and four stages; children are numbered as in a checkpoint."""

    def __init__(
        self, block: type[BasicBlock] | type[Bottleneck], depths: tuple[int, int, int, int]
    ) -> None:
        super().__init__(
            nn.Conv2d(3, STEM, 7, 2, 3, bias=False),
            nn.BatchNorm2d(STEM),
            nn.ReLU(),
            nn.MaxPool2d(3, 2, 1),
        )
        channels = STEM
        for number, depth in enumerate(depths):
            stage = nn.Sequential()
            for index in range(depth):
                stride = 2 if number > 0 and index == 0 else 1
                stage.append(block(channels, STEM << number, stride))
                channels = (STEM << number) * block.expansion
            self.append(stage)
        self.widths = (STEM, *((STEM << number) * block.expansion for number in range(4)))

    @property
    def stages(self) -> list[nn.Sequential]:
        """The four stages, from a quarter of the picture's side to a 32nd."""
        return [child for child in self if isinstance(child, nn.Sequential)]

    def look(self, x: Tensor) -> list[Tensor]:
        """Return the features at 1/2, 1/4, 1/8, 1/16 and 1/32 of x (n, 3, s, s), rounded up."""
        features = []
        for number, child in enumerate(self):
            x = child(x)
            if number in TAPS:
                features.append(x)
        return [*features, x]


def shortcut(channels: int, out: int, stride: int) -> nn.Sequential | None:
    """Return what fits a block's input to its output, or nothing where it fits already."""
    if stride == 1 and channels == out:
        return None
    return nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))
