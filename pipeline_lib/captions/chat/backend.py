"""The language-model backend: the paper's way to negate captions, with any OpenAI-compatible chat endpoint.

Two requests per caption (paper section 3, steps 1 and 3): take it apart, then form the sentences for one pair. The pair
between them is chosen here, at random by seed and key, as for the rules. Captions that the rules refuse unread are not
asked about; answers are checked like the rules' sentences (`answers`), asked for again with what was wrong, and after
that refused with a reason. Prompts: ``decompose.txt`` and ``form.txt`` beside this file.

Input: rows of the captions file. Output: rows of the negation table; answers are kept in the cache (`client`).
"""

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from pipeline_lib.captions.chat import ChatSettings
from pipeline_lib.captions.chat.answers import DECOMPOSITION, SENTENCES, Unusable, read_pairs, read_sentences
from pipeline_lib.captions.chat.client import ChatClient, open_cache, parse_endpoint, read_api_key
from pipeline_lib.captions.rules import checks
from pipeline_lib.captions.rules.backend import blank_row, choices, load_tagger
from pipeline_lib.captions.rules.checks import Reason
from pipeline_lib.captions.rules.chunks import Caption
from pipeline_lib.captions.rules.forms import Candidate, Form
from pipeline_lib.captions.rules.relations import parse
from pipeline_lib.captions.rules.scenes import cut_heading
from pipeline_lib.captions.rules.scoring import Scorer
from pipeline_lib.formats.cc3m import Row

Answer = TypeVar("Answer")

AGAIN = "This answer cannot be used: {problem}. Answer again, with one JSON object."
# What our own parser finds no pair in, a language model may well.
PARSER_REASONS = (Reason.NO_NOUN, Reason.NO_PAIR)


def _prompt(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


class ChatBackend:
    """Negate captions with a language model; the checks read the tags of the spaCy pipeline."""

    name = "chat"

    def __init__(self, spacy_model: str, seed: int, settings: ChatSettings, min_quality: float = 0.0):
        parse_endpoint(settings.url)
        self.tagger = load_tagger(spacy_model)
        self.spacy_model = spacy_model
        self.seed = seed
        self.settings = settings
        self.min_quality = min_quality
        self.spent: Counter = Counter()  # requests and tokens
        self._api_key = read_api_key(settings.api_key_variable)
        self._decompose = _prompt("decompose.txt")
        self._form = _prompt("form.txt")
        said = json.dumps([self._decompose, self._form, AGAIN, DECOMPOSITION, SENTENCES])
        self.prompt = hashlib.sha256(said.encode()).hexdigest()[:12]

    def negate(self, rows: Sequence[Row]) -> list[dict]:
        """Return one row of the negation table per row of the captions file, in order.

        Raises ValueError if the endpoint does not answer, or the cache cannot be used. What was answered stays there.
        """
        with open_cache(self.settings.cache) as cache:
            return asyncio.run(self._negate_all(rows, ChatClient(self.settings, self._api_key, cache, self.spent)))

    async def _negate_all(self, rows: Sequence[Row], client: ChatClient) -> list[dict]:
        try:
            async with client, asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._negate(row, client)) for row in rows]
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        return [task.result() for task in tasks]

    async def _negate(self, row: Row, client: ChatClient) -> dict:
        result = blank_row(row, f"{self.name}:{self.spacy_model}", self.seed, self.settings.model, self.prompt)
        reason = Reason(row.problem) if row.problem else checks.refuse_text(row.caption)
        if reason is None:
            caption = parse(self.tagger(cut_heading(row.caption)))
            reason = checks.refuse_parsed(caption)
            if reason is None or reason in PARSER_REASONS:
                try:
                    reason = await self._fill(result, caption, client)
                except Unusable as unusable:
                    reason = unusable.reason
        result["reason"] = reason
        return result

    async def _fill(self, result: dict, caption: Caption, client: ChatClient) -> Reason | None:
        """Ask for the pairs and for the sentences of one of them, and fill `result`; else return why not."""
        facts = {"caption": caption.doc.text}
        found = await self._ask(
            client, self._decompose, DECOMPOSITION, facts, lambda answer: read_pairs(answer, caption, self.tagger)
        )
        result["subject"] = caption.text(found.subject)
        result["pairs"] = [caption.pair_texts(pair) for pair in found.pairs]
        if not found.pairs:
            return Reason.NO_PAIR
        # A random pair whose negation would be false of the picture (paper section 3, step 2).
        choice = choices(self.seed, result["key"])
        order = sorted(range(len(found.pairs)), key=lambda _: choice.random())
        chosen = next((number for number in order if not checks.quantified(caption, found.pairs[number])), None)
        if chosen is None:
            return Reason.QUANTIFIER
        made = await self._ask(
            client,
            self._form,
            SENTENCES,
            facts | result["pairs"][chosen],
            lambda answer: read_sentences(answer, caption, found, chosen, self.tagger),
        )
        candidate = Candidate(chosen, found.pairs[chosen], Form(self.name, made.word, (), None), made.negated)
        quality = Scorer(caption).quality(candidate)
        if quality < self.min_quality:
            return Reason.DOUBTFUL
        result.update(
            chosen_pair=chosen,
            quality=round(quality, 4),
            negation_word=made.word,
            negated_caption=made.negated,
            exclusion_caption=made.exclusion,
            object=result["pairs"][chosen]["object"],
            status="negated",
        )
        return None

    async def _ask(
        self, client: ChatClient, prompt: str, schema: dict, facts: dict, read: Callable[[str], Answer]
    ) -> Answer:
        """Ask until `read` takes the answer; raise its last `Unusable` if it never does."""
        # One message: the templates of several open models know no system message.
        question = {"role": "user", "content": f"{prompt}\n{json.dumps(facts, ensure_ascii=False)}"}
        messages = [question]
        for attempt in range(self.settings.attempts):
            answer = await client.answer(
                {
                    "model": self.settings.model,
                    "messages": messages,
                    "temperature": self.settings.temperature,
                    "top_p": self.settings.top_p,
                    "max_tokens": self.settings.max_tokens,
                    "seed": self.seed + attempt,
                    "response_format": {
                        "type": "json_schema",
                        "json_schema": {"name": "answer", "strict": True, "schema": schema},
                    },
                }
            )
            try:
                return read(answer)
            except Unusable as unusable:
                last = unusable
            again = {"role": "user", "content": AGAIN.format(problem=last)}
            messages = [question, {"role": "assistant", "content": answer}, again]
        raise last
