//! Elements per second of one optimizer step, on one thread: every optimizer of the registry, fused, as
//! the same rule on libtorch tensors, and as libtorch's own C++ optimizer where there is one. What isn't
//! elementwise steps a square matrix.

use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, SamplingMode, Throughput};
use numeric::{Float, Stream, rows, slices};
use optimizers::{Libtorch, Optimizer, Oracle, TorchCounterpart};
use tch::nn::{self, OptimizerConfig, VarStore};
use tch::{Device, Kind, Tensor};

const SIZES: [usize; 5] = [1_000, 10_000, 100_000, 1_000_000, 10_000_000];
/// Of square matrices: eigenvectors of larger ones take minutes.
const SIDES: [usize; 2] = [100, 1_000];

fn main() {
    tch::set_num_threads(1);
    tch::set_num_interop_threads(1);
    let mut criterion = Criterion::default().nresamples(2000).configure_from_args();
    for size in SIZES {
        let mut group = criterion.benchmark_group("step");
        group
            .throughput(Throughput::Elements(size as u64))
            .sampling_mode(SamplingMode::Flat)
            .sample_size(10)
            .warm_up_time(Duration::from_millis(100))
            .measurement_time(Duration::from_millis(400));
        for optimizer in Optimizer::all().into_iter().filter(|optimizer| optimizer.files().is_empty()) {
            if let Some(mut cpp) = cpp(&optimizer, size) {
                bench(&mut group, "libtorch C++", &optimizer, size, || cpp.step());
                continue;
            }
            if optimizer.stepper::<f32>(1).is_some() {
                fused(&mut group, &optimizer, size);
                tensors(&mut group, "libtorch rule", &optimizer, &[size]);
            } else if let Some(side) = SIDES.into_iter().find(|side| side * side == size) {
                tensors(&mut group, "libtorch matrix", &optimizer, &[side, side]);
            }
        }
        group.finish();
    }
    criterion.final_summary();
}

fn bench(
    group: &mut BenchmarkGroup<WallTime>,
    form: &str,
    optimizer: &Optimizer,
    size: usize,
    step: impl FnMut(),
) {
    let id = BenchmarkId::new(format!("{form}/{}", optimizer.name()), size);
    let mut step = step;
    group.bench_function(id, |bencher| bencher.iter(&mut step));
}

/// Numbers that no optimizer minds.
fn draw(purpose: &str, size: usize) -> Tensor {
    let mut stream = Stream::new(purpose, &[size as u64]);
    Tensor::from_slice(&(0..size).map(|_| f32::from_f64(stream.uniform() - 0.5)).collect::<Vec<_>>())
}

/// One pass over the memory of parameter, gradient and state, as the engines take it.
fn fused(group: &mut BenchmarkGroup<WallTime>, optimizer: &Optimizer, size: usize) {
    let Some(mut stepper) = optimizer.stepper::<f32>(rows::chunks(size)) else { return };
    let (mut parameter, gradient) = (draw("parameter", size), draw("gradient", size));
    bench(group, "fused", optimizer, size, || {
        stepper.step_slice(1e-3, slices::slice_mut(&mut parameter), slices::slice(&gradient));
    });
}

/// An optimizer on one libtorch tensor, operation by operation.
fn tensors(group: &mut BenchmarkGroup<WallTime>, form: &str, optimizer: &Optimizer, shape: &[usize]) {
    let size = shape.iter().product();
    let shape: Vec<i64> = [1].iter().chain(shape).map(|n| i64::try_from(*n).expect("small")).collect();
    let draw = |purpose: &str| draw(purpose, size).reshape(&shape);
    let mut stepper = optimizer.tensor();
    let mut parameters = [draw("parameter")];
    // Every second gradient points back, so that there is a curvature to learn and the run doesn't converge.
    let gradients = [[draw("gradient")], [draw("gradient") * -0.5]];
    let lr = Tensor::from_slice(&[1e-3_f32]);
    let mut answers = Answers { loss: lr.ones_like(), gradients: gradients[0][0].zeros_like() };
    let mut steps = 0;
    bench(group, form, optimizer, size, || {
        steps += 1;
        stepper.step_with(&lr, &mut parameters, &gradients[steps % 2], &mut answers);
    });
}

/// Answers that cost nothing, so that what is measured is the optimizer's own work: wherever it asks, the loss is
/// less and the gradient 0.
struct Answers {
    loss: Tensor,
    gradients: Tensor,
}

impl Oracle for Answers {
    fn loss(&self) -> Tensor {
        self.loss.shallow_clone()
    }
    fn evaluate(&mut self, _points: &[Tensor], _asking: &[bool]) -> (Tensor, Vec<Tensor>) {
        (self.loss.zeros_like(), vec![self.gradients.shallow_clone()])
    }
    fn hessian_product(&mut self, _points: &[Tensor], directions: &[Tensor]) -> Vec<Tensor> {
        directions.iter().map(Tensor::shallow_clone).collect()
    }
}

/// libtorch's optimizer itself, without the copies between lanes that [`optimizers::Libtorch`] makes.
fn cpp(optimizer: &Optimizer, size: usize) -> Option<nn::Optimizer> {
    match optimizer {
        Optimizer::LibtorchSgd(options) => Some(build(options, size)),
        Optimizer::LibtorchRmsProp(options) => Some(build(options, size)),
        Optimizer::LibtorchAdam(options) => Some(build(options, size)),
        Optimizer::LibtorchAdamW(options) => Some(build(options, size)),
        _ => None,
    }
}

fn build<O: TorchCounterpart>(Libtorch(options): &Libtorch<O>, size: usize) -> nn::Optimizer {
    let store = VarStore::new(Device::Cpu);
    let parameter = store.root().add("parameter", draw("parameter", size), true);
    // tch has no way to set a gradient: this loss has the one that is wanted.
    (&parameter * draw("gradient", size)).sum(None::<Kind>).backward();
    options.config().build(&store, 1e-3).expect("the defaults are in their ranges")
}
