"""Adapters: checked before they are visible, never mixed, gone when unloaded."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from safetensors.numpy import load_file, save_file

from models.lm import manifest
from models.lm.client import AdapterMissing, ModelBusy, ModelRefused
from models.lm.reconcile import Wanted, plan
from models.serve.phi3 import adapters as shelves
from tests.models.serve.serving import TOKEN, Running, make_adapter, rewrite

CHAT = [{"role": "user", "content": "Which form does the office need?"}]


def _ask(server: Running, model: str | None, tokens: int = 24) -> str:
    with server.chat() as client:
        return client.complete(CHAT, model=model, max_tokens=tokens)


@pytest.fixture
def loaded(phi3: Running, home: Path) -> Running:
    """The server with refresh-0001 and refresh-0002 and nothing else."""
    with phi3.admin() as admin:
        for name in admin.adapters():
            admin.unload(name)
        for name in ("refresh-0001", "refresh-0002"):
            admin.load(name, str(home / "adapters" / name))
    return phi3


def test_adapters_answer_each_in_its_own_way_equal_to_generate(
    loaded: Running, tiny: Path, home: Path
) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoTokenizer, Phi3ForCausalLM

    answers = {name: _ask(loaded, name) for name in ("refresh-0001", "refresh-0002")}
    assert len({*answers.values(), _ask(loaded, None)}) == 3
    tokenizer: Any = AutoTokenizer.from_pretrained(tiny)
    inputs = tokenizer.apply_chat_template(
        CHAT, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    for name, answer in answers.items():
        base = Phi3ForCausalLM.from_pretrained(tiny)
        model: Any = PeftModel.from_pretrained(base, str(home / "adapters" / name))
        with torch.inference_mode():
            out = model.generate(**inputs, max_new_tokens=24, do_sample=False)
        size = inputs["input_ids"].shape[1]
        text = tokenizer.decode(out[0, size:], skip_special_tokens=True)
        assert answer.rstrip("\ufffd") == text.rstrip("\ufffd")


def test_models_lists_the_base_first_and_adapters_with_their_parent(loaded: Running) -> None:
    with loaded.chat() as client:
        rows = client.models()
    assert [(row.id, row.parent) for row in rows] == [
        ("tiny-phi3", None),
        ("refresh-0001", "tiny-phi3"),
        ("refresh-0002", "tiny-phi3"),
    ]


def test_twins_own_no_weights(loaded: Running) -> None:
    generator = loaded.assembled.served.generator
    base = {p.data_ptr() for p in generator._base.model.parameters()}  # type: ignore[attr-defined]
    twin = generator._shelf.get("refresh-0001")  # type: ignore[attr-defined]
    own = [n for n, p in twin.model.named_parameters() if p.data_ptr() not in base]
    assert own
    assert all(".lora_" in name for name in own)


def test_loading_never_copies_the_tree_that_generates(loaded: Running, home: Path) -> None:
    class Busy:
        """What a tree in use may hold at any moment."""

        def __deepcopy__(self, memo: object) -> object:
            raise RuntimeError("dictionary changed size during iteration")

    model = loaded.assembled.served.generator._base.model  # type: ignore[attr-defined]
    model.busy = Busy()
    try:
        with loaded.admin() as admin:
            admin.load("refresh-0003", str(home / "adapters" / "refresh-0003"))
            admin.unload("refresh-0003")
    finally:
        del model.busy


def test_a_swap_under_load_drops_and_mixes_nothing(loaded: Running, home: Path) -> None:
    expected = {name: _ask(loaded, name) for name in ("refresh-0001", "refresh-0002", "tiny-phi3")}
    done = threading.Event()

    def swap() -> None:
        with loaded.admin() as admin:
            for _ in range(3):
                admin.load("refresh-0003", str(home / "adapters" / "refresh-0003"))
                admin.unload("refresh-0003")
        done.set()

    def ask(number: int) -> bool:
        name = sorted(expected)[number % 3]
        with loaded.chat() as client:
            return client.complete(CHAT, model=name, max_tokens=24) == expected[name]

    with ThreadPoolExecutor(9) as pool:
        swapping = pool.submit(swap)
        results = list(pool.map(ask, range(90)))
        swapping.result()
    assert done.is_set()
    assert results == [True] * 90


def test_answers_do_not_wait_for_changes_that_wait(loaded: Running, home: Path) -> None:
    def load(number: int) -> None:
        with loaded.admin() as admin:
            admin.load("refresh-0001", str(home / "adapters" / "refresh-0001"))

    changing = loaded.assembled.served.generator._shelf._changing  # type: ignore[attr-defined]
    with ThreadPoolExecutor(41) as pool:
        with changing:
            loads = [pool.submit(load, number) for number in range(40)]
            time.sleep(0.5)  # until all of them wait
            assert pool.submit(_ask, loaded, None).result(20)
        for done in loads:
            done.result(20)


def test_unloading_waits_for_the_last_reader_and_hides_the_name_at_once(
    loaded: Running,
) -> None:
    whole = _ask(loaded, "refresh-0002", 300)
    with loaded.chat() as client, loaded.admin() as admin, ThreadPoolExecutor(1) as pool:
        stream = client.stream(CHAT, model="refresh-0002", max_tokens=300)
        first = next(stream)
        unloading = pool.submit(admin.unload, "refresh-0002")
        rest = "".join(stream)
        unloading.result(20)
        assert first + rest == whole
        with pytest.raises(AdapterMissing):
            client.complete(CHAT, model="refresh-0002")
        admin.unload("refresh-0002")  # fine: it is gone


@pytest.mark.parametrize("patience", [60.0, 0.1])
def test_an_adapter_that_is_still_read_holds_its_place(
    loaded: Running, home: Path, monkeypatch: pytest.MonkeyPatch, patience: float
) -> None:
    monkeypatch.setattr(shelves, "DRAIN_SECONDS", patience)

    def load(name: str) -> None:
        with loaded.admin() as admin:
            admin.load(name, str(home / "adapters" / name))

    def unload(name: str) -> None:
        with loaded.admin() as admin:
            admin.unload(name)

    load("refresh-0003")  # candidate, beside live and previous
    shelf = loaded.assembled.served.generator._shelf  # type: ignore[attr-defined]
    reader = shelf.get("refresh-0001")
    assert reader.enter()
    with ThreadPoolExecutor(2) as pool:
        try:
            leaving = pool.submit(unload, "refresh-0001")
            _until(lambda: shelf.get("refresh-0001") is None)
            load("refresh-0002")  # that is there, and waits for nothing
            coming = pool.submit(load, "refresh-0004")
            if patience < 1:
                with pytest.raises(ModelBusy, match="still answering"):
                    coming.result(20)
            else:
                assert _ask(loaded, "refresh-0003")
            assert shelf.get("refresh-0004") is None
            assert not leaving.done()
        finally:
            reader.leave()
        leaving.result(20)
        if patience > 1:
            coming.result(20)
    load("refresh-0004")
    assert [card.id for card in shelf.cards(parent="", max_model_len=1)] == [
        "refresh-0002",
        "refresh-0003",
        "refresh-0004",
    ]


def _until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_loading_the_same_content_again_is_fine_and_other_content_is_refused(
    loaded: Running, home: Path, tiny: Path
) -> None:
    with loaded.admin() as admin:
        admin.load("refresh-0001", str(home / "adapters" / "refresh-0001"))
        other = make_adapter(tiny, home / "adapters" / "other", "refresh-0001", seed=99)
        with pytest.raises(ModelRefused, match="never reused"):
            admin.load("refresh-0001", str(other))


def test_a_fourth_adapter_is_refused_until_one_leaves(loaded: Running, home: Path) -> None:
    with loaded.admin() as admin:
        admin.load("refresh-0003", str(home / "adapters" / "refresh-0003"))
        with pytest.raises(ModelRefused, match="unload one first"):
            admin.load("refresh-0004", str(home / "adapters" / "refresh-0004"))
        admin.unload("refresh-0001")
        admin.load("refresh-0004", str(home / "adapters" / "refresh-0004"))
        assert set(admin.adapters()) == {"refresh-0002", "refresh-0003", "refresh-0004"}


@pytest.mark.filterwarnings("ignore:Found missing adapter keys")  # all that PEFT does about it
@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("weights", "is not the file"),
        ("base", "another base model"),
        ("tokenizer", "another tokenizer"),
        ("template", "another chat template"),
        ("tensors", "other names or shapes"),
        ("pickle", "only safetensors"),
        ("manifest", "no readable manifest"),
        ("name", "is named"),
        ("link", "is a link"),
        ("truncated", "could not be loaded"),
        ("places", "of which 8 fit the 16 places"),
        ("list", "no readable manifest"),
        ("depth", "no readable manifest"),
    ],
)
def test_what_does_not_fit_its_manifest_is_refused(
    phi3: Running, home: Path, tmp_path: Path, damage: str, words: str
) -> None:
    folder = home / "adapters" / f"damaged-{damage}"
    shutil.copytree(home / "adapters" / "refresh-0001", folder)
    rewrite(folder / manifest.MANIFEST, name=folder.name)
    described = manifest.read(folder).as_json()
    if damage == "weights":
        data = bytearray((folder / manifest.WEIGHTS).read_bytes())
        data[-1] ^= 1
        (folder / manifest.WEIGHTS).write_bytes(bytes(data))
    elif damage in ("base", "tokenizer", "template"):
        key = "revision" if damage == "base" else damage
        rewrite(folder / manifest.MANIFEST, identity=described["identity"] | {key: "0" * 64})
    elif damage == "tensors":
        shapes = {tensor: [1, 1] for tensor in described["tensors"]}
        rewrite(folder / manifest.MANIFEST, tensors=shapes)
    elif damage == "pickle":
        (folder / "adapter_model.bin").write_bytes(b"x")
    elif damage == "manifest":
        (folder / manifest.MANIFEST).write_text("{")
    elif damage == "link":
        weights = (folder / manifest.WEIGHTS).rename(tmp_path / manifest.WEIGHTS)
        (folder / manifest.WEIGHTS).symlink_to(weights)
    elif damage == "truncated":
        (folder / manifest.WEIGHTS).write_bytes((folder / manifest.WEIGHTS).read_bytes()[:-64])
        _describe_again(folder)
    elif damage == "places":  # of a deeper model: PEFT would warn and adapt nothing there
        tensors = load_file(folder / manifest.WEIGHTS)
        moved = {name.replace("layers.1.", "layers.7."): value for name, value in tensors.items()}
        save_file(moved, folder / manifest.WEIGHTS)
        _describe_again(folder)
    elif damage == "list":
        rewrite(folder / manifest.MANIFEST, files=list(described["files"]))
    elif damage == "depth":
        (folder / manifest.MANIFEST).write_text("[" * 100_000)
    else:
        rewrite(folder / manifest.MANIFEST, name="refresh-0001")
    with phi3.admin() as admin:
        for name in admin.adapters():
            admin.unload(name)
        with pytest.raises(ModelRefused, match=words):
            admin.load(folder.name, str(folder))


def _describe_again(folder: Path) -> None:
    """A manifest that tells the truth about weights that were changed."""
    weights = folder / manifest.WEIGHTS
    files = manifest.read(folder).files | {manifest.WEIGHTS: manifest.digest_file(weights)}
    rewrite(folder / manifest.MANIFEST, files=files, tensors=manifest.tensor_shapes(weights))


@pytest.mark.parametrize(
    ("scale", "words"),
    [
        (float("nan"), r"layers\.0\.\S+lora_B\S* holds NaN or infinite numbers"),
        (1e30, "its numbers are broken"),  # what is stored is sound, what comes of it is not
    ],
)
def test_broken_numbers_are_found_before_anybody_reads_them(
    phi3: Running, home: Path, tmp_path: Path, tiny: Path, scale: float, words: str
) -> None:
    folder = make_adapter(
        tiny, home / "adapters" / tmp_path.name, "refresh-0666", seed=1, scale=scale
    )
    with phi3.admin() as admin:
        for name in admin.adapters():
            admin.unload(name)
        with pytest.raises(ModelRefused, match=words):
            admin.load("refresh-0666", str(folder))
        assert "refresh-0666" not in admin.adapters()


def test_only_the_adapter_directory_is_read(phi3: Running, home: Path, tmp_path: Path) -> None:
    outside = tmp_path / "refresh-0009"
    shutil.copytree(home / "adapters" / "refresh-0001", outside)
    link = home / "adapters" / "link"
    link.symlink_to(outside)
    for path in (outside, link, home / "adapters" / ".." / "adapters-not", Path("/etc")):
        with phi3.admin() as admin, pytest.raises(ModelRefused, match="under the adapter"):
            admin.load("refresh-0009", str(path))


def test_the_admin_port_wants_its_token_and_the_public_port_has_no_such_thing(
    phi3: Running,
) -> None:
    with phi3.admin("wrong") as admin, pytest.raises(ModelRefused) as refused:
        admin.load("refresh-0001", "x")
    assert refused.value.status == 401
    body = {"lora_name": "x", "lora_path": "x"}
    headers = {"Authorization": f"Bearer {TOKEN}"}
    answer = httpx.post(f"{phi3.url}/v1/load_lora_adapter", json=body, headers=headers)
    assert answer.status_code == 404


def test_memory_comes_back_when_an_adapter_leaves(phi3: Running, home: Path) -> None:
    import gc
    import weakref

    with phi3.admin() as admin:
        for name in admin.adapters():
            admin.unload(name)
        admin.load("refresh-0001", str(home / "adapters" / "refresh-0001"))
        shelf = phi3.assembled.served.generator._shelf  # type: ignore[attr-defined]
        model = weakref.ref(shelf.get("refresh-0001").model)
        _ask(phi3, "refresh-0001")
        admin.unload("refresh-0001")
    gc.collect()
    assert model() is None


def test_the_plan_brings_a_server_in_step_with_the_registry(phi3: Running, home: Path) -> None:
    wanted = [
        Wanted(name=n, path=str(home / "adapters" / n), base="tiny-phi3")
        for n in ("refresh-0002", "refresh-0001")
    ]
    with phi3.admin() as admin:
        decided = plan(wanted, present=admin.adapters(), base=admin.base())
        for name in decided.unload:
            admin.unload(name)
        for adapter in decided.load:
            admin.load(adapter.name, adapter.path)
        assert set(admin.adapters()) == {"refresh-0001", "refresh-0002"}
        assert plan(wanted, present=admin.adapters(), base=admin.base()).quiet
