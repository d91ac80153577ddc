"""Which files are read, by the endings of their names and the first bytes, and advice on others."""

from __future__ import annotations

import os
from collections.abc import Mapping

from autoencode.system import marks

# By name, so that no other decoder of Pillow's is ever tried: EPS is handed to Ghostscript, WMF and
# FPX to other programs, MIC and HDF5 and GRIB to libraries that are not checked here.
DECODERS = (
    "PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP", "DIB", "PPM", "JPEG2000", "AVIF", "ICO", "CUR",
    "ICNS", "TGA", "DDS", "PCX", "DCX", "SGI", "SUN", "QOI", "PSD", "FITS", "FLI", "FTEX", "BLP",
    "GBR", "IM", "MSP", "PCD", "PIXAR", "SPIDER", "XBM", "XPM", "HEIF",
)  # fmt: skip

PICTURES = {
    ".apng", ".avif", ".avifs", ".blp", ".bmp", ".bw", ".cur", ".dcx", ".dds", ".dib", ".fit",
    ".fits", ".flc", ".fli", ".ftc", ".ftu", ".gbr", ".gif", ".icb", ".icns", ".ico", ".im", ".j2c",
    ".j2k", ".jfif", ".jp2", ".jpc", ".jpe", ".jpeg", ".jpf", ".jpg", ".jpx", ".mpo", ".msp",
    ".pbm", ".pcd", ".pcx", ".pfm", ".pgm", ".png", ".pnm", ".ppm", ".psd", ".pxr", ".qoi", ".ras",
    ".rgb", ".rgba", ".sgi", ".spider", ".tga", ".tif", ".tiff", ".vda", ".vst", ".webp", ".xbm",
    ".xpm",
}  # fmt: skip
# Read with the extra `heif`.
HEIF = {".heic", ".heics", ".heif", ".heifs", ".hif"}
# Named in messages.
COMMON = (".png", ".jpg", ".webp", ".tif", ".gif", ".bmp", ".pgm")

# Files whose pages or frames may be several images.
STACKS = {".tif", ".tiff"}
ANIMATIONS = {".gif", ".png", ".apng", ".webp", ".avif", ".avifs", ".flc", ".fli", ".dcx"}

# Files in these formats hold 8 bits a value, so that nobody need look.
ALWAYS_UINT8 = {
    ".avif", ".avifs", ".bmp", ".dib", ".gif", ".ico", ".jfif", ".jpe", ".jpeg", ".jpg", ".mpo",
    ".qoi", ".webp", ".tga",
}  # fmt: skip

ARCHIVES = (
    ".zip",
    ".tar",
    ".tgz",
    ".tbz2",
    ".txz",
    ".tar.gz",
    ".tar.bz2",
    ".tar.xz",
    ".tar.zst",
    ".tzst",
)
TABLES = {".parquet"}
ARRAYS = {".npy", ".npz"}

_DICOM = "DICOM: save its pixels with np.save('slice.npy', pydicom.dcmread('{name}').pixel_array)"
_PICKLE = "a pickle, which can run code and is never opened: save its images with np.save"
_TORCH_PICKLE = (
    "a pickle of PyTorch's, which can run code and is never opened: save its images with np.save"
)
_VECTOR = "vector graphics: export it as PNG"
_RAW = "camera raw data: develop it to TIFF or JPEG, for example with darktable-cli"
_VIDEO = "a video: extract its frames with ffmpeg -i {name} frames/%05d.png"
_UNPACK = "a kind of archive that is not read: unpack it into a folder"
_NIFTI = "a medical volume: save its slices with np.save, read by nibabel or SimpleITK"

# What else looks like pictures or tables, and what to do with it.
OTHERS: Mapping[str, str] = {
    ".dcm": _DICOM,
    ".dicom": _DICOM,
    **dict.fromkeys((".ai", ".emf", ".eps", ".ps", ".svg", ".svgz", ".wmf"), _VECTOR),
    ".pdf": "a document: turn its pages into PNG with pdftoppm -png {name} page",
    **dict.fromkeys(
        (
            ".3fr",
            ".arw",
            ".cr2",
            ".cr3",
            ".dng",
            ".erf",
            ".nef",
            ".nrw",
            ".orf",
            ".pef",
            ".raf",
            ".raw",
            ".rw2",
            ".srw",
        ),
        _RAW,
    ),
    **dict.fromkeys(
        (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm", ".wmv"), _VIDEO
    ),
    ".exr": "OpenEXR: convert it to TIFF, for example with oiiotool {name} -o picture.tif",
    ".hdr": "Radiance HDR: convert it to TIFF, for example with oiiotool {name} -o picture.tif",
    ".jxl": "JPEG XL: convert it with djxl {name} picture.png",
    ".jxr": "JPEG XR: convert it to PNG",
    ".xcf": "a GIMP project: export it as PNG",
    ".kra": "a Krita project: export it as PNG",
    **dict.fromkeys(
        (".h5", ".hdf", ".hdf5"),
        "HDF5: save its images with np.save('images.npy', h5py.File('{name}')[KEY][:])",
    ),
    ".mat": (
        "a MATLAB file: save its images with np.save('images.npy', scipy.io.loadmat('{name}')[KEY])"
    ),
    ".nii": _NIFTI,
    ".nrrd": _NIFTI,
    ".mha": _NIFTI,
    ".pkl": _PICKLE,
    ".pickle": _PICKLE,
    ".pt": _TORCH_PICKLE,
    ".pth": _TORCH_PICKLE,
    ".tfrecord": "a TFRecord: hand its tf.data.Dataset to autoencode in Python",
    ".7z": _UNPACK,
    ".rar": _UNPACK,
    ".cab": _UNPACK,
    ".arrow": "an Arrow file: save it with pyarrow.parquet.write_table",
    ".feather": (
        "a Feather file: save it with pandas.read_feather('{name}').to_parquet('images.parquet')"
    ),
}
_HEIC = "HEIC needs pillow-heif; install it with: pip install 'autoencode[heif]'"
_PIXEL_TABLE = (
    "a table of pixel values: save them with np.save('images.npy', "
    "pandas.read_csv('{name}').filter(regex='pixel|^[0-9]+$').to_numpy().reshape(-1, HEIGHT, "
    "WIDTH))"
)
# Columns of a CSV file; with more, it is taken for a table of pixels.
PIXEL_COLUMNS = 32

# The first bytes of what may come without an ending.
SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", ".png"),
    (b"\xff\xd8\xff", ".jpg"),
    (b"GIF8", ".gif"),
    (b"II*\0", ".tif"),
    (b"MM\0*", ".tif"),
    (b"BM", ".bmp"),
    (b"\x80\x02", ".pkl"),
    (b"\x80\x03", ".pkl"),
    (b"\x80\x04", ".pkl"),
    (b"\x80\x05", ".pkl"),
)
PACKED = ("gz", "bz2", "xz", "zst")
# Bytes of a file by which its kind is known.
HEAD_BYTES = marks.HEAD_BYTES


def ending_of(name: str) -> str:
    """Return the ending of a file's name in lower case, with both parts of .tar.gz and .nii.gz.

    >>> ending_of("Set.TAR.gz"), ending_of("a.b.PNG"), ending_of("none")
    ('.tar.gz', '.png', '')
    """
    stem, dot, last = name.lower().rpartition(".")
    if not (stem and dot):
        return ""
    if last in PACKED:
        before = stem.rpartition(".")[2]
        if before in ("tar", "nii"):
            return f".{before}.{last}"
    return f".{last}"


def kind_of(ending: str, name: str) -> str:
    """Return which kind of set a file is part of that is no picture: parquet, npy, npz, idx or
    archive; else nothing.

    >>> kind_of(".npy", "a.npy"), kind_of("", "train-images-idx3-ubyte"), kind_of(".png", "a.png")
    ('npy', 'idx', '')
    """
    if "ubyte" in name:
        return "idx"
    if ending in ARCHIVES:
        return "archive"
    return ending[1:] if ending in TABLES or ending in ARRAYS else ""


def may_be_read(ending: str, name: str) -> bool:
    """Whether a file of this ending and name would be opened to be read.

    >>> may_be_read(".png", "a.png"), may_be_read(".sock", "a.sock")
    (True, False)
    """
    return ending in PICTURES or ending in HEIF or bool(kind_of(ending, name))


def sniff_ending(head: bytes) -> str:
    """Return the ending that a file with these first bytes should have; nothing where they say
    nothing.

    >>> sniff_ending(b"GIF89a")
    '.gif'
    """
    if head[128:132] == b"DICM":
        return ".dcm"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return ".webp"
    return next((ending for magic, ending in SIGNATURES if head.startswith(magic)), "")


def is_eight_bit_png(head: bytes) -> bool:
    """Whether the head of a PNG says that its values are read as 8 bits: all but 16-bit grey."""
    return head[12:16] == b"IHDR" and (head[24] <= 8 or head[25] != 0)


def is_still_png(head: bytes) -> bool:
    """Whether the head of a PNG shows that no animation follows: acTL stands before the pixels."""
    return head[12:16] == b"IHDR" and b"IDAT" in head and b"acTL" not in head


def why_not_read(name: str, ending: str, head: bytes = b"") -> str:
    """Return what a file is that looks like pictures or a table and is not read, and what to do;
    else nothing.

    >>> why_not_read("scan.dcm", ".dcm")[:6]
    'DICOM:'
    """
    shown = os.path.basename(name)
    if ending in HEIF:
        return _HEIC
    if ending == ".nii.gz":
        return OTHERS[".nii"].format(name=shown)
    if ending in OTHERS:
        return OTHERS[ending].format(name=shown)
    if ending in (".csv", ".tsv") and _holds_pixels(head):
        return _PIXEL_TABLE.format(name=shown)
    return ""


def _holds_pixels(head: bytes) -> bool:
    line = head.split(b"\n", 1)[0]
    return max(line.count(b","), line.count(b"\t"), line.count(b";")) >= PIXEL_COLUMNS
