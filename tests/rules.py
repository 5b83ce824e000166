"""CDnet's rules once more, slowly and from their text: shares no code with bgsub.evaluation.

A frame is scored when its number lies in temporalROI.txt and it has a picture of truth. A pixel is
scored when ROI.bmp (where there is one) is not black there, and the truth is neither 85 nor 170.
255 is foreground; 0 and 50 are background. A mask's pixel is foreground above 127.
"""

from __future__ import annotations

from math import nan

import numpy as np


def recount(truths, masks, first, last, roi=None):
    """TP, FP, FN, TN, FP in shadow of two dicts of pictures by frame number, pixel by pixel."""
    tp = fp = fn = tn = shadow = 0
    for frame in range(first, last + 1):
        if frame not in truths:
            continue
        height, width = truths[frame].shape
        for y in range(height):
            for x in range(width):
                label = int(truths[frame][y, x])
                if label in (85, 170) or (roi is not None and roi[y, x] == 0):
                    continue
                answer = int(masks[frame][y, x]) > 127
                if label == 255 and answer:
                    tp += 1
                elif label == 255:
                    fn += 1
                elif answer:
                    fp += 1
                    shadow += label == 50
                else:
                    tn += 1
    return tp, fp, fn, tn, shadow


def recount_fast(truths, masks, first, last):
    """The same for whole videos, by sets of pixels."""
    total = np.zeros(5, np.int64)
    for frame in sorted(truths):
        if first <= frame <= last:
            label, answer = truths[frame], masks[frame] > 127
            still = np.isin(label, (0, 50))
            total += [
                np.count_nonzero(label[answer] == 255),
                np.count_nonzero(still & answer),
                np.count_nonzero(label[~answer] == 255),
                np.count_nonzero(still & ~answer),
                np.count_nonzero(label[answer] == 50),
            ]
    return tuple(total.tolist())


def seven(tp, fp, fn, tn):
    """Recall, specificity, FPR, FNR, PWC, precision and F, as the benchmark's page defines them."""
    recall = tp / (tp + fn) if tp + fn else nan
    precision = tp / (tp + fp) if tp + fp else nan
    return {
        "recall": recall,
        "specificity": tn / (tn + fp) if tn + fp else nan,
        "fpr": fp / (fp + tn) if fp + tn else nan,
        "fnr": fn / (tp + fn) if tp + fn else nan,
        "pwc": 100 * (fn + fp) / (tp + fn + fp + tn) if tp + fn + fp + tn else nan,
        "precision": precision,
        "f": 2 * precision * recall / (precision + recall) if precision + recall > 0 else nan,
    }
