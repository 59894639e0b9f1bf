//! What is kept of every lane while it runs: best values, targets reached, divergence, the curve.

use analysis::records::Outcome;
use numeric::{Float, LANES, Row, rows, vectorize};

use crate::plan::Settings;

/// How the error is got from what the loops compute, and back.
pub(super) trait Metric<F> {
    fn error(&self, measure: F) -> F;
    fn measure(&self, error: F) -> F;
}

/// One recorded step of a lane.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moment {
    /// The step, from 0 for the start.
    pub step: u64,
    /// The loss there.
    pub loss: f64,
    /// The error there.
    pub error: f64,
    /// The Euclidean norm of the gradient, before clipping.
    pub gradient_norm: f64,
    /// The learning rate of the update that follows.
    pub lr: f64,
}

/// What a lane comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct LaneResult {
    /// How it ended.
    pub outcome: Outcome,
    /// Updates made.
    pub steps: u64,
    /// Gradients spent.
    pub evaluations: u64,
    /// Loss at the start, at the end, and the least between.
    pub loss: [f64; 3],
    /// Error at the start, at the end, and the least between.
    pub error: [f64; 3],
    /// The step at which each target was reached.
    pub hits: Vec<Option<u64>>,
    /// The recorded steps.
    pub curve: Vec<Moment>,
    /// Why it failed, where it did.
    pub message: String,
}

impl LaneResult {
    /// A lane that broke off.
    pub(super) fn failed(message: &str, targets: usize) -> Self {
        Self {
            outcome: Outcome::Failed,
            steps: 0,
            evaluations: 0,
            loss: [f64::NAN; 3],
            error: [f64::NAN; 3],
            hits: vec![None; targets],
            curve: Vec::new(),
            message: message.to_owned(),
        }
    }
}

/// The part of a lane that is touched only when something happens.
struct Lane {
    start_loss: f64,
    start_error: f64,
    /// Above this error the lane has diverged.
    limit: f64,
    hits: Vec<Option<u64>>,
    /// Since which step each target holds, where it must hold for several.
    since: Vec<Option<u64>>,
    curve: Vec<Moment>,
    end: Option<LaneResult>,
}

/// The books of a block of lanes.
///
/// The loops look at every lane at every step, so the common case (nothing happened) is a few vector
/// comparisons a row; only rows in which something may have happened are looked at lane by lane.
pub(super) struct Ledger<'a, F> {
    settings: &'a Settings,
    best_loss: Vec<Row<F>>,
    best_measure: Vec<Row<F>>,
    /// A measure above this is no news.
    next: Vec<Row<F>>,
    /// A measure up to this is no divergence.
    limit: Vec<Row<F>>,
    lanes: Vec<Lane>,
    running: usize,
    /// Rows with news, kept between steps so that none is allocated.
    news: Vec<usize>,
}

impl<'a, F: Float> Ledger<'a, F> {
    pub(super) fn new(lanes: usize, settings: &'a Settings) -> Self {
        let chunks = rows::chunks(lanes);
        let targets = settings.targets.len();
        let lane = || Lane {
            start_loss: f64::NAN,
            start_error: f64::NAN,
            limit: f64::INFINITY,
            hits: vec![None; targets],
            since: vec![None; targets],
            curve: Vec::with_capacity(settings.record.len()),
            end: None,
        };
        Self {
            settings,
            best_loss: vec![rows::splat(F::MAX); chunks],
            best_measure: vec![rows::splat(F::MAX); chunks],
            next: vec![rows::splat(F::MAX); chunks],
            limit: vec![rows::splat(F::MAX); chunks],
            lanes: (0..lanes).map(|_| lane()).collect(),
            running: lanes,
            news: Vec::with_capacity(chunks),
        }
    }

    /// Whether every lane has diverged.
    pub(super) fn is_over(&self) -> bool {
        self.running == 0
    }

    /// Takes note of a step. Lanes that have just diverged are added to `diverged`.
    pub(super) fn observe(
        &mut self,
        step: u64,
        loss: &[Row<F>],
        measure: &[Row<F>],
        metric: &(impl Metric<F> + ?Sized),
        diverged: &mut Vec<usize>,
    ) {
        if step == 0 {
            self.open(loss, measure, metric);
        }
        let mut news = std::mem::take(&mut self.news);
        news.clear();
        vectorize(
            #[inline(always)]
            || self.scan(loss, measure, &mut news),
        );
        for &chunk in &news {
            for i in 0..LANES {
                let lane = chunk * LANES + i;
                if lane < self.lanes.len() && self.lanes[lane].end.is_none() {
                    let error = metric.error(measure[chunk][i]).to_f64();
                    self.examine(step, lane, loss[chunk][i].to_f64(), error, metric, diverged);
                }
            }
        }
        self.news = news;
    }

    /// Finds the rows in which a target may be reached or a lane may have diverged.
    #[inline(always)]
    fn scan(&mut self, loss: &[Row<F>], measure: &[Row<F>], news: &mut Vec<usize>) {
        let best = self.best_loss.iter_mut().zip(&mut self.best_measure);
        let bounds = self.next.iter().zip(&self.limit);
        for (chunk, (((loss, measure), (best_loss, best_measure)), (next, limit))) in
            loss.iter().zip(measure).zip(best).zip(bounds).enumerate()
        {
            let (l, m, next, limit) = (*loss, *measure, *next, *limit);
            let (mut bl, mut bm) = (*best_loss, *best_measure);
            let mut any = 0_u32;
            for lane in 0..LANES {
                bl[lane] = if l[lane] < bl[lane] { l[lane] } else { bl[lane] };
                bm[lane] = if m[lane] < bm[lane] { m[lane] } else { bm[lane] };
                // Comparisons with NaN are false, so the healthy side is what is asked for.
                let healthy = (m[lane] <= limit[lane]) & (l[lane].abs() <= F::MAX);
                any |= u32::from((m[lane] <= next[lane]) | !healthy);
            }
            (*best_loss, *best_measure) = (bl, bm);
            if any != 0 {
                news.push(chunk);
            }
        }
    }

    /// Sets every lane's start and its bounds.
    fn open(&mut self, loss: &[Row<F>], measure: &[Row<F>], metric: &(impl Metric<F> + ?Sized)) {
        for lane in 0..self.lanes.len() {
            let (chunk, i) = (lane / LANES, lane % LANES);
            let error = metric.error(measure[chunk][i]).to_f64();
            let state = &mut self.lanes[lane];
            state.start_loss = loss[chunk][i].to_f64();
            state.start_error = error;
            state.limit = self.settings.divergence * if error > 0.0 { error } else { 1.0 };
            // A little wider than the limit, since it is compared before rounding; `examine` is exact.
            let wide = metric.measure(F::from_f64(state.limit * 1.001));
            self.limit[chunk][i] = if wide <= F::MAX { wide } else { F::MAX };
        }
        for lane in 0..self.lanes.len() {
            self.aim(lane, metric);
        }
        // The places behind the last lane never have news.
        for place in self.lanes.len()..self.next.len() * LANES {
            self.next[place / LANES][place % LANES] = F::from_f64(-1.0);
        }
    }

    /// Looks at one lane closely.
    fn examine(
        &mut self,
        step: u64,
        lane: usize,
        loss: f64,
        error: f64,
        metric: &(impl Metric<F> + ?Sized),
        diverged: &mut Vec<usize>,
    ) {
        let state = &mut self.lanes[lane];
        if !loss.is_finite() || !error.is_finite() || error > state.limit {
            self.close(lane, Outcome::Diverged, step, loss, error, metric);
            self.next[lane / LANES][lane % LANES] = F::from_f64(-1.0);
            self.running -= 1;
            diverged.push(lane);
            return;
        }
        let hold = self.settings.hold;
        for ((target, hit), since) in self.settings.targets.iter().zip(&mut state.hits).zip(&mut state.since) {
            if hit.is_none() {
                *since = (error <= *target).then(|| since.unwrap_or(step));
                *hit = since.filter(|first| step - first + 1 >= hold);
            }
        }
        self.aim(lane, metric);
    }

    /// Sets the measure below which there may be news: the next target, or, where targets must hold
    /// for several steps, anything.
    fn aim(&mut self, lane: usize, metric: &(impl Metric<F> + ?Sized)) {
        let state = &self.lanes[lane];
        let open = state.hits.iter().position(Option::is_none);
        self.next[lane / LANES][lane % LANES] = match open {
            None => F::from_f64(-1.0),
            Some(_) if self.settings.hold > 1 => F::MAX,
            // A little wider, as above.
            Some(next) => metric.measure(F::from_f64(self.settings.targets[next] * 1.001)),
        };
    }

    /// Ends a lane.
    fn close(
        &mut self,
        lane: usize,
        outcome: Outcome,
        step: u64,
        loss: f64,
        error: f64,
        metric: &(impl Metric<F> + ?Sized),
    ) {
        let (chunk, i) = (lane / LANES, lane % LANES);
        // A start that is NaN or infinite leaves no least value behind.
        let least = |best: F, last: f64| if best < F::MAX { best.to_f64() } else { last };
        let best_loss = least(self.best_loss[chunk][i], loss);
        let best_measure = self.best_measure[chunk][i];
        let best_error = if best_measure < F::MAX { metric.error(best_measure).to_f64() } else { error };
        let state = &mut self.lanes[lane];
        state.end = Some(LaneResult {
            outcome,
            steps: step,
            evaluations: step,
            loss: [state.start_loss, loss, best_loss],
            error: [state.start_error, error, best_error],
            hits: std::mem::take(&mut state.hits),
            curve: Vec::new(),
            message: String::new(),
        });
    }

    /// Adds a step to the curves of lanes that are running or ended at this very step.
    pub(super) fn record(
        &mut self,
        step: u64,
        loss: &[Row<F>],
        measure: &[Row<F>],
        gradient_norm: &[Row<F>],
        metric: &(impl Metric<F> + ?Sized),
        lr: impl Fn(usize) -> f64,
    ) {
        for (lane, state) in self.lanes.iter_mut().enumerate() {
            let (chunk, i) = (lane / LANES, lane % LANES);
            if state.end.as_ref().is_none_or(|end| end.steps == step) {
                state.curve.push(Moment {
                    step,
                    loss: loss[chunk][i].to_f64(),
                    error: metric.error(measure[chunk][i]).to_f64(),
                    gradient_norm: gradient_norm[chunk][i].to_f64(),
                    lr: lr(lane),
                });
            }
        }
    }

    /// Ends the lanes that are still running and hands all results over.
    pub(super) fn finish(
        mut self,
        step: u64,
        loss: &[Row<F>],
        measure: &[Row<F>],
        metric: &(impl Metric<F> + ?Sized),
    ) -> Vec<LaneResult> {
        for lane in 0..self.lanes.len() {
            if self.lanes[lane].end.is_none() {
                let (chunk, i) = (lane / LANES, lane % LANES);
                let hardest = self.lanes[lane].hits.last();
                let outcome = if hardest.is_some_and(Option::is_some) { Outcome::Reached } else { Outcome::Budget };
                let error = metric.error(measure[chunk][i]).to_f64();
                self.close(lane, outcome, step, loss[chunk][i].to_f64(), error, metric);
            }
        }
        let close = |lane: Lane| {
            let mut end = lane.end.expect("every lane has been closed");
            end.curve = lane.curve;
            end
        };
        self.lanes.into_iter().map(close).collect()
    }
}
