use losses::Loss;
use numeric::{Float, Stream};
use registry::options;
use tch::{Device, Kind, Tensor};

use crate::linear::draws;
use crate::supervised::{Model, Supervised};
use crate::{Draw, Fusible, ProblemSpec, TensorProblem};

options! {
    /// The pitch, levels and decay of a tone, to be found from its sound.
    ///
    /// ```text
    /// x(t) = exp(−eᵈ·t) · Σₖ exp(aₖ)·sin(2π·k·f·t),  f = 220 Hz · 2^(p/12),  k = 1 … partials
    /// loss  = ℓ(x, sound of the true parameters), both [lanes, samples]
    /// error = √((p − p*)² + mean over k of (aₖ − a*ₖ)² + (d − d*)²)
    /// true: p* ~ U(−12, 12),  a*ₖ = −ln k + 0.3·N(0, 1),  d* ~ U(0, 2)   for each seed
    /// start: p* ± detune,  a*ₖ + spread·N(0, 1),  d* + spread·N(0, 1)    for each seed
    /// ```
    /// Parameters are the pitch `p` in semitones, the partials' levels `a` in nepers (8.7 dB) and the rate `d` of the
    /// decay, as the logarithm of 1/s; the error, which doesn't depend on the loss, is the distance in those units,
    /// with the levels counting as one. A semitone off is an error of 1, and so are levels 8.7 dB off.
    ///
    /// This is the story of the question: a loss on synthesized audio that is put together of spectral and
    /// temporal terms, whose gradient says little over large regions. Levels and decay are easy for any loss.
    /// The pitch is not: `cargo run -p problems --example pitch` writes each loss and its slope over the pitch.
    /// Measured there over 40 sounds, with true levels and decay, is the share of sounds whose slope points toward
    /// the true pitch (half is chance) and the median size of the slope, as a share of the loss's largest:
    /// ```text
    /// semitones off                        0–0.1         0.1–0.3       0.3–1         1–3           3–12.5
    /// mse                                  100 % (0.82)   87 % (0.28)  67 % (0.04)   56 % (0.01)   49 % (0.02)
    /// spectral, linear, A-weighted         100 % (0.86)   99 % (0.52)  92 % (0.26)   65 % (0.11)   60 % (0.07)
    /// spectral (with logarithms)            78 % (0.70)   64 % (0.44)  56 % (0.37)   55 % (0.37)   55 % (0.34)
    /// linear spectral + envelope           100 % (0.82)   98 % (0.46)  90 % (0.20)   61 % (0.09)   58 % (0.08)
    /// linear spectral × envelope           100 % (0.54)   94 % (0.63)  72 % (0.37)   48 % (0.40)   53 % (0.64)
    /// tanh of spectral with logarithms      78 % (0.47)   64 % (0.07)  56 % (0.01)   55 % (0.00)   55 % (0.00)
    /// ```
    /// Beyond a semitone or two every slope is hardly better than chance. Multiplying the terms rather than adding them
    /// shortens the reach; squashing them makes it flat from a third of a semitone on.
    ///
    /// Partials above half the sample rate alias. In float32 the phase of the highest partial is rounded
    /// to some 1e-4 of a cycle at the end of a long sound.
    ///
    /// Source: additive synthesis as in Engel, Hantrakul, Gu & Roberts 2020, “DDSP”; its flatness in pitch: Turian & Henry
    /// 2020, “I'm Sorry for Your Loss: Spectrally-Based Audio Distances Are Bad at Pitch”.
    ///
    /// Checked against: the same sum in PyTorch 2.13, loss and gradient.
    pub struct Audio {
        /// How many partials there are.
        pub partials: usize = 6 => 1..=64,
        /// How many samples the sound has.
        pub samples: usize = 2048 => 2..=1_000_000,
        /// Samples per second.
        pub sample_rate: f64 = 8000.0 => 1000.0..=192_000.0,
        /// How far the pitch starts from the true one, in semitones; up or down by the seed.
        pub detune: f64 = 0.5 => 0.0..=48.0,
        /// The standard deviation of levels and decay at the start around the true ones.
        pub spread: f64 = 0.5 => 0.0..,
    }
}

/// The pitch of 0 semitones.
const REFERENCE_HZ: f64 = 220.0;

impl Audio {
    /// The true parameters of a seed, and its start: pitch, levels, decay.
    fn draw(&self, seed: u64) -> [Vec<f64>; 2] {
        let (mut truths, mut starts) =
            (Stream::new("audio: target", &[seed]), Stream::new("audio: start", &[seed]));
        let pitch = 24.0 * truths.uniform() - 12.0;
        let mut truth = vec![pitch];
        truth.extend((1..=self.partials).map(|k| 0.3 * truths.normal() - libm::log(k as f64)));
        truth.push(2.0 * truths.uniform());
        let detune = if starts.uniform() < 0.5 { -self.detune } else { self.detune };
        let around = |x: &f64| x + self.spread * starts.normal();
        let mut start = vec![pitch + detune];
        start.extend(truth[1..].iter().map(around));
        [truth, start]
    }
}

impl ProblemSpec for Audio {
    fn targets(&self) -> &'static [f64] {
        &[0.3, 0.1, 0.03]
    }

    /// A sound of every partial of every lane is kept for the gradient.
    fn batching(&self) -> crate::Batching {
        crate::Batching { lanes: 16, one_seed: false }
    }

    fn memory(&self) -> u64 {
        (self.partials as u64).saturating_mul(self.samples as u64)
    }

    fn batch(&self, seeds: &[u64], loss: Option<&Loss>, options: (Kind, Device)) -> Box<dyn TensorProblem> {
        let draws = draws(seeds, |seed| self.draw(seed));
        let tensors = |which: usize| {
            let all: Vec<f64> = draws.iter().flat_map(|draw| draw[which].clone()).collect();
            let all = Tensor::from_slice(&all)
                .reshape([seeds.len() as i64, -1])
                .to_kind(options.0)
                .to_device(options.1);
            let parts = all.split_with_sizes([1, self.partials as i64, 1], 1);
            parts.iter().map(Tensor::contiguous).collect::<Vec<_>>()
        };
        let indices =
            |range: std::ops::Range<usize>| Tensor::from_slice(&range.map(|i| i as f64).collect::<Vec<_>>());
        let seconds = indices(0..self.samples) / self.sample_rate;
        let cycles = indices(1..self.partials + 1).unsqueeze(1) * &seconds * REFERENCE_HZ;
        let to = |tensor: Tensor| tensor.to_kind(options.0).to_device(options.1);
        let (truth, start) = (tensors(0), tensors(1));
        let mut model =
            OnTensors { cycles: to(cycles), seconds: to(seconds), truth, start, target: Tensor::new() };
        model.target = model.sound(&model.truth);
        Supervised::boxed(model, loss, seeds, options)
    }
}

impl<F: Float> Fusible<F> for Audio {}

struct OnTensors {
    /// What each partial of the reference goes through until each sample, `[partials, samples]`.
    cycles: Tensor,
    /// `[samples]`
    seconds: Tensor,
    /// Pitch `[lanes, 1]`, levels `[lanes, partials]`, decay `[lanes, 1]`.
    truth: Vec<Tensor>,
    start: Vec<Tensor>,
    /// `[lanes, samples]`
    target: Tensor,
}

impl OnTensors {
    /// The sound of every lane, `[lanes, samples]`.
    fn sound(&self, parameters: &[Tensor]) -> Tensor {
        let [pitch, levels, decay] = parameters else { panic!("pitch, levels and decay") };
        let cycles = (pitch / 12.0).exp2().unsqueeze(2) * &self.cycles;
        // Whole cycles don't change the sine, and would cost it digits.
        let partials = (&cycles - cycles.detach().round()) * std::f64::consts::TAU;
        let tone = levels.exp().unsqueeze(1).bmm(&partials.sin()).squeeze_dim(1);
        tone * (-decay.exp() * &self.seconds).exp()
    }
}

impl Model for OnTensors {
    fn start(&self) -> Vec<Tensor> {
        self.start.iter().map(Tensor::copy).collect()
    }

    fn names(&self) -> Vec<String> {
        ["pitch", "levels", "decay"].map(str::to_owned).to_vec()
    }

    fn forward(&mut self, _draw: Draw, parameters: &[Tensor]) -> (Tensor, Tensor) {
        (self.sound(parameters), self.target.shallow_clone())
    }

    fn error(&mut self, parameters: &[Tensor]) -> Vec<f64> {
        let _guard = tch::no_grad_guard();
        let squares = parameters.iter().zip(&self.truth);
        let squares = squares.map(|(found, truth)| (found - truth).square().mean_dim(1, false, None::<Kind>));
        let sum = squares.reduce(|a, b| a + b).expect("three parts");
        Vec::try_from(sum.sqrt().to_kind(Kind::Double)).expect("a vector of lanes")
    }
}
