"""Losses of ranking, survival, preferences, and sequences, in the style of public code. ENTRIES as in regression.py."""

import torch
import torch.nn.functional as F
from torch import nn


def bpr(positive, negative, weight=1e-2):
    return -F.logsigmoid(positive - negative).mean() + weight * (positive.norm() + negative.norm())


def list_net(prediction, target):
    return -torch.sum(F.softmax(target, dim=1) * F.log_softmax(prediction, dim=1), dim=1)


class ListMLE(nn.Module):
    def forward(self, prediction, target):
        _, order = target.sort(descending=True, dim=-1)
        ranked = torch.gather(prediction, 1, order)
        tails = torch.flip(torch.logcumsumexp(torch.flip(ranked, dims=[1]), dim=1), dims=[1])
        return (tails - ranked).sum(1).mean()


class RankNet(nn.Module):
    """Logistic loss of all pairs above the diagonal."""

    def forward(self, prediction, target):
        n = prediction.shape[1]
        i, j = torch.triu_indices(n, n, offset=1)
        score = prediction[:, i] - prediction[:, j]
        truth = torch.sign(target[:, i] - target[:, j]) * 0.5 + 0.5
        return F.binary_cross_entropy_with_logits(score, truth)


class LambdaRank(nn.Module):
    """Pairs weighted by the change in NDCG that their swap would make, by ranks that aren't differentiated."""

    def forward(self, prediction, relevance):
        rank = prediction.detach().argsort(dim=1, descending=True).argsort(dim=1)
        discount = 1.0 / torch.log2(rank.float() + 2.0)
        gain = torch.pow(2.0, relevance.float()) - 1
        ideal = (gain.sort(dim=1, descending=True)[0] / torch.log2(torch.arange(gain.shape[1]) + 2.0)).sum(1)
        delta = (gain[:, :, None] - gain[:, None]).abs() * (discount[:, :, None] - discount[:, None]).abs()
        better = relevance[:, :, None] > relevance[:, None]
        pair = F.softplus(-(prediction[:, :, None] - prediction[:, None]))
        return ((pair * delta * better).sum((1, 2)) / ideal.clamp(min=1.0)).mean()


class ApproxNDCG(nn.Module):
    def __init__(self, temperature=0.5):
        super().__init__()
        self.temperature = temperature

    def forward(self, prediction, relevance):
        difference = prediction.unsqueeze(1) - prediction.unsqueeze(2)
        rank = 0.5 + torch.sigmoid(difference / self.temperature).sum(-1)
        gain = torch.exp2(relevance.to(prediction.dtype)) - 1
        dcg = (gain / torch.log2(1 + rank)).sum(-1)
        best = gain.sort(descending=True).values
        ideal = (best / torch.log2(2 + torch.arange(best.size(-1)))).sum(-1)
        return -(dcg / (ideal + 1e-6)).mean()


class CoxPartialLikelihood(nn.Module):
    """Survival with censoring: risk sets by sorted times and a cumulative log-sum-exp."""

    def forward(self, risk, time, event):
        order = torch.argsort(time, descending=True)
        risk, event = risk[order], event[order]
        return -((risk - torch.logcumsumexp(risk, dim=0)) * event).sum() / event.sum().clamp(min=1)


class DiscreteHazard(nn.Module):
    """Survival in intervals: hazards, cumulated up to the event."""

    def forward(self, prediction, interval, event):
        index = interval.view(-1, 1)
        labels = torch.zeros_like(prediction).scatter(1, index, event.view(-1, 1))
        values = F.binary_cross_entropy_with_logits(prediction, labels, reduction="none")
        return values.cumsum(1).gather(1, index).mean()


class DeepHit(nn.Module):
    """The mass of the event or of what survives, with a cumulative incidence ranking term."""

    def forward(self, prediction, interval, event):
        p = F.pad(prediction, (0, 1)).softmax(1)
        cumulative = p.cumsum(1)
        at = p.gather(1, interval[:, None]).squeeze(1)
        until = cumulative.gather(1, interval[:, None]).squeeze(1)
        likelihood = event * at.add(1e-7).log() + (1 - event) * (1 - until).relu().add(1e-7).log()
        earlier = (interval[:, None] < interval[None]).float() * event[:, None]
        own = cumulative[:, interval]
        ranking = (earlier * torch.exp((own.T - until[:, None]) / 0.5)).mean()
        return -likelihood.mean() + 0.2 * ranking


class SoftSpearman(nn.Module):
    def forward(self, prediction, target):
        def ranks(x):
            return torch.sigmoid((x.unsqueeze(-1) - x.unsqueeze(-2)) * 4).sum(-1)

        p, t = ranks(prediction), ranks(target)
        p, t = p - p.mean(), t - t.mean()
        return 1 - torch.inner(p / p.norm(), t / t.norm())


def auc_hinge(prediction, target):
    """Squared hinge over every pair of a positive and a negative."""
    gap = 1 - (prediction[:, None] - prediction[None])
    pairs = target[:, None] * (1 - target[None])
    return (gap.clamp(min=0).square() * pairs).sum() / pairs.sum().clamp(min=1)


class PPO(nn.Module):
    """Clipped surrogate, clipped values, entropy."""

    def __init__(self, clip=0.2):
        super().__init__()
        self.clip = clip

    def forward(self, logits, value, action, old_log_p, advantage, returns):
        advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
        log_p = logits.log_softmax(-1)
        ratio = torch.exp(log_p.gather(-1, action.unsqueeze(-1)).squeeze(-1) - old_log_p)
        policy = -torch.min(ratio * advantage, ratio.clamp(1 - self.clip, 1 + self.clip) * advantage).mean()
        entropy = -(log_p.exp() * log_p).sum(-1).mean()
        critic = F.mse_loss(value, returns)
        return {"loss": policy + 0.5 * critic - 0.01 * entropy, "terms": {"policy": policy, "critic": critic, "entropy": entropy}}


class SoftActorCritic(nn.Module):
    """Twin critics, a target without gradient, and a learned temperature."""

    def __init__(self):
        super().__init__()
        self.log_alpha = nn.Parameter(torch.zeros(()))

    def forward(self, q1, q2, following, log_p, reward, done):
        alpha = self.log_alpha.exp()
        with torch.no_grad():
            backup = reward + 0.99 * (1 - done.float()) * (torch.amin(following, dim=1) - alpha * log_p)
        critic = F.mse_loss(q1, backup) + F.mse_loss(q2, backup)
        return critic - (self.log_alpha * (log_p + 1.0).detach()).mean()


class DPO(nn.Module):
    """Preferences over sequences: token log-probabilities summed under a mask, against a reference."""

    def __init__(self, beta=0.5):
        super().__init__()
        self.beta = beta

    def forward(self, chosen, rejected, chosen_tokens, rejected_tokens, mask, reference):
        def total(logits, tokens):
            picked = logits.log_softmax(-1).gather(-1, tokens.unsqueeze(-1)).squeeze(-1)
            return torch.where(mask, picked, 0.0).sum(-1)

        margin = total(chosen, chosen_tokens) - total(rejected, rejected_tokens) - reference
        return -F.logsigmoid(self.beta * margin).mean()


class LinearChainCRF(nn.Module):
    """Negative log-likelihood of tag sequences, with learned transitions."""

    def __init__(self, tags=3):
        super().__init__()
        self.start = nn.Parameter(torch.zeros(tags))
        self.transitions = nn.Parameter(torch.linspace(-0.3, 0.3, tags * tags).view(tags, tags))

    def forward(self, emissions, tags, mask):
        steps = emissions.shape[1]
        score = self.start[tags[:, 0]] + emissions[:, 0].gather(1, tags[:, :1]).squeeze(1)
        alpha = self.start + emissions[:, 0]
        for t in range(1, steps):
            on = mask[:, t]
            step = self.transitions[tags[:, t - 1], tags[:, t]] + emissions[:, t].gather(1, tags[:, t : t + 1]).squeeze(1)
            score = score + step * on
            following = torch.logsumexp(alpha.unsqueeze(2) + self.transitions + emissions[:, t].unsqueeze(1), dim=1)
            alpha = torch.where(on.unsqueeze(1), following, alpha)
        return (torch.logsumexp(alpha, dim=1) - score).mean()


class SoftDTW(nn.Module):
    """Soft dynamic time warping of short series."""

    def __init__(self, gamma=0.5):
        super().__init__()
        self.gamma = gamma

    def forward(self, prediction, target):
        cost = (prediction.unsqueeze(2) - target.unsqueeze(1)).square()
        n, rows, columns = cost.shape
        infinite = torch.full((n,), 1e6, dtype=cost.dtype)
        previous = [torch.zeros(n, dtype=cost.dtype)] + [infinite] * columns
        for i in range(rows):
            row = [infinite]
            for j in range(columns):
                around = torch.stack([previous[j], previous[j + 1], row[j]], dim=-1)
                row.append(cost[:, i, j] - self.gamma * torch.logsumexp(-around / self.gamma, dim=-1))
            previous = row
        return previous[-1].mean()


class NextToken(nn.Module):
    """Language modeling: shifted targets, padding ignored, perplexity as a term."""

    def forward(self, logits, tokens):
        shifted = logits[..., :-1, :].contiguous()
        labels = tokens[..., 1:].contiguous()
        labels = labels.masked_fill(labels == 0, -100)
        loss = F.cross_entropy(shifted.view(-1, shifted.size(-1)), labels.view(-1), ignore_index=-100)
        return {"loss": loss, "terms": {"perplexity": loss.detach().exp()}}


class UnlikelihoodTokens(nn.Module):
    """Earlier tokens of the sequence become unlikely: a mask by scatter and tril."""

    def forward(self, logits, tokens):
        p = logits.softmax(-1)
        n, length, words = p.shape
        earlier = torch.tril(torch.ones(length, length), diagonal=-1)
        one_hot = F.one_hot(tokens, words).to(p.dtype)
        seen = torch.matmul(earlier, one_hot).clamp(max=1.0) * (1 - one_hot)
        return -(torch.log((1 - p).clamp(min=1e-5)) * seen).sum((1, 2)).mean()


GRADES = {"prediction": ("float", [3, 5]), "relevance": ("int", [3, 5], 4)}
LISTS = {"prediction": ("float", [3, 5]), "target": ("float", [3, 5])}
HAZARD = {"prediction": ("float", [6, 4]), "interval": ("int", [6], 4), "event": ("binary", [6])}
ENTRIES = [
    ("bpr", bpr, {}, {"positive": ("float", [6]), "negative": ("float", [6])}),
    ("list_net", list_net, {}, LISTS),
    ("list_mle", ListMLE, {}, LISTS),
    ("rank_net", RankNet, {}, LISTS),
    ("lambda_rank", LambdaRank, {}, GRADES),
    ("approx_ndcg", ApproxNDCG, {}, GRADES),
    ("cox", CoxPartialLikelihood, {}, {"risk": ("float", [6]), "time": ("positive", [6]), "event": ("binary", [6])}),
    ("discrete_hazard", DiscreteHazard, {}, HAZARD),
    ("deep_hit", DeepHit, {}, HAZARD),
    ("soft_spearman", SoftSpearman, {}, {"prediction": ("float", [6]), "target": ("float", [6])}),
    ("auc_hinge", auc_hinge, {}, {"prediction": ("float", [8]), "target": ("binary", [8])}),
    (
        "ppo",
        PPO,
        {},
        {
            "logits": ("float", [6, 3]),
            "value": ("float", [6]),
            "action": ("int", [6], 3),
            "old_log_p": ("negative", [6]),
            "advantage": ("float", [6]),
            "returns": ("float", [6]),
        },
        {"trained": ["logits", "value"]},
    ),
    (
        "soft_actor_critic",
        SoftActorCritic,
        {},
        {
            "q1": ("float", [6]),
            "q2": ("float", [6]),
            "following": ("float", [6, 2]),
            "log_p": ("negative", [6]),
            "reward": ("float", [6]),
            "done": ("mask", [6]),
        },
        {"trained": ["q1", "q2"]},
    ),
    (
        "dpo",
        DPO,
        {},
        {
            "chosen": ("float", [3, 4, 5]),
            "rejected": ("float", [3, 4, 5]),
            "chosen_tokens": ("int", [3, 4], 5),
            "rejected_tokens": ("int", [3, 4], 5),
            "mask": ("mask", [3, 4]),
            "reference": ("float", [3]),
        },
        {"trained": ["chosen", "rejected"]},
    ),
    ("crf", LinearChainCRF, {}, {"emissions": ("float", [3, 4, 3]), "tags": ("int", [3, 4], 3), "mask": ("mask", [3, 4])}),
    ("soft_dtw", SoftDTW, {}, {"prediction": ("float", [3, 4]), "target": ("float", [3, 4])}),
    ("next_token", NextToken, {}, {"logits": ("float", [3, 5, 6]), "tokens": ("int", [3, 5], 6)}),
    ("unlikelihood", UnlikelihoodTokens, {}, {"logits": ("float", [3, 4, 5]), "tokens": ("int", [3, 4], 5)}),
]
