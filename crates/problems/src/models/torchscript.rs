use std::sync::{Mutex, PoisonError};

use losses::{File, Files, Loss, TargetKind};
use numeric::Float;
use registry::{Described, Loaded, options};
use tch::{Device, Kind};

use crate::data::dataset::{Dataset, FORMATS, Names, Source, format_of};
use crate::models::module::{OnModules, Sources};
use crate::supervised::Supervised;
use crate::{Batching, Fusible, Losses, ProblemSpec, TensorProblem};

options! {
    /// A model of your own, exported from PyTorch as a TorchScript module, on data of your own.
    ///
    /// ```text
    /// prediction = forward(inputs of a minibatch)
    /// loss  = mean ℓ(prediction, targets)
    /// error = share of the test rows in which another logit is as large as the class's   (classes)
    ///         √(Σ (prediction − target)² / Σ (target − mean target)²) on the test rows   (values)
    ///         metric(prediction, target) on the test rows                                (a metric of your own)
    /// ```
    /// ```toml
    /// problems = [{ torchscript = { model = "model.pt", data = "train.npz", test = 0.2, batch = 64 } }]
    /// ```
    /// All parameters that require a gradient are trained, each lane its own, from the values that were exported;
    /// frozen ones and buffers stay. The module runs in the mode it was exported in, so call `eval()`
    /// first: dropout would draw from libtorch's global generator, and such a run doesn't repeat and depends on the number
    /// of threads, which the convergence table says below it.
    ///
    /// **Data** are a file of `.safetensors`, `.npz` or `.csv`. In the first two, `inputs` and `targets` name a tensor
    /// each, whose first dimension counts the examples. In a CSV file, whose first line names the columns, they
    /// name columns: by default the target is the last, and all others are inputs.
    ///
    /// **Targets** that are integers are classes from 0; in a CSV file `classes = true` says so. The model returns logits
    /// `[n, classes]` for them, and a loss of values sees the classes one-hot. Two classes may do
    /// with one logit, `[n]` or `[n, 1]`, against 0 and 1. Targets that are floats are values, and the model returns as
    /// many: where only dimensions of size 1 differ, such as `[n, 1]` against `[n]`, the prediction takes the
    /// shape of the targets, so that nothing is broadcast against all rows; any other difference is an error.
    ///
    /// **Test rows** are a share of the data, drawn once for all seeds, or a file of their own. What depends on the
    /// seed is the order of the minibatches: without them, every seed is the same run. The error is evaluated at every
    /// tenth step and at the last, so that steps to a target are counted in tens; without minibatches at every step.
    ///
    /// Source: yours.
    ///
    /// Checked against: PyTorch 2.13 training the same module on the same minibatches with `torch.optim.Adam`.
    ///
    /// # Errors
    /// What is wrong with a file's contents is the message of the cells that needed it.
    pub struct TorchScript {
        /// The module, as `torch.jit.save` writes it.
        pub model: File = File::default(),
        /// Inputs and targets.
        pub data: File = File::default(),
        /// What is tested on, if it isn't a share of `data`.
        pub test_data: File = File::default(),
        /// A module that computes the error as `forward(prediction, target)`, a single number that is 0 at best.
        pub metric: File = File::default(),
        /// What the inputs are called in the file; `x` by default, or all columns that are no target.
        pub inputs: Names = Names::default(),
        /// What the targets are called in the file; `y` by default, or the last column.
        pub targets: Names = Names::default(),
        /// Whether the targets of a CSV file are classes.
        pub classes: bool = false,
        /// The share of rows that is held out to test on. With 0 the error is computed on the training rows.
        pub test: f64 = 0.2 => 0.0..1.0,
        /// Rows in a minibatch; all of them with 0, or where there are no more.
        pub batch: usize = 64,
        /// Whether columns of floats are moved to mean 0 and scaled to standard deviation 1, as training rows have them.
        pub standardize: bool = false,
        /// The data, or what is wrong with them. Entries with the same data share them. Behind a lock, since a tensor may be
        /// sent to another thread and not be seen by two.
        #[serde(skip)]
        dataset: Loaded<Result<Mutex<Dataset>, String>> = Loaded::default(),
    }
    check: Self::fitting,
}

impl TorchScript {
    fn fitting(&self) -> Result<(), String> {
        if !self.model.is_named() || !self.data.is_named() {
            return Err("`model` and `data` are needed: name a TorchScript module and a file of inputs and \
                        targets, relative to the config's folder"
                .into());
        }
        for (option, file) in [("data", &self.data), ("test_data", &self.test_data)] {
            if file.is_named() && format_of(file).is_none() {
                let known = FORMATS.join(", .");
                return Err(format!("`{option}` must end in .{known}, and is `{}`", file.name()));
            }
        }
        Ok(())
    }

    /// Uses the data.
    ///
    /// # Errors
    /// If they can't be read.
    fn with_data<T>(&self, used: impl FnOnce(&Dataset) -> T) -> Result<T, String> {
        let dataset = self.dataset.0.as_ref().ok_or("the data aren't loaded")?;
        let dataset = Result::as_ref(dataset).map_err(Clone::clone)?;
        Ok(used(&dataset.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    /// Whether all rows are one batch, as far as the data say.
    fn is_full_batch(&self) -> bool {
        self.batch == 0 || self.with_data(|data| self.batch >= data.train.rows()).unwrap_or(false)
    }
}

impl ProblemSpec for TorchScript {
    fn load(&mut self, files: &mut Files) -> Result<(), String> {
        for (option, file, is_module) in [
            ("model", &mut self.model, true),
            ("metric", &mut self.metric, true),
            ("data", &mut self.data, false),
            ("test_data", &mut self.test_data, false),
        ] {
            if file.is_named() {
                let read = if is_module { file.load_module(files) } else { file.load(files) };
                read.map_err(|message| format!("`{option}`: {message}"))?;
            }
        }
        self.check()?;
        let Self { data, test_data, inputs, targets, classes, test, standardize, .. } = &*self;
        let (classes, test, standardize) = (*classes, *test, *standardize);
        let source = Source { data, test_data, inputs, targets, classes, test, standardize };
        if self.dataset.0.is_none() {
            let key = serde_json::to_string(&source).expect("options are plain data");
            self.dataset.0 = Some(files.made(key, || source.load().map(Mutex::new)));
        }
        Ok(())
    }

    fn losses(&self) -> Losses {
        match self.with_data(|data| data.classes) {
            Ok(None) => Losses::Values,
            // What can't be read fails in its own cells, with any loss.
            Ok(Some(_)) | Err(_) => Losses::ValuesOrClasses,
        }
    }

    fn depends_on_seed(&self) -> bool {
        !self.is_full_batch()
    }

    fn targets(&self) -> &'static [f64] {
        &[0.5, 0.2, 0.1]
    }

    /// Lanes are computed one by one, so that small batches of them keep every core busy.
    fn batching(&self) -> Batching {
        Batching { lanes: 4, one_seed: true }
    }

    fn error_period(&self) -> u64 {
        if self.is_full_batch() { 1 } else { 10 }
    }

    fn files(&self) -> Vec<&File> {
        let optional = [&self.test_data, &self.metric].into_iter().filter(|file| file.is_named());
        [&self.model, &self.data].into_iter().chain(optional).collect()
    }

    fn is_random(&self) -> bool {
        self.model.is_random_module() || (self.metric.is_named() && self.metric.is_random_module())
    }

    fn batch(&self, seeds: &[u64], loss: Option<&Loss>, options: (Kind, Device)) -> Box<dyn TensorProblem> {
        let targets = loss.map_or(TargetKind::Values, |loss| loss.targets());
        let Self { model, metric, batch, .. } = self;
        let sources = Sources { model, metric, data: self.data.name(), batch: *batch };
        let model = self
            .with_data(|data| OnModules::new(&sources, data, targets, seeds, options))
            .and_then(|model| model)
            .unwrap_or_else(|message| panic!("{message}"));
        Supervised::boxed(model, loss, seeds.len(), options)
    }
}

impl<F: Float> Fusible<F> for TorchScript {}
