"""Public retrieval sets as documents, questions and which documents answer them.

Each loader takes the folder that holds ``retrieval/`` and ``multilingual/``. What a set's files
look like stands in their own READMEs; a set whose files are absent is left out.
"""

from __future__ import annotations

import ast
import csv
import gzip
import io
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import unescape


@dataclass(frozen=True)
class Text:
    """A document."""

    uri: str
    title: str
    text: str


@dataclass(frozen=True)
class Query:
    """A question and the documents that answer it, graded; none where nothing here answers it."""

    text: str
    gold: dict[str, float]
    answers: tuple[str, ...] = ()  # right answers, where the set has them; any of them will do


@dataclass(frozen=True)
class Dataset:
    """A corpus with its questions."""

    name: str
    documents: list[Text]
    queries: list[Query]
    unanswerable: list[str]
    markdown: bool = False  # what the documents are written in; plain text otherwise


def _open(path: Path) -> str:
    data = path.read_bytes()
    return (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8-sig")


def doc2dial(root: Path) -> list[Dataset]:
    """Government pages; one turn, and the last turn of a dialogue."""
    rows = list(
        csv.DictReader(
            io.StringIO(_open(root / "retrieval/doc2dial-a/doc2dial_rc_val.subset.csv.gz"))
        )
    )
    uris: dict[str, str] = {}
    documents = []
    single: list[Query] = []
    multi: list[Query] = []
    for row in rows:
        if row["context"] not in uris:
            uris[row["context"]] = f"doc2dial:{len(uris)}"
            title = re.sub(r"#\d+_\d+$", "", row["title"])
            documents.append(Text(uris[row["context"]], title, row["context"]))
        turns = row["question"].split("\t")
        query = Query(
            turns[0].removeprefix("user:").strip(),
            {uris[row["context"]]: 1},
            tuple(ast.literal_eval(row["answers"])["text"]),
        )
        (single if len(turns) == 1 else multi).append(query)
    return [
        Dataset("doc2dial-single", documents, single, []),
        Dataset("doc2dial-dialogue", documents, multi, []),
    ]


def tatqa(root: Path) -> list[Dataset]:
    """Pages of financial reports: a table with its paragraphs."""
    documents, queries = [], []
    for page in json.loads(_open(root / "retrieval/tatqa-dev/tatqa_dataset_dev.json.gz")):
        uri = page["table"]["uid"]
        table = "\n".join(" | ".join(cells) for cells in page["table"]["table"])
        paragraphs = [p["text"] for p in sorted(page["paragraphs"], key=lambda p: p["order"])]
        documents.append(Text(uri, "", "\n\n".join([*paragraphs, table])))
        queries += [
            Query(
                q["question"],
                {uri: 1},
                tuple(q["answer"]) if q["answer_type"] == "span" and q["answer_from"] else (),
            )
            for q in page["questions"]
        ]
    return [Dataset("tatqa", documents, queries, [])]


def product_docs(root: Path) -> list[Dataset]:
    """A product's documentation by section."""
    folder = root / "retrieval/product-docs-100q"
    documents = [
        Text(d["chunk_link"], d["chunk_heading"], d["text"])
        for d in json.loads(_open(folder / "anthropic_docs.json"))
    ]
    queries = [
        Query(q["question"], dict.fromkeys(q["correct_chunks"], 1.0), (q["correct_answer"],))
        for q in json.loads(_open(folder / "docs_evaluation_dataset.json"))
    ]
    return [Dataset("product-docs", documents, queries, [], markdown=True)]


def clapnq(root: Path) -> list[Dataset]:
    """Questions people typed into a search engine, over paragraphs of an encyclopedia."""
    folder = root / "retrieval/clapnq-dev-a"
    documents: dict[str, Text] = {}
    queries, unanswerable = [], []
    for kind in ("answerable", "unanswerable"):
        for line in _open(folder / f"clapnq_dev_{kind}.lines1-150.jsonl").splitlines():
            row = json.loads(line)
            gold = {}
            for passage in row["passages"]:
                text = passage["text"]
                documents.setdefault(text, Text(f"clapnq:{len(documents)}", passage["title"], text))
                gold[documents[text].uri] = 1.0
            if kind == "answerable":
                right = tuple(out["answer"] for out in row["output"] if out["answer"])
                queries.append(Query(row["input"], gold, right))
            else:
                unanswerable.append(row["input"])
    return [Dataset("clapnq", list(documents.values()), queries, unanswerable)]


def covid_faq(root: Path) -> list[Dataset]:
    """Answers of a FAQ, asked for in other words than their own question's."""
    folder = root / "retrieval/covid-faq"
    documents: dict[str, Text] = {}
    for row in csv.DictReader(io.StringIO(_open(folder / "faq_covidbert.csv"))):
        documents.setdefault(
            row["question"].strip(), Text(f"faq:{len(documents)}", row["question"], row["answer"])
        )
    queries = [
        Query(row["question_2"], {documents[row["question_1"].strip()].uri: 1})
        for row in csv.DictReader(io.StringIO(_open(folder / "eval_question_similarity_en.csv")))
        if row["similar"] == "1" and row["question_1"].strip() in documents
    ]
    return [Dataset("covid-faq", list(documents.values()), queries, [])]


def _squad(name: str, articles: list[dict[str, Any]], *, whole: bool = False) -> Dataset:
    documents: list[Text] = []
    queries: list[Query] = []
    for article in articles:
        for paragraph in article["paragraphs"]:
            uri = f"{name}:{len(documents)}"
            title = "" if whole else article.get("title", "").replace("_", " ")
            documents.append(Text(uri, title, paragraph["context"]))
            queries += [
                Query(q["question"], {uri: 1}, tuple(a["text"] for a in q["answers"]))
                for q in paragraph["qas"]
            ]
    return Dataset(name, documents, queries, [])


def covid_qa(root: Path) -> list[Dataset]:
    """Long scientific articles."""
    data = json.loads(_open(root / "retrieval/covid-qa/200423_covidQA.json.gz"))["data"]
    return [_squad("covid-qa", data, whole=True)]


def cranfield(root: Path) -> list[Dataset]:
    """Abstracts on aerodynamics with graded judgements; queries count by their place."""
    folder = root / "retrieval/cranfield"

    def tags(name: str, text: str) -> list[str]:
        found = re.findall(rf"<{name}>(.*?)</{name}>", text, re.DOTALL)
        return [unescape(part).strip() for part in found]

    documents = []
    for block in tags("doc", _open(folder / "cran.all.1400.xml")):
        number, title, text = (
            (tags(name, block) or [""])[0] for name in ("docno", "title", "text")
        )
        documents.append(Text(number, title, text))
    gold: dict[int, dict[str, float]] = {}
    for line in _open(folder / "cranqrel.trec.txt").splitlines():
        query, _, document, grade = line.split()
        if float(grade) > 0:
            gold.setdefault(int(query), {})[document] = float(grade)
    asked = tags("title", _open(folder / "cran.qry.xml"))
    queries = [Query(q, gold[n]) for n, q in enumerate(asked, 1) if n in gold]
    return [Dataset("cranfield", documents, queries, [])]


def xquad(root: Path) -> list[Dataset]:
    """Parallel paragraphs in English, Spanish and Chinese, asked in their own language."""
    return [
        _squad(
            f"xquad-{language}",
            json.loads(_open(root / f"multilingual/xquad-a/xquad.{language}.json"))["data"],
        )
        for language in ("en", "es", "zh")
    ]


def drcd(root: Path) -> list[Dataset]:
    """Paragraphs of the Chinese encyclopedia in traditional script."""
    return [
        _squad("drcd", json.loads(_open(root / "multilingual/drcd-dev/DRCD_dev.json.gz"))["data"])
    ]


LOADERS: tuple[Callable[[Path], list[Dataset]], ...] = (
    doc2dial,
    tatqa,
    product_docs,
    clapnq,
    covid_faq,
    covid_qa,
    cranfield,
    xquad,
    drcd,
)


def load(root: Path, names: frozenset[str] = frozenset()) -> list[Dataset]:
    """The sets under ``root``, or those of ``names`` alone."""
    found: list[Dataset] = []
    for loader in LOADERS:
        try:
            found += loader(root)
        except FileNotFoundError as missing:
            print(f"left out: {missing.filename}")
    return [dataset for dataset in found if not names or dataset.name in names]
