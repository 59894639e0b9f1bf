//! Matrix products and linear algebra.

use tch::{Kind, Tensor};

use super::{Rule, operators};
use crate::call::Call;

/// x Wᵀ + b; x is `[…, inputs]`, W `[outputs, inputs]`.
fn linear(c: &Call) -> Tensor {
    let (x, weight, bias) = (c.tensor(0), c.tensor(1), c.option(2));
    if c.shift == 0 {
        return x.linear(&weight, bias);
    }
    // Whatever has more dimensions is a batch: lanes × rows × inputs.
    let (rank, size) = (c.rank_of(0), x.size());
    let (lanes, inputs, outputs) = (c.context.lanes as i64, size[size.len() - 1], weight.size()[1]);
    let rows: i64 = size[1..size.len() - 1].iter().product();
    let product = if c.has_lanes(1) {
        of_own_weights(&x.reshape([size[0], rows, inputs]), &weight, bias)
    } else {
        let product = x
            .reshape([-1, inputs])
            .matmul(&weight.squeeze_dim(0).transpose(0, 1))
            .reshape([size[0], rows, outputs]);
        bias.map_or(product.shallow_clone(), |bias| product + bias.unsqueeze(1))
    };
    let shape: Vec<i64> = if rank == 1 {
        vec![lanes, outputs]
    } else {
        [lanes].into_iter().chain(size[1..size.len() - 1].iter().copied()).chain([outputs]).collect()
    };
    product.expand([lanes, rows, outputs], false).reshape(shape)
}

/// `[lanes, rows, outputs]` of weights `[lanes, outputs, inputs]`, and x `[lanes or 1, rows, inputs]`.
fn of_own_weights(x: &Tensor, weight: &Tensor, bias: Option<Tensor>) -> Tensor {
    let (lanes, outputs, rows) = (weight.size()[0], weight.size()[1], x.size()[1]);
    if x.size()[0] != lanes {
        // The weights of all lanes are one matrix for inputs that they share.
        let (weight, x) = (weight.flatten(0, 1), x.squeeze_dim(0).transpose(0, 1));
        let product = match bias {
            Some(bias) => bias.reshape([-1, 1]).addmm(&weight, &x),
            None => weight.mm(&x),
        };
        return product.reshape([lanes, outputs, rows]).transpose(1, 2);
    }
    // What came of such a product lies in memory row by row of its transpose, and so does what is made of it.
    let stride = x.stride();
    if stride[1] == 1 && stride[2] != 1 {
        let x = x.transpose(1, 2);
        let product = match bias {
            Some(bias) => bias.unsqueeze(2).expand([lanes, outputs, rows], false).baddbmm(weight, &x, 1, 1),
            None => weight.bmm(&x),
        };
        return product.transpose(1, 2);
    }
    match bias {
        Some(bias) => {
            bias.unsqueeze(1).expand([lanes, rows, outputs], false).baddbmm(x, &weight.transpose(1, 2), 1, 1)
        }
        None => x.bmm(&weight.transpose(1, 2)),
    }
}

fn matmul(c: &Call) -> Tensor {
    product(c, c.tensor(0), c.tensor(1))
}

/// The product of what is made of the first two arguments.
fn product(c: &Call, a: Tensor, b: Tensor) -> Tensor {
    if c.shift == 0 {
        return a.matmul(&b);
    }
    let (rank_a, rank_b) = (c.rank_of(0), c.rank_of(1));
    let a = if rank_a == 1 { a.unsqueeze(1) } else { a };
    let b = if rank_b == 1 { b.unsqueeze(2) } else { b };
    let (a, b) = alike(a, b);
    let product = a.matmul(&b);
    let product = if rank_b == 1 { product.squeeze_dim(-1) } else { product };
    if rank_a == 1 { product.squeeze_dim(if rank_b == 1 { -1 } else { -2 }) } else { product }
}

/// Two tensors of lanes with as many dimensions: ones stand behind the lanes.
fn alike(a: Tensor, b: Tensor) -> (Tensor, Tensor) {
    let fill = |x: Tensor, rank: usize| (x.dim()..rank).fold(x, |x, _| x.unsqueeze(1));
    let rank = a.dim().max(b.dim());
    (fill(a, rank), fill(b, rank))
}

fn beta_alpha(c: &Call, product: Tensor, beta: usize, alpha: usize) -> Tensor {
    let times = |x: Tensor, index: usize| {
        if c.float_or(index, 1.0) == 1.0 { x } else { x.g_mul_scalar(c.number(index)) }
    };
    let product = times(product, alpha);
    if c.float_or(beta, 1.0) == 0.0 {
        // Then it isn't looked at, whatever is in it.
        return product;
    }
    let x = times(c.tensor(0), beta);
    let (x, product) = if c.shift == 1 { alike(x, product) } else { (x, product) };
    x + product
}

/// The product of the second and the third argument.
fn inner(c: &Call) -> Tensor {
    let (a, b) = (c.tensor(1), c.tensor(2));
    if c.shift == 0 {
        return a.matmul(&b);
    }
    if c.rank_of(2) == 1 { a.matmul(&b.unsqueeze(2)).squeeze_dim(-1) } else { a.matmul(&b) }
}

/// Products along the last dimensions of two tensors, the second of one or two.
fn inner_product(c: &Call) -> Tensor {
    let (a, b) = (c.tensor(0), c.tensor(1));
    if c.shift == 0 {
        a.inner(&b)
    } else if c.rank_of(1) == 1 {
        product(c, a, b)
    } else {
        product(c, a, b.transpose(-2, -1))
    }
}

fn einsum(c: &Call) -> Tensor {
    let (equation, tensors) = (c.text(0).replace(' ', ""), c.tensors(1));
    if c.shift == 0 {
        return Tensor::einsum(&equation, &tensors, None::<i64>);
    }
    // A letter that isn't in it stands for the lanes.
    let free = ('A'..='Z')
        .chain('a'..='z')
        .find(|letter| !equation.contains(*letter))
        .expect("52 letters are too many");
    let (inputs, output) =
        equation.split_once("->").map_or((&*equation, None), |(inputs, output)| (inputs, Some(output)));
    let output = output.map_or_else(|| implied(inputs), str::to_owned);
    let spread = tensors.into_iter().map(|tensor| c.spread(tensor));
    let inputs: Vec<String> = inputs.split(',').map(|input| format!("{free}{input}")).collect();
    Tensor::einsum(&format!("{}->{free}{output}", inputs.join(",")), &spread.collect::<Vec<_>>(), None::<i64>)
}

/// The output of an equation without `->`: letters that occur once, in their order.
fn implied(inputs: &str) -> String {
    let mut letters: Vec<char> = inputs.chars().filter(|letter| letter.is_alphabetic()).collect();
    letters.sort_unstable();
    let once = letters.iter().filter(|letter| inputs.matches(**letter).count() == 1).collect();
    if inputs.contains("...") { format!("...{once}") } else { once }
}

/// The root of the sum of squares, over some dimensions or all.
fn euclidean(c: &Call) -> Tensor {
    let (x, dims) = (c.tensor(0), c.dims(2));
    x.norm_scalaropt_dim(2, dims, c.bool(3))
}

fn pairs(c: &Call) -> (Tensor, Tensor) {
    alike(c.tensor(0), c.tensor(1))
}

/// NaN in what doesn't belong to a matrix of which something holds.
fn only_where(holds: &Tensor, result: Tensor) -> Tensor {
    if !result.is_floating_point() && !result.is_complex() {
        return result;
    }
    let refused = (holds.dim()..result.dim()).fold(holds.logical_not(), |holds, _| holds.unsqueeze(-1));
    // Columns stay one after another where they were: a product of matrices rounds otherwise, and the bits of a lane
    // would depend on whether another one is refused.
    if result.dim() > 1 && !result.is_contiguous() {
        return result.transpose(-2, -1).masked_fill(&refused, f64::NAN).transpose(-2, -1);
    }
    result.masked_fill(&refused, f64::NAN)
}

/// The results for finite matrices, and NaN for the others: libtorch refuses all of a batch for one of them, and a lane
/// that has diverged must not stop the others.
fn of_finite<const N: usize>(a: &Tensor, run: impl FnOnce(&Tensor) -> [Tensor; N]) -> [Tensor; N] {
    let finite = a.isfinite().flatten(-2, -1).all_dim(-1, false);
    if bool::try_from(finite.all()).unwrap_or(false) {
        return run(a);
    }
    let size = a.size();
    let other = Tensor::eye_m(size[size.len() - 2], size[size.len() - 1], (a.kind(), a.device()));
    let safe = a.where_self(&finite.unsqueeze(-1).unsqueeze(-1), &other);
    run(&safe).map(|result| only_where(&finite, result))
}

/// The norm of what is finite, else NaN.
fn norm_of_finite(x: &Tensor, norm: impl FnOnce(&Tensor) -> Tensor) -> Tensor {
    let finite = bool::try_from(x.isfinite().all()).unwrap_or(false);
    if finite { norm(x) } else { norm(&x.zeros_like()) * f64::NAN }
}

/// What an operator makes of matrices that it reports 0 for, and NaN for the others.
fn where_possible((result, failed): (Tensor, Tensor)) -> Tensor {
    if bool::try_from(failed.any()).unwrap_or(true) { only_where(&failed.eq(0), result) } else { result }
}

fn cholesky(c: &Call) -> Tensor {
    let [factor] = of_finite(&c.tensor(0), |a| [where_possible(a.linalg_cholesky_ex(c.bool(1), false))]);
    factor
}

fn inverse(c: &Call) -> Tensor {
    where_possible(Tensor::linalg_inv_ex(&c.tensor(0), false))
}

fn triangle<'a>(c: &Call<'a>) -> &'a str {
    if c.text(1).is_empty() { "L" } else { c.text(1) }
}

operators! {
    Rule::Shifted => {
        "aten.linear.default input weight bias" c => linear(c);
        "aten.matmul.default self other" c => matmul(c);
        "aten.bmm.default self mat2" c => matmul(c);
        "aten.mm.default self mat2" c => matmul(c);
        "aten.mv.default self vec" c => matmul(c);
        "aten.dot.default self tensor" c => matmul(c);
        "aten.vdot.default self other" c => product(c, c.tensor(0).conj().resolve_conj(), c.tensor(1));
        "aten.outer.default self vec2" c => c.tensor(0).unsqueeze(-1) * c.tensor(1).unsqueeze(c.shift);
        "aten.ger.default self vec2" c => c.tensor(0).unsqueeze(-1) * c.tensor(1).unsqueeze(c.shift);
        "aten.addmm.default self mat1 mat2 beta alpha" c => beta_alpha(c, inner(c), 3, 4);
        "aten.addmv.default self mat vec beta alpha" c => beta_alpha(c, inner(c), 3, 4);
        "aten.baddbmm.default self batch1 batch2 beta alpha" c => beta_alpha(c, inner(c), 3, 4);
        "aten.einsum.default equation tensors path" c => einsum(c);
        "aten.cross.default self other dim" c => { let (a, b) = pairs(c); a.linalg_cross(&b, c.dim_or(2, -1)) };
        "aten.linalg_cross.default self other dim" c => { let (a, b) = pairs(c); a.linalg_cross(&b, c.dim_or(2, -1)) };
        "aten.pairwise_distance.default x1 x2 p eps keepdim" c => {
            let (a, b) = pairs(c);
            Tensor::pairwise_distance(&a, &b, c.float_or(2, 2.0), c.float_or(3, 1e-6), c.bool(4))
        };
        "aten.cdist.default x1 x2 p compute_mode" c => {
            let (a, b) = pairs(c);
            Tensor::cdist(&a, &b, c.float_or(2, 2.0), c.has(3).then(|| c.int(3)))
        };
        "aten.linalg_cholesky.default self upper" c => cholesky(c);
        "aten.cholesky.default self upper" c => cholesky(c);
        "aten.linalg_cholesky_ex.default self upper check_errors" c => c.tensor(0).linalg_cholesky_ex(c.bool(1), c.bool(2));
        "aten.linalg_inv.default A" c => inverse(c);
        "aten.inverse.default self" c => inverse(c);
        "aten.linalg_inv_ex.default A check_errors" c => Tensor::linalg_inv_ex(&c.tensor(0), c.bool(1));
        "aten.linalg_det.default A" c => Tensor::linalg_det(&c.tensor(0));
        "aten.det.default self" c => c.tensor(0).det();
        "aten.logdet.default self" c => c.tensor(0).logdet();
        "aten.linalg_slogdet.default A" c => Tensor::linalg_slogdet(&c.tensor(0));
        "aten.slogdet.default self" c => c.tensor(0).slogdet();
        "aten.linalg_eigh.default self UPLO" c => Vec::from(of_finite(&c.tensor(0), |a| a.linalg_eigh(triangle(c)).into()));
        "aten.linalg_eigvalsh.default self UPLO" c => Vec::from(of_finite(&c.tensor(0), |a| [a.linalg_eigvalsh(triangle(c))]));
        "aten.linalg_svd.default A full_matrices driver" c => {
            let [u, values, v] = of_finite(&c.tensor(0), |a| a.svd(!c.bool_or(1, true), true).into());
            (u, values, v.transpose(-2, -1).conj().resolve_conj())
        };
        "aten.linalg_svdvals.default A driver" c => Vec::from(of_finite(&c.tensor(0), |a| [a.svd(true, false).1]));
        "aten.svd.default self some compute_uv" c => Vec::from(of_finite(&c.tensor(0), |a| a.svd(c.bool_or(1, true), c.bool_or(2, true)).into()));
        "aten.linalg_qr.default A mode" c => Tensor::linalg_qr(&c.tensor(0), if c.text(1).is_empty() { "reduced" } else { c.text(1) });
        "aten.linalg_matrix_exp.default self" c => c.tensor(0).linalg_matrix_exp();
        "aten.linalg_pinv.default self rcond hermitian" c => Vec::from(of_finite(&c.tensor(0), |a| [a.linalg_pinv(c.float_or(1, 1e-15), c.bool(2))]));
        "aten.trace.default self" c => c.tensor(0).diagonal(0, -2, -1).sum_dim_intlist(&[-1_i64][..], false, None::<Kind>);
        "aten.cholesky_solve.default self input2 upper" c => { let (a, b) = pairs(c); a.cholesky_solve(&b, c.bool(2)) };
        "aten.linalg_solve_triangular.default self B upper left unitriangular" c => {
            let (a, b) = pairs(c);
            a.linalg_solve_triangular(&b, c.bool(2), c.bool_or(3, true), c.bool(4))
        };
    }
    Rule::ShiftedIf(|c| c.rank_of(0) > 0 && (1..3).contains(&c.rank_of(1))) => {
        "aten.inner.default self other" c => inner_product(c);
    }
    Rule::ShiftedIf(|c| c.rank_of(0).max(c.rank_of(1)) > 0) => {
        "aten.cosine_similarity.default x1 x2 dim eps" c => {
            let (a, b) = pairs(c);
            Tensor::cosine_similarity(&a, &b, c.dim_or(2, 1), c.float_or(3, 1e-8))
        };
    }
    Rule::Looped => {
        "aten.linalg_solve.default A B left" c => where_possible(Tensor::linalg_solve_ex(&c.tensor(0), &c.tensor(1), c.bool_or(2, true), false));
        "aten.linalg_norm.default self ord dim keepdim dtype" c => {
            let dims = if c.has(2) { Some(c.ints(2)) } else { None };
            if c.has(1) { norm_of_finite(&c.tensor(0), |x| x.linalg_norm(c.number(1), dims, c.bool(3), c.kind(4))) } else { euclidean(c) }
        };
        "aten.linalg_matrix_norm.default self ord dim keepdim dtype" c => {
            let dims = if c.has(2) { c.ints(2) } else { vec![-2, -1] };
            norm_of_finite(&c.tensor(0), |x| x.linalg_norm(c.number(1), dims, c.bool(3), c.kind(4)))
        };
        "aten.linalg_matrix_norm.str_ord self ord dim keepdim dtype" c => {
            let dims = if c.has(2) { c.ints(2) } else { vec![-2, -1] };
            let ord = if c.text(1).is_empty() { "fro" } else { c.text(1) };
            norm_of_finite(&c.tensor(0), |x| x.linalg_norm_ord_str(ord, dims, c.bool(3), c.kind(4)))
        };
        "aten.addbmm.default self batch1 batch2 beta alpha" c => beta_alpha(c, c.tensor(1).bmm(&c.tensor(2)).sum_dim_intlist(&[0_i64][..], false, None::<Kind>), 3, 4);
        "aten.addr.default self vec1 vec2 beta alpha" c => beta_alpha(c, c.tensor(1).outer(&c.tensor(2)), 3, 4);
        "aten.cholesky_inverse.default self upper" c => c.tensor(0).cholesky_inverse(c.bool(1));
        "aten.linalg_lu_factor.default A pivot" c => Tensor::linalg_lu_factor(&c.tensor(0), c.bool_or(1, true));
        "aten.linalg_lu_solve.default LU pivots B left adjoint" c => Tensor::linalg_lu_solve(&c.tensor(0), &c.tensor(1), &c.tensor(2), c.bool_or(3, true), c.bool(4));
        "aten.linalg_matrix_power.default self n" c => c.tensor(0).linalg_matrix_power(c.int(1));
        "aten.linalg_pinv.atol_rtol_tensor self atol rtol hermitian" c => Vec::from(of_finite(&c.tensor(0), |a| [a.linalg_pinv_atol_rtol_tensor(c.option(1), c.option(2), c.bool(3))]));
        "aten.linalg_solve_ex.default A B left check_errors" c => Tensor::linalg_solve_ex(&c.tensor(0), &c.tensor(1), c.bool_or(2, true), c.bool(3));
        "aten.linalg_vecdot.default x y dim" c => Tensor::linalg_vecdot(&c.tensor(0), &c.tensor(1), c.int_or(2, -1));
        "aten.matrix_exp.default self" c => c.tensor(0).matrix_exp();
        "aten.linalg_multi_dot.default tensors" c => Tensor::linalg_multi_dot(&c.tensors(0));
        "aten.tensordot.default self other dims_self dims_other" c => c.tensor(0).tensordot(&c.tensor(1), c.ints(2), c.ints(3));
        "aten.kron.default self other" c => c.tensor(0).kron(&c.tensor(1));
        "aten.bilinear.default input1 input2 weight bias" c => Tensor::bilinear(&c.tensor(0), &c.tensor(1), &c.tensor(2), c.option(3));
        "aten.pdist.default self p" c => c.tensor(0).pdist(c.float_or(1, 2.0));
        "aten.linalg_lstsq.default self b rcond driver" c => {
            let (solution, residuals, rank, values) = c.tensor(0).linalg_lstsq(&c.tensor(1), c.has(2).then(|| c.float(2)), "gelsy");
            vec![solution, residuals, rank, values]
        };
    }
}
