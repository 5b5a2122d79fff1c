"""The other verbs: hub, watch, status, tokens, lint, bench, completion."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from rkctl.naming import QUANTIZED

from rkd.v1 import hub_pb2, inference_pb2, models_pb2, operations_pb2, system_pb2
from rkd.v1 import types_pb2 as types
from rkd.weights.quantization import QUANTIZATIONS
from tests.unit.rkctl import canned
from tests.unit.rkctl.fake_board import FakeBoard, Rkctl


class TestHub:
    """`search`, `files`, `card`."""

    def test_search_sends_every_filter(self, rkctl: Rkctl, board: FakeBoard) -> None:
        """Numbers of parameters may be written as people do."""
        board.answers["HubService.Search"] = hub_pb2.SearchResponse(
            repositories=[
                hub_pb2.Repository(
                    id="u/r", downloads=1500, likes=3, license="mit", gated=True, parameters=10**9
                )
            ],
            facets=[
                hub_pb2.Facet(
                    name="quantization", values=[hub_pb2.FacetValue(value="Q8_0", count=2)]
                )
            ],
            next_page_token="p2",
        )

        words = (
            "search small model --author u --min-params 135M --max-params 1.5b --quant Q8_0 "
            "--format gguf --sort likes --limit 5 --min-downloads 9 --license mit --open --facets"
        )
        result = rkctl(*words.split())

        assert result.stdout == (
            "REPOSITORY  DOWNLOADS  LIKES  PARAMS  UPDATED  SIZES  LICENCE\n"
            "u/r              1.5k      3      1B  -        -      mit, gated\n"
            "quantization: Q8_0 (2)\n"
        )
        assert result.stderr == "there is more: --page p2\n"
        request = board.requests("HubService.Search")[0]
        assert (request.query, request.author) == ("small model", "u")
        assert (request.min_parameters, request.max_parameters) == (135 * 10**6, 1500 * 10**6)
        assert request.format == types.WEIGHTS_FORMAT_GGUF
        assert request.sort == hub_pb2.SEARCH_SORT_LIKES
        assert (request.page_size, request.min_downloads, request.license) == (5, 9, "mit")
        assert request.gated is False
        assert request.HasField("gated")

    def test_files_marks_the_one_to_take(self, rkctl: Rkctl, board: FakeBoard) -> None:
        """With size, needs, verdict and advice."""
        board.answers["HubService.ListFiles"] = hub_pb2.ListFilesResponse(
            variants=[
                hub_pb2.Variant(
                    files=["a-1.gguf", "a-2.gguf"],
                    tag="Q4_K_M",
                    size_bytes=10**9,
                    quantization="Q4_K_M",
                    needed_bytes=2 * 10**9,
                    verdict=hub_pb2.VERDICT_FITS_ALONE,
                    verdict_detail="1 + 1 of 3 GB",
                    advice="Balanced.",
                    recommended=True,
                )
            ]
        )

        lines = rkctl("files", "u/r", "--num-ctx", "512").stdout.splitlines()

        assert lines[1].startswith("*  Q4_K_M (2 files)  1.00 GB  Q4_K_M")
        assert lines[1].endswith("2.00 GB  fits alone  Balanced.")
        assert lines[2] == "Q4_K_M: 1 + 1 of 3 GB"
        assert board.requests("HubService.ListFiles")[0].context_tokens == 512

    def test_card_is_its_markdown_when_piped(self, rkctl: Rkctl, board: FakeBoard) -> None:
        """Whole and unchanged."""
        board.answers["HubService.GetCard"] = hub_pb2.GetCardResponse(text="# T\n\n**b**\n")

        assert rkctl("card", "u/r").stdout == "# T\n\n**b**\n"


class TestWatch:
    """`rkctl watch`."""

    def test_changes_are_lines_and_signs_of_life_are_not(
        self, rkctl: Rkctl, board: FakeBoard
    ) -> None:
        """With revision and facts."""
        event = models_pb2.WatchResponse(
            revision=7,
            time=Timestamp(seconds=1),
            topic="model",
            action="migrated",
            subject="tiny",
            detail={"to": "tiny/x.gguf", "from": "x.gguf"},
        )
        board.answers["ModelService.Watch"] = [models_pb2.WatchResponse(revision=6), event]

        text = rkctl("watch", "--topic", "model", "--since", "0").stdout
        plain = [json.loads(line) for line in rkctl("watch", "--json").stdout.splitlines()]

        assert text.startswith("     7  ")
        assert text.endswith("  model migrated        tiny  from=x.gguf to=tiny/x.gguf\n")
        assert [one["revision"] for one in plain] == [7]
        request = board.requests("ModelService.Watch")[0]
        assert (request.start_revision, list(request.topics)) == (0, ["model"])
        assert request.HasField("start_revision")


class TestSystem:
    """`status` and `reload`."""

    def test_status_says_why_there_is_no_npu(self, rkctl: Rkctl, board: FakeBoard) -> None:
        """Reason and remedy both."""
        npu = system_pb2.NpuStatus(reason="no /dev/rknpu", remedy="Load the driver.")
        board.answers["SystemService.GetStatus"] = system_pb2.GetStatusResponse(
            version="9.9", npu=npu, cores=8
        )

        said = rkctl("status").stdout

        assert "not available: no /dev/rknpu\n" in said
        assert "Load the driver." in said
        assert f"unix:{board.socket}" in said

    def test_reload_tells_what_waits_for_a_restart(self, rkctl: Rkctl, board: FakeBoard) -> None:
        """Applied on stdout, the rest on stderr."""
        board.answers["SystemService.Reload"] = system_pb2.ReloadResponse(
            applied=["keep_alive: 300 -> 60"], needs_restart=["listen"]
        )

        result = rkctl("reload")

        assert result.stdout == "keep_alive: 300 -> 60\n"
        assert result.stderr == "needs a restart: listen\n"


class TestTokens:
    """`embed`, `tokenize`, `detokenize`."""

    def test_embed_prints_a_vector_a_line(self, rkctl: Rkctl, board: FakeBoard) -> None:
        """Lines of stdin are texts with --lines."""
        vectors = [inference_pb2.Embedding(values=[0.1, -1.0])] * 2
        board.answers["InferenceService.Embed"] = inference_pb2.EmbedResponse(embeddings=vectors)

        result = rkctl("embed", "tiny", "--lines", "--no-normalize", stdin="a\nb\n")

        assert result.stdout == "[0.1, -1.0]\n[0.1, -1.0]\n"
        request = board.requests("InferenceService.Embed")[0]
        assert list(request.inputs) == ["a", "b"]
        assert request.normalize is False
        assert request.HasField("normalize")

    def test_documents_are_printed_best_first(self, rkctl: Rkctl, board: FakeBoard) -> None:
        """Score, place, and the document as one short line."""
        results = [
            inference_pb2.RankedDocument(index=1, score=0.75),
            inference_pb2.RankedDocument(index=0, score=0.0625),
        ]
        board.answers["InferenceService.Rerank"] = inference_pb2.RerankResponse(results=results)

        result = rkctl("rerank", "tiny", "q", "--top-n", "2", stdin=f"a\n\n{'b ' * 90}\n")

        assert result.stdout == f"0.75\t1\t{'b ' * 49}b\n0.0625\t0\ta\n"
        request = board.requests("InferenceService.Rerank")[0]
        assert (request.query, request.top_n) == ("q", 2)
        assert list(request.documents) == ["a", "b " * 90]
        assert not request.HasField("normalize")

    def test_tokens_go_there_and_back(self, rkctl: Rkctl, board: FakeBoard) -> None:
        """Stdin is taken to its last character; ids may be piped."""
        ids = inference_pb2.TokenizeResponse(token_ids=[1, 22])
        board.answers["InferenceService.Tokenize"] = ids
        text = inference_pb2.DetokenizeResponse(text="a\n")
        board.answers["InferenceService.Detokenize"] = text

        assert rkctl("tokenize", "tiny", "--plain", stdin="a\n").stdout == "1 22\n"
        assert rkctl("detokenize", "tiny", stdin="1 22\n").stdout == "a\n\n"
        assert rkctl("detokenize", "tiny", stdin="one").exit_code == 2
        asked = board.requests("InferenceService.Tokenize")[0]
        assert (asked.text, asked.parse_special) == ("a\n", False)
        assert list(board.requests("InferenceService.Detokenize")[0].token_ids) == [1, 22]

    def test_tokens_may_be_spelt_or_counted(self, rkctl: Rkctl, board: FakeBoard) -> None:
        """A line for each: id, bytes, text; parts of a character are shown as bytes."""
        ids = inference_pb2.TokenizeResponse(
            token_ids=[1, 22, 3], count=3, pieces=[b" a", b"\xf0\x9f", b"\n"]
        )
        board.answers["InferenceService.Tokenize"] = ids

        spelt = rkctl("tokenize", "tiny", "--pieces", "x")
        counted = rkctl("tokenize", "tiny", "--count", "x")

        lines = ['1\t20 61\t" a"', '22\tf0 9f\t"\\\\xf0\\\\x9f"', '3\t0a\t"\\n"']
        assert spelt.stdout.splitlines() == lines
        assert counted.stdout == "3\n"
        assert [one.with_pieces for one in board.requests("InferenceService.Tokenize")] == [
            True,
            False,
        ]
        assert rkctl("tokenize", "tiny", "--pieces", "--count", "x").exit_code == 2


class TestLint:
    """`rkctl lint`: no daemon."""

    def test_problems_have_places(self, rkctl: Rkctl, tmp_path: Path) -> None:
        """On stdout; an error leaves with 1, as its reason says."""
        file = tmp_path / "Modelfile"
        file.write_text("FROM ./not-there.gguf\nPARAMETER num_ctxx 1\n")

        result = rkctl("lint", str(file), RKD_ENDPOINT="/nowhere")

        assert result.stdout.startswith(f"{file}:2:1: error: unknown parameter 'num_ctxx'")
        assert "[INVALID_MODELFILE]" in result.stderr
        assert result.exit_code == 1

    def test_a_good_file_says_nothing(self, rkctl: Rkctl) -> None:
        """Both dialects; whether FROM exists is not judged."""
        assert rkctl("lint", "-", stdin="FROM ./x.gguf\n").stdout == ""
        assert rkctl("lint", "-", stdin='FROM="x.rkllm"\nSYSTEM=""\n').exit_code == 0
        plain = json.loads(rkctl("lint", "--json", "-", stdin="FROM x\n").stdout)
        assert plain == {"file": "-", "problems": []}

    def test_a_missing_file_is_not_found(self, rkctl: Rkctl) -> None:
        """Exit 3."""
        assert rkctl("lint", "/nowhere/Modelfile").exit_code == 3


def test_bench_measures_after_one_unmeasured_run(rkctl: Rkctl, board: FakeBoard) -> None:
    """No two prompts are equal; JSON holds every run."""
    board.answers["InferenceService.Generate"] = canned.answer("a", "b")

    plain = json.loads(rkctl("bench", "tiny", "--runs", "2", "--parallel", "2", "--json").stdout)

    assert len(plain["runs"]) == 2
    assert plain["runs"][0]["completion_tokens"] == 3
    prompts = {request.prompt for request in board.requests("InferenceService.Generate")}
    assert len(prompts) == 3
    assert "first token, ms" in rkctl("bench", "tiny", "--runs", "1").stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(rkctl: Rkctl, shell: str) -> None:
    """For each shell, calling rkctl back."""
    result = rkctl("completion", shell)

    assert "_RKCTL_COMPLETE" in result.stdout
    assert result.exit_code == 0


def test_completion_offers_verbs_flags_and_models(rkctl: Rkctl, board: FakeBoard) -> None:
    """What bash asks is answered; a daemon that is away offers nothing and says nothing."""
    models = [types.ModelSummary(name="tiny"), types.ModelSummary(name="tin-tin")]
    board.answers["ModelService.List"] = models_pb2.ListResponse(models=models)

    def complete(words: str, index: int, **variables: str) -> list[str]:
        asking = {"_RKCTL_COMPLETE": "bash_complete", "COMP_WORDS": words}
        result = rkctl(**asking, COMP_CWORD=str(index), **variables)
        return result.stdout.split()

    assert "plain,tokenize" in complete("rkctl to", 1)
    assert "plain,--replace" in complete("rkctl cp --re", 2)
    assert complete("rkctl show ti", 2) == ["plain,tiny", "plain,tin-tin"]
    assert complete("rkctl show ti", 2, RKD_ENDPOINT="/nowhere") == []
    assert board.requests("ModelService.List")[0].prefix == "ti"


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
def test_the_bash_script_is_bash(rkctl: Rkctl) -> None:
    """Bash reads it without complaint."""
    script = rkctl("completion", "bash").stdout
    checked = subprocess.run(
        [str(shutil.which("bash")), "-n"], input=script, capture_output=True, text=True, check=False
    )

    assert (checked.stderr, checked.returncode) == ("", 0)


def test_completion_offers_files_types_operations_and_contexts(
    rkctl: Rkctl, board: FakeBoard
) -> None:
    """Wherever one is wanted; types are those the daemon makes."""
    operation = types.Operation(id="pull-1", kind=1, model="tiny", state=2)
    board.answers["OperationService.List"] = operations_pb2.OperationServiceListResponse(
        operations=[operation, types.Operation(id="create-2")]
    )
    rkctl("context", "add", "board", "--endpoint", "board:1")

    def complete(words: str) -> list[str]:
        asking = {"_RKCTL_COMPLETE": "bash_complete", "COMP_WORDS": words}
        return rkctl(**asking, COMP_CWORD=str(words.count(" "))).stdout.split()

    assert complete("rkctl create x -q q8") == ["plain,Q8_0"]
    assert complete("rkctl ops attach pu") == ["plain,pull-1"]
    assert complete("rkctl list --context bo") == ["plain,board"]
    assert complete("rkctl context use bo") == ["plain,board"]
    assert complete("rkctl create x -f Mo") == ["file,Mo"]
    assert complete("rkctl lint Mo") == ["file,Mo"]
    assert {name for name, one in QUANTIZATIONS.items() if one.makes} == set(QUANTIZED)
