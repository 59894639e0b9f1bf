use std::sync::Mutex;

use losses::{File, Files, Loss, TargetKind};
use numeric::Float;
use programs::{Mode, Program, Wanted};
use registry::{Described, Loaded, options};
use tch::{Device, Kind};

use crate::data::dataset::{Dataset, Names, Source, check_format, with_loaded};
use crate::models::on_program::{OnProgram, Sources};
use crate::supervised::Supervised;
use crate::{Batching, Fusible, Losses, ProblemSpec, TensorProblem};

options! {
    /// A model of your own, exported from PyTorch as a `.pt2` program, on data of your own.
    ///
    /// ```text
    /// prediction = forward(inputs of a minibatch)
    /// loss  = mean ℓ(prediction, targets)
    /// error = share of the test rows in which another logit is as large as the class's   (classes)
    ///         √(Σ (prediction − target)² / Σ (target − mean target)²) on the test rows   (values)
    ///         metric(prediction, target) on the test rows                                (a metric of your own)
    /// ```
    /// ```toml
    /// # python scripts/export.py my_code.py:MyModel model.pt2 --model --data train.npz
    /// problems = [{ model = { file = "model.pt2", data = "train.npz", test = 0.2, batch = 64 } }]
    /// ```
    /// All parameters that require a gradient are trained, each lane its own, from the values that the exporter's seed of
    /// the same number made. Steps are computed in the mode of training, where dropout drops and statistics move, each lane's
    /// by themselves; the error in that of evaluation. Random numbers follow from seed, step and operator, so that runs repeat.
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
    /// seed are the start, where the file holds several, and the order of the minibatches. The error is evaluated at every
    /// tenth step and at the last, so that steps to a target are counted in tens; without minibatches at every step.
    ///
    /// Source: yours.
    ///
    /// Checked against: PyTorch 2.13 training the same model on the same minibatches with `torch.optim.Adam`.
    ///
    /// # Errors
    /// What is wrong with a file's contents is the message of the cells that needed it.
    pub struct ProgramModel {
        /// The program, as `scripts/export.py --model` writes it; or the code, as `my_code.py:MyModel`.
        pub file: File = File::default(),
        /// Inputs and targets.
        pub data: File = File::default(),
        /// What is tested on, if it isn't a share of `data`.
        pub test_data: File = File::default(),
        /// A program that computes the error as `forward(prediction, target)`, a single number that is 0 at best.
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
        #[serde(skip)]
        read: Loaded<Result<Program, String>> = Loaded::default(),
        #[serde(skip)]
        read_metric: Loaded<Result<Program, String>> = Loaded::default(),
    }
    check: Self::fitting,
}

impl ProgramModel {
    fn fitting(&self) -> Result<(), String> {
        if !self.file.is_named() || !self.data.is_named() {
            return Err("`file` and `data` are needed: name a .pt2 program and a file of inputs and \
                        targets, relative to the config's folder"
                .into());
        }
        check_format("data", &self.data)?;
        check_format("test_data", &self.test_data)
    }

    /// Uses the data.
    ///
    /// # Errors
    /// If they can't be read.
    fn with_data<T>(&self, used: impl FnOnce(&Dataset) -> T) -> Result<T, String> {
        with_loaded(&self.dataset, used)
    }

    /// Whether all rows are one batch, as far as the data say.
    fn is_full_batch(&self) -> bool {
        self.batch == 0 || self.with_data(|data| self.batch >= data.train.rows()).unwrap_or(false)
    }
}

impl ProblemSpec for ProgramModel {
    fn load(&mut self, files: &mut Files) -> Result<(), String> {
        let model = Wanted { data: self.data.name(), ..Wanted::of_role("model") };
        let programs = [
            ("file", &mut self.file, &mut self.read, model),
            ("metric", &mut self.metric, &mut self.read_metric, Wanted::of_role("loss")),
        ];
        for (option, file, read, wanted) in programs {
            if file.is_named() {
                let program =
                    file.load_program(files, &wanted).map_err(|message| format!("`{option}`: {message}"))?;
                read.0 = Some(program);
            }
        }
        for (option, file) in [("data", &mut self.data), ("test_data", &mut self.test_data)] {
            if file.is_named() {
                file.load(files).map_err(|message| format!("`{option}`: {message}"))?;
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
        let program = self.read.0.as_ref().and_then(|read| Result::as_ref(read).ok());
        let own = program.is_some_and(|program| program.starts() > 1 || program.is_random(Mode::Train));
        own || !self.is_full_batch()
    }

    fn targets(&self) -> &'static [f64] {
        &[0.5, 0.2, 0.1]
    }

    fn batching(&self) -> Batching {
        Batching { lanes: 16, one_seed: true }
    }

    fn error_period(&self) -> u64 {
        if self.is_full_batch() { 1 } else { 10 }
    }

    fn files(&self) -> Vec<&File> {
        let optional = [&self.test_data, &self.metric].into_iter().filter(|file| file.is_named());
        [&self.file, &self.data].into_iter().chain(optional).collect()
    }

    fn batch(&self, seeds: &[u64], loss: Option<&Loss>, options: (Kind, Device)) -> Box<dyn TensorProblem> {
        let targets = loss.map_or(TargetKind::Values, |loss| loss.targets());
        let program = |file: &File, read: &Loaded<Result<Program, String>>| {
            read.0.clone().map(|read| (file.name().to_owned(), read))
        };
        let sources = Sources {
            program: program(&self.file, &self.read),
            metric: program(&self.metric, &self.read_metric),
            data: self.data.name(),
            batch: self.batch,
        };
        let model = self
            .with_data(|data| OnProgram::new(&sources, data, targets, seeds, options))
            .and_then(|model| model)
            .unwrap_or_else(|message| panic!("{message}"));
        Supervised::boxed(model, loss, seeds, options)
    }
}

impl<F: Float> Fusible<F> for ProgramModel {}
