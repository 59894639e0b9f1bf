//! A readout that was written in PyTorch.

use losses::{File, Replicas};
use tch::{Device, Kind, Tensor};

use super::numbers::Array;

/// A TorchScript module from predictions to what the target is given as.
pub(super) struct Reader {
    single: Replicas,
    double: Replicas,
    /// The shape of what it returns.
    pub shape: Vec<i64>,
    /// Whether rows that lie one after another are read as each by itself, so that one call serves many lanes.
    together: bool,
}

impl Reader {
    /// Reads a module, and tries it on the start.
    ///
    /// # Errors
    /// If it is no module, or doesn't take the start: which file, and why.
    pub fn load(file: &File, start: &Array) -> Result<Self, String> {
        let load = |kind| Replicas::load(file, 1, (kind, Device::Cpu));
        let (single, double) = (load(Kind::Float)?, load(Kind::Double)?);
        let mut reader = Self { single, double, shape: Vec::new(), together: false };
        let prediction = start.tensor(Kind::Double).set_requires_grad(true);
        let returned = reader.read(&prediction)?;
        if !returned.requires_grad() {
            return Err(format!(
                "`{}`: what `forward` returns has no gradient by the prediction: a readout that detaches or \
                 rounds has nothing to train",
                file.name()
            ));
        }
        reader.shape = returned.size();
        let _guard = tch::no_grad_guard();
        let two = Tensor::stack(&[&prediction, &(&prediction * 0.7 + 0.1)], 0);
        let apart = reader.lanes(&two);
        reader.together = reader.read(&two.flatten(0, 1)).is_ok_and(|all| {
            all.numel() == apart.numel() && all.reshape(apart.size()).allclose(&apart, 1e-9, 1e-12, true)
        });
        Ok(reader)
    }

    fn read(&self, prediction: &Tensor) -> Result<Tensor, String> {
        let module = if prediction.kind() == Kind::Double { &self.double } else { &self.single };
        let returned = module.tensor(0, "forward", &[prediction]).map_err(|message| {
            format!("{message}; it is called as forward(prediction), with prediction {:?}", prediction.size())
        })?;
        let kind = returned.kind();
        if returned.is_floating_point() {
            Ok(returned)
        } else {
            Err(format!("`{}`: `forward` returns {kind:?}: return a floating-point tensor", module.name()))
        }
    }

    /// The readouts of predictions `[lanes, …]`.
    ///
    /// # Panics
    /// If the module fails; the message says why.
    pub fn lanes(&self, prediction: &Tensor) -> Tensor {
        let one = |prediction: &Tensor| self.read(prediction).unwrap_or_else(|message| panic!("{message}"));
        if self.together {
            let shape = [&[prediction.size()[0]], &*self.shape].concat();
            return one(&prediction.flatten(0, 1)).reshape(shape);
        }
        Tensor::stack(&prediction.unbind(0).iter().map(one).collect::<Vec<_>>(), 0)
    }
}
