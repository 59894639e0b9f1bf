//! Losses put together of others.

use numeric::{Float, LANES, Row, Rows, rows, vectorize};
use registry::{options, range};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use crate::kernel::check_lengths;
use crate::{
    BatchedLoss, Call, File, Files, Fusible, Kernel, L1, Loss, LossSpec, Mse, TargetKind, Term, mean_of_lanes,
};

options! {
    /// A weighted sum or product of losses, each recorded by itself.
    ///
    /// ```text
    /// sum:      loss = Σₖ wₖ·mean ℓₖ
    /// product:  loss = Πₖ (mean ℓₖ)^wₖ
    /// ```
    /// with the mean over the elements of a lane. Each term is recorded beside the loss in `terms.csv`: its share
    /// wₖ·mean ℓₖ, the norm of its gradient, and the cosine between its gradient and that of all other terms
    /// together, which is −1 where it pulls exactly against them. The terms of a product are those of its logarithm,
    /// wₖ·ln mean ℓₖ; they must be above 0.
    ///
    /// A sum of elementwise losses has a fused kernel. A product couples the elements and runs on libtorch.
    ///
    /// ```toml
    /// losses = [{ composite = { terms = [{ loss = "mse" }, { loss = "l1", weight = 0.1 }] } }]
    /// ```
    /// Source: the question's losses that “incorporate a composite of several factors”.
    ///
    /// Checked against: the same expressions in PyTorch 2.13, value and gradient.
    ///
    /// ```
    /// use losses::{LossSpec, Loss};
    /// let text = r#"{"composite": {"terms": [{"loss": "mse"}, {"loss": "l1", "weight": 0.5}]}}"#;
    /// let loss: Loss = serde_json::from_str(text).unwrap();
    /// let (mut slope, mut value) = ([[0.0; 16]], [[0.0; 16]]);
    /// loss.kernel::<f64>().unwrap().mean(1, &[[3.0; 16]], &[[1.0; 16]], &mut slope, &mut value);
    /// assert_eq!((value[0][0], slope[0][0]), (5.0, 4.5));
    /// ```
    pub struct Composite {
        /// What it is put together of, each with its weight.
        pub terms: Vec<Weighted> = [Loss::Mse(Mse::default()), Loss::L1(L1::default())]
            .map(|loss| Weighted { loss, weight: 1.0 })
            .to_vec(),
        /// How: `sum` or `product`.
        pub combine: Combine = Combine::Sum,
    }
    check: Self::fitting,
}

/// The most terms of a composite: each is computed by itself where a step is recorded, and compared with each other.
const MOST_TERMS: usize = 100;

/// A loss and its weight.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weighted {
    /// The loss.
    pub loss: Loss,
    /// What it is multiplied by, or raised to in a product.
    #[serde(default = "one")]
    pub weight: f64,
}

fn one() -> f64 {
    1.0
}

/// How terms are put together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Combine {
    /// Each times its weight, added.
    #[default]
    Sum,
    /// Each to the power of its weight, multiplied.
    Product,
}

impl Composite {
    fn fitting(&self) -> Result<(), String> {
        if self.terms.is_empty() {
            return Err(
                "`terms` is empty: name at least one loss, such as terms = [{ loss = \"mse\" }]".into()
            );
        }
        if self.terms.len() > MOST_TERMS {
            return Err(format!("`terms` may be at most {MOST_TERMS}, and are {}", self.terms.len()));
        }
        for (index, term) in self.terms.iter().enumerate() {
            let place = |message| format!("term {}: {message}", index + 1);
            range::check("weight", term.weight, &..).map_err(place)?;
            term.loss.check().map_err(place)?;
            if term.loss.targets() != self.targets() {
                let [own, first] = [&term.loss, &self.terms[0].loss].map(Loss::label);
                return Err(format!(
                    "{own} and {first} can't be added: one needs classes as targets and the other values"
                ));
            }
        }
        Ok(())
    }
}

impl LossSpec for Composite {
    fn targets(&self) -> TargetKind {
        self.terms.first().map_or(TargetKind::Values, |term| term.loss.targets())
    }
    fn load(&mut self, files: &mut Files) -> Result<(), String> {
        let place = |(index, term): (usize, &mut Weighted)| {
            term.loss.load(files).map_err(|message| format!("term {}: {message}", index + 1))
        };
        self.terms.iter_mut().enumerate().try_for_each(place)
    }

    fn tensor(&self, prediction: &Tensor, target: &Tensor) -> Tensor {
        let values = |term: &Weighted| (term.weight, term.loss.tensor(prediction, target));
        self.combine.apply(self.terms.iter().map(values).collect(), |values| values.mean(None::<Kind>))
    }

    fn files(&self) -> Vec<&File> {
        self.terms.iter().flat_map(|term| term.loss.files()).collect()
    }

    fn instantiate(
        &self,
        seeds: &[u64],
        options: (Kind, Device),
    ) -> Option<Result<Box<dyn BatchedLoss>, String>> {
        let part = |term: &Weighted| {
            let lanes = term.loss.lanes(seeds, options)?;
            Ok(Part { name: term.loss.label(), weight: term.weight, parameters: lanes.start().len(), lanes })
        };
        let parts: Result<Vec<Part>, String> = self.terms.iter().map(part).collect();
        Some(parts.map(|parts| Box::new(OnLanes { parts, combine: self.combine }) as Box<dyn BatchedLoss>))
    }

    fn terms(&self) -> Vec<(String, Loss)> {
        let alone = |term: &Weighted| {
            let terms = vec![term.clone()];
            (term.loss.label(), Loss::Composite(Self { terms, combine: self.combine }))
        };
        self.terms.iter().map(alone).collect()
    }
}

impl Combine {
    /// The loss, from the weights of the terms and their values, which `mean` reduces. Values of one shape
    /// are added one by one, so that a function of them sees what a fused kernel would show it.
    fn apply(self, terms: Vec<(f64, Tensor)>, mean: impl Fn(Tensor) -> Tensor) -> Tensor {
        let alike = terms.iter().all(|(_, values)| values.size() == terms[0].1.size());
        let each = |(weight, values): (f64, Tensor)| match self {
            Self::Sum if alike => values * weight,
            Self::Sum => mean(values) * weight,
            Self::Product => mean(values).pow_tensor_scalar(weight),
        };
        let combine = |a, b| if self == Self::Sum { a + b } else { a * b };
        terms.into_iter().map(each).reduce(combine).expect("a composite that was checked has terms")
    }
}

struct Part {
    name: String,
    weight: f64,
    /// How many it has of its own.
    parameters: usize,
    lanes: Box<dyn BatchedLoss>,
}

struct OnLanes {
    parts: Vec<Part>,
    combine: Combine,
}

impl OnLanes {
    fn each(&mut self, call: &Call, prediction: &Tensor, target: &Tensor) -> Vec<(f64, Tensor)> {
        let mut rest = call.parameters;
        let values = |part: &mut Part| {
            let (parameters, others) = rest.split_at(part.parameters);
            rest = others;
            (part.weight, part.lanes.values(&Call { parameters, ..*call }, prediction, target))
        };
        self.parts.iter_mut().map(values).collect()
    }
}

impl BatchedLoss for OnLanes {
    fn values(&mut self, call: &Call, prediction: &Tensor, target: &Tensor) -> Tensor {
        let terms = self.each(call, prediction, target);
        self.combine.apply(terms, |values| mean_of_lanes(&values))
    }

    fn terms(&mut self, call: &Call, prediction: &Tensor, target: &Tensor) -> Vec<Term> {
        let combine = self.combine;
        let share = |(weight, values): (f64, Tensor)| match combine {
            Combine::Sum => mean_of_lanes(&values) * weight,
            Combine::Product => mean_of_lanes(&values).log() * weight,
        };
        let terms = self.each(call, prediction, target);
        let names = self.parts.iter().map(|part| part.name.clone());
        names.zip(terms).map(|(name, term)| Term { name, value: share(term) }).collect()
    }

    fn start(&self) -> Vec<Tensor> {
        self.parts.iter().flat_map(|part| part.lanes.start()).collect()
    }
}

impl<F: Float> Fusible<F> for Composite {
    fn kernel(&self) -> Option<Box<dyn Kernel<F>>> {
        if self.combine == Combine::Product {
            return None;
        }
        let term = |term: &Weighted| Some((F::from_f64(term.weight), term.loss.kernel()?));
        let terms: Option<Vec<_>> = self.terms.iter().map(term).collect();
        Some(Box::new(Sum(terms?)))
    }
}

/// The weighted sum of kernels.
struct Sum<F>(Vec<(F, Box<dyn Kernel<F>>)>);

impl<F: Float> Kernel<F> for Sum<F> {
    fn mean(
        &self,
        elements: usize,
        prediction: &[Row<F>],
        target: &[Row<F>],
        slope: &mut [Row<F>],
        value: &mut [Row<F>],
    ) {
        check_lengths(elements, prediction, target, slope, value);
        slope.fill(rows::zero());
        value.fill(rows::zero());
        let (mut slopes, mut values) = (Rows::zero(slope.len()), Rows::zero(value.len()));
        for (weight, kernel) in &self.0 {
            kernel.mean(elements, prediction, target, &mut slopes, &mut values);
            vectorize(
                #[inline(always)]
                || {
                    add(*weight, &slopes, slope);
                    add(*weight, &values, value);
                },
            );
        }
    }

    fn has_values(&self) -> bool {
        self.0.iter().all(|(_, kernel)| kernel.has_values())
    }
}

/// to ← to + weight·from
#[inline(always)]
fn add<F: Float>(weight: F, from: &[Row<F>], to: &mut [Row<F>]) {
    for (from, to) in from.iter().zip(to) {
        let (from, mut sum) = (*from, *to);
        for lane in 0..LANES {
            sum[lane] += weight * from[lane];
        }
        *to = sum;
    }
}
