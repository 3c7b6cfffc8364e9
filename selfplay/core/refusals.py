"""What a refusal looks like: a pattern, on texts as `words.folded` leaves them.

Limit: the phrases are English.
"""

from __future__ import annotations

import re

REFUSAL = re.compile(
    r"\A\W*(?:i'm|i am|we're|we are) (?:really |very |so )?(?:sorry|unable|not able)\b"
    r"|\A\W*(?:sorry|apologies|unfortunately),? (?:but )?(?:i|we)\b"
    r"|\A\W*(?:i|we) (?:cannot|can't|can not|won't|will not|am not able to) "
    r"(?:help|assist|comply|fulfil|fulfill|provide|rewrite|create|generate|continue|do)\b"
    r"|\bas an? (?:ai|artificial intelligence)(?: language)?(?: model| assistant)?, i\b",
    re.MULTILINE,
)
"""Sorry, cannot, will not, as an AI: at the start of a text, the last one anywhere."""
