//! Elements per second of a loss's mean and its gradient: every loss of the registry, fused and on
//! libtorch with autograd, on one thread.

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput};
use losses::{Loss, TargetKind};
use numeric::{Float, LANES, Row, Stream, rows};
use tch::{Device, Kind, Tensor};

/// Within the first-level cache, within the second, and beyond.
const SIZES: [usize; 3] = [1_024, 65_536, 1_048_576];
const CLASSES: i64 = 8;

fn main() {
    tch::set_num_threads(1);
    tch::set_num_interop_threads(1);
    let mut criterion = Criterion::default().nresamples(2000).configure_from_args();
    let mut group = criterion.benchmark_group("loss");
    group
        .sampling_mode(SamplingMode::Flat)
        .sample_size(10)
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(400));
    for size in SIZES {
        group.throughput(Throughput::Elements(size as u64));
        for loss in Loss::all().into_iter().filter(|loss| loss.check().is_ok()) {
            if let Some(kernel) = loss.kernel::<f32>() {
                let (prediction, target) = (row("prediction", size), row("target", size));
                let elements = prediction.len();
                let (mut slope, mut value) = (vec![rows::zero(); elements], [rows::zero()]);
                let id = BenchmarkId::new(format!("fused/{}", loss.name()), size);
                group.bench_function(id, |bencher| {
                    bencher.iter(|| kernel.mean(elements, &prediction, &target, &mut slope, &mut value));
                });
            }
            let (prediction, target) = tensors(&loss, size);
            let id = BenchmarkId::new(format!("libtorch/{}", loss.name()), size);
            group.bench_function(id, |bencher| {
                bencher.iter(|| {
                    let mean = loss.tensor(&prediction, &target).mean(None::<Kind>);
                    Tensor::run_backward(&[mean], &[&prediction], false, false)
                });
            });
        }
    }
    group.finish();
    criterion.final_summary();
}

fn draw(purpose: &str, size: usize) -> Vec<f32> {
    let mut stream = Stream::new(purpose, &[size as u64]);
    (0..size).map(|_| f32::from_f64(stream.normal())).collect()
}

/// Sixteen lanes of `size / 16` elements.
fn row(purpose: &str, size: usize) -> Vec<Row<f32>> {
    draw(purpose, size).as_chunks::<LANES>().0.to_vec()
}

/// The same numbers as tensors; for a loss of classes, as logits and the index of the true class.
fn tensors(loss: &Loss, size: usize) -> (Tensor, Tensor) {
    let prediction = Tensor::from_slice(&draw("prediction", size));
    let (prediction, target) = match loss.targets() {
        TargetKind::Values => (prediction, Tensor::from_slice(&draw("target", size))),
        TargetKind::Classes => {
            let rows = i64::try_from(size).expect("sizes are small") / CLASSES;
            let classes = Tensor::arange(rows, (Kind::Int64, Device::Cpu)).remainder(CLASSES);
            (prediction.reshape([rows, CLASSES]), classes)
        }
    };
    (prediction.set_requires_grad(true), target)
}
