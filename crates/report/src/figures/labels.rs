//! Where the names of lines go.

/// Places of labels that are `gap` or more apart between `low` and `high`, each as near as can be to where it is
/// wanted (least squares): labels that would overlap move apart together.
///
/// Where there is no room for all, they are as far apart as the room allows.
pub(super) fn apart(wanted: &[f64], gap: f64, low: f64, high: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by(|&a, &b| wanted[a].total_cmp(&wanted[b]));
    let gap = gap.min((high - low) / (wanted.len().max(2) - 1) as f64);
    // With the gaps taken out, places must only not decrease: pool those that would.
    let mut pools: Vec<(f64, usize)> = Vec::new();
    for (k, &index) in order.iter().enumerate() {
        let mut pool = (wanted[index] - gap * k as f64, 1);
        while let Some(before) = pools.pop_if(|before| before.0 > pool.0) {
            let count = before.1 + pool.1;
            pool = ((before.0 * before.1 as f64 + pool.0 * pool.1 as f64) / count as f64, count);
        }
        pools.push(pool);
    }
    let most = high - gap * wanted.len().saturating_sub(1) as f64;
    let pooled = pools.iter().flat_map(|(place, count)| std::iter::repeat_n(*place, *count));
    let mut places = vec![0.0; wanted.len()];
    for (k, (&index, place)) in order.iter().zip(pooled).enumerate() {
        places[index] = place.min(most).max(low) + gap * k as f64;
    }
    places
}

/// A text of at most so many characters; what is too long loses its middle, since ends tell options apart.
pub(super) fn shortened(text: &str, most: usize) -> String {
    let count = text.chars().count();
    if count <= most {
        return text.to_owned();
    }
    let tail = (most - 1) / 3;
    let head = most - 1 - tail;
    text.chars().take(head).chain(['…']).chain(text.chars().skip(count - tail)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn labels_that_overlap_move_apart_together() {
        assert_eq!(apart(&[50.0, 10.0], 5.0, 0.0, 100.0), [50.0, 10.0]);
        assert_eq!(apart(&[50.0, 50.0, 50.0], 10.0, 0.0, 100.0), [40.0, 50.0, 60.0]);
        assert_eq!(apart(&[100.0, 100.0], 10.0, 0.0, 100.0), [90.0, 100.0]);
        assert_eq!(apart(&[0.0, 0.0], 10.0, 0.0, 100.0), [0.0, 10.0]);
        assert_eq!(apart(&[], 10.0, 0.0, 100.0), [0.0; 0]);
        // No room: as far apart as there is.
        assert_eq!(apart(&[5.0, 5.0, 5.0], 90.0, 0.0, 100.0), [0.0, 50.0, 100.0]);
    }

    #[test]
    fn long_texts_keep_both_ends() {
        assert_eq!(shortened("short", 10), "short");
        assert_eq!(shortened("adam(beta1=0.95, beta2=0.5)", 13), "adam(bet…0.5)");
        assert_eq!(shortened("ééééé", 4), "éé…é");
    }

    proptest! {
        #[test]
        fn labels_never_overlap(wanted in prop::collection::vec(-50.0..150.0, 0..12)) {
            let mut places = apart(&wanted, 8.0, 0.0, 100.0);
            places.sort_by(f64::total_cmp);
            prop_assert!(places.iter().all(|place| (-1e-9..=100.0 + 1e-9).contains(place)));
            prop_assert!(places.windows(2).all(|pair| pair[1] - pair[0] >= 8.0 - 1e-9));
        }
    }
}
