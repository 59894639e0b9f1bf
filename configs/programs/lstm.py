"""An LSTM that reads an image of a digit row by row, and says which it is."""

import torch.nn.functional as F
from torch import nn


class Reader(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.lstm = nn.LSTM(8, width, batch_first=True)
        self.head = nn.Linear(width, 10)

    def forward(self, images, digit):
        rows, _ = self.lstm(images.float() / 16)
        logits = self.head(rows[:, -1])
        wrong = (logits.argmax(1) != digit).float().mean()
        return {"loss": F.cross_entropy(logits, digit), "error": wrong}
