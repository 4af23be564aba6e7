"""Draw the pictures a visitor can click: a duckling, a cygnet, and a pineapple, which is neither; and three garments.

    python examples/draw.py [--out FOLDER] [duckling] [cygnet] [pineapple] [t-shirt] [ankle-boot] [bag]

Everything is painted from code and a fixed seed; the same versions of numpy, scipy and Pillow give the same bytes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from drawing import garments, scenery
from drawing.birds import cygnet, duckling
from drawing.brush import CANVAS, blurred, finished, save
from drawing.pineapple import pineapple
from drawing.plumage import paint_bird
from drawing.volume import Camera, Light, rotation
from PIL import Image

SIZE = (CANVAS, CANVAS)
DAISIES = [
    (0.115, 0.875, 0.026),
    (0.185, 0.915, 0.030),
    (0.075, 0.935, 0.032),
    (0.865, 0.900, 0.029),
    (0.93, 0.865, 0.024),
]


def duckling_on_the_bank() -> Image.Image:
    rng = np.random.default_rng(7)
    light = Light(sun=(0.45, 0.7, 0.62), sky_colour=(0.50, 0.48, 0.44), ground_colour=(0.42, 0.36, 0.22))
    leaves = [(0, "#26381c"), (0.35, "#54702f"), (0.7, "#a3b765"), (1, "#eef0c8")]
    canvas = scenery.shore(rng, 0.40, leaves)
    canvas = scenery.pond(rng, canvas, 0.40, "#4c6b62", depth=0.3)
    canvas = blurred(canvas, 3)
    canvas = scenery.bank(rng, canvas, 0.745)
    canvas = scenery.grass(rng, canvas, 0.755, 0.93, 8000, 0.035)
    canvas = scenery.shade(canvas, 0.47, 0.885, 0.36, 0.055, 0.85)
    camera = Camera(SIZE, (0.44 * CANVAS, 0.615 * CANVAS), 0.318 * CANVAS, rotation(roll=8) @ rotation(yaw=30))
    canvas, _ = paint_bird(canvas, duckling(), camera, light, rng)
    canvas = scenery.grass(rng, canvas, 0.912, 1.06, 6500, 0.055, dark=0.05)
    canvas = scenery.daisies(rng, canvas, DAISIES) * 1.08
    return finished(canvas, rng)


def cygnet_on_the_water() -> Image.Image:
    rng = np.random.default_rng(11)
    light = Light(
        sun=(-0.5, 0.75, 0.6),
        sun_colour=(0.96, 0.91, 0.82),
        sky_colour=(0.40, 0.43, 0.48),
        ground_colour=(0.30, 0.33, 0.35),
    )
    leaves = [(0, "#26383a"), (0.35, "#476061"), (0.7, "#8fa59b"), (1, "#dfe7dc")]
    canvas = scenery.shore(rng, 0.27, leaves, "#e6eedd", reeds=60)
    water, line = "#34505e", 0.72
    canvas = scenery.pond(rng, canvas, 0.27, water, depth=0.42, rings=(0.5, line, 0.38))
    camera = Camera(SIZE, (0.535 * CANVAS, 0.665 * CANVAS), 0.325 * CANVAS, rotation(roll=8) @ rotation(yaw=180 - 32))
    canvas = scenery.shade(canvas, 0.53, line + 0.02, 0.40, 0.06, 0.75)
    canvas, cover = paint_bird(canvas, cygnet(), camera, light, rng)
    return finished(scenery.mirror(rng, canvas, cover, line, water, 0.85), rng)


def pineapple_on_the_table() -> Image.Image:
    rng = np.random.default_rng(5)
    light = Light(
        sun=(-0.65, 0.6, 0.55), sky_colour=(0.40, 0.40, 0.42), ground_colour=(0.34, 0.28, 0.2), wrap=0.15, rim=0.2
    )
    canvas = scenery.kitchen(rng, 0.66)
    canvas = scenery.shade(canvas, 0.60, 0.905, 0.30, 0.05, 0.8)
    return finished(pineapple(canvas, 0.5, 0.92, 0.50, light, rng), rng)


def product(garment: Callable[[np.random.Generator], np.ndarray], seed: int) -> Callable[[], Image.Image]:
    """As a shop would show it: no vignette, hardly any grain."""

    def picture() -> Image.Image:
        rng = np.random.default_rng(seed)
        return finished(garment(rng), rng, vignette=0, grain=0.004)

    return picture


GARMENTS = "garments"  # the folder of those below, which are for another model
PICTURES = {
    "duckling": duckling_on_the_bank, "cygnet": cygnet_on_the_water, "pineapple": pineapple_on_the_table,
    f"{GARMENTS}/t-shirt": product(garments.t_shirt, 3), f"{GARMENTS}/ankle-boot": product(garments.ankle_boot, 4),
    f"{GARMENTS}/bag": product(garments.bag, 5),
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    known = {place.rsplit("/")[-1]: place for place in PICTURES}
    parser.add_argument("names", nargs="*", default=[], help=f"which to draw: {', '.join(known)} (default: all)")
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent, help="folder to write to (default: beside this script)"
    )
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(known)
    if unknown:
        parser.error(f"no picture is called {', '.join(sorted(unknown))}; choose from {', '.join(known)}")
    for name in arguments.names or known:
        path = arguments.out / f"{known[name]}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        save(PICTURES[known[name]](), path)
        print(path)


if __name__ == "__main__":
    main()
