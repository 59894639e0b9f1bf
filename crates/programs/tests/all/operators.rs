//! Every operator of the table against PyTorch, value and gradient: the cases of `scripts/golden/operators.py`.

use std::collections::BTreeSet;

use numeric::panics::guarded;
use programs::{Lanes, Mode, Streams};
use serde_json::Value;
use tch::{Kind, Tensor};

use crate::cases::{Case, Set, cases, entry, list, targets};

/// Floats in the type of the run.
fn of_kind(tensor: &Tensor, kind: Kind) -> Tensor {
    match tensor.kind() {
        Kind::Double => tensor.to_kind(kind),
        Kind::ComplexDouble if kind == Kind::Float => tensor.to_kind(Kind::ComplexFloat),
        _ => tensor.shallow_clone(),
    }
}

/// Real numbers, those of a complex one beside each other.
fn real(tensor: &Tensor) -> Tensor {
    if tensor.is_complex() { tensor.resolve_conj().view_as_real() } else { tensor.resolve_neg() }
}

/// The weights of the sum that gradients are taken of.
fn weights(count: i64, kind: Kind) -> Tensor {
    ((Tensor::arange(count, (Kind::Int64, tch::Device::Cpu)) * 7).remainder(11) + 1).to_kind(kind) / 8.0
}

/// Outputs and gradients of some lanes.
struct Run {
    outputs: Vec<Lanes>,
    gradients: Vec<Option<Tensor>>,
}

impl Run {
    /// What belongs to a lane: outputs, then gradients; where there is none, zeros.
    fn lane(&self, lane: usize) -> Vec<Tensor> {
        let gradients = self.gradients.iter().flatten().map(|gradient| gradient.get(lane as i64));
        self.outputs.iter().map(|output| output.lane(lane).detach()).chain(gradients).collect()
    }
}

/// Runs a case. Of inputs that lanes don't share gradients are taken.
fn run(case: &Case, kind: Kind, lanes: usize, inputs: &[Lanes]) -> Result<Run, String> {
    let program = case.program.as_ref().map_err(Clone::clone)?;
    let own: Vec<Lanes> = inputs
        .iter()
        .zip(&case.wanted)
        .map(|(input, wanted)| match input {
            Lanes::Together(tensor) if *wanted => Lanes::Together(tensor.detach().set_requires_grad(true)),
            other => other.clone(),
        })
        .collect();
    let seeds = vec![0; lanes];
    let streams = Streams { seeds: &seeds, step: 0 };
    guarded(|| {
        let evaluated = program.evaluate(Mode::Train, (kind, lanes), (&[], &[], &own), &streams)?;
        let mut total = Tensor::zeros([], (kind, tch::Device::Cpu));
        let mut add = |tensor: &Tensor, shift: i64| {
            if tensor.requires_grad() {
                let flat = real(tensor);
                let flat =
                    if flat.dim() as i64 == shift { flat.unsqueeze(-1) } else { flat.flatten(shift, -1) };
                let count = flat.size()[shift as usize];
                total = &total + (flat * weights(count, kind)).sum(kind);
            }
        };
        for output in &evaluated.outputs {
            match output {
                Lanes::Shared(tensor) => add(tensor, 0),
                Lanes::Together(tensor) => add(tensor, 1),
                Lanes::Apart(tensors) => tensors.iter().for_each(|tensor| add(tensor, 0)),
            }
        }
        let leaves: Vec<Option<&Tensor>> = own
            .iter()
            .map(|input| match input {
                Lanes::Together(tensor) if tensor.requires_grad() => Some(tensor),
                _ => None,
            })
            .collect();
        let wanted: Vec<&Tensor> = leaves.iter().flatten().copied().collect();
        let mut found = if total.requires_grad() && !wanted.is_empty() {
            Tensor::run_backward(&[total], &wanted, false, false)
        } else {
            wanted.iter().map(|_| Tensor::new()).collect()
        }
        .into_iter();
        let gradients = leaves
            .iter()
            .map(|leaf| {
                let leaf = (*leaf)?;
                let gradient = found.next()?;
                // Some of libtorch's zeros have no memory.
                let is_zero = !gradient.defined() || gradient.internal_is_zerotensor();
                Some(if is_zero { leaf.zeros_like().detach() } else { gradient.resolve_conj() })
            })
            .collect();
        Ok(Run { outputs: evaluated.outputs, gradients })
    })
    .and_then(|result| result)
}

/// One lane's inputs.
fn alone(set: &Set, kind: Kind) -> Vec<Lanes> {
    set.inputs.iter().map(|input| Lanes::Together(of_kind(input, kind).unsqueeze(0))).collect()
}

fn together(sets: &[&[Tensor]], kind: Kind) -> Vec<Lanes> {
    (0..sets[0].len())
        .map(|number| {
            let all: Vec<Tensor> = sets.iter().map(|set| of_kind(&set[number], kind)).collect();
            Lanes::Together(Tensor::stack(&all, 0))
        })
        .collect()
}

/// How far two tensors are apart, in units of the largest number, but at least 1e-3; infinite where one is NaN or of
/// another kind or shape and the other isn't.
fn apart(ours: &Tensor, theirs: &Tensor) -> f64 {
    let class =
        |tensor: &Tensor| (tensor.is_complex(), tensor.is_floating_point(), tensor.kind() == Kind::Bool);
    if ours.size() != theirs.size() || class(ours) != class(theirs) {
        return f64::INFINITY;
    }
    let [ours, theirs] = [ours, theirs].map(|tensor| real(tensor).to_kind(Kind::Double));
    if theirs.numel() == 0 {
        return 0.0;
    }
    let same = ours.eq_tensor(&theirs).logical_or(&ours.isnan().logical_and(&theirs.isnan()));
    let scale = theirs.nan_to_num(0.0, 0.0, 0.0).abs().max().double_value(&[]).max(1e-3);
    let distance = (&ours - &theirs).abs().nan_to_num(f64::INFINITY, f64::INFINITY, f64::INFINITY);
    distance.masked_fill(&same, 0.0).max().double_value(&[]) / scale
}

/// The bits of a tensor's numbers; one NaN is like another.
fn bits(tensor: &Tensor) -> Vec<u64> {
    let numbers: Vec<f64> =
        real(tensor).to_kind(Kind::Double).contiguous().flatten(0, -1).try_into().unwrap();
    numbers.iter().map(|number| if number.is_nan() { u64::MAX } else { number.to_bits() }).collect()
}

/// How far lanes are from another run of them; 0 where bits are the same, and at least the smallest number where not.
fn moved(ours: &[Tensor], theirs: &[Tensor]) -> f64 {
    if ours.len() != theirs.len() {
        return f64::INFINITY;
    }
    let distance = |(ours, theirs): (&Tensor, &Tensor)| {
        if ours.size() == theirs.size() && bits(ours) == bits(theirs) {
            return 0.0;
        }
        apart(ours, theirs).max(f64::MIN_POSITIVE)
    };
    ours.iter().zip(theirs).map(distance).fold(0.0, f64::max)
}

/// A case in one type of floats, and what is wrong with it.
struct Check<'a> {
    case: &'a Case,
    kind: Kind,
    wrong: Vec<String>,
}

impl Check<'_> {
    fn say(&mut self, what: &str, distance: f64, most: f64) {
        if distance.is_nan() || distance > most {
            self.wrong.push(format!("{} in {:?}, {what}: {distance:.1e} apart", self.case.name, self.kind));
        }
    }

    /// The results of lanes; `None` where it is refused, which is wrong.
    fn run(&mut self, what: &str, lanes: usize, inputs: &[Lanes]) -> Option<Run> {
        run(self.case, self.kind, lanes, inputs)
            .map_err(|message| {
                self.wrong.push(format!("{} in {:?}, {what}: {message}", self.case.name, self.kind));
            })
            .ok()
    }

    /// One set by itself, against PyTorch: with lanes, of which there is one, and without.
    fn single(&mut self, number: usize) -> Option<Vec<Tensor>> {
        let set = &self.case.sets[number];
        let exact = if self.kind == Kind::Double { 1e-9 } else { 1e-4 };
        let ours = self.run(&format!("set {number}"), 1, &alone(set, self.kind))?.lane(0);
        let theirs: Vec<&Tensor> = set.outputs.iter().chain(set.gradients.iter().flatten()).collect();
        self.say("number of results", ours.len().abs_diff(theirs.len()) as f64, 0.0);
        for (place, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
            let what = if place < set.outputs.len() { "output" } else { "gradient" };
            self.say(&format!("set {number}, {what} {place}"), apart(ours, theirs), exact);
        }
        let shared: Vec<Lanes> =
            set.inputs.iter().map(|input| Lanes::Shared(of_kind(input, self.kind))).collect();
        for (ours, theirs) in self.run("shared", 1, &shared)?.outputs.iter().zip(&set.outputs) {
            self.say(&format!("set {number}, shared"), apart(&ours.lane(0), theirs), exact);
        }
        Some(ours)
    }

    /// Lanes against each of some by itself.
    fn lanes(&mut self, what: &str, inputs: &[Lanes], singles: &[Vec<Tensor>]) {
        let Some(run) = self.run(what, 3, inputs) else { return };
        for (lane, single) in singles.iter().enumerate() {
            let most = tolerance(self.case, self.kind);
            self.say(&format!("{what}, lane {lane}"), moved(&run.lane(lane), single), most);
        }
    }

    fn all(&mut self) {
        let (case, kind) = (self.case, self.kind);
        let Some(singles) = (0..3).map(|number| self.single(number)).collect::<Option<Vec<_>>>() else {
            return;
        };
        let sets: Vec<&[Tensor]> = case.sets.iter().map(|set| &*set.inputs).collect();
        self.lanes("three lanes", &together(&sets, kind), &singles);
        if kind == Kind::Float && !crate::is_full() {
            return;
        }
        for shared in 0..sets[0].len() {
            let mix = |all: Vec<Lanes>| {
                let swap = |(number, lanes)| {
                    if number == shared { Lanes::Shared(of_kind(&sets[0][shared], kind)) } else { lanes }
                };
                all.into_iter().enumerate().map(swap).collect::<Vec<_>>()
            };
            let own = case.sets.iter().map(|set| Ok(run(case, kind, 1, &mix(alone(set, kind)))?.lane(0)));
            // Such a mixture needn't be valid.
            if let Ok(own) = own.collect::<Result<Vec<_>, String>>() {
                self.lanes(&format!("input {shared} shared"), &mix(together(&sets, kind)), &own);
            }
        }
        let poison = |tensor: &Tensor| {
            let is_float = tensor.is_floating_point() || tensor.is_complex();
            if is_float { tensor.full_like(f64::NAN) } else { tensor.shallow_clone() }
        };
        let poisoned: Vec<Tensor> = sets[1].iter().map(poison).collect();
        self.lanes("beside NaN", &together(&[sets[0], &poisoned, &poisoned], kind), &singles[..1]);
    }
}

/// Operators of matrices: in a batch, and where a matrix lies in memory, libtorch adds in another order.
const MATRICES: &str = "\
    addbmm addmm addmv baddbmm bilinear bmm cdist cholesky cholesky_inverse cholesky_solve conv1d conv2d \
    conv3d conv_transpose1d conv_transpose2d conv_transpose3d det dot einsum gru gru_cell inner inverse \
    linear logdet lstm lstm_cell matmul matrix_exp mm mv rnn_relu rnn_relu_cell rnn_tanh rnn_tanh_cell \
    scaled_dot_product_attention slogdet svd tensordot vdot";

/// Functions that libtorch computes by vectors of numbers, and at the end of a tensor one by one, which rounds otherwise;
/// and sums that it adds in another order where there are more of them; of `grid_sampler`, the signs of zeros.
const ROUNDED: &str = "\
    abs acos acosh angle asin asinh atan atan2 atanh binary_cross_entropy \
    binary_cross_entropy_with_logits celu cos cosh cosine_embedding_loss cross_entropy_loss digamma elu \
    erf erfc erfinv exp exp2 expm1 fft_fft fft_fft2 fft_fftn fft_hfft fft_ifft fft_ifft2 fft_irfft \
    fft_irfft2 fft_rfft fft_rfft2 fft_rfftn gelu grid_sampler hypot i0 istft kl_div layer_norm lgamma \
    log log10 log1p log2 log_sigmoid log_softmax logaddexp logaddexp2 logcumsumexp logit logsumexp mish \
    mvlgamma native_layer_norm norm pairwise_distance poisson_nll_loss polar polygamma pow prod \
    reciprocal rsqrt selu sgn sigmoid silu silu_backward sin sinc sinh soft_margin_loss softmax softplus \
    softplus_backward special_entr special_i0 special_i0e special_i1 special_log_ndtr special_ndtr \
    special_xlog1py std std_mean stft tan tanh triplet_margin_loss var var_mean xlogy";

/// What isn't as it should be: the beginning of a case's name, a text of the message, and why.
const EXCEPT: &[(&str, &str, &str)] = &[
    ("as_strided_scatter", "gradient", "PyTorch's is that of what is overwritten"),
    ("linalg.eigh", "in Float", "eigenvectors have no sign of their own"),
    ("logcumsumexp", "in Float", "its derivative subtracts exponentials, in PyTorch, too"),
    ("aten.quantile.default", "beside NaN", "shares that are no numbers are refused"),
    ("tensor_split", "differs between lanes", "sizes can't differ between lanes"),
];

/// What lanes may differ by from one by one.
fn tolerance(case: &Case, kind: Kind) -> f64 {
    let of = |list: &str| case.targets.iter().any(|target| list.split(' ').any(|name| name == base(target)));
    let single = kind == Kind::Float;
    if of(MATRICES) || case.targets.iter().any(|target| target.starts_with("aten.linalg_")) {
        return if single { 1e-4 } else { 1e-10 };
    }
    match (of(ROUNDED), single) {
        (false, _) => 0.0,
        (true, false) => 1e-14,
        (true, true) => 1e-6,
    }
}

/// `add` of `aten.add.Tensor`.
fn base(target: &str) -> &str {
    target.split('.').nth(1).unwrap_or(target)
}

/// Operators without a case, and why.
const WITHOUT_A_CASE: &[(&str, &str)] = &[
    ("aten.ctc_loss.IntList", "torch.export of 2.13 refuses it"),
    ("aten.ctc_loss.Tensor", "torch.export of 2.13 refuses it"),
    ("aten.empty_like.default", "its numbers are arbitrary"),
    ("aten.new_empty.default", "its numbers are arbitrary"),
    ("aten.linalg_lstsq.default", "torch.export of 2.13 refuses it"),
    ("aten.equal.default", "torch.export of 2.13 refuses it"),
    ("aten.arange.start", "torch.export of 2.13 writes arange.start_step"),
    ("aten.split.sizes", "torch.export of 2.13 writes split_with_sizes"),
    ("aten.sym_stride.int", "torch.export of 2.13 writes strides by sizes"),
    ("aten.sym_constrain_range.default", "torch.export of 2.13 writes _assert_scalar"),
    ("aten.sym_constrain_range_for_size.default", "torch.export of 2.13 writes _assert_scalar"),
    ("torch.sym_int", "torch.export of 2.13 writes math.trunc"),
];

#[test]
fn every_operator_has_a_case() {
    let values: Value = serde_json::from_slice(&entry("cases.json")).unwrap();
    let mut shown = BTreeSet::new();
    for case in list(&values) {
        targets(&case["program"]["graph_module"]["graph"], &mut shown);
    }
    // The zoo replays what random operators drew.
    let own = programs::operators().into_iter().filter(|operator| operator.family != "random");
    let without: BTreeSet<&str> =
        own.map(|operator| operator.name).filter(|name| !shown.contains(*name)).collect();
    let expected: BTreeSet<&str> = WITHOUT_A_CASE.iter().map(|(name, _)| *name).collect();
    assert_eq!(without, expected, "those without a case, and those expected");
}

#[test]
fn every_operator_computes_what_pytorch_does() {
    tch::set_num_threads(1);
    let filter = std::env::var("CASE").unwrap_or_default();
    let cases = cases();
    let mut wrong = Vec::new();
    for case in cases.iter().filter(|case| case.name.contains(&filter)) {
        for kind in [Kind::Double, Kind::Float] {
            let mut check = Check { case, kind, wrong: Vec::new() };
            if let Err(message) = guarded(|| check.all()) {
                check.wrong.push(format!("{} in {kind:?}: {message}", case.name));
            }
            wrong.append(&mut check.wrong);
        }
    }
    for (name, text, reason) in EXCEPT {
        let before = wrong.len();
        wrong.retain(|message| !(message.starts_with(name) && message.contains(text)));
        assert!(
            wrong.len() < before || !filter.is_empty(),
            "{name} is as it should be, and needs no exception: {reason}"
        );
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}
