use numeric::Float;
use registry::options;
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use crate::{BatchedLoss, Call, Fusible, LossSpec, TargetKind};

options! {
    /// The distance of two waveforms in the magnitudes of their spectra, at several resolutions.
    ///
    /// ```text
    /// Sᵥ = |STFT(x)| of windows of w samples (Hann), divided by half the window's sum
    /// loss = Σ over w of mean over frames and bins of g(f)·(|Sᵥ − S*ᵥ| + log_weight·|ln(Sᵥ + eps) − ln(S*ᵥ + eps)|)
    /// ```
    /// The waveform is the last dimension, of any length. A sine of amplitude a is a in its bin at every
    /// resolution, so that `eps` is an amplitude (1e-5 is −100 dB), which keeps the logarithm finite, and its
    /// slope, in silence. The slope of a magnitude of 0 is 0, as in PyTorch.
    ///
    /// `weighting = "a"` weights each bin by the gain of A-weighting, 1 at 1 kHz; it needs the `sample_rate`:
    /// ```text
    /// R(f) = 12194²·f⁴ / ((f² + 20.6²)·√((f² + 107.7²)·(f² + 737.9²))·(f² + 12194²)),  g(f) = R(f)/R(1000)
    /// ```
    ///
    /// Source: Engel, Hantrakul, Gu & Roberts 2020, “DDSP: Differentiable Digital Signal Processing”, after Wang,
    /// Takaki & Yamagishi 2019; A-weighting: IEC 61672-1.
    ///
    /// Differs from DDSP: magnitudes are normalized by the window, and the ends are padded with zeros.
    ///
    /// Checked against: `torch.stft` of PyTorch 2.13, value and gradient.
    ///
    /// ```
    /// use losses::{LossSpec, Spectral};
    /// use tch::Tensor;
    /// let spectral = Spectral { windows: vec![8], log_weight: 0.0, ..Spectral::default() };
    /// let sound = Tensor::from_slice(&[1.0_f64; 8]);
    /// assert_eq!(spectral.tensor(&sound, &sound).double_value(&[]), 0.0);
    /// let [twice, thrice] = [2.0, 3.0].map(|k| spectral.tensor(&(k * &sound), &sound).double_value(&[]));
    /// assert!((twice / thrice - 0.5).abs() < 1e-12);
    /// ```
    pub struct Spectral {
        /// The lengths of the windows, in samples.
        pub windows: Vec<i64> = vec![1024, 512, 256, 128, 64],
        /// How far a window lies from the next, as a share of its length.
        pub hop: f64 = 0.25 => up_to(1.0),
        /// The weight of the logarithms' distance.
        pub log_weight: f64 = 1.0 => ..,
        /// What is added to a magnitude before its logarithm.
        pub eps: f64 = 1e-5 => above(0.0),
        /// How much each frequency counts: `none` (all the same) or `a` (A-weighting).
        pub weighting: Weighting = Weighting::None,
        /// Samples per second, for the weighting.
        pub sample_rate: f64 = 8000.0 => above(0.0),
    }
    check: |spectral| check_windows(&spectral.windows),
}

/// How much each frequency counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Weighting {
    /// All the same.
    #[default]
    None,
    /// As it is heard at moderate levels: A-weighting.
    A,
}

impl<F: Float> Fusible<F> for Spectral {}

/// Whether lengths of windows are usable.
pub(crate) fn check_windows(windows: &[i64]) -> Result<(), String> {
    const MOST: i64 = 65536;
    if windows.is_empty() {
        return Err("`windows` is empty: name at least one length in samples, such as windows = [512]".into());
    }
    match windows.iter().find(|window| !(2..=MOST).contains(*window)) {
        Some(window) => Err(format!("`windows` must be from 2 to {MOST} samples, and one is {window}")),
        None => Ok(()),
    }
}

/// How many samples a window lies from the next.
pub(crate) fn hop_of(window: i64, hop: f64) -> i64 {
    ((window as f64 * hop).round() as i64).max(1)
}

impl LossSpec for Spectral {
    fn targets(&self) -> TargetKind {
        TargetKind::Values
    }
    /// A value for each waveform: all dimensions but the last.
    fn tensor(&self, prediction: &Tensor, target: &Tensor) -> Tensor {
        self.resolutions(prediction.kind(), prediction.device()).distance(prediction, target)
    }

    fn instantiate(
        &self,
        _seeds: &[u64],
        (kind, device): (Kind, Device),
    ) -> Option<Result<Box<dyn BatchedLoss>, String>> {
        Some(Ok(Box::new(self.resolutions(kind, device))))
    }
}

impl Spectral {
    fn resolutions(&self, kind: Kind, device: Device) -> Resolutions {
        let of = |length: &i64| {
            let window = Tensor::hann_window(*length, (Kind::Double, device));
            let half_sum = window.sum(None::<Kind>).double_value(&[]) / 2.0;
            let gains: Vec<f64> = (0..=length / 2)
                .map(|bin| match self.weighting {
                    Weighting::None => 1.0,
                    Weighting::A => a_weight(bin as f64 * self.sample_rate / *length as f64),
                })
                .collect();
            Resolution {
                length: *length,
                hop: hop_of(*length, self.hop),
                window: (window / half_sum).to_kind(kind),
                gains: Tensor::from_slice(&gains).to_kind(kind).to_device(device),
            }
        };
        Resolutions { options: self.clone(), of: self.windows.iter().map(of).collect(), seen: None }
    }
}

/// The gain of A-weighting at a frequency in Hz, 1 at 1 kHz.
fn a_weight(f: f64) -> f64 {
    let response = |f: f64| {
        let square = f * f;
        let pole = |f: f64| square + f * f;
        pole(0.0) * square * 12194.0 * 12194.0
            / (pole(20.6) * (pole(107.7) * pole(737.9)).sqrt() * pole(12194.0))
    };
    response(f) / response(1000.0)
}

/// What does not depend on the waveforms, at one length of windows.
struct Resolution {
    length: i64,
    hop: i64,
    /// Hann's, divided by half its sum.
    window: Tensor,
    /// `[bins]`
    gains: Tensor,
}

struct Resolutions {
    options: Spectral,
    of: Vec<Resolution>,
    /// The target that was seen last, and its magnitudes: most problems show the same one at every step.
    seen: Option<(Tensor, Vec<Tensor>)>,
}

impl Resolution {
    /// The magnitudes `[…, frames, bins]` of waveforms, each frame centered on a multiple of the hop.
    fn magnitudes(&self, waveform: &Tensor) -> Tensor {
        let half = self.length / 2;
        let padded = waveform.constant_pad_nd([half, self.length - half]);
        (padded.unfold(-1, self.length, self.hop) * &self.window).fft_rfft(None, -1, "backward").abs()
    }
}

impl Resolutions {
    fn distance(&mut self, prediction: &Tensor, target: &Tensor) -> Tensor {
        let same = self
            .seen
            .as_ref()
            .is_some_and(|(seen, _)| seen.data_ptr() == target.data_ptr() && seen.size() == target.size());
        if !same {
            let magnitudes = self.of.iter().map(|resolution| resolution.magnitudes(target)).collect();
            self.seen = Some((target.shallow_clone(), magnitudes));
        }
        let (_, targets) = self.seen.as_ref().expect("it was just set");
        let Spectral { log_weight, eps, .. } = self.options;
        let term = |(resolution, theirs): (&Resolution, &Tensor)| {
            let ours = resolution.magnitudes(prediction);
            let mut distance = (&ours - theirs).abs();
            if log_weight != 0.0 {
                let logarithms = (ours + eps).log() - (theirs + eps).log();
                distance += logarithms.abs() * log_weight;
            }
            (distance * &resolution.gains).mean_dim([-2_i64, -1].as_slice(), false, None::<Kind>)
        };
        self.of.iter().zip(targets).map(term).reduce(|a, b| a + b).expect("there is a window")
    }
}

impl BatchedLoss for Resolutions {
    fn values(&mut self, _call: &Call, prediction: &Tensor, target: &Tensor) -> Tensor {
        self.distance(prediction, target)
    }
}
