"""Losses of metric learning and contrastive learning, in the style of public code. ENTRIES as in regression.py."""

import math

import torch
import torch.nn.functional as F
from torch import nn


def triplet(anchor, positive, negative):
    return F.triplet_margin_loss(anchor, positive, negative, margin=1.0, swap=True)


class CosineTriplet(nn.Module):
    def __init__(self, margin=0.5):
        super().__init__()
        self.loss = nn.TripletMarginWithDistanceLoss(
            distance_function=lambda a, b: 1 - F.cosine_similarity(a, b), margin=margin
        )

    def forward(self, anchor, positive, negative):
        return self.loss(anchor, positive, negative)


class BatchHardTriplet(nn.Module):
    def __init__(self, margin=0.3):
        super().__init__()
        self.margin = margin

    def forward(self, embedding, labels):
        distance = torch.cdist(embedding, embedding, p=2)
        same = labels.unsqueeze(0) == labels.unsqueeze(1)
        furthest = (distance * same).max(dim=1)[0]
        nearest = distance.masked_fill(same, float("inf")).min(dim=1)[0]
        nearest = torch.where(torch.isinf(nearest), torch.zeros_like(nearest), nearest)
        return F.relu(furthest - nearest + self.margin).mean()


class ContrastivePair(nn.Module):
    def __init__(self, margin=2.0):
        super().__init__()
        self.margin = margin

    def forward(self, a, b, same):
        distance = F.pairwise_distance(a, b)
        return torch.mean(same * distance.pow(2) + (1 - same) * torch.clamp(self.margin - distance, min=0.0).pow(2))


def cosine_embedding(a, b, sign):
    return F.cosine_embedding_loss(a, b, sign, margin=0.2)


def hinge_embedding(distance, sign):
    return F.hinge_embedding_loss(distance, sign, margin=1.0)


def margin_ranking(first, second, sign):
    return F.margin_ranking_loss(first, second, sign, margin=0.5)


class CenterLoss(nn.Module):
    def __init__(self, classes=4, width=3):
        super().__init__()
        self.centers = nn.Parameter(torch.linspace(-1, 1, classes * width).view(classes, width))

    def forward(self, features, labels):
        centers = self.centers.index_select(0, labels)
        counts = torch.bincount(labels, minlength=self.centers.shape[0]).to(features.dtype)
        return ((features - centers).square().sum(1) / counts[labels]).sum()


class ArcFace(nn.Module):
    def __init__(self, classes=4, width=3, scale=4.0, margin=0.3):
        super().__init__()
        self.weight = nn.Parameter(torch.cos(torch.arange(classes * width).float()).view(classes, width))
        self.scale = scale
        self.cos_m, self.sin_m = math.cos(margin), math.sin(margin)
        self.threshold, self.shift = math.cos(math.pi - margin), math.sin(math.pi - margin) * margin

    def forward(self, features, labels):
        cosine = F.linear(F.normalize(features), F.normalize(self.weight))
        sine = torch.sqrt((1.0 - cosine.pow(2)).clamp(1e-6, 1))
        phi = cosine * self.cos_m - sine * self.sin_m
        phi = torch.where(cosine > self.threshold, phi, cosine - self.shift)
        one_hot = torch.zeros(cosine.size(), dtype=cosine.dtype)
        one_hot.scatter_(1, labels.view(-1, 1).long(), 1)
        return F.cross_entropy((one_hot * phi + (1.0 - one_hot) * cosine) * self.scale, labels)


class AngularSoftmax(nn.Module):
    """The angle itself gets the margin: acos, clamp, cos."""

    def __init__(self, classes=4, width=3, margin=0.2):
        super().__init__()
        self.classifier = nn.Linear(width, classes, bias=False)
        self.margin = margin

    def forward(self, features, labels):
        w = self.classifier.weight / self.classifier.weight.norm(dim=1, keepdim=True)
        logits = F.normalize(features, dim=1).mm(w.t()).clamp(-1 + 1e-4, 1 - 1e-4)
        theta = torch.acos(logits)
        picked = torch.zeros_like(logits).scatter(1, labels.unsqueeze(-1), self.margin)
        return -(4 * torch.cos(theta + picked)).log_softmax(1).gather(1, labels.unsqueeze(-1)).mean()


class ProxyAnchor(nn.Module):
    def __init__(self, classes=4, width=3, alpha=4.0, delta=0.1):
        super().__init__()
        self.proxies = nn.Parameter(torch.sin(torch.arange(classes * width).float()).view(classes, width))
        self.alpha, self.delta, self.classes = alpha, delta, classes

    def forward(self, features, labels):
        cosine = F.normalize(features, p=2, dim=1) @ F.normalize(self.proxies, p=2, dim=1).T
        positive = F.one_hot(labels, self.classes).bool()
        pull = torch.where(positive, torch.exp(-self.alpha * (cosine - self.delta)), torch.zeros_like(cosine)).sum(0)
        push = torch.where(~positive, torch.exp(self.alpha * (cosine + self.delta)), torch.zeros_like(cosine)).sum(0)
        present = positive.any(dim=0).sum()
        return torch.log(1 + pull).sum() / present + torch.log(1 + push).sum() / self.classes


class CircleLoss(nn.Module):
    def __init__(self, margin=0.25, gamma=8.0):
        super().__init__()
        self.margin, self.gamma = margin, gamma

    def forward(self, features, labels):
        similarity = F.normalize(features) @ F.normalize(features).transpose(0, 1)
        same = labels[:, None] == labels[None, :]
        above = torch.ones_like(similarity, dtype=torch.bool).triu(diagonal=1)
        positive, negative = same & above, same.logical_not() & above
        ap = torch.clamp_min(-similarity.detach() + 1 + self.margin, min=0.0)
        an = torch.clamp_min(similarity.detach() + self.margin, min=0.0)
        lp = (-ap * (similarity - 1 + self.margin) * self.gamma).masked_fill(~positive, -1e4)
        ln = (an * (similarity - self.margin) * self.gamma).masked_fill(~negative, -1e4)
        return F.softplus(torch.logsumexp(lp.flatten(), 0) + torch.logsumexp(ln.flatten(), 0))


class LiftedStructure(nn.Module):
    def forward(self, features, labels):
        squares = features.square().sum(1)
        distance = (squares[:, None] + squares[None, :] - 2 * features @ features.T).clamp(min=1e-6).sqrt()
        same = labels[:, None].eq(labels[None])
        off = ~torch.eye(features.shape[0], dtype=torch.bool)
        far = torch.logsumexp(torch.where(same, -torch.inf, 1.0 - distance), dim=1)
        near = torch.logsumexp(torch.where(same & off, distance, -10.0), dim=1)
        return F.relu(far + near).square().mean() / 2


def n_pairs(anchor, positive):
    logits = anchor @ positive.t()
    labels = torch.arange(anchor.shape[0])
    norm = (anchor.pow(2).sum(1) + positive.pow(2).sum(1)).mean()
    return F.cross_entropy(logits, labels) + 0.02 * norm


class NTXent(nn.Module):
    def __init__(self, temperature=0.5):
        super().__init__()
        self.temperature = temperature

    def forward(self, a, b):
        n = a.shape[0]
        z = F.normalize(torch.cat([a, b], dim=0), dim=1)
        similarity = torch.mm(z, z.t()) / self.temperature
        similarity.fill_diagonal_(-1e9)
        positives = torch.cat([torch.arange(n, 2 * n), torch.arange(n)])
        return F.cross_entropy(similarity, positives)


class SupCon(nn.Module):
    """Supervised contrastive loss over views: features [n, views, width]."""

    def __init__(self, temperature=0.2):
        super().__init__()
        self.temperature = temperature

    def forward(self, features, labels):
        views = features.shape[1]
        contrast = F.normalize(torch.cat(torch.unbind(features, dim=1), dim=0), dim=-1)
        mask = torch.eq(labels.view(-1, 1), labels.view(1, -1)).float().repeat(views, views)
        logits = torch.div(torch.matmul(contrast, contrast.T), self.temperature)
        logits = logits - logits.max(dim=1, keepdim=True).values.detach()
        keep = torch.scatter(torch.ones_like(mask), 1, torch.arange(mask.shape[0]).view(-1, 1), 0)
        mask = mask * keep
        log_p = logits - torch.log((torch.exp(logits) * keep).sum(1, keepdim=True))
        return -((mask * log_p).sum(1) / mask.sum(1)).view(views, -1).mean()


class BarlowTwins(nn.Module):
    def __init__(self, width=4, weight=0.05):
        super().__init__()
        self.norm = nn.BatchNorm1d(width, affine=False)
        self.weight = weight

    def forward(self, a, b):
        c = torch.einsum("ni,nj->ij", self.norm(a), self.norm(b)) / a.shape[0]
        on = torch.diagonal(c).add(-1).pow(2).sum()
        d = c.shape[0]
        off = c.flatten()[:-1].view(d - 1, d + 1)[:, 1:].flatten()
        return on + self.weight * off.pow(2).sum()


class VICReg(nn.Module):
    def forward(self, a, b):
        invariance = F.mse_loss(a, b)
        terms = {"invariance": invariance}
        total = invariance
        for name, z in (("a", a), ("b", b)):
            std = torch.sqrt(z.var(dim=0) + 1e-4)
            variance = torch.mean(F.relu(1 - std))
            centered = z - z.mean(dim=0)
            covariance = (centered.T @ centered) / (z.shape[0] - 1)
            off = (covariance.square().sum() - covariance.diagonal().square().sum()) / z.shape[1]
            terms["variance_" + name], terms["covariance_" + name] = variance, off
            total = total + variance + 0.04 * off
        return {"loss": total, "terms": terms}


class CLIPLoss(nn.Module):
    def __init__(self):
        super().__init__()
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / 0.2)))

    def forward(self, image, text):
        image = image / image.norm(dim=1, keepdim=True)
        text = text / text.norm(dim=1, keepdim=True)
        logits = self.logit_scale.exp().clamp(max=100) * image @ text.t()
        labels = torch.arange(logits.shape[0], dtype=torch.long)
        return (F.cross_entropy(logits, labels) + F.cross_entropy(logits.t(), labels)) / 2


class SigLIP(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(1.5))
        self.bias = nn.Parameter(torch.tensor(-2.0))

    def forward(self, image, text):
        logits = F.normalize(image, dim=-1) @ F.normalize(text, dim=-1).mT * self.scale.exp() + self.bias
        labels = 2 * torch.eye(logits.shape[0]) - 1
        return -F.logsigmoid(labels * logits).sum() / logits.shape[0]


class SimSiam(nn.Module):
    def __init__(self, width=4):
        super().__init__()
        self.predictor = nn.Sequential(nn.Linear(width, 3), nn.ReLU(), nn.Linear(3, width))

    def forward(self, a, b):
        first = F.cosine_similarity(self.predictor(a), b.detach(), dim=-1).mean()
        second = F.cosine_similarity(self.predictor(b), a.detach(), dim=-1).mean()
        return -0.5 * (first + second)


class DINOLoss(nn.Module):
    """A centered, sharpened teacher; the center is a buffer that moves."""

    def __init__(self, width=5, momentum=0.9):
        super().__init__()
        self.register_buffer("center", torch.zeros(1, width))
        self.momentum = momentum

    def forward(self, student, teacher):
        soft = F.softmax((teacher - self.center) / 0.2, dim=-1).detach()
        loss = torch.sum(-soft * F.log_softmax(student / 0.4, dim=-1), dim=-1).mean()
        with torch.no_grad():
            batch = torch.sum(teacher, dim=0, keepdim=True) / teacher.shape[0]
            self.center = self.center * self.momentum + batch * (1 - self.momentum)
        return loss


class AlignmentUniformity(nn.Module):
    def forward(self, a, b):
        x, y = F.normalize(a, dim=1), F.normalize(b, dim=1)
        alignment = (x - y).norm(p=2, dim=1).pow(2).mean()
        uniformity = torch.pdist(x, p=2).pow(2).mul(-2).exp().mean().log()
        return alignment + uniformity


class SwAV(nn.Module):
    """Codes by a few Sinkhorn iterations without gradient, swapped between views."""

    def __init__(self, width=3, prototypes=4):
        super().__init__()
        self.prototypes = nn.Parameter(torch.cos(torch.arange(prototypes * width).float()).view(prototypes, width))

    @torch.no_grad()
    def codes(self, scores):
        q = torch.exp(scores / 0.3).t()
        q = q / q.sum()
        for _ in range(3):
            q = q / q.sum(dim=1, keepdim=True) / q.shape[0]
            q = q / q.sum(dim=0, keepdim=True) / q.shape[1]
        return (q * q.shape[1]).t()

    def forward(self, a, b):
        w = F.normalize(self.prototypes, dim=1)
        sa, sb = F.normalize(a, dim=1) @ w.t(), F.normalize(b, dim=1) @ w.t()
        qa, qb = self.codes(sa), self.codes(sb)
        return -0.5 * ((qa * (sb / 0.2).log_softmax(1)).sum(1) + (qb * (sa / 0.2).log_softmax(1)).sum(1)).mean()


class MultiSimilarity(nn.Module):
    def forward(self, features, labels):
        s = torch.mm(F.normalize(features), F.normalize(features).t())
        same = (labels[:, None] == labels[None]).float()
        same = same - torch.diag(torch.diagonal(same))
        different = 1 - same - torch.eye(same.shape[0])
        positive = torch.log1p((torch.exp(-2 * (s - 0.5)) * same).sum(1)) / 2
        negative = torch.log1p((torch.exp(10 * (s - 0.5)) * different).sum(1)) / 10
        return positive + negative


class CKA(nn.Module):
    """1 − centered kernel alignment of two representations."""

    def forward(self, a, b):
        n = a.shape[0]
        center = torch.eye(n, dtype=a.dtype) - torch.ones(n, n, dtype=a.dtype) / n
        k, l = torch.linalg.multi_dot([center, a @ a.T, center]), center @ (b @ b.T) @ center
        return 1 - torch.trace(k @ l) / (torch.linalg.matrix_norm(k) * torch.linalg.matrix_norm(l) + 1e-8)


class MomentumQueue(nn.Module):
    """Negatives from a queue in a buffer, which is rolled every step."""

    def __init__(self, width=3, size=6):
        super().__init__()
        self.register_buffer("queue", F.normalize(torch.cos(torch.arange(size * width).float()).view(size, width), dim=1))

    def forward(self, query, key):
        q, k = F.normalize(query, dim=1), F.normalize(key, dim=1).detach()
        positive = torch.einsum("nc,nc->n", [q, k]).unsqueeze(-1)
        negative = torch.einsum("nc,kc->nk", [q, self.queue.clone()])
        logits = torch.cat([positive, negative], dim=1) / 0.3
        self.queue.copy_(torch.roll(self.queue, 1, 0))
        return F.cross_entropy(logits, torch.zeros(logits.shape[0], dtype=torch.long))


E = ("float", [6, 3])
W = ("float", [6, 4])
L = ("int", [6], 4)
TRIPLE = {"anchor": E, "positive": E, "negative": E}
LABELED = {"features": E, "labels": L}
ENTRIES = [
    ("triplet", triplet, {}, TRIPLE),
    ("cosine_triplet", CosineTriplet, {}, TRIPLE),
    ("batch_hard_triplet", BatchHardTriplet, {}, {"embedding": E, "labels": ("int", [6], 2)}),
    ("contrastive_pair", ContrastivePair, {}, {"a": E, "b": E, "same": ("binary", [6])}),
    ("cosine_embedding", cosine_embedding, {}, {"a": E, "b": E, "sign": ("sign", [6])}),
    ("hinge_embedding", hinge_embedding, {}, {"distance": ("float", [6]), "sign": ("sign", [6])}),
    ("margin_ranking", margin_ranking, {}, {"first": ("float", [6]), "second": ("float", [6]), "sign": ("sign", [6])}),
    ("center", CenterLoss, {}, LABELED),
    ("arcface", ArcFace, {}, LABELED),
    ("angular_softmax", AngularSoftmax, {}, LABELED),
    ("proxy_anchor", ProxyAnchor, {}, LABELED),
    ("circle", CircleLoss, {}, LABELED),
    ("lifted_structure", LiftedStructure, {}, LABELED),
    ("n_pairs", n_pairs, {}, {"anchor": E, "positive": E}),
    ("nt_xent", NTXent, {}, {"a": E, "b": E}),
    ("sup_con", SupCon, {}, {"features": ("float", [6, 2, 3]), "labels": L}),
    ("barlow_twins", BarlowTwins, {}, {"a": W, "b": W}),
    ("vicreg", VICReg, {}, {"a": W, "b": W}),
    ("clip", CLIPLoss, {}, {"image": E, "text": E}),
    ("siglip", SigLIP, {}, {"image": E, "text": E}),
    ("simsiam", SimSiam, {}, {"a": W, "b": W}),
    ("dino", DINOLoss, {}, {"student": ("float", [6, 5]), "teacher": ("float", [6, 5])}),
    ("alignment_uniformity", AlignmentUniformity, {}, {"a": E, "b": E}, {"static": True}),
    ("swav", SwAV, {}, {"a": E, "b": E}),
    ("multi_similarity", MultiSimilarity, {}, LABELED),
    ("cka", CKA, {}, {"a": W, "b": W}, {"static": True}),
    ("momentum_queue", MomentumQueue, {}, {"query": E, "key": E}),
]
