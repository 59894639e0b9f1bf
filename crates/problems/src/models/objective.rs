use std::sync::Mutex;

use losses::{File, Files, Loss, Term, mean_of_lanes};
use numeric::Float;
use programs::{Instance, Lanes, Program, Wanted};
use registry::{Described, Loaded, options};
use tch::{Device, Kind, Tensor};

use crate::data::dataset::{check_format, held_out, read_columns, split_order, with_loaded};
use crate::data::minibatches::Minibatches;
use crate::models::on_program::outputs_at;
use crate::{Batching, Draw, Fusible, Losses, ProblemSpec, TensorProblem};

options! {
    /// A training step of your own, from the data to the loss, exported from PyTorch as a `.pt2` program.
    ///
    /// ```text
    /// loss  = forward(columns of a minibatch…)
    /// error = what forward returns as "error" for the test rows, or the loss there
    /// ```
    /// ```toml
    /// problems = [{ objective = { file = "objective.pt2", data = "train.npz", batch = 64 } }]
    /// ```
    /// `forward` takes columns of the data by the names of its arguments, and `step`, the number of the training step, if it
    /// has such an argument. It returns the loss, or `{"loss": …, "terms": {…}, "error": …}`: whatever is trained, with extra
    /// inputs, weights and masks, several heads, a batch that is coupled inside, derivatives by inputs, or random numbers.
    ///
    /// Every seed starts from what the constructor made of it (`--seeds` of the exporter says how many there are), and has
    /// minibatches of its own. Random numbers follow from seed, step and operator, so that runs repeat. Buffers, such as the
    /// statistics of a batch norm, move in training, each lane's by themselves; test rows are computed in evaluation mode.
    ///
    /// **Data** are a file of `.npz`, `.safetensors` or `.csv`. A column's first dimension counts the examples; what has
    /// another length there is the same for all. **Test rows** are a share of the data, drawn once for all seeds. The error
    /// is evaluated at every tenth step and at the last; without minibatches at every step.
    ///
    /// Source: yours.
    ///
    /// Checked against: PyTorch 2.13 training the same programs.
    ///
    /// # Errors
    /// What is wrong with a file's contents is the message of the cells that needed it.
    pub struct Objective {
        /// The program, as `scripts/export.py --objective` writes it; or the code, as `my_code.py:MyObjective`.
        pub file: File = File::default(),
        /// The columns that it takes.
        pub data: File = File::default(),
        /// The share of rows that is held out. With 0 the error is computed on the training rows.
        pub test: f64 = 0.2 => 0.0..1.0,
        /// Rows in a minibatch; all of them with 0, or where there are no more.
        pub batch: usize = 64,
        /// What `step` is outside of training: for the error, and where a diagnosis looks at the loss. Where a term is let in
        /// over the first steps, a step after that.
        pub step: u64 = 0,
        #[serde(skip)]
        read: Loaded<Result<Program, String>> = Loaded::default(),
        #[serde(skip)]
        columns: Loaded<Result<Mutex<Columns>, String>> = Loaded::default(),
    }
    check: Self::fitting,
}

/// The inputs of a program that aren't `step`, by its order.
#[derive(Debug)]
struct Columns {
    train: Vec<(String, Tensor)>,
    test: Vec<(String, Tensor)>,
    rows: usize,
}

impl Objective {
    fn fitting(&self) -> Result<(), String> {
        if !self.file.is_named() {
            return Err("`file` is needed: name a .pt2 program, relative to the config's folder".into());
        }
        check_format("data", &self.data)
    }

    fn program(&self) -> Result<&Program, String> {
        let read = self.read.0.as_ref().ok_or("the program isn't loaded")?;
        Result::as_ref(read).map_err(|message| format!("`{}`: {message}", self.file.name()))
    }

    /// The columns that the program takes, and a share of their rows apart.
    fn columns(&self) -> Result<Columns, String> {
        let program = self.program()?;
        let names: Vec<&str> =
            program.input_names().iter().map(String::as_str).filter(|name| *name != "step").collect();
        if program.input_names().is_empty() && program.inputs() > 0 {
            let name = self.file.name();
            return Err(format!(
                "`{name}` doesn't say what its inputs are called: write it with scripts/export.py --objective"
            ));
        }
        if names.is_empty() {
            return Ok(Columns { train: Vec::new(), test: Vec::new(), rows: 0 });
        }
        let name = self.data.name();
        if !self.data.is_named() {
            return Err(format!("`data` is needed: the program takes {}", names.join(", ")));
        }
        let all = read_columns(&self.data).map_err(|message| format!("`{name}`: {message}"))?;
        let column = |wanted: &str| {
            let found = all.iter().find(|(own, _)| own == wanted).map(|(_, tensor)| tensor.shallow_clone());
            found.ok_or_else(|| {
                let there: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
                format!("`{name}`: the program takes `{wanted}`, and there is only {}", there.join(", "))
            })
        };
        let kinds =
            program.input_names().iter().zip(program.input_kinds()).filter(|(name, _)| *name != "step");
        let columns = kinds.map(|(name, kind)| {
            // A table holds floats: what the program takes as integers or truth values is made that.
            let column = column(name)?;
            Ok(if *kind == Kind::Float { column } else { column.to_kind(*kind) })
        });
        let columns = columns.collect::<Result<Vec<_>, String>>()?;
        let lengths = columns.iter().map(|column| column.size().first().copied().unwrap_or(1) as usize);
        let rows = lengths.max().unwrap_or(0);
        let held_out = held_out(self.test, rows);
        if held_out >= rows {
            return Err(format!(
                "`{name}`: {held_out} of {rows} rows are held out, and none is left: lower `test`"
            ));
        }
        let order: Vec<i64> = split_order(rows).into_iter().map(|row| row as i64).collect();
        let (test, train) = order.split_at(held_out);
        let train = if held_out == 0 { None } else { Some(Tensor::from_slice(train)) };
        let test = if held_out == 0 { None } else { Some(Tensor::from_slice(test)) };
        let pick = |picked: &Option<Tensor>| {
            let own = |(name, column): (&&str, &Tensor)| {
                ((*name).to_owned(), rows_of(column, rows, picked.as_ref()))
            };
            names.iter().zip(&columns).map(own).collect()
        };
        Ok(Columns { train: pick(&train), test: pick(&test), rows: rows - held_out })
    }

    /// Whether all rows are one batch.
    fn is_full_batch(&self) -> bool {
        self.batch == 0 || with_loaded(&self.columns, |columns| self.batch >= columns.rows).unwrap_or(false)
    }
}

/// Some rows of a column that has so many; another is the same for all.
fn rows_of(column: &Tensor, rows: usize, picked: Option<&Tensor>) -> Tensor {
    match picked {
        Some(picked) if column.size().first() == Some(&(rows as i64)) => column.index_select(0, picked),
        _ => column.shallow_clone(),
    }
}

impl ProblemSpec for Objective {
    fn load(&mut self, files: &mut Files) -> Result<(), String> {
        let wanted = Wanted { data: self.data.name(), ..Wanted::of_role("objective") };
        let read = self.file.load_program(files, &wanted).map_err(|message| format!("`file`: {message}"))?;
        self.read.0 = Some(read);
        if self.data.is_named() {
            self.data.load(files).map_err(|message| format!("`data`: {message}"))?;
        }
        self.check()?;
        if self.columns.0.is_none() {
            let key = format!("objective {} {} {}", self.file.name(), self.data.name(), self.test);
            self.columns.0 = Some(files.made(key, || self.columns().map(Mutex::new)));
        }
        Ok(())
    }

    fn losses(&self) -> Losses {
        Losses::Own
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
        [&self.file].into_iter().chain(Some(&self.data).filter(|data| data.is_named())).collect()
    }

    fn batch(&self, seeds: &[u64], _loss: Option<&Loss>, options: (Kind, Device)) -> Box<dyn TensorProblem> {
        let lanes = with_loaded(&self.columns, |columns| OnLanes::new(self, columns, seeds, options));
        Box::new(lanes.and_then(|lanes| lanes).unwrap_or_else(|message| panic!("{message}")))
    }
}

impl<F: Float> Fusible<F> for Objective {}

/// An objective on lanes, and the data in the type of the run.
struct OnLanes {
    instance: Instance,
    kind: Kind,
    train: Vec<(String, Tensor)>,
    test: Vec<(String, Tensor)>,
    rows: usize,
    minibatches: Option<Minibatches>,
    /// The number of the step outside of training.
    step: u64,
    training: bool,
}

impl OnLanes {
    fn new(
        objective: &Objective,
        columns: &Columns,
        seeds: &[u64],
        options: (Kind, Device),
    ) -> Result<Self, String> {
        assert!(seeds.iter().all(|seed| *seed == seeds[0]), "lanes of a minibatch share their seed");
        let (kind, device) = options;
        let name = objective.file.name();
        let read = objective.read.0.as_ref().ok_or("the program isn't loaded")?;
        let instance = Instance::new(name, read, seeds, options)?;
        if instance.names().is_empty() {
            return Err(format!(
                "`{name}` has no parameter that requires a gradient, so there is nothing to train"
            ));
        }
        let to = |all: &[(String, Tensor)]| {
            let cast = |tensor: &Tensor| {
                if tensor.is_floating_point() { tensor.to_kind(kind) } else { tensor.shallow_clone() }
            };
            all.iter().map(|(name, tensor)| (name.clone(), cast(tensor).to_device(device))).collect()
        };
        let rows = columns.rows;
        let minibatches = (objective.batch > 0 && objective.batch < rows)
            .then(|| Minibatches::new("objective: minibatches", seeds[0], (objective.batch, rows), device));
        let (train, test) = (to(&columns.train), to(&columns.test));
        let step = objective.step;
        Ok(Self { instance, kind, train, test, rows, minibatches, step, training: false })
    }

    /// What the program returns at a draw.
    fn outputs(&mut self, draw: Draw, parameters: &[Tensor]) -> Vec<Lanes> {
        let picked = match (draw, &mut self.minibatches) {
            (Draw::Step(step), Some(minibatches)) => Some(minibatches.rows(step)),
            _ => None,
        };
        let columns = if draw == Draw::Validation { &self.test } else { &self.train };
        let input = |name: &String| {
            if name == "step" {
                let step = if let Draw::Step(step) = draw { step } else { self.step };
                return Lanes::Shared(Tensor::from(step as i64));
            }
            let (_, column) =
                columns.iter().find(|(own, _)| own == name).expect("columns are those of the program");
            Lanes::Shared(rows_of(column, self.rows, picked.as_ref()))
        };
        let inputs: Vec<Lanes> = self.instance.program().input_names().iter().map(input).collect();
        outputs_at(&mut self.instance, draw, self.training, parameters, &inputs)
    }

    /// The number of a lane that an output is: its mean, where it is more than one.
    fn number(&self, outputs: &[Lanes], index: usize) -> Tensor {
        let all = self.instance.output(outputs, index).unwrap_or_else(|message| panic!("{message}"));
        mean_of_lanes(&if all.is_floating_point() { all } else { all.to_kind(self.kind) })
    }

    fn named(&self, name: &str) -> Option<usize> {
        self.instance.program().output_names().iter().position(|own| own == name)
    }
}

impl TensorProblem for OnLanes {
    fn start(&mut self) -> Vec<Tensor> {
        self.instance.start()
    }

    fn names(&mut self) -> Vec<String> {
        self.instance.names()
    }

    fn has(&self, _draw: Draw) -> bool {
        true
    }

    fn set_training(&mut self, training: bool) {
        self.training = training;
    }

    fn loss(&mut self, draw: Draw, parameters: &[Tensor]) -> Tensor {
        let outputs = self.outputs(draw, parameters);
        self.number(&outputs, self.named("loss").unwrap_or(0))
    }

    fn error(&mut self, parameters: &[Tensor]) -> Vec<f64> {
        let _guard = tch::no_grad_guard();
        let outputs = self.outputs(Draw::Validation, parameters);
        let error = self.number(&outputs, self.named("error").or(self.named("loss")).unwrap_or(0));
        Vec::try_from(error.to_kind(Kind::Double)).expect("a number for each lane")
    }

    fn terms(&mut self, draw: Draw, parameters: &[Tensor]) -> Vec<Term> {
        let names = self.instance.program().terms();
        if names.is_empty() {
            return Vec::new();
        }
        self.instance.set_terms(true);
        let outputs = self.outputs(draw, parameters);
        self.instance.set_terms(false);
        names.into_iter().map(|(number, name)| Term { name, value: self.number(&outputs, number) }).collect()
    }
}
