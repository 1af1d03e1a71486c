"""A chat endpoint on loopback for the tests of the language-model backend, and a command line that asks it."""

import asyncio
import json
import threading
from collections import Counter, defaultdict

from aiohttp import web

from pipeline_lib.captions.chat import ChatSettings

KEY = "sk-very-secret-4711"
NOUNS = ["dog", "cat", "horse", "bird", "boy", "girl", "man", "woman", "nurse", "farmer"]
CAPTIONS = [f"a {noun} on a red sofa next to a lamp" for noun in NOUNS]


def facts_of(body):
    """What a request asks about: the JSON in the last line of its first message."""
    return json.loads(body["messages"][0]["content"].splitlines()[-1])


def good_answer(body):
    """What a model says that has understood "SUBJECT on a red sofa next to a lamp"."""
    facts = facts_of(body)
    subject = facts["caption"].removesuffix(" on a red sofa next to a lamp")
    if "predicate" not in facts:
        pairs = [{"predicate": "on", "object": "a red sofa"}, {"predicate": "next to", "object": "a lamp"}]
        return {"subject": subject, "pairs": pairs}
    phrase = f" {facts['predicate']} {facts['object']}"
    return {
        "negated_caption": facts["caption"].replace(phrase, f" that is not{phrase}"),
        "exclusion_caption": facts["caption"].replace(phrase, ""),
        "object": facts["object"],
    }


def said(content):
    """A chat completion."""
    return web.json_response({"choices": [{"message": {"role": "assistant", "content": content}}]})


class Server:
    """A chat endpoint in a thread; `faults[caption]` are served first, one per request, and then good answers."""

    def __init__(self):
        self.requests = []
        self.faults = defaultdict(list)
        self.open = self.most_open = 0
        self.stop_after = None

    async def _complete(self, request):
        body = await request.json()
        self.requests.append((body, request.headers.get("Authorization")))
        if self.stop_after is not None and len(self.requests) > self.stop_after:
            return web.Response(status=403, text=f"no more for {KEY}")
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        await asyncio.sleep(0.01)
        self.open -= 1
        faults = self.faults[facts_of(body)["caption"]]
        if not faults:
            return said(json.dumps(good_answer(body)))
        fault = faults.pop(0)
        return await fault(body) if callable(fault) else fault

    def __enter__(self):
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.url = asyncio.run_coroutine_threadsafe(self._serve(), self._loop).result(10)
        return self

    async def _serve(self):
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self._complete)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}/v1/chat/completions"

    async def _stop(self):
        await self._runner.cleanup()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    def __exit__(self, *_):
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def asked(self):
        """How often each caption was asked about."""
        return Counter(facts_of(body)["caption"] for body, _ in self.requests)


def settings(url, cache, **changes):
    values = {
        "url": url, "model": "tiny", "temperature": 0.7, "top_p": 0.95, "max_tokens": 400, "concurrency": 4,
        "timeout_s": 10.0, "attempts": 3, "backoff_s": 0.01, "cache": str(cache), "api_key_variable": "none",
    }  # fmt: skip
    return ChatSettings(**(values | changes))


def flags(url, folder, captions, **changes):
    """The command line for `captions`, with output and cache in `folder`."""
    (folder / "in.tsv").write_text("".join(f"{caption}\turl\n" for caption in captions))
    given = vars(settings(url, folder / "cache.sqlite")) | changes
    given |= {"captions": folder / "in.tsv", "output": folder / "out.parquet", "spacy_model": "lexicon", "seed": 0}
    given |= {"backend": "chat"}
    return [text for name, value in given.items() for text in (f"--{name.replace('_', '-')}", str(value))]
