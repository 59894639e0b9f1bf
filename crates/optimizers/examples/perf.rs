use losses::{Loss};
use numeric::*;
use optimizers::*;
use std::time::Instant;
fn main() {
    for (lname, oname) in [("plateau","sgd"),("plateau","adam")] {
    for (d, chunks) in [(1usize,16usize),(1,4),(4,4),(64,1),(64,4),(64,16)] {
        let loss = Loss::named(lname).unwrap();
        let k = Fuse2::kernel(&loss);
        let n = d*chunks;
        let mut p = vec![[0.3f32;16]; n]; let t = vec![[0.9f32;16]; n];
        for (i,r) in p.iter_mut().enumerate() { for (j,x) in r.iter_mut().enumerate() { *x = (i*16+j) as f32 * 0.01 - 1.0; } }
        let mut g = vec![[0f32;16]; n]; let mut v = vec![[0f32;16]; chunks];
        let lr = vec![[0.01f32;16]; chunks];
        let opt = Optimizer::named(oname).unwrap();
        let mut s = <dyn optimizers::Entry as optimizers::Fuse<f32>>::stepper(&*opt, n).unwrap();
        let reps = 4_000_000 / (n*16) ;
        let t0 = Instant::now();
        for _ in 0..reps { k.mean(d, &p, &t, &mut g, &mut v); }
        let a = t0.elapsed();
        let t0 = Instant::now();
        for _ in 0..reps { s.step(d, &lr, &mut p, &g); }
        let b = t0.elapsed();
        let t0 = Instant::now();
        for _ in 0..reps { k.mean(d, &p, &t, &mut g, &mut v); s.step(d, &lr, &mut p, &g); }
        let c = t0.elapsed();
        let per = |x: std::time::Duration| x.as_nanos() as f64 / (reps*n*16) as f64;
        println!("{lname} {oname} d={d} chunks={chunks}: mean {:.3} step {:.3} both {:.3} ns/elem; lane-step {:.2} ns", per(a), per(b), per(c), per(c)*d as f64);
    }}
    for oname in ["sgd","adam"] { for n in [1_000_000usize, 10_000_000] {
        let opt = Optimizer::named(oname).unwrap();
        let mut s = <dyn optimizers::Entry as optimizers::Fuse<f32>>::stepper(&*opt, n.div_ceil(16)).unwrap();
        let mut p = vec![0.1f32; n]; let g = vec![0.01f32; n];
        let mut ts = vec![];
        for _ in 0..20 { let t0 = Instant::now(); s.step_slice(0.001, &mut p, &g); ts.push(t0.elapsed().as_micros()); }
        ts.sort(); println!("{oname} {n}: {} us", ts[10]);
    }}
}
struct Fuse2; impl Fuse2 { fn kernel(l: &Loss) -> Box<dyn losses::Kernel<f32>> { <dyn losses::Entry as losses::Fuse<f32>>::kernel(&**l).unwrap() } }
