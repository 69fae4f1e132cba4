"""The picture of one explanation: three panels, colour where the map is strong and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest

from reports.drawing.overlays import GAP, overlay_picture

IMAGE = np.full((32, 48, 3), 120, np.uint8)


def panels(attribution: np.ndarray, image: np.ndarray = IMAGE) -> list[np.ndarray]:
    """The three panels, back at the size of the image."""
    picture = np.asarray(overlay_picture(image, attribution))
    width = (picture.shape[1] - 2 * GAP) // 3
    factor = width // image.shape[1]
    return [picture[::factor, start : start + width : factor] for start in (0, width + GAP, 2 * (width + GAP))]


def test_first_panel_is_the_image_enlarged_by_a_whole_number() -> None:
    image = np.random.default_rng(0).integers(0, 256, (32, 48, 3)).astype(np.uint8)
    np.testing.assert_array_equal(panels(np.zeros((32, 48), np.float32), image)[0], image)


def test_overlay_is_coloured_where_the_map_is_strong_and_grey_elsewhere() -> None:
    attribution = np.zeros((32, 48), np.float32)
    attribution[4:12, 8:20] = 3.0
    overlay = panels(attribution)[2].astype(int)
    coloured = np.ptp(overlay, axis=-1) > 20
    np.testing.assert_array_equal(coloured, attribution > 0)
    assert (overlay[~coloured] == 120).all()


def test_signs_have_colours_of_their_own() -> None:
    attribution = np.zeros((32, 48), np.float32)
    attribution[:8], attribution[24:] = 1.0, -1.0
    shown = panels(attribution)[1].astype(int)
    assert np.abs(shown[0, 0] - shown[31, 0]).sum() > 150
    assert np.ptp(shown[16, 0]) < 10  # zero is neutral


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_maps_that_show_nothing_leave_the_image_grey(value: float) -> None:
    assert (panels(np.full((32, 48), value, np.float32))[2] == 120).all()


def test_image_of_one_channel_is_grey() -> None:
    shown = panels(np.zeros((32, 48), np.float32), np.full((32, 48, 1), 77, np.uint8))
    assert (shown[0] == 77).all()


def test_strength_of_the_map_does_not_matter() -> None:
    attribution = np.random.default_rng(0).normal(size=(32, 48)).astype(np.float32)
    np.testing.assert_array_equal(overlay_picture(IMAGE, attribution), overlay_picture(IMAGE, 4 * attribution))
