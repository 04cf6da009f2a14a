"""A segment in, frames out: each observation entry is a grey bar."""

import numpy as np

from prefrl.types import Array, Segment


def bars(segment: Segment, size: int) -> Array:
    """(H, size, size, 3) uint8; an entry's bar is as tall as it is large within the clip."""
    rows = np.reshape(segment.obs[:-1], (len(segment), -1))
    low, high = rows.min(axis=0), rows.max(axis=0)
    share = (rows - low) / np.maximum(high - low, 1e-9)  # (H, D)
    entry = np.arange(size) * rows.shape[1] // size  # whose bar each column belongs to
    lit = np.arange(size)[None, :, None] >= size * (1 - share[:, None, entry])
    return np.repeat(np.where(lit, 200, 30)[..., None], 3, axis=3).astype(np.uint8)
