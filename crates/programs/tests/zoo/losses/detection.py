"""Losses of detection and keypoints, in the style of public code. ENTRIES as in regression.py."""

import math

import torch
import torch.nn.functional as F
from torch import nn


def corners(raw):
    """Boxes [n, 4] as x1, y1, x2, y2 from centers and log sizes."""
    center, size = raw.split(2, dim=-1)
    half = 0.5 * size.exp()
    return torch.cat((center - half, center + half), dim=-1)


def area(box):
    return (box[:, 2] - box[:, 0]) * (box[:, 3] - box[:, 1])


class GIoU(nn.Module):
    def forward(self, prediction, target):
        p, t = corners(prediction), corners(target)
        size = (torch.min(p[:, 2:], t[:, 2:]) - torch.max(p[:, :2], t[:, :2])).clamp(min=0)
        inter = size[:, 0] * size[:, 1]
        union = area(p) + area(t) - inter
        hull = (torch.max(p[:, 2:], t[:, 2:]) - torch.min(p[:, :2], t[:, :2])).prod(dim=1)
        return 1 - inter / union + (hull - union) / hull


class CIoU(nn.Module):
    def forward(self, prediction, target):
        p, t = corners(prediction), corners(target)
        inter = (torch.minimum(p[:, 2:], t[:, 2:]) - torch.maximum(p[:, :2], t[:, :2])).clamp(min=0).prod(1)
        iou = inter / (area(p) + area(t) - inter + 1e-7)
        distance = (prediction[:, :2] - target[:, :2]).square().sum(1)
        hull = torch.maximum(p[:, 2:], t[:, 2:]) - torch.minimum(p[:, :2], t[:, :2])
        pw, ph = prediction[:, 2:].exp().unbind(1)
        tw, th = target[:, 2:].exp().unbind(1)
        v = (4 / math.pi**2) * torch.pow(torch.atan(tw / th) - torch.atan(pw / ph), 2)
        with torch.no_grad():
            alpha = v / (1 - iou + v + 1e-7)
        return (1 - iou + distance / (hull.square().sum(1) + 1e-7) + alpha * v).mean()


class CenterHeatmap(nn.Module):
    """Penalty-reduced focal loss of a heatmap with peaks of 1."""

    def forward(self, logits, heatmap):
        p = torch.sigmoid(logits).clamp(1e-4, 1 - 1e-4)
        positive = heatmap.ge(0.95).float()
        negative = heatmap.lt(0.95).float()
        gain = torch.log(p) * torch.pow(1 - p, 2) * positive
        loss = torch.log(1 - p) * torch.pow(p, 2) * torch.pow(1 - heatmap, 4) * negative
        return -(gain.sum() + loss.sum()) / positive.sum().clamp(min=1)


def varifocal(logits, score, alpha=0.75, gamma=2.0):
    p = logits.sigmoid()
    weight = score * (score > 0.5).float() + alpha * (p - score).abs().pow(gamma) * (score <= 0.5).float()
    return F.binary_cross_entropy_with_logits(logits, score, weight=weight.detach(), reduction="none").sum(1)


class DistributionFocal(nn.Module):
    """A coordinate as a distribution over bins; the two neighbors of the target share the mass."""

    def forward(self, prediction, target):
        scaled = target * (prediction.shape[-1] - 1.01)
        left = scaled.long()
        right = left + 1
        weight_left = right - scaled
        weight_right = scaled - left
        return (
            F.cross_entropy(prediction, left, reduction="none") * weight_left
            + F.cross_entropy(prediction, right, reduction="none") * weight_right
        ).mean()


class MultiBox(nn.Module):
    """SSD: smooth L1 on positive anchors, cross-entropy with hard negative mining by ranks."""

    def __init__(self, ratio=2):
        super().__init__()
        self.ratio = ratio

    def forward(self, scores, boxes, labels, targets):
        positive = labels > 0
        count = positive.long().sum(1, keepdim=True)
        values = F.cross_entropy(scores.transpose(1, 2), labels, reduction="none")
        mined = values.detach().clone()
        mined[positive] = 0.0
        _, order = mined.sort(1, descending=True)
        _, rank = order.sort(1)
        negative = rank < self.ratio * count.clamp(min=1)
        confidence = (values * (positive | negative)).sum()
        location = (F.smooth_l1_loss(boxes, targets, reduction="none").sum(-1) * positive).sum()
        return (confidence + location) / count.sum().clamp(min=1)


class SoftArgmax(nn.Module):
    """Keypoints as the expectation of a heatmap, with a Jensen-Shannon-like spread term."""

    def forward(self, heatmap, keypoints):
        n, k, h, w = heatmap.shape
        p = heatmap.view(n, k, -1).softmax(-1).view(n, k, h, w)
        ys, xs = torch.meshgrid(torch.linspace(-1, 1, h), torch.linspace(-1, 1, w), indexing="ij")
        x = (p * xs).sum((-2, -1))
        y = (p * ys).sum((-2, -1))
        found = torch.stack((x, y), dim=-1)
        spread = (p * (xs**2 + ys**2)).sum((-2, -1)) - x.square() - y.square()
        return torch.linalg.norm(found - keypoints, dim=-1).mean() + 0.1 * spread.mean()


class GridObjectness(nn.Module):
    """One-stage detection: targets written into a grid by their cells' indices."""

    def forward(self, prediction, cell, box):
        n, g, _ = prediction.shape
        rows = torch.arange(n)
        objectness = torch.zeros(n, g, dtype=prediction.dtype)
        objectness[rows, cell] = 1.0
        picked = prediction[rows, cell]
        offset = F.mse_loss(picked[:, 1:].sigmoid(), box)
        confidence = F.binary_cross_entropy_with_logits(prediction[..., 0], objectness)
        return 5.0 * offset + confidence


class Chamfer(nn.Module):
    """Chamfer and Hausdorff-like distance of two point sets."""

    def forward(self, prediction, target):
        distance = torch.cdist(prediction, target)
        there = distance.min(dim=2).values
        back = distance.min(dim=1)[0]
        return there.mean() + back.mean() + 0.1 * torch.maximum(there.amax(1), back.amax(1)).mean()


class SetMatching(nn.Module):
    """Greedy matching of predictions with targets by cost, without gradient, then L1."""

    def forward(self, prediction, target):
        with torch.no_grad():
            cost = torch.cdist(prediction, target, p=1.0)
            match = cost.argmin(dim=1)
        matched = torch.gather(prediction, 1, match.unsqueeze(-1).expand(-1, -1, prediction.shape[-1]))
        return F.l1_loss(matched, target)


class RotatedGaussian(nn.Module):
    """Rotated boxes as Gaussians: KL divergence of 2 × 2 covariances."""

    def covariance(self, box):
        w, h, angle = box[:, 2].exp(), box[:, 3].exp(), box[:, 4]
        c, s = torch.cos(angle), torch.sin(angle)
        rotation = torch.stack((torch.stack((c, -s), -1), torch.stack((s, c), -1)), -2)
        size = torch.diag_embed(0.25 * torch.stack((w, h), -1).square())
        return rotation @ size @ rotation.mT

    def forward(self, prediction, target):
        sp, st = self.covariance(prediction), self.covariance(target)
        delta = (prediction[:, :2] - target[:, :2]).unsqueeze(-1)
        inverse = torch.linalg.inv(st)
        trace = torch.diagonal(inverse @ sp, dim1=-2, dim2=-1).sum(-1)
        mahalanobis = (delta.mT @ inverse @ delta).squeeze(-1).squeeze(-1)
        kl = 0.5 * (trace + mahalanobis + torch.logdet(st) - torch.logdet(sp)) - 1
        return 1 - 1 / (1 + torch.log1p(kl.clamp(min=0)))


BOX = ("float", [6, 4])
ENTRIES = [
    ("giou", GIoU, {}, {"prediction": BOX, "target": BOX}),
    ("ciou", CIoU, {}, {"prediction": BOX, "target": BOX}),
    ("center_heatmap", CenterHeatmap, {}, {"logits": ("float", [2, 2, 4, 4]), "heatmap": ("prob", [2, 2, 4, 4])}),
    ("varifocal", varifocal, {}, {"logits": ("float", [6, 3]), "score": ("prob", [6, 3])}),
    ("distribution_focal", DistributionFocal, {}, {"prediction": ("float", [8, 6]), "target": ("prob", [8])}),
    (
        "multibox",
        MultiBox,
        {},
        {
            "scores": ("float", [2, 8, 3]),
            "boxes": ("float", [2, 8, 4]),
            "labels": ("int", [2, 8], 3),
            "targets": ("float", [2, 8, 4]),
        },
        {"trained": ["scores", "boxes"]},
    ),
    ("soft_argmax", SoftArgmax, {}, {"heatmap": ("float", [2, 3, 4, 5]), "keypoints": ("float", [2, 3, 2])}),
    (
        "grid_objectness",
        GridObjectness,
        {},
        {"prediction": ("float", [4, 6, 5]), "cell": ("int", [4], 6), "box": ("prob", [4, 4])},
    ),
    ("chamfer", Chamfer, {}, {"prediction": ("float", [2, 6, 3]), "target": ("float", [2, 5, 3])}),
    ("set_matching", SetMatching, {}, {"prediction": ("float", [2, 6, 4]), "target": ("float", [2, 3, 4])}),
    ("rotated_gaussian", RotatedGaussian, {}, {"prediction": ("float", [4, 5]), "target": ("float", [4, 5])}),
]
