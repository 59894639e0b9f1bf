//! Fourier transforms.

use tch::Tensor;

use super::{Rule, operators};
use crate::call::Call;

/// How a transform is scaled: "backward" by default.
fn norm<'a>(c: &Call<'a>, index: usize) -> &'a str {
    if c.text(index).is_empty() { "backward" } else { c.text(index) }
}

fn along(c: &Call, run: fn(&Tensor, Option<i64>, i64, &str) -> Tensor) -> Tensor {
    run(&c.tensor(0), c.has(1).then(|| c.int(1)), c.dim_or(2, -1), norm(c, 3))
}

/// A transform of sizes, dimensions and scale.
type Transform = fn(&Tensor, Option<Vec<i64>>, Vec<i64>, &str) -> Tensor;

/// Over several dimensions: those given, or as many of the last as there are sizes, or all, or the last two.
fn over(c: &Call, last: Option<i64>, run: Transform) -> Tensor {
    let dims = match last {
        _ if c.has(1) && !c.has(2) => (1..=c.ints(1).len() as i64).rev().map(|dim| -dim).collect(),
        Some(last) if !c.has(2) => (1..=last).rev().map(|dim| -dim).collect(),
        _ => c.dims(2),
    };
    run(&c.tensor(0), c.has(1).then(|| c.ints(1)), dims, norm(c, 3))
}

fn stft(c: &Call) -> Tensor {
    let size = c.tensor(0).size();
    // It takes a signal or a batch of them.
    let x = if size.len() > 2 { c.tensor(0).flatten(0, -2) } else { c.tensor(0) };
    let option = |index: usize| c.has(index).then(|| c.int(index));
    let window = c.option(4).map(|window| if c.shift == 1 { window.squeeze_dim(0) } else { window });
    let onesided = if c.has(6) { c.bool(6) } else { !x.is_complex() };
    let y = x.stft(c.int(1), option(2), option(3), window, c.bool(5), onesided, c.bool_or(7, true), false);
    if size.len() > 2 { y.unflatten(0, &size[..size.len() - 1]) } else { y }
}

fn istft(c: &Call) -> Tensor {
    let size = c.tensor(0).size();
    let onesided = if c.has(7) { c.bool(7) } else { size[size.len() - 2] != c.int(1) };
    let option = |index: usize| c.has(index).then(|| c.int(index));
    c.tensor(0).istft(
        c.int(1),
        option(2),
        option(3),
        c.option(4),
        c.bool_or(5, true),
        c.bool(6),
        onesided,
        option(8),
        c.bool(9),
    )
}

operators! {
    Rule::Shifted => {
        "aten.fft_fft.default self n dim norm" c => along(c, Tensor::fft_fft);
        "aten.fft_ifft.default self n dim norm" c => along(c, Tensor::fft_ifft);
        "aten.fft_rfft.default self n dim norm" c => along(c, Tensor::fft_rfft);
        "aten.fft_irfft.default self n dim norm" c => along(c, Tensor::fft_irfft);
        "aten.fft_hfft.default self n dim norm" c => along(c, Tensor::fft_hfft);
        "aten.fft_fft2.default self s dim norm" c => over(c, Some(2), Tensor::fft_fft2);
        "aten.fft_ifft2.default self s dim norm" c => over(c, Some(2), Tensor::fft_ifft2);
        "aten.fft_rfft2.default self s dim norm" c => over(c, Some(2), Tensor::fft_rfft2);
        "aten.fft_irfft2.default self s dim norm" c => over(c, Some(2), Tensor::fft_irfft2);
        "aten.fft_fftn.default self s dim norm" c => over(c, None, Tensor::fft_fftn);
        "aten.fft_rfftn.default self s dim norm" c => over(c, None, Tensor::fft_rfftn);
        "aten.fft_fftshift.default self dim" c => c.tensor(0).fft_fftshift(c.dims(1));
        "aten.fft_ifftshift.default self dim" c => c.tensor(0).fft_ifftshift(c.dims(1));
    }
    Rule::ShiftedIf(|c| !c.has_lanes(4)) => {
        "aten.stft.default self n_fft hop_length win_length window normalized onesided return_complex align_to_window" c => stft(c);
    }
    Rule::Looped => {
        "aten.istft.default self n_fft hop_length win_length window center normalized onesided length return_complex" c => istft(c);
    }
    Rule::Whole => {
        "aten.fft_rfftfreq.default n d dtype layout device pin_memory" c => Tensor::fft_rfftfreq(c.int(0), c.float_or(1, 1.0), (c.float_kind(2), tch::Device::Cpu));
        "aten.fft_fftfreq.default n d dtype layout device pin_memory" c => Tensor::fft_fftfreq(c.int(0), c.float_or(1, 1.0), (c.float_kind(2), tch::Device::Cpu));
    }
}
