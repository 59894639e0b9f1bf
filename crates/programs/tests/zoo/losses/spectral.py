"""Losses of audio and spectra, in the style of public code. ENTRIES as in regression.py."""

import math

import torch
import torch.nn.functional as F
from torch import nn


class MultiResolutionSTFT(nn.Module):
    """Spectral convergence and log magnitudes at several resolutions."""

    def __init__(self, sizes=(16, 8)):
        super().__init__()
        self.sizes = sizes
        for n in sizes:
            self.register_buffer(f"window_{n}", torch.hann_window(n))

    def magnitude(self, x, n):
        spectrum = torch.stft(x, n, hop_length=n // 4, window=getattr(self, f"window_{n}"), return_complex=True)
        return spectrum.abs().clamp(min=1e-5)

    def forward(self, prediction, target):
        total = 0
        for n in self.sizes:
            p, t = self.magnitude(prediction, n), self.magnitude(target, n)
            total = total + torch.norm(t - p, p="fro") / torch.norm(t, p="fro") + F.l1_loss(p.log(), t.log())
        return total / len(self.sizes)


def log_spectral(prediction, target):
    p = torch.log10(torch.fft.rfft(prediction).abs().square() + 1e-6)
    t = torch.log10(torch.fft.rfft(target).abs().square() + 1e-6)
    return (p - t).square().mean(-1).sqrt().mean()


def complex_phase(prediction, target):
    """Compressed complex spectra: magnitudes to a power, phases kept."""
    p, t = torch.fft.rfft(prediction, norm="ortho"), torch.fft.rfft(target, norm="ortho")
    p_mag, t_mag = (p.abs() + 1e-6) ** 0.3, (t.abs() + 1e-6) ** 0.3
    p_c, t_c = torch.polar(p_mag, p.angle()), torch.polar(t_mag, t.angle())
    difference = torch.view_as_real(p_c - t_c)
    return 0.7 * (p_mag - t_mag).square().mean() + 0.3 * difference.square().sum(-1).mean()


def si_sdr(prediction, target, eps=1e-8):
    p = prediction - prediction.mean(-1, keepdim=True)
    t = target - target.mean(-1, keepdim=True)
    scale = (p * t).sum(-1, keepdim=True) / (t.pow(2).sum(-1, keepdim=True) + eps)
    projection = scale * t
    noise = p - projection
    return -10 * torch.log10(projection.pow(2).sum(-1) / (noise.pow(2).sum(-1) + eps) + eps)


class MelCepstral(nn.Module):
    """Power spectrum, triangular filters, logarithm, cosine transform."""

    def __init__(self, length=16, filters=4):
        super().__init__()
        bins = length // 2 + 1
        centers = torch.linspace(0, bins - 1, filters + 2)
        grid = torch.arange(bins).float()
        up = (grid[None] - centers[:-2, None]) / (centers[1:-1] - centers[:-2])[:, None]
        down = (centers[2:, None] - grid[None]) / (centers[2:] - centers[1:-1])[:, None]
        self.register_buffer("bank", torch.clamp(torch.minimum(up, down), min=0).T.contiguous())
        k = torch.arange(filters).float()
        self.register_buffer("dct", torch.cos(math.pi / filters * (k[:, None] + 0.5) * k[None]))
        self.register_buffer("window", torch.hamming_window(length, periodic=False))

    def forward(self, prediction, target):
        def cepstrum(x):
            power = torch.fft.rfft(x * self.window, dim=-1)
            power = power.real**2 + power.imag**2
            return torch.matmul(torch.log(power @ self.bank + 1e-4), self.dct)

        return (cepstrum(prediction) - cepstrum(target)).abs().mean(dim=-1)


class FocalFrequency(nn.Module):
    """Two-dimensional spectra weighted by their own distance, not differentiated."""

    def __init__(self, alpha=1.0):
        super().__init__()
        self.alpha = alpha

    def forward(self, prediction, target):
        p = torch.fft.fft2(prediction, norm="ortho")
        t = torch.fft.fft2(target, norm="ortho")
        p, t = torch.stack([p.real, p.imag], -1), torch.stack([t.real, t.imag], -1)
        weight = (p - t).detach().square().sum(-1).sqrt() ** self.alpha
        weight = weight / weight.amax(dim=(-2, -1), keepdim=True)
        return torch.mean(weight * (p - t).square().sum(-1))


class PermutationInvariant(nn.Module):
    """Two sources in either order: the better one counts."""

    def forward(self, prediction, target):
        same = F.mse_loss(prediction, target, reduction="none").mean((1, 2))
        swapped = F.mse_loss(prediction.flip(1), target, reduction="none").mean((1, 2))
        return torch.stack([same, swapped], dim=1).min(dim=1).values.mean()


class ErrorToSignal(nn.Module):
    """Pre-emphasis by a filter, then the energy of the error over the signal's, and the mean offset."""

    def __init__(self, coefficient=0.85):
        super().__init__()
        self.register_buffer("taps", torch.tensor([[[-coefficient, 1.0]]]))

    def forward(self, prediction, target):
        p = F.conv1d(F.pad(prediction.unsqueeze(1), (1, 0)), self.taps)
        t = F.conv1d(F.pad(target.unsqueeze(1), (1, 0)), self.taps)
        esr = torch.sum((t - p) ** 2) / torch.sum(t**2)
        dc = (target.mean(-1) - prediction.mean(-1)).square().mean() / target.square().mean()
        return {"loss": 0.75 * esr + 0.25 * dc, "terms": {"esr": esr, "dc": dc}}


def autocorrelation(prediction, target):
    """Autocorrelation by the power spectrum, zero-padded."""
    n = prediction.shape[-1]

    def acf(x):
        spectrum = torch.fft.rfft(x - x.mean(-1, keepdim=True), n=2 * n)
        return torch.fft.irfft(spectrum * spectrum.conj(), n=2 * n)[..., :n] / n

    return F.mse_loss(acf(prediction), acf(target))


class Envelope(nn.Module):
    """Envelopes and instantaneous phases of analytic signals (Hilbert transform by FFT)."""

    def __init__(self, length=16):
        super().__init__()
        gain = torch.zeros(length)
        gain[0] = gain[length // 2] = 1
        gain[1 : length // 2] = 2
        self.register_buffer("gain", gain)

    def forward(self, prediction, target):
        a = torch.fft.ifft(torch.fft.fft(prediction) * self.gain)
        b = torch.fft.ifft(torch.fft.fft(target) * self.gain)
        envelope = (torch.abs(a) - torch.abs(b)).abs().mean()
        phase = 1 - torch.cos(torch.angle(a) - torch.angle(b)).mean()
        return envelope + 0.1 * phase


class SpectralGate(nn.Module):
    """A learned gain a frequency, back in time by istft, compared as waveforms."""

    def __init__(self, size=8):
        super().__init__()
        self.size = size
        self.gain = nn.Parameter(torch.zeros(size // 2 + 1, 1))
        self.register_buffer("window", torch.hann_window(size))

    def forward(self, prediction, target):
        spectrum = torch.stft(prediction, self.size, self.size // 2, window=self.window, return_complex=True)
        gated = spectrum * torch.sigmoid(self.gain)
        wave = torch.istft(gated, self.size, self.size // 2, window=self.window, length=prediction.shape[-1])
        return F.mse_loss(wave, target)


class CTC(nn.Module):
    def forward(self, prediction, target, input_lengths, target_lengths):
        log_p = prediction.log_softmax(2)
        return F.ctc_loss(log_p, target + 1, input_lengths, target_lengths, zero_infinity=True)


class ShiftedSpectrum(nn.Module):
    """Spectra with zero frequency in the middle, radially weighted."""

    def forward(self, prediction, target):
        p = torch.fft.fftshift(torch.fft.fftn(prediction, dim=(-2, -1)), dim=(-2, -1))
        t = torch.fft.fftshift(torch.fft.fftn(target, dim=(-2, -1)), dim=(-2, -1))
        f = torch.fft.fftshift(torch.fft.fftfreq(prediction.shape[-1]))
        radius = (f[:, None] ** 2 + f[None, :] ** 2).sqrt()
        difference = torch.complex(p.real - t.real, p.imag - t.imag)
        return (radius * difference.abs()).mean()


WAVE = {"prediction": ("float", [2, 32]), "target": ("float", [2, 32])}
SHORT = {"prediction": ("float", [2, 16]), "target": ("float", [2, 16])}
SQUARE = {"prediction": ("float", [2, 4, 4]), "target": ("float", [2, 4, 4])}
ENTRIES = [
    ("multi_resolution_stft", MultiResolutionSTFT, {}, WAVE),
    ("log_spectral", log_spectral, {}, SHORT),
    ("complex_phase", complex_phase, {}, SHORT),
    ("si_sdr", si_sdr, {}, SHORT),
    ("mel_cepstral", MelCepstral, {}, SHORT),
    ("focal_frequency", FocalFrequency, {}, SQUARE),
    ("permutation_invariant", PermutationInvariant, {}, {"prediction": ("float", [3, 2, 6]), "target": ("float", [3, 2, 6])}),
    ("error_to_signal", ErrorToSignal, {}, SHORT),
    ("autocorrelation", autocorrelation, {}, SHORT),
    ("envelope", Envelope, {}, SHORT),
    ("spectral_gate", SpectralGate, {}, WAVE),
    (
        "ctc",
        CTC,
        {},
        {
            "prediction": ("float", [8, 2, 5]),
            "target": ("int", [2, 3], 4),
            "input_lengths": ("constant", [8, 7]),
            "target_lengths": ("constant", [3, 2]),
        },
        {"static": True},
    ),
    ("shifted_spectrum", ShiftedSpectrum, {}, SQUARE, {"lr": 0.01}),
]
