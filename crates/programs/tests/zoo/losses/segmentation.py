"""Losses of segmentation and images, in the style of public code. ENTRIES as in regression.py."""

import torch
import torch.nn.functional as F
from torch import nn


class DiceLoss(nn.Module):
    def __init__(self, smooth=1.0):
        super().__init__()
        self.smooth = smooth

    def forward(self, logits, target):
        p = torch.sigmoid(logits).flatten(1)
        t = target.flatten(1)
        overlap = 2 * (p * t).sum(-1) + self.smooth
        return (1 - overlap / (p.sum(-1) + t.sum(-1) + self.smooth)).mean()


class GeneralizedDice(nn.Module):
    """Class-weighted Dice over a label map."""

    def forward(self, prediction, target):
        p = prediction.softmax(dim=1)
        one_hot = F.one_hot(target, p.shape[1]).permute(0, 3, 1, 2).contiguous().to(p.dtype)
        weight = 1 / (torch.einsum("bcwh->bc", one_hot) + 1).pow(2)
        overlap = weight * torch.einsum("bcwh,bcwh->bc", p, one_hot)
        union = weight * (p.sum(dim=(2, 3)) + one_hot.sum(dim=(2, 3)))
        return 1 - 2 * overlap.sum(1) / union.sum(1)


class FocalTversky(nn.Module):
    def __init__(self, alpha=0.7, beta=0.3, gamma=0.75):
        super().__init__()
        self.alpha, self.beta, self.gamma = alpha, beta, gamma

    def forward(self, logits, target):
        p, t = torch.sigmoid(logits).view(-1), target.reshape(-1)
        tp = torch.dot(p, t)
        fp = ((1 - t) * p).sum()
        fn = (t * (1 - p)).sum()
        tversky = (tp + 1) / (tp + self.alpha * fn + self.beta * fp + 1)
        return (1 - tversky).pow(self.gamma)


def log_jaccard(logits, target):
    p = logits.sigmoid()
    inter = (p * target).sum((1, 2))
    union = p.sum((1, 2)) + target.sum((1, 2)) - inter
    return -torch.log((inter + 1e-6) / (union + 1e-6)).mean()


class LovaszHinge(nn.Module):
    def forward(self, logits, labels):
        logits, labels = logits.flatten(), labels.flatten()
        errors = 1.0 - logits * (2.0 * labels - 1.0)
        errors_sorted, order = torch.sort(errors, dim=0, descending=True)
        sorted_labels = labels[order]
        total = sorted_labels.sum()
        inter = total - sorted_labels.cumsum(0)
        union = total + (1 - sorted_labels).cumsum(0)
        jaccard = 1.0 - inter / union
        grad = torch.cat([jaccard[:1], jaccard[1:] - jaccard[:-1]])
        return torch.dot(F.elu(errors_sorted) + 1, grad)


class LovaszSoftmax(nn.Module):
    def forward(self, prediction, target):
        classes = prediction.shape[1]
        p = prediction.softmax(1).movedim(1, -1).reshape(-1, classes)
        target = target.reshape(-1)
        losses = []
        for c in range(classes):
            truth = (target == c).to(p.dtype)
            errors, order = (truth - p[:, c]).abs().sort(0, descending=True)
            truth = truth.index_select(0, order)
            inter = truth.sum() - truth.cumsum(0)
            union = truth.sum() + (1 - truth).cumsum(0)
            jaccard = 1 - inter / union
            losses.append((errors * torch.diff(jaccard, prepend=jaccard.new_zeros(1))).sum())
        return torch.stack(losses).mean()


class BoundaryF1(nn.Module):
    """Boundaries by max pooling, compared with some tolerance."""

    def forward(self, logits, target):
        p = torch.sigmoid(logits)
        p_edge = F.max_pool2d(1 - p, 3, stride=1, padding=1) - (1 - p)
        t_edge = F.max_pool2d(1 - target, 3, stride=1, padding=1) - (1 - target)
        p_wide = F.max_pool2d(p_edge, 5, 1, 2)
        t_wide = F.max_pool2d(t_edge, 5, 1, 2)
        precision = (p_edge * t_wide).sum((2, 3)) / (p_edge.sum((2, 3)) + 1e-7)
        recall = (p_wide * t_edge).sum((2, 3)) / (t_edge.sum((2, 3)) + 1e-7)
        return torch.mean(1 - 2 * precision * recall / (precision + recall + 1e-7))


class SobelLoss(nn.Module):
    """Differences of image gradients and the Laplacian."""

    def __init__(self):
        super().__init__()
        x = torch.tensor([[1.0, 0, -1], [2, 0, -2], [1, 0, -1]])
        self.register_buffer("kernel", torch.stack([x, x.t()]).unsqueeze(1))

    def forward(self, prediction, target):
        def edges(image):
            return F.conv2d(F.pad(image, (1, 1, 1, 1), mode="replicate"), self.kernel)

        return F.l1_loss(edges(prediction), edges(target))


def total_variation(prediction, target, weight=0.1):
    dx = torch.abs(prediction[:, :, :, 1:] - prediction[:, :, :, :-1]).mean()
    dy = torch.diff(prediction, dim=2).abs().mean()
    return F.mse_loss(prediction, target) + weight * (dx + dy)


def pixel_cross_entropy(prediction, target):
    return F.cross_entropy(prediction, target, ignore_index=2, reduction="mean")


class SSIM(nn.Module):
    def __init__(self, channels=2, size=5, sigma=1.5):
        super().__init__()
        grid = torch.arange(size).float() - size // 2
        line = torch.exp(-grid.pow(2) / (2 * sigma**2))
        line = line / line.sum()
        window = torch.outer(line, line)[None, None].expand(channels, 1, size, size).contiguous()
        self.register_buffer("window", window)
        self.channels = channels

    def forward(self, x, y):
        def blur(image):
            return F.conv2d(image, self.window, padding=2, groups=self.channels)

        mu_x, mu_y = blur(x), blur(y)
        var_x = blur(x * x) - mu_x.pow(2)
        var_y = blur(y * y) - mu_y.pow(2)
        cov = blur(x * y) - mu_x * mu_y
        c1, c2 = 0.01**2, 0.03**2
        ssim = ((2 * mu_x * mu_y + c1) * (2 * cov + c2)) / ((mu_x**2 + mu_y**2 + c1) * (var_x + var_y + c2))
        return 1 - ssim.mean([1, 2, 3])


class PyramidL1(nn.Module):
    """L1 over a Laplacian pyramid: average pools and interpolation."""

    def __init__(self, levels=2, mode="bilinear"):
        super().__init__()
        self.levels, self.mode = levels, mode

    def bands(self, x):
        result = []
        for _ in range(self.levels):
            small = F.avg_pool2d(x, 2)
            result.append(x - F.interpolate(small, size=x.shape[-2:], mode=self.mode, align_corners=False))
            x = small
        return result + [x]

    def forward(self, prediction, target):
        return sum(2**i * F.l1_loss(a, b) for i, (a, b) in enumerate(zip(self.bands(prediction), self.bands(target))))


class CenterlineDice(nn.Module):
    """Soft skeletons by repeated erosion and opening."""

    def __init__(self, iterations=2):
        super().__init__()
        self.iterations = iterations

    def erode(self, x):
        return torch.min(-F.max_pool2d(-x, (3, 1), (1, 1), (1, 0)), -F.max_pool2d(-x, (1, 3), (1, 1), (0, 1)))

    def skeleton(self, x):
        opened = F.max_pool2d(self.erode(x), 3, 1, 1)
        result = F.relu(x - opened)
        for _ in range(self.iterations):
            x = self.erode(x)
            opened = F.max_pool2d(self.erode(x), 3, 1, 1)
            delta = F.relu(x - opened)
            result = result + F.relu(delta - result * delta)
        return result

    def forward(self, logits, target):
        p = torch.sigmoid(logits)
        p_line, t_line = self.skeleton(p), self.skeleton(target)
        precision = ((p_line * target).sum() + 1) / (p_line.sum() + 1)
        sensitivity = ((t_line * p).sum() + 1) / (t_line.sum() + 1)
        return 1 - 2 * precision * sensitivity / (precision + sensitivity)


class LocalCorrelation(nn.Module):
    """Normalized cross-correlation of patches, by unfold."""

    def __init__(self, window=3):
        super().__init__()
        self.window = window

    def forward(self, prediction, target):
        a = F.unfold(prediction, self.window, stride=1)
        b = F.unfold(target, self.window, stride=1)
        a = a - a.mean(1, keepdim=True)
        b = b - b.mean(1, keepdim=True)
        correlation = (a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1) + 1e-5)
        return 1 - correlation.mean()


class PhotometricFlow(nn.Module):
    """An image warped by a predicted flow (grid_sample), with smoothness of the flow."""

    def forward(self, flow, image, target):
        n = flow.shape[0]
        theta = torch.tensor([[1.0, 0, 0], [0, 1, 0]], dtype=flow.dtype).expand(n, 2, 3)
        grid = F.affine_grid(theta, list(image.shape), align_corners=False) + 0.3 * torch.tanh(flow).permute(0, 2, 3, 1)
        warped = F.grid_sample(image, grid, mode="bilinear", padding_mode="border", align_corners=False)
        smooth = flow.diff(dim=-1).pow(2).mean() + flow.diff(dim=-2).pow(2).mean()
        return (warped - target).abs().mean() + 0.1 * smooth


class GramStyle(nn.Module):
    """Gram matrices, content, and color moments of features."""

    def forward(self, prediction, target):
        n, c, h, w = prediction.size()

        def gram(x):
            features = x.view(n, c, h * w)
            return torch.bmm(features, features.transpose(1, 2)).div(c * h * w)

        moments = (prediction.mean((2, 3)) - target.mean((2, 3))).square().sum()
        return F.mse_loss(gram(prediction), gram(target)) + 0.1 * moments


class MaskedAutoencoder(nn.Module):
    """Reconstruction of masked patches only, with targets normalized a patch."""

    def __init__(self, patch=2):
        super().__init__()
        self.patch = patch

    def forward(self, prediction, image, mask):
        p = self.patch
        n, c, h, w = image.shape
        x = image.reshape(n, c, h // p, p, w // p, p)
        target = torch.einsum("nchpwq->nhwpqc", x).reshape(n, (h // p) * (w // p), p * p * c)
        target = (target - target.mean(-1, keepdim=True)) / (target.var(dim=-1, keepdim=True) + 1e-6) ** 0.5
        error = (prediction - target).pow(2).mean(dim=-1)
        return (error * mask).sum() / mask.sum()


IMAGE = ("float", [2, 2, 6, 6])
MAP = {"logits": ("float", [2, 1, 6, 6]), "target": ("binary", [2, 1, 6, 6])}
FLAT = {"logits": ("float", [3, 5, 5]), "target": ("binary", [3, 5, 5])}
LABELS = {"prediction": ("float", [2, 3, 4, 4]), "target": ("int", [2, 4, 4], 3)}
IMAGES = {"prediction": IMAGE, "target": IMAGE}
ENTRIES = [
    ("dice", DiceLoss, {}, MAP),
    ("generalized_dice", GeneralizedDice, {}, LABELS),
    ("focal_tversky", FocalTversky, {}, MAP),
    ("log_jaccard", log_jaccard, {}, FLAT),
    ("lovasz_hinge", LovaszHinge, {}, FLAT),
    ("lovasz_softmax", LovaszSoftmax, {}, LABELS),
    ("boundary_f1", BoundaryF1, {}, MAP),
    ("sobel", SobelLoss, {}, {"prediction": ("float", [2, 1, 6, 6]), "target": ("float", [2, 1, 6, 6])}),
    ("total_variation", total_variation, {}, IMAGES),
    ("pixel_cross_entropy", pixel_cross_entropy, {}, LABELS),
    ("ssim", SSIM, {}, {"x": IMAGE, "y": IMAGE}),
    ("pyramid_l1", PyramidL1, {}, {"prediction": ("float", [2, 1, 8, 8]), "target": ("float", [2, 1, 8, 8])}),
    ("centerline_dice", CenterlineDice, {}, MAP),
    ("local_correlation", LocalCorrelation, {}, {"prediction": ("float", [2, 1, 5, 5]), "target": ("float", [2, 1, 5, 5])}),
    ("photometric_flow", PhotometricFlow, {}, {"flow": IMAGE, "image": ("float", [2, 1, 6, 6]), "target": ("float", [2, 1, 6, 6])}),
    ("gram_style", GramStyle, {}, IMAGES),
    (
        "masked_autoencoder",
        MaskedAutoencoder,
        {},
        {"prediction": ("float", [2, 4, 8]), "image": ("float", [2, 2, 4, 4]), "mask": ("binary", [2, 4])},
    ),
]
