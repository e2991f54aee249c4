"""Label sets that tests/golden/labels.h draws too: 64-bit linear congruential generator, high 31 bits."""

MASK = (1 << 64) - 1


class Lcg:
    def __init__(self, seed):
        self.state = seed

    def below(self, n):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) & MASK
        return (self.state >> 33) % n


def draw_labels(seed, n, classes, skew):
    """n labels of `classes` classes; skew > 0 takes the smaller of skew + 1 draws, so that classes differ in size."""
    lcg = Lcg(seed)
    return [min(lcg.below(classes) for _ in range(skew + 1)) for _ in range(n)]


def fnv(values):
    """FNV-1a over the values as 32-bit little-endian words."""
    h = 0xCBF29CE484222325
    for v in values:
        for byte in int(v).to_bytes(4, "little"):
            h = ((h ^ byte) * 0x100000001B3) & MASK
    return h
