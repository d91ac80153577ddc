"""One picture file becomes pixels, as a viewer would show it. Knows Pillow and sizes; no folder and no archive."""

from __future__ import annotations

import io
import math
import os
import stat
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from functools import cache, reduce
from typing import Any

import numpy as np
from PIL import Image, ImageOps, JpegImagePlugin, TiffImagePlugin, UnidentifiedImageError

from autoencode.data import formats
from autoencode.data.budget import content_bytes, decoded_bytes
from autoencode.data.scaling import Extent, Scale, add_extent, kind_of, measure_extent
from autoencode.errors import AutoencodeError, reason
from autoencode.system.memmap import check_npy

# Of one picture: 67 million, 268 MB as Pillow keeps RGB; more is taken for a decompression bomb.
MAX_PIXELS = 2**26
SMALL = 2**22  # bytes of a file, or of a picture, up to which none are held for it
EARLY_DECODERS = ("PNG", "GIF", "BMP", "PPM")
STRIP = 2**20  # pixels that are converted at a time
MAX_BYTES = 2**28  # of one file
# Of a progressive JPEG, whose coefficients are decoded before it is made smaller.
MAX_PROGRESSIVE_PIXELS = 2**28
TRANSPARENT = ("RGBA", "LA", "PA", "La", "RGBa")
GREY = ("1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N", "F")
SIDEWAYS = (5, 6, 7, 8)  # EXIF orientations that swap width and height
CHANNELS = (1, 3, 4)  # that an image may have, unless `bands` says which to take
OPAQUE_SHARE = 0.5  # of the values of alpha, which are 0 or the largest
TOLERANCE = 8  # levels by which the channels of a grey picture may differ after JPEG
NOT_REGULAR = "it is a pipe, a socket or a device"
NPY_MAGIC = b"\x93NUMPY"
# What Pillow calls big-endian values of a TIFF, and the same in the byte order of this machine.
NATIVE_MODES = {
    "I;16BS": "I;16NS",
    "I;32B": "I;32N",
    "I;32BS": "I;32NS",
    "F;32BF": "F;32NF",
    "F;64BF": "F;64NF",
}
# Kinds of TIFF that Pillow can unpack and does not list: byte order, photometric, sample format,
# fill order, bits and extra samples.
MORE_TIFF = {
    (b"II", 1, (3,), 1, (64,), ()): ("F", "F;64F"),
    (b"MM", 1, (3,), 1, (64,), ()): ("F", "F;64BF"),
    (b"MM", 1, (1,), 1, (32,), ()): ("I", "I;32B"),
    (b"MM", 0, (1,), 1, (16,), ()): ("I;16B", "I;16B"),
}
JPEG_MAGIC = b"\xff\xd8\xff"
PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
# What begins a picture within an icon, and where its two sides stand after that: PNG, and JPEG 2000 as file and stream.
EMBEDDED = {PNG_MAGIC: 16, b"ihdr": 4, b"\xff\x4f\xff\x51": 8}
REDUCED = 1  # bit of the TIFF tag NewSubfileType: a smaller copy of another page

# Pieces of this size go back to the system as soon as a picture is done with; of smaller ones, each thread keeps its own.
Image.core.set_block_size(2**26)


class Unreadable(AutoencodeError):
    """A picture that cannot be read; its text is the reason alone."""


@dataclass(frozen=True)
class Plan:
    """What every picture becomes: `height` x `width` pixels with `channels` (1 grey, 3 RGB), fitted as `fit` says.

    "pad" keeps the whole picture and fills up with black, "crop" fills the frame and cuts off what stands out,
    "stretch" changes the proportions. `scale` says which values become black and white, `bands` which channels are taken,
    `transpose` swaps rows and columns first. A picture of more than `max_pixels` is refused, unless it can be decoded
    straight to a smaller size.
    """

    height: int
    width: int
    channels: int
    fit: str = "pad"
    scale: Scale = field(default_factory=Scale)
    bands: tuple[int, ...] | None = None
    transpose: bool = False
    max_pixels: int = MAX_PIXELS

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels."""
        return self.height, self.width, self.channels


@dataclass
class Tally:
    """What was noticed while pictures were decoded: how many values there were, and how many a range cut.

    `missing` are the values that are NaN or infinite.
    """

    values: int = 0
    cut: int = 0
    missing: int = 0
    kinds: set[str] = field(default_factory=set)

    def add(self, kind: str, values: int, cut: int) -> None:
        """Count `values` of `kind`, of which `cut` lay outside the range."""
        self.values += values
        self.cut += cut
        self.kinds.add(kind)

    def add_array(self, values: np.ndarray, cut: int) -> None:
        """Count `values`, of which `cut` lay outside the range or are not finite."""
        missing = 0
        if cut and values.dtype.kind == "f":
            missing = values.size - int(np.count_nonzero(np.isfinite(values)))
        self.missing += missing
        self.add(kind_of(values.dtype), values.size, cut - missing)

    def join(self, other: Tally) -> None:
        """Add what another thread noticed."""
        self.values += other.values
        self.cut += other.cut
        self.missing += other.missing
        self.kinds |= other.kinds


def decode(file: Any, plan: Plan, tally: Tally | None = None) -> np.ndarray:
    """Return the picture in `file` as uint8 (H, W, C) of `plan`; raise `Unreadable` with the reason.

    `file` is a path (str), the content (bytes), a PIL image or an array. EXIF rotation is applied, transparency laid on
    white, other depths than 8 bits are scaled as the plan says, of an animation the first frame is taken.
    """
    return next(decode_frames(file, (0,), plan, tally))


def decode_frames(
    file: Any, frames: Sequence[int], plan: Plan, tally: Tally | None = None
) -> Iterator[np.ndarray | Unreadable]:
    """Give the pictures of `file` at ascending `frames`, counted from 0, each as `decode` does.

    For a page that cannot be read among others of a TIFF, the reason is given in its place.
    """
    tally = Tally() if tally is None else tally
    with opened(file, plan.max_pixels) as picture:
        if isinstance(picture, np.ndarray):
            for frame in frames:
                yield fit_array(_frame_of(picture, frame, plan.bands), plan, tally)
            return
        for frame in frames:
            try:
                _seek(picture, frame, plan)
                image = _decode_one(picture, plan, tally, is_last=frame == frames[-1])
            except Exception as error:
                if not _has_more_pages(picture, frames):
                    raise
                image = _as_unreadable(error)
            yield image


def _has_more_pages(picture: Image.Image, frames: Sequence[int]) -> bool:
    """Whether `frames` are several pages, each of which is read by itself: frames of animations build on one another."""
    return picture.format == "TIFF" and len(frames) > 1


def _as_unreadable(error: Exception) -> Unreadable:
    """What Pillow raises on broken and hostile files, as the reason why they cannot be read."""
    if isinstance(error, Unreadable):
        return error
    if isinstance(error, UnidentifiedImageError):
        return Unreadable("it is not a picture of a known format")
    if isinstance(error, Image.DecompressionBombError):
        return Unreadable(f"it holds more than {MAX_PIXELS:,} pixels")
    # Decoders raise almost anything: OSError, SyntaxError, struct.error, MemoryError.
    words = reason(error)
    return Unreadable(f"it is damaged ({words})" if words.startswith("decoder error") else words)


def _seek(picture: Image.Image, frame: int, plan: Plan) -> None:
    """Go to a page or frame, counted from 0; raise `Unreadable` where it has too many pixels."""
    if frame:
        picture.seek(frame)
        _check_pixels(picture, plan.max_pixels)
    if picture.format == "TIFF":
        picture.tile = [_in_native_order(tile) for tile in picture.tile]


def _in_native_order(tile: Any) -> Any:
    """Correct what Pillow says of packed values in a big-endian TIFF.

    libtiff unpacks them into the byte order of this machine; Pillow knows so of unsigned 16 bits alone.
    """
    if tile.codec_name != "libtiff":
        return tile
    mode, *others = tile.args
    return tile._replace(args=(NATIVE_MODES.get(mode, mode), *others))


def _decode_one(picture: Image.Image, plan: Plan, tally: Tally, *, is_last: bool) -> np.ndarray:
    orientation = _orientation(picture)
    is_sideways = (orientation in SIDEWAYS) != plan.transpose
    frame = (plan.height, plan.width) if is_sideways else (plan.width, plan.height)
    inner = _inner_size(picture.size, frame, plan.fit)
    full_pixels = math.prod(picture.size)
    if plan.bands is None:
        # JPEG alone: decodes straight to a smaller picture.
        picture.draft("L" if plan.channels == 1 else "RGB", inner)

    with _held_for(picture, full_pixels):
        if orientation != 1:
            picture = ImageOps.exif_transpose(picture)
        plain = make_plain(picture, plan.scale, tally, plan.bands, keep=not is_last)
        if plan.transpose:
            plain = plain.transpose(Image.Transpose.TRANSPOSE)
        return fit(plain, plan)


def _held_for(picture: Image.Image, full_pixels: int) -> Any:
    """A context in which the bytes that decoding takes are held; small pictures need no room of their own."""
    cost = _decoding_cost(picture, full_pixels)
    return nullcontext() if cost <= SMALL else decoded_bytes.hold(cost)


def fit(picture: Image.Image, plan: Plan) -> np.ndarray:
    """Return `picture`, mode L or RGB, its bands taken, as uint8 (H, W, C) of `plan`."""
    mode = "L" if plan.channels == 1 else "RGB"
    picture = picture if picture.mode == mode else picture.convert(mode)
    frame = plan.width, plan.height
    inner = _inner_size(picture.size, frame, plan.fit)
    if math.prod(inner) > MAX_PIXELS:
        raise Unreadable(
            f"at {inner[0]:,} x {inner[1]:,} pixels, which {plan.fit} makes of it, it would fill memory"
        )
    if picture.size != inner:
        picture = picture.resize(inner, Image.Resampling.LANCZOS)
    if inner != frame:
        left = (frame[0] - inner[0]) // 2  # negative where "crop" cuts off
        top = (frame[1] - inner[1]) // 2
        page = Image.new(mode, frame)
        page.paste(picture, (left, top))
        picture = page
    # Twice as fast as asarray.
    return np.frombuffer(picture.tobytes(), np.uint8).reshape(plan.shape)


def fit_array(values: np.ndarray, plan: Plan, tally: Tally) -> np.ndarray:
    """Return one image, (H, W) or (H, W, C) of any numeric dtype, as uint8 (H, W, C) of `plan`."""
    values = values if values.ndim == 3 else values[..., np.newaxis]
    pixels = array_to_pixels(values[np.newaxis], plan, tally)[0]
    return pixels if pixels.shape == plan.shape else fit(picture_of(pixels), plan)


def array_to_pixels(values: np.ndarray, plan: Plan, tally: Tally) -> np.ndarray:
    """Return images (N, H, W, C) of any numeric dtype as uint8 (N, H, W, C) with C 1 or 3, in their own size.

    Of four channels the last is alpha, and the rest is laid on white; `plan.bands` takes others instead.
    """
    if plan.bands is not None:
        values = values[..., list(plan.bands)]
    alpha = values[..., 3:] if values.shape[3] == 4 else None
    colours = values[..., :3] if alpha is not None else values

    pixels, cut = plan.scale.to_pixels(colours)
    tally.add_array(colours, cut)
    if alpha is not None:
        pixels = lay_on_white(pixels, alpha)
    return pixels.swapaxes(1, 2) if plan.transpose else pixels


def lay_on_white(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Return uint8 (N, H, W, 3) seen through `alpha`, (N, H, W, 1), on a white page.

    Alpha may have any numeric dtype. Its largest value is that of the type, 1 in floats.

    >>> lay_on_white(np.zeros((1, 1, 1, 3), "uint8"), np.zeros((1, 1, 1, 1), "uint8")).tolist()
    [[[[255, 255, 255]]]]
    """
    share = np.clip(alpha.astype(np.float32) / _opaque(alpha.dtype), 0, 1)
    return np.round(255 + (pixels - np.float32(255)) * share).astype(np.uint8)


def _opaque(dtype: np.dtype) -> float:
    """The value of alpha that hides the page: the largest of the type, 1 in floats."""
    return 1.0 if dtype.kind in "fb" else float(np.iinfo(dtype).max)


def alpha_share(image: np.ndarray) -> float:
    """Return the share of values in the last of four channels, (..., 4), of 0 or the largest."""
    alpha = image[..., 3]
    return float(np.mean((alpha == 0) | (alpha == _opaque(alpha.dtype))))


def is_alpha(image: np.ndarray) -> bool:
    """Return whether the last of four channels, (..., 4), is alpha: half is 0 or the largest."""
    return alpha_share(image) >= OPAQUE_SHARE


def picture_of(pixels: np.ndarray) -> Image.Image:
    """Return uint8 (H, W, C) with C 1 or 3 as a PIL image."""
    return Image.fromarray(np.ascontiguousarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels))


def _take_bands(picture: Image.Image, bands: tuple[int, ...]) -> Image.Image:
    """The channels `bands` of a picture of 8 bits, as its file holds them: alpha is the last."""
    if picture.mode in ("La", "RGBa"):
        picture = picture.convert({"La": "LA", "RGBa": "RGBA"}[picture.mode])
    elif picture.mode not in ("L", "LA", "RGB", "RGBA"):
        is_transparent = picture.mode == "PA" or "transparency" in picture.info
        picture = picture.convert("RGBA" if is_transparent else "RGB")
    channels = picture.split()
    _check_bands(bands, len(channels))
    taken = [channels[band] for band in bands]
    return taken[0] if len(taken) == 1 else Image.merge("RGB", taken)


def _check_bands(bands: tuple[int, ...], count: int) -> None:
    if max(bands) >= count:
        held = "1 channel" if count == 1 else f"{count} channels"
        asked = f"`bands` asks for channel {max(bands)}, counted from 0"
        raise Unreadable(f"it has {held}, and {asked}")


@dataclass(frozen=True)
class Probe:
    """What a look at one picture shows: its size as a viewer shows it, whether it is grey, the extent of its values.

    `kind` is what the values are stored as; `extent` is that of a smaller copy for 8-bit colour.
    """

    width: int
    height: int
    grey: bool
    kind: str
    extent: Extent


def probe(file: Any, frame: int = 0, plan: Plan = Plan(1, 1, 1)) -> Probe:
    """Look at a picture; raise `Unreadable` with the reason. Of `plan`, the size and the scale are not used."""
    with opened(file, plan.max_pixels) as picture:
        if isinstance(picture, np.ndarray):
            return probe_array(_frame_of(picture, frame, plan.bands), plan)
        _seek(picture, frame, plan)
        width, height = picture.size
        if (_orientation(picture) in SIDEWAYS) != plan.transpose:
            width, height = height, width
        mode = picture.mode
        full_pixels = math.prod(picture.size)
        picture.draft(None, (64, 64))
        with _held_for(picture, full_pixels):
            values = stored_values(picture)
            if values is not None:
                return Probe(width, height, True, kind_of(values.dtype), measure_extent(values))
            plain = make_plain(picture, Scale(), Tally(), plan.bands)
            plain.thumbnail((64, 64), Image.Resampling.BOX)
            pixels = np.asarray(plain)
        grey = mode in GREY or pixels.ndim == 2 or is_grey(pixels)
        kind = "bool" if mode == "1" else "uint8"
        return Probe(width, height, grey, kind, measure_extent(pixels))


def probe_array(values: np.ndarray, plan: Plan) -> Probe:
    """Look at one image, (H, W) or (H, W, C) of any numeric dtype."""
    values = values if values.ndim == 3 else values[..., np.newaxis]
    if plan.bands is not None:
        values = values[..., list(plan.bands)]
    height, width = values.shape[:2]
    if plan.transpose:
        height, width = width, height
    colours = values[..., :3]
    channels = [colours[..., channel] for channel in range(colours.shape[2])]
    grey = len(channels) == 1 or (
        is_grey(colours) if values.dtype == np.uint8 else _are_same(channels)
    )
    return Probe(width, height, grey, kind_of(values.dtype), measure_extent(colours))


def _are_same(channels: list[np.ndarray]) -> bool:
    return all(np.array_equal(channels[0], channel) for channel in channels[1:])


def read_extent(
    file: Any, frames: Sequence[int], plan: Plan, *, skips_uint8: bool = False
) -> dict[str, Extent]:
    """Return the extent of all values of a picture by the kind they are stored as; of one that cannot be read, nothing.

    With `skips_uint8`, pictures of 8 bits are not decoded.
    """
    extents: dict[str, Extent] = {}
    for kind, values in _read_values(file, frames, plan, skips_uint8=skips_uint8):
        add_extent(extents, kind, _extent_of(values))
    return extents


def _extent_of(values: np.ndarray | Image.Image) -> Extent:
    if isinstance(values, np.ndarray):
        return measure_extent(values)
    extrema = np.array(values.getextrema())  # without a copy
    return Extent(float(extrema.min()), float(extrema.max()))


def read_sample(file: Any, frames: Sequence[int], plan: Plan, count: int) -> dict[str, np.ndarray]:
    """Return up to `count` finite values of each frame of a picture, evenly drawn, by the kind they are stored as."""
    samples: dict[str, list[np.ndarray]] = {}
    for kind, values in _read_values(file, frames, plan):
        flat = np.asarray(values).reshape(-1)
        drawn = flat[:: max(1, len(flat) // count)]
        samples.setdefault(kind, []).append(drawn[np.isfinite(drawn)])
    return {kind: np.concatenate(drawn) for kind, drawn in samples.items()}


def _read_values(
    file: Any, frames: Sequence[int], plan: Plan, *, skips_uint8: bool = False
) -> Iterator[tuple[str, np.ndarray | Image.Image]]:
    """The values of each frame as they are stored, or, of 8 bits, as a plain picture."""
    with suppress(Unreadable), opened(file, plan.max_pixels) as picture:
        for frame in frames:
            if isinstance(picture, np.ndarray):
                values = _frame_of(picture, frame, plan.bands)
                values = (
                    values[..., list(plan.bands)]
                    if plan.bands is not None and values.ndim == 3
                    else values
                )
                yield kind_of(values.dtype), values[..., :3] if values.ndim == 3 else values
                continue
            try:
                _seek(picture, frame, plan)
                if skips_uint8 and not _is_deep(picture):
                    continue
                with _held_for(picture, math.prod(picture.size)):
                    values = stored_values(picture)
                    if values is not None:
                        yield kind_of(values.dtype), values
                        continue
                    kind = "bool" if picture.mode == "1" else "uint8"
                    yield (
                        kind,
                        make_plain(picture, Scale(), Tally(), plan.bands, keep=len(frames) > 1),
                    )
            except Exception:
                if not _has_more_pages(picture, frames):
                    raise


def is_grey(pixels: np.ndarray) -> bool:
    """Whether the channels of uint8 (H, W, C) differ by no more than JPEG makes them."""
    channels = [pixels[..., channel] for channel in range(pixels.shape[2])]
    # Ten times faster than along the last axis.
    spread = reduce(np.maximum, channels) - reduce(np.minimum, channels)
    return int(spread.max()) <= TOLERANCE


def count_frames(file: Any, bands: tuple[int, ...] | None = None) -> tuple[list[int], int]:
    """Return the indices of the images of `file`, and how many more pages are but smaller copies of another.

    With `bands`, an array of three axes is one image of any number of channels. Raises `Unreadable`
    where the file cannot be opened.
    """
    with opened(file, MAX_PIXELS, check=False) as picture:
        if isinstance(picture, np.ndarray):
            array = channels_last(picture, bands)
            return list(range(1 if _is_one(array, bands) else len(array))), 0
        count = getattr(picture, "n_frames", 1)
        if picture.format != "TIFF" or count == 1:
            return list(range(count)), 0
        frames = []
        for frame in range(count):
            picture.seek(frame)
            if not int(picture.tag_v2.get(254, 0)) & REDUCED:
                frames.append(frame)
        return frames, count - len(frames)


@contextmanager
def opened(file: Any, max_pixels: int, *, check: bool = True) -> Iterator[Image.Image | np.ndarray]:
    """Open a picture, and turn whatever Pillow raises on broken and hostile files into `Unreadable`.

    An .npy file, and an array, is given as an array.
    """
    held = 0
    try:  # in one function: each one more costs 1 % of decoding a small picture
        if isinstance(file, np.ndarray):
            yield file
            return
        if isinstance(file, Image.Image):
            yield file.copy()
            return
        if isinstance(file, str):
            content, held = _read_file(file)
        else:
            _check_bytes(len(file))
            content = io.BytesIO(file)

        picture = _open_content(content)
        if isinstance(picture, np.ndarray):
            yield picture
            return
        with picture:
            if check:
                _check_pixels(picture, max_pixels)
            yield picture
    except Unreadable:
        raise
    except Exception as error:
        raise _as_unreadable(error) from error
    finally:
        if held:
            content_bytes.release(held)


def _open_at_once(path: str, flags: int) -> int:
    """Open a file, and a pipe without waiting for whoever writes into it."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _read_file(path: str) -> tuple[Any, int]:
    """The content of a file, or of a large stack of pages the open file itself, and the bytes that are held for it."""
    # A buffer costs a tenth of decoding.
    with open(path, "rb", buffering=0, opener=_open_at_once) as handle:
        status = os.fstat(handle.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise Unreadable(NOT_REGULAR)
        size = status.st_size
        if size > MAX_BYTES // 4 and formats.ending_of(path) in formats.STACKS:
            return open(path, "rb"), 0
        _check_bytes(size)
        if size <= SMALL:
            return io.BytesIO(handle.read()), 0
        content_bytes.acquire(size)
        try:
            return io.BytesIO(handle.read()), size
        except BaseException:
            content_bytes.release(size)
            raise


def _open_content(content: Any) -> Image.Image | np.ndarray:
    prefix = content.read(16)
    if prefix.startswith(NPY_MAGIC):
        content.seek(0)
        return _load_npy(content, content.getbuffer().nbytes)
    return _open_picture(content, prefix)


def _load_npy(file: io.BytesIO, size: int) -> np.ndarray:
    check_npy(file, size)
    array = np.load(file, allow_pickle=False)
    if array.dtype.kind not in "buif" or array.ndim not in (2, 3, 4) or 0 in array.shape:
        raise Unreadable(
            f"expected an image (H, W) or (H, W, C), or several, received {array.dtype} {array.shape}"
        )
    return array


def channels_last(array: np.ndarray, bands: tuple[int, ...] | None = None) -> np.ndarray:
    """Return an image, or several, with its channels in the last axis.

    They are 1, 3 or 4, or with `bands` any number.
    """
    if array.ndim < 3 or array.shape[-1] in CHANNELS:
        return array
    count, *size = array.shape[-3:]
    is_first = count in CHANNELS or (bands is not None and count < min(size))
    return np.moveaxis(array, -3, -1) if is_first else array


def _is_one(array: np.ndarray, bands: tuple[int, ...] | None) -> bool:
    """Whether an array is one image: (H, W), or (H, W, C) with C 1, 3, 4, or any with `bands`."""
    if array.ndim == 3:
        return bands is not None or array.shape[2] in CHANNELS
    return array.ndim == 2


def _frame_of(array: np.ndarray, frame: int, bands: tuple[int, ...] | None) -> np.ndarray:
    """The image (H, W) or (H, W, C) at `frame`; raise `Unreadable` where it has other channels."""
    array = channels_last(array, bands)
    image = array if _is_one(array, bands) else array[frame]
    count = image.shape[2] if image.ndim == 3 else 1
    if bands is not None:
        _check_bands(bands, count)
    elif count not in CHANNELS:
        raise Unreadable(f"expected 1, 3 or 4 channels, received {count}: choose some with `bands`")
    elif count == 4 and not is_alpha(image):
        raise Unreadable(
            "its fourth channel is no alpha channel (most of its values are neither 0 nor the "
            "largest of their type): choose three channels with `bands=0,1,2`, or one"
        )
    return image


@cache
def _decoders() -> tuple[str, ...]:
    """The decoders of `formats.DECODERS` that are installed."""
    Image.init()
    for kind, modes in MORE_TIFF.items():
        TiffImagePlugin.OPEN_INFO.setdefault(kind, modes)
    with suppress(ImportError):
        import pillow_heif

        pillow_heif.register_heif_opener()
    return tuple(name for name in formats.DECODERS if name in Image.OPEN)


def _open_picture(file: Any, prefix: bytes) -> Image.Image:
    """Open by one of the decoders on the list, and by no other; `prefix` are the first bytes.

    Image.open would refuse a picture by its full size, although a JPEG can be decoded straight to a smaller one.
    """
    file.seek(0)
    if prefix.startswith(JPEG_MAGIC):  # of several pictures in one, as phones write them, the first
        return JpegImagePlugin.JpegImageFile(file)

    Image.preinit()  # five decoders, where all of them take 50 ms to import
    for names in (EARLY_DECODERS, _decoders):
        for name in names if isinstance(names, tuple) else names():
            factory, accept = Image.OPEN[name]
            file.seek(0)
            try:
                accepted = not accept or accept(prefix)
                if accepted is not True:  # a decoder that lacks a library says so in words
                    continue
                if name in ("ICO", "CUR", "ICNS"):
                    _check_embedded(file)
                    file.seek(0)
                return factory(file, "")
            except (SyntaxError, IndexError, TypeError, KeyError, EOFError, struct.error):
                continue
    raise Unreadable(_why_unknown(file, prefix))


def _why_unknown(file: Any, prefix: bytes) -> str:
    """Why no decoder takes a file that begins with `prefix`."""
    ending = formats.sniff_ending(prefix)
    if ending == ".tif":
        with suppress(Exception):  # a damaged directory of tags raises almost anything
            return _describe_tiff(file)
    if ending and ending in formats.PICTURES:
        return f"it is damaged: it begins as a {ending} file, and no decoder takes it"
    return "it is not a picture of a known format"


def _describe_tiff(file: Any) -> str:
    """What the values of a TIFF are, in words."""
    file.seek(0)
    tags = TiffImagePlugin.ImageFileDirectory_v2(file.read(8))
    file.seek(tags.next)
    tags.load(file)
    bits = _first(tags[258])
    kinds = {1: "unsigned", 2: "signed", 3: "floating-point", 5: "complex", 6: "complex"}
    kind = kinds.get(_first(tags.get(339, 1)), "undefined")
    channels = tags.get(277, 1)
    return (
        f"it is a TIFF of {channels} {'channel' if channels == 1 else 'channels'} of {bits}-bit {kind} values in a form "
        "that is not read: save them with np.save('picture.npy', tifffile.imread('picture.tif'))"
    )


def _check_embedded(file: Any) -> None:
    """Raise `Unreadable` where an icon holds a picture larger than its directory says, which is decoded all the same."""
    content = file.read()
    for magic, offset in EMBEDDED.items():
        place = content.find(magic)
        while place >= 0:
            first = place + offset
            sides = struct.unpack(">II", content[first : first + 8].ljust(8, b"\0"))
            _check_size(*sides, MAX_PIXELS // 16)
            place = content.find(magic, place + len(magic))

    for entry in range(6, 6 + 16 * min(int.from_bytes(content[4:6], "little"), 256), 16):
        offset = int.from_bytes(content[entry + 12 : entry + 16], "little")
        header = content[offset : offset + 12]
        if len(header) == 12 and header[:4] == b"\x28\0\0\0":  # of a bitmap
            width, height = struct.unpack("<ii", header[4:])
            _check_size(abs(width), abs(height), MAX_PIXELS // 16)


def _check_size(width: int, height: int, most: int) -> None:
    if width * height > most:
        raise Unreadable(
            f"it holds a picture of {width:,} x {height:,} pixels, more than an icon's {most:,}"
        )


def _check_pixels(picture: Image.Image, max_pixels: int) -> None:
    """Raise `Unreadable` where a picture is too large to be decoded; a JPEG is decoded straight to a smaller one."""
    pixels = math.prod(picture.size)
    if picture.format == "JPEG":
        is_progressive = bool(picture.info.get("progressive"))
        max_pixels = max(max_pixels, MAX_PROGRESSIVE_PIXELS if is_progressive else 2**32)
    if pixels > max_pixels:
        raise Unreadable(
            f"it holds {pixels:,} pixels, more than {max_pixels:,}: make it smaller, or allow it with "
            f"`max_pixels={pixels}`"
        )


def _decoding_cost(picture: Image.Image, full_pixels: int) -> int:
    """The bytes that decoding and converting take at the most: twice what Pillow keeps of the picture.

    A progressive JPEG has all coefficients of its `full_pixels` in memory as well, of two bytes.
    """
    size = 1 if picture.mode in ("1", "L", "P") else 4
    cost = 2 * size * math.prod(picture.size)
    is_progressive = picture.format == "JPEG" and picture.info.get("progressive")
    return cost + 3 * full_pixels if is_progressive else cost


def _orientation(picture: Image.Image) -> int:
    # Asking a picture without EXIF for it costs a tenth of decoding it; PNG may hold it at its end.
    if picture.format == "JPEG" and "exif" not in picture.info:
        return 1
    # Pillow turns a TIFF itself when it loads it, and tells the size that it has then.
    if picture.format == "TIFF":
        return 1
    return picture.getexif().get(0x0112, 1)


def _check_bytes(size: int) -> None:
    if size == 0:
        raise Unreadable("the file is empty")
    if size > MAX_BYTES:
        raise Unreadable(f"the file holds {size:,} bytes, more than {MAX_BYTES:,}")


def stored_values(picture: Image.Image) -> np.ndarray | None:
    """Return the values of a picture, (H, W), as they are stored; None of unsigned 8 bits."""
    if not _is_deep(picture):
        return None
    values = np.asarray(picture)
    if picture.mode == "L":
        return values.view(np.int8)
    if picture.format == "FITS" and values.dtype.itemsize == 2:
        return values.astype(np.uint16, copy=False).view(np.int16)
    if picture.mode.startswith("I;16"):
        values = values.astype(np.uint16, copy=False)
        # Pillow inverts 8 bits alone.
        is_negative = picture.format == "TIFF" and picture.tag_v2.get(262) == 0
        return ~values if is_negative else values
    if picture.mode == "I":
        return values.astype(_integer_dtype(picture), copy=False)
    return values


def _is_deep(picture: Image.Image) -> bool:
    """Whether values have another depth than unsigned 8 bits."""
    is_signed_bytes = picture.mode == "L" and _is_signed(picture)
    return picture.mode.startswith("I") or picture.mode == "F" or is_signed_bytes


def _integer_dtype(picture: Image.Image) -> str:
    """What a picture that Pillow keeps as 32-bit integers holds in its file."""
    if picture.format in ("PNG", "PPM"):  # of 16 bits
        return "uint16"
    if picture.format != "TIFF":
        return "int32"
    if _first(picture.tag_v2.get(258, 32)) == 16:
        return "int16" if _is_signed(picture) else "uint16"
    return "int32" if _is_signed(picture) else "uint32"


def _is_signed(picture: Image.Image) -> bool:
    """Whether a TIFF says that its integers have a sign; without a word they have none."""
    return picture.format == "TIFF" and _first(picture.tag_v2.get(339, 1)) == 2


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, tuple) else value


def make_plain(
    picture: Image.Image,
    scale: Scale,
    tally: Tally,
    bands: tuple[int, ...] | None = None,
    *,
    keep: bool = False,
) -> Image.Image:
    """Return `picture` as 8-bit L or RGB, its values scaled, transparency laid on white.

    With `bands`, these channels of it are returned. It may be closed by that, unless `keep`. Raises
    `Unreadable` where it has no such channels.
    """
    values = stored_values(picture)
    if bands is not None and (values is not None or picture.mode == "1"):
        _check_bands(bands, 1)
    if values is not None:
        pixels, cut = scale.to_pixels(values)
        tally.add_array(values, cut)
        return Image.fromarray(pixels)

    if picture.mode == "1":
        tally.add("bool", math.prod(picture.size), 0)
        return picture.convert("L")
    if bands is not None:
        plain = _take_bands(picture, bands)
    elif picture.mode in TRANSPARENT or "transparency" in picture.info:
        plain = _on_white(picture, keep=keep)
    else:
        plain = picture if picture.mode in ("L", "RGB") else picture.convert("RGB")
    return _scale_eight_bits(plain, scale, tally)


def _scale_eight_bits(picture: Image.Image, scale: Scale, tally: Tally) -> Image.Image:
    if scale.is_identity("uint8"):
        tally.add("uint8", math.prod(picture.size), 0)
        return picture
    least, largest = scale.range_of("uint8")
    table, _ = scale.to_pixels(np.arange(256, dtype=np.uint8))
    histogram = np.array(picture.histogram()).reshape(-1, 256)
    levels = np.arange(256)
    cut = int(histogram[:, (levels < least) | (levels > largest)].sum())
    tally.add("uint8", int(histogram.sum()), cut)
    return picture.point(table.tolist() * len(picture.getbands()))


def _strips(size: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """The rows of a picture of `size`, a few at a time: conversions of a whole would need several times its memory."""
    rows = max(1, STRIP // size[0])
    return ((first, min(first + rows, size[1])) for first in range(0, size[1], rows))


def _on_white(picture: Image.Image, *, keep: bool) -> Image.Image:
    picture.load()
    page = Image.new("RGB", picture.size)
    for first, last in _strips(picture.size):
        strip = picture.crop((0, first, picture.width, last)).convert("RGBA")
        white = Image.new("RGBA", strip.size, "white")
        page.paste(Image.alpha_composite(white, strip).convert("RGB"), (0, first))
    if not keep:
        picture.close()  # a large one would stay in memory beside the page
    return page


def _inner_size(size: tuple[int, int], frame: tuple[int, int], how: str) -> tuple[int, int]:
    """The size (width, height) at which a picture of `size` lies in or over `frame`."""
    if how == "stretch":
        return frame
    ratios = frame[0] / size[0], frame[1] / size[1]
    scale = min(ratios) if how == "pad" else max(ratios)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
