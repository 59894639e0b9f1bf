//! Line searches for the Wolfe conditions, one value at a time: lanes are at different places of it,
//! and their evaluations go together.
//!
//! That for the strong ones is PyTorch's (minFunc's): the lower end of an interval is the one with the lower loss, whether it falls
//! enough or not, so that from a step far too long a search may end without one that does. That for the weak ones
//! bisects (Lewis & Overton 2013), which gets along with kinks.

/// A point on the line: the step, the loss, and the slope along the direction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Point {
    pub t: f64,
    pub loss: f64,
    pub slope: f64,
}

/// What is asked of a step: `loss ≤ loss₀ + c1·t·slope₀`, and `|slope| ≤ c2·|slope₀|` or, weakly, `slope ≥ c2·slope₀`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conditions {
    pub weak: bool,
    pub c1: f64,
    pub c2: f64,
    /// The most evaluations, after the first.
    pub most: u64,
    /// The shortest interval, times the largest element of the direction.
    pub shortest: f64,
}

/// A search that is told the loss at one step, and asks for another or is done.
pub(crate) struct Search {
    conditions: Conditions,
    start: Point,
    /// The largest element of the direction.
    size: f64,
    evaluations: u64,
    phase: Phase,
}

#[derive(Clone, Copy)]
enum Phase {
    /// Looks for an interval that has a good step in it; the step before.
    Bracket(Point),
    /// Narrows it: its ends, which of them is the lower, and whether the last step made little progress.
    Zoom { ends: [Point; 2], low: usize, little: bool },
    /// Bisects between the longest step that falls enough and the shortest that doesn't.
    Bisect { low: f64, high: f64 },
}

/// What comes of an evaluation.
pub(crate) enum Next {
    /// Another step is to be evaluated.
    Try(f64),
    /// This is the step.
    Done(f64),
}

impl Search {
    /// A search from `start`, whose `t` is 0; the first step to try is the caller's.
    pub fn new(conditions: Conditions, start: Point, size: f64) -> Self {
        let bisect = Phase::Bisect { low: 0.0, high: f64::INFINITY };
        let phase = if conditions.weak { bisect } else { Phase::Bracket(start) };
        Self { conditions, start, size, evaluations: 0, phase }
    }

    fn too_high(&self, new: Point) -> bool {
        new.loss > self.start.loss + self.conditions.c1 * new.t * self.start.slope
    }

    fn flat(&self, new: Point) -> bool {
        new.slope.abs() <= -self.conditions.c2 * self.start.slope
    }

    /// Takes what was found at the last step asked for.
    pub fn tell(&mut self, new: Point) -> Next {
        match self.phase {
            Phase::Bracket(previous) => self.bracket(previous, new),
            Phase::Zoom { ends, low, little } => self.narrow(ends, low, little, new),
            Phase::Bisect { low, high } => self.bisect(low, high, new),
        }
    }

    fn bisect(&mut self, mut low: f64, mut high: f64, new: Point) -> Next {
        // NaN is too high, too.
        if new.loss <= self.start.loss + self.conditions.c1 * new.t * self.start.slope {
            if new.slope >= self.conditions.c2 * self.start.slope {
                return Next::Done(new.t);
            }
            low = new.t;
        } else {
            high = new.t;
        }
        let t = if high.is_finite() { 0.5 * (low + high) } else { 4.0 * low };
        if self.evaluations == self.conditions.most || t == low || t == high || !t.is_finite() {
            return Next::Done(low);
        }
        self.phase = Phase::Bisect { low, high };
        self.evaluations += 1;
        Next::Try(t)
    }

    fn bracket(&mut self, previous: Point, new: Point) -> Next {
        if self.evaluations == self.conditions.most {
            return Next::Done(if self.start.loss <= new.loss { 0.0 } else { new.t });
        }
        if self.too_high(new) || (self.evaluations > 1 && new.loss >= previous.loss) {
            return self.zoom([previous, new], lower(previous, new), false);
        }
        if self.flat(new) {
            return Next::Done(new.t);
        }
        if new.slope >= 0.0 {
            return self.zoom([previous, new], lower(previous, new), false);
        }
        let bounds = (new.t + 0.01 * (new.t - previous.t), 10.0 * new.t);
        self.phase = Phase::Bracket(new);
        self.evaluations += 1;
        Next::Try(cubic(previous, new, bounds))
    }

    /// A new step in the interval, not too near to its ends.
    fn zoom(&mut self, ends: [Point; 2], low: usize, mut little: bool) -> Next {
        let [a, b] = ends;
        let (least, most) = (a.t.min(b.t), a.t.max(b.t));
        let narrow = (b.t - a.t).abs() * self.size < self.conditions.shortest;
        if narrow || self.evaluations == self.conditions.most {
            return Next::Done(ends[low].t);
        }
        let mut t = cubic(a, b, (least, most));
        let margin = 0.1 * (most - least);
        if (most - t).min(t - least) < margin {
            // Near an end for the second time in a row there was little progress.
            if little || t >= most || t <= least {
                t = if (t - most).abs() < (t - least).abs() { most - margin } else { least + margin };
                little = false;
            } else {
                little = true;
            }
        } else {
            little = false;
        }
        self.phase = Phase::Zoom { ends, low, little };
        self.evaluations += 1;
        Next::Try(t)
    }

    fn narrow(&mut self, mut ends: [Point; 2], mut low: usize, little: bool, new: Point) -> Next {
        let high = 1 - low;
        if self.too_high(new) || new.loss >= ends[low].loss {
            ends[high] = new;
            low = lower(ends[0], ends[1]);
        } else {
            if self.flat(new) {
                return Next::Done(new.t);
            }
            if new.slope * (ends[high].t - ends[low].t) >= 0.0 {
                ends[high] = ends[low];
            }
            ends[low] = new;
        }
        self.zoom(ends, low, little)
    }
}

/// The place of the lower one.
fn lower(a: Point, b: Point) -> usize {
    usize::from(a.loss > b.loss)
}

/// The minimum of the cubic through two points, within bounds.
fn cubic(a: Point, b: Point, (least, most): (f64, f64)) -> f64 {
    let d1 = a.slope + b.slope - 3.0 * (a.loss - b.loss) / (a.t - b.t);
    let square = d1 * d1 - a.slope * b.slope;
    if square >= 0.0 {
        let d2 = square.sqrt();
        let t = if a.t <= b.t {
            b.t - (b.t - a.t) * ((b.slope + d2 - d1) / (b.slope - a.slope + 2.0 * d2))
        } else {
            a.t - (a.t - b.t) * ((a.slope + d2 - d1) / (a.slope - b.slope + 2.0 * d2))
        };
        t.max(least).min(most)
    } else {
        0.5 * (least + most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Searches a function with its slope, from 0, with `first` as the first step.
    fn search(f: impl Fn(f64) -> (f64, f64), first: f64, weak: bool) -> (f64, u64) {
        let point = |t: f64| Point { t, loss: f(t).0, slope: f(t).1 };
        let conditions = Conditions { weak, c1: 1e-4, c2: 0.9, most: 25, shortest: 1e-9 };
        let mut search = Search::new(conditions, point(0.0), 1.0);
        let mut t = first;
        loop {
            match search.tell(point(t)) {
                Next::Try(next) => t = next,
                Next::Done(t) => return (t, search.evaluations),
            }
        }
    }

    #[test]
    fn the_step_found_fulfils_both_conditions() {
        let functions: [fn(f64) -> (f64, f64); 3] = [
            |t| ((t - 3.0).powi(2), 2.0 * (t - 3.0)),
            |t| ((t - 1.0).powi(4) + 0.1 * t, 4.0 * (t - 1.0).powi(3) + 0.1),
            |t| (-t / (t * t + 2.0), (t * t - 2.0) / (t * t + 2.0).powi(2)),
        ];
        for (index, f) in functions.into_iter().enumerate() {
            for first in [1e-3, 0.1, 1.0, 10.0] {
                for weak in [false, true] {
                    let (t, evaluations) = search(f, first, weak);
                    let ((loss, slope), (start, descent)) = (f(t), f(0.0));
                    let flat = if weak { slope >= 0.9 * descent } else { slope.abs() <= 0.9 * descent.abs() };
                    let found = loss <= start + 1e-4 * t * descent && flat;
                    assert!(found, "function {index} from {first}, weak {weak}: {t} after {evaluations}");
                }
            }
        }
    }

    #[test]
    fn a_search_ends_on_anything() {
        for weak in [false, true] {
            assert!(search(|_| (f64::NAN, f64::NAN), 1.0, weak).1 <= 25);
            assert!(search(|t| (-t, -1.0), 1.0, weak).1 <= 25);
        }
    }

    #[test]
    fn a_kink_is_bracketed() {
        let (t, _) = search(|t| ((t - 1.0).abs(), if t < 1.0 { -1.0 } else { 1.0 }), 1e-3, true);
        assert!((1.0..2.0).contains(&t), "{t}");
    }
}
