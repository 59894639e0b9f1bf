//! What is kept of every lane while it runs: best values, targets reached, divergence, the curve.

use numeric::{Float, LANES, Row, Rows, rows, vectorize};
use records::Outcome;

use super::Until;
use super::terms::{TermPoint, Terms};
use config::plan::Settings;

/// What the lanes came to at a step: the loss and the error measure of every lane.
#[derive(Clone, Copy)]
pub(super) struct Observation<'a, F> {
    pub step: u64,
    /// Whether the measure is of this very step. If not, it is that of the last step at which it was evaluated, and
    /// reaches no target and ends no lane.
    pub measured: bool,
    pub loss: &'a [Row<F>],
    pub raw_error: &'a [Row<F>],
}

/// How the error is got from what the loops compute, and back.
pub(super) trait ErrorStatistic<F> {
    fn error(&self, raw_error: F) -> F;
    fn raw_error(&self, error: F) -> F;
}

/// One recorded step of a lane.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CurvePoint {
    /// The step, from 0 for the start.
    pub step: u64,
    /// The gradients spent by then.
    pub evaluations: u64,
    /// The loss there.
    pub loss: f64,
    /// The error there.
    pub error: f64,
    /// The Euclidean norm of the gradient, before clipping.
    pub gradient_norm: f64,
    /// The learning rate of the update that follows.
    pub lr: f64,
}

/// A number at the start of a run, at its end, and the least on the way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ends {
    /// Before the first update.
    pub start: f64,
    /// After the last one.
    pub end: f64,
    /// The least at any step.
    pub best: f64,
}

impl Ends {
    /// Where nothing was measured.
    const UNKNOWN: Self = Self { start: f64::NAN, end: f64::NAN, best: f64::NAN };
}

/// The result of one training run.
#[derive(Clone, Debug, PartialEq)]
pub struct LaneResult {
    /// How it ended.
    pub outcome: Outcome,
    /// Updates made.
    pub steps: u64,
    /// Gradients spent.
    pub evaluations: u64,
    /// The loss.
    pub loss: Ends,
    /// The error.
    pub error: Ends,
    /// The step at which each target was reached.
    pub hits: Vec<Option<u64>>,
    /// The gradients spent by then.
    pub hit_evaluations: Vec<Option<u64>>,
    /// The recorded steps.
    pub curve: Vec<CurvePoint>,
    /// The terms of the loss at those steps, where it has several.
    pub terms: Vec<TermPoint>,
    /// Why it failed, where it did.
    pub message: String,
    /// The parameters where it ended, if they were asked for.
    pub end: Vec<f64>,
}

impl Default for LaneResult {
    fn default() -> Self {
        Self {
            outcome: Outcome::Budget,
            steps: 0,
            evaluations: 0,
            loss: Ends::UNKNOWN,
            error: Ends::UNKNOWN,
            hits: Vec::new(),
            hit_evaluations: Vec::new(),
            curve: Vec::new(),
            terms: Vec::new(),
            message: String::new(),
            end: Vec::new(),
        }
    }
}

impl LaneResult {
    /// The step at which the hardest target was reached.
    #[must_use]
    pub fn reached(&self) -> Option<u64> {
        self.hits.last().copied().flatten()
    }

    /// The step at which it diverged.
    #[must_use]
    pub fn diverged(&self) -> Option<u64> {
        (self.outcome == Outcome::Diverged).then_some(self.steps)
    }

    /// A lane that broke off.
    pub(super) fn failed(message: &str, targets: usize) -> Self {
        let (outcome, message) = (Outcome::Failed, message.to_owned());
        let hits = vec![None; targets];
        Self { outcome, message, hit_evaluations: hits.clone(), hits, ..Self::default() }
    }
}

/// The books of a block of lanes.
///
/// The loops look at every lane at every step, so the common case (nothing happened) is a few vector
/// comparisons a row; only rows in which something may have happened are looked at lane by lane.
pub(super) struct Recorder<'a, F> {
    settings: &'a Settings,
    until: Until,
    /// The last step of all lanes.
    last: u64,
    best_loss: Rows<F>,
    best_measure: Rows<F>,
    /// A measure above this is no news.
    next: Rows<F>,
    /// A measure up to this is no divergence.
    limit: Rows<F>,
    /// Above this error a lane has diverged.
    largest: Vec<f64>,
    ended: Vec<bool>,
    /// Evaluations beside the one of each step.
    extra: Vec<u64>,
    /// The state of the lanes so far.
    results: Vec<LaneResult>,
    /// When each lane reached each target: lanes × targets.
    hits: Vec<Option<Reached>>,
    /// Since when a target holds, where it must hold for several: lanes × targets.
    since: Vec<Option<Reached>>,
    running: usize,
    /// Rows with news, kept between steps so that none is allocated.
    news: Vec<usize>,
}

/// A lane that has just ended.
#[derive(Clone, Copy)]
pub(super) struct Ended {
    pub lane: usize,
    /// Whether it has diverged; it has arrived otherwise.
    pub diverged: bool,
}

/// When a target was reached.
#[derive(Clone, Copy)]
struct Reached {
    step: u64,
    evaluations: u64,
}

/// The smaller of the two, and `b` where `a` is NaN: one instruction.
#[inline(always)]
fn lesser<F: Float>(a: F, b: F) -> F {
    if a < b { a } else { b }
}

/// Whether a lane's step goes into its curve.
fn takes_part(ended: bool, result: &LaneResult, step: u64, due: bool) -> bool {
    if ended { result.steps == step } else { due }
}

/// Whether a target may be reached or the lane may have diverged.
#[inline(always)]
#[expect(clippy::needless_bitwise_bool, reason = "a branch inside the loop would keep it from vector code")]
fn is_news<F: Float>(loss: F, raw_error: F, next: F, limit: F) -> bool {
    // Comparisons with NaN are false, so the healthy side is what is asked for.
    let broken = !((raw_error <= limit) & (loss.abs() <= F::MAX));
    broken | (raw_error <= next)
}

impl<'a, F: Float> Recorder<'a, F> {
    pub(super) fn new(lanes: usize, settings: &'a Settings, until: Until) -> Self {
        let chunks = rows::chunks(lanes);
        let targets = settings.targets.len();
        Self {
            settings,
            until,
            last: settings.steps,
            best_loss: Rows::splat(F::MAX, chunks),
            best_measure: Rows::splat(F::MAX, chunks),
            next: Rows::splat(F::MAX, chunks),
            limit: Rows::splat(F::MAX, chunks),
            largest: vec![f64::INFINITY; lanes],
            ended: vec![false; lanes],
            extra: vec![0; lanes],
            results: (0..lanes).map(|_| LaneResult::default()).collect(),
            hits: vec![None; lanes * targets],
            since: vec![None; lanes * targets],
            running: lanes,
            news: Vec::with_capacity(chunks),
        }
    }

    /// Whether every lane has ended before the last step.
    pub(super) fn is_over(&self) -> bool {
        self.running == 0
    }

    /// The step at which lanes end that are still running then.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// Takes note of a step. Lanes that have just ended are added to `ended`. A target that must hold for h
    /// steps is reached at the first evaluated step k at which it is met, once it is met at every evaluation up to one
    /// at step k + h − 1 or later.
    pub(super) fn observe(
        &mut self,
        Observation { step, measured, loss, raw_error }: Observation<F>,
        metric: &(impl ErrorStatistic<F> + ?Sized),
        ended: &mut Vec<Ended>,
    ) {
        if step == 0 {
            self.open(loss, raw_error, metric);
        }
        let mut news = std::mem::take(&mut self.news);
        news.clear();
        vectorize(
            #[inline(always)]
            || self.scan(loss, raw_error, &mut news),
        );
        for &chunk in &news {
            for i in 0..LANES {
                let lane = chunk * LANES + i;
                let (l, m) = (loss[chunk][i], raw_error[chunk][i]);
                let has_news = is_news(l, m, self.next[chunk][i], self.limit[chunk][i]);
                // A loss that isn't finite ends a lane at any step.
                let has_news = has_news && (measured || !l.to_f64().is_finite());
                if has_news && self.ended.get(lane) == Some(&false) {
                    let error = metric.error(m).to_f64();
                    self.examine(step, lane, l.to_f64(), error, metric, ended);
                }
            }
        }
        self.news = news;
    }

    /// Finds the rows in which a target may be reached or a lane may have diverged.
    #[inline(always)]
    fn scan(&mut self, loss: &[Row<F>], raw_error: &[Row<F>], news: &mut Vec<usize>) {
        let best = self.best_loss.iter_mut().zip(self.best_measure.iter_mut());
        let bounds = self.next.iter().zip(self.limit.iter());
        for (chunk, (((loss, raw_error), (best_loss, best_measure)), (next, limit))) in
            loss.iter().zip(raw_error).zip(best).zip(bounds).enumerate()
        {
            let (l, m, next, limit) = (*loss, *raw_error, *next, *limit);
            let (mut bl, mut bm) = (*best_loss, *best_measure);
            // Adding 0 keeps `lesser` from becoming a masked store, which took a quarter of a short run.
            // Whole words rather than truth values, which would be packed into bytes first.
            let mut news_of = [0_u32; LANES];
            for lane in 0..LANES {
                bl[lane] = lesser(l[lane], bl[lane]) + F::default();
                bm[lane] = lesser(m[lane], bm[lane]) + F::default();
                news_of[lane] = u32::from(is_news(l[lane], m[lane], next[lane], limit[lane]));
            }
            (*best_loss, *best_measure) = (bl, bm);
            let any = news_of.iter().fold(0, |any, news| any | news) != 0;
            if any {
                news.push(chunk);
            }
        }
    }

    /// Sets every lane's start and its bounds.
    fn open(&mut self, loss: &[Row<F>], raw_error: &[Row<F>], metric: &(impl ErrorStatistic<F> + ?Sized)) {
        for lane in 0..self.results.len() {
            let (chunk, i) = (lane / LANES, lane % LANES);
            let error = metric.error(raw_error[chunk][i]).to_f64();
            self.results[lane].loss.start = loss[chunk][i].to_f64();
            self.results[lane].error.start = error;
            self.results[lane].curve.reserve_exact(self.settings.record.len());
            self.largest[lane] = self.settings.divergence * if error > 0.0 { error } else { 1.0 };
            // A little wider than the limit, since it is compared before rounding; `examine` is exact.
            let wide = metric.raw_error(F::from_f64(self.largest[lane] * 1.001));
            self.limit[chunk][i] = if wide <= F::MAX { wide } else { F::MAX };
            self.aim(lane, metric);
        }
        // The places behind the last lane never have news.
        for place in self.results.len()..self.next.len() * LANES {
            self.next[place / LANES][place % LANES] = F::from_f64(-1.0);
        }
    }

    /// Gives lanes that ended at a step without an evaluation of the error the one that was made for them.
    pub(super) fn amend(
        &mut self,
        Observation { raw_error, .. }: Observation<F>,
        ended: &[Ended],
        metric: &(impl ErrorStatistic<F> + ?Sized),
    ) {
        for Ended { lane, .. } in ended.iter().copied() {
            let error = metric.error(raw_error[lane / LANES][lane % LANES]).to_f64();
            let of_lane = &mut self.results[lane].error;
            (of_lane.end, of_lane.best) = (error, of_lane.best.min(error));
        }
    }

    /// Looks at one lane closely.
    fn examine(
        &mut self,
        step: u64,
        lane: usize,
        loss: f64,
        error: f64,
        metric: &(impl ErrorStatistic<F> + ?Sized),
        ended: &mut Vec<Ended>,
    ) {
        if !loss.is_finite() || !error.is_finite() || error > self.largest[lane] {
            self.close(lane, Outcome::Diverged, step, loss, error, metric);
            self.next[lane / LANES][lane % LANES] = F::from_f64(-1.0);
            self.running -= 1;
            ended.push(Ended { lane, diverged: true });
            return;
        }
        let (hold, targets) = (self.settings.hold, &self.settings.targets);
        let now = Reached { step, evaluations: step + self.extra[lane] };
        let own = lane * targets.len()..(lane + 1) * targets.len();
        let states = self.hits[own.clone()].iter_mut().zip(&mut self.since[own]);
        for (target, (hit, since)) in targets.iter().zip(states) {
            if hit.is_none() {
                *since = (error <= *target).then(|| since.unwrap_or(now));
                *hit = since.filter(|first| step - first.step + 1 >= hold);
            }
        }
        self.aim(lane, metric);
        if self.until != Until::Budget && self.hits_of(lane).last().is_some_and(Option::is_some) {
            self.close(lane, Outcome::Reached, step, loss, error, metric);
            self.running -= 1;
            ended.push(Ended { lane, diverged: false });
            if self.until == Until::First {
                self.last = self.last.min(Until::patience(step));
            }
        }
    }

    /// Sets the measure below which there may be news: the next target; or anything while one holds that must
    /// hold for several steps, since leaving it is news, too.
    fn aim(&mut self, lane: usize, metric: &(impl ErrorStatistic<F> + ?Sized)) {
        let targets = self.settings.targets.len();
        let own = lane * targets..(lane + 1) * targets;
        let open = self.hits[own.clone()].iter().position(Option::is_none);
        let mut states = self.hits[own.clone()].iter().zip(&self.since[own]);
        let holds = states.any(|(hit, since)| hit.is_none() && since.is_some());
        self.next[lane / LANES][lane % LANES] = match open {
            None => F::from_f64(-1.0),
            Some(_) if holds => F::MAX,
            // A little wider, as above.
            Some(next) => metric.raw_error(F::from_f64(self.settings.targets[next] * 1.001)),
        };
    }

    fn hits_of(&self, lane: usize) -> &[Option<Reached>] {
        let targets = self.settings.targets.len();
        &self.hits[lane * targets..(lane + 1) * targets]
    }

    /// Ends a lane.
    fn close(
        &mut self,
        lane: usize,
        outcome: Outcome,
        step: u64,
        loss: f64,
        error: f64,
        metric: &(impl ErrorStatistic<F> + ?Sized),
    ) {
        let (chunk, i) = (lane / LANES, lane % LANES);
        // A start that is NaN or infinite leaves no least value behind.
        let least = |best: F, last: f64| if best < F::MAX { best.to_f64() } else { last };
        let best_loss = least(self.best_loss[chunk][i], loss);
        let best_measure = self.best_measure[chunk][i];
        let best_error = if best_measure < F::MAX { metric.error(best_measure).to_f64() } else { error };
        let hits = self.hits_of(lane);
        let steps = hits.iter().map(|hit| hit.map(|hit| hit.step)).collect();
        let hit_evaluations = hits.iter().map(|hit| hit.map(|hit| hit.evaluations)).collect();
        self.ended[lane] = true;
        let evaluations = step + self.extra[lane];
        let result = &mut self.results[lane];
        (result.outcome, result.steps, result.evaluations) = (outcome, step, evaluations);
        (result.hits, result.hit_evaluations) = (steps, hit_evaluations);
        (result.loss.end, result.loss.best) = (loss, best_loss);
        (result.error.end, result.error.best) = (error, best_error);
    }

    /// Adds a step to the curves: of lanes that are running if it is `due`, and of lanes that ended
    /// at this very step in any case, so that a curve shows its end and depends on no other lane.
    pub(super) fn record(
        &mut self,
        Observation { step, loss, raw_error, .. }: Observation<F>,
        due: bool,
        gradient_norm: &[Row<F>],
        metric: &(impl ErrorStatistic<F> + ?Sized),
        lr: impl Fn(usize) -> f64,
    ) {
        for (lane, result) in self.results.iter_mut().enumerate() {
            let (chunk, i) = (lane / LANES, lane % LANES);
            if takes_part(self.ended[lane], result, step, due) {
                result.curve.push(CurvePoint {
                    step,
                    evaluations: step + self.extra[lane],
                    loss: loss[chunk][i].to_f64(),
                    error: metric.error(raw_error[chunk][i]).to_f64(),
                    gradient_norm: gradient_norm[chunk][i].to_f64(),
                    lr: lr(lane),
                });
            }
        }
    }

    /// Counts what the optimizer evaluated in a step besides its gradient.
    pub(super) fn charge(&mut self, extra: &[u64]) {
        self.extra.iter_mut().zip(extra).for_each(|(sum, extra)| *sum += extra);
    }

    /// Adds the terms of the loss at a step, of the lanes that [`record`](Self::record) would add.
    pub(super) fn record_terms(&mut self, step: u64, due: bool, terms: &Terms) {
        for (lane, result) in self.results.iter_mut().enumerate() {
            if takes_part(self.ended[lane], result, step, due) {
                result.terms.extend(terms.of_lane(step, lane));
            }
        }
    }

    /// Ends the lanes that are still running and hands all results over.
    pub(super) fn finish(
        mut self,
        Observation { step, loss, raw_error, .. }: Observation<F>,
        metric: &(impl ErrorStatistic<F> + ?Sized),
    ) -> Vec<LaneResult> {
        for lane in 0..self.results.len() {
            if !self.ended[lane] {
                let (chunk, i) = (lane / LANES, lane % LANES);
                let hardest = self.hits_of(lane).last();
                let outcome =
                    if hardest.is_some_and(Option::is_some) { Outcome::Reached } else { Outcome::Budget };
                let error = metric.error(raw_error[chunk][i]).to_f64();
                self.close(lane, outcome, step, loss[chunk][i].to_f64(), error, metric);
            }
        }
        self.results
    }
}
