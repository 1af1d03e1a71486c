"""Draw scenes as small images with Pillow: a textured background and one to three outlined, patterned things.

Position, tilt, scale, tint and light vary, so that no two drawings of a scene are the same.
"""

import io
import math
from pathlib import Path
from random import Random

from PIL import Image, ImageDraw, ImageEnhance

from pipeline_lib.miniature import COLOURS, Scene, Thing

CANVAS_PX = 64
EDGE = (25, 25, 30)


def _turn(n: int) -> list[float]:
    return [2 * math.pi * i / n for i in range(n)]


def _curve(angles: list[float], radius=lambda angle: 1.0, shift: float = 0.0) -> list[tuple[float, float]]:
    return [(shift + radius(angle) * math.cos(angle), radius(angle) * math.sin(angle)) for angle in angles]


def _outlines() -> dict[str, list[tuple[float, float]]]:
    """Return the corners of each kind of thing, in units of its radius, y downwards."""
    rim = [math.radians(50 + 260 * i / 24) for i in range(25)]
    hollow = [math.radians(292 - 224 * i / 24) for i in range(25)]
    spikes = [(math.pi * i / 5, 1.1 if i % 2 == 0 else 0.45) for i in range(10)]
    found = {
        "ball": _curve(_turn(40)),
        "ring": _curve(_turn(40)),
        "flower": _curve(_turn(60), lambda angle: 0.75 + 0.35 * math.cos(5 * angle)),
        "moon": _curve(rim) + _curve(hollow, lambda angle: 0.75, shift=0.35),
        "star": [(radius * math.sin(angle), -radius * math.cos(angle)) for angle, radius in spikes],
        "heart": [
            (math.sin(a) ** 3, -(13 * math.cos(a) - 5 * math.cos(2 * a) - 2 * math.cos(3 * a) - math.cos(4 * a)) / 16)
            for a in _turn(40)
        ],
    }
    for line in Path(__file__).with_name("outlines.tsv").read_text().splitlines():
        kind, _, corners = line.partition("\t")
        found[kind] = [tuple(map(float, corner.split(","))) for corner in corners.split()]
    return found


OUTLINES = _outlines()
SKY_AND_GROUND = {
    "beach": ((120, 200, 240), (238, 214, 150)),
    "forest": ((40, 90, 50), (30, 60, 30)),
    "desert": ((250, 200, 140), (205, 130, 60)),
    "city": ((170, 175, 185), (90, 90, 100)),
    "meadow": ((150, 210, 250), (110, 190, 80)),
    "lake": ((190, 220, 240), (50, 110, 170)),
}


def _jitter(colour: tuple[int, int, int], rng: Random, by: int) -> tuple[int, ...]:
    return tuple(min(255, max(0, channel + rng.randint(-by, by))) for channel in colour)


def _background(setting: str, rng: Random) -> Image.Image:
    sky, ground = SKY_AND_GROUND[setting]
    image = Image.new("RGB", (CANVAS_PX, CANVAS_PX), _jitter(sky, rng, 12))
    pen = ImageDraw.Draw(image)
    horizon = rng.randint(26, 38)
    pen.rectangle((0, horizon, CANVAS_PX, CANVAS_PX), fill=_jitter(ground, rng, 12))
    if setting == "beach":
        pen.rectangle((0, horizon - 6, CANVAS_PX, horizon), fill=_jitter((40, 120, 200), rng, 12))
    elif setting == "forest":
        for x in range(rng.randint(0, 7), CANVAS_PX, 9):
            trunk = x, 0, x + rng.randint(2, 4), horizon + rng.randint(0, 10)
            pen.rectangle(trunk, fill=_jitter((80, 55, 35), rng, 10))
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
    points = [(centre[0] + x * cos - y * sin, centre[1] + x * sin + y * cos) for x, y in OUTLINES[thing.kind]]
    colour = _jitter(COLOURS[thing.colour], rng, 14)
    mask = Image.new("L", image.size)
    mask_pen = ImageDraw.Draw(mask)
    mask_pen.polygon(points, fill=255)
    hole = tuple(centre[i] + sign * 0.5 * radius for sign in (-1, 1) for i in (0, 1)) if thing.kind == "ring" else None
    if hole:
        mask_pen.ellipse(hole, fill=0)
    paint = Image.new("RGB", image.size, colour)
    if thing.pattern != "plain":
        pen = ImageDraw.Draw(paint)
        ink = (60, 60, 60) if thing.colour in ("white", "yellow", "pink") else (250, 250, 250)
        start = rng.randint(0, 3)
        for x in range(start, CANVAS_PX, 5):
            if thing.pattern == "striped":
                pen.rectangle((x, 0, x + 1, CANVAS_PX), fill=ink)
            else:
                for y in range(start, CANVAS_PX, 5):
                    pen.rectangle((x, y, x + 1, y + 1), fill=ink)
    image.paste(paint, mask=mask)
    pen = ImageDraw.Draw(image)
    pen.polygon(points, outline=EDGE)
    if hole:
        pen.ellipse(hole, outline=EDGE)


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
    """Return an RGB image of 64 × 64 pixels; `rng` decides what the scene leaves open: places, tilt, texture, light."""
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
