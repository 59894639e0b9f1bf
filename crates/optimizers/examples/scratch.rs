use optimizers::*;
use std::time::Instant;
fn opt(text: &str) -> Optimizer { serde_json::from_str(text).unwrap() }
fn main() {
    let all = [
        ("sgd", r#""sgd""#), ("momentum", r#""heavy_ball""#), ("nesterov", r#""nesterov""#), ("adam", r#""adam""#), ("adam_l2", r#"{"adam":{"l2":0.01}}"#), ("amsgrad", r#""amsgrad""#), ("adamw", r#""adamw""#), ("adamw_ams", r#"{"adamw":{"amsgrad":true}}"#),
        ("rmsprop", r#""rmsprop""#), ("rmsprop_c", r#"{"rmsprop":{"centered":true}}"#), ("rmsprop_cm", r#"{"rmsprop":{"centered":true,"momentum":0.9}}"#), ("adagrad", r#""adagrad""#),
    ];
    let big = std::env::args().nth(1).is_some();
    for (name, text) in all {
        let o = opt(text);
        print!("{name:12}");
        for (d, chunks) in [(1usize, 16usize), (1, 4), (64, 16)] {
            let n = d * chunks;
            let mut p = vec![[0.3f32; 16]; n]; let g = vec![[0.01f32; 16]; n]; let lr = vec![[0.001f32; 16]; chunks];
            let mut s = <dyn Entry as Fuse<f32>>::stepper(&*o, n).unwrap();
            let mut best = f64::MAX;
            for _ in 0..7 { let reps = 1_000_000 / (n * 16); let t = Instant::now(); for _ in 0..reps { s.step(d, &lr, &mut p, &g); } best = best.min(t.elapsed().as_nanos() as f64 / (reps * n * 16) as f64); }
            print!(" d{d}x{chunks} {best:.3}");
        }
        { let n = 64*16; let mut p = vec![[0.3f64; 16]; n]; let g = vec![[0.01f64; 16]; n]; let lr = vec![[0.001f64; 16]; 16];
          let mut s = <dyn Entry as Fuse<f64>>::stepper(&*o, n).unwrap(); let mut best = f64::MAX;
          for _ in 0..7 { let reps = 60; let t = Instant::now(); for _ in 0..reps { s.step(64, &lr, &mut p, &g); } best = best.min(t.elapsed().as_nanos() as f64 / (reps * n * 16) as f64); }
          print!(" f64 {best:.3}"); }
        for n in if big { vec![100_000usize, 1_000_000, 10_000_000] } else { vec![100_000] } {
            let mut s = <dyn Entry as Fuse<f32>>::stepper(&*o, n.div_ceil(16)).unwrap();
            let mut p = vec![0.1f32; n]; let g = vec![0.01f32; n];
            let mut ts = vec![];
            for _ in 0..25 { let t = Instant::now(); s.step_slice(0.001, &mut p, &g); ts.push(t.elapsed().as_nanos() as f64 / 1e3); }
            ts.sort_by(f64::total_cmp); print!(" n{n} {:.1}/{:.1}us", ts[0], ts[12]);
        }
        println!();
    }
}
