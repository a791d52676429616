"""Import of ai.onnx: Fourier transforms and windows."""

import jax.numpy as jnp
import numpy as np

from .arrays import astype, axis_of, device, dtype_of, number
from .operators import operator


def _complex(x):
    """Real and imaginary parts along the last axis, or real parts only, as complex numbers."""
    return x[..., 0] + (1j * x[..., 1] if x.shape[-1] == 2 else 0)


def _parts(z):
    return jnp.stack([z.real, z.imag], axis=-1)


def _transformed(input, length, axis, inverse, onesided):
    x = device(input)
    dtype, z = x.dtype, _complex(astype(x, np.float64))  # float32 where JAX has no more
    length = None if length is None else number(length, "the length of the transform")
    if onesided and inverse:
        result = jnp.fft.irfft(z, length, axis)[..., None]
    elif onesided:
        result = _parts(jnp.fft.rfft(z.real, length, axis))
    else:
        result = _parts((jnp.fft.ifft if inverse else jnp.fft.fft)(z, length, axis))
    return result.astype(dtype)


@operator
def DFT(input, dft_length=None, *, axis=1, inverse=0, onesided=0):
    return _transformed(input, dft_length, axis, inverse, onesided)


@operator
def DFT_20(input, dft_length=None, axis=-2, *, inverse=0, onesided=0):
    axis = axis_of(number(axis, "the axis"), input.ndim)
    return _transformed(input, dft_length, axis, inverse, onesided)


@operator
def STFT(signal, frame_step, window=None, frame_length=None, *, onesided=1):
    """The Fourier transforms of overlapping frames, (batch, frames, frequencies, 2)."""
    signal = device(signal)
    signal = signal if signal.ndim == 3 else signal[..., None]
    step = number(frame_step, "the step between frames")
    size = signal.shape[1] if window is None else window.shape[0]
    size = size if frame_length is None else number(frame_length, "the length of a frame")
    count = (signal.shape[1] - size) // step + 1
    frames = signal[:, np.arange(count)[:, None] * step + np.arange(size)]
    frames = frames if window is None else frames * device(window)[:, None]
    return _transformed(frames, None, 2, 0, onesided and signal.shape[-1] == 1)


def _window(name, *weights):
    """Registers a window that is a sum of cosines."""

    def compute(size, *, output_datatype=1, periodic=1):
        length = number(size, "the size of the window")
        angle = 2 * np.pi * np.arange(length) / (length if periodic else max(length - 1, 1))
        return sum(w * np.cos(k * angle) for k, w in enumerate(weights)).astype(dtype_of(output_datatype))

    compute.__name__ = name
    operator(compute)


_window("HannWindow", 0.5, -0.5)
_window("HammingWindow", 25 / 46, -21 / 46)
_window("BlackmanWindow", 0.42, -0.5, 0.08)


@operator
def MelWeightMatrix(num_mel_bins, dft_length, sample_rate, lower_edge_hertz, upper_edge_hertz, *, output_datatype=1):
    """Triangular filters, evenly spread on the mel scale, as a matrix (frequencies, bins)."""
    given = (num_mel_bins, dft_length, sample_rate, lower_edge_hertz, upper_edge_hertz)
    bins, length, rate, low, high = (number(value, "the filters' number and range") for value in given)
    mels = [2595 * np.log10(1 + edge / 700) for edge in (low, high)]
    points = mels[0] + np.arange(bins + 2) * (mels[1] - mels[0]) / (bins + 2)
    edges = ((length + 1) * (700 * (10 ** (points / 2595) - 1)) // rate).astype(int)
    places = np.arange(length // 2 + 1)[:, None]
    left, peak, right = edges[:-2], edges[1:-1], edges[2:]
    rising = (places - left) / np.maximum(peak - left, 1)
    falling = (right - places) / np.maximum(right - peak, 1)
    matrix = np.where((places >= left) & (places <= peak), np.where(peak > left, rising, 1), 0)
    matrix = np.where((places >= peak) & (places < right), falling, matrix)
    return matrix.astype(dtype_of(output_datatype))
