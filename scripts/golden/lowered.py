"""Writes crates/programs/tests/lowered.zip: small losses, most of which are elementwise, as PyTorch programs.

    python scripts/golden/lowered.py
"""

import pathlib
import sys
import tempfile
import zipfile

import torch
from torch.nn import functional as F  # noqa: F401

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "python"))
from optbench import export  # noqa: E402

# Over p, t and d = p - t.
LOWERED = {
    "arithmetic": "2 * d + d * t - 3 / (1 + d * d) - (-d) + 1 - d",
    "alpha": "torch.add(d, p, alpha=0.3) + torch.sub(d, t, alpha=2) + torch.rsub(d, p, alpha=1)",
    "powers": "d**2 + d**3 + (1 + d * d) ** 0.5 + (2 + d * d) ** -1.5 + d.square()",
    "power_of_tensors": "(1 + d * d) ** (p / 3) + 1.5**d + torch.pow(2.0, t)",
    "quotients": "1 / (2 + d * d) + (3 + d * d).reciprocal() + (1 + d * d).rsqrt() + d / (1 + p * p)",
    "exponentials": "d.exp() + d.expm1() + (d / 3).exp2()",
    "logarithms": "(1 + d.abs()).log() + d.abs().log1p() + (2 + d * d).log2() + (2 + d * d).log10()",
    "logarithm_of_anything": "p.log() + d.log1p()",
    "waves": "d.sin() + d.cos() + (d / 9).tan() + d.tanh() + d.sigmoid()",
    "kinks": "d.abs() + d.sign() * d + torch.relu(d) + d.clamp(-1, 1) + d.clamp(min=0) + d.clamp(max=0.5)",
    "roots": "d.abs().sqrt()",
    "extremes": "torch.maximum(d, 2 * d) + torch.minimum(p, t) + torch.max(d, -d) + torch.min(d, p)",
    "tensor_bounds": "d.clamp(t - 1, t + 1) + torch.clamp(p, min=t)",
    "where": "torch.where(d.abs() < 1, 0.5 * d**2, d.abs() - 0.5)",
    "where_numbers": "torch.where(d > 0, 2.0, 0.5) * d + torch.where(d <= 0, d, 0.0) + torch.where(d >= 1, 1.0, d)",
    "where_infinite": "torch.where(d > 0, d.sqrt(), -d)",
    "where_guarded": "torch.where(d > 0, torch.where(d > 0, d, 1.0).sqrt(), -d)",
    "where_shared": "torch.where(d > 0, d.abs().log(), 0.0) + torch.where(d > 1, 1 / d, d)",
    "masks": "(d > 0) * d + (d < 0).float() * 3 * d**2 + ((d > 1) & (p > 0) | ~(t > 0)).to(d.dtype) * d",
    "logic": "torch.where(torch.logical_or(d == 0, torch.logical_and(d != 1, torch.logical_not(p > 0))), d, 2 * d)",
    "finite": "torch.where(torch.isnan(d) | torch.isinf(d), torch.zeros_like(d), d**2)",
    "is_finite": "torch.where(torch.isfinite(p), d.abs(), torch.full_like(d, 7.0)) + torch.ones_like(d) * d",
    "masked_fill": "(d**2).masked_fill(d < 0, 0.25) + d",
    "lerp": "torch.lerp(d.abs(), d**2, 0.3) + torch.lerp(p, t, torch.sigmoid(d))",
    "addcmul": "torch.addcmul(d, d, t, value=0.5) + torch.addcdiv(d, p, 1 + t * t)",
    "detached": "d.detach().abs() * d + (d**2).detach().sqrt() * p + d",
    "weighted_by_itself": "(1 - torch.exp(-d.abs())).detach() ** 2 * d.abs()",
    "constants": "torch.tensor(0.1) * d + torch.tensor([0.3]) * d.abs() + d * torch.tensor(3)",
    "xlogy": "torch.xlogy(t.relu(), 0.1 + d * d)",
    "leaky_relu": "F.leaky_relu(d) + F.leaky_relu(p, 0.2)",
    "elu": "F.elu(d) + F.elu(p, 1.7) + F.celu(d) + F.celu(p, 0.6) + F.selu(d)",
    "silu": "F.silu(d) + F.mish(p) + F.gelu(d, approximate='tanh')",
    "softplus": "F.softplus(d) + F.softplus(p, 3.0) + F.softplus(-p, 0.5, 4.0) + F.logsigmoid(d)",
    "hardtanh": "F.hardtanh(d) + F.hardtanh(p, -0.5, 2.0) + F.relu6(d)",
    "log_cosh": "d + F.softplus(-2 * d) - 0.6931471805599453",
    "mse_loss": "F.mse_loss(p, t)",
    "mse_loss_none": "F.mse_loss(p, t, reduction='none')",
    "mse_loss_sum": "F.mse_loss(p, t, reduction='sum')",
    "l1_loss": "F.l1_loss(p, t)",
    "huber_loss": "F.huber_loss(p, t, delta=0.7)",
    "smooth_l1_loss": "F.smooth_l1_loss(p, t, beta=0.4)",
    "smooth_l1_loss_0": "F.smooth_l1_loss(p, t, beta=0.0)",
    "soft_margin_loss": "F.soft_margin_loss(p, t.detach())",
    "bce_with_logits": "F.binary_cross_entropy_with_logits(p, t)",
    "kl_div": "F.kl_div(p, t.abs(), reduction='none')",
    "kl_div_log": "F.kl_div(p, t, log_target=True, reduction='mean')",
    "poisson_nll_loss": "F.poisson_nll_loss(p, t) + 0.1 * F.poisson_nll_loss(p.abs(), t, log_input=False)",
    "mean": "(d**2).mean()",
    "mean_over": "d.abs().mean(dim=-1)",
    "sum": "(d**2).sum()",
    "half_a_sum": "0.5 * (d**2).sum(dim=0) - d.sum() / 4",
    "means": "0.5 * (d**2).mean() + F.l1_loss(p, t) / 3 - 1 + (2 - d.mean())",
    "unused": "d.cumsum(0) if False else (d.cumsum(0), d**2)[1]",
}

REFUSED = {
    "coupled": "(d - d.mean()) ** 2",
    "product_of_means": "(d**2).mean() * d.abs().mean()",
    "root_of_mean": "(d**2).mean().sqrt()",
    "sum_and_number": "(d**2).sum() + 1",
    "sum_and_mean": "(d**2).sum() + d.mean()",
    "softmax": "torch.softmax(p, 0) * d",
    "shifted": "d + d.roll(1)",
    "integers": "(d * (d > 0).long()).mean()",
    "double": "(d.double() ** 2).mean()",
    "no_slope": "(d > 0).float()",
    "target_only": "t**2 + p.detach()",
    "vector": "d * torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0])[: 1]",
    "largest": "d**2 + d.max(dim=0).values",
}


def main():
    assert torch.__version__.split("+")[0] == "2.13.0", torch.__version__
    code = "import torch\nfrom torch.nn import functional as F\n"
    for name, text in (LOWERED | REFUSED).items():
        code += f"\n\ndef {name}(prediction, target):\n    p, t, d = prediction, target, prediction - target\n    return {text}\n"
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder) / "losses.py"
        source.write_text(code)
        with zipfile.ZipFile(ROOT / "crates/programs/tests/lowered.zip", "w") as out:
            for name in sorted(LOWERED | REFUSED):
                file = pathlib.Path(folder) / "program.pt2"
                sys.argv = ["export.py", f"{source}:{name}", str(file), "--seeds", "1"]
                print(name, end=": ", flush=True)
                export.main()
                label = f"{'lowered' if name in LOWERED else 'refused'}/{name}.pt2"
                out.writestr(zipfile.ZipInfo(label, (1980, 1, 1, 0, 0, 0)), file.read_bytes(), zipfile.ZIP_DEFLATED, 9)


if __name__ == "__main__":
    main()
