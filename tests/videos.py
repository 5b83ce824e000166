"""Small videos whose every frame wears its number, as eight black or white bars."""

from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np

SIZE = (128, 96)
BARS = 8


def picture(n, size=SIZE):
    image = np.full((size[1], size[0], 3), 128, np.uint8)
    width = size[0] // BARS
    for bit in range(BARS):
        image[: size[1] // 2, bit * width : (bit + 1) * width] = 220 if n >> bit & 1 else 30
    return image


def number(image):
    """Which frame a decoded picture is."""
    width = image.shape[1] // BARS
    bars = image[: image.shape[0] // 2].reshape(image.shape[0] // 2, BARS, width, -1)
    return sum(int(bar.mean() > 128) << bit for bit, bar in enumerate(bars.swapaxes(0, 1)))


def write_opencv(path, frames=30, fps=25.0, codec="MJPG", size=SIZE):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), fps, size)
    for n in range(frames):
        writer.write(picture(n, size))
    writer.release()
    return path


def write_av(path, times, codec="ffv1", pix_fmt="bgr0", size=SIZE):
    """Frames at `times`, seconds, in milliseconds exact."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height = size
        stream.pix_fmt = pix_fmt
        stream.codec_context.time_base = Fraction(1, 1000)
        for n, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(picture(n, size), format="bgr24")
            frame = frame.reformat(format=pix_fmt)
            frame.pts, frame.time_base = round(time * 1000), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write_pictures(folder, frames=12, suffix="png", names="in{}", size=SIZE):
    folder.mkdir(parents=True)
    for n in range(frames):
        cv2.imwrite(str(folder / f"{names.format(n)}.{suffix}"), picture(n, size))
    return folder
