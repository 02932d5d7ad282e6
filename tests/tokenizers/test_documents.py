"""Changes of tokenizer.json, in every kind, as the tokenizers library understands them."""

from __future__ import annotations

import json

import pytest
from tokenizers import AddedToken, Tokenizer

from nbmerge.errors import CheckpointError
from nbmerge.tokenizers import read_document
from nbmerge.tokenizers.comparison import TokenizerComparison
from nbmerge.tokenizers.document import Token
from nbmerge.tokenizers.subtokens import subtoken_entries
from nbmerge.tokenizers.union import named, union
from tests.tokenizers.makers import CORPUS, KINDS, OTHER_CORPUS, document, save, train, with_added

TEXTS = [*CORPUS, "the cat <|x|> ran<|y|>", "a new row, unseen words here", ""]


def rebuilt(made) -> Tokenizer:
    return Tokenizer.from_str(json.dumps(made.data))


def cut(tokenizer: Tokenizer, texts=TEXTS) -> list[list[str]]:
    return [tokenizer.encode(t).tokens for t in texts]


@pytest.mark.parametrize("kind", KINDS)
class TestUnion:
    def test_added_tokens_of_all_and_every_text_cut_as_before(self, kind):
        base = with_added(train(kind), ["<|x|>"])
        other = with_added(train(kind), ["<|y|>"], special=["<|z|>"])
        made = union((document(base), document(other)))
        assert made.kind == kind
        everything = with_added(with_added(base, ["<|y|>"]), [], special=["<|z|>"])
        got = rebuilt(made)
        assert cut(got) == cut(everything)
        assert made.ids == got.get_vocab(with_added_tokens=True) == everything.get_vocab(with_added_tokens=True)
        assert made.added["<|z|>"]["special"] is True

    def test_tokens_of_an_unrelated_vocabulary_do_not_change_the_cut(self, kind):
        base, other = train(kind), train(kind, OTHER_CORPUS, 90)
        made = union((document(base), document(other)))
        got = rebuilt(made)
        assert set(made.ids) == set(document(base).ids) | set(document(other).ids)
        assert made.ids == got.get_vocab(with_added_tokens=True)
        if kind != "WordPiece":  # which takes the longest word that it knows
            assert cut(got, CORPUS) == cut(base, CORPUS)
        assert {t: made.ids[t] for t in document(base).ids} == document(base).ids

    def test_a_union_with_itself_is_itself(self, kind):
        base = document(train(kind))
        assert union((base, document(train(kind)))).ids == base.ids

    def test_without_added_tokens_it_still_works(self, kind):
        made = document(with_added(train(kind), ["<|x|>", "<|y|>"])).without({"<|y|>"})
        assert "<|y|>" not in rebuilt(made).get_vocab(with_added_tokens=True)
        assert cut(rebuilt(made), CORPUS) == cut(train(kind), CORPUS)

    def test_ordinary_tokens_behind_added_ones(self, kind):
        flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), False)
        made = document(with_added(train(kind), ["<|x|>"])).extended([Token("zzz", None, -50.0), Token("<|y|>", flags)])
        assert made.ids["zzz"] + 1 == made.ids["<|y|>"] == made.size - 1
        assert rebuilt(made).get_vocab(with_added_tokens=True) == made.ids

    def test_pieces_of_a_token(self, kind):
        own, other = document(train(kind)), document(with_added(train(kind, OTHER_CORPUS, 90), ["<|the cat|>"]))
        token = "<|the cat|>"
        entries = subtoken_entries(other, [(7, token)], own, 3, own.size)[7]
        assert sum(w for _, _, w in entries) == pytest.approx(1)
        assert {s for s, _, _ in entries} == {3}
        assert own.ids["<unk>"] not in {row for _, row, _ in entries}


def test_an_extended_vocabulary_is_used_as_there():
    """A model whose tokenizer was extended with a merge of its own: text is cut as it cuts it."""
    base = document(train("BPE"))
    first, second = next((a, b) for a in base.ids for b in base.ids if len(a) == len(b) == 1 and a + b not in base.ids)
    data = json.loads(json.dumps(base.data))
    data["model"]["vocab"][first + second] = base.size
    data["model"]["merges"].append([first, second])
    made = union((base, type(base)(data)))
    assert type(base)(data).extends(base)
    assert made.merges == [*base.merges, (first, second)]
    assert rebuilt(made).get_vocab(with_added_tokens=True) == made.ids


def test_a_unigram_piece_of_an_extension_keeps_its_score():
    base = document(train("Unigram"))
    data = json.loads(json.dumps(base.data))
    data["model"]["vocab"].append(["▁zebra", -1.5])
    made = union((base, type(base)(data)))
    assert made.scores[made.ids["▁zebra"]] == -1.5
    assert rebuilt(made).encode("zebra").tokens == ["▁zebra"]


def test_tokens_missing_in_the_first_come_from_the_others():
    base, other = train("Unigram"), train("Unigram", OTHER_CORPUS, 90)
    assert "<unk>" in [base.id_to_token(i) for i in base.encode("345").ids]
    assert rebuilt(union((document(base), document(other)))).encode("345").tokens != base.encode("345").tokens


def test_tokens_that_a_recipe_names_are_added():
    made = named(document(train("WordPiece")), ("<|new|>", "the", "<|new|>"))
    assert rebuilt(made).encode("the<|new|>").tokens[-1] == "<|new|>"


@pytest.mark.parametrize(
    "text",
    ["{", "[]", '{"model": {}}', '{"model": {"type": "BPE", "vocab": {"a": "b"}}}', '{"model": {"vocab": {"a": -1}}}'],
)
def test_damaged_files_are_named(tmp_path, text):
    (tmp_path / "tokenizer.json").write_text(text)
    with pytest.raises(CheckpointError, match=r"tokenizer\.json is not a valid tokenizer"):
        read_document(tmp_path)


def test_comparison(tmp_path):
    first = with_added(train("BPE"), ["<|a|>", "<|b|>"])
    second = Tokenizer.from_str(train("BPE").to_str())
    second.add_tokens([AddedToken("<|b|>", normalized=False)])
    folders = {"one": save(tmp_path / "1", first), "two": save(tmp_path / "2", second), "none": tmp_path / "3"}
    compared = TokenizerComparison.of(folders)
    assert compared.models == ("one", "two")
    assert (compared.own("one"), compared.lacking("two"), compared.moved("two")) == (["<|a|>"], ["<|a|>"], ["<|b|>"])
    assert list(compared.cut("<|b|>")["two"]) == [("<|b|>", second.token_to_id("<|b|>"))]
    assert len(list(compared.facts())) == 2
