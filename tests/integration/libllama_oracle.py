"""libllama's own answer on the same file and tokens, through the llama_cpp binding."""

from __future__ import annotations

import ctypes

import llama_cpp as lc
import numpy as np

CHUNK = 512


@lc.llama_log_callback
def _quiet(_level, _text, _data):
    pass


lc.llama_log_set(_quiet, ctypes.c_void_p(0))
lc.llama_backend_init()


class Oracle:
    """A model with a KV cache for `n_ctx` tokens: flash attention on, chunks of 512."""

    def __init__(self, path: str, n_ctx: int, n_threads: int = 2):
        params = lc.llama_model_default_params()
        params.n_gpu_layers = 0
        self.model = lc.llama_model_load_from_file(str(path).encode(), params)
        if not self.model:
            raise RuntimeError(f"libllama does not load {path}")
        self.vocab = lc.llama_model_get_vocab(self.model)
        self.n_vocab = lc.llama_vocab_n_tokens(self.vocab)
        params = lc.llama_context_default_params()
        params.n_ctx = n_ctx
        params.n_batch = params.n_ubatch = CHUNK
        params.n_threads = params.n_threads_batch = n_threads
        params.flash_attn_type = 1
        self.context = lc.llama_init_from_model(self.model, params)
        if not self.context:
            raise RuntimeError(f"libllama makes no context for {path}")

    def close(self) -> None:
        lc.llama_free(self.context)
        lc.llama_model_free(self.model)

    def __enter__(self) -> "Oracle":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def tokenize(self, text: str) -> list[int]:
        """With BOS where the model wants it; special-token text stays text."""
        data = text.encode()
        ids = (lc.llama_token * (len(data) + 8))()
        n = lc.llama_tokenize(self.vocab, data, len(data), ids, len(ids), True, False)
        assert n >= 0
        return list(ids[:n])

    def longest_prefix(self, text: str, n_token: int) -> str:
        """The longest prefix of `text` of at most `n_token` tokens, to within a few characters."""
        low, high = 0, len(text)
        while low < high:
            middle = (low + high + 1) // 2
            if len(self.tokenize(text[:middle])) <= n_token:
                low = middle
            else:
                high = middle - 1
        return text[:low]

    def _decode(self, tokens: list[int], start: int, every: bool) -> np.ndarray:
        """Logits [n or 1][n_vocab] of `tokens`, which follow `start` others."""
        batch = lc.llama_batch_init(len(tokens), 0, 1)
        batch.n_tokens = len(tokens)
        for i, token in enumerate(tokens):
            batch.token[i], batch.pos[i] = token, start + i
            batch.n_seq_id[i], batch.seq_id[i][0] = 1, 0
            batch.logits[i] = every or i + 1 == len(tokens)
        assert lc.llama_decode(self.context, batch) == 0
        lc.llama_batch_free(batch)
        n = len(tokens) if every else 1
        flat = lc.llama_get_logits(self.context)
        return np.ctypeslib.as_array(flat, shape=(n, self.n_vocab)).copy()

    def _reset(self) -> None:
        lc.llama_memory_clear(lc.llama_get_memory(self.context), True)

    def token_nll(self, tokens: list[int]) -> np.ndarray:
        """-log p of tokens[1:], each given all before it, in nats."""
        self._reset()
        out = []
        for start in range(0, len(tokens), CHUNK):
            logits = self._decode(tokens[start:start + CHUNK], start, True).astype(np.float64)
            targets = tokens[start + 1:start + CHUNK + 1]
            logits = logits[:len(targets)]
            top = logits.max(axis=1)
            log_sum = top + np.log(np.exp(logits - top[:, None]).sum(axis=1))
            out.append(log_sum - logits[np.arange(len(targets)), targets])
        return np.concatenate(out)

    def greedy(self, tokens: list[int], n: int) -> list[int]:
        """Up to `n` tokens of the highest logit; ends before an end-of-generation token."""
        self._reset()
        for start in range(0, len(tokens), CHUNK):
            logits = self._decode(tokens[start:start + CHUNK], start, False)
        out: list[int] = []
        while len(out) < n:
            token = int(logits[-1].argmax())
            if lc.llama_vocab_is_eog(self.vocab, token):
                break
            out.append(token)
            logits = self._decode([token], len(tokens) + len(out) - 1, False)
        return out

    def is_end(self, token: int) -> bool:
        return bool(lc.llama_vocab_is_eog(self.vocab, token))
