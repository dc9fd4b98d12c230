"""Frames whose alpha and colours are known, and what a network would say of them."""

import cv2
import numpy as np

HEIGHT, WIDTH = 180, 320
GREEN, BLUE, YELLOW, DIM = (60, 190, 80), (40, 80, 200), (212, 205, 30), (52, 78, 55)


def disc(height=HEIGHT, width=WIDTH, radius=0.3, centre=(0.5, 0.5), softness=1.0):
    """Alpha 0..1 of a disc with a soft edge."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    distance = np.hypot(y - centre[0] * height, x - centre[1] * width)
    return np.clip((radius * height - distance) / (2 * softness) + 0.5, 0, 1).astype(np.float32)


def textured(colour, seed=0, contrast=12.0, height=HEIGHT, width=WIDTH):
    """A plane of about one colour."""
    noise = np.random.default_rng(seed).normal(0, contrast, (height, width, 1)).astype(np.float32)
    return np.clip(np.float32(colour) + cv2.GaussianBlur(noise, (0, 0), 2)[..., None] * 4, 0, 255)


def composite(alpha, foreground, background):
    """The frame, uint8."""
    alpha = alpha[..., None]
    return np.round(alpha * foreground + (1 - alpha) * background).clip(0, 255).astype(np.uint8)


def as_seen(alpha, factor=3):
    """The network's probability: smaller and softer."""
    size = alpha.shape[1] // factor, alpha.shape[0] // factor
    small = cv2.resize(alpha.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    return cv2.GaussianBlur(small, (0, 0), 0.8)


def noisy(frame, sigma=2.0, seed=0):
    """With a camera's noise."""
    noise = np.random.default_rng(seed).normal(0, sigma, frame.shape)
    return np.clip(np.round(frame + noise), 0, 255).astype(np.uint8)
