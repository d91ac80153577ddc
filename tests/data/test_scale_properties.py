"""Properties of scales, over any values."""

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from stored_values import read

from autoencode.data.extents import Extent, kind_of, measure_extent
from autoencode.data.scaling import Scale

EACH = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
ANY_DTYPE = st.sampled_from(
    [
        "bool",
        "uint8",
        "int8",
        "uint16",
        "int16",
        "uint32",
        "int32",
        "int64",
        "float16",
        "float32",
        "float64",
        ">u2",
        ">f4",
    ]
)
LIMITS = st.tuples(
    st.floats(-1e5, 1e5, allow_subnormal=False), st.floats(1e-2, 1e5, allow_subnormal=False)
).map(lambda pair: (pair[0], pair[0] + pair[1]))


@EACH
@given(drawn=st.data(), dtype=ANY_DTYPE, limits=LIMITS)
def test_any_values_become_what_numpy_makes_of_them(drawn, dtype, limits):
    kind = np.dtype(dtype)
    elements = (
        {"allow_nan": False, "min_value": -1024.0, "max_value": 1024.0}
        if kind.kind == "f"
        else None
    )
    values = drawn.draw(
        hnp.arrays(kind, hnp.array_shapes(max_dims=3, max_side=6), elements=elements)
    )
    scale = Scale({kind_of(kind): limits})
    pixels, cut = scale.to_pixels(values)
    low, high = (0, 1) if kind.kind == "b" else limits
    floats = values.astype(np.float64)
    exact = 255 * np.clip((floats - low) / (high - low), 0, 1)
    assert pixels.dtype == np.uint8
    assert pixels.shape == values.shape
    assert np.abs(pixels - exact).max() <= 0.5 + 1e-6
    hair = 1e-3 * (high - low) if kind.kind == "f" else 0
    assert cut == np.count_nonzero((floats < low - hair) | (floats > high + hair))


@EACH
@given(drawn=st.data(), dtype=ANY_DTYPE)
def test_auto_is_monotonic_and_uses_its_range(drawn, dtype):
    kind = np.dtype(dtype)
    elements = (
        {"allow_nan": False, "min_value": -1024.0, "max_value": 1024.0}
        if kind.kind == "f"
        else None
    )
    values = drawn.draw(hnp.arrays(kind, (3, 4, 4), elements=elements))
    least, largest = float(values.min()), float(values.max())
    if least == largest:
        return
    pixels, _ = read(values, size="4")
    order = np.argsort(values, axis=None, kind="stable")
    assert (np.diff(pixels.reshape(-1)[order].astype(int)) >= 0).all()
    # Values span at least a tenth of the grey levels, whatever their type.
    assert np.ptp(pixels.astype(int)) >= 25


@EACH
@given(
    kinds=st.dictionaries(
        st.sampled_from(["uint8", "uint16", "int16", "float"]), LIMITS, min_size=1, max_size=3
    ),
    other=st.none() | LIMITS,
)
def test_a_scale_comes_back_from_its_record(kinds, other):
    scale = Scale(kinds, other)
    again = Scale.from_record(scale.record())
    for kind in kinds:
        assert again.range_of(kind) == scale.range_of(kind)
    if other is not None:
        assert again.range_of("uint32") == other


@EACH
@given(values=hnp.arrays(np.float32, (4, 7)), cuts=st.lists(st.integers(0, 4), max_size=3))
def test_the_extent_of_parts_is_that_of_the_whole(values, cuts):
    whole = measure_extent(values)
    parts = Extent()
    for part in np.split(values, sorted(cuts)):
        parts |= measure_extent(part)
    assert parts == whole
    finite = values[np.isfinite(values)]
    assert whole.is_empty == (finite.size == 0)
    if finite.size:
        assert (whole.least, whole.largest) == (finite.min(), finite.max())
