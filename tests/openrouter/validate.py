"""Validates answers against OpenRouter's API description, as far as `schemas.json` has it.

    validate.py < answers

Each line of the input is one answer as JSON: `context` says what it is, `path` and `status` which schema it must fit,
`stream` that it is one event of a stream, and `body` is what is to be validated. Prints what does not fit.
"""

import json
import pathlib
import sys

import jsonschema

DOCUMENT = json.loads((pathlib.Path(__file__).parent / "schemas.json").read_text(encoding="utf-8"))


def schema_of(answer):
    """The schema that an answer must fit: a component by name, or what its path and status say."""
    if "schema" in answer:
        return {"$ref": f"#/components/schemas/{answer['schema']}"}
    (operation,) = DOCUMENT["paths"][answer["path"]].values()
    content = operation["responses"][str(answer["status"])]["content"]
    if not answer.get("stream"):
        return content["application/json"]["schema"]
    # Its schema is that of an event, whose data is the chunk.
    schema = content["text/event-stream"]["schema"]["$ref"].rsplit("/")[-1]
    return DOCUMENT["components"]["schemas"][schema]["properties"]["data"]


def problems(answer):
    """Where an answer does not fit, and why."""
    schema = {"components": DOCUMENT["components"], **schema_of(answer)}
    validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
    for error in validator.iter_errors(answer["body"]):
        yield f"{answer['context']}: {error.json_path}: {error.message[:300]}"


found = [problem for line in sys.stdin for problem in problems(json.loads(line))]
print(*found, sep="\n")
sys.exit(bool(found))
