//! The table as people see it.

mod common;

use analysis::table::{RenderOptions, Table};
use common::End::{Budget, Diverged, Failed, Reached};
use common::{End, seeds, table};
use records::{Cell, Role};

const PLAIN: RenderOptions = RenderOptions { terminal: false, top: None };

/// The table as text, no line of which is too wide.
fn render(table: &Table, options: RenderOptions) -> String {
    let text = table.render(&options);
    for line in text.lines() {
        let plain = line.replace("\x1b[1m", "").replace("\x1b[0m", "");
        assert!(plain.chars().count() <= 100, "{} columns: {plain}", plain.chars().count());
        assert_eq!(plain.trim_end(), plain);
    }
    text
}

/// Tuning runs at each rate, and the same runs on reporting seeds.
fn grid(labels: [&str; 4], rates: &[(f64, &[End])]) -> Vec<Cell> {
    let both = rates.iter().flat_map(|(lr, ends)| {
        [seeds(labels, *lr, Role::Tuning, ends), seeds(labels, *lr, Role::Reporting, ends)].concat()
    });
    both.collect()
}

fn normal() -> Vec<Cell> {
    let fit = |loss, optimizer, rates: &[(f64, &[End])]| {
        grid(["direct_fit(dim=1)", loss, optimizer, "constant"], rates)
    };
    [
        fit("plateau", "sgd", &[(0.01, &[Budget(0.8); 5]), (0.1, &[Budget(0.5); 5])]),
        fit(
            "plateau",
            "adam",
            &[
                (0.01, &[Reached(210); 5]),
                (0.1, &[Reached(21), Reached(20), Reached(22), Reached(19), Reached(30)]),
                (1.0, &[Budget(0.12), Reached(4), Budget(0.1), Budget(0.11), Budget(0.13)]),
            ],
        ),
        fit("mse", "sgd", &[(0.01, &[Reached(358); 5]), (0.1, &[Reached(36); 5]), (1.0, &[Diverged(80); 5])]),
        fit(
            "mse",
            "adam(beta1=0.95)",
            &[(0.1, &[Reached(24), Reached(31), Budget(1.2e-2), Diverged(7), Failed])],
        ),
        seeds(["saddle", "-", "sgd", "cosine"], 0.003, Role::Reporting, &[Budget(1.2e-5), Reached(900)]),
    ]
    .concat()
}

#[test]
fn a_normal_table() {
    insta::assert_snapshot!(render(&table(&normal()), PLAIN));
}

#[test]
fn bold_only_on_a_terminal() {
    let table = table(&normal());
    let (plain, bold) = (render(&table, PLAIN), render(&table, RenderOptions { terminal: true, ..PLAIN }));
    assert!(!plain.contains('\x1b'));
    let marked: Vec<&str> = bold.lines().filter(|line| line.starts_with("\x1b[1m* ")).collect();
    assert_eq!(marked.len(), 2);
    assert_eq!(bold.matches('\x1b').count(), 4);
    assert_eq!(bold.replace("\x1b[1m", "").replace("\x1b[0m", ""), plain);
}

#[test]
fn every_row_diverged() {
    let labels = |optimizer| ["cliff", "mse", optimizer, "constant"];
    let cells = [
        grid(labels("sgd"), &[(0.1, &[Diverged(5); 3]), (1.0, &[Diverged(2); 3])]),
        grid(labels("adam"), &[(0.1, &[Diverged(5); 3])]),
    ];
    insta::assert_snapshot!(render(&table(&cells.concat()), PLAIN));
}

fn long() -> Table {
    let problem =
        "mlp(activation=gelu, dataset=digits, depth=4, width=256, batch=128, noise=0.25, dropout=none)";
    let loss = "sum(0.5*barron(alpha=-2, scale=0.1), 0.25*tukey(c=4.685), pseudo_huber(delta=0.001))";
    let optimizer =
        "lookahead(inner=cautious(inner=adamw(beta1=0.95, beta2=0.9999, eps=1e-6, weight_decay=0.05)), k=5)";
    let schedule = "warmup(steps=100, then=cosine_with_warm_restarts(period=1000, factor=2, minimum=1e-6))";
    let unbroken =
        "an_optimizer_whose_name_was_written_without_any_space_at_all_by_someone_who_likes_long_names";
    let steps = [Reached(1_234_567), Reached(1_999_999), Reached(9_876_543)];
    let cells = [
        grid([problem, loss, optimizer, schedule], &[(1.25e-5, &steps), (1.25e-4, &[Budget(0.5); 3])]),
        grid([problem, "mse", unbroken, "constant"], &[(0.1, &[Budget(0.5); 3])]),
        grid(
            [problem, "line\nbreak\x1b[31m", "日本語の最適化アルゴリズム", "constant"],
            &[(0.1, &[Budget(0.6); 3])],
        ),
    ];
    table(&cells.concat())
}

#[test]
fn long_labels() {
    insta::assert_snapshot!(render(&long(), PLAIN));
}

#[test]
fn a_wrapped_row_is_bold_on_all_its_lines_and_no_further() {
    let bold = render(&long(), RenderOptions { terminal: true, ..PLAIN });
    let bold: Vec<bool> = bold.lines().map(|line| line.starts_with("\x1b[1m")).collect();
    let first = bold.iter().position(|&bold| bold).unwrap();
    let count = bold.iter().filter(|&&bold| bold).count();
    assert_eq!(count, 8);
    assert!(bold[first..first + count].iter().all(|&bold| bold));
}

#[test]
fn long_labels_that_all_rows_share_go_to_the_heading() {
    let loss = "sum(0.5*barron(alpha=-2, scale=0.1), 0.25*tukey(c=4.685), pseudo_huber(delta=0.001))";
    let row = |optimizer, steps| {
        let labels = ["direct_fit", loss, optimizer, "warmup(steps=100, then=cosine)"];
        grid(labels, &[(0.1, &[Reached(steps); 3]), (1.0, &[Budget(0.5); 3])])
    };
    let cells =
        [row("adamw(beta1=0.95, weight_decay=0.05)", 90), row("adamw(beta1=0.95, weight_decay=0.1)", 80)];
    insta::assert_snapshot!(render(&table(&cells.concat()), PLAIN));
}

#[test]
fn words_of_labels_are_kept_whole_where_there_is_room() {
    let schedule = "warmup(steps=100, schedule=cosine)";
    let row = |loss, optimizer| {
        let steps = [Reached(123), Reached(456), Diverged(7)];
        grid(["digits_mlp", loss, optimizer, schedule], &[(3.16e-4, &steps), (0.1, &[Budget(0.5); 3])])
    };
    let cells = [
        row("poorly_conditioned(quadratic=0.01, linear=1)", "heavy_ball(momentum=0.95, dampening=0.1)"),
        row("mse", "lookahead(inner=cautious(inner=adamw(beta1=0.95,eps=1e-6,weight_decay=0.05)),k=5)"),
    ];
    let text = render(&table(&cells.concat()), PLAIN);
    for word in ["poorly_conditioned(", "quadratic=", "linear=1)", "heavy_ball(", "weight_decay="] {
        assert!(text.contains(word), "{word} is broken:\n{text}");
    }
}

#[test]
fn one_row() {
    let cells = seeds(["fit", "mse", "sgd", "constant"], 0.1, Role::Reporting, &[Reached(36)]);
    insta::assert_snapshot!(render(&table(&cells), PLAIN));
}

#[test]
fn no_target_and_no_runs() {
    let mut cells = seeds(["fit", "mse", "sgd", "constant"], 0.1, Role::Tuning, &[Budget(0.5)]);
    cells.extend(seeds(["fit", "mse", "adam", "constant"], 0.1, Role::Reporting, &[Budget(0.25)]));
    for cell in &mut cells {
        cell.hits.clear();
    }
    insta::assert_snapshot!(render(&table(&cells), PLAIN));
    assert_eq!(Table::default().render(&PLAIN), "no runs\n");
    // Success is of a target: where there is none and every row has runs, there is no such column.
    cells.retain(|cell| cell.role == Role::Reporting);
    let text = render(&table(&cells), PLAIN);
    let head = text.lines().nth(1).unwrap();
    assert!(head.contains("optimizer") && !head.contains("success"), "{text}");
}

#[test]
fn the_top_rows_of_each_loss() {
    let mut cells = Vec::new();
    for (loss, slower) in [("mse", 1), ("huber", 3)] {
        for index in 0..20_u64 {
            let optimizer = format!("sgd(momentum=0.{index})");
            // Momentum 0.7 is the fastest, and those from 0.15 on never get there.
            let end =
                if index < 15 { Reached(slower * (20 + index.abs_diff(7))) } else { Budget(index as f64) };
            cells.extend(grid(["fit", loss, &optimizer, "constant"], &[(0.1, &[end; 3])]));
        }
    }
    let table = table(&cells);
    insta::assert_snapshot!(render(&table, RenderOptions { terminal: false, top: Some(3) }));
    let all = render(&table, PLAIN);
    assert_eq!(all.lines().filter(|line| line.contains("sgd(")).count(), 40);
    assert!(!all.contains("more rows"));
    assert!(
        render(&table, RenderOptions { terminal: false, top: Some(0) }).contains("40 more rows in table.csv")
    );
}

#[test]
fn a_row_of_one_seed_has_diverged_or_not() {
    let row = |optimizer, end| seeds(["fit", "mse", optimizer, "constant"], 0.1, Role::Reporting, &[end]);
    let text = render(&table(&[row("adam", Reached(20)), row("sgd", Diverged(7))].concat()), PLAIN);
    let last =
        |name| text.lines().find(|line| line.contains(name)).and_then(|line| line.split(' ').next_back());
    assert!(text.contains("diverged"), "{text}");
    assert_eq!([last("adam"), last("sgd")], [Some("0"), Some("1/1")], "{text}");
}
