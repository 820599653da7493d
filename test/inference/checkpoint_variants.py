"""Forms in which the same model may be saved. Each rewrites a complete checkpoint directory in place.

A form must not change an answer. The names are those of the rows in docs/checkpoints.md.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import load_file, save_file

from taihri_ros.skeleton import JOINTS, joint_token

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
EMBEDDING = "model.language_model.embed_tokens.weight"
HEAD = "lm_head.weight"

Edit = Callable[[Path], None]


def edit_json(name: str, change: Callable[[dict[str, Any]], object]) -> Edit:
    """Return an edit that changes the values of a JSON file in place."""

    def edit(directory: Path) -> None:
        values = json.loads((directory / name).read_text(encoding="utf-8"))
        change(values)
        (directory / name).write_text(json.dumps(values, indent=2), encoding="utf-8")

    return edit


def edit_weights(change: Callable[[dict[str, Any]], object]) -> Edit:
    """Return an edit that changes the tensors of a checkpoint of one file in place."""

    def edit(directory: Path) -> None:
        tensors = load_file(directory / WEIGHTS)
        change(tensors)
        save_file(tensors, directory / WEIGHTS, metadata={"format": "pt"})

    return edit


def edit_config(change: Callable[[dict[str, Any]], object]) -> Edit:
    return edit_json("config.json", change)


def resize_embedding(directory: Path, rows: int) -> None:
    """Cut the rows of the embeddings, or add rows of zeros that no token uses."""

    def resize(tensors: dict[str, Any]) -> None:
        for name in (EMBEDDING, HEAD):
            if name in tensors:
                old = tensors[name]
                tensors[name] = old.new_zeros(rows, old.shape[1])
                tensors[name][: min(rows, len(old))] = old[:rows]

    edit_weights(resize)(directory)
    edit_config(lambda config: config["text_config"].update(vocab_size=rows))(directory)


def without_padding(directory: Path) -> None:
    tokenizer = json.loads((directory / "tokenizer.json").read_text(encoding="utf-8"))
    last = max(token["id"] for token in tokenizer["added_tokens"])
    resize_embedding(directory, max(last, *tokenizer["model"]["vocab"].values()) + 1)


def more_padding(directory: Path) -> None:
    rows = json.loads((directory / "config.json").read_text(encoding="utf-8"))["text_config"]["vocab_size"]
    resize_embedding(directory, -(-rows // 512) * 512 + 512)


def is_tied(directory: Path) -> bool:
    return bool(json.loads((directory / "config.json").read_text(encoding="utf-8"))["tie_word_embeddings"])


def head_of_tied_weights(directory: Path) -> None:
    """Store the head of a tied model, too; leave an untied model as it is."""
    if is_tied(directory):
        edit_weights(lambda tensors: tensors.update({HEAD: tensors[EMBEDDING].clone()}))(directory)


def untied(directory: Path) -> None:
    """Give a tied model a head of its own with the same values; leave an untied model as it is."""
    head_of_tied_weights(directory)
    edit_config(lambda config: [part.update(tie_word_embeddings=False) for part in (config, config["text_config"])])(
        directory
    )


def shards(directory: Path) -> None:
    """Split the weights as transformers does."""
    tensors = load_file(directory / WEIGHTS)
    names = sorted(tensors)
    files = {f"model-0000{part + 1}-of-00003.safetensors": names[part::3] for part in range(3)}
    for file, held in files.items():
        save_file({name: tensors[name] for name in held}, directory / file, metadata={"format": "pt"})
    size = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    index = {
        "metadata": {"total_size": size},
        "weight_map": {name: file for file, held in files.items() for name in held},
    }
    (directory / INDEX).write_text(json.dumps(index, indent=2), encoding="utf-8")
    (directory / WEIGHTS).unlink()


def one_shard(directory: Path) -> None:
    """Keep one file, with an index that names it."""
    with safe_open(directory / WEIGHTS, "pt") as file:
        weight_map = dict.fromkeys(file.keys(), WEIGHTS)
    (directory / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": weight_map}), encoding="utf-8")


def hub_cache(directory: Path) -> None:
    """Arrange the files as the Hugging Face cache does: links in snapshots/<revision> to files in blobs."""
    blobs = directory / "blobs"
    snapshot = directory / "snapshots" / "0123456789abcdef"
    files = [path for path in directory.iterdir() if path.is_file()]
    blobs.mkdir()
    snapshot.mkdir(parents=True)
    for number, path in enumerate(files):
        path.rename(blobs / f"{number:040x}")
        (snapshot / path.name).symlink_to(f"../../blobs/{number:040x}")
    for path in snapshot.iterdir():
        (directory / path.name).symlink_to(f"blobs/{path.readlink().name}")


def as_transformers_4(config: dict[str, Any]) -> None:
    """Rewrite a configuration to the keys of transformers 4.57."""
    text = config["text_config"]
    rope = text.pop("rope_parameters")
    text["rope_theta"] = rope.pop("rope_theta")
    text["rope_scaling"] = rope
    config["vision_config"].pop("rope_parameters", None)
    for part in (config, text, config["vision_config"]):
        if "dtype" in part:
            part["torch_dtype"] = part.pop("dtype")
    config["transformers_version"] = text["transformers_version"] = "4.57.1"


def as_official_4(config: dict[str, Any]) -> None:
    """Rewrite a configuration to what Qwen published: data types in the text part only."""
    as_transformers_4(config)
    text, vision = config["text_config"], config["vision_config"]
    text["dtype"] = config.pop("torch_dtype")
    text.pop("torch_dtype", None)
    vision.pop("torch_dtype", None)
    text["rope_scaling"].setdefault("type", text["rope_scaling"]["rope_type"])


def template_file(directory: Path) -> Path:
    return directory / "chat_template.jinja"


def template_in(name: str) -> Edit:
    """Return an edit that moves the chat template into the entry `chat_template` of a JSON file."""

    def move(directory: Path) -> None:
        text = template_file(directory).read_text(encoding="utf-8")
        template_file(directory).unlink()
        path = directory / name
        values = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        path.write_text(json.dumps(values | {"chat_template": text}), encoding="utf-8")

    return move


def processor_config(directory: Path) -> None:
    """Keep the settings of both processors in processor_config.json, as transformers 5 does."""
    parts = {}
    for key, name in (("image_processor", "preprocessor"), ("video_processor", "video_preprocessor")):
        path = directory / f"{name}_config.json"
        parts[key] = json.loads(path.read_text(encoding="utf-8"))
        path.unlink()
    values = parts | {"processor_class": "Qwen3VLProcessor"}
    (directory / "processor_config.json").write_text(json.dumps(values, indent=2), encoding="utf-8")


def pixels_by_old_names(settings: dict[str, Any]) -> None:
    size = settings["size"]
    settings |= {"min_pixels": size["shortest_edge"], "max_pixels": size["longest_edge"]}


def image_processor(name: str) -> Edit:
    return edit_json("preprocessor_config.json", lambda settings: settings.update(image_processor_type=name))


def unlink(name: str) -> Edit:
    return lambda directory: (directory / name).unlink()


def pickled_copy(directory: Path) -> None:
    """Add a pickle beside the safetensors file that no engine may open."""
    (directory / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'exit 1'\ntR.")


def own_code(directory: Path) -> None:
    """Name classes in a file beside the weights, which fails when it is imported."""
    (directory / "code_of_the_model.py").write_text("raise RuntimeError('this code must not run')\n", encoding="utf-8")
    for name, classes in (
        ("config.json", ("AutoConfig", "AutoModelForImageTextToText")),
        ("preprocessor_config.json", ("AutoImageProcessor", "AutoProcessor")),
    ):
        auto_map = {one: f"code_of_the_model.{one.removeprefix('Auto')}" for one in classes}
        edit_json(name, lambda values, auto_map=auto_map: values.update(auto_map=auto_map))(directory)  # type: ignore[misc]


def tokenizer_of(directory: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads((directory / "tokenizer.json").read_text(encoding="utf-8"))
    return values


def renumber(new_id: Callable[[int, dict[str, int]], int]) -> Edit:
    """Return an edit that gives tokens other ids, and their rows of the embeddings to these.

    `new_id` gets the old id of an added token and the old ids of all added tokens by text.
    """

    def edit(directory: Path) -> None:
        tokenizer = tokenizer_of(directory)
        old = {token["content"]: token["id"] for token in tokenizer["added_tokens"]}
        moved = {token: new_id(token, old) for token in old.values()}
        for token in tokenizer["added_tokens"]:
            token["id"] = moved[token["id"]]
        tokenizer["added_tokens"].sort(key=lambda token: token["id"])
        (directory / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
        rows = json.loads((directory / "config.json").read_text(encoding="utf-8"))["text_config"]["vocab_size"]
        resize_embedding(directory, max(rows, max(moved.values()) + 1))

        def move(tensors: dict[str, Any]) -> None:
            for name in {EMBEDDING, HEAD} & tensors.keys():
                before = tensors[name].clone()
                tensors[name][[*moved.values()]] = before[[*moved]]

        edit_weights(move)(directory)

    return edit


def shuffled(token: int, ids: dict[str, int]) -> int:
    """Multiply the bins by 7 modulo 1000, which has no common factor with it."""
    first = ids["<0>"]
    return first + (token - first) * 7 % 1000 if first <= token < first + 1000 else token


def interleaved(token: int, ids: dict[str, int]) -> int:
    """Exchange the ids of the joints, in the order of their own, with those of every 40th bin."""
    joints = sorted(ids[joint_token(joint)] for joint in JOINTS)
    partners = [ids[f"<{40 * (index + 1)}>"] for index in range(len(joints))]
    pairs = dict(zip([*joints, *partners], [*partners, *joints], strict=True))
    return pairs.get(token, token)


def slow_files(*, added: bool) -> Edit:
    """Return an edit that saves the tokenizer as `Qwen2Tokenizer` of transformers 4.57 does.

    With `added`, the added tokens are in added_tokens.json alone, as older versions saved them.
    """

    def edit(directory: Path) -> None:
        fast = tokenizer_of(directory)
        write_slow_files(directory, fast)
        if added:
            ids = {token["content"]: token["id"] for token in fast["added_tokens"]}
            (directory / "added_tokens.json").write_text(json.dumps(ids), encoding="utf-8")
        else:
            decoder = {str(token.pop("id")): token for token in fast["added_tokens"]}
            edit_json("tokenizer_config.json", lambda values: values.update(added_tokens_decoder=decoder))(directory)
        (directory / "tokenizer.json").unlink()

    return edit


def write_slow_files(directory: Path, fast: dict[str, Any]) -> None:
    """Write vocab.json and merges.txt with the content of tokenizer.json."""
    (directory / "vocab.json").write_text(json.dumps(fast["model"]["vocab"], ensure_ascii=False), encoding="utf-8")
    merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in fast["model"]["merges"]]
    (directory / "merges.txt").write_text("\n".join(["#version: 0.2", *merges, ""]), encoding="utf-8")


def added_tokens_in_the_vocabulary(tokenizer: dict[str, Any]) -> None:
    tokenizer["model"]["vocab"] |= {token["content"]: token["id"] for token in tokenizer["added_tokens"]}


def other_flags(tokenizer: dict[str, Any]) -> None:
    """Set the flags of the tokens of an answer as `add_tokens` with plain texts does, and let them strip spaces."""
    for token in tokenizer["added_tokens"]:
        if token["content"] not in ("<|im_start|>", "<|im_end|>", "<|endoftext|>"):
            token.update(special=False, normalized=True, lstrip=True, rstrip=True)


def end_token_with_flags(settings: dict[str, Any]) -> None:
    flags = dict.fromkeys(("lstrip", "normalized", "rstrip", "single_word"), False)
    settings["eos_token"] = {"__type": "AddedToken", "content": settings["eos_token"], **flags}


VARIANTS: dict[str, Edit] = {
    "slow tokenizer, added tokens in `added_tokens.json`": slow_files(added=True),
    "slow tokenizer, added tokens in `tokenizer_config.json`": slow_files(added=False),
    "slow tokenizer beside `tokenizer.json`": lambda directory: write_slow_files(directory, tokenizer_of(directory)),
    "ids of the coordinates in another order": renumber(shuffled),
    "ids of the joints among those of the coordinates": renumber(interleaved),
    "ids of the coordinates with a gap": renumber(lambda token, ids: token + 3 * (token > ids["<499>"])),
    "added tokens also in the vocabulary": edit_json("tokenizer.json", added_tokens_in_the_vocabulary),
    "added tokens that are not special and strip spaces": edit_json("tokenizer.json", other_flags),
    "`eos_token` with flags": edit_json("tokenizer_config.json", end_token_with_flags),
    "embedding without padded rows": without_padding,
    "embedding with more padded rows": more_padding,
    "tied embeddings, with `lm_head.weight` in the file": head_of_tied_weights,
    "a tied model saved untied": untied,
    "weights in several files with an index": shards,
    "weights in one file with an index": one_shard,
    "files linked into the blobs of the Hugging Face cache": hub_cache,
    "a pickle beside the safetensors file (it is never opened)": pickled_copy,
    "code beside the weights, named by `auto_map` (it is never run)": own_code,
    "`config.json` of transformers 4.57": edit_config(as_transformers_4),
    "`config.json` as Qwen published it": edit_config(as_official_4),
    "chat template in `chat_template.json`": template_in("chat_template.json"),
    "chat template in `tokenizer_config.json`": template_in("tokenizer_config.json"),
    "no chat template": lambda directory: template_file(directory).unlink(),
    "image processor in `processor_config.json`": processor_config,
    "image processor `Qwen2VLImageProcessorFast`": image_processor("Qwen2VLImageProcessorFast"),
    "image processor with `min_pixels` and `max_pixels`": edit_json("preprocessor_config.json", pixels_by_old_names),
    "no `video_preprocessor_config.json`": unlink("video_preprocessor_config.json"),
    "no `generation_config.json`": unlink("generation_config.json"),
}

TIED_MODEL = ("tied embeddings, with `lm_head.weight` in the file", "a tied model saved untied")
"""The forms that only a model with tied embeddings has."""

TOGETHER: tuple[tuple[str, ...], ...] = (
    (
        "ids of the coordinates in another order",
        "embedding without padded rows",
        "slow tokenizer, added tokens in `tokenizer_config.json`",
        "weights in several files with an index",
        "a pickle beside the safetensors file (it is never opened)",
        "`config.json` of transformers 4.57",
        "chat template in `chat_template.json`",
        "image processor `Qwen2VLImageProcessorFast`",
        "no `video_preprocessor_config.json`",
        "no `generation_config.json`",
        "files linked into the blobs of the Hugging Face cache",
    ),
    (
        "ids of the joints among those of the coordinates",
        "added tokens that are not special and strip spaces",
        "slow tokenizer, added tokens in `added_tokens.json`",
        "a tied model saved untied",
        "embedding with more padded rows",
        "weights in one file with an index",
        "`config.json` as Qwen published it",
        "code beside the weights, named by `auto_map` (it is never run)",
        "chat template in `tokenizer_config.json`",
        "image processor in `processor_config.json`",
    ),
    (
        "ids of the coordinates with a gap",
        "added tokens also in the vocabulary",
        "slow tokenizer beside `tokenizer.json`",
        "`eos_token` with flags",
        "tied embeddings, with `lm_head.weight` in the file",
        "no chat template",
        "image processor with `min_pixels` and `max_pixels`",
    ),
)
"""Forms that one checkpoint may have at once, in the order in which they are made. vLLM, which takes seconds to start,
loads each of these combinations; together they are all forms."""
