"""How the videos of `motion` look: textured scenes, sprites that move in them, a shaky camera, and the encoder.

Lengths are parts of the frame's side and time is a part of the video, so size and number of frames only set how finely
a video is sampled. The frame is a torus: what leaves on one side enters on the other. Every known motion runs through
its cycle at constant speed from a uniformly drawn start, so a frame alone, or any set of frames without their order,
says nothing about which of the two members of a pair it is from.
"""

import io
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

Array = np.ndarray
Texture = Callable[[Array, Array, np.random.Generator], Array]


class Shot(NamedTuple):
    """What one video shows."""

    motion: str  #: a key of `MOTIONS` or `EFFECTS`
    scene: str  #: a key of `SCENES`; without meaning for an effect
    look: tuple[int, ...]  #: seed of what clips of a group share: scene instance, sprite, colours
    take: tuple[int, ...]  #: seed of what they do not: start, speed, distractors, camera


class Pose(NamedTuple):
    """Where a sprite is and how: numbers for one moment, or float [T, 1, 1]."""

    x: Array
    y: Array
    angle: Array  #: in turns, clockwise on the screen
    size: Array  #: place in the range of `RADII`, cyclic: 0 is the smallest, just below 1 the largest


RADII = (0.16, 0.36)  #: of sprites
GRAIN = 0.01  #: of the camera: standard deviation of a pixel's value, from 0 to 1
EDGE = 0.9  #: pixels over which a sprite's edge is soft


def render(shot: Shot, *, size: int, frames: int) -> Array:
    """Return the frames of a video, uint8 [T, size, size, 3]."""
    look, take = np.random.default_rng(shot.look), np.random.default_rng(shot.take)
    time = np.arange(frames, dtype=np.float32)[:, None, None] / frames  # [T, 1, 1]
    places = (np.arange(size, dtype=np.float32) + 0.5) / size
    shake_x, shake_y = _shake(take, frames, size)
    x, y = places + shake_x, places[:, None] + shake_y  # [T, 1, S], [T, S, 1]
    if shot.motion in EFFECTS:
        shades = _shades(look, look.uniform(0.3, 0.8))
        image = _paint(EFFECTS[shot.motion](x, y, time, take), shades if look.random() < 0.5 else 1 - shades)
    else:
        image = _acted(shot, x, y, time, look, take)
    image += GRAIN * take.standard_normal(image.shape[1:], dtype=np.float32)
    image = (image * 255 + 0.5).clip(0, 255).astype(np.uint8)
    return np.ascontiguousarray(np.moveaxis(image, 0, -1))


def encode(images: Array, *, rate: int) -> bytes:
    """Return frames, uint8 [T, H, W, 3], as an AVI file of MPEG-4 video, UCF-101's format; the same bytes each time."""
    import av  # data sets are listed and their classes read without it

    file = io.BytesIO()
    with av.open(file, "w", format="avi", options={"fflags": "+bitexact"}) as container:
        # A fixed fine quantiser: with a bit rate, textures of such small frames would be washed out.
        stream = container.add_stream("mpeg4", rate=rate, options={"qmin": "2", "qmax": "2", "flags": "+bitexact"})
        stream.height, stream.width = images.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    return file.getvalue()


def _acted(shot: Shot, x: Array, y: Array, time: Array, look: np.random.Generator, take: np.random.Generator) -> Array:
    """Return a scene with its distractors and its sprite in motion, float [3, T, S, S]."""
    shades = [_shades(look, 0.15), 1 - _shades(look, 0.15)]  # dark and light
    colours, ground = shades if look.random() < 0.5 else shades[::-1]
    image = _paint(SCENES[shot.scene](x, y, look), ground)
    outline = look.uniform(-1, 1, (3, 2)) * ((0.25,), (0.3,), (0.2,))  # harmonics 1 to 3
    for _ in range(take.integers(2)):
        start, drift = _draw(take, 2), take.uniform(-0.5, 0.5, (2, 1, 1, 1)).astype(np.float32)
        distractor = Pose(start[0] + drift[0] * time, start[1] + drift[1] * time, angle=0 * time, size=0 * time)
        _stamp(image, *_around(x, y, distractor), _radius(distractor.size), take.uniform(0.1, 0.9, (3, 1, 1, 1)))
    start, speed, option = _draw(take, 4), take.uniform(0.7, 1.1), int(take.integers(4))
    pose = MOTIONS[shot.motion](Pose(*start), speed * time, option)
    across, down = _around(x, y, pose)
    ahead, aside = _rotate(across, down, pose.angle)
    radius = _radius(pose.size) * _outline(ahead, aside, outline)
    front = np.clip(ahead * image.shape[-1] / EDGE + 0.5, 0, 1)  # [T, S, S]
    _stamp(image, across, down, radius, _paint(front, colours))
    return image


def _around(x: Array, y: Array, pose: Pose) -> tuple[Array, Array]:
    """Return how far places lie to the right of and below a sprite on the torus, [T, 1, S] and [T, S, 1]."""
    return (x - pose.x + 0.5) % 1 - 0.5, (y - pose.y + 0.5) % 1 - 0.5


def _rotate(across: Array, down: Array, turns: Array) -> tuple[Array, Array]:
    """Return the same places, [T, S, S] each, as a sprite sees them that is turned clockwise."""
    cosine, sine = np.cos(2 * np.pi * turns), np.sin(2 * np.pi * turns)
    return across * cosine + down * sine, down * cosine - across * sine


def _radius(size: Array) -> Array:
    return np.asarray(RADII[0] * (RADII[1] / RADII[0]) ** (size % 1))


def _outline(ahead: Array, aside: Array, harmonics: Array) -> Array:
    """Return the radius of a unit sprite in the direction of places [T, S, S], from its Fourier series."""
    direction = ahead + 1j * aside
    direction /= np.abs(direction) + 1e-6
    first, second, third = (complex(real, -imaginary) for real, imaginary in harmonics)
    # Horner's scheme of the real part of a1 d + a2 d^2 + a3 d^3
    return np.asarray(1 + (direction * (first + direction * (second + direction * third))).real)


def _stamp(image: Array, across: Array, down: Array, radius: Array, colour: Array) -> None:
    """Paint what lies within a radius of a place into images [3, T, S, S], in place."""
    inside = radius - np.sqrt(across * across + down * down)
    cover = (inside * (image.shape[-1] / EDGE) + 0.5).clip(0, 1)  # [T, S, S]
    image += cover * (colour.astype(np.float32) - image)


def _draw(generator: np.random.Generator, count: int) -> Array:
    """Draw uniform numbers from 0 to 1, float32 [count, 1, 1, 1]."""
    return generator.random((count, 1, 1, 1), dtype=np.float32)


def _paint(texture: Array, colours: Array) -> Array:
    """Colour a texture [T, S, S] of values from 0 to 1 with two colours [2, 3]: float [3, T, S, S]."""
    first, second = colours[..., None, None, None].astype(np.float32)
    return np.asarray(first + texture.astype(np.float32) * (second - first))


def _shades(generator: np.random.Generator, contrast: float) -> Array:
    """Draw two colours, float [2, 3], both dark."""
    base = generator.uniform(0.05, 0.3, 3)
    return np.stack([base, base + contrast * generator.uniform(0.4, 1, 3)])


def _shake(generator: np.random.Generator, frames: int, size: int) -> Array:
    """Draw the path of a hand-held camera, [2, T, 1, 1]: small steps around the middle."""
    steps = generator.normal(0, 0.25 / size, (2, frames, 1, 1)).cumsum(axis=1)
    return np.asarray(steps - steps.mean(axis=1, keepdims=True), dtype=np.float32)


def _wave(cycle: Array) -> Array:
    """Go up from 0 to 0.5 and down again within a cycle."""
    return np.asarray(0.5 - np.abs(cycle % 1 - 0.5))


def _sine(phase: Array) -> Array:
    return np.asarray(0.5 + 0.5 * np.sin(np.asarray(2 * np.pi * phase, dtype=np.float32)))


#: Motion -> (pose at the start, way gone [T, 1, 1], a number from 0 to 3) -> poses.
MOTIONS: Mapping[str, Callable[[Pose, Array, int], Pose]] = {
    "MoveLeft": lambda still, way, _: still._replace(x=still.x - way),
    "MoveRight": lambda still, way, _: still._replace(x=still.x + way),
    "MoveUp": lambda still, way, _: still._replace(y=still.y - way),
    "MoveDown": lambda still, way, _: still._replace(y=still.y + way),
    "TurnClockwise": lambda still, way, _: still._replace(angle=still.angle + way),
    "TurnCounterclockwise": lambda still, way, _: still._replace(angle=still.angle - way),
    "Grow": lambda still, way, _: still._replace(size=still.size + way),
    "Shrink": lambda still, way, _: still._replace(size=still.size - way),
    "Orbit": lambda still, way, option: still._replace(
        x=still.x + 0.25 * np.cos(2 * np.pi * (still.angle + way * (-1) ** option)),
        y=still.y + 0.25 * np.sin(2 * np.pi * (still.angle + way * (-1) ** option)),
    ),
    "Zigzag": lambda still, way, option: _turned(still, (-1) ** option * way, _wave(still.angle + 2.5 * way), option),
    "Bounce": lambda still, way, option: _turned(still, _wave(still.angle + 1.5 * way), 0 * way, option),
    "Diagonal": lambda still, way, option: still._replace(
        x=still.x + 0.8 * way * (-1) ** option, y=still.y + 0.8 * way * (-1) ** (option // 2)
    ),
    "Pulse": lambda still, way, _: still._replace(size=2 * _wave(still.size + 2 * way)),
    "Swing": lambda still, way, _: still._replace(angle=still.angle + _wave(still.size + 2 * way)),
}


def _turned(still: Pose, along: Array, across: Array, option: int) -> Pose:
    """Move by (along, across), or for options 2 and 3 by (across, along)."""
    first, second = (along, across) if option < 2 else (across, along)
    return still._replace(x=still.x + first, y=still.y + second)


def _clouds(x: Array, y: Array, generator: np.random.Generator) -> Array:
    waves = zip(generator.integers(1, 4, (5, 2)) * generator.choice([-1, 1], (5, 2)), generator.random(5), strict=True)
    return np.asarray(sum(_sine(across * x + down * y + start) for (across, down), start in waves)) / 5 * 1.6 - 0.3


def _bricks(x: Array, y: Array, generator: np.random.Generator) -> Array:
    rows, start = generator.integers(5, 8), generator.random(2)
    down = (rows * y + start[0]) % rows
    across = 0.5 * rows * x + start[1] + 0.5 * (np.floor(down) % 2)
    return np.asarray(((down % 1 > 0.25) & (across % 1 > 0.15)) * 1.0)


def _checker(x: Array, y: Array, generator: np.random.Generator) -> Array:
    count, start = 2 * generator.integers(2, 5), generator.random(2)
    return np.asarray((np.floor(count * x + start[0]) + np.floor(count * y + start[1])) % 2)


def _dots(x: Array, y: Array, generator: np.random.Generator) -> Array:
    count, start = generator.integers(4, 8), generator.random(2)
    across, down = (count * x + start[0]) % 1 - 0.5, (count * y + start[1]) % 1 - 0.5
    return np.asarray(np.clip(2.5 - 8 * np.hypot(across, down), 0, 1))


def _rings(x: Array, y: Array, generator: np.random.Generator) -> Array:
    centre = generator.random(2)
    return _sine(generator.uniform(5, 8) * np.hypot(x - centre[0], y - centre[1]))


def _lines(across: tuple[int, int], down: tuple[int, int]) -> Texture:
    """Return a texture of parallel lines, with so many (a range) across and down the frame."""

    def texture(x: Array, y: Array, generator: np.random.Generator) -> Array:
        phase = generator.integers(*across) * x + generator.integers(*down) * y + generator.random()
        return np.clip(2 * _sine(phase) - 0.5, 0, 1)

    return texture


#: Kinds of scenes: (x, y, generator) -> texture [T, S, S].
SCENES: Mapping[str, Texture] = {
    "bricks": _bricks,
    "checker": _checker,
    "clouds": _clouds,
    "columns": _lines((4, 8), (0, 1)),
    "diagonals": _lines((3, 6), (3, 6)),
    "dots": _dots,
    "rings": _rings,
    "stripes": _lines((0, 1), (4, 8)),
}


def _flicker(x: Array, y: Array, time: Array, generator: np.random.Generator) -> Array:
    centre, spokes = generator.uniform(0.2, 0.8, 2), generator.integers(4, 10)
    turn = np.arctan2(y - centre[1], x - centre[0]) / (2 * np.pi)
    return np.asarray(_sine(spokes * turn) * _sine(generator.uniform(2, 5) * time + generator.random()))


def _snow(x: Array, y: Array, time: Array, generator: np.random.Generator) -> Array:
    grain = generator.integers(1, 5)
    shape = (time.shape[0], *(-(-side // grain) for side in (y.shape[1], x.shape[2])))
    coarse = generator.random(shape).repeat(grain, axis=1).repeat(grain, axis=2)
    return np.asarray(coarse[:, : y.shape[1], : x.shape[2]])


def _ripple(x: Array, y: Array, time: Array, generator: np.random.Generator) -> Array:
    centre, way = generator.uniform(0.2, 0.8, 2), generator.choice([-1, 1]) * generator.uniform(1, 3)
    bend = 0.15 * np.sin(2 * np.pi * (generator.integers(1, 4) * x + generator.random()))
    return _sine(generator.uniform(2, 4) * np.hypot(x - centre[0], y - centre[1]) + bend + way * time)


def _dissolve(x: Array, y: Array, time: Array, generator: np.random.Generator) -> Array:
    first, second = ((_clouds(3 * x, 3 * y, generator) > 0.5) * 1.0 for _ in range(2))
    return np.asarray(first + (second - first) * _sine(generator.uniform(0.5, 1.5) * time + generator.random()))


#: Videos without sprite or scene: (x, y, time, generator) -> texture [T, S, S].
EFFECTS: Mapping[str, Callable[[Array, Array, Array, np.random.Generator], Array]] = {
    "Flicker": _flicker,
    "Snow": _snow,
    "Ripple": _ripple,
    "Dissolve": _dissolve,
}
