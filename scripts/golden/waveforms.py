"""Writes crates/losses/tests/golden/waveforms.json: what PyTorch says losses of waveforms and their gradients are.

Run it in any environment with torch==2.13.0 and numpy:

    python scripts/golden/waveforms.py

Spectra are torch.stft's, envelopes torch's unfold. The gains of A-weighting are NumPy's, and held against the table
of IEC 61672-1 here.
"""

import json
import pathlib

import numpy as np
import torch
from known import known

# n of the frequency 1000·10^(n/10) Hz (nominally 10, 31.5, 63, 125 … Hz), and the standard's gain in dB, rounded to 0.1.
TABLE = [(-20, -70.4), (-15, -39.4), (-12, -26.2), (-9, -16.1), (-6, -8.6), (-3, -3.2), (0, 0.0), (3, 1.2)]
TABLE += [(6, 1.0), (9, -1.1), (12, -6.6), (13, -9.3)]
TABLE = [(1000 * 10 ** (n / 10), decibel) for n, decibel in TABLE]


def a_weighting(f):
    f2 = np.asarray(f, dtype=np.float64) ** 2
    zeros = 12194.0**2 * f2**2
    poles = (f2 + 20.6**2) * np.sqrt((f2 + 107.7**2) * (f2 + 737.9**2)) * (f2 + 12194.0**2)
    return zeros / poles


def spectral(p, t, windows=(1024, 512, 256, 128, 64), hop=0.25, log_weight=1.0, eps=1e-5, weighting="none", sample_rate=8000.0):
    total = 0
    for w in windows:
        window = torch.hann_window(w, dtype=torch.float64)
        stft = lambda x: torch.stft(
            x,
            w,
            hop_length=round(w * hop),
            window=window.to(x.dtype),
            center=True,
            pad_mode="constant",
            return_complex=True,
        ).abs() / (window.sum() / 2)
        ours, theirs = stft(p), stft(t)
        distance = (ours - theirs).abs() + log_weight * ((ours + eps).log() - (theirs + eps).log()).abs()
        if weighting == "a":
            gains = a_weighting(np.arange(w // 2 + 1) * sample_rate / w) / a_weighting(1000.0)
            distance = distance * torch.tensor(gains, dtype=p.dtype)[:, None]
        total = total + distance.mean((-2, -1))
    return total


def envelope(p, t, windows=(256,), hop=0.25, eps=1e-5):
    total = 0
    for w in windows:
        pad = lambda x: torch.nn.functional.pad(x, (w // 2, w - w // 2))
        rms = lambda x: (pad(x).unfold(-1, w, round(w * hop)).square().mean(-1) + eps**2).sqrt()
        total = total + (rms(p) - rms(t)).abs().mean(-1)
    return total


def waveforms(n):
    """Tones and noise of different lengths, levels and silences, exact in float32."""
    i = torch.arange(n, dtype=torch.float64)
    noise = torch.sin(i * i * 0.731 + 1)
    target = 0.8 * torch.sin(0.31 * i) * torch.exp(-i / n) + 0.05 * noise
    tones = [torch.sin(0.33 * i) * torch.exp(-1.5 * i / n) + 0.02 * noise, 0.3 * noise, torch.where(i < n / 2, target * 1.25, 0.01 * torch.cos(i * i))]
    exact = lambda x: x.float().double()
    return exact(torch.stack(tones)), exact(target).expand(3, n).clone()


SETS = [
    ("spectral", spectral, 150, {}),
    ("spectral", spectral, 130, {"windows": [64, 16], "hop": 0.5, "log_weight": 0.0, "weighting": "a", "sample_rate": 16000.0}),
    ("spectral", spectral, 5, {"windows": [8], "log_weight": 2.5, "eps": 0.01}),
    ("envelope", envelope, 300, {}),
    ("envelope", envelope, 60, {"windows": [32, 7], "hop": 0.5, "eps": 0.1}),
    ("envelope", envelope, 1, {"windows": [4]}),
    # Options that another set is without, each by itself.
    *(("spectral", spectral, 24, {"windows": [16]} | more) for more in (
        {}, {"windows": [8]}, {"hop": 0.5}, {"log_weight": 2.5}, {"eps": 0.01}, {"weighting": "a"},
        {"weighting": "a", "sample_rate": 16000.0})),
    *(("envelope", envelope, 24, {"windows": [8]} | more) for more in ({}, {"windows": [4]}, {"hop": 0.5}, {"eps": 0.1})),
]


def main():
    assert torch.__version__.split("+")[0] == "2.13.0", torch.__version__
    for f, decibel in TABLE:
        ours = 20 * np.log10(a_weighting(f) / a_weighting(1000.0))
        assert abs(ours - decibel) < 0.1, (f, ours, decibel)
    cases = []
    for name, function, n, options in SETS:
        prediction, target = waveforms(n)
        prediction.requires_grad_()
        value = function(prediction, target, **options)
        value.sum().backward()
        assert value.isfinite().all() and prediction.grad.isfinite().all()
        columns = {"prediction": prediction.detach(), "target": target, "value": value.detach(), "slope": prediction.grad}
        rounded = {k: [[float(f"{x:.12g}") for x in row] for row in v.reshape(3, -1).tolist()] for k, v in columns.items()}
        cases.append({"loss": {name: options} if options else name, **rounded})
    head = {"generator": "scripts/golden/waveforms.py", "torch": "2.13.0"}
    gains = [[f, decibel] for f, decibel in TABLE]
    file = pathlib.Path(__file__).resolve().parents[2] / "crates/losses/tests/golden/waveforms.json"
    of = lambda case: json.dumps([case["loss"], len(case["prediction"][0])])
    there = known(file, of)
    lines = ",\n".join(json.dumps(there.get(of(case), case), allow_nan=False) for case in cases)
    file.write_text(json.dumps(head)[:-1] + f', "a_weighting_db": {json.dumps(gains)}, "cases": [\n' + lines + "\n]}\n")


if __name__ == "__main__":
    main()
