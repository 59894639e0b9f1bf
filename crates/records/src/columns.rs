//! Columns of files whose rows have no type, and what they hold.

/// The numbers of a pixel of a map: the columns of `map.csv` behind the two axes, and a `.npy` file each.
pub const MAP_COLUMNS: [(&str, &str); 3] = [
    (
        "steps_to_target",
        "The steps until the target was reached; infinite: not within the budget; NaN: the run diverged before.",
    ),
    ("final_error", "The error at the end; NaN: the run diverged."),
    (
        "minimizer",
        "The number of the nearest minimizer at the end, from 0; NaN: the target wasn't reached. Only as a `.npy` file, \
         where it is shown.",
    ),
];

/// The first column of `profile.csv`: the one of these that the loss was followed along.
pub const PROFILE_PLACES: [(&str, &str); 3] = [
    ("residual", "Prediction − target, of a single prediction against the median target."),
    ("prediction", "A single prediction, before the readout."),
    ("share", "The share of the way from the minimum (0) to the start (1)."),
];

/// The other columns of `profile.csv`.
pub const PROFILE_COLUMNS: [(&str, &str); 3] = [
    ("loss_value", "The value of the loss there."),
    ("gradient", "Its derivative along the first column."),
    ("curvature", "The derivative of that, by differences."),
];
