"""JSON Schema, the part of it that structured outputs are written in. No dependencies.

The keywords follow the draft 2020-12 (json-schema.org). A schema with a keyword that is not known
here is refused before anything is judged by it, so everything that a schema says is either checked
or said to be unknown. Left out: references to other documents, `if`, `contains`,
`patternProperties`, `dependent…`, `unevaluated…`; `format` is an annotation, as in the draft.
"""
