use losses::{File, Files, Loss, Term};
use numeric::{Float, LANES, Row, Rows, Stream};
use registry::options;
use tch::{Device, Kind, Tensor};

use crate::{
    Batching, Draw, FusedProblem, Fusible, Graph, Losses, Problem, ProblemSpec, Rosenbrock, TensorProblem,
};

options! {
    /// Any problem, with normal, heavy-tailed or sparse noise in its gradient.
    ///
    /// ```text
    /// what the optimizer sees at step k: ∇loss(p) + ξ,  ξ drawn anew for each step, and for each element of p
    /// ξ = gaussian·N(0, 1) + heavy_tailed·t₂ + sparse·S
    /// t₂: Student's distribution with two degrees of freedom: mean 0, variance infinite
    /// S: 10·N(0, 1) with probability 1/100, and else 0: mean 0, variance 1
    /// ```
    /// Loss and error stay those of the problem, without noise. Noise is a function of the seed and the step: lanes of
    /// one seed have the same at every step, whatever their rate or optimizer, on both engines, and so has an optimizer
    /// that evaluates more than one gradient a step. Methods that compare losses, such as line searches, see exact
    /// losses with inexact gradients. Second derivatives have no noise, nor have parameters that a loss has of its own.
    ///
    /// ```toml
    /// problems = [{ noisy = { problem = "rosenbrock", gaussian = 1.0 } }]
    /// ```
    /// Source: Robbins & Monro 1951, “A Stochastic Approximation Method”; heavy tails: Zhang et al. 2020, “Why Are
    /// Adaptive Methods Good for Attention Models?”. Gradients of infinite variance are what clipping was made for.
    ///
    /// Checked against: the same streams and formulas in NumPy, gradient minus exact gradient; moments of the draws.
    pub struct Noisy {
        /// The problem.
        pub problem: Box<Problem> = Box::new(Problem::Rosenbrock(Rosenbrock::default())),
        /// The standard deviation of normal noise, in units of the gradient.
        pub gaussian: f64 = 1.0 => 0.0..,
        /// The scale of heavy-tailed noise: half of it lies within 0.82 of this.
        pub heavy_tailed: f64 = 0.0 => 0.0..,
        /// The standard deviation of noise that is mostly 0 and rarely large.
        pub sparse: f64 = 0.0 => 0.0..,
    }
    check: |noisy| match &*noisy.problem {
        Problem::Noisy(_) => Err("`problem` is noisy itself: give all noise in one place".into()),
        inner => inner.check(),
    },
}

/// How often sparse noise isn't 0; its size there makes the variance 1.
const SHARE: f64 = 0.01;

impl Noisy {
    /// The noise of a seed's gradient at a step.
    fn draw(&self, seed: u64, step: u64, elements: usize) -> Vec<f64> {
        let mut noise = vec![0.0; elements];
        let mut add = |purpose: &str, scale: f64, draw: fn(&mut Stream) -> f64| {
            if scale > 0.0 {
                let mut stream = Stream::new(purpose, &[seed, step]);
                for noise in &mut noise {
                    *noise += scale * draw(&mut stream);
                }
            }
        };
        add("noise: gaussian", self.gaussian, Stream::normal);
        add("noise: heavy-tailed", self.heavy_tailed, |stream| {
            // The inverse of the distribution function, at the middle of the stream's intervals: never at 0 or 1.
            let u = stream.uniform() + 0.5 / (1_u64 << 53) as f64;
            (2.0 * u - 1.0) / (2.0 * u * (1.0 - u)).sqrt()
        });
        add("noise: sparse", self.sparse, |stream| {
            let (hit, size) = (stream.uniform() < SHARE, stream.normal());
            if hit { size / SHARE.sqrt() } else { 0.0 }
        });
        noise
    }

    /// The noise of several seeds; each is drawn once.
    fn draws(&self, seeds: &[u64], step: u64, elements: usize) -> Vec<std::rc::Rc<Vec<f64>>> {
        crate::linear::draws(seeds, |seed| self.draw(seed, step, elements))
    }
}

impl ProblemSpec for Noisy {
    fn load(&mut self, files: &mut Files) -> Result<(), String> {
        self.problem.load(files)
    }
    fn losses(&self) -> Losses {
        self.problem.losses()
    }
    fn minimizers(&self) -> Vec<Vec<f64>> {
        self.problem.minimizers()
    }
    fn solutions(&self, seed: u64) -> Vec<Vec<f64>> {
        self.problem.solutions(seed)
    }
    fn depends_on_seed(&self) -> bool {
        let noise = [self.gaussian, self.heavy_tailed, self.sparse].iter().any(|scale| *scale > 0.0);
        noise || self.problem.depends_on_seed()
    }
    fn targets(&self) -> &'static [f64] {
        self.problem.targets()
    }
    fn batching(&self) -> Batching {
        self.problem.batching()
    }
    fn error_period(&self) -> u64 {
        self.problem.error_period()
    }
    fn files(&self) -> Vec<&File> {
        self.problem.files()
    }
    fn memory(&self) -> u64 {
        self.problem.memory()
    }

    fn batch(&self, seeds: &[u64], loss: Option<&Loss>, options: (Kind, Device)) -> Box<dyn TensorProblem> {
        let inner = self.problem.batch(seeds, loss, options);
        Box::new(OnTensors { noise: self.clone(), seeds: seeds.to_vec(), inner, current: None })
    }
}

impl<F: Float> Fusible<F> for Noisy {
    fn block(&self, seeds: &[u64], loss: Option<&Loss>) -> Option<Box<dyn FusedProblem<F>>> {
        let inner = self.problem.block(seeds, loss)?;
        Some(Box::new(Fused { noise: self.clone(), seeds: seeds.to_vec(), inner }))
    }
}

struct Fused<F> {
    noise: Noisy,
    seeds: Vec<u64>,
    inner: Box<dyn FusedProblem<F>>,
}

impl<F: Float> FusedProblem<F> for Fused<F> {
    fn elements(&self) -> usize {
        self.inner.elements()
    }
    fn start(&self) -> Rows<F> {
        self.inner.start()
    }
    fn evaluate(
        &mut self,
        draw: Draw,
        parameters: &[Row<F>],
        gradient: &mut [Row<F>],
        loss: &mut [Row<F>],
        raw_error: &mut [Row<F>],
    ) {
        self.inner.evaluate(draw, parameters, gradient, loss, raw_error);
        let Draw::Step(step) = draw else { return };
        let elements = self.inner.elements();
        for (lane, noise) in self.noise.draws(&self.seeds, step, elements).iter().enumerate() {
            let rows = gradient[lane / LANES * elements..].iter_mut();
            for (row, noise) in rows.zip(&**noise) {
                row[lane % LANES] += F::from_f64(*noise);
            }
        }
    }
    fn error(&self, raw_error: F) -> F {
        self.inner.error(raw_error)
    }
    fn raw_error(&self, error: F) -> F {
        self.inner.raw_error(error)
    }
}

struct OnTensors {
    noise: Noisy,
    seeds: Vec<u64>,
    inner: Box<dyn TensorProblem>,
    /// The step that was asked for last, and the noise of every parameter.
    current: Option<(u64, Vec<Tensor>)>,
}

impl OnTensors {
    fn at(&mut self, step: u64, parameters: &[Tensor]) -> &[Tensor] {
        if self.current.as_ref().is_none_or(|(current, _)| *current != step) {
            let lanes = self.seeds.len() as i64;
            let lengths: Vec<i64> = parameters.iter().map(|p| p.numel() as i64 / lanes).collect();
            let draws = self.noise.draws(&self.seeds, step, lengths.iter().sum::<i64>() as usize);
            let all: Vec<f64> = draws.iter().flat_map(|draw| draw.iter().copied()).collect();
            let parts = Tensor::from_slice(&all).reshape([lanes, -1]).split_with_sizes(&lengths, 1);
            let like = |(noise, p): (Tensor, &Tensor)| {
                noise.reshape(p.size()).to_kind(p.kind()).to_device(p.device())
            };
            self.current = Some((step, parts.into_iter().zip(parameters).map(like).collect()));
        }
        &self.current.as_ref().expect("it was just set").1
    }
}

impl TensorProblem for OnTensors {
    fn start(&mut self) -> Vec<Tensor> {
        self.inner.start()
    }
    fn names(&mut self) -> Vec<String> {
        self.inner.names()
    }
    fn has(&self, draw: Draw) -> bool {
        self.inner.has(draw)
    }
    fn set_training(&mut self, training: bool) {
        self.inner.set_training(training);
    }
    fn loss(&mut self, draw: Draw, parameters: &[Tensor]) -> Tensor {
        let exact = self.inner.loss(draw, parameters);
        let Draw::Step(step) = draw else { return exact };
        // 0 in value, and the noise in slope.
        let slope = |(p, noise): (&Tensor, &Tensor)| {
            ((p - p.detach()) * noise).flatten(1, -1).sum_dim_intlist(1, false, None::<Kind>)
        };
        let noise = parameters.iter().zip(self.at(step, parameters)).map(slope);
        noise.fold(exact, |sum, slope| sum + slope)
    }
    fn error(&mut self, parameters: &[Tensor]) -> Vec<f64> {
        self.inner.error(parameters)
    }
    fn terms(&mut self, draw: Draw, parameters: &[Tensor]) -> Vec<Term> {
        self.inner.terms(draw, parameters)
    }
    fn gradients(&mut self, loss: &Tensor, parameters: &[Tensor], graph: Graph) -> Vec<Tensor> {
        self.inner.gradients(loss, parameters, graph)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Noise of one kind for many seeds and steps.
    fn many(noise: &Noisy) -> Vec<f64> {
        let all = (0..100).flat_map(|seed| (0..20).map(move |step| (seed, step)));
        all.flat_map(|(seed, step)| noise.draw(seed, step, 100)).collect()
    }

    fn share(all: &[f64], of: impl Fn(f64) -> bool) -> f64 {
        all.iter().filter(|x| of(**x)).count() as f64 / all.len() as f64
    }

    #[test]
    fn noise_has_the_distribution_that_it_promises() {
        let none = Noisy { gaussian: 0.0, ..Noisy::default() };
        let variance = |all: &[f64]| all.iter().map(|x| x * x).sum::<f64>() / all.len() as f64;
        let gaussian = many(&Noisy { gaussian: 2.0, ..none.clone() });
        assert!((variance(&gaussian) - 4.0).abs() < 0.05);
        let heavy = many(&Noisy { heavy_tailed: 2.0, ..none.clone() });
        // Student's distribution with two degrees of freedom: P(|t| > x) = 1 − x/√(2 + x²).
        for x in [0.816_496_6, 3.0, 30.0] {
            let expected = 1.0 - x / (2.0 + x * x).sqrt();
            let found = share(&heavy, |t| t.abs() > 2.0 * x);
            assert!((found / expected - 1.0).abs() < 0.1, "{x}: {found}, not {expected}");
        }
        assert!((share(&heavy, |t| t > 0.0) - 0.5).abs() < 0.005);
        let sparse = many(&Noisy { sparse: 2.0, ..none.clone() });
        assert!((share(&sparse, |x| x != 0.0) - 0.01).abs() < 0.001);
        assert!((variance(&sparse) - 4.0).abs() < 0.4);
        assert!(many(&none).iter().all(|x| *x == 0.0));
    }
}
