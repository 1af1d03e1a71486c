"""Draw scenes as small images with Pillow: a textured background and one to three outlined, patterned things.

Position, tilt, scale, tint and light vary, so that no two drawings of a scene are the same.
"""

import io
import math
from random import Random

from PIL import Image, ImageDraw, ImageEnhance

from pipeline_lib.miniature.scenes import COLOURS, Scene, Thing

CANVAS_PX = 64
OUTLINE = (25, 25, 30)


def _curve(radius, n: int = 40) -> list[tuple[float, float]]:
    angles = [2 * math.pi * i / n for i in range(n)]
    return [(radius(a) * math.cos(a), radius(a) * math.sin(a)) for a in angles]


def _star() -> list[tuple[float, float]]:
    return [
        (radius * math.sin(math.pi * i / 5), -radius * math.cos(math.pi * i / 5))
        for i, radius in ((i, 1.1 if i % 2 == 0 else 0.45) for i in range(10))
    ]


def _heart() -> list[tuple[float, float]]:
    angles = [2 * math.pi * i / 40 for i in range(40)]
    return [
        (math.sin(a) ** 3, -(13 * math.cos(a) - 5 * math.cos(2 * a) - 2 * math.cos(3 * a) - math.cos(4 * a)) / 16)
        for a in angles
    ]


def _moon() -> list[tuple[float, float]]:
    outer = [(math.cos(a), math.sin(a)) for a in (math.radians(50 + 260 * i / 24) for i in range(25))]
    inner = [
        (0.35 + 0.75 * math.cos(a), 0.75 * math.sin(a)) for a in (math.radians(292 - 224 * i / 24) for i in range(25))
    ]
    return outer + inner


# Outlines in units of a thing's radius, y downwards.
SHAPES = {
    "ball": _curve(lambda a: 1.0),
    "box": [(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
    "star": _star(),
    "heart": _heart(),
    "ring": _curve(lambda a: 1.0),
    "cross": [
        *((-0.35, -1), (0.35, -1), (0.35, -0.35), (1, -0.35), (1, 0.35), (0.35, 0.35)),
        *((0.35, 1), (-0.35, 1), (-0.35, 0.35), (-1, 0.35), (-1, -0.35), (-0.35, -0.35)),
    ],
    "moon": _moon(),
    "tree": [
        *((0, -1.1), (0.55, -0.3), (0.3, -0.3), (0.85, 0.5), (0.18, 0.5), (0.18, 1.1)),
        *((-0.18, 1.1), (-0.18, 0.5), (-0.85, 0.5), (-0.3, -0.3), (-0.55, -0.3)),
    ],
    "house": [(0, -1.1), (1.0, -0.2), (0.75, -0.2), (0.75, 1.0), (-0.75, 1.0), (-0.75, -0.2), (-1.0, -0.2)],
    "fish": [
        *((-1.1, 0), (-0.6, -0.5), (0, -0.6), (0.5, -0.15), (1.1, -0.65)),
        *((1.1, 0.65), (0.5, 0.15), (0, 0.6), (-0.6, 0.5)),
    ],
    "boat": [
        (-0.1, -1.1),
        (0.8, 0.2),
        (0, 0.2),
        (0, 0.4),
        (1.1, 0.4),
        (0.7, 1.0),
        (-0.7, 1.0),
        (-1.1, 0.4),
        (-0.1, 0.4),
    ],
    "flower": _curve(lambda a: 0.75 + 0.35 * math.cos(5 * a), 60),
}


def _jitter(colour: tuple[int, int, int], rng: Random, by: int) -> tuple[int, ...]:
    return tuple(min(255, max(0, channel + rng.randint(-by, by))) for channel in colour)


def _background(setting: str, rng: Random) -> Image.Image:
    sky, ground = {
        "beach": ((120, 200, 240), (238, 214, 150)),
        "forest": ((40, 90, 50), (30, 60, 30)),
        "desert": ((250, 200, 140), (205, 130, 60)),
        "city": ((170, 175, 185), (90, 90, 100)),
        "meadow": ((150, 210, 250), (110, 190, 80)),
        "lake": ((190, 220, 240), (50, 110, 170)),
    }[setting]
    image = Image.new("RGB", (CANVAS_PX, CANVAS_PX), _jitter(sky, rng, 12))
    pen = ImageDraw.Draw(image)
    horizon = rng.randint(26, 38)
    pen.rectangle((0, horizon, CANVAS_PX, CANVAS_PX), fill=_jitter(ground, rng, 12))
    if setting == "beach":
        pen.rectangle((0, horizon - 6, CANVAS_PX, horizon), fill=_jitter((40, 120, 200), rng, 12))
    elif setting == "forest":
        for x in range(rng.randint(0, 7), CANVAS_PX, 9):
            pen.rectangle(
                (x, 0, x + rng.randint(2, 4), horizon + rng.randint(0, 10)), fill=_jitter((80, 55, 35), rng, 10)
            )
    elif setting == "desert":
        for _ in range(3):
            x, y = rng.randint(-10, 50), rng.randint(horizon, CANVAS_PX)
            pen.arc((x, y, x + 40, y + 16), 180, 360, fill=_jitter((170, 100, 40), rng, 10), width=2)
    elif setting == "city":
        for x in range(0, CANVAS_PX, 10):
            top = rng.randint(4, horizon - 6)
            pen.rectangle((x, top, x + 8, horizon), fill=_jitter((110, 110, 125), rng, 20))
    elif setting == "meadow":
        for _ in range(14):
            x, y = rng.randint(0, CANVAS_PX), rng.randint(horizon, CANVAS_PX)
            pen.line((x, y, x + 1, y - 4), fill=_jitter((50, 130, 40), rng, 15))
    elif setting == "lake":
        for _ in range(8):
            x, y = rng.randint(0, CANVAS_PX), rng.randint(horizon, CANVAS_PX)
            pen.line((x, y, x + rng.randint(6, 14), y), fill=_jitter((140, 190, 230), rng, 15))
    return image


def _draw_thing(image: Image.Image, thing: Thing, centre: tuple[float, float], radius: float, rng: Random) -> None:
    tilt = math.radians(rng.uniform(-12, 12))
    cos, sin = radius * math.cos(tilt), radius * math.sin(tilt)
    points = [(centre[0] + x * cos - y * sin, centre[1] + x * sin + y * cos) for x, y in SHAPES[thing.kind]]
    colour = _jitter(COLOURS[thing.colour], rng, 14)
    mask = Image.new("L", image.size)
    mask_pen = ImageDraw.Draw(mask)
    mask_pen.polygon(points, fill=255)
    hole = tuple(centre[i] + sign * 0.5 * radius for sign in (-1, 1) for i in (0, 1)) if thing.kind == "ring" else None
    if hole:
        mask_pen.ellipse(hole, fill=0)
    if thing.pattern != "plain":
        paint = Image.new("RGB", image.size, colour)
        paint_pen = ImageDraw.Draw(paint)
        ink = (60, 60, 60) if thing.colour in ("white", "yellow", "pink") else (250, 250, 250)
        start = rng.randint(0, 3)
        if thing.pattern == "striped":
            for x in range(start, CANVAS_PX, 5):
                paint_pen.rectangle((x, 0, x + 1, CANVAS_PX), fill=ink)
        else:
            for x in range(start, CANVAS_PX, 5):
                for y in range(start, CANVAS_PX, 5):
                    paint_pen.rectangle((x, y, x + 1, y + 1), fill=ink)
        image.paste(paint, mask=mask)
    else:
        image.paste(colour, mask=mask)
    pen = ImageDraw.Draw(image)
    pen.polygon(points, outline=OUTLINE)
    if hole:
        pen.ellipse(hole, outline=OUTLINE)


def _places(scene: Scene, rng: Random) -> list[tuple[float, float]]:
    """Return a centre for each thing, in pixels."""
    middle = CANVAS_PX / 2
    if scene.arrangement == "single":
        return [(middle + rng.uniform(-8, 8), middle + rng.uniform(-8, 8))]
    if scene.arrangement == "pair":
        across, down = rng.uniform(-3, 3), rng.uniform(14, 17)
        if scene.relation == "next to":
            side = rng.choice((-1, 1))
            return [(middle - side * down, middle + across), (middle + side * down, middle - across)]
        if scene.relation in ("above", "below"):
            sign = -1 if scene.relation == "above" else 1
            return [(middle + across, middle + sign * down), (middle - across, middle - sign * down)]
        # In front of or behind: they overlap, and the nearer one stands lower.
        sign = 1 if scene.relation == "in front of" else -1
        return [(middle + across - sign * 4, middle + sign * 6), (middle - across + sign * 4, middle - sign * 6)]
    if len(scene.things) == 2:
        slope = rng.uniform(-12, 12)
        return [(middle - 15, middle - slope), (middle + 15, middle + slope)]
    return [(middle + offset + rng.uniform(-2, 2), middle + rng.uniform(-13, 13)) for offset in (-20, 0, 20)]


def draw(scene: Scene, rng: Random) -> Image.Image:
    """Draw a scene.

    Parameters
    ----------
    scene : Scene
        What to show.
    rng : Random
        Decides what the scene leaves open: places, tilt, tint, texture and light.

    Returns
    -------
    PIL.Image.Image
        RGB, 64 × 64 pixels.
    """
    image = _background(scene.setting, rng)
    room = {"small": 12, "large": 21} if scene.arrangement == "single" else {"small": 9, "large": 13.5}
    if len(scene.things) == 3:
        room = {"small": 7.5, "large": 10}
    placed = list(zip(scene.things, _places(scene, rng), strict=True))
    if scene.relation == "in front of":
        placed.reverse()  # what is in front is drawn last
    for thing, centre in placed:
        _draw_thing(image, thing, centre, room[thing.size] * rng.uniform(0.92, 1.08), rng)
    return ImageEnhance.Brightness(image).enhance(rng.uniform(0.75, 1.1))


def jpeg(image: Image.Image) -> bytes:
    """Return the image as JPEG bytes, quality 92."""
    content = io.BytesIO()
    image.save(content, "JPEG", quality=92)
    return content.getvalue()
