//! One optimizer against the best on each workload.

/// How many times as long as the fastest solver each one needs on one workload.
///
/// ```text
/// r_s = t_s / min_s t_s          ∞ where t_s = ∞, so also where nobody gets there
/// ```
///
/// 1 for whoever is as fast as the fastest, also at t = 0.
#[must_use]
pub fn ratios(times: &[f64]) -> Vec<f64> {
    let fastest = times.iter().copied().fold(f64::INFINITY, f64::min);
    let ratio = |&time: &f64| match time {
        _ if !time.is_finite() => f64::INFINITY,
        _ if time == fastest => 1.0,
        _ => time / fastest,
    };
    times.iter().map(ratio).collect()
}

/// A performance profile: the share of workloads on which a solver is at most τ times as slow as the
/// fastest.
///
/// ```text
/// ρ_s(τ) = #{w : r_{s,w} ≤ τ} / n
/// ```
///
/// Paper: Dolan & Moré 2002, *Benchmarking optimization software with performance profiles*.
/// Checked against: the scores that `MLCommons` published for `AlgoPerf`'s leaderboard.
///
/// ```
/// use analysis::scores::Profile;
///
/// let profile = Profile::new(vec![1.0, 2.5, f64::INFINITY, 1.0]);
/// assert_eq!([1.0, 2.0, 4.0].map(|tau| profile.share(tau)), [0.5, 0.5, 0.75]);
/// assert_eq!(profile.score(4.0), (1.0 + 0.5 + 0.0 + 1.0) / 4.0);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Profile(Vec<f64>);

impl Profile {
    /// The profile of a solver by its ratio on each workload.
    #[must_use]
    pub fn new(mut ratios: Vec<f64>) -> Self {
        ratios.sort_unstable_by(f64::total_cmp);
        Self(ratios)
    }

    /// ρ(τ); NaN without workloads.
    #[must_use]
    pub fn share(&self, tau: f64) -> f64 {
        self.0.partition_point(|&ratio| ratio <= tau) as f64 / self.0.len() as f64
    }

    /// The ratios, ascending; `inf` for workloads that weren't solved.
    #[must_use]
    pub fn ratios(&self) -> &[f64] {
        &self.0
    }

    /// `AlgoPerf`'s benchmark score: the mean of the profile between 1 and `r_max`.
    ///
    /// ```text
    /// B_s = 1/(r_max − 1) ∫_1^{r_max} ρ_s(τ) dτ = (1/n) Σ_w max(0, r_max − r_{s,w}) / (r_max − 1)
    /// ```
    ///
    /// 1 for a solver that is the fastest everywhere; NaN without workloads.
    ///
    /// Paper: Dahl, Schneider, Nado et al. 2023, *Benchmarking neural network training algorithms*,
    /// where `r_max` is 4. Differs from the paper: they sample the integral at 100 places, which is
    /// off by up to 0.002 on their leaderboard; this is exact.
    #[must_use]
    pub fn score(&self, r_max: f64) -> f64 {
        let points: f64 = self.0.iter().map(|ratio| (r_max - ratio).max(0.0) / (r_max - 1.0)).sum();
        points / self.0.len() as f64
    }
}

/// How many of all (run, target) pairs are reached within a share of the budget: the empirical
/// cumulative distribution function of runtimes.
///
/// ```text
/// F_s(x) = #{(i, T) : t_{i,T} ≤ x B_i} / #{(i, T)}
/// ```
///
/// Every target of every reported run counts alike, so that it says something where the hardest
/// target is never reached. Runs that diverged reached nothing.
///
/// Papers: Hansen et al. 2021 (COCO), whose abscissa is evaluations; a data profile, Moré & Wild
/// 2009, *Benchmarking derivative-free optimization algorithms*, scales them by the problem, here by
/// its budget.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ecdf {
    reached: Vec<f64>,
    pairs: u64,
}

impl Ecdf {
    /// Of the times that were reached, as shares of the budget, and the number of all pairs.
    #[must_use]
    pub fn new(mut reached: Vec<f64>, pairs: u64) -> Self {
        reached.sort_unstable_by(f64::total_cmp);
        Self { reached, pairs }
    }

    /// F(x); NaN without pairs.
    #[must_use]
    pub fn share(&self, budget: f64) -> f64 {
        self.reached.partition_point(|&time| time <= budget) as f64 / self.pairs as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INF: f64 = f64::INFINITY;

    #[test]
    fn ratios_by_hand() {
        assert_eq!(ratios(&[30.0, 20.0, INF, 20.0, f64::NAN]), [1.5, 1.0, INF, 1.0, INF]);
        assert_eq!(ratios(&[INF, INF]), [INF, INF]);
        assert_eq!(ratios(&[0.0, 5.0, 0.0]), [1.0, INF, 1.0]);
    }

    /// Three workloads by hand. Steps of A: 100, 300, ∞; of B: 200, 100, 50.
    #[test]
    fn the_score_by_hand() {
        let times = [[100.0, 200.0], [300.0, 100.0], [INF, 50.0]];
        let all = times.map(|times| ratios(&times));
        let [a, b] = [0, 1].map(|solver| Profile::new(all.iter().map(|row| row[solver]).collect()));
        // A: r = 1, 3, ∞: (3 + 1 + 0) / 3 / 3. B: r = 2, 1, 1: (2 + 3 + 3) / 3 / 3.
        assert!((a.score(4.0) - 4.0 / 9.0).abs() < 1e-15);
        assert!((b.score(4.0) - 8.0 / 9.0).abs() < 1e-15);
        assert_eq!(
            [0.9, 1.0, 2.9, 3.0, 1e9].map(|tau| a.share(tau)),
            [0.0, 1.0, 1.0, 2.0, 2.0].map(|n| n / 3.0)
        );
        assert!(Profile::default().score(4.0).is_nan() && Profile::default().share(1.0).is_nan());
        assert_eq!(Profile::new(vec![INF, 4.0, 5.0]).score(4.0), 0.0);
    }

    #[test]
    fn the_distribution_of_runtimes_by_hand() {
        let ecdf = Ecdf::new(vec![0.5, 0.01, 0.02], 4);
        assert_eq!([0.0, 0.01, 0.1, 0.5, 1.0].map(|x| ecdf.share(x)), [0.0, 0.25, 0.5, 0.75, 0.75]);
        assert!(Ecdf::default().share(1.0).is_nan());
    }
}
