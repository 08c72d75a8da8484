"""Drives a running gateway with the SDKs that people use, unchanged.

    check.py ADDRESS FORMAT...

ADDRESS is the gateway's host and port. For each upstream FORMAT it has the models `t/FORMAT`, `t/FORMAT-tools` (calls
the tool it is offered), `t/FORMAT-limited` (429, retry after 7 s) and `t/FORMAT-broken` (fails after two pieces of a
stream). `openai` has `t/openai-json` besides, which answers with JSON after a schema.

Prints a line for each check; the status is that of all of them.
"""

import asyncio
import json
import sys
import traceback

import anthropic
import openai
from pydantic import BaseModel

# What the SDKs do by themselves would hide what the gateway does.
OPTIONS = {"api_key": "sk-of-the-client", "max_retries": 0, "timeout": 60}
FACES = ["/v1", "/api/v1"]
MESSAGES = [{"role": "user", "content": "Hello there"}]
SCHEMA = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
CHAT_TOOLS = [{"type": "function", "function": {"name": "look", "description": "Looks.", "parameters": SCHEMA}}]
RESPONSE_TOOLS = [{"type": "function", "name": "look", "description": "Looks.", "parameters": SCHEMA, "strict": False}]
ANTHROPIC_TOOLS = [{"name": "look", "description": "Looks.", "input_schema": SCHEMA}]

CHECKS = []


class City(BaseModel):
    """What `t/openai-json` knows."""

    name: str
    people: int


class Gateway:
    """One face of the gateway in front of one upstream format."""

    def __init__(self, address, face, upstream):
        self.upstream = upstream
        self.face = face
        self.model = f"t/{upstream}"
        openai_url = f"http://{address}{face}"
        # Anthropic's SDK adds /v1 itself.
        anthropic_url = openai_url.removesuffix("/v1")
        self.openai = openai.OpenAI(base_url=openai_url, **OPTIONS)
        self.async_openai = openai.AsyncOpenAI(base_url=openai_url, **OPTIONS)
        self.anthropic = anthropic.Anthropic(base_url=anthropic_url, **OPTIONS)
        self.async_anthropic = anthropic.AsyncAnthropic(base_url=anthropic_url, **OPTIONS)

    def says(self, text):
        assert text.startswith("Hello from"), text


def check(*upstreams):
    """A check for these upstream formats; none: for all."""

    def register(function):
        CHECKS.append((function, upstreams))
        return function

    return register


def raised(kind, call):
    """The exception of this very class that `call` must raise."""
    try:
        call()
    except Exception as error:
        assert type(error) is kind, f"{kind.__name__} expected: {error!r}"
        return error
    raise AssertionError(f"{kind.__name__} expected, but it went well")


def arguments(text):
    assert json.loads(text)["text"].startswith("Hello from "), text


# OpenAI: chat completions


@check()
def chat(gateway):
    answer = gateway.openai.chat.completions.create(model=gateway.model, messages=MESSAGES)
    gateway.says(answer.choices[0].message.content)
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.completion_tokens == 8 and answer.usage.prompt_tokens > 0
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + 8


@check()
def chat_that_reaches_its_limit(gateway):
    answer = gateway.openai.chat.completions.create(model=gateway.model, messages=MESSAGES, max_completion_tokens=3)
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.completion_tokens == 3


@check()
def chat_stream(gateway):
    chunks = list(gateway.openai.chat.completions.create(model=gateway.model, messages=MESSAGES, stream=True))
    gateway.says("".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices))
    # On OpenRouter's face a chunk with the usage follows the one that finishes.
    assert {chunk.choices[0].finish_reason for chunk in chunks if chunk.choices} == {None, "stop"}
    assert len({chunk.id for chunk in chunks}) == 1
    # OpenRouter's face always tells usage.
    assert any(chunk.usage for chunk in chunks) == (gateway.face == "/api/v1")


@check()
def chat_stream_with_usage(gateway):
    options = {"include_usage": True}
    chunks = list(gateway.openai.chat.completions.create(
        model=gateway.model, messages=MESSAGES, stream=True, stream_options=options))
    usage = [chunk.usage for chunk in chunks if chunk.usage]
    assert len(usage) == 1 and usage[0].completion_tokens == 8, usage


@check()
def chat_stream_of_the_async_client(gateway):
    async def read():
        stream = await gateway.async_openai.chat.completions.create(
            model=gateway.model, messages=MESSAGES, stream=True)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])

    gateway.says(asyncio.run(read()))


@check()
def chat_tools(gateway):
    answer = gateway.openai.chat.completions.create(
        model=f"{gateway.model}-tools", messages=MESSAGES, tools=CHAT_TOOLS, tool_choice="auto")
    [call] = answer.choices[0].message.tool_calls
    assert answer.choices[0].finish_reason == "tool_calls" and call.id and call.function.name == "look"
    arguments(call.function.arguments)


@check()
def chat_tools_in_fragments(gateway):
    stream = gateway.openai.chat.completions.create(
        model=f"{gateway.model}-tools", messages=MESSAGES, tools=CHAT_TOOLS, stream=True)
    deltas = [chunk.choices[0].delta for chunk in stream if chunk.choices]
    calls = [call for delta in deltas for call in delta.tool_calls or []]
    assert calls[0].id and calls[0].function.name == "look" and all(call.index == 0 for call in calls)
    arguments("".join(call.function.arguments or "" for call in calls))


@check()
def chat_stream_helper_with_tools(gateway):
    with gateway.openai.chat.completions.stream(
            model=f"{gateway.model}-tools", messages=MESSAGES, tools=CHAT_TOOLS) as stream:
        final = stream.get_final_completion()
    [call] = final.choices[0].message.tool_calls
    arguments(call.function.arguments)


@check()
def chat_with_what_a_tool_returned(gateway):
    call = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"text":"here"}'}}
    turns = [{"role": "system", "content": "Be brief."}, *MESSAGES,
             {"role": "assistant", "content": None, "tool_calls": [call]},
             {"role": "tool", "tool_call_id": "call_1", "content": "a tree"}]
    answer = gateway.openai.chat.completions.create(model=gateway.model, messages=turns, tools=CHAT_TOOLS)
    gateway.says(answer.choices[0].message.content)


@check("openai")
def chat_with_structured_output(gateway):
    answer = gateway.openai.chat.completions.parse(
        model="t/openai-json", messages=MESSAGES, response_format=City)
    assert answer.choices[0].message.parsed == City(name="Paris", people=2_100_000)


@check()
def fallback_models_and_preferences(gateway):
    body = {"models": [gateway.model], "provider": {"only": [f"{gateway.upstream}-0"], "allow_fallbacks": False}}
    answer = gateway.openai.chat.completions.with_raw_response.create(
        model=f"{gateway.model}-limited", messages=MESSAGES, extra_body=body)
    gateway.says(answer.parse().choices[0].message.content)
    assert answer.headers["x-modelyard-model"] == gateway.model, answer.headers


@check()
def models(gateway):
    assert gateway.model in [model.id for model in gateway.openai.models.list()]
    assert gateway.openai.models.retrieve(gateway.model).id == gateway.model


# OpenAI: completions and embeddings, which no other format has


@check("openai", "azure-openai")
def completions(gateway):
    answer = gateway.openai.completions.create(model=gateway.model, prompt="Hello there")
    gateway.says(answer.choices[0].text)
    stream = gateway.openai.completions.create(model=gateway.model, prompt="Hello there", stream=True)
    gateway.says("".join(chunk.choices[0].text for chunk in stream if chunk.choices))


@check("openai", "azure-openai")
def embeddings(gateway):
    # In base64, as the SDK asks for by itself, and as numbers.
    whole = gateway.openai.embeddings.create(model=gateway.model, input=["one", "two"])
    numbers = gateway.openai.embeddings.create(model=gateway.model, input=["one", "two"], encoding_format="float")
    assert len(whole.data) == 2 and whole.usage.prompt_tokens > 0
    for packed, plain in zip(whole.data, numbers.data):
        assert len(packed.embedding) == len(plain.embedding) > 0
        assert all(abs(a - b) < 1e-6 for a, b in zip(packed.embedding, plain.embedding))


# OpenAI: responses


@check()
def responses(gateway):
    answer = gateway.openai.responses.create(model=gateway.model, instructions="Be brief.", input="Hello there")
    gateway.says(answer.output_text)
    assert answer.status == "completed" and answer.usage.output_tokens == 8


@check()
def responses_stream(gateway):
    events = list(gateway.openai.responses.create(model=gateway.model, input="Hello there", stream=True))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert events[0].type == "response.created" and events[-1].type == "response.completed", events[-1]
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    gateway.says(text)
    assert events[-1].response.output_text == text


@check()
def responses_stream_helper(gateway):
    with gateway.openai.responses.stream(model=gateway.model, input="Hello there") as stream:
        gateway.says("".join(event.delta for event in stream if event.type == "response.output_text.delta"))
        gateway.says(stream.get_final_response().output_text)


@check()
def responses_tools(gateway):
    answer = gateway.openai.responses.create(
        model=f"{gateway.model}-tools", input="Hello there", tools=RESPONSE_TOOLS)
    [call] = [item for item in answer.output if item.type == "function_call"]
    arguments(call.arguments)
    stream = gateway.openai.responses.create(
        model=f"{gateway.model}-tools", input="Hello there", tools=RESPONSE_TOOLS, stream=True)
    events = list(stream)
    fragments = "".join(event.delta for event in events if event.type == "response.function_call_arguments.delta")
    [done] = [event for event in events if event.type == "response.function_call_arguments.done"]
    arguments(fragments)
    assert done.arguments == fragments


@check()
def responses_with_what_a_tool_returned(gateway):
    first = gateway.openai.responses.create(
        model=f"{gateway.model}-tools", input="Hello there", tools=RESPONSE_TOOLS)
    [call] = [item for item in first.output if item.type == "function_call"]
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "a tree"}
    # The SDK gives back what it got: without a store there is no `previous_response_id`.
    turns = [*MESSAGES, *first.output, result]
    answer = gateway.openai.responses.create(model=gateway.model, input=turns, tools=RESPONSE_TOOLS, store=False)
    gateway.says(answer.output_text)


@check("openai")
def responses_with_structured_output(gateway):
    answer = gateway.openai.responses.parse(model="t/openai-json", input="Hello there", text_format=City)
    assert answer.output_parsed == City(name="Paris", people=2_100_000)


# OpenAI: errors


@check()
def openai_errors(gateway):
    chat, responses = gateway.openai.chat.completions.create, gateway.openai.responses.create
    for call in [lambda: chat(model="t/nobody", messages=MESSAGES), lambda: responses(model="t/nobody", input="Hi")]:
        raised(openai.BadRequestError, call)
    nobody = {"provider": {"only": ["nobody"]}}
    raised(openai.NotFoundError, lambda: chat(model=gateway.model, messages=MESSAGES, extra_body=nobody))
    limited = f"{gateway.model}-limited"
    for call in [
            lambda: chat(model=limited, messages=MESSAGES),
            lambda: chat(model=limited, messages=MESSAGES, stream=True),
            lambda: responses(model=limited, input="Hi"),
            lambda: responses(model=limited, input="Hi", stream=True),
    ]:
        assert raised(openai.RateLimitError, call).response.headers["retry-after"] == "7"


@check()
def openai_errors_in_mid_stream(gateway):
    texts = []

    def read():
        stream = gateway.openai.chat.completions.create(
            model=f"{gateway.model}-broken", messages=MESSAGES, stream=True)
        for chunk in stream:
            texts.append(chunk.choices[0].delta.content or "" if chunk.choices else "")

    raised(openai.APIError, read)
    gateway.says("".join(texts))


@check()
def responses_that_fail_in_mid_stream(gateway):
    texts = []

    def read():
        model = f"{gateway.model}-broken"
        # The SDK raises at the event `error`, and does not look at the `response.failed` behind it.
        for event in gateway.openai.responses.create(model=model, input="Hello there", stream=True):
            texts.append(event.delta if event.type == "response.output_text.delta" else "")

    assert "scripted" in raised(openai.APIError, read).message
    gateway.says("".join(texts))


# Anthropic: messages


@check()
def messages(gateway):
    answer = gateway.anthropic.messages.create(
        model=gateway.model, max_tokens=64, system="Be brief.", messages=MESSAGES)
    gateway.says(answer.content[0].text)
    assert answer.role == "assistant" and answer.stop_reason == "end_turn"
    assert answer.usage.output_tokens == 8 and answer.usage.input_tokens > 0


@check()
def messages_stream(gateway):
    with gateway.anthropic.messages.stream(model=gateway.model, max_tokens=64, messages=MESSAGES) as stream:
        gateway.says("".join(stream.text_stream))
        final = stream.get_final_message()
    gateway.says(final.content[0].text)
    assert final.stop_reason == "end_turn" and final.usage.output_tokens == 8


@check()
def messages_stream_of_the_async_client(gateway):
    async def read():
        async with gateway.async_anthropic.messages.stream(
                model=gateway.model, max_tokens=64, messages=MESSAGES) as stream:
            return await stream.get_final_text()

    gateway.says(asyncio.run(read()))


@check()
def messages_tools(gateway):
    request = {"model": f"{gateway.model}-tools", "max_tokens": 64, "messages": MESSAGES, "tools": ANTHROPIC_TOOLS}
    whole = gateway.anthropic.messages.create(**request)
    with gateway.anthropic.messages.stream(**request) as stream:
        events = list(stream)
        final = stream.get_final_message()
    for answer in [whole, final]:
        [use] = [block for block in answer.content if block.type == "tool_use"]
        assert answer.stop_reason == "tool_use" and use.id and use.name == "look"
        arguments(json.dumps(use.input))
    arguments("".join(event.partial_json for event in events if event.type == "input_json"))


@check()
def messages_with_what_a_tool_returned(gateway):
    first = gateway.anthropic.messages.create(
        model=f"{gateway.model}-tools", max_tokens=64, messages=MESSAGES, tools=ANTHROPIC_TOOLS)
    [use] = [block for block in first.content if block.type == "tool_use"]
    result = {"type": "tool_result", "tool_use_id": use.id, "content": "a tree"}
    turns = [*MESSAGES, {"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}]
    answer = gateway.anthropic.messages.create(
        model=gateway.model, max_tokens=64, messages=turns, tools=ANTHROPIC_TOOLS)
    gateway.says(answer.content[0].text)


@check()
def messages_are_counted(gateway):
    # By the provider where it can, else estimated.
    count = gateway.anthropic.messages.count_tokens
    assert count(model=gateway.model, messages=MESSAGES).input_tokens > 0
    raised(anthropic.BadRequestError, lambda: count(model="t/nobody", messages=MESSAGES))


# Anthropic: errors


@check()
def anthropic_errors(gateway):
    create = gateway.anthropic.messages.create
    raised(anthropic.BadRequestError, lambda: create(model="t/nobody", max_tokens=64, messages=MESSAGES))
    for stream in [False, True]:
        error = raised(anthropic.RateLimitError, lambda: create(
            model=f"{gateway.model}-limited", max_tokens=64, messages=MESSAGES, stream=stream))
        assert error.response.headers["retry-after"] == "7"
        assert error.body["error"]["type"] == "rate_limit_error", error.body


@check()
def anthropic_errors_in_mid_stream(gateway):
    texts = []

    def read():
        with gateway.anthropic.messages.stream(
                model=f"{gateway.model}-broken", max_tokens=64, messages=MESSAGES) as stream:
            texts.extend(stream.text_stream)

    try:
        read()
    except anthropic.APIStatusError as error:
        assert error.body["type"] == "error", error.body
    else:
        raise AssertionError("an error expected")
    gateway.says("".join(texts))


def main(address, *upstreams):
    failed = 0
    for upstream in upstreams:
        for face in FACES:
            gateway = Gateway(address, face, upstream)
            for function, only in CHECKS:
                if only and upstream not in only:
                    continue
                name = f"{upstream} {face} {function.__name__.replace('_', ' ')}"
                try:
                    function(gateway)
                    print(f"ok     {name}", flush=True)
                except Exception:
                    failed += 1
                    print(f"FAILED {name}\n{traceback.format_exc()}", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(min(main(*sys.argv[1:]), 1))
