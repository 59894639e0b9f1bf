"""Losses of classification, in the style of public code. ENTRIES as in regression.py."""

import torch
import torch.nn.functional as F
from torch import nn


class WeightedCrossEntropy(nn.Module):
    def __init__(self, smoothing=0.1):
        super().__init__()
        self.register_buffer("weight", torch.tensor([1.0, 2.0, 0.5, 1.5, 1.0]))
        self.smoothing = smoothing

    def forward(self, prediction, target):
        return F.cross_entropy(prediction, target, weight=self.weight, label_smoothing=self.smoothing)


def nll_ignore(prediction, target):
    return F.nll_loss(F.log_softmax(prediction, dim=1), target, ignore_index=0)


def soft_cross_entropy(prediction, target):
    return F.cross_entropy(prediction, target, reduction="none")


def bce(prediction, target):
    return F.binary_cross_entropy(torch.sigmoid(prediction), target)


class BCEWithLogits(nn.Module):
    def __init__(self, positive_weight=3.0):
        super().__init__()
        self.loss = nn.BCEWithLogitsLoss(pos_weight=torch.full((3,), positive_weight))

    def forward(self, prediction, target):
        return self.loss(prediction, target)


class FocalLoss(nn.Module):
    def __init__(self, alpha=0.25, gamma=2.0):
        super().__init__()
        self.alpha, self.gamma = alpha, gamma

    def forward(self, logits, labels):
        p = torch.sigmoid(logits)
        cross_entropy = F.binary_cross_entropy_with_logits(logits, labels, reduction="none")
        p_t = p * labels + (1 - p) * (1 - labels)
        alpha_t = self.alpha * labels + (1 - self.alpha) * (1 - labels)
        return (alpha_t * (1 - p_t) ** self.gamma * cross_entropy).mean()


class MulticlassFocal(nn.Module):
    def __init__(self, gamma=1.5):
        super().__init__()
        self.gamma = gamma

    def forward(self, prediction, target):
        log_p = F.log_softmax(prediction, dim=-1).gather(1, target.view(-1, 1)).squeeze(1)
        return -((1 - log_p.exp()) ** self.gamma) * log_p


class AsymmetricLoss(nn.Module):
    """Multi-label loss with separate focusing and a shifted probability of negatives."""

    def __init__(self, gamma_negative=4, gamma_positive=1, clip=0.05):
        super().__init__()
        self.gamma_negative, self.gamma_positive, self.clip = gamma_negative, gamma_positive, clip

    def forward(self, x, y):
        positive = torch.sigmoid(x)
        negative = (1 - positive + self.clip).clamp(max=1)
        loss = y * torch.log(positive.clamp(min=1e-8)) + (1 - y) * torch.log(negative.clamp(min=1e-8))
        with torch.no_grad():
            pt = positive * y + negative * (1 - y)
            gamma = self.gamma_positive * y + self.gamma_negative * (1 - y)
            weight = torch.pow(1 - pt, gamma)
        return -(loss * weight).sum()


def poly1(prediction, target, epsilon=1.0):
    one_hot = F.one_hot(target, num_classes=prediction.shape[1]).to(prediction.dtype)
    pt = torch.sum(one_hot * F.softmax(prediction, dim=-1), dim=-1)
    return F.cross_entropy(prediction, target, reduction="none") + epsilon * (1 - pt)


def generalized_cross_entropy(prediction, target, q=0.7):
    p = prediction.softmax(1)[torch.arange(prediction.shape[0]), target]
    return (1 - p**q) / q


def symmetric_cross_entropy(prediction, target, alpha=0.1, beta=1.0):
    p = F.softmax(prediction, dim=1).clamp(1e-7, 1.0)
    one_hot = torch.zeros_like(prediction).scatter_(1, target.unsqueeze(1), 1.0).clamp(min=1e-4, max=1.0)
    reverse = -(p * one_hot.log()).sum(1)
    return alpha * F.cross_entropy(prediction, target) + beta * reverse.mean()


class LabelSmoothing(nn.Module):
    def __init__(self, classes=5, smoothing=0.1):
        super().__init__()
        self.classes, self.smoothing = classes, smoothing

    def forward(self, prediction, target):
        log_p = prediction.log_softmax(dim=-1)
        with torch.no_grad():
            soft = torch.empty_like(log_p)
            soft.fill_(self.smoothing / (self.classes - 1))
            soft.scatter_(1, target.unsqueeze(1), 1.0 - self.smoothing)
        return torch.mean(torch.sum(-soft * log_p, dim=-1))


def multi_margin(prediction, target):
    return F.multi_margin_loss(prediction, target, p=2, margin=0.7)


def multilabel_margin(prediction, target):
    return F.multilabel_margin_loss(prediction, target)


def multilabel_soft_margin(prediction, target):
    return F.multilabel_soft_margin_loss(prediction, target)


def soft_margin(prediction, target):
    return F.soft_margin_loss(prediction, target)


class BiTempered(nn.Module):
    """The bi-tempered logistic loss: a heavy-tailed softmax found by iteration."""

    def __init__(self, t1=0.7, t2=1.3, iterations=5):
        super().__init__()
        self.t1, self.t2, self.iterations = t1, t2, iterations

    def log_t(self, u, t):
        return (u.pow(1.0 - t) - 1.0) / (1.0 - t)

    def exp_t(self, u, t):
        return torch.relu(1.0 + (1.0 - t) * u).pow(1.0 / (1.0 - t))

    def forward(self, prediction, target):
        top = prediction.max(dim=1, keepdim=True)[0]
        shifted = prediction - top
        normalized = shifted
        for _ in range(self.iterations):
            z = self.exp_t(normalized, self.t2).sum(1, keepdim=True)
            normalized = shifted * z.pow(1.0 - self.t2)
        z = self.exp_t(normalized, self.t2).sum(1, keepdim=True)
        p = self.exp_t(prediction - (top - self.log_t(1.0 / z, self.t2)), self.t2)
        labels = F.one_hot(target, prediction.size(1)).float()
        first = labels * (self.log_t(labels + 1e-10, self.t1) - self.log_t(p, self.t1))
        second = (labels.pow(2.0 - self.t1) - p.pow(2.0 - self.t1)) / (2.0 - self.t1)
        return (first - second).sum(dim=1).mean()


class LDAMLoss(nn.Module):
    """Label-distribution-aware margins, with logits adjusted by the classes' frequencies."""

    def __init__(self, counts=(50, 30, 10, 5, 5), max_margin=0.5, scale=3.0, tau=0.2):
        super().__init__()
        counts = torch.tensor(counts, dtype=torch.float32)
        margins = 1.0 / counts.sqrt().sqrt()
        self.register_buffer("margins", margins * (max_margin / margins.max()))
        self.register_buffer("log_prior", (counts / counts.sum()).log())
        self.scale, self.tau = scale, tau

    def forward(self, x, target):
        index = torch.zeros_like(x, dtype=torch.bool)
        index.scatter_(1, target.view(-1, 1), True)
        output = torch.where(index, x - self.margins[target][:, None], x)
        return F.cross_entropy(self.scale * output + self.tau * self.log_prior, target)


class Distillation(nn.Module):
    def __init__(self, temperature=3.0, alpha=0.6):
        super().__init__()
        self.temperature, self.alpha = temperature, alpha

    def forward(self, student, teacher, target):
        t = self.temperature
        soft = F.kl_div(
            F.log_softmax(student / t, dim=1),
            F.log_softmax(teacher.detach() / t, dim=1),
            reduction="batchmean",
            log_target=True,
        )
        hard = F.cross_entropy(student, target)
        return {"loss": self.alpha * t * t * soft + (1 - self.alpha) * hard, "terms": {"soft": soft, "hard": hard}}


def jensen_shannon(prediction, target):
    p = F.softmax(prediction, dim=-1)
    middle = 0.5 * (p + target)
    return 0.5 * (F.kl_div(middle.log(), p, reduction="sum") + F.kl_div(middle.log(), target, reduction="sum"))


class EvidentialLoss(nn.Module):
    """Sensoy's evidential loss, annealed by a step number; a Dirichlet over the classes."""

    def forward(self, prediction, target, step):
        one_hot = torch.eye(prediction.shape[-1], dtype=prediction.dtype)[target]
        alpha = F.relu(prediction) + 1
        total = alpha.sum(dim=1, keepdim=True)
        error = (one_hot * (torch.digamma(total) - torch.digamma(alpha))).sum(1)
        alpha = one_hot + (1 - one_hot) * alpha
        total = alpha.sum(1, keepdim=True)
        count = torch.full_like(total, prediction.shape[-1])
        kl = torch.lgamma(total) - torch.lgamma(count) - torch.lgamma(alpha).sum(1, keepdim=True)
        kl = kl + ((alpha - 1) * (torch.digamma(alpha) - torch.digamma(total))).sum(1, keepdim=True)
        return (error + torch.clamp(step / 10, max=1.0) * kl.squeeze(1)).mean()


class CoralOrdinal(nn.Module):
    """Ordinal regression: one shared score, learned biases, levels by a comparison."""

    def __init__(self, classes=5):
        super().__init__()
        self.bias = nn.Parameter(torch.arange(classes - 1, 0, -1).float() / (classes - 1))

    def forward(self, score, target):
        logits = score.unsqueeze(1) + self.bias
        levels = (target[:, None] > torch.arange(self.bias.numel())).type_as(logits)
        return -torch.mean(torch.sum(F.logsigmoid(logits) * levels + (F.logsigmoid(logits) - logits) * (1 - levels), 1))


class OHEMCrossEntropy(nn.Module):
    """Only the hardest examples count."""

    def __init__(self, keep=4):
        super().__init__()
        self.keep = keep

    def forward(self, prediction, target):
        values = F.cross_entropy(prediction, target, reduction="none")
        hardest, _ = values.topk(self.keep)
        return hardest.mean()


def bootstrapped(prediction, target, beta=0.8):
    """Hard bootstrapping: the target blends with the prediction's own argmax."""
    guess = prediction.detach().argmax(dim=1)
    return beta * F.cross_entropy(prediction, target) + (1 - beta) * F.cross_entropy(prediction, guess)


def mixup(prediction, target_a, target_b, lam):
    values = torch.lerp(
        F.cross_entropy(prediction, target_b, reduction="none"), F.cross_entropy(prediction, target_a, reduction="none"), lam
    )
    return values.mean()


def brier(prediction, target):
    p = torch.softmax(prediction, 1)
    return torch.square(p - F.one_hot(target, 5)).sum(1).mean()


def squared_hinge(prediction, target):
    return torch.clamp_min(1 - prediction * target, 0).square().mean()


def crammer_singer(prediction, target):
    """The margin to the best wrong class."""
    right = prediction.gather(1, target[:, None]).squeeze(-1)
    wrong = prediction.scatter(1, target[:, None], float("-inf")).amax(dim=1)
    return F.relu(1 + wrong - right)


def entropy_regularized(prediction, target, weight=0.1):
    p = prediction.softmax(-1)
    return F.cross_entropy(prediction, target) + weight * torch.xlogy(p, p).sum(-1).mean()


class ConfidencePenalty(nn.Module):
    """Expected calibration: confidence in bins against accuracy, with a one-hot table of bins."""

    def __init__(self, bins=4):
        super().__init__()
        self.register_buffer("edges", torch.linspace(0, 1, bins + 1)[1:-1])
        self.bins = bins

    def forward(self, prediction, target):
        confidence, guess = prediction.softmax(1).max(1)
        gap = confidence - guess.eq(target).float()
        index = torch.bucketize(confidence.detach(), self.edges)
        sums = torch.zeros(self.bins, dtype=gap.dtype).index_add(0, index, gap)
        return sums.abs().sum() / prediction.shape[0] + F.cross_entropy(prediction, target)


class MovingAverageBCE(nn.Module):
    """Normalized by a running mean of its own values, kept in a buffer."""

    def __init__(self, momentum=0.9):
        super().__init__()
        self.momentum = momentum
        self.register_buffer("running", torch.ones(()))

    def forward(self, prediction, target):
        value = F.binary_cross_entropy_with_logits(prediction, target)
        if self.training:
            self.running.mul_(self.momentum).add_(value.detach(), alpha=1 - self.momentum)
        return value / (self.running + 1e-6)


class WarmupSwitch(nn.Module):
    """Mean squared error at first, cross-entropy later: a branch on data, by torch.cond."""

    def forward(self, prediction, target, step):
        def early(p, t):
            return (p.softmax(1) - F.one_hot(t, 5).to(p.dtype)).square().sum(1).mean()

        def late(p, t):
            return F.cross_entropy(p, t)

        return torch.cond(step.sum() < 5, early, late, (prediction, target))


def z_loss(prediction, target):
    """By hand: log-sum-exp minus the target's logit, with z-loss."""
    z = torch.logsumexp(prediction, dim=-1)
    picked = torch.take_along_dim(prediction, target.unsqueeze(-1), dim=-1).squeeze(-1)
    return (z - picked).mean() + 1e-2 * z.pow(2).mean()


class HiddenCrossEntropy(nn.Module):
    """Hidden states against a vocabulary of its own, as language models end."""

    def __init__(self, classes=6, width=4):
        super().__init__()
        self.weight = nn.Parameter(torch.linspace(-1, 1, classes * width).reshape(classes, width))

    def forward(self, hidden, target):
        return F.linear_cross_entropy(hidden, self.weight, target)


LOGITS = ("float", [8, 5])
CLASSES = ("int", [8], 5)
PAIR = {"prediction": LOGITS, "target": CLASSES}
BITS = {"prediction": ("float", [8, 3]), "target": ("binary", [8, 3])}
ENTRIES = [
    ("weighted_cross_entropy", WeightedCrossEntropy, {}, PAIR),
    ("nll_ignore", nll_ignore, {}, PAIR),
    ("soft_cross_entropy", soft_cross_entropy, {}, {"prediction": LOGITS, "target": ("simplex", [8, 5])}),
    ("bce", bce, {}, BITS),
    ("bce_with_logits", BCEWithLogits, {}, BITS),
    ("focal", FocalLoss, {}, {"logits": ("float", [8, 3]), "labels": ("binary", [8, 3])}),
    ("multiclass_focal", MulticlassFocal, {}, PAIR),
    ("asymmetric", AsymmetricLoss, {}, {"x": ("float", [8, 3]), "y": ("binary", [8, 3])}),
    ("poly1", poly1, {}, PAIR),
    ("generalized_cross_entropy", generalized_cross_entropy, {}, PAIR),
    ("symmetric_cross_entropy", symmetric_cross_entropy, {}, PAIR),
    ("label_smoothing", LabelSmoothing, {}, PAIR),
    ("multi_margin", multi_margin, {}, PAIR),
    ("multilabel_margin", multilabel_margin, {}, {"prediction": ("float", [4, 5]), "target": ("labels", [4, 5])}),
    ("multilabel_soft_margin", multilabel_soft_margin, {}, BITS),
    ("soft_margin", soft_margin, {}, {"prediction": ("float", [8]), "target": ("sign", [8])}),
    ("bi_tempered", BiTempered, {}, PAIR),
    ("ldam", LDAMLoss, {}, {"x": LOGITS, "target": CLASSES}),
    ("distillation", Distillation, {}, {"student": LOGITS, "teacher": LOGITS, "target": CLASSES}),
    ("jensen_shannon", jensen_shannon, {}, {"prediction": LOGITS, "target": ("simplex", [8, 5])}),
    ("evidential", EvidentialLoss, {}, {**PAIR, "step": ("constant", 3.0)}),
    ("coral_ordinal", CoralOrdinal, {}, {"score": ("float", [8]), "target": CLASSES}),
    ("ohem_cross_entropy", OHEMCrossEntropy, {}, PAIR, {"static": True}),
    ("bootstrapped", bootstrapped, {}, PAIR),
    ("mixup", mixup, {}, {"prediction": LOGITS, "target_a": CLASSES, "target_b": CLASSES, "lam": ("prob", [8])}),
    ("brier", brier, {}, PAIR),
    ("squared_hinge", squared_hinge, {}, {"prediction": ("float", [8]), "target": ("sign", [8])}),
    ("crammer_singer", crammer_singer, {}, PAIR),
    ("entropy_regularized", entropy_regularized, {}, PAIR),
    ("confidence_penalty", ConfidencePenalty, {}, PAIR),
    ("moving_average_bce", MovingAverageBCE, {}, BITS, {"rises": True}),
    ("warmup_switch", WarmupSwitch, {}, {**PAIR, "step": ("constant", 7.0)}),
    ("z_loss", z_loss, {}, PAIR, {"static": True}),
    ("hidden_cross_entropy", HiddenCrossEntropy, {}, {"hidden": ("float", [8, 4]), "target": ("int", [8], 6)}),
]
