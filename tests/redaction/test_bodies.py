import json

from curation.redaction import Policy, redactor

CARD = "4111 1111 1111 1111"
KEY = "sk-" + "proj-Ab3dEf6hIj9kLm2nOpQ5rSt8uVwX"
PASSWORD = '"password": "hunter2hunter2"'


def masked(body: str | bytes, **policy: bool) -> str:
    raw = body.encode() if isinstance(body, str) else body
    return redactor(Policy(**policy)).body(raw)[0].decode("utf-8", "surrogateescape")


def events(stream: str) -> list[dict]:
    return [json.loads(line[6:]) for line in stream.splitlines() if line.startswith("data: {")]


def stream_of(*deltas: dict, index: int = 0, **choice: object) -> str:
    chunks = [{"id": "c-1", "choices": [{"index": index, "delta": delta} | choice]} for delta in deltas]
    return "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks)


def joined(stream: str, index: int = 0) -> str:
    choices = [choice for event in events(stream) for choice in event["choices"] if choice["index"] == index]
    return "".join(choice["delta"].get("content", "") for choice in choices)


def test_all_but_the_masked_strings_stays_byte_for_byte():
    body = '{ "model" : "m",\n\t"a": "Gr\\u00fc\\u00dfe\\/", "b": "é %s", "n": 1.50, "n": 2e3 , "x": null}'
    assert masked(body % CARD) == body % "[card number]"
    assert masked(body % "nothing") == body % "nothing"


def test_a_card_number_written_as_a_number_leaves_json():
    assert masked('{"card":4111111111111111,"ids":[4111111111111112,1]}') == (
        '{"card":"[card number]","ids":[4111111111111112,1]}'
    )


def test_the_name_of_a_pair_announces_a_secret():
    assert masked('{"password": "hunter2hunter2", "note": "hunter2hunter2"}') == (
        '{"password": "[password]", "note": "hunter2hunter2"}'
    )
    assert masked('{"client_secret":"8f14e45f ceea"}') == '{"client_secret":"8f14e45f ceea"}'
    assert (
        masked('{"max_tokens": "12345678a", "key": "12345678a"}') == '{"max_tokens": "12345678a", "key": "12345678a"}'
    )


def test_a_key_of_an_object_is_masked_and_two_stay_two():
    body = json.dumps({"ana@example.com": 1, "bob@example.com": 2})
    assert json.loads(masked(body, emails=True)) == {"[e-mail address]": 1, "[e-mail address] (2)": 2}


def test_arguments_of_a_tool_call_stay_json():
    arguments = json.dumps(
        {"card": 4111111111111111, "nested": json.dumps({"password": "hunter2hunter2"}), "q": f'"{KEY}"'}
    )
    body = json.dumps({"tool_calls": [{"function": {"name": "pay", "arguments": arguments}}]})
    inner = json.loads(json.loads(masked(body))["tool_calls"][0]["function"]["arguments"])
    assert inner == {"card": "[card number]", "nested": '{"password": "[password]"}', "q": '"[API key]"'}


def test_an_escape_does_not_hide_a_secret():
    assert masked('{"a": "4\\u0031\\u00311 1111 1111 1111"}') == '{"a": "[card number]"}'
    assert masked('{"a": "redis:\\/\\/:hunter2@cache"}') == '{"a": "redis://:[password]@cache"}'
    assert masked('{"a": "sk\\u200b-proj-Ab3dEf6hIj9kLm2nOpQ5rSt8uVwX"}') == '{"a": "[API key]"}'


def test_a_body_that_was_cut_or_is_no_json_is_masked_all_the_same():
    assert masked('{"a": "text", "b": "my key ' + KEY) == '{"a": "text", "b": "my key [API key]'
    assert masked('{"b": "\\u0073k-proj-Ab3dEf6hIj9kLm2nOpQ5rSt8uVwX and ' + "\\") == '{"b": "[API key] and ' + "\\"
    assert masked(f"<html>{KEY}</html>") == "<html>[API key]</html>"
    assert masked(f"{{'key': '{KEY}'}}") == "{'key': '[API key]'}"
    assert masked(b"\xff\xfe " + KEY.encode()) == "\udcff\udcfe [API key]"
    assert masked("") == ""


def test_the_same_key_twice_hides_nothing():
    assert masked(f'{{"a": "{KEY}", "a": "b"}}') == '{"a": "[API key]", "a": "b"}'


def test_depth_without_end_is_no_special_case():
    body = "[" * 100_000 + f'"{KEY}"' + "]" * 100_000
    assert masked(body) == body.replace(KEY, "[API key]")


def test_probabilities_of_tokens_go_when_their_text_is_masked():
    logprobs = {"content": [{"token": "4111"}, {"token": " 1111"}]}
    body = json.dumps({"choices": [{"message": {"content": CARD}, "logprobs": logprobs}]})
    assert json.loads(masked(body))["choices"] == [{"message": {"content": "[card number]"}, "logprobs": None}]
    untouched = body.replace(CARD, "hello")
    assert masked(untouched) == untouched


def test_probabilities_in_a_response_go_too():
    pieces = [
        {"type": "response.output_text.delta", "delta": text, "logprobs": [{"token": text}]} for text in CARD.split()
    ]
    content = [{"type": "output_text", "text": CARD, "logprobs": [{"token": "4111"}]}]
    last = {"type": "response.completed", "response": {"output": [{"type": "message", "content": content}]}}
    result = masked("".join(f"data: {json.dumps(event)}\n\n" for event in [*pieces, last]))
    assert "4111" not in result
    assert "1111" not in result
    assert [event["logprobs"] for event in events(result)[:-1]] == [[]] * 4


def test_what_is_split_over_pieces_of_a_stream_is_masked_in_the_whole():
    stream = stream_of(
        *({"content": piece} for piece in ("It is 41", "11 1111", " 1111 11", "11.")), logprobs={"content": []}
    )
    result = masked(stream + ": a comment\n\ndata: [DONE]\n\n")
    assert joined(result) == "It is [card number]."
    assert len(events(result)) == 4
    assert result.endswith(": a comment\n\ndata: [DONE]\n\n")


def test_two_choices_do_not_disturb_each_other():
    first, second = stream_of({"content": "4111 1111"}), stream_of({"content": "half of it: 41"}, index=1)
    result = masked(first + second + stream_of({"content": " 1111 1111"}) + stream_of({"content": "11 1111"}, index=1))
    assert joined(result) == "[card number]"
    assert joined(result, 1) == "half of it: 4111 1111"


def test_streamed_arguments_of_two_tool_calls_stay_json():
    def call(index: int, arguments: str) -> dict:
        return {"tool_calls": [{"index": index, "function": {"arguments": arguments}}]}

    result = masked(
        stream_of(
            call(0, '{"card": 41111111'), call(1, '{"password": "hunt'), call(0, "11111111}"), call(1, 'er2hunter2"}')
        )
    )
    calls = [event["choices"][0]["delta"]["tool_calls"][0] for event in events(result)]
    arguments = ["".join(c["function"]["arguments"] for c in calls if c["index"] == index) for index in (0, 1)]
    assert [json.loads(text) for text in arguments] == [{"card": "[card number]"}, {"password": "[password]"}]


def test_the_stream_of_a_response_is_put_together_by_output_and_part():
    pieces = [
        {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": d}
        for d in (KEY[:9], KEY[9:])
    ]
    done = {"type": "response.output_text.done", "text": KEY}
    stream = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in [*pieces, done])
    result = masked(stream)
    assert [event.get("delta", event.get("text")) for event in events(result)] == ["[API key]", "", "[API key]"]
    assert result.startswith("event: response.output_text.delta\ndata: ")


def test_a_stream_without_secrets_comes_back_as_it_was():
    for end in ("\n", "\r\n", "\r"):
        stream = (stream_of({"content": "Hello"}, {"content": " world"}) + "data: [DONE]\n\n").replace("\n", end)
        assert masked(stream) == stream


def test_a_stream_that_was_cut_is_masked_up_to_its_end():
    stream = (
        stream_of({"content": "41111111"}, {"content": "11111111"})
        + f'data: {{"choices": [{{"delta": {{"content": "{KEY}'
    )
    result = masked(stream)
    assert joined(result.rsplit("data:", 1)[0]) == "[card number]"
    assert KEY not in result


def test_a_policy_that_masks_nothing_leaves_all():
    body = json.dumps({"a": f"{KEY} {CARD} ana@example.com"})
    assert masked(body, secrets=False, cards=False) == body
