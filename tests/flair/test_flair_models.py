"""Real Flair models, trained here in seconds, through the product's own loading and predicting.

Run in the Flair environment: ``.venv-flair/bin/python -m pytest tests/flair`` (``tests/run`` does).
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from pipelines.affect import Vader, make_names, make_sentiment
from pipelines.errors import SettingsError
from pipelines.settings_sections import Affect

# third-party code imports and deprecates at will; what it warns about is not ours to fix
pytestmark = [pytest.mark.flair, pytest.mark.filterwarnings("ignore")]

GOOD = ("great", "lovely", "stunning", "brilliant")
BAD = ("awful", "dreadful", "boring", "dire")
NAMES = ("Velora Quist", "Tamsin Oake", "Rell Amari")


def affect(model: str = "", ner_model: str = "") -> Affect:
    return Affect(
        controversy_weight=0.25, controversy_floor=10, positive=0.2, negative=-0.2, model=model, ner_model=ner_model
    )


def as_corpus(sentences: list[Any]) -> Any:
    from flair.data import Corpus
    from flair.datasets import FlairDatapointDataset

    data = FlairDatapointDataset(sentences)
    return Corpus(train=data, dev=data, test=data, name="tiny")


def train(model: Any, sentences: list[Any], folder: Path) -> str:
    import flair
    from flair.trainers import ModelTrainer

    flair.set_seed(7)
    trainer = ModelTrainer(model, as_corpus(sentences))
    trainer.train(
        folder, learning_rate=0.2, mini_batch_size=8, max_epochs=12, embeddings_storage_mode="none",
        train_with_dev=True, create_file_logs=False, create_loss_file=False, plugins=[],
    )  # fmt: skip
    return str(folder / "final-model.pt")


@pytest.fixture(scope="module")
def sentiment_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    from flair.data import Dictionary, Sentence
    from flair.embeddings import DocumentPoolEmbeddings, OneHotEmbeddings
    from flair.models import TextClassifier

    rng = random.Random(7)
    sentences = []
    for _ in range(120):
        words, label = rng.choice([(GOOD, "POSITIVE"), (BAD, "NEGATIVE")])
        text = f"the {rng.choice(('film', 'song', 'show'))} was {rng.choice(words)} and {rng.choice(words)}"
        sentences.append(Sentence(text).add_label("sentiment", label))
    vocabulary = Dictionary()
    for word in (*GOOD, *BAD, "the", "film", "song", "show", "was", "and"):
        vocabulary.add_item(word)
    labels = Dictionary(add_unk=False)
    labels.add_item("POSITIVE")
    labels.add_item("NEGATIVE")
    embeddings = DocumentPoolEmbeddings([OneHotEmbeddings(vocabulary, embedding_length=16)])
    classifier = TextClassifier(embeddings, label_type="sentiment", label_dictionary=labels)
    return train(classifier, sentences, tmp_path_factory.mktemp("sentiment"))


@pytest.fixture(scope="module")
def ner_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    from flair.data import Dictionary, Sentence
    from flair.embeddings import OneHotEmbeddings
    from flair.models import SequenceTagger

    rng = random.Random(11)
    vocabulary = Dictionary()
    for word in (*(part for name in NAMES for part in name.split()), "joins", "leaves", "the", "cast", "tonight"):
        vocabulary.add_item(word)
    sentences = []
    for _ in range(120):
        sentence = Sentence(f"{rng.choice(NAMES)} {rng.choice(('joins', 'leaves'))} the cast tonight")
        sentence[0:2].add_label("ner", "PER")
        sentences.append(sentence)
    labels = as_corpus(sentences).make_label_dictionary("ner", add_unk=False)
    tagger = SequenceTagger(
        OneHotEmbeddings(vocabulary, embedding_length=16), tag_dictionary=labels, tag_type="ner", use_rnn=False,
        use_crf=False, reproject_embeddings=False,
    )  # fmt: skip
    return train(tagger, sentences, tmp_path_factory.mktemp("ner"))


def test_a_text_classifier_tells_moods_through_the_setting(sentiment_model: str) -> None:
    model = make_sentiment(affect(model=sentiment_model))

    good, bad, nothing, blank = model.scores(["the film was stunning", "the show was dreadful", "", " \t"])

    assert good is not None
    assert bad is not None
    assert 0.5 < good <= 1.0
    assert -1.0 <= bad < -0.5
    assert nothing is None
    assert blank is None


def test_many_texts_keep_their_order(sentiment_model: str) -> None:
    texts = [f"the song was {(GOOD if i % 3 else BAD)[i % 4]}" for i in range(150)]

    moods = make_sentiment(affect(model=sentiment_model)).scores(texts)

    assert [mood is not None and mood > 0 for mood in moods] == [bool(i % 3) for i in range(150)]


def test_a_tagger_finds_names_for_discovery(ner_model: str) -> None:
    find = make_names(affect(ner_model=ner_model))
    assert find is not None

    assert find(["Tamsin Oake leaves the cast tonight", "", "the cast tonight"]) == [["Tamsin Oake"], [], []]


def test_a_missing_file_names_the_setting() -> None:
    with pytest.raises(SettingsError, match=r"affect\.model: no model file"):
        make_sentiment(affect(model="/nowhere/mood.pt"))


def test_a_file_that_is_no_model_names_the_setting(tmp_path: Path) -> None:
    broken = tmp_path / "broken.pt"
    broken.write_bytes(b"not a model")

    with pytest.raises(SettingsError, match=r"affect\.ner_model: .*broken\.pt is not a SequenceTagger"):
        make_names(affect(ner_model=str(broken)))


def test_without_models_vader_and_no_tagger() -> None:
    assert isinstance(make_sentiment(affect()), Vader)
    assert make_names(affect()) is None
