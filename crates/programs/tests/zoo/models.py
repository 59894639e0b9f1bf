"""Small models in the style of public ones.

ENTRIES: (name, class, options, inputs[, settings]). An input called `target` is compared with the output by mean
squared error, or by cross-entropy if it holds classes; a model without one is an objective: it returns its loss, or
{loss, terms}. `settings`: `modes` (both where the model has dropout: the first is trained), `derivatives` (taken
inside, to be traced by make_fx), `static` or `open` (the inputs with an open first dimension), `lr`.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn


class MLP(nn.Module):
    def __init__(self, sizes=(6, 16, 16, 2), activation="ReLU"):
        super().__init__()
        layers = []
        for i, o in zip(sizes, sizes[1:]):
            layers += [nn.Linear(i, o), getattr(nn, activation)()]
        self.net = nn.Sequential(*layers[:-1])

    def forward(self, x):
        return self.net(x)


class ActivationZoo(nn.Module):
    """Every activation of torch.nn.functional once, on slices of a hidden layer."""

    def __init__(self):
        super().__init__()
        self.activations = nn.ModuleList(
            [
                nn.ReLU(), nn.ReLU6(), nn.ELU(), nn.SELU(), nn.CELU(0.7), nn.GELU(), nn.GELU(approximate="tanh"),
                nn.SiLU(), nn.Mish(), nn.Hardswish(), nn.Hardsigmoid(), nn.Hardtanh(-0.5, 0.5), nn.LeakyReLU(0.1),
                nn.PReLU(), nn.RReLU(), nn.LogSigmoid(), nn.Softplus(2.0), nn.Softshrink(0.1), nn.Hardshrink(0.1),
                nn.Softsign(), nn.Tanh(), nn.Tanhshrink(), nn.Sigmoid(), nn.Threshold(0.1, 0.0), nn.Softmin(dim=-1),
                nn.Softmax(dim=-1), nn.LogSoftmax(dim=-1), nn.GLU(),
            ]
        )  # fmt: skip
        self.up = nn.Linear(4, 2 * len(self.activations))
        self.down = nn.Linear(2 * len(self.activations) - 1, 2)

    def forward(self, x):
        parts = self.up(x).chunk(len(self.activations), dim=-1)
        return self.down(torch.cat([f(part) for f, part in zip(self.activations, parts)], dim=-1))


class LeNet(nn.Module):
    def __init__(self, classes=5, dropout=0.25):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, 3, padding=1)
        self.bn = nn.BatchNorm2d(4)
        self.conv2 = nn.Conv2d(4, 6, 3)
        self.drop = nn.Dropout2d(dropout)
        self.fc1 = nn.Linear(6 * 9, 16)
        self.fc2 = nn.Linear(16, classes)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn(self.conv1(x))), 2)
        x = F.max_pool2d(self.drop(F.relu(self.conv2(F.pad(x, (2, 2, 2, 2))))), 2)
        x = torch.flatten(x, 1)
        x = F.dropout(F.relu(self.fc1(x)), p=0.5, training=self.training)
        return self.fc2(x)


class BasicBlock(nn.Module):
    def __init__(self, inputs, outputs, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)), inplace=True)
        out = self.bn2(self.conv2(out))
        out += self.shortcut(x)
        return F.relu(out)


class ResNet(nn.Module):
    def __init__(self, classes=5):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3, 1, 1, bias=False), nn.BatchNorm2d(4), nn.ReLU(inplace=True))
        self.layers = nn.Sequential(BasicBlock(4, 4), BasicBlock(4, 8, 2))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(8, classes)

    def forward(self, x):
        return self.head(self.pool(self.layers(self.stem(x))).flatten(1))


class UNet(nn.Module):
    """Two levels, transposed convolutions, skip connections, group norm."""

    def __init__(self, width=4, classes=3):
        super().__init__()

        def block(i, o):
            return nn.Sequential(
                nn.Conv2d(i, o, 3, padding=1), nn.GroupNorm(2, o), nn.SiLU(), nn.Conv2d(o, o, 3, padding=1), nn.ReLU()
            )

        self.down1, self.down2 = block(1, width), block(width, 2 * width)
        self.up = nn.ConvTranspose2d(2 * width, width, 2, stride=2)
        self.merge = block(2 * width, width)
        self.out = nn.Conv2d(width, classes, 1)

    def forward(self, x):
        a = self.down1(x)
        b = self.down2(F.max_pool2d(a, 2))
        return self.out(self.merge(torch.cat([self.up(b), a], dim=1)))


class LSTMClassifier(nn.Module):
    def __init__(self, words=12, width=6, hidden=8, classes=3):
        super().__init__()
        self.embedding = nn.Embedding(words, width, padding_idx=0)
        self.lstm = nn.LSTM(width, hidden, num_layers=1, batch_first=True, bidirectional=True)
        self.head = nn.Linear(2 * hidden, classes)

    def forward(self, tokens):
        _, (h, _) = self.lstm(self.embedding(tokens))
        return self.head(torch.cat((h[-2], h[-1]), dim=1))


class GRURegressor(nn.Module):
    def __init__(self, inputs=3, hidden=8):
        super().__init__()
        self.gru = nn.GRU(inputs, hidden, num_layers=2, dropout=0.2, batch_first=True)
        self.head = nn.Linear(hidden, 1)

    def forward(self, x):
        out, _ = self.gru(x)
        return self.head(out[:, -1, :]).squeeze(-1)


class ElmanLoop(nn.Module):
    """Cells stepped by hand, and nn.RNN after them."""

    def __init__(self, inputs=3, hidden=6):
        super().__init__()
        self.cell = nn.LSTMCell(inputs, hidden)
        self.gate = nn.GRUCell(hidden, hidden)
        self.rnn = nn.RNN(hidden, hidden, nonlinearity="tanh", batch_first=True)
        self.head = nn.Linear(hidden, 2)

    def forward(self, x):
        n = x.shape[0]
        h = torch.zeros(n, self.cell.hidden_size)
        c, g = torch.zeros_like(h), torch.zeros_like(h)
        outputs = []
        for t in range(x.shape[1]):
            h, c = self.cell(x[:, t], (h, c))
            g = self.gate(h, g)
            outputs.append(g)
        out, _ = self.rnn(torch.stack(outputs, dim=1))
        return self.head(out.mean(dim=1))


class TransformerClassifier(nn.Module):
    """PyTorch's own encoder, sinusoidal positions, a padding mask, mean over what isn't padded."""

    def __init__(self, words=12, width=8, heads=2, classes=3):
        super().__init__()
        self.embedding = nn.Embedding(words, width)
        layer = nn.TransformerEncoderLayer(width, heads, 16, dropout=0.1, batch_first=True, activation="gelu")
        self.encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.head = nn.Linear(width, classes)
        position = torch.arange(16).unsqueeze(1)
        rate = torch.exp(torch.arange(0, width, 2) * (-math.log(10000.0) / width))
        table = torch.zeros(16, width)
        table[:, 0::2] = torch.sin(position * rate)
        table[:, 1::2] = torch.cos(position * rate)
        self.register_buffer("positions", table)

    def forward(self, tokens):
        padding = tokens == 0
        x = self.embedding(tokens) * math.sqrt(self.embedding.embedding_dim) + self.positions[: tokens.size(1)]
        x = self.encoder(x, src_key_padding_mask=padding)
        kept = (~padding).unsqueeze(-1).to(x.dtype)
        return self.head((x * kept).sum(1) / kept.sum(1).clamp(min=1))


class SelfAttention(nn.Module):
    """Causal attention written out, with dropout, in the style of small GPT code."""

    def __init__(self, width, heads, block, dropout):
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.drop = nn.Dropout(dropout)
        self.heads = heads
        self.register_buffer("bias", torch.tril(torch.ones(block, block)).view(1, 1, block, block))

    def forward(self, x):
        b, t, c = x.size()
        q, k, v = self.qkv(x).split(c, dim=2)
        q, k, v = (y.view(b, t, self.heads, c // self.heads).transpose(1, 2) for y in (q, k, v))
        att = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(k.size(-1)))
        att = att.masked_fill(self.bias[:, :, :t, :t] == 0, float("-inf"))
        y = self.drop(F.softmax(att, dim=-1)) @ v
        return self.proj(y.transpose(1, 2).contiguous().view(b, t, c))


class GPT(nn.Module):
    """A small language model with tied embeddings; an objective on its own tokens."""

    def __init__(self, words=11, width=12, heads=2, layers=1, block=8, dropout=0.1):
        super().__init__()
        self.token = nn.Embedding(words, width)
        self.position = nn.Embedding(block, width)
        self.blocks = nn.ModuleList(
            nn.ModuleDict(
                {
                    "norm1": nn.LayerNorm(width),
                    "attention": SelfAttention(width, heads, block, dropout),
                    "norm2": nn.LayerNorm(width, bias=False),
                    "mlp": nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width), nn.Dropout(dropout)),
                }
            )
            for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, words, bias=False)
        self.head.weight = self.token.weight

    def forward(self, tokens):
        length = tokens.shape[1]
        x = self.token(tokens) + self.position(torch.arange(length, device=tokens.device))
        for block in self.blocks:
            x = x + block["attention"](block["norm1"](x))
            x = x + block["mlp"](block["norm2"](x))
        logits = self.head(self.norm(x))
        return F.cross_entropy(logits[:, :-1].reshape(-1, logits.size(-1)), tokens[:, 1:].reshape(-1))


class RotaryGQA(nn.Module):
    """Grouped-query attention with rotary positions, RMS norm, and a gated feed-forward layer."""

    def __init__(self, width=8, heads=4, groups=2, length=6):
        super().__init__()
        self.heads, self.groups, self.size = heads, groups, width // heads
        self.norm1, self.norm2 = nn.RMSNorm(width), nn.RMSNorm(width, eps=1e-6)
        self.q = nn.Linear(width, width, bias=False)
        self.kv = nn.Linear(width, 2 * groups * self.size, bias=False)
        self.o = nn.Linear(width, width, bias=False)
        self.gate, self.up = nn.Linear(width, 12, bias=False), nn.Linear(width, 12, bias=False)
        self.down = nn.Linear(12, width, bias=False)
        angle = torch.outer(torch.arange(length).float(), 100.0 ** (-torch.arange(0, self.size, 2).float() / self.size))
        self.register_buffer("cos", angle.cos().repeat_interleave(2, -1))
        self.register_buffer("sin", angle.sin().repeat_interleave(2, -1))

    def rotate(self, x):
        turned = torch.stack((-x[..., 1::2], x[..., ::2]), dim=-1).flatten(-2)
        return x * self.cos + turned * self.sin

    def forward(self, x):
        n, t, _ = x.shape
        h = self.norm1(x)
        q = self.q(h).unflatten(-1, (self.heads, self.size)).transpose(1, 2)
        k, v = self.kv(h).view(n, t, 2, self.groups, self.size).permute(2, 0, 3, 1, 4)
        k = self.rotate(k).repeat_interleave(self.heads // self.groups, dim=1)
        v = v.repeat_interleave(self.heads // self.groups, dim=1)
        y = F.scaled_dot_product_attention(self.rotate(q), k, v, is_causal=True)
        x = x + self.o(y.transpose(1, 2).reshape(n, t, -1))
        h = self.norm2(x)
        return x + self.down(F.silu(self.gate(h)) * self.up(h))


class CrossAttention(nn.Module):
    """nn.MultiheadAttention between two sequences, with averaged weights returned and used, and a float mask."""

    def __init__(self, width=8, heads=2):
        super().__init__()
        self.query = nn.Parameter(torch.randn(3, width))
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.head = nn.Linear(width, 2)

    def forward(self, x):
        query = self.query.unsqueeze(0).expand(x.shape[0], -1, -1)
        mask = torch.zeros(3, x.shape[1]).masked_fill(torch.ones(3, x.shape[1]).triu(3).bool(), float("-inf"))
        out, weights = self.attention(query, x, x, attn_mask=mask, need_weights=True)
        return self.head(out.mean(1)) + weights.sum(dim=(1, 2), keepdim=False).unsqueeze(-1) * 0.1


class VisionTransformer(nn.Module):
    """Patches by a strided convolution, a class token, attention under a boolean mask."""

    def __init__(self, classes=4, width=8, patch=4):
        super().__init__()
        self.patch = nn.Conv2d(1, width, patch, stride=patch)
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        self.position = nn.Parameter(0.02 * torch.randn(1, 5, width))
        self.norm, self.out = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.scale = nn.Parameter(1e-1 * torch.ones(width))
        self.head = nn.Linear(width, classes)
        self.register_buffer("mask", torch.eye(5, dtype=torch.bool).logical_not())

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat((self.token.expand(x.shape[0], -1, -1), x), dim=1) + self.position
        n, t, c = x.shape
        q, k, v = self.qkv(self.norm(x)).reshape(n, t, 3, 2, c // 2).permute(2, 0, 3, 1, 4).unbind(0)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=self.mask, scale=0.4)
        x = x + self.scale * self.proj(y.transpose(1, 2).reshape(n, t, c))
        return self.head(self.out(x)[:, 0])


class Autoencoder(nn.Module):
    """Convolutions down, upsampling and transposed convolutions up."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(1, 4, 3, stride=2, padding=1), nn.ELU(), nn.Conv2d(4, 4, 3, 2, 1), nn.Hardtanh())
        self.decoder = nn.Sequential(
            nn.Upsample(scale_factor=2, mode="nearest"), nn.Conv2d(4, 4, 3, padding=1), nn.LeakyReLU(0.2),
            nn.ConvTranspose2d(4, 1, 3, stride=2, padding=1, output_padding=1), nn.Sigmoid(),
        )  # fmt: skip

    def forward(self, x):
        return self.decoder(self.encoder(x))


class VAE(nn.Module):
    """An objective with an annealed KL term; samples in training, the mean otherwise."""

    def __init__(self, width=8, latent=2):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(width, 12), nn.Tanh(), nn.Linear(12, 2 * latent))
        self.decoder = nn.Sequential(nn.Linear(latent, 12), nn.Tanh(), nn.Linear(12, width))

    def forward(self, x, step):
        mean, log_var = self.encoder(x).chunk(2, dim=1)
        z = mean
        if self.training:
            z = mean + torch.randn_like(mean) * torch.exp(0.5 * log_var)
        reconstruction = F.binary_cross_entropy_with_logits(self.decoder(z), x, reduction="sum") / x.shape[0]
        kl = -0.5 * torch.sum(1 + log_var - mean.pow(2) - log_var.exp(), dim=1).mean()
        beta = torch.clamp(step / 10.0, max=1.0)
        return {"loss": reconstruction + beta * kl, "terms": {"reconstruction": reconstruction, "kl": kl}}


class VQVAE(nn.Module):
    """Vector quantization with a straight-through gradient and a commitment loss."""

    def __init__(self, width=8, latent=3, codes=5):
        super().__init__()
        self.encoder, self.decoder = nn.Linear(width, latent), nn.Linear(latent, width)
        self.codebook = nn.Embedding(codes, latent)

    def forward(self, x):
        z = self.encoder(x)
        w = self.codebook.weight
        distance = torch.addmm(z.pow(2).sum(1, keepdim=True) + w.pow(2).sum(1), z, w.t(), alpha=-2.0)
        q = self.codebook(distance.argmin(dim=1))
        codebook, commitment = F.mse_loss(q, z.detach()), F.mse_loss(z, q.detach())
        q = z + (q - z).detach()
        return F.mse_loss(self.decoder(q), x) + codebook + 0.25 * commitment


class GumbelCategorical(nn.Module):
    """A straight-through Gumbel softmax in training, a softmax otherwise."""

    def __init__(self, width=6, codes=4):
        super().__init__()
        self.encoder, self.decoder = nn.Linear(width, codes), nn.Linear(codes, width, bias=False)

    def forward(self, x):
        logits = self.encoder(x)
        z = F.gumbel_softmax(logits, tau=0.7, hard=True) if self.training else F.softmax(logits / 0.7, dim=-1)
        return self.decoder(z)


class BurgersPINN(nn.Module):
    """An objective with derivatives with respect to its inputs: the residual of Burgers' equation."""

    def __init__(self, width=8, viscosity=0.05):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 1))
        self.viscosity = viscosity

    def forward(self, x, t, x0):
        x, t = x.requires_grad_(), t.requires_grad_()
        u = self.net(torch.stack((x, t), dim=1)).squeeze(1)
        u_x, u_t = torch.autograd.grad(u.sum(), (x, t), create_graph=True)
        (u_xx,) = torch.autograd.grad(u_x.sum(), x, create_graph=True)
        residual = (u_t + u * u_x - self.viscosity * u_xx).square().mean()
        start = self.net(torch.stack((x0, torch.zeros_like(x0)), dim=1)).squeeze(1)
        return residual + (start + torch.sin(math.pi * x0)).square().mean()


class FunctionalPINN(nn.Module):
    """−u″ = f by forward derivatives of a functional net (torch.func.jvp twice)."""

    def __init__(self, width=8):
        super().__init__()
        self.w1, self.b1 = nn.Parameter(torch.linspace(-2, 2, width)), nn.Parameter(torch.linspace(-1, 1, width))
        self.w2 = nn.Parameter(torch.cos(torch.arange(width).float()))

    def forward(self, x):
        def u(x):
            return x * (1 - x) * (torch.tanh(x.unsqueeze(-1) * self.w1 + self.b1) @ self.w2)

        def slope(x):
            return torch.func.jvp(u, (x,), (torch.ones_like(x),))[1]

        bend = torch.func.jvp(slope, (x,), (torch.ones_like(x),))[1]
        return (0.1 * bend + torch.sin(math.pi * x)).square().mean()


class GraphConv(nn.Module):
    """Two graph convolutions by a normalized adjacency matrix, and class scores a node."""

    def __init__(self, width=4, classes=3):
        super().__init__()
        self.lin1, self.lin2 = nn.Linear(width, 8), nn.Linear(8, classes)

    def forward(self, x, adjacency):
        a = ((adjacency + adjacency.T) > 0).to(x.dtype).fill_diagonal_(1.0)
        degree = a.sum(1).pow(-0.5)
        a = degree.view(-1, 1) * a * degree.view(1, -1)
        h = F.relu(a.matmul(self.lin1(x)))
        return a.matmul(self.lin2(h))


class GraphAttention(nn.Module):
    """Messages over an edge list: a softmax a node by scatter_reduce, sums by scatter_add."""

    def __init__(self, width=4, hidden=6):
        super().__init__()
        self.lin = nn.Linear(width, hidden, bias=False)
        self.source, self.sink = nn.Parameter(torch.randn(hidden) * 0.3), nn.Parameter(torch.randn(hidden) * 0.3)
        self.head = nn.Linear(hidden, 2)

    def forward(self, x, source, sink):
        h = self.lin(x)
        score = F.leaky_relu((h * self.source).sum(-1)[source] + (h * self.sink).sum(-1)[sink], 0.2)
        top = torch.full((x.shape[0],), -1e9, dtype=x.dtype).scatter_reduce(0, sink, score, reduce="amax")
        weight = torch.exp(score - top.gather(0, sink).detach())
        total = torch.zeros(x.shape[0], dtype=x.dtype).scatter_add(0, sink, weight)
        message = h[source] * (weight / total[sink]).unsqueeze(-1)
        out = torch.zeros_like(h).index_add_(0, sink, message)
        return self.head(F.elu(out))


class MixtureDensityNet(nn.Module):
    """An objective: the negative log-likelihood of a mixture of Gaussians."""

    def __init__(self, components=3):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(1, 10), nn.Softplus())
        self.weight, self.mean, self.scale = (nn.Linear(10, components) for _ in range(3))

    def forward(self, x, y):
        h = self.body(x)
        log_weight = F.log_softmax(self.weight(h), dim=-1)
        sigma = F.elu(self.scale(h)) + 1.01
        log_p = -0.5 * ((y - self.mean(h)) / sigma) ** 2 - torch.log(sigma) - 0.5 * math.log(2 * math.pi)
        return -torch.logsumexp(log_weight + log_p, dim=1)


class TwoHeads(nn.Module):
    """An objective with two heads: a Gaussian negative log-likelihood and a classification, with weights and a mask."""

    def __init__(self, width=5):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(width, 10), nn.Mish())
        self.value, self.spread, self.label = nn.Linear(10, 1), nn.Linear(10, 1), nn.Linear(10, 3)

    def forward(self, x, y, label, weight, mask):
        h = self.body(x)
        nll = F.gaussian_nll_loss(self.value(h), y.unsqueeze(-1), self.spread(h).exp(), reduction="none").squeeze(-1)
        classes = F.cross_entropy(self.label(h), label, reduction="none")
        a = (weight * nll).sum() / weight.sum()
        b = torch.masked_fill(classes, ~mask, 0.0).sum() / mask.float().sum().clamp(min=1.0)
        return {"loss": a + 0.5 * b, "terms": {"nll": a, "classes": b}, "error": (self.value(h).squeeze(-1) - y).abs().mean()}


class SiameseTriplet(nn.Module):
    """An embedding net on three inputs with a triplet margin: an objective."""

    def __init__(self, width=6):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(width, 10), nn.ReLU(), nn.Linear(10, 4))

    def embed(self, x):
        return F.normalize(self.net(x), p=2, dim=-1)

    def forward(self, anchor, positive, negative):
        return F.triplet_margin_loss(self.embed(anchor), self.embed(positive), self.embed(negative), margin=0.5)


class AttentionPooling(nn.Module):
    """Multiple-instance learning: gated attention over the instances of a bag, under a mask."""

    def __init__(self, width=5, hidden=6):
        super().__init__()
        self.v, self.u, self.w = nn.Linear(width, hidden), nn.Linear(width, hidden), nn.Linear(hidden, 1)
        self.head = nn.Linear(width, 2)

    def forward(self, x, mask):
        score = self.w(torch.tanh(self.v(x)) * torch.sigmoid(self.u(x))).squeeze(-1)
        score = torch.where(mask, score, torch.finfo(torch.float32).min)
        weight = torch.softmax(score, dim=1)
        return self.head(torch.bmm(weight.unsqueeze(1), x).squeeze(1))


class DeepSets(nn.Module):
    """Sums, means, and maxima over a set."""

    def __init__(self, width=3, hidden=8):
        super().__init__()
        self.phi = nn.Sequential(nn.Linear(width, hidden), nn.SELU())
        self.rho = nn.Sequential(nn.Linear(3 * hidden, hidden), nn.CELU(), nn.Linear(hidden, 1))

    def forward(self, x):
        h = self.phi(x)
        return self.rho(torch.cat((h.sum(1), h.mean(1), h.max(1).values), dim=-1)).squeeze(-1)


class PointNet(nn.Module):
    """Shared 1 × 1 convolutions, batch norm over points, a learned alignment, global max pooling."""

    def __init__(self, classes=3):
        super().__init__()
        self.align = nn.Linear(3, 9)
        self.conv1, self.bn1 = nn.Conv1d(3, 8, 1), nn.BatchNorm1d(8)
        self.conv2, self.bn2 = nn.Conv1d(8, 12, 1), nn.BatchNorm1d(12)
        self.head = nn.Linear(12, classes)

    def forward(self, x):
        transform = self.align(x.mean(1)).view(-1, 3, 3) + torch.eye(3)
        x = torch.bmm(x, transform).transpose(2, 1)
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.bn2(self.conv2(x))
        return F.log_softmax(self.head(F.adaptive_max_pool1d(x, 1).squeeze(-1)), dim=1)


class NormZoo(nn.Module):
    """Instance, group, layer, local response, RMS and weight normalization, and pools of several kinds."""

    def __init__(self, classes=3):
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3, padding=1, padding_mode="reflect")
        self.instance = nn.InstanceNorm2d(4, affine=True)
        self.group = nn.GroupNorm(2, 4)
        self.layer = nn.LayerNorm([4, 4, 4])
        self.response = nn.LocalResponseNorm(2)
        self.linear = nn.utils.parametrizations.weight_norm(nn.Linear(4 * 3 + 4, classes))

    def forward(self, x):
        x = F.gelu(self.instance(self.conv(x)))
        x = self.group(F.avg_pool2d(x, 2, ceil_mode=True, count_include_pad=False))
        x = self.response(self.layer(x))
        pools = (F.adaptive_avg_pool2d(x, 1), F.adaptive_max_pool2d(x, (1, 1)), F.lp_pool2d(x.abs() + 0.1, 2, 4))
        moments = F.rms_norm(x.flatten(2), (16,)).std(dim=-1)
        return self.linear(torch.cat([p.flatten(1) for p in pools] + [moments], dim=1))


class MobileBlock(nn.Module):
    """An inverted residual with a depthwise convolution and squeeze-and-excitation."""

    def __init__(self, channels=4, expand=2, classes=3):
        super().__init__()
        wide = channels * expand
        self.stem = nn.Conv2d(1, channels, 3, 1, 1)
        self.expand = nn.Sequential(nn.Conv2d(channels, wide, 1, bias=False), nn.BatchNorm2d(wide), nn.ReLU6())
        self.depthwise = nn.Sequential(nn.Conv2d(wide, wide, 3, 1, 1, groups=wide, bias=False), nn.BatchNorm2d(wide), nn.Hardswish())
        self.squeeze, self.excite = nn.Conv2d(wide, 2, 1), nn.Conv2d(2, wide, 1)
        self.project = nn.Conv2d(wide, channels, 1)
        self.head = nn.Linear(channels, classes)

    def forward(self, x):
        x = self.stem(x)
        h = self.depthwise(self.expand(x))
        scale = F.hardsigmoid(self.excite(F.relu(self.squeeze(F.adaptive_avg_pool2d(h, 1)))))
        return self.head((x + self.project(h * scale)).mean([2, 3]))


class TCN(nn.Module):
    """Dilated causal convolutions in one dimension with residuals."""

    def __init__(self, inputs=2, width=6, levels=2):
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv1d(inputs if i == 0 else width, width, 3, dilation=2**i) for i in range(levels))
        self.skip = nn.Conv1d(inputs, width, 1)
        self.head = nn.Linear(width, 1)
        self.drop = nn.Dropout1d(0.1)

    def forward(self, x):
        h = x
        for i, conv in enumerate(self.convs):
            out = self.drop(F.relu(conv(F.pad(h, (2 * 2**i, 0)))))
            h = out + (self.skip(h) if i == 0 else h)
        return self.head(h[..., -1])


class WaveBlock(nn.Module):
    """Gated dilated convolutions, pooling, and transposed convolutions in one dimension."""

    def __init__(self, width=4):
        super().__init__()
        self.filter, self.gate = nn.Conv1d(1, width, 3, padding=2, dilation=2), nn.Conv1d(1, width, 3, padding="same")
        self.up = nn.ConvTranspose1d(width, 1, 4, stride=2, padding=1)

    def forward(self, x):
        h = torch.tanh(self.filter(x)) * torch.sigmoid(self.gate(x))
        h = F.max_pool1d(h, 2) + F.avg_pool1d(h, 2)
        return self.up(h) + F.interpolate(F.interpolate(x, scale_factor=0.5), size=x.shape[-1], mode="linear")


class VoxelNet(nn.Module):
    """Three dimensions: convolution, pooling, norm, pixel shuffle on a slice."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv3d(1, 4, 3, padding=1), nn.BatchNorm3d(4)
        self.head = nn.Linear(4 + 16, 2)

    def forward(self, x):
        h = F.relu(self.norm(self.conv(x)))
        flat = F.pixel_shuffle(h[:, :, 0], 2)
        pooled = F.avg_pool3d(h, 2).amax((2, 3, 4)) + F.max_pool3d(h, 2).mean((2, 3, 4))
        return self.head(torch.cat([pooled, F.avg_pool2d(flat, 2).flatten(1)], dim=1))


class Recommender(nn.Module):
    """Matrix factorization with biases and bags of tags (embedding_bag), and a factorization machine."""

    def __init__(self, users=6, items=7, tags=5, width=4):
        super().__init__()
        self.user, self.item = nn.Embedding(users, width), nn.Embedding(items, width)
        self.user_bias, self.item_bias = nn.Embedding(users, 1), nn.Embedding(items, 1)
        self.tags = nn.EmbeddingBag(tags, width, mode="mean")

    def forward(self, user, item, tags):
        u, i, t = self.user(user), self.item(item), self.tags(tags)
        fields = torch.stack([u, i, t], dim=1)
        pairs = 0.5 * (fields.sum(1).pow(2) - fields.pow(2).sum(1)).sum(1)
        return pairs + self.user_bias(user).squeeze(-1) + self.item_bias(item).squeeze(-1)


class TabularNet(nn.Module):
    """Categories embedded beside numbers, batch norm, bilinear interactions, cross layers."""

    def __init__(self, cardinalities=(4, 3), numbers=3):
        super().__init__()
        self.embeddings = nn.ModuleList(nn.Embedding(c, 2) for c in cardinalities)
        width = 2 * len(cardinalities) + numbers
        self.norm = nn.BatchNorm1d(numbers)
        self.cross = nn.ModuleList(nn.Linear(width, width) for _ in range(2))
        self.bilinear = nn.Bilinear(width, numbers, 4)
        self.head = nn.Linear(width + 4, 2)

    def forward(self, categories, numbers):
        x0 = torch.cat([e(categories[:, i]) for i, e in enumerate(self.embeddings)] + [self.norm(numbers)], 1)
        x = x0
        for layer in self.cross:
            x = x0 * layer(x) + x
        return self.head(torch.cat([x, torch.relu(self.bilinear(x0, numbers))], 1))


class MixtureOfExperts(nn.Module):
    """A top-2 gate over experts evaluated together, with a load-balancing term: an objective."""

    def __init__(self, width=4, experts=4):
        super().__init__()
        self.gate = nn.Linear(width, experts)
        self.w1 = nn.Parameter(0.3 * torch.randn(experts, width, 6))
        self.w2 = nn.Parameter(0.3 * torch.randn(experts, 6, 1))
        self.experts = experts

    def forward(self, x, y):
        p = self.gate(x).softmax(dim=-1)
        value, index = torch.topk(p, 2, dim=-1)
        value = value / value.sum(-1, keepdim=True)
        weight = torch.zeros_like(p).scatter(-1, index, value)
        out = torch.einsum("neh,eho->neo", F.gelu(torch.einsum("nw,ewh->neh", x, self.w1)), self.w2).squeeze(-1)
        load = F.one_hot(index[:, 0], self.experts).to(p.dtype).mean(0)
        balance = self.experts * (load * p.mean(0)).sum()
        loss = F.mse_loss((out * weight).sum(-1), y)
        return {"loss": loss + 0.01 * balance, "terms": {"mse": loss, "balance": balance}}


class FourierOperator(nn.Module):
    """A Fourier layer of operator learning: complex weights on low frequencies."""

    def __init__(self, width=4, modes=3):
        super().__init__()
        self.modes = modes
        self.lift, self.project = nn.Linear(2, width), nn.Linear(width, 1)
        self.weight = nn.Parameter(0.2 * torch.randn(width, width, modes, 2))
        self.local = nn.Conv1d(width, width, 1)

    def forward(self, x):
        n, length = x.shape
        grid = torch.linspace(0, 1, length).expand(n, length)
        h = self.lift(torch.stack([x, grid], -1)).permute(0, 2, 1)
        spectrum = torch.fft.rfft(h)
        low = torch.einsum("bim,iom->bom", spectrum[:, :, : self.modes], torch.view_as_complex(self.weight))
        out = torch.zeros(n, low.shape[1], spectrum.shape[-1], dtype=low.dtype)
        out[:, :, : self.modes] = low
        h = F.gelu(torch.fft.irfft(out, n=length) + self.local(h))
        return self.project(h.transpose(1, 2)).squeeze(-1)


class NeuralODE(nn.Module):
    """Fixed steps of Runge and Kutta through a small field, as a model of one trajectory."""

    def __init__(self, width=2, steps=3):
        super().__init__()
        self.field = nn.Sequential(nn.Linear(width, 8), nn.Tanh(), nn.Linear(8, width))
        self.steps = steps

    def forward(self, y):
        h = 0.2
        for _ in range(self.steps):
            k1 = self.field(y)
            k2 = self.field(y + 0.5 * h * k1)
            k3 = self.field(y + 0.5 * h * k2)
            k4 = self.field(y + h * k3)
            y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        return y


class StateSpace(nn.Module):
    """A diagonal linear recurrence as one product with the powers of its decay, with a gate."""

    def __init__(self, width=4):
        super().__init__()
        self.decay, self.inp = nn.Parameter(torch.zeros(width)), nn.Linear(2, width)
        self.out = nn.Linear(width, 1)

    def forward(self, x):
        log_a = F.logsigmoid(self.decay + 1.0)
        steps = torch.arange(x.shape[1], dtype=x.dtype)
        power = torch.exp(steps[:, None] * log_a)
        lag = (steps[:, None] - steps[None]).long()
        kernel = torch.where((lag >= 0)[..., None], power[lag.clamp(min=0)], 0.0)
        h = torch.einsum("tsw,nsw->ntw", kernel, self.inp(x))
        return self.out(h * torch.sigmoid(h)).squeeze(-1)


class SpikingNet(nn.Module):
    """Leaky integrate-and-fire steps with a surrogate gradient by detach."""

    def __init__(self, width=4, hidden=8, classes=3):
        super().__init__()
        self.inp, self.out = nn.Linear(width, hidden), nn.Linear(hidden, classes)

    def forward(self, x):
        drive = self.inp(x)
        potential = torch.zeros_like(drive)
        count = torch.zeros_like(drive)
        for _ in range(3):
            potential = 0.8 * potential + drive
            soft = torch.sigmoid(4 * (potential - 1))
            spike = (potential > 1).to(x.dtype) + soft - soft.detach()
            potential = potential * (1 - spike)
            count = count + spike
        return self.out(count / 3)


class Hypernetwork(nn.Module):
    """A net that makes the weights of another for each row, applied by baddbmm."""

    def __init__(self, context=3, inputs=2, hidden=4):
        super().__init__()
        self.make = nn.Linear(context, inputs * hidden + hidden + hidden)
        self.inputs, self.hidden = inputs, hidden

    def forward(self, context, x):
        sizes = [self.inputs * self.hidden, self.hidden, self.hidden]
        w, b, v = torch.split(self.make(context), sizes, dim=1)
        h = torch.baddbmm(b.unsqueeze(1), x, w.view(-1, self.inputs, self.hidden)).tanh()
        return torch.matmul(h, v.unsqueeze(-1)).squeeze(-1)


class RBFNet(nn.Module):
    """Radial basis functions around learned centers and random-feature cosines."""

    def __init__(self, width=3, centers=6):
        super().__init__()
        self.centers, self.log_width = nn.Parameter(torch.randn(centers, width)), nn.Parameter(torch.zeros(centers))
        self.register_buffer("frequencies", torch.randn(width, 4))
        self.head = nn.Linear(centers + 8, 1)

    def forward(self, x):
        r2 = torch.cdist(x, self.centers).square()
        radial = torch.exp(-r2 * torch.exp(self.log_width))
        phase = x @ self.frequencies
        return self.head(torch.cat((radial, phase.sin(), phase.cos()), -1)).squeeze(-1)


class NoisyNet(nn.Module):
    """Noise in training: on weights, inputs, and by dropout of several kinds."""

    def __init__(self, width=4, classes=3):
        super().__init__()
        self.mean, self.scale = nn.Parameter(0.3 * torch.randn(8, width)), nn.Parameter(torch.full((8, width), -3.0))
        self.alpha, self.feature = nn.AlphaDropout(0.1), nn.FeatureAlphaDropout(0.1)
        self.rrelu, self.head = nn.RReLU(), nn.Linear(8, classes)

    def forward(self, x):
        weight = self.mean
        if self.training:
            weight = weight + F.softplus(self.scale) * torch.randn(weight.shape)
            x = x + 0.1 * torch.rand_like(x) * torch.bernoulli(torch.full_like(x, 0.5))
            keep = torch.rand(x.shape[0], 1) < 0.9
            x = torch.where(keep, x / 0.9, 0.0)
            x = x + 0.01 * torch.normal(0.0, 1.0, x.shape) + 0.01 * torch.empty_like(x).uniform_(-1, 1)
        h = self.rrelu(F.linear(x, weight))
        return self.head(self.alpha(F.selu(h)) + self.feature(h))


class EMATeacher(nn.Module):
    """Self-distillation: a teacher in buffers follows the student; an objective that moves buffers."""

    def __init__(self, width=4, hidden=5):
        super().__init__()
        self.student = nn.Linear(width, hidden)
        self.register_buffer("teacher", self.student.weight.detach().clone())
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))

    def forward(self, x, view):
        with torch.no_grad():
            goal = F.softmax(F.linear(view, self.teacher) / 0.5, dim=-1)
            self.teacher.lerp_(self.student.weight, 0.1)
            self.steps.add_(1)
        return -(goal * self.student(x).log_softmax(-1)).sum(-1).mean()


IMAGE8 = ("float", [3, 1, 8, 8])
SEQUENCE = ("int", [3, 6], 12)
BOTH = {"modes": ["eval", "train"]}
ENTRIES = [
    ("mlp", MLP, {}, {"x": ("float", [8, 6]), "target": ("float", [8, 2])}),
    ("mlp_tanh", MLP, {"sizes": (6, 12, 3), "activation": "Tanh"}, {"x": ("float", [8, 6]), "target": ("int", [8], 3)}),
    ("activation_zoo", ActivationZoo, {}, {"x": ("float", [6, 4]), "target": ("float", [6, 2])}, BOTH),
    ("lenet", LeNet, {}, {"x": IMAGE8, "target": ("int", [3], 5)}, BOTH),
    ("resnet", ResNet, {}, {"x": ("float", [4, 3, 6, 6]), "target": ("int", [4], 5)}, {"modes": ["train", "eval"]}),
    ("unet", UNet, {}, {"x": IMAGE8, "target": ("int", [3, 8, 8], 3)}),
    ("lstm_classifier", LSTMClassifier, {}, {"tokens": SEQUENCE, "target": ("int", [3], 3)}),
    ("gru_regressor", GRURegressor, {}, {"x": ("float", [3, 5, 3]), "target": ("float", [3])}, BOTH),
    ("elman_loop", ElmanLoop, {}, {"x": ("float", [3, 4, 3]), "target": ("float", [3, 2])}),
    ("transformer_classifier", TransformerClassifier, {}, {"tokens": SEQUENCE, "target": ("int", [3], 3)}, BOTH),
    ("gpt", GPT, {}, {"tokens": ("int", [3, 8], 11)}, BOTH),
    ("rotary_gqa", RotaryGQA, {}, {"x": ("float", [3, 6, 8]), "target": ("float", [3, 6, 8])}),
    ("cross_attention", CrossAttention, {}, {"x": ("float", [3, 5, 8]), "target": ("float", [3, 2])}),
    ("vision_transformer", VisionTransformer, {}, {"x": IMAGE8, "target": ("int", [3], 4)}),
    ("autoencoder", Autoencoder, {}, {"x": IMAGE8, "target": ("prob", [3, 1, 8, 8])}),
    ("vae", VAE, {}, {"x": ("prob", [6, 8]), "step": ("constant", 4.0)}, BOTH),
    ("vqvae", VQVAE, {}, {"x": ("float", [6, 8])}),
    ("gumbel_categorical", GumbelCategorical, {}, {"x": ("float", [6, 6]), "target": ("float", [6, 6])}, BOTH),
    ("burgers_pinn", BurgersPINN, {}, {"x": ("float", [8]), "t": ("prob", [8]), "x0": ("float", [6])}, {"derivatives": True}),
    ("functional_pinn", FunctionalPINN, {}, {"x": ("prob", [8])}, {"derivatives": True, "static": True}),
    ("graph_conv", GraphConv, {}, {"x": ("float", [6, 4]), "adjacency": ("binary", [6, 6]), "target": ("int", [6], 3)}, {"static": True}),
    (
        "graph_attention",
        GraphAttention,
        {},
        {"x": ("float", [6, 4]), "source": ("int", [10], 6), "sink": ("int", [10], 6), "target": ("float", [6, 2])},
    ),
    ("mixture_density_net", MixtureDensityNet, {}, {"x": ("float", [8, 1]), "y": ("float", [8, 1])}),
    (
        "two_heads",
        TwoHeads,
        {},
        {
            "x": ("float", [8, 5]),
            "y": ("float", [8]),
            "label": ("int", [8], 3),
            "weight": ("positive", [8]),
            "mask": ("mask", [8]),
        },
    ),
    (
        "siamese_triplet",
        SiameseTriplet,
        {},
        {"anchor": ("float", [6, 6]), "positive": ("float", [6, 6]), "negative": ("float", [6, 6])},
    ),
    ("attention_pooling", AttentionPooling, {}, {"x": ("float", [4, 6, 5]), "mask": ("mask", [4, 6]), "target": ("int", [4], 2)}),
    ("deep_sets", DeepSets, {}, {"x": ("float", [5, 6, 3]), "target": ("float", [5])}),
    ("point_net", PointNet, {}, {"x": ("float", [4, 6, 3]), "target": ("int", [4], 3)}),
    ("norm_zoo", NormZoo, {}, {"x": ("float", [3, 2, 8, 8]), "target": ("int", [3], 3)}),
    ("mobile_block", MobileBlock, {}, {"x": IMAGE8, "target": ("int", [3], 3)}),
    ("tcn", TCN, {}, {"x": ("float", [4, 2, 10]), "target": ("float", [4, 1])}, BOTH),
    ("wave_block", WaveBlock, {}, {"x": ("float", [3, 1, 8]), "target": ("float", [3, 1, 8])}),
    ("voxel_net", VoxelNet, {}, {"x": ("float", [3, 1, 4, 4, 4]), "target": ("int", [3], 2)}),
    (
        "recommender",
        Recommender,
        {},
        {"user": ("int", [8], 6), "item": ("int", [8], 7), "tags": ("int", [8, 3], 5), "target": ("float", [8])},
    ),
    ("tabular", TabularNet, {}, {"categories": ("int", [8, 2], 3), "numbers": ("float", [8, 3]), "target": ("int", [8], 2)}),
    ("mixture_of_experts", MixtureOfExperts, {}, {"x": ("float", [8, 4]), "y": ("float", [8])}),
    ("fourier_operator", FourierOperator, {}, {"x": ("float", [3, 12]), "target": ("float", [3, 12])}),
    ("neural_ode", NeuralODE, {}, {"y": ("float", [6, 2]), "target": ("float", [6, 2])}),
    ("state_space", StateSpace, {}, {"x": ("float", [3, 6, 2]), "target": ("float", [3, 6])}),
    ("spiking", SpikingNet, {}, {"x": ("float", [6, 4]), "target": ("int", [6], 3)}),
    ("hypernetwork", Hypernetwork, {}, {"context": ("float", [4, 3]), "x": ("float", [4, 5, 2]), "target": ("float", [4, 5])}),
    ("rbf_net", RBFNet, {}, {"x": ("float", [8, 3]), "target": ("float", [8])}),
    ("noisy_net", NoisyNet, {}, {"x": ("float", [6, 4]), "target": ("int", [6], 3)}, BOTH),
    ("ema_teacher", EMATeacher, {}, {"x": ("float", [6, 4]), "view": ("float", [6, 4])}),
]
