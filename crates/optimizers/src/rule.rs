//! What an elementwise optimizer is: its update rule, and how the rule is found from the options.

use numeric::Real;
use registry::Described;

/// An elementwise update rule with `N` numbers of state for each parameter.
///
/// Written once over [`Real`]; `lr` already carries the schedule. Numbers that depend on the step
/// alone (bias corrections) are computed once a step, in `f64`, as PyTorch does.
pub trait Rule<const N: usize>: Clone + Send + Sync + 'static {
    /// What depends on the step alone.
    type StepConstants: Copy + Default + Send;

    /// That, for step `step`, counted from 1, given the one before (the default at step 1): powers of
    /// decay rates grow by one multiplication a step.
    fn step_constants(&self, step: u64, previous: Self::StepConstants) -> Self::StepConstants;

    /// The state before the first step.
    fn start(&self) -> [f64; N] {
        [0.0; N]
    }

    /// One step of one parameter: takes parameter, gradient and state, returns the new parameter.
    ///
    /// Mark it `#[inline(always)]`, and leave branches on options to [`Elementwise::rule`]: straight-line
    /// code becomes vector code, whatever the compiler makes of the rest.
    fn update<R: Real>(
        &self,
        at: Self::StepConstants,
        lr: R,
        parameter: R,
        gradient: R,
        state: &mut [R; N],
    ) -> R;
}

/// An optimizer with an elementwise rule: all that a new one has to say about itself.
///
/// The options may decide between rules, so that the state is only as large as they need.
pub trait Elementwise: Described + Send + Sync {
    /// Hands the rule for these options to `visitor`.
    fn rule<V: Visitor>(&self, visitor: V) -> V::Output;
}

/// Something that is done with a rule, whatever its type: it becomes a fused stepper, or one on tensors.
pub trait Visitor {
    /// What comes of it.
    type Output;

    /// Does it.
    fn visit<U: Rule<N>, const N: usize>(self, rule: U) -> Self::Output;
}

/// A rule with `l2·p` added to its gradient.
#[derive(Clone)]
struct L2<U> {
    l2: f64,
    rule: U,
}

/// Hands `visitor` the rule with `l2·p` added to its gradient.
///
/// Without decay that is the rule itself: 0·∞ would turn the gradient of an infinite parameter into NaN.
pub(crate) fn with_l2<V: Visitor, U: Rule<N>, const N: usize>(l2: f64, rule: U, visitor: V) -> V::Output {
    if l2 == 0.0 { visitor.visit(rule) } else { visitor.visit(L2 { l2, rule }) }
}

impl<U: Rule<N>, const N: usize> Rule<N> for L2<U> {
    type StepConstants = U::StepConstants;
    fn step_constants(&self, step: u64, previous: U::StepConstants) -> U::StepConstants {
        self.rule.step_constants(step, previous)
    }

    fn start(&self) -> [f64; N] {
        self.rule.start()
    }

    #[inline(always)]
    fn update<R: Real>(&self, at: U::StepConstants, lr: R, p: R, g: R, state: &mut [R; N]) -> R {
        let g = g + p.clone() * self.l2;
        self.rule.update(at, lr, p, g, state)
    }
}

/// A rule with decoupled weight decay before its step.
#[derive(Clone)]
struct Decoupled<U> {
    weight_decay: f64,
    rule: U,
}

/// Hands `visitor` the rule with decoupled weight decay; without decay, the rule itself.
pub(crate) fn with_weight_decay<V: Visitor, U: Rule<N>, const N: usize>(
    decay: f64,
    rule: U,
    visitor: V,
) -> V::Output {
    if decay == 0.0 { visitor.visit(rule) } else { visitor.visit(Decoupled { weight_decay: decay, rule }) }
}

impl<U: Rule<N>, const N: usize> Rule<N> for Decoupled<U> {
    type StepConstants = U::StepConstants;
    fn step_constants(&self, step: u64, previous: U::StepConstants) -> U::StepConstants {
        self.rule.step_constants(step, previous)
    }

    fn start(&self) -> [f64; N] {
        self.rule.start()
    }

    #[inline(always)]
    fn update<R: Real>(&self, at: U::StepConstants, lr: R, p: R, g: R, state: &mut [R; N]) -> R {
        // Not p·(1 − lr·weight_decay): in single precision the bracket would lose most of the decay.
        let p = p.clone() - lr.clone() * self.weight_decay * p;
        self.rule.update(at, lr, p, g, state)
    }
}
