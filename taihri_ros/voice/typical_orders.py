"""A short text of orders from the task table, which tells a speech recogniser the words to expect."""

from __future__ import annotations

from collections import defaultdict

from taihri_ros.commands.tasks import Tasks
from taihri_ros.voice.language_model import spoken_words


def typical_orders(tasks: Tasks, most_words: int = 110) -> str:
    """Return sentences of the task table that hold as many of its frequent words as possible.

    They are chosen greedily: each sentence has, per word, the largest sum of the square roots of how often the table
    uses those of its words that no sentence before it had.

    Args:
        tasks: The task table, also with tasks of a user.
        most_words: Largest number of words of the text. Whisper reads at most 223 tokens, about 1.3 of them a word.
    """
    frequencies: dict[str, float] = defaultdict(float)
    sentences: dict[str, tuple[str, ...]] = {}
    for task in tasks.tasks:
        words_of = {phrasing: spoken_words(phrasing) for phrasing in task.phrasings}
        for words in words_of.values():
            for word in dict.fromkeys(words):
                frequencies[word] += 1 / len(words_of)
        sentences |= words_of
    for name in tasks.questions.names:
        sentences[f"where is my {name}?"] = words = spoken_words(f"where is my {name}")
        for word in dict.fromkeys(words):
            frequencies[word] += 1.0
    chosen: list[str] = []
    heard: set[str] = set()
    left = most_words
    while sentences:
        gains = {
            text: sum(frequencies[word] ** 0.5 for word in dict.fromkeys(words) if word not in heard) / len(words)
            for text, words in sentences.items()
            if 0 < len(words) <= left and not heard.issuperset(words)
        }
        if not gains:
            break
        best = max(gains, key=lambda text: gains[text])
        chosen.append(best)
        heard.update(sentences[best])
        left -= len(sentences[best])
        sentences = {text: sentences[text] for text in gains}
    return " ".join(text[0].upper() + text[1:] + ("" if text[-1] in ".?!" else ".") for text in chosen)
